//! A clock that is set back by a month: what was written before lies ahead of it.

use std::time::Duration;

use stenobot_domain::{RequestId, StageName};
use stenobot_store::statistics::request_facts;
use stenobot_store::{Admission, Capacity, Facts, LEASE, MAX_BACKOFF, WorkSource};

use crate::desk::{Desk, ROOMY, arrival, arrival_of};

const MONTH: Duration = Duration::from_secs(30 * 86_400);
const RETENTION: Duration = Duration::from_secs(600);

/// Serves the head of the queue to its end.
async fn serve(desk: &Desk) -> RequestId {
    desk.pass(Duration::from_millis(1));
    let fence = desk.start("w").await;
    let fence = desk.advance(&fence, StageName::Transcribed).await;
    desk.advance(&fence, StageName::Done).await.id
}

#[tokio::test]
async fn recordings_go_at_once() {
    let desk = Desk::new().await;
    desk.enqueue(1).await;
    let fence = desk.start("w").await;
    let fence = desk.advance(&fence, StageName::Transcribed).await;
    let kept = Facts { audio_until: Some(desk.now().after(RETENTION)), ..Facts::default() };
    desk.store.queue.advance(&fence, StageName::Done, &kept).await.unwrap();
    assert_eq!(desk.store.audio.audio_due(RETENTION).await.unwrap(), []);
    desk.set_back(MONTH);
    let due = desk.store.audio.audio_due(RETENTION).await.unwrap();
    assert_eq!(due.iter().map(|due| due.id).collect::<Vec<_>>(), [fence.id]);
}

#[tokio::test]
async fn pauses_are_no_longer_than_they_can_be() {
    let desk = Desk::new().await;
    desk.enqueue_of(&arrival_of(2, 2)).await;
    desk.admit(1).await;
    for source in [WorkSource::Downloads, WorkSource::Transcriptions] {
        let row = desk.claim(source, "w").await.unwrap();
        desk.store.queue.release(&row.fence, desk.now().after(MAX_BACKOFF), true).await.unwrap();
    }
    assert_eq!(desk.store.queue.clamp_times().await.unwrap(), 0, "this long they may be");
    assert_eq!(desk.claim(WorkSource::Downloads, "w").await, None);
    desk.set_back(MONTH);
    assert_eq!(desk.store.queue.clamp_times().await.unwrap(), 2);
    assert!(desk.claim(WorkSource::Downloads, "w").await.is_some());
    assert!(desk.claim(WorkSource::Transcriptions, "w").await.is_some());
}

#[tokio::test]
async fn a_notice_is_not_put_off_for_a_month() {
    let desk = Desk::new().await;
    let _id = desk.store.queue.refuse(&arrival(1), stenobot_domain::RejectReason::TooLong).await.unwrap();
    let notice = desk.store.queue.claim_notice("w").await.unwrap().unwrap();
    desk.store.queue.postpone_notice(&notice.fence, desk.now()).await.unwrap();
    desk.set_back(MONTH);
    assert_eq!(desk.store.queue.claim_notice("w").await.unwrap(), None);
    assert_eq!(desk.store.queue.clamp_times().await.unwrap(), 1);
    assert!(desk.store.queue.claim_notice("w").await.unwrap().is_some());
}

#[tokio::test]
async fn a_lost_lease_runs_out_and_one_that_is_held_stays() {
    let desk = Desk::new().await;
    let lost = desk.enqueue(1).await;
    desk.start("w").await;
    desk.enqueue_of(&arrival_of(2, 2)).await;
    let held = desk.start("w").await;
    desk.set_back(MONTH);
    assert_eq!(desk.store.queue.clamp_times().await.unwrap(), 2);
    assert_eq!(desk.claim(WorkSource::Transcriptions, "w").await, None, "its worker may be alive");
    desk.pass(LEASE / 2);
    desk.store.queue.renew(&held).await.unwrap();
    desk.pass(LEASE / 2 + Duration::from_millis(1));
    assert_eq!(desk.claim(WorkSource::Transcriptions, "w").await.unwrap().fence.id, lost);
    assert_eq!(desk.claim(WorkSource::Transcriptions, "w").await, None);
}

#[tokio::test]
async fn who_came_before_is_not_put_behind_all_who_come() {
    let desk = Desk::new().await;
    // One who was served before the change, and one who waited.
    desk.enqueue_of(&arrival_of(1, 1)).await;
    serve(&desk).await;
    let waits = desk.enqueue_of(&arrival_of(2, 2)).await;
    desk.set_back(MONTH);
    desk.store.queue.clamp_times().await.unwrap();
    desk.pass(Duration::from_secs(1));
    let served = desk.enqueue_of(&arrival_of(1, 3)).await;
    desk.pass(Duration::from_secs(1));
    let new = desk.enqueue_of(&arrival_of(3, 4)).await;
    let shown: Vec<_> = desk.store.queue.waiting().await.unwrap().into_iter().map(|waiting| waiting.id).collect();
    assert_eq!(shown, [waits, served, new]);
    assert_eq!([serve(&desk).await, serve(&desk).await, serve(&desk).await], [waits, served, new]);
}

#[tokio::test]
async fn a_month_of_audio_does_not_count_for_today() {
    let desk = Desk::new().await;
    let minute = Capacity { per_day: Some(Duration::from_secs(60)), ..ROOMY };
    let admit = async |message| desk.store.queue.admit(&arrival(message), &minute).await.unwrap();
    for message in 0..6 {
        assert!(matches!(admit(message).await, Admission::New(_)));
        desk.download().await;
        serve(&desk).await;
    }
    assert!(matches!(admit(6).await, Admission::DayFull(_)));
    desk.set_back(MONTH);
    assert!(matches!(admit(7).await, Admission::New(_)), "today they have sent nothing yet");
}

#[tokio::test]
async fn no_time_is_negative() {
    let desk = Desk::new().await;
    desk.enqueue(1).await;
    desk.set_back(MONTH);
    serve(&desk).await;
    let facts = request_facts(&desk.path, None).await.unwrap();
    assert_eq!((facts[0].wait_seconds, facts[0].end_to_end_seconds), (Some(0.0), Some(0.0)));

    desk.enqueue(2).await;
    let fence = desk.start("w").await;
    desk.set_back(MONTH);
    let fence = desk.advance(&fence, StageName::Transcribed).await;
    desk.advance(&fence, StageName::Done).await;
    let facts = request_facts(&desk.path, None).await.unwrap();
    assert!(facts.iter().all(|fact| fact.end_to_end_seconds >= Some(0.0)), "{facts:?}");
    assert!(desk.store.queue.running().await.unwrap().is_empty());
}
