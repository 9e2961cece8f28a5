//! Guarantees of the store itself, without a bot.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use stenobot_domain::{ChatId, Clock, FailReason, MessageId, StageName, UserId};
use stenobot_store::{
    Admission, Capacity, Fence, IncomingAudio, LEASE, Sender, Settlement, Store, StoreError, WorkSource,
};
use stenobot_store::{AfterRestore, RequestUpdate, StoreUrl, restore};

use super::{Row, measured, rounds};

const UNLIMITED: Capacity = Capacity { queue: 100_000, per_user: u32::MAX, per_day: None };

struct TestStore {
    store: Store,
    path: PathBuf,
    time: Arc<AtomicI64>,
    _folder: tempfile::TempDir,
}

impl TestStore {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let time = Arc::new(AtomicI64::new(1_700_000_000_000));
        let store = Store::open(&StoreUrl::sqlite(&path), Clock::Manual(time.clone())).await.unwrap();
        Self { store, path, time, _folder: folder }
    }
}

fn incoming(message: i32) -> IncomingAudio {
    let sender = Sender { id: UserId(1), username: None, first_name: Some("Anna".into()), last_name: None };
    IncomingAudio::voice(ChatId(1), MessageId(message), sender, format!("file-{message}"), format!("unique-{message}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_update_twice() {
    const ROW: Row = Row {
        number: 30,
        test: "the same update delivered twice",
        figure: "one request each",
        name: "store::the_same_update_twice",
    };
    let test = TestStore::new().await;
    let times = rounds(200);
    for message in 0..i32::try_from(times).unwrap() {
        // Concurrently, which Telegram never does.
        let (incoming, one, other) = (incoming(message), test.store.clone(), test.store.clone());
        let again = incoming.clone();
        let one = tokio::spawn(async move { one.queue.admit(&incoming, &UNLIMITED).await.unwrap() });
        let other = tokio::spawn(async move { other.queue.admit(&again, &UNLIMITED).await.unwrap() });
        let outcomes = [one.await.unwrap(), other.await.unwrap()];
        let is_new = |outcome: &&Admission| matches!(outcome, Admission::New(_));
        assert_eq!(outcomes.iter().filter(is_new).count(), 1, "{outcomes:?}");
        assert!(outcomes.contains(&Admission::Duplicate), "{outcomes:?}");
    }
    assert_eq!(test.store.queue.depth().await.unwrap() as usize, times);
    measured(&ROW, times, &format!("{times} requests of {} updates", 2 * times));
}

#[tokio::test]
async fn an_expired_lease() {
    const ROW: Row = Row {
        number: 31,
        test: "a lease expires, then its former worker writes",
        figure: "every write refused",
        name: "store::an_expired_lease",
    };
    let test = TestStore::new().await;
    let (times, mut refused) = (rounds(20), 0);
    for message in 0..i32::try_from(times).unwrap() {
        let Admission::New(_) = test.store.queue.admit(&incoming(message), &UNLIMITED).await.unwrap() else { panic!() };
        let zombie = test.store.queue.claim(WorkSource::Downloads, "zombie").await.unwrap().unwrap().fence;
        let lease = i64::try_from(LEASE.as_millis()).unwrap() + 1;
        test.time.fetch_add(lease, Ordering::SeqCst);
        // Every second time the same process owns both leases, as when one of its tasks hangs.
        let heir = if message % 2 == 0 { "heir" } else { "zombie" };
        let fence = test.store.queue.claim(WorkSource::Downloads, heir).await.unwrap().unwrap().fence;
        let writes = [
            test.store.queue.advance(&zombie, StageName::Downloaded, &RequestUpdate::default()).await,
            test.store.queue.settle(&zombie, Settlement::Failed(FailReason::Download)).await,
            test.store.queue.release(&zombie, Duration::ZERO, true).await,
            test.store.queue.renew(&zombie).await,
            test.store.queue.set_status_message(&zombie, incoming(message).chat, MessageId(7)).await,
        ];
        for write in writes {
            assert!(matches!(write, Err(StoreError::LeaseLost { .. })), "{write:?}");
            refused += 1;
        }
        test.store.queue.advance(&fence, StageName::Downloaded, &RequestUpdate::default()).await.unwrap();
        let fence = Fence { stage: StageName::Downloaded, ..fence };
        test.store.queue.advance(&fence, StageName::Queued, &RequestUpdate::default()).await.unwrap();
    }
    measured(&ROW, times, &format!("{refused} of {refused} writes refused"));
}

#[tokio::test]
async fn backup_and_restore() {
    const ROW: Row = Row {
        number: 70,
        test: "backup while requests come in, then restore",
        figure: "integrity check passes, nothing acknowledged lost",
        name: "store::backup_and_restore",
    };
    let times = rounds(2);
    let mut lost = 0;
    for round in 0..times {
        let test = TestStore::new().await;
        let (store, count) = (test.store.clone(), tokio::sync::watch::Sender::new(0_i64));
        let mut acknowledged = count.subscribe();
        let writer = tokio::spawn(async move {
            for message in 1..=100 {
                let _ = store.queue.admit(&incoming(message), &UNLIMITED).await.unwrap();
                count.send_replace(i64::from(message));
            }
            store
        });
        let enough = i64::try_from(round % 100).unwrap();
        acknowledged.wait_for(|count| *count > enough).await.unwrap();
        let before = *acknowledged.borrow();
        let copy = test.path.with_file_name("copy.db");
        let _ = test.store.backup(&copy, false).await.unwrap();
        writer.await.unwrap().close().await;
        test.store.clone().close().await;
        // A restore verifies the copy: integrity check, foreign keys, schema.
        let restored = restore(&copy, &test.path, AfterRestore::Continue).await.unwrap();
        lost += (before - restored.contents.requests).max(0);
    }
    assert_eq!(lost, 0);
    measured(&ROW, times, &format!("{times} restored, {lost} acknowledged requests lost"));
}
