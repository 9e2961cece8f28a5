//! Opening a store: what is refused, and with which sentence.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use stenobot_domain::Clock;
use stenobot_store::{Store, StoreError, StoreUrl};

use crate::store::test_store::{Backend, TestStore, arrival};

async fn refused(path: &std::path::Path) -> StoreError {
    Store::open(&StoreUrl::sqlite(path), Clock::System).await.map(drop).expect_err("this cannot be opened")
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let notes = "nothing but notes ".repeat(500);
    std::fs::write(&path, &notes).unwrap();
    let error = refused(&path).await;
    assert_eq!(
        error.to_string(),
        "the store is damaged or is no SQLite database: put a backup back with `stenobot restore FILE`, \
         or set another database_url"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), notes);
}

#[tokio::test]
async fn a_missing_folder_is_named_as_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused(&folder.path().join("missing/store.db")).await;
    assert_eq!(
        error.to_string(),
        "the store cannot be used: its file cannot be opened; its folder must exist and belong to this user"
    );
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused() {
    let test = TestStore::new(Backend::Sqlite).await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (99, 'to come', 1, x'00', 0)";
    sqlx::query(newer).execute(&mut test.sql().await).await.unwrap();
    let error = refused(&test.path).await;
    assert_eq!(
        error.to_string(),
        "the store could not be migrated: a newer version wrote it (schema 99 is unknown here); \
         run that version again, or restore a backup"
    );
}

#[tokio::test]
async fn opening_a_predecessor_s_database_names_the_import_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bot.db");
    let mut sql = SqliteConnectOptions::new().filename(&path).create_if_missing(true).connect().await.unwrap();
    sqlx::query("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)").execute(&mut sql).await.unwrap();
    sql.close().await.unwrap();
    let error = refused(&path).await;
    assert!(matches!(error, StoreError::Migration(_)), "{error:?}");
    assert!(error.to_string().contains("stenobot import-legacy"), "{error}");
}

#[tokio::test]
async fn a_closed_store_opens_again_unchanged() {
    let test = TestStore::new(Backend::Sqlite).await;
    let id = test.admit(1).await;
    let before = test.row(id).await;
    test.store.clone().close().await;
    let log = test.path.with_extension("db-wal");
    assert!(!log.exists(), "the log is written back when the store is closed");
    let store = test.another().await;
    assert_eq!(test.row(id).await, before);
    assert_eq!(
        store.queue.admit(&arrival(1), &crate::store::test_store::queue_of(1)).await.unwrap(),
        stenobot_store::Admission::Duplicate
    );
    store.writable().await.unwrap();
}
