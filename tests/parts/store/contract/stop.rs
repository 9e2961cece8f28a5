//! Ending a request with the text that is there.

use std::time::Duration;

use stenobot_domain::{RequestId, StageName, UserId};
use stenobot_store::{Admission, Fence, IncomingAudio, LEASE, RequestProgress, RequestUpdate, StopOutcome, WorkSource};

use super::BACKEND;
use crate::store::test_store::{ROOMY, TestStore, arrival_of};

const ME: UserId = UserId(7_000_000_001);

#[tokio::test]
async fn only_what_is_being_transcribed_is_stopped_and_its_holder_notified() {
    let test = TestStore::new(BACKEND).await;
    let id = test.enqueue(1).await;
    assert_eq!(test.store.queue.stop(id, ME).await.unwrap(), StopOutcome::Waiting);
    assert_eq!(test.store.queue.stop(RequestId(99), ME).await.unwrap(), StopOutcome::Unknown);
    let fence = test.start("w").await;
    let mut stops = test.store.stops();
    assert_eq!(test.store.queue.stop(id, UserId(2)).await.unwrap(), StopOutcome::NotYours);
    assert_eq!(test.store.queue.stops_of("w").await.unwrap(), []);
    assert_eq!(test.store.queue.stop(id, ME).await.unwrap(), StopOutcome::Stopping);
    assert_eq!(stops.recv().await.unwrap(), id);
    assert_eq!(test.value::<String>(id, "stage").await, "transcribing", "its holder ends it");
    assert_eq!(test.store.queue.stops_of("w").await.unwrap(), [id]);
    assert_eq!(test.store.queue.stops_of("v").await.unwrap(), []);
    let mut again = test.store.stops();
    test.store.queue.renew(&fence).await.unwrap();
    assert_eq!(again.recv().await.unwrap(), id, "a holder that missed it finds it with the next renewal");
    test.advance(&fence, StageName::Transcribed).await;
    assert_eq!(test.store.queue.stop(id, ME).await.unwrap(), StopOutcome::Over);
}

#[tokio::test]
async fn a_stop_counts_for_one_attempt() {
    let test = TestStore::new(BACKEND).await;
    let id = test.enqueue(1).await;
    test.start("w").await;
    assert_eq!(test.store.queue.stop(id, ME).await.unwrap(), StopOutcome::Stopping);
    test.pass(LEASE + Duration::from_millis(1));
    assert_eq!(test.store.queue.stop(id, ME).await.unwrap(), StopOutcome::Waiting, "its holder is gone");
    let fence = test.start("v").await;
    assert_eq!(test.store.queue.stops_of("v").await.unwrap(), [], "the text of the first attempt is lost");
    test.store.queue.renew(&fence).await.unwrap();
}

#[tokio::test]
async fn a_stopped_request_is_done_for_its_own_reason() {
    let test = TestStore::new(BACKEND).await;
    let id = test.enqueue(1).await;
    let fence = test.start("w").await;
    let facts = RequestUpdate {
        length: Some(Duration::from_secs(60)),
        model: Some("base-q8_0".into()),
        processing: Some(Duration::from_secs(1)),
        transcription_length: Some(5),
        ..RequestUpdate::default()
    };
    test.store.queue.advance(&fence, StageName::Transcribed, &facts).await.unwrap();
    let fence = Fence { stage: StageName::Transcribed, ..fence };
    let stopped = RequestUpdate { is_stopped: true, ..RequestUpdate::default() };
    test.store.queue.advance(&fence, StageName::Done, &stopped).await.unwrap();
    assert_eq!(test.value::<String>(id, "reason").await, "stopped");
    let records = test.store.statistics.request_records(None).await.unwrap();
    assert_eq!(records[0].progress, RequestProgress::Stopped);
    assert_eq!(test.store.statistics.recent_real_time_factor("base-q8_0").await.unwrap(), None, "of a part only");
    let data = test.store.users.my_data(ME).await.unwrap().unwrap();
    assert_eq!((data.ended, data.stopped), (vec![(StageName::Done, 1)], 1));
}

#[tokio::test]
async fn one_of_the_coalesced_requests_takes_the_others_over() {
    let test = TestStore::new(BACKEND).await;
    let original = test.enqueue(1).await;
    let mut joined = Vec::new();
    for user in [2, 3, 4] {
        let same = IncomingAudio { file_unique_id: "unique-1".into(), ..arrival_of(user, 50) };
        match test.store.queue.admit(&same, &ROOMY).await.unwrap() {
            Admission::Coalesced { id, .. } => joined.push(id),
            other => panic!("{other:?}"),
        }
    }
    let fence = test.start("w").await;
    let row = test.store.queue.take_over_coalesced(original, "w").await.unwrap().unwrap();
    assert_eq!((row.fence.id, row.fence.stage), (joined[0], StageName::Transcribing));
    for other in &joined[1..] {
        assert_eq!(test.value::<i64>(*other, "joined_to").await, joined[0].0);
    }
    assert!(test.store.queue.take_over_coalesced(original, "w").await.unwrap().is_none());
    test.advance(&fence, StageName::Transcribed).await;
    test.advance(&Fence { stage: StageName::Transcribed, ..fence }, StageName::Done).await;
    assert_eq!(test.claim(WorkSource::Downloads, "w").await, None, "all of them have their text under way");

    // Its holder is gone: it is downloaded by itself, and the others wait for it.
    test.pass(LEASE + Duration::from_millis(1));
    let again = test.claim(WorkSource::Downloads, "v").await.unwrap();
    assert_eq!(again.fence.id, joined[0]);
    assert_eq!(test.claim(WorkSource::Downloads, "v").await, None);
}
