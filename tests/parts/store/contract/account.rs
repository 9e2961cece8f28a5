//! The account that a store belongs to.

use stenobot_domain::UserId;
use stenobot_store::{Adopted, StoreError, WorkSource};

use super::BACKEND;
use crate::store::test_store::TestStore;

const ONE: UserId = UserId(7_000_000_001);
const OTHER: UserId = UserId(7_000_000_002);

#[tokio::test]
async fn a_store_belongs_to_one_account_until_another_adopts_it() {
    let test = TestStore::new(BACKEND).await;
    for _ in 0..2 {
        test.store.belongs_to(ONE).await.unwrap();
    }
    let refuses = async |token, store| {
        let error = test.store.belongs_to(token).await.unwrap_err();
        assert!(
            matches!(error, StoreError::OtherBot { store: found, token: asked } if (found, asked) == (store, token)),
            "{error}"
        );
        assert!(!error.is_transient());
    };
    refuses(OTHER, ONE).await;
    let (queued, waits) = (test.enqueue(1).await, test.admit(2).await);
    test.store.users.ban(UserId(13)).await.unwrap();

    assert_eq!(test.store.adopt(OTHER).await.unwrap(), Adopted { before: Some(ONE), ended: 2 });
    for id in [waits, queued] {
        assert_eq!(test.value::<String>(id, "stage").await, "cancelled");
        assert_eq!(test.value::<String>(id, "reason").await, "operator");
    }
    assert_eq!(test.claim(WorkSource::Downloads, "w").await, None);
    assert_eq!(test.store.queue.claim_notice("w").await.unwrap(), None, "their chats are the other account's");
    assert_eq!(test.count("bans").await, 1);
    test.store.belongs_to(OTHER).await.unwrap();
    refuses(ONE, OTHER).await;

    // The same account again: nothing ends.
    test.admit(3).await;
    assert_eq!(test.store.adopt(OTHER).await.unwrap(), Adopted { before: Some(OTHER), ended: 0 });
    assert!(test.claim(WorkSource::Downloads, "w").await.is_some());
}
