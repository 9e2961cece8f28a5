//! A clock that is set back by a month: what was written before lies ahead of it.

use std::time::Duration;

use stenobot_domain::{RequestId, StageName};
use stenobot_store::{Admission, Capacity, LEASE, MAX_BACKOFF, RequestUpdate, WorkSource};

use super::BACKEND;
use crate::store::test_store::{ROOMY, TestStore, arrival, arrival_of};

const MONTH: Duration = Duration::from_secs(30 * 86_400);
const RETENTION: Duration = Duration::from_secs(600);

/// Serves the head of the queue to its end.
async fn serve(test: &TestStore) -> RequestId {
    test.pass(Duration::from_millis(1));
    let fence = test.start("w").await;
    let fence = test.advance(&fence, StageName::Transcribed).await;
    test.advance(&fence, StageName::Done).await.id
}

#[tokio::test]
async fn kept_audio_is_due_at_once() {
    let test = TestStore::new(BACKEND).await;
    test.enqueue(1).await;
    let fence = test.start("w").await;
    let fence = test.advance(&fence, StageName::Transcribed).await;
    let kept = RequestUpdate { keep_audio_for: Some(RETENTION), ..RequestUpdate::default() };
    test.store.queue.advance(&fence, StageName::Done, &kept).await.unwrap();
    assert_eq!(test.store.audio.take_due(RETENTION).await.unwrap(), []);
    test.set_back(MONTH);
    let due = test.store.audio.take_due(RETENTION).await.unwrap();
    assert_eq!(due.iter().map(|due| due.id).collect::<Vec<_>>(), [fence.id]);
}

#[tokio::test]
async fn pauses_are_clamped_to_the_longest_backoff() {
    let test = TestStore::new(BACKEND).await;
    test.enqueue_of(&arrival_of(2, 2)).await;
    test.admit(1).await;
    for source in [WorkSource::Downloads, WorkSource::Transcriptions] {
        let row = test.claim(source, "w").await.unwrap();
        test.store.queue.release(&row.fence, MAX_BACKOFF, true).await.unwrap();
    }
    assert_eq!(test.store.queue.clamp_times().await.unwrap(), 0, "this long they may be");
    assert_eq!(test.claim(WorkSource::Downloads, "w").await, None);
    test.set_back(MONTH);
    assert_eq!(test.store.queue.clamp_times().await.unwrap(), 2);
    assert!(test.claim(WorkSource::Downloads, "w").await.is_some());
    assert!(test.claim(WorkSource::Transcriptions, "w").await.is_some());
}

#[tokio::test]
async fn a_postponed_notice_is_clamped() {
    let test = TestStore::new(BACKEND).await;
    let _id = test.store.queue.refuse(&arrival(1), stenobot_domain::RejectReason::TooLong).await.unwrap();
    let notice = test.store.queue.claim_notice("w").await.unwrap().unwrap();
    test.store.queue.postpone_notice(&notice.fence, Duration::ZERO).await.unwrap();
    test.set_back(MONTH);
    assert_eq!(test.store.queue.claim_notice("w").await.unwrap(), None);
    assert_eq!(test.store.queue.clamp_times().await.unwrap(), 1);
    assert!(test.store.queue.claim_notice("w").await.unwrap().is_some());
}

#[tokio::test]
async fn a_lost_lease_expires_and_a_renewed_one_stays() {
    let test = TestStore::new(BACKEND).await;
    let lost = test.enqueue(1).await;
    test.start("w").await;
    test.enqueue_of(&arrival_of(2, 2)).await;
    let held = test.start("w").await;
    test.set_back(MONTH);
    assert_eq!(test.store.queue.clamp_times().await.unwrap(), 2);
    assert_eq!(test.claim(WorkSource::Transcriptions, "w").await, None, "its worker may be alive");
    test.pass(LEASE / 2);
    test.store.queue.renew(&held).await.unwrap();
    test.pass(LEASE / 2 + Duration::from_millis(1));
    assert_eq!(test.claim(WorkSource::Transcriptions, "w").await.unwrap().fence.id, lost);
    assert_eq!(test.claim(WorkSource::Transcriptions, "w").await, None);
}

#[tokio::test]
async fn earlier_requests_stay_before_later_ones() {
    let test = TestStore::new(BACKEND).await;
    // One who was served before the change, and one who waited.
    test.enqueue_of(&arrival_of(1, 1)).await;
    serve(&test).await;
    let waits = test.enqueue_of(&arrival_of(2, 2)).await;
    test.set_back(MONTH);
    test.store.queue.clamp_times().await.unwrap();
    test.pass(Duration::from_secs(1));
    let served = test.enqueue_of(&arrival_of(1, 3)).await;
    test.pass(Duration::from_secs(1));
    let new = test.enqueue_of(&arrival_of(3, 4)).await;
    let shown: Vec<_> = test.store.queue.waiting().await.unwrap().into_iter().map(|waiting| waiting.id).collect();
    assert_eq!(shown, [waits, served, new]);
    assert_eq!([serve(&test).await, serve(&test).await, serve(&test).await], [waits, served, new]);
}

#[tokio::test]
async fn audio_of_other_days_does_not_count_for_today() {
    let test = TestStore::new(BACKEND).await;
    let minute = Capacity { per_day: Some(Duration::from_secs(60)), ..ROOMY };
    let admit = async |message| test.store.queue.admit(&arrival(message), &minute).await.unwrap();
    for message in 0..6 {
        assert!(matches!(admit(message).await, Admission::New(_)));
        test.download().await;
        serve(&test).await;
    }
    assert!(matches!(admit(6).await, Admission::DayFull(_)));
    test.set_back(MONTH);
    assert!(matches!(admit(7).await, Admission::New(_)), "today they have sent nothing yet");
}

#[tokio::test]
async fn recorded_times_are_never_negative() {
    let test = TestStore::new(BACKEND).await;
    test.enqueue(1).await;
    test.set_back(MONTH);
    serve(&test).await;
    let facts = test.store.statistics.request_records(None).await.unwrap();
    assert_eq!((facts[0].wait_seconds, facts[0].end_to_end_seconds), (Some(0.0), Some(0.0)));

    test.enqueue(2).await;
    let fence = test.start("w").await;
    test.set_back(MONTH);
    let fence = test.advance(&fence, StageName::Transcribed).await;
    test.advance(&fence, StageName::Done).await;
    let facts = test.store.statistics.request_records(None).await.unwrap();
    assert!(facts.iter().all(|fact| fact.end_to_end_seconds >= Some(0.0)), "{facts:?}");
    assert!(test.store.queue.running().await.unwrap().is_empty());
}
