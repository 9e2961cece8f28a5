//! Statistics of files that another version or a predecessor wrote.

use stenobot_store::{ReadOnlyStore, RequestProgress, WorkSource};

use crate::store::test_store::{Backend, TestStore};

#[tokio::test]
async fn rows_of_a_predecessor_count_without_times() {
    let test = TestStore::new(Backend::Sqlite).await;
    test.enqueue(1).await;
    let old = "INSERT INTO usage (user_id, voice_duration_seconds, voice_file_id, processing_time_seconds, model_size, \
               transcription_length, created_at, updated_at, legacy_key) \
               VALUES (1, 30, 'f', 9.0, 'medium', 200, '2023-01-02 03:04:05.678', '2023-01-02 03:04:05', 'k')";
    test.execute(old).await;
    let facts = test.store.statistics.request_records(None).await.unwrap();
    let day = facts.iter().find(|fact| fact.day == "2023-01-02").unwrap();
    assert_eq!((day.progress, day.wait_seconds, day.processing_seconds), (RequestProgress::Done, None, Some(9.0)));
    let row = test.claim(WorkSource::Transcriptions, "w").await.unwrap();
    assert_eq!(row.fence.attempt, 1, "reading has changed nothing");
}

#[tokio::test]
async fn statistics_of_another_schema_version_are_refused() {
    let test = TestStore::new(Backend::Sqlite).await;
    let refused = async || {
        let store = ReadOnlyStore::open(&test.url()).await.unwrap();
        store.check_version().await.unwrap_err().to_string()
    };
    test.execute(
        "UPDATE _sqlx_migrations SET version = 9000 WHERE version = (SELECT max(version) FROM _sqlx_migrations)",
    )
    .await;
    let error = refused().await;
    assert!(error.contains("a newer version wrote it (schema 9000"), "{error}");
    test.execute("DELETE FROM _sqlx_migrations WHERE version = 9000").await;
    let error = refused().await;
    assert!(error.contains("start the bot once"), "{error}");
}

#[tokio::test]
async fn a_read_only_store_reads_beside_an_open_one_and_writes_nothing() {
    let test = TestStore::new(Backend::Sqlite).await;
    test.enqueue(1).await;
    let store = ReadOnlyStore::open(&test.url()).await.unwrap();
    store.check_version().await.unwrap();
    assert_eq!(store.statistics.request_records(None).await.unwrap().len(), 1);
    store.close().await;
    let row = test.claim(WorkSource::Transcriptions, "w").await.unwrap();
    assert_eq!(row.fence.attempt, 1);
}
