//! What the store keeps by itself, without a bot around it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use stenobot_domain::{ChatId, Clock, FailReason, MessageId, StageName, UserId};
use stenobot_store::{
    Admission, AfterRestore, Capacity, Fence, IncomingAudio, LEASE, RequestUpdate, Sender, Settlement, Store,
    StoreError, StoreUrl, WorkSource, restore,
};

use super::{Row, measured, rounds};

const ROOMY: Capacity = Capacity { queue: 100_000, per_user: u32::MAX, per_day: None };

struct Desk {
    store: Store,
    path: PathBuf,
    time: Arc<AtomicI64>,
    _folder: tempfile::TempDir,
}

impl Desk {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let time = Arc::new(AtomicI64::new(1_700_000_000_000));
        let store = Store::open(&StoreUrl::sqlite(&path), Clock::Manual(time.clone())).await.unwrap();
        Self { store, path, time, _folder: folder }
    }
}

fn arrival(message: i32) -> IncomingAudio {
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
    let desk = Desk::new().await;
    let times = rounds(200);
    for message in 0..i32::try_from(times).unwrap() {
        // At the same time, as no order of Telegram's would have it.
        let (arrival, one, other) = (arrival(message), desk.store.clone(), desk.store.clone());
        let again = arrival.clone();
        let one = tokio::spawn(async move { one.queue.admit(&arrival, &ROOMY).await.unwrap() });
        let other = tokio::spawn(async move { other.queue.admit(&again, &ROOMY).await.unwrap() });
        let outcomes = [one.await.unwrap(), other.await.unwrap()];
        let is_new = |outcome: &&Admission| matches!(outcome, Admission::New(_));
        assert_eq!(outcomes.iter().filter(is_new).count(), 1, "{outcomes:?}");
        assert!(outcomes.contains(&Admission::Duplicate), "{outcomes:?}");
    }
    assert_eq!(desk.store.queue.depth().await.unwrap() as usize, times);
    measured(&ROW, times, &format!("{times} requests of {} updates", 2 * times));
}

#[tokio::test]
async fn a_zombie_worker() {
    const ROW: Row = Row {
        number: 31,
        test: "a lease expires, then its former worker writes",
        figure: "every write refused",
        name: "store::a_zombie_worker",
    };
    let desk = Desk::new().await;
    let (times, mut refused) = (rounds(20), 0);
    for message in 0..i32::try_from(times).unwrap() {
        let Admission::New(_) = desk.store.queue.admit(&arrival(message), &ROOMY).await.unwrap() else { panic!() };
        let zombie = desk.store.queue.claim(WorkSource::Downloads, "zombie").await.unwrap().unwrap().fence;
        let lease = i64::try_from(LEASE.as_millis()).unwrap() + 1;
        desk.time.fetch_add(lease, Ordering::SeqCst);
        // Every second time it is the same process whose one task hangs while another goes on.
        let heir = if message % 2 == 0 { "heir" } else { "zombie" };
        let fence = desk.store.queue.claim(WorkSource::Downloads, heir).await.unwrap().unwrap().fence;
        let now = desk.store.clock().now();
        let writes = [
            desk.store.queue.advance(&zombie, StageName::Downloaded, &RequestUpdate::default()).await,
            desk.store.queue.settle(&zombie, Settlement::Failed(FailReason::Download)).await,
            desk.store.queue.release(&zombie, now, true).await,
            desk.store.queue.renew(&zombie).await,
            desk.store.queue.set_status_message(&zombie, arrival(message).chat, MessageId(7)).await,
        ];
        for write in writes {
            assert!(matches!(write, Err(StoreError::LeaseLost { .. })), "{write:?}");
            refused += 1;
        }
        desk.store.queue.advance(&fence, StageName::Downloaded, &RequestUpdate::default()).await.unwrap();
        let fence = Fence { stage: StageName::Downloaded, ..fence };
        desk.store.queue.advance(&fence, StageName::Queued, &RequestUpdate::default()).await.unwrap();
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
        let desk = Desk::new().await;
        let (store, count) = (desk.store.clone(), tokio::sync::watch::Sender::new(0_i64));
        let mut acknowledged = count.subscribe();
        let writer = tokio::spawn(async move {
            for message in 1..=100 {
                let _ = store.queue.admit(&arrival(message), &ROOMY).await.unwrap();
                count.send_replace(i64::from(message));
            }
            store
        });
        let enough = i64::try_from(round % 100).unwrap();
        acknowledged.wait_for(|count| *count > enough).await.unwrap();
        let before = *acknowledged.borrow();
        let copy = desk.path.with_file_name("copy.db");
        let _ = desk.store.backup(&copy, false).await.unwrap();
        writer.await.unwrap().close().await;
        desk.store.clone().close().await;
        // Restoring verifies the copy: SQLite's integrity check, foreign keys, the schema.
        let restored = restore(&copy, &StoreUrl::sqlite(&desk.path), AfterRestore::Continue).await.unwrap();
        lost += (before - restored.contents.requests).max(0);
    }
    assert_eq!(lost, 0);
    measured(&ROW, times, &format!("{times} restored, {lost} acknowledged requests lost"));
}
