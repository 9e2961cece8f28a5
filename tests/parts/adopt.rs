//! The account that a store belongs to.

use stenobot_domain::UserId;
use stenobot_store::{Adopted, StoreError, WorkSource};

use crate::desk::Desk;

const ONE: UserId = UserId(7_000_000_001);
const OTHER: UserId = UserId(7_000_000_002);

#[tokio::test]
async fn a_journal_belongs_to_one_account_until_another_adopts_it() {
    let desk = Desk::new().await;
    for _ in 0..2 {
        desk.store.belongs_to(ONE).await.unwrap();
    }
    let refuses = async |token, store| {
        let error = desk.store.belongs_to(token).await.unwrap_err();
        assert!(
            matches!(error, StoreError::OtherBot { store: found, token: asked } if (found, asked) == (store, token)),
            "{error}"
        );
        assert!(!error.is_transient());
    };
    refuses(OTHER, ONE).await;
    let (queued, waits) = (desk.enqueue(1).await, desk.admit(2).await);
    desk.store.users.ban(UserId(13)).await.unwrap();

    assert_eq!(desk.store.adopt(OTHER).await.unwrap(), Adopted { before: Some(ONE), ended: 2 });
    for id in [waits, queued] {
        assert_eq!(desk.value::<String>(id, "stage").await, "cancelled");
        assert_eq!(desk.value::<String>(id, "reason").await, "operator");
    }
    assert_eq!(desk.claim(WorkSource::Downloads, "w").await, None);
    assert_eq!(desk.store.queue.claim_notice("w").await.unwrap(), None, "their chats are the other account's");
    assert_eq!(desk.count("bans").await, 1);
    desk.store.belongs_to(OTHER).await.unwrap();
    refuses(ONE, OTHER).await;

    // The same account again: nothing ends.
    desk.admit(3).await;
    assert_eq!(desk.store.adopt(OTHER).await.unwrap(), Adopted { before: Some(OTHER), ended: 0 });
    assert!(desk.claim(WorkSource::Downloads, "w").await.is_some());
}
