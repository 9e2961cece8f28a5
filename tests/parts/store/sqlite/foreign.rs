//! Databases that a stranger prepared: what `restore` and `import-legacy` make of them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use stenobot_domain::Clock;
use stenobot_store::{AfterRestore, BackupError, restore, verify};
use stenobot_store::{Store, StoreUrl};

use crate::store::test_store::{Backend, TestStore};

async fn sql(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).foreign_keys(false).connect().await.unwrap()
}

async fn alter(path: &Path, script: &'static str) {
    let mut sql = sql(path).await;
    sqlx::raw_sql(script).execute(&mut sql).await.unwrap();
    sql.close().await.unwrap();
}

/// A store with a request that waits, and a copy of it.
async fn copied() -> (TestStore, PathBuf) {
    let test = TestStore::new(Backend::Sqlite).await;
    test.enqueue(1).await;
    let copy = test.path.with_file_name("copy.db");
    test.store.backup(&copy, false).await.unwrap();
    (test, copy)
}

/// Type, name and statement of everything in a schema.
async fn schema(path: &Path) -> Vec<(String, String, Option<String>)> {
    let all = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name";
    sqlx::query_as(all).fetch_all(&mut sql(path).await).await.unwrap()
}

#[tokio::test]
async fn a_restore_takes_over_rows_only() {
    let (test, copy) = copied().await;
    alter(
        &copy,
        "CREATE TRIGGER redirect AFTER INSERT ON usage BEGIN UPDATE usage SET chat_id = 666 WHERE id = new.id; END;
         CREATE TRIGGER redirect_later AFTER UPDATE OF stage ON usage
             BEGIN UPDATE usage SET chat_id = 666 WHERE id = new.id; END;
         CREATE TRIGGER keep BEFORE DELETE ON users BEGIN SELECT RAISE(IGNORE); END;
         CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;
         CREATE TABLE extra (anything);
         CREATE INDEX costly ON users (length(hex(zeroblob(telegram_id % 1000))));",
    )
    .await;
    let path = test.path.clone();
    test.store.clone().close().await;
    let restored = restore(&copy, &path, AfterRestore::Continue).await.unwrap();
    assert_eq!((restored.contents.users, restored.contents.requests, restored.contents.open), (1, 1, 1));
    assert_eq!(schema(&path).await, schema(&restored.before.unwrap()).await);
    let rows =
        "SELECT json_array(id, user_id, chat_id, message_id, voice_file_id, stage, attempt, queued_at) FROM usage";
    let rows = async |path: &Path| sqlx::query_scalar::<_, String>(rows).fetch_all(&mut sql(path).await).await.unwrap();
    assert_eq!(rows(&path).await, rows(&copy).await);
    let store = Store::open(&StoreUrl::sqlite(&path), Clock::System).await.unwrap();
    assert_eq!(store.queue.depth().await.unwrap(), 1);
}

#[tokio::test]
async fn a_manipulated_copy_is_refused_and_nothing_changes() {
    let (test, copy) = copied().await;
    let whole = std::fs::read(&copy).unwrap();
    let endless = "DROP TABLE bans; CREATE VIEW bans AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
         SELECT i AS telegram_id, i AS since FROM n;";
    for (script, reason) in [
        ("UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 4", "not made by this program's migrations"),
        ("DELETE FROM _sqlx_migrations WHERE version = 4", "not made by this program's migrations"),
        ("UPDATE _sqlx_migrations SET success = 0 WHERE version = 4", "not made by this program's migrations"),
        ("DELETE FROM _sqlx_migrations", "it is no store of stenobot"),
        ("DELETE FROM _sqlx_migrations WHERE version > 2", "its schema 2 is older"),
        (endless, "its bans is no table"),
        ("DROP TABLE bans", "it has no table bans"),
        ("ALTER TABLE bans ADD COLUMN more TEXT", "its table bans is not as this program makes it"),
        (
            "DROP TABLE bans; CREATE TABLE bans (telegram_id INTEGER NOT NULL PRIMARY KEY,
                 since INTEGER AS (length(hex(zeroblob(500000000)))));",
            "its table bans has generated columns",
        ),
        (
            "DROP TABLE bans; CREATE TABLE bans (telegram_id INTEGER NOT NULL PRIMARY KEY, since INTEGER NOT NULL
                 CHECK (length(hex(zeroblob(500000000))) > 0)) STRICT;",
            "its table bans is not as this program makes it",
        ),
        ("CREATE VIRTUAL TABLE more USING rtree (id, low, high)", "it holds virtual tables"),
        (
            "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'CREATE VIEW bans AS SELECT 1 AS telegram_id, 2 AS since'
                 WHERE name = 'bans';",
            "it is damaged or is no SQLite database",
        ),
        ("UPDATE users SET username = hex(zeroblob(100000))", "1 rows with a value of more than 4096 bytes"),
        ("DELETE FROM users", "1 rows refer to people that it does not hold"),
    ] {
        std::fs::write(&copy, &whole).unwrap();
        alter(&copy, script).await;
        let error = restore(&copy, &test.path, AfterRestore::Continue).await.unwrap_err();
        assert!(matches!(error, BackupError::Unfit { .. }), "{script}: {error:?}");
        let said = error.to_string();
        assert!(said.contains("copy.db cannot be used: ") && said.contains(reason), "{script}: {said}");
    }
    assert_eq!(test.store.queue.depth().await.unwrap(), 1);
    let left = std::fs::read_dir(test.path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut left: Vec<_> = left.map(|name| name.into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["copy.db", "store.db", "store.db-shm", "store.db-wal"]);
}

#[tokio::test]
async fn a_path_that_is_no_file_is_refused_by_its_kind() {
    let test = TestStore::new(Backend::Sqlite).await;
    let folder = test.path.parent().unwrap();
    let pipe = folder.join("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for (file, sentence) in [
        (Path::new("/dev/zero"), "/dev/zero cannot be used: it is a device, no file"),
        (Path::new("/proc"), "/proc cannot be used: it is a folder, no file"),
        (&pipe, "it is a named pipe, no file"),
        (&folder.join("nothing.db"), "there is no such file"),
        (&folder.join("store.db/x"), "cannot be used: not a directory"),
    ] {
        let restored = restore(file, &test.path, AfterRestore::Continue).await.unwrap_err().to_string();
        assert!(restored.ends_with(sentence), "{restored}");
        assert_eq!(verify(file).await.unwrap_err().to_string(), restored);
        let imported = test.store.import_legacy(file).await.unwrap_err().to_string();
        let reason = restored.split_once("cannot be used: ").unwrap().1;
        assert_eq!(imported, format!("the file cannot be used: {reason}"));
    }
}

#[tokio::test]
async fn restores_in_the_same_second_each_keep_the_former_store() {
    let (test, copy) = copied().await;
    let path = test.path.clone();
    test.store.clone().close().await;
    let mut before = Vec::new();
    for _ in 0..5 {
        before.push(restore(&copy, &path, AfterRestore::Continue).await.unwrap().before.unwrap());
    }
    before.sort();
    before.dedup();
    assert_eq!(before.len(), 5, "{before:?}");
    assert!(before.iter().all(|file| file.is_file()));
}

/// Reading a schema takes many times its size, before a first question is answered.
#[tokio::test]
async fn an_enormous_schema_costs_the_commands_bounded_memory() {
    let (test, copy) = copied().await;
    alter(
        &copy,
        "PRAGMA writable_schema = ON;
         INSERT INTO sqlite_master VALUES ('view', 'v', 'v', 0,
             'CREATE VIEW v AS SELECT 1 IN (1' || replace(hex(zeroblob(10000000)), '00', ',1') || ')');",
    )
    .await;
    for command in ["restore", "import-legacy"] {
        // The highest memory of a process counts what it had before it became the program: this process may hold far more.
        let usage = Path::new(env!("CARGO_BIN_EXE_stenobot")).with_file_name("examples/usage");
        let output = std::process::Command::new(usage)
            .arg(command)
            .arg(&copy)
            .env_clear()
            .env("data_dir", test.path.with_file_name("data"))
            .current_dir(test.path.parent().unwrap())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && error.contains("it takes more memory than such a file may"),
            "{command}: {error}"
        );
        let mut note = copy.clone().into_os_string();
        note.push(".usage");
        let note = std::fs::read_to_string(note).unwrap();
        let mebibytes = note.split(' ').next().unwrap().parse::<u64>().unwrap() >> 10;
        println!("{command}: {mebibytes} MiB");
        assert!(mebibytes < 350, "{command} took {mebibytes} MiB");
    }
}
