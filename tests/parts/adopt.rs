//! The account that a journal belongs to.

use stenobot_domain::UserId;
use stenobot_store::{Adopted, JournalError, WorkSource};

use crate::desk::Desk;

const ONE: UserId = UserId(7_000_000_001);
const OTHER: UserId = UserId(7_000_000_002);

#[tokio::test]
async fn a_journal_belongs_to_one_account_until_another_adopts_it() {
    let desk = Desk::new().await;
    for _ in 0..2 {
        desk.journal.belongs_to(ONE).await.unwrap();
    }
    let refuses = async |token, journal| {
        let error = desk.journal.belongs_to(token).await.unwrap_err();
        assert!(
            matches!(error, JournalError::OtherBot { journal: found, token: asked } if (found, asked) == (journal, token)),
            "{error}"
        );
        assert!(!error.passes());
    };
    refuses(OTHER, ONE).await;
    let (queued, waits) = (desk.enqueue(1).await, desk.admit(2).await);
    desk.journal.ban(UserId(13)).await.unwrap();

    assert_eq!(desk.journal.adopt(OTHER).await.unwrap(), Adopted { before: Some(ONE), ended: 2 });
    for id in [waits, queued] {
        assert_eq!(desk.value::<String>(id, "stage").await, "cancelled");
        assert_eq!(desk.value::<String>(id, "reason").await, "operator");
    }
    assert_eq!(desk.claim(WorkSource::Downloads, "w").await, None);
    assert_eq!(desk.journal.claim_notice("w").await.unwrap(), None, "their chats are the other account's");
    assert_eq!(desk.count("bans").await, 1);
    desk.journal.belongs_to(OTHER).await.unwrap();
    refuses(ONE, OTHER).await;

    // The same account again: nothing ends.
    desk.admit(3).await;
    assert_eq!(desk.journal.adopt(OTHER).await.unwrap(), Adopted { before: Some(OTHER), ended: 0 });
    assert!(desk.claim(WorkSource::Downloads, "w").await.is_some());
}
