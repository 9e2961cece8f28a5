//! The queue: how many may wait, who is next, and where everybody stands.

use std::time::Duration;

use stenobot_domain::{CancelledBy, FailReason, RejectReason, RequestId, StageName};
use stenobot_store::{Admission, LEASE, Settlement, WorkSource};

use crate::desk::{Desk, ROOMY, arrival, queue_of};

async fn positions(desk: &Desk) -> Vec<RequestId> {
    desk.store.queue.waiting().await.unwrap().into_iter().map(|waiting| waiting.id).collect()
}

async fn admit(desk: &Desk, message: i32, capacity: u32) -> Admission {
    desk.store.queue.admit(&arrival(message), &queue_of(capacity)).await.unwrap()
}

#[tokio::test]
async fn an_empty_queue_has_nobody_in_it() {
    let desk = Desk::new().await;
    assert_eq!(positions(&desk).await, []);
    let snapshot = desk.store.statistics.snapshot().await.unwrap();
    assert_eq!((desk.store.queue.depth().await.unwrap(), snapshot.oldest, snapshot.audio), (0, None, Duration::ZERO));
    assert_eq!(desk.claim(WorkSource::Transcriptions, "w").await, None);
}

#[tokio::test]
async fn as_many_as_may_wait_are_taken_and_the_next_is_refused() {
    let desk = Desk::new().await;
    for message in 0..3 {
        assert!(matches!(admit(&desk, message, 3).await, Admission::New(_)));
    }
    assert!(matches!(admit(&desk, 3, 3).await, Admission::QueueFull(_)));
    assert_eq!(desk.store.queue.depth().await.unwrap(), 3);
}

#[tokio::test]
async fn a_queue_of_one_takes_one() {
    let desk = Desk::new().await;
    assert!(matches!(admit(&desk, 0, 1).await, Admission::New(_)));
    assert!(matches!(admit(&desk, 1, 1).await, Admission::QueueFull(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rush_is_refused_by_exactly_as_many_as_are_too_many() {
    let desk = Desk::new().await;
    let other = desk.another().await;
    let mut tasks = tokio::task::JoinSet::new();
    for sender in 0..10 {
        let store = if sender % 2 == 0 { desk.store.clone() } else { other.clone() };
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
async fn a_place_is_held_from_admission_until_the_engine_starts() {
    let desk = Desk::new().await;
    assert!(matches!(admit(&desk, 0, 1).await, Admission::New(_)));
    let row = desk.claim(WorkSource::Downloads, "w").await.unwrap();
    assert!(matches!(admit(&desk, 1, 1).await, Admission::QueueFull(_)), "being downloaded");
    let fence = desk.advance(&row.fence, StageName::Downloaded).await;
    assert!(matches!(admit(&desk, 2, 1).await, Admission::QueueFull(_)), "downloaded");
    desk.advance(&fence, StageName::Queued).await;
    assert!(matches!(admit(&desk, 3, 1).await, Admission::QueueFull(_)), "queued");
    desk.start("w").await;
    assert!(matches!(admit(&desk, 4, 1).await, Admission::New(_)), "in the engine");
}

#[tokio::test]
async fn a_request_that_ends_while_it_waits_makes_room() {
    let desk = Desk::new().await;
    assert!(matches!(admit(&desk, 0, 1).await, Admission::New(_)));
    let row = desk.claim(WorkSource::Downloads, "w").await.unwrap();
    desk.store.queue.settle(&row.fence, Settlement::Cancelled(CancelledBy::Sender)).await.unwrap();
    assert!(matches!(admit(&desk, 1, 1).await, Admission::New(_)));
}

#[tokio::test]
async fn the_refused_hold_no_place_and_are_told() {
    let desk = Desk::new().await;
    let first = desk.store.queue.refuse(&arrival(0), RejectReason::TooLong).await.unwrap().unwrap();
    assert!(matches!(admit(&desk, 1, 1).await, Admission::New(_)));
    let Admission::QueueFull(refused) = admit(&desk, 2, 1).await else { panic!("full") };
    assert_eq!(positions(&desk).await.len(), 1);
    let notice = desk.store.queue.claim_notice("w").await.unwrap().unwrap();
    assert_eq!((notice.fence.id, notice.settlement), (refused, Settlement::Rejected(RejectReason::QueueFull)));
    assert_eq!(notice.folded, [first], "one message for both");
}

#[tokio::test]
async fn a_known_message_is_no_overflow() {
    let desk = Desk::new().await;
    assert!(matches!(admit(&desk, 0, 1).await, Admission::New(_)));
    assert_eq!(admit(&desk, 0, 1).await, Admission::Duplicate);
}

#[tokio::test]
async fn a_refusal_stands_when_the_message_comes_again() {
    let desk = Desk::new().await;
    assert!(matches!(admit(&desk, 0, 1).await, Admission::New(_)));
    assert!(matches!(admit(&desk, 1, 1).await, Admission::QueueFull(_)));
    assert_eq!(admit(&desk, 1, 5).await, Admission::Duplicate);
    assert_eq!(desk.count("usage").await, 2);
}

#[tokio::test]
async fn first_come_first_served() {
    let desk = Desk::new().await;
    let mut ids = Vec::new();
    for message in [9, 3, 7, 1] {
        ids.push(desk.enqueue(message).await);
    }
    assert_eq!(positions(&desk).await, ids);
    for id in ids {
        assert_eq!(desk.start("w").await.id, id);
    }
}

#[tokio::test]
async fn a_slow_download_keeps_its_place_but_holds_nobody_up() {
    let desk = Desk::new().await;
    let slow = desk.admit(1).await;
    let row = desk.claim(WorkSource::Downloads, "slow").await.unwrap();
    let quick = desk.enqueue(2).await;
    assert_eq!(positions(&desk).await, [slow, quick]);
    let fence = desk.advance(&row.fence, StageName::Downloaded).await;
    let later = desk.enqueue(3).await;
    desk.advance(&fence, StageName::Queued).await;
    assert_eq!(desk.start("w").await.id, slow);
    assert_eq!(desk.start("w").await.id, quick);
    assert_eq!(desk.start("w").await.id, later);
}

#[tokio::test]
async fn everybody_moves_up_when_one_starts_and_when_one_leaves() {
    let desk = Desk::new().await;
    let ids = [desk.enqueue(1).await, desk.enqueue(2).await, desk.enqueue(3).await];
    assert_eq!(positions(&desk).await, ids);
    desk.start("w").await;
    assert_eq!(positions(&desk).await, ids[1..]);
    let row = desk.claim(WorkSource::Transcriptions, "w").await.unwrap();
    desk.store.queue.settle(&row.fence, Settlement::Failed(FailReason::Damaged)).await.unwrap();
    assert_eq!(positions(&desk).await, ids[2..]);
}

#[tokio::test]
async fn one_that_was_stopped_in_the_engine_is_next() {
    let desk = Desk::new().await;
    let ids = [desk.enqueue(1).await, desk.enqueue(2).await];
    let fence = desk.start("w").await;
    desk.store.queue.release(&fence, desk.now(), false).await.unwrap();
    assert_eq!(positions(&desk).await, ids);
    assert_eq!(desk.start("w").await.id, ids[0]);
}

#[tokio::test]
async fn one_that_must_rest_lets_the_others_pass() {
    let desk = Desk::new().await;
    let ids = [desk.enqueue(1).await, desk.enqueue(2).await];
    let fence = desk.start("w").await;
    desk.store.queue.release(&fence, desk.now().after(Duration::from_secs(15)), false).await.unwrap();
    assert_eq!(desk.start("w").await.id, ids[1]);
    assert_eq!(desk.claim(WorkSource::Transcriptions, "w").await, None);
    desk.pass(Duration::from_secs(15));
    assert_eq!(desk.start("w").await.id, ids[0]);
}

#[tokio::test]
async fn one_that_a_dead_worker_left_is_served_before_those_behind_it() {
    let desk = Desk::new().await;
    let ids = [desk.enqueue(1).await, desk.enqueue(2).await];
    desk.start("dead").await;
    desk.pass(LEASE + Duration::from_secs(1));
    assert_eq!(desk.start("w").await.id, ids[0]);
    assert_eq!(desk.start("w").await.id, ids[1]);
}

#[tokio::test]
async fn downloads_and_transcriptions_are_claimed_apart() {
    let desk = Desk::new().await;
    let queued = desk.enqueue(1).await;
    let received = desk.admit(2).await;
    assert_eq!(desk.claim(WorkSource::Downloads, "w").await.unwrap().fence.id, received);
    assert_eq!(desk.claim(WorkSource::Downloads, "w").await, None);
    assert_eq!(desk.claim(WorkSource::Transcriptions, "w").await.unwrap().fence.id, queued);
    assert_eq!(desk.claim(WorkSource::Transcriptions, "w").await, None);
}

#[tokio::test]
async fn the_counts_are_those_of_the_rows() {
    let desk = Desk::new().await;
    for message in 0..3 {
        desk.enqueue(message).await;
        desk.pass(Duration::from_secs(1));
    }
    desk.start("w").await;
    let fence = desk.start("w").await;
    desk.advance(&fence, StageName::Transcribed).await;
    desk.admit(8).await;
    desk.admit(9).await;
    let snapshot = desk.store.statistics.snapshot().await.unwrap();
    for (stage, count) in [
        (StageName::Received, 2),
        (StageName::Downloaded, 0),
        (StageName::Queued, 1),
        (StageName::Transcribing, 1),
        (StageName::Transcribed, 1),
    ] {
        assert_eq!(snapshot.count(stage), count, "{stage}");
    }
    assert_eq!(desk.store.queue.depth().await.unwrap(), 3);
    assert_eq!(snapshot.audio, Duration::from_secs(30));
    assert_eq!(
        desk.now().since(snapshot.oldest.unwrap()),
        Duration::from_secs(1),
        "the third is the oldest that waits"
    );
    assert_eq!(desk.store.audio.under_way().await.unwrap().len(), 5);
}

#[tokio::test]
async fn what_waits_says_how_long_it_is_and_where_it_is_shown() {
    let desk = Desk::new().await;
    desk.enqueue(1).await;
    let waiting = desk.store.queue.waiting().await.unwrap().remove(0);
    assert_eq!((waiting.stage, waiting.length), (StageName::Queued, Duration::from_secs(10)));
    assert_eq!((waiting.chat, waiting.locale.as_deref()), (arrival(1).chat, Some("ru")));
    assert_eq!(waiting.status_message, None);
}

#[tokio::test]
async fn the_queue_outlives_the_process() {
    let desk = Desk::new().await;
    let ids = [desk.enqueue(1).await, desk.enqueue(2).await, desk.admit(3).await];
    desk.store.clone().close().await;
    let store = desk.another().await;
    let waiting: Vec<_> = store.queue.waiting().await.unwrap().into_iter().map(|waiting| waiting.id).collect();
    assert_eq!(waiting, ids);
    assert_eq!(store.queue.claim(WorkSource::Transcriptions, "w").await.unwrap().unwrap().fence.id, ids[0]);
    assert!(matches!(store.queue.admit(&arrival(3), &ROOMY).await.unwrap(), Admission::Duplicate));
}
