//! The queue: its capacity, the next claim, positions.

use std::time::Duration;

use stenobot_domain::{AudioLength, CancelledBy, FailReason, RejectReason, RequestId, StageName};
use stenobot_store::{Admission, LEASE, Settlement, WorkSource};

use super::BACKEND;
use crate::store::test_store::{ROOMY, TestStore, arrival, queue_of};

async fn positions(test: &TestStore) -> Vec<RequestId> {
    test.store.queue.waiting().await.unwrap().into_iter().map(|waiting| waiting.id).collect()
}

async fn admit(test: &TestStore, message: i32, capacity: u32) -> Admission {
    test.store.queue.admit(&arrival(message), &queue_of(capacity)).await.unwrap()
}

#[tokio::test]
async fn an_empty_queue_has_no_depth_and_no_claims() {
    let test = TestStore::new(BACKEND).await;
    assert_eq!(positions(&test).await, []);
    let snapshot = test.store.statistics.snapshot().await.unwrap();
    assert_eq!((test.store.queue.depth().await.unwrap(), snapshot.oldest, snapshot.audio), (0, None, Duration::ZERO));
    assert_eq!(test.claim(WorkSource::Transcriptions, "w").await, None);
}

#[tokio::test]
async fn requests_up_to_the_capacity_are_accepted_and_the_next_is_refused() {
    let test = TestStore::new(BACKEND).await;
    for message in 0..3 {
        assert!(matches!(admit(&test, message, 3).await, Admission::New(_)));
    }
    assert!(matches!(admit(&test, 3, 3).await, Admission::QueueFull(_)));
    assert_eq!(test.store.queue.depth().await.unwrap(), 3);
}

#[tokio::test]
async fn a_queue_of_one_accepts_one() {
    let test = TestStore::new(BACKEND).await;
    assert!(matches!(admit(&test, 0, 1).await, Admission::New(_)));
    assert!(matches!(admit(&test, 1, 1).await, Admission::QueueFull(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_admissions_never_exceed_the_capacity() {
    let test = TestStore::new(BACKEND).await;
    let other = test.another().await;
    let mut tasks = tokio::task::JoinSet::new();
    for sender in 0..10 {
        let store = if sender % 2 == 0 { test.store.clone() } else { other.clone() };
        tasks.spawn(async move {
            let (mut new, mut refused) = (0, 0);
            for message in 0..20 {
                match store.queue.admit(&arrival(sender * 100 + message), &queue_of(50)).await.unwrap() {
                    Admission::New(_) => new += 1,
                    Admission::QueueFull(_) => refused += 1,
                    other => panic!("{other:?}"),
                }
                assert!(store.queue.depth().await.unwrap() <= 50);
            }
            (new, refused)
        });
    }
    let sum = tasks.join_all().await.into_iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!(sum, (50, 150));
}

#[tokio::test]
async fn a_position_is_held_from_admission_until_the_engine_starts() {
    let test = TestStore::new(BACKEND).await;
    assert!(matches!(admit(&test, 0, 1).await, Admission::New(_)));
    let row = test.claim(WorkSource::Downloads, "w").await.unwrap();
    assert!(matches!(admit(&test, 1, 1).await, Admission::QueueFull(_)), "being downloaded");
    let fence = test.advance(&row.fence, StageName::Downloaded).await;
    assert!(matches!(admit(&test, 2, 1).await, Admission::QueueFull(_)), "downloaded");
    test.advance(&fence, StageName::Queued).await;
    assert!(matches!(admit(&test, 3, 1).await, Admission::QueueFull(_)), "queued");
    test.start("w").await;
    assert!(matches!(admit(&test, 4, 1).await, Admission::New(_)), "in the engine");
}

#[tokio::test]
async fn a_request_that_ends_while_it_waits_frees_its_position() {
    let test = TestStore::new(BACKEND).await;
    assert!(matches!(admit(&test, 0, 1).await, Admission::New(_)));
    let row = test.claim(WorkSource::Downloads, "w").await.unwrap();
    test.store.queue.settle(&row.fence, Settlement::Cancelled(CancelledBy::Sender)).await.unwrap();
    assert!(matches!(admit(&test, 1, 1).await, Admission::New(_)));
}

#[tokio::test]
async fn refused_requests_hold_no_position_and_get_a_notice() {
    let test = TestStore::new(BACKEND).await;
    let first = test.store.queue.refuse(&arrival(0), RejectReason::TooLong).await.unwrap().unwrap();
    assert!(matches!(admit(&test, 1, 1).await, Admission::New(_)));
    let Admission::QueueFull(refused) = admit(&test, 2, 1).await else { panic!("full") };
    assert_eq!(positions(&test).await.len(), 1);
    let notice = test.store.queue.claim_notice("w").await.unwrap().unwrap();
    assert_eq!((notice.fence.id, notice.settlement), (refused, Settlement::Rejected(RejectReason::QueueFull)));
    assert_eq!(notice.folded, [first], "one message for both");
}

#[tokio::test]
async fn a_known_message_is_a_duplicate_also_in_a_full_queue() {
    let test = TestStore::new(BACKEND).await;
    assert!(matches!(admit(&test, 0, 1).await, Admission::New(_)));
    assert_eq!(admit(&test, 0, 1).await, Admission::Duplicate);
}

#[tokio::test]
async fn a_refused_message_stays_refused_when_it_comes_again() {
    let test = TestStore::new(BACKEND).await;
    assert!(matches!(admit(&test, 0, 1).await, Admission::New(_)));
    assert!(matches!(admit(&test, 1, 1).await, Admission::QueueFull(_)));
    assert_eq!(admit(&test, 1, 5).await, Admission::Duplicate);
    assert_eq!(test.count("usage").await, 2);
}

#[tokio::test]
async fn requests_of_one_user_are_served_in_order_of_arrival() {
    let test = TestStore::new(BACKEND).await;
    let mut ids = Vec::new();
    for message in [9, 3, 7, 1] {
        ids.push(test.enqueue(message).await);
    }
    assert_eq!(positions(&test).await, ids);
    for id in ids {
        assert_eq!(test.start("w").await.id, id);
    }
}

#[tokio::test]
async fn a_slow_download_keeps_its_position_and_delays_no_other() {
    let test = TestStore::new(BACKEND).await;
    let slow = test.admit(1).await;
    let row = test.claim(WorkSource::Downloads, "slow").await.unwrap();
    let quick = test.enqueue(2).await;
    assert_eq!(positions(&test).await, [slow, quick]);
    let fence = test.advance(&row.fence, StageName::Downloaded).await;
    let later = test.enqueue(3).await;
    test.advance(&fence, StageName::Queued).await;
    assert_eq!(test.start("w").await.id, slow);
    assert_eq!(test.start("w").await.id, quick);
    assert_eq!(test.start("w").await.id, later);
}

#[tokio::test]
async fn positions_decrease_when_a_request_starts_or_ends() {
    let test = TestStore::new(BACKEND).await;
    let ids = [test.enqueue(1).await, test.enqueue(2).await, test.enqueue(3).await];
    assert_eq!(positions(&test).await, ids);
    test.start("w").await;
    assert_eq!(positions(&test).await, ids[1..]);
    let row = test.claim(WorkSource::Transcriptions, "w").await.unwrap();
    test.store.queue.settle(&row.fence, Settlement::Failed(FailReason::Damaged)).await.unwrap();
    assert_eq!(positions(&test).await, ids[2..]);
}

#[tokio::test]
async fn a_request_released_by_the_engine_is_next() {
    let test = TestStore::new(BACKEND).await;
    let ids = [test.enqueue(1).await, test.enqueue(2).await];
    let fence = test.start("w").await;
    test.store.queue.release(&fence, Duration::ZERO, false).await.unwrap();
    assert_eq!(positions(&test).await, ids);
    assert_eq!(test.start("w").await.id, ids[0]);
}

#[tokio::test]
async fn a_request_that_pauses_lets_the_others_pass() {
    let test = TestStore::new(BACKEND).await;
    let ids = [test.enqueue(1).await, test.enqueue(2).await];
    let fence = test.start("w").await;
    test.store.queue.release(&fence, Duration::from_secs(15), false).await.unwrap();
    assert_eq!(test.start("w").await.id, ids[1]);
    assert_eq!(test.claim(WorkSource::Transcriptions, "w").await, None);
    test.pass(Duration::from_secs(15));
    assert_eq!(test.start("w").await.id, ids[0]);
}

#[tokio::test]
async fn a_request_of_a_dead_worker_is_served_before_later_ones() {
    let test = TestStore::new(BACKEND).await;
    let ids = [test.enqueue(1).await, test.enqueue(2).await];
    test.start("dead").await;
    test.pass(LEASE + Duration::from_secs(1));
    assert_eq!(test.start("w").await.id, ids[0]);
    assert_eq!(test.start("w").await.id, ids[1]);
}

#[tokio::test]
async fn downloads_and_transcriptions_are_claimed_separately() {
    let test = TestStore::new(BACKEND).await;
    let queued = test.enqueue(1).await;
    let received = test.admit(2).await;
    assert_eq!(test.claim(WorkSource::Downloads, "w").await.unwrap().fence.id, received);
    assert_eq!(test.claim(WorkSource::Downloads, "w").await, None);
    assert_eq!(test.claim(WorkSource::Transcriptions, "w").await.unwrap().fence.id, queued);
    assert_eq!(test.claim(WorkSource::Transcriptions, "w").await, None);
}

#[tokio::test]
async fn the_snapshot_counts_the_rows() {
    let test = TestStore::new(BACKEND).await;
    for message in 0..3 {
        test.enqueue(message).await;
        test.pass(Duration::from_secs(1));
    }
    test.start("w").await;
    let fence = test.start("w").await;
    test.advance(&fence, StageName::Transcribed).await;
    test.admit(8).await;
    test.admit(9).await;
    let snapshot = test.store.statistics.snapshot().await.unwrap();
    for (stage, count) in [
        (StageName::Received, 2),
        (StageName::Downloaded, 0),
        (StageName::Queued, 1),
        (StageName::Transcribing, 1),
        (StageName::Transcribed, 1),
    ] {
        assert_eq!(snapshot.count(stage), count, "{stage}");
    }
    assert_eq!(test.store.queue.depth().await.unwrap(), 3);
    assert_eq!(snapshot.audio, Duration::from_secs(30));
    assert_eq!(
        test.now().since(snapshot.oldest.unwrap()),
        Duration::from_secs(1),
        "the third is the oldest that waits"
    );
    let all: Vec<_> = (1..=9).map(RequestId).collect();
    assert_eq!(test.store.audio.in_use(&all).await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_waiting_request_gives_its_length_and_message() {
    let test = TestStore::new(BACKEND).await;
    test.enqueue(1).await;
    let waiting = test.store.queue.waiting().await.unwrap().remove(0);
    assert_eq!(
        (waiting.stage, waiting.length),
        (StageName::Queued, Some(AudioLength::Claimed(Duration::from_secs(10))))
    );
    assert_eq!((waiting.chat, waiting.locale.as_deref()), (arrival(1).chat, Some("ru")));
    assert_eq!(waiting.status_message, None);
}

#[tokio::test]
async fn the_queue_survives_the_process() {
    let test = TestStore::new(BACKEND).await;
    let ids = [test.enqueue(1).await, test.enqueue(2).await, test.admit(3).await];
    test.store.clone().close().await;
    let store = test.another().await;
    let waiting: Vec<_> = store.queue.waiting().await.unwrap().into_iter().map(|waiting| waiting.id).collect();
    assert_eq!(waiting, ids);
    assert_eq!(store.queue.claim(WorkSource::Transcriptions, "w").await.unwrap().unwrap().fence.id, ids[0]);
    assert!(matches!(store.queue.admit(&arrival(3), &ROOMY).await.unwrap(), Admission::Duplicate));
}
