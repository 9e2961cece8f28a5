//! Copies of a store: made under writes, verified, put back.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use stenobot_domain::{Clock, StageName};
use stenobot_store::backup::{BackupError, Waiting, backup, restore, verify};
use stenobot_store::{Store, WorkSource};

use crate::desk::{Desk, ROOMY, arrival};

/// Names in the store's folder, its own files apart.
fn others(desk: &Desk) -> Vec<String> {
    let entries = std::fs::read_dir(desk.path.parent().unwrap()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with("journal.db") || name.contains("before-restore")).collect()
}

fn copy(desk: &Desk) -> PathBuf {
    desk.path.with_file_name("copy.db")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_made_under_writes_holds_all_that_was_acknowledged_before() {
    let desk = Desk::new().await;
    let store = desk.store.clone();
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
        let contents = backup(&desk.path, &copy(&desk), true).await.unwrap();
        assert!(contents.requests >= before, "{contents:?} lacks some of {before}");
        assert_eq!((contents.people, contents.under_way), (1, contents.requests));
    }
    writer.await.unwrap();
    assert_eq!(others(&desk), ["copy.db"]);
    assert_eq!(copy(&desk).metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn what_waited_goes_on_after_a_restore_and_the_journal_before_is_kept() {
    let desk = Desk::new().await;
    desk.enqueue(1).await;
    backup(&desk.path, &copy(&desk), false).await.unwrap();
    desk.enqueue(2).await;
    let (path, file) = (desk.path.clone(), copy(&desk));
    desk.store.clone().close().await;

    let restored = restore(&file, &path, Waiting::GoOn).await.unwrap();
    assert_eq!((restored.contents.requests, restored.contents.under_way), (1, 1));
    let before = Store::open(&restored.before.unwrap(), Clock::System).await.unwrap();
    assert_eq!(before.queue.depth().await.unwrap(), 2, "nothing of it is lost");
    let store = Store::open(&path, Clock::System).await.unwrap();
    let row = store.queue.claim(WorkSource::Transcriptions, "w").await.unwrap().unwrap();
    assert_eq!((row.reply_to.unwrap().0, row.fence.stage), (1, StageName::Queued));
    assert_eq!(verify(&file).await.unwrap(), restored.contents, "the copy stays as it was");
}

#[tokio::test]
async fn what_waited_can_be_dropped() {
    let desk = Desk::new().await;
    desk.enqueue(1).await;
    backup(&desk.path, &copy(&desk), false).await.unwrap();
    let (path, file) = (desk.path.clone(), copy(&desk));
    desk.store.clone().close().await;
    let _restored = restore(&file, &path, Waiting::Drop).await.unwrap();
    let store = Store::open(&path, Clock::System).await.unwrap();
    assert_eq!(store.queue.depth().await.unwrap(), 0);
    assert!(store.queue.claim_notice("w").await.unwrap().is_none(), "nobody is told anything");
}

#[tokio::test]
async fn a_crash_before_left_a_log_that_must_not_be_taken_for_the_copy_s() {
    let desk = Desk::new().await;
    desk.enqueue(1).await;
    backup(&desk.path, &copy(&desk), false).await.unwrap();
    // As a killed bot leaves it: its writes are in the log alone.
    let (db, wal) = (std::fs::read(&desk.path).unwrap(), std::fs::read(desk.path.with_extension("db-wal")).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    std::fs::write(&path, db).unwrap();
    std::fs::write(folder.path().join("journal.db-wal"), wal).unwrap();
    let restored = restore(&copy(&desk), &path, Waiting::GoOn).await.unwrap();
    for name in [&path, restored.before.as_ref().unwrap()] {
        let store = Store::open(name, Clock::System).await.unwrap();
        assert_eq!(store.queue.depth().await.unwrap(), 1, "{}", name.display());
        store.close().await;
    }
}

#[tokio::test]
async fn what_is_no_whole_journal_is_refused_and_nothing_changes() {
    let desk = Desk::new().await;
    for message in 1..=200 {
        desk.admit(message).await;
    }
    let file = copy(&desk);
    backup(&desk.path, &file, false).await.unwrap();
    assert!(matches!(backup(&desk.path, &file, false).await, Err(BackupError::Exists(_))));
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
        let error = restore(&file, &desk.path, Waiting::GoOn).await.unwrap_err();
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
    let error = restore(&file, &desk.path, Waiting::GoOn).await.unwrap_err().to_string();
    assert!(error.contains("a newer version wrote it (schema 9000)"), "{error}");
    let missing = restore(&desk.path.with_file_name("nothing.db"), &desk.path, Waiting::GoOn).await.unwrap_err();
    assert!(missing.to_string().contains("there is no such file"), "{missing}");

    assert_eq!(desk.store.queue.depth().await.unwrap(), 200);
    assert_eq!(others(&desk), ["copy.db"], "no leavings");
}

#[tokio::test]
async fn a_copy_that_cannot_be_written_leaves_nothing() {
    let desk = Desk::new().await;
    let nowhere = desk.path.with_file_name("no-such-folder").join("copy.db");
    let error = backup(&desk.path, &nowhere, false).await.unwrap_err();
    assert!(matches!(error, BackupError::Write { .. }), "{error}");
    let full = PathBuf::from("/dev/full/copy.db");
    assert!(backup(&desk.path, &full, false).await.is_err());
}
