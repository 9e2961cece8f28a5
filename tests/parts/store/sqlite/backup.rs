//! Copies of a store: made under writes, verified, put back.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use stenobot_domain::{Clock, StageName};
use stenobot_store::{AfterRestore, BackupError, restore, verify};
use stenobot_store::{Store, StoreUrl, WorkSource};

use crate::store::test_store::{Backend, ROOMY, TestStore, arrival};

/// Names in the store's folder, its own files apart.
fn others(test: &TestStore) -> Vec<String> {
    let entries = std::fs::read_dir(test.path.parent().unwrap()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with("store.db") || name.contains("before-restore")).collect()
}

fn copy(test: &TestStore) -> PathBuf {
    test.path.with_file_name("copy.db")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_during_writes_has_every_acknowledged_request() {
    let test = TestStore::new(Backend::Sqlite).await;
    let store = test.store.clone();
    let (acknowledged, seen) = tokio::sync::watch::channel(0);
    let writer = tokio::spawn(async move {
        for message in 1..=400 {
            let _ = store.queue.admit(&arrival(message), &ROOMY).await.unwrap();
            acknowledged.send_replace(i64::from(message));
        }
    });
    for round in 0..5 {
        let mut watch = seen.clone();
        watch.wait_for(|count| *count > round * 60).await.unwrap();
        let before = *seen.borrow();
        let contents = test.store.backup(&copy(&test), true).await.unwrap();
        assert!(contents.requests >= before, "{contents:?} lacks some of {before}");
        assert_eq!((contents.users, contents.open), (1, contents.requests));
    }
    writer.await.unwrap();
    assert_eq!(others(&test), ["copy.db"]);
    assert_eq!(copy(&test).metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn open_requests_continue_after_a_restore_and_the_former_store_is_kept() {
    let test = TestStore::new(Backend::Sqlite).await;
    test.enqueue(1).await;
    test.store.backup(&copy(&test), false).await.unwrap();
    test.enqueue(2).await;
    let (path, file) = (test.path.clone(), copy(&test));
    test.store.clone().close().await;

    let restored = restore(&file, &path, AfterRestore::Continue).await.unwrap();
    assert_eq!((restored.contents.requests, restored.contents.open), (1, 1));
    let before = Store::open(&StoreUrl::sqlite(restored.before.unwrap()), Clock::System).await.unwrap();
    assert_eq!(before.queue.depth().await.unwrap(), 2, "nothing of it is lost");
    let store = Store::open(&StoreUrl::sqlite(&path), Clock::System).await.unwrap();
    let row = store.queue.claim(WorkSource::Transcriptions, "w").await.unwrap().unwrap();
    assert_eq!((row.reply_to.unwrap().0, row.fence.stage), (1, StageName::Queued));
    assert_eq!(verify(&file).await.unwrap(), restored.contents, "the copy stays as it was");
}

#[tokio::test]
async fn a_restore_can_end_open_requests_without_notices() {
    let test = TestStore::new(Backend::Sqlite).await;
    test.enqueue(1).await;
    test.store.backup(&copy(&test), false).await.unwrap();
    let (path, file) = (test.path.clone(), copy(&test));
    test.store.clone().close().await;
    let _restored = restore(&file, &path, AfterRestore::Drop).await.unwrap();
    let store = Store::open(&StoreUrl::sqlite(&path), Clock::System).await.unwrap();
    assert_eq!(store.queue.depth().await.unwrap(), 0);
    assert!(store.queue.claim_notice("w").await.unwrap().is_none(), "no notice is due");
}

#[tokio::test]
async fn a_restore_does_not_apply_a_former_write_ahead_log() {
    let test = TestStore::new(Backend::Sqlite).await;
    test.enqueue(1).await;
    test.store.backup(&copy(&test), false).await.unwrap();
    // As a killed bot leaves it: its writes are in the log alone.
    let (db, wal) = (std::fs::read(&test.path).unwrap(), std::fs::read(test.path.with_extension("db-wal")).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    std::fs::write(&path, db).unwrap();
    std::fs::write(folder.path().join("store.db-wal"), wal).unwrap();
    let restored = restore(&copy(&test), &path, AfterRestore::Continue).await.unwrap();
    for name in [&path, restored.before.as_ref().unwrap()] {
        let store = Store::open(&StoreUrl::sqlite(name), Clock::System).await.unwrap();
        assert_eq!(store.queue.depth().await.unwrap(), 1, "{}", name.display());
        store.close().await;
    }
}

#[tokio::test]
async fn a_damaged_copy_is_refused_and_nothing_changes() {
    let test = TestStore::new(Backend::Sqlite).await;
    for message in 1..=200 {
        test.admit(message).await;
    }
    let file = copy(&test);
    test.store.backup(&file, false).await.unwrap();
    assert!(matches!(test.store.backup(&file, false).await, Err(BackupError::Exists(_))));
    let whole = std::fs::read(&file).unwrap();

    let mut flipped = whole.clone();
    // The heads of some pages: what a text says, no check of SQLite can know.
    for page in 4..9 {
        flipped[page * 4096..][..64].iter_mut().for_each(|byte| *byte ^= 0xff);
    }
    let half = whole[..whole.len() / 2].to_vec();
    for (what, bytes) in
        [("flipped", flipped), ("half", half), ("text", b"no database".repeat(100)), ("empty", Vec::new())]
    {
        std::fs::write(&file, bytes).unwrap();
        let error = restore(&file, &test.path, AfterRestore::Continue).await.unwrap_err();
        assert!(matches!(error, BackupError::Unfit { .. }), "{what}: {error}");
    }
    std::fs::write(&file, &whole).unwrap();
    {
        use sqlx::{ConnectOptions, Connection};
        let mut sql = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
        sqlx::query(
            "UPDATE _sqlx_migrations SET version = 9000 WHERE version = (SELECT max(version) FROM _sqlx_migrations)",
        )
        .execute(&mut sql)
        .await
        .unwrap();
        sql.close().await.unwrap();
    }
    let error = restore(&file, &test.path, AfterRestore::Continue).await.unwrap_err().to_string();
    assert!(error.contains("a newer version wrote it (schema 9000)"), "{error}");
    let missing =
        restore(&test.path.with_file_name("nothing.db"), &test.path, AfterRestore::Continue).await.unwrap_err();
    assert!(missing.to_string().contains("there is no such file"), "{missing}");

    assert_eq!(test.store.queue.depth().await.unwrap(), 200);
    assert_eq!(others(&test), ["copy.db"], "no leavings");
}

#[tokio::test]
async fn a_failed_backup_leaves_no_file() {
    let test = TestStore::new(Backend::Sqlite).await;
    let nowhere = test.path.with_file_name("no-such-folder").join("copy.db");
    let error = test.store.backup(&nowhere, false).await.unwrap_err();
    assert!(matches!(error, BackupError::Write { .. }), "{error}");
    let full = PathBuf::from("/dev/full/copy.db");
    assert!(test.store.backup(&full, false).await.is_err());
}
