//! The predecessor's databases: our migrations replay its history, and `import_legacy` brings its rows along.

use std::path::{Path, PathBuf};

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use stenobot_domain::Clock;
use stenobot_store::{Admission, ImportError, Imported, Store, StoreUrl};

use crate::store::test_store::{Backend, ROOMY, TestStore, arrival};

const TEXTS: [&str; 3] = ["Привет, это секретный разговор.", "Встретимся в полночь у маяка.", ""];
const BIG_ID: i64 = 7_000_000_001;

/// As the predecessor's first revision makes it.
const FIRST: &str = "
    CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,
        CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
    INSERT INTO alembic_version VALUES ('7751fc657749');
    CREATE TABLE users (id INTEGER NOT NULL, telegram_id INTEGER NOT NULL, username VARCHAR(255),
        first_name VARCHAR(255), last_name VARCHAR(255), daily_quota_seconds INTEGER NOT NULL,
        is_unlimited BOOLEAN NOT NULL, today_usage_seconds INTEGER NOT NULL, last_reset_date DATE NOT NULL,
        total_usage_seconds INTEGER NOT NULL, created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL,
        PRIMARY KEY (id));
    CREATE UNIQUE INDEX ix_users_telegram_id ON users (telegram_id);
    CREATE TABLE transactions (id INTEGER NOT NULL, user_id INTEGER NOT NULL, amount INTEGER NOT NULL,
        PRIMARY KEY (id), FOREIGN KEY(user_id) REFERENCES users (id));
    CREATE TABLE usage (id INTEGER NOT NULL, user_id INTEGER NOT NULL, voice_duration_seconds INTEGER NOT NULL,
        voice_file_id VARCHAR(255) NOT NULL, transcription_text TEXT NOT NULL, processing_time_seconds FLOAT,
        model_size VARCHAR(50) NOT NULL, language VARCHAR(10), created_at DATETIME NOT NULL,
        PRIMARY KEY (id), FOREIGN KEY(user_id) REFERENCES users (id));
    CREATE INDEX ix_usage_user_id ON usage (user_id);";

/// As its next revision alters it, by way of a temporary table.
const STAGED: &str = "
    CREATE TABLE _alembic_tmp_usage (id INTEGER NOT NULL, user_id INTEGER NOT NULL, voice_duration_seconds INTEGER,
        voice_file_id VARCHAR(255) NOT NULL, processing_time_seconds FLOAT, model_size VARCHAR(50),
        language VARCHAR(10), created_at DATETIME NOT NULL, updated_at DATETIME DEFAULT (CURRENT_TIMESTAMP) NOT NULL,
        transcription_length INTEGER, PRIMARY KEY (id), FOREIGN KEY(user_id) REFERENCES users (id));
    INSERT INTO _alembic_tmp_usage (id, user_id, voice_duration_seconds, voice_file_id, processing_time_seconds,
        model_size, language, created_at) SELECT id, user_id, voice_duration_seconds, voice_file_id,
        processing_time_seconds, model_size, language, created_at FROM usage;
    DROP TABLE usage;
    ALTER TABLE _alembic_tmp_usage RENAME TO usage;
    CREATE INDEX ix_usage_user_id ON usage (user_id);
    UPDATE alembic_version SET version_num = 'a9f3b2c8d1e4';";

const USERS: &str = "
    INSERT INTO users VALUES
        (1, 7000000001, 'anna', 'Анна', 'Иванова', 60, 0, 12, '2025-10-20', 42, '2025-10-14 01:36:13.195350', '2025-10-20 10:00:00'),
        (2, 99, NULL, NULL, NULL, 3600, 1, 0, '2025-10-21', 0, '2025-10-15 00:00:00', '2025-10-15 00:00:00');";

async fn sql(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap()
}

async fn run(sql: &mut SqliteConnection, script: &'static str) {
    sqlx::raw_sql(script).execute(sql).await.unwrap();
}

/// Three rows of two users: one with everything, one with whole seconds and no time, one with odd types.
async fn add_usage(sql: &mut SqliteConnection) {
    let insert = "INSERT INTO usage (id, user_id, voice_duration_seconds, voice_file_id, transcription_text, \
                  processing_time_seconds, model_size, language, created_at) VALUES \
                  (1, 1, 30, 'AwACAgIAAxk', ?1, 9.25, 'medium', 'ru', '2025-10-16 08:00:00.123456'), \
                  (2, 1, 12, 'AwACAgIAAxl', ?2, NULL, 'medium', NULL, '2025-10-17 08:00:00.000001'), \
                  (5, 2, '7.6', 'AwACAgIAAxm', ?3, '1.5', 'small', 'en', '2025-10-18 08:00:00')";
    let query = sqlx::query(insert).bind(TEXTS[0]).bind(TEXTS[1]).bind(TEXTS[2]);
    query.execute(sql).await.unwrap();
}

struct Old {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Old {
    async fn first() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bot.db");
        let mut sql = sql(&path).await;
        run(&mut sql, FIRST).await;
        run(&mut sql, USERS).await;
        add_usage(&mut sql).await;
        sql.close().await.unwrap();
        Self { path, _folder: folder }
    }

    async fn upgrade(&self) {
        run(&mut sql(&self.path).await, STAGED).await;
    }

    async fn add(&self, script: &'static str) {
        run(&mut sql(&self.path).await, script).await;
    }
}

type Row = (i64, Option<f64>, String, Option<f64>, Option<String>, Option<String>, Option<i64>, String, String);

async fn rows(path: &Path) -> Vec<Row> {
    sqlx::query_as(
        "SELECT telegram_id, voice_duration_seconds, voice_file_id, processing_time_seconds, model_size, language, \
         transcription_length, usage.created_at, usage.updated_at FROM usage JOIN users ON users.id = user_id \
         WHERE chat_id IS NULL ORDER BY usage.created_at",
    )
    .fetch_all(&mut sql(path).await)
    .await
    .unwrap()
}

/// What `rows` gives of the rows of `add_usage`.
fn expected(lengths: bool) -> Vec<Row> {
    let row = |id, duration, file: &str, took, model: &str, language: Option<&str>, text: &str, at: &str| -> Row {
        let length = lengths.then(|| i64::try_from(text.chars().count()).unwrap());
        let language = language.map(str::to_owned);
        (id, Some(duration), file.into(), took, Some(model.into()), language, length, at.into(), at.into())
    };
    vec![
        row(BIG_ID, 30.0, "AwACAgIAAxk", Some(9.25), "medium", Some("ru"), TEXTS[0], "2025-10-16 08:00:00.123456"),
        row(BIG_ID, 12.0, "AwACAgIAAxl", None, "medium", None, TEXTS[1], "2025-10-17 08:00:00.000001"),
        row(99, 7.6, "AwACAgIAAxm", Some(1.5), "small", Some("en"), TEXTS[2], "2025-10-18 08:00:00"),
    ]
}

/// Id, names, quota, unlimited, today, reset, total, created, updated of every user.
async fn users(path: &Path) -> Vec<String> {
    let all = "SELECT json_array(telegram_id, username, first_name, last_name, daily_quota_seconds, is_unlimited, \
               today_usage_seconds, last_reset_date, total_usage_seconds, created_at, updated_at) FROM users ORDER BY id";
    sqlx::query_scalar(all).fetch_all(&mut sql(path).await).await.unwrap()
}

const ANNA: &str = r#"[7000000001,"anna","Анна","Иванова",60,0,12,"2025-10-20",42,"2025-10-14 01:36:13.195350","2025-10-20 10:00:00"]"#;
const UNNAMED: &str = r#"[99,null,null,null,3600,1,0,"2025-10-21",0,"2025-10-15 00:00:00","2025-10-15 00:00:00"]"#;

async fn total(path: &Path, person: i64) -> i64 {
    sqlx::query_scalar("SELECT total_usage_seconds FROM users WHERE telegram_id = ?1")
        .bind(person)
        .fetch_one(&mut sql(path).await)
        .await
        .unwrap()
}

/// No byte of a text is in any file beside `path`. The last words of each text stand for it.
fn assert_no_text(path: &Path) {
    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let file = entry.unwrap();
        let bytes = match std::fs::read(file.path()) {
            // The log of a connection that closes just now.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            read => read.unwrap(),
        };
        for part in ["секретный", "разговор", "полночь", "маяка", "страница"] {
            let found = bytes.windows(part.len()).any(|window| window == part.as_bytes());
            assert!(!found, "{part} is still in {:?}", file.file_name());
        }
    }
}

// === Our own history ===

/// A store that stopped at the first of our migrations, with rows and a text that fills many pages.
async fn store_of_the_first_schema() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    let all = Migrator::new(migrations.as_path()).await.unwrap();
    let first = Migrator::with_migrations(all.iter().filter(|step| step.version == 1).cloned().collect());
    let mut sql = sql(&path).await;
    first.run(&mut sql).await.unwrap();
    run(&mut sql, USERS).await;
    add_usage(&mut sql).await;
    let long = "страница за страницей ".repeat(2_000);
    let insert = "INSERT INTO usage (id, user_id, voice_duration_seconds, voice_file_id, transcription_text, model_size, \
                  created_at) VALUES (9, 2, 600, 'long', ?1, 'medium', '2025-10-19 00:00:00')";
    sqlx::query(insert).bind(&long).execute(&mut sql).await.unwrap();
    sql.close().await.unwrap();
    (folder, path)
}

#[tokio::test]
async fn a_migration_keeps_every_row_and_column_but_the_text() {
    let (_folder, path) = store_of_the_first_schema().await;
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.windows(18).any(|window| window == "секретный".as_bytes()), "the text is there to begin with");

    let store = Store::open(&StoreUrl::sqlite(&path), Clock::System).await.unwrap();
    assert_no_text(&path);

    assert_eq!(users(&path).await, [ANNA, UNNAMED]);
    let mut wanted = expected(true);
    let at = "2025-10-19 00:00:00".to_owned();
    wanted.push((99, Some(600.0), "long".into(), None, Some("medium".into()), None, Some(44_000), at.clone(), at));
    assert_eq!(rows(&path).await, wanted);
    let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM usage").fetch_all(&mut sql(&path).await).await.unwrap();
    assert_eq!(ids, [1, 2, 5, 9]);
    let done: Vec<(String, i64)> =
        sqlx::query_as("SELECT DISTINCT stage, answered FROM usage").fetch_all(&mut sql(&path).await).await.unwrap();
    assert_eq!(done, [("done".to_owned(), 1)], "old rows are over");
    assert_eq!(store.queue.depth().await.unwrap(), 0);

    store.close().await;
    assert_no_text(&path);
}

#[tokio::test]
async fn a_migrated_store_recognises_its_users() {
    let (_folder, path) = store_of_the_first_schema().await;
    let store = Store::open(&StoreUrl::sqlite(&path), Clock::System).await.unwrap();
    assert!(matches!(store.queue.admit(&arrival(1), &ROOMY).await.unwrap(), Admission::New(_)));
    assert_eq!(users(&path).await.len(), 2, "the sender is known by their id");
    let check: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut sql(&path).await).await.unwrap();
    assert_eq!(check, "ok");
}

// === Import ===

#[tokio::test]
async fn the_first_revision_is_imported_without_its_texts() {
    let (old, test) = (Old::first().await, TestStore::new(Backend::Sqlite).await);
    let before = std::fs::read(&old.path).unwrap();
    let imported = test.store.import_legacy(&old.path).await.unwrap();
    assert_eq!(imported, Imported { users: 2, usage: 3, known: 0, orphans: 0 });
    assert_eq!(users(&test.path).await, [ANNA, UNNAMED]);
    assert_eq!(rows(&test.path).await, expected(true));
    assert_no_text(&test.path);
    assert_eq!(std::fs::read(&old.path).unwrap(), before, "the old file is only read");
    test.store.clone().close().await;
    assert_no_text(&test.path);
}

#[tokio::test]
async fn the_staged_revision_is_imported_with_its_gaps() {
    let (old, test) = (Old::first().await, TestStore::new(Backend::Sqlite).await);
    old.upgrade().await;
    old.add(
        "UPDATE usage SET updated_at = created_at;
         INSERT INTO usage VALUES (6, 2, NULL, 'AwACAgIAAxn', NULL, NULL, NULL, '2025-10-30 00:00:00',
            '2025-10-30 00:00:01', NULL);
         INSERT INTO usage VALUES (7, 2, 3, 'AwACAgIAAxo', 0.5, 'medium', 'ru', '2025-10-31 00:00:00',
            '2025-10-31 00:00:02', 17);",
    )
    .await;
    let imported = test.store.import_legacy(&old.path).await.unwrap();
    assert_eq!(imported, Imported { users: 2, usage: 5, known: 0, orphans: 0 });
    let mut wanted = expected(false);
    let (at, seen) = ("2025-10-30 00:00:00".to_owned(), "2025-10-30 00:00:01".to_owned());
    wanted.push((99, None, "AwACAgIAAxn".into(), None, None, None, None, at, seen));
    let (at, seen) = ("2025-10-31 00:00:00".to_owned(), "2025-10-31 00:00:02".to_owned());
    let (model, language) = (Some("medium".to_owned()), Some("ru".to_owned()));
    wanted.push((99, Some(3.0), "AwACAgIAAxo".into(), Some(0.5), model, language, Some(17), at, seen));
    assert_eq!(rows(&test.path).await, wanted);
}

#[tokio::test]
async fn a_repeated_import_adds_nothing_also_after_the_predecessor_s_upgrade() {
    let (old, test) = (Old::first().await, TestStore::new(Backend::Sqlite).await);
    let _first = test.store.import_legacy(&old.path).await.unwrap();
    let (users_before, rows_before) = (users(&test.path).await, rows(&test.path).await);
    let again = Imported { users: 0, usage: 0, known: 3, orphans: 0 };
    assert_eq!(test.store.import_legacy(&old.path).await.unwrap(), again);
    old.upgrade().await;
    assert_eq!(test.store.import_legacy(&old.path).await.unwrap(), again);
    assert_eq!((users(&test.path).await, rows(&test.path).await), (users_before, rows_before));
}

#[tokio::test]
async fn a_second_import_adds_new_rows_and_counts_them_once() {
    let (old, test) = (Old::first().await, TestStore::new(Backend::Sqlite).await);
    let _first = test.store.import_legacy(&old.path).await.unwrap();
    assert_eq!((total(&test.path, BIG_ID).await, total(&test.path, 99).await), (42, 0));
    old.add(
        "INSERT INTO usage (id, user_id, voice_duration_seconds, voice_file_id, transcription_text, model_size, \
         created_at) VALUES (6, 1, 8, 'new', 'x', 'medium', '2025-11-01 00:00:00');
         UPDATE users SET total_usage_seconds = 50 WHERE id = 1",
    )
    .await;
    for new in [1, 0] {
        let imported = test.store.import_legacy(&old.path).await.unwrap();
        assert_eq!((imported.usage, imported.known), (new, 4 - new));
        assert_eq!((total(&test.path, BIG_ID).await, total(&test.path, 99).await), (50, 0));
    }
}

#[tokio::test]
async fn a_known_user_keeps_their_data_and_gains_the_imported_rows() {
    let (old, test) = (Old::first().await, TestStore::new(Backend::Sqlite).await);
    test.admit(1).await;
    let mut sql = test.sql().await;
    run(&mut sql, "UPDATE users SET total_usage_seconds = 100").await;
    for (usage, known) in [(3, 0), (0, 3)] {
        let imported = test.store.import_legacy(&old.path).await.unwrap();
        assert_eq!((imported.usage, imported.known), (usage, known));
        assert_eq!(total(&test.path, BIG_ID).await, 100 + 30 + 12);
        assert_eq!(total(&test.path, 99).await, 0, "new users bring their total");
    }
    let names: Vec<String> = sqlx::query_scalar("SELECT username FROM users WHERE telegram_id = 7000000001")
        .fetch_all(&mut sql)
        .await
        .unwrap();
    assert_eq!(names, ["user7000000001"]);
    assert_eq!(rows(&test.path).await.len(), 3);
    assert_eq!(test.store.queue.waiting().await.unwrap().len(), 1, "what waits is not disturbed");
}

#[tokio::test]
async fn an_import_works_beside_requests_under_way() {
    let (old, test) = (Old::first().await, TestStore::new(Backend::Sqlite).await);
    test.enqueue(1).await;
    let held = test.start("running").await;
    let importer = test.another().await;
    let importing = importer.import_legacy(&old.path);
    let admitting = async {
        for message in 2..30 {
            test.admit(message).await;
        }
    };
    let (imported, ()) = tokio::join!(importing, admitting);
    assert_eq!(imported.unwrap().usage, 3);
    importer.close().await;
    test.store.queue.renew(&held).await.expect("leases are left alone");
    assert_eq!(test.count("usage").await, 1 + 28 + 3);
}

#[tokio::test]
async fn imported_rows_do_not_count_for_the_recent_real_time_factor() {
    let (old, test) = (Old::first().await, TestStore::new(Backend::Sqlite).await);
    let _imported = test.store.import_legacy(&old.path).await.unwrap();
    assert_eq!(test.store.statistics.recent_real_time_factor("medium").await.unwrap(), None);
}

#[tokio::test]
async fn rows_without_their_user_are_counted_and_left_out() {
    let (old, test) = (Old::first().await, TestStore::new(Backend::Sqlite).await);
    old.add("PRAGMA foreign_keys = OFF; DELETE FROM users WHERE id = 2").await;
    let imported = test.store.import_legacy(&old.path).await.unwrap();
    assert_eq!(imported, Imported { users: 1, usage: 2, known: 0, orphans: 1 });
}

#[tokio::test]
async fn a_file_that_is_not_the_predecessor_s_is_refused_and_nothing_is_written() {
    let test = TestStore::new(Backend::Sqlite).await;
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("notes.txt");
    std::fs::write(&notes, "nothing but notes ".repeat(500)).unwrap();
    let missing = folder.path().join("missing.db");
    for file in [&notes, &missing] {
        let error = test.store.import_legacy(file).await.unwrap_err();
        assert!(matches!(error, ImportError::Unreadable(_)), "{error:?}");
    }
    assert!(!missing.exists());

    let error = test.store.import_legacy(&test.path).await.unwrap_err();
    assert_eq!(error.to_string(), "the file is no database of the predecessor: it has no alembic_version table");

    let old = Old::first().await;
    old.add("ALTER TABLE users DROP COLUMN daily_quota_seconds").await;
    let error = test.store.import_legacy(&old.path).await.unwrap_err();
    let sentence = "the file is of a revision that cannot be imported: it has no column users.daily_quota_seconds";
    assert_eq!(error.to_string(), sentence);

    assert_eq!((test.count("users").await, test.count("usage").await), (0, 0));
}

#[tokio::test]
async fn ten_thousand_rows_are_imported_in_one_transaction() {
    let (old, test) = (Old::first().await, TestStore::new(Backend::Sqlite).await);
    let many = "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 10099) \
                INSERT INTO usage (id, user_id, voice_duration_seconds, voice_file_id, transcription_text, model_size, \
                created_at) SELECT i, 1, 5, 'file' || i, 'секретный', 'medium', '2025-10-20 00:00:00' FROM n";
    sqlx::query(many).execute(&mut sql(&old.path).await).await.unwrap();
    assert_eq!(test.store.import_legacy(&old.path).await.unwrap().usage, 10_003);
    assert_no_text(&test.path);
}

#[tokio::test]
async fn a_hostile_predecessor_s_database_is_refused_and_nothing_is_written() {
    let test = TestStore::new(Backend::Sqlite).await;
    let endless = "ALTER TABLE usage RENAME TO hidden;
        CREATE VIEW usage AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
            SELECT i AS id, 1 AS user_id, 1 AS voice_duration_seconds, 'x' AS voice_file_id, 'x' AS transcription_text,
            1 AS processing_time_seconds, 'm' AS model_size, 'ru' AS language, '2025-10-20 00:00:00' AS created_at FROM n;";
    let generated = "ALTER TABLE users DROP COLUMN first_name;
        ALTER TABLE users ADD COLUMN first_name AS (hex(zeroblob(400000000)));";
    let lying = "PRAGMA writable_schema = ON;
        UPDATE sqlite_master SET sql = 'CREATE TABLE hidden (x)', name = 'hidden', tbl_name = 'hidden' WHERE name = 'usage';
        DELETE FROM sqlite_master WHERE name = 'ix_usage_user_id';
        INSERT INTO sqlite_master VALUES ('table', 'usage', 'usage', 0, 'CREATE VIEW usage AS SELECT 1 AS id');";
    let large = "UPDATE users SET first_name = hex(zeroblob(1000000)) WHERE id = 1;";
    let texts = "UPDATE usage SET transcription_text = hex(zeroblob(3000000)) WHERE id = 1;";
    for (script, reason) in [
        (endless, "its usage is no table"),
        (generated, "its table users has generated columns, which are not read"),
        (lying, "it is damaged or is no SQLite database"),
        ("CREATE VIRTUAL TABLE more USING rtree (id, low, high);", "it holds virtual tables, which are not read"),
        (large, "its table users has 1 rows with a value of more than 4096 bytes"),
        (texts, "its table usage has 1 rows with a value of more than 4194304 bytes"),
    ] {
        let old = Old::first().await;
        old.add(script).await;
        let error = test.store.import_legacy(&old.path).await.unwrap_err();
        assert_eq!(error.to_string(), format!("the file cannot be used: {reason}"));
        assert_eq!((test.count("users").await, test.count("usage").await), (0, 0));
    }
}

#[tokio::test]
async fn triggers_and_views_of_the_predecessor_s_database_are_not_imported() {
    let (old, test) = (Old::first().await, TestStore::new(Backend::Sqlite).await);
    old.add(
        "CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;
         CREATE TRIGGER redirect AFTER INSERT ON usage BEGIN UPDATE usage SET voice_file_id = 'other'; END;
         CREATE INDEX costly ON users (length(hex(zeroblob(id))));",
    )
    .await;
    let imported = test.store.import_legacy(&old.path).await.unwrap();
    assert_eq!(imported, Imported { users: 2, usage: 3, known: 0, orphans: 0 });
    assert_eq!(rows(&test.path).await, expected(true));
    let foreign = "SELECT count(*) FROM sqlite_master WHERE name IN ('endless', 'redirect', 'costly')";
    let foreign: i64 = sqlx::query_scalar(foreign).fetch_one(&mut sql(&test.path).await).await.unwrap();
    assert_eq!(foreign, 0);
}
