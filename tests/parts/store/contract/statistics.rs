//! Counts, and the records of `stenobot stats`.

use std::time::Duration;

use stenobot::stats::Statistics;
use stenobot_domain::{FailReason, RejectReason, StageName, Timestamp};
use stenobot_store::{Fence, RequestProgress, RequestUpdate, Settlement};

use super::BACKEND;
use crate::store::test_store::{START, TestStore, arrival};

#[tokio::test]
async fn a_finished_request_s_record_has_its_times_in_seconds() {
    let test = TestStore::new(BACKEND).await;
    test.enqueue(1).await;
    test.pass(Duration::from_secs(3));
    let fence = test.start("w").await;
    let update = RequestUpdate {
        length: Some(Duration::from_secs(10)),
        model: Some("base-q8_0".into()),
        processing: Some(Duration::from_millis(1500)),
        transcription_length: Some(42),
        ..RequestUpdate::default()
    };
    test.pass(Duration::from_secs(2));
    test.store.queue.advance(&fence, StageName::Transcribed, &update).await.unwrap();
    let fence = stenobot_store::Fence { stage: StageName::Transcribed, ..fence };
    test.advance(&fence, StageName::Done).await;

    // The store stays open: the operator does not stop the bot for this.
    let facts = test.store.statistics.request_records(None).await.unwrap();
    let [fact] = facts.as_slice() else { panic!("{facts:?}") };
    assert_eq!((fact.day.as_str(), fact.progress), ("2023-11-14", RequestProgress::Done));
    assert_eq!((fact.wait_seconds, fact.end_to_end_seconds), (Some(3.0), Some(5.0)));
    assert_eq!((fact.processing_seconds, fact.audio_seconds, fact.characters), (Some(1.5), Some(10.0), Some(42)));
    let total = Statistics::of(&facts).total;
    assert_eq!((total.answered, total.success_rate, total.real_time_factor.unwrap().p50), (1, Some(1.0), 0.15));
}

#[tokio::test]
async fn records_distinguish_ends_and_days() {
    let test = TestStore::new(BACKEND).await;
    let _id = test.store.queue.refuse(&arrival(1), RejectReason::TooLong).await.unwrap();
    test.enqueue(2).await;
    let fence = test.start("w").await;
    test.store.queue.settle(&fence, Settlement::Failed(FailReason::Deadline)).await.unwrap();
    test.pass(Duration::from_secs(86_400));
    test.admit(3).await;
    let facts = test.store.statistics.request_records(None).await.unwrap();
    let standings: Vec<_> = facts.iter().map(|fact| fact.progress).collect();
    let refused = RequestProgress::Settled(Settlement::Rejected(RejectReason::TooLong), None);
    let failed = RequestProgress::Settled(Settlement::Failed(FailReason::Deadline), Some(StageName::Transcribing));
    assert_eq!(standings, [refused, failed, RequestProgress::Open]);
    assert_eq!(Statistics::of(&facts).days.into_keys().collect::<Vec<_>>(), ["2023-11-14", "2023-11-15"]);

    let today = test.store.statistics.request_records(Some(Timestamp(START + 1000))).await.unwrap();
    assert_eq!(today.len(), 1);
}

#[tokio::test]
async fn the_recent_real_time_factor_is_of_one_model_and_twenty_requests() {
    let test = TestStore::new(BACKEND).await;
    assert_eq!(test.store.statistics.recent_real_time_factor("base").await.unwrap(), None);
    for message in 0..25 {
        test.enqueue(message).await;
        let fence = test.start("w").await;
        let took = if message < 5 { 40 } else { 5 };
        let facts = RequestUpdate {
            length: Some(Duration::from_secs(10)),
            model: Some("base".into()),
            processing: Some(Duration::from_secs(took)),
            ..RequestUpdate::default()
        };
        test.store.queue.advance(&fence, StageName::Transcribed, &facts).await.unwrap();
        test.advance(&Fence { stage: StageName::Transcribed, ..fence }, StageName::Done).await;
        test.pass(Duration::from_secs(1));
    }
    assert_eq!(test.store.statistics.recent_real_time_factor("base").await.unwrap(), Some(0.5));
    assert_eq!(test.store.statistics.recent_real_time_factor("tiny").await.unwrap(), None);
}
