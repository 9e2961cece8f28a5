//! What `stenobot stats` reads from a store, also while somebody works on it.

use std::time::Duration;

use stenobot::stats::Statistics;
use stenobot_domain::{FailReason, RejectReason, StageName, Timestamp};
use stenobot_store::statistics::{Standing, request_facts};
use stenobot_store::{Facts, Settlement, WorkSource};

use crate::desk::{Desk, START, arrival};

#[tokio::test]
async fn a_request_s_whole_way_is_told_in_seconds() {
    let desk = Desk::new().await;
    desk.enqueue(1).await;
    desk.pass(Duration::from_secs(3));
    let fence = desk.start("w").await;
    let heard = Facts {
        length: Some(Duration::from_secs(10)),
        model: Some("base-q8_0".into()),
        processing: Some(Duration::from_millis(1500)),
        transcription_length: Some(42),
        ..Facts::default()
    };
    desk.pass(Duration::from_secs(2));
    desk.store.queue.advance(&fence, StageName::Transcribed, &heard).await.unwrap();
    let fence = stenobot_store::Fence { stage: StageName::Transcribed, ..fence };
    desk.advance(&fence, StageName::Done).await;

    // The store stays open: the operator does not stop the bot for this.
    let facts = request_facts(&desk.path, None).await.unwrap();
    let [fact] = facts.as_slice() else { panic!("{facts:?}") };
    assert_eq!((fact.day.as_str(), fact.standing), ("2023-11-14", Standing::Done));
    assert_eq!((fact.wait_seconds, fact.end_to_end_seconds), (Some(3.0), Some(5.0)));
    assert_eq!((fact.processing_seconds, fact.audio_seconds, fact.characters), (Some(1.5), Some(10.0), Some(42)));
    let total = Statistics::of(&facts).total;
    assert_eq!((total.answered, total.success_rate, total.real_time_factor.unwrap().p50), (1, Some(1.0), 0.15));
}

#[tokio::test]
async fn every_end_and_every_day_is_told_apart() {
    let desk = Desk::new().await;
    let _id = desk.store.queue.refuse(&arrival(1), RejectReason::TooLong).await.unwrap();
    desk.enqueue(2).await;
    let fence = desk.start("w").await;
    desk.store.queue.settle(&fence, Settlement::Failed(FailReason::Deadline)).await.unwrap();
    desk.pass(Duration::from_secs(86_400));
    desk.admit(3).await;
    let facts = request_facts(&desk.path, None).await.unwrap();
    let standings: Vec<_> = facts.iter().map(|fact| fact.standing).collect();
    let refused = Standing::Ended(Settlement::Rejected(RejectReason::TooLong), None);
    let failed = Standing::Ended(Settlement::Failed(FailReason::Deadline), Some(StageName::Transcribing));
    assert_eq!(standings, [refused, failed, Standing::UnderWay]);
    assert_eq!(Statistics::of(&facts).days.into_keys().collect::<Vec<_>>(), ["2023-11-14", "2023-11-15"]);

    let today = request_facts(&desk.path, Some(Timestamp(START + 1000))).await.unwrap();
    assert_eq!(today.len(), 1);
}

#[tokio::test]
async fn rows_of_a_predecessor_count_without_the_times_that_it_did_not_write() {
    let desk = Desk::new().await;
    desk.enqueue(1).await;
    let mut sql = desk.sql().await;
    let old = "INSERT INTO usage (user_id, voice_duration_seconds, voice_file_id, processing_time_seconds, model_size, \
               transcription_length, created_at, updated_at, legacy_key) \
               VALUES (1, 30, 'f', 9.0, 'medium', 200, '2023-01-02 03:04:05.678', '2023-01-02 03:04:05', 'k')";
    sqlx::query(old).execute(&mut sql).await.unwrap();
    let facts = request_facts(&desk.path, None).await.unwrap();
    let day = facts.iter().find(|fact| fact.day == "2023-01-02").unwrap();
    assert_eq!((day.standing, day.wait_seconds, day.processing_seconds), (Standing::Done, None, Some(9.0)));
    let row = desk.claim(WorkSource::Transcriptions, "w").await.unwrap();
    assert_eq!(row.fence.attempt, 1, "reading has changed nothing");
}

#[tokio::test]
async fn a_journal_of_another_version_is_not_guessed_at() {
    let desk = Desk::new().await;
    sqlx::query(
        "UPDATE _sqlx_migrations SET version = 9000 WHERE version = (SELECT max(version) FROM _sqlx_migrations)",
    )
    .execute(&mut desk.sql().await)
    .await
    .unwrap();
    let error = request_facts(&desk.path, None).await.unwrap_err().to_string();
    assert!(error.contains("a newer version wrote it (schema 9000"), "{error}");
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 9000").execute(&mut desk.sql().await).await.unwrap();
    let error = request_facts(&desk.path, None).await.unwrap_err().to_string();
    assert!(error.contains("start the bot once"), "{error}");
}
