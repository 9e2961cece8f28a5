//! A store is copied to PostgreSQL, and back.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};
use stenobot_domain::{ChatId, Clock, MessageId, Role, StageName, UserId};
use stenobot_store::{
    Admission, AudioLookup, MachineId, MachineState, MigrateError, Migrated, MigrationPhase, MigrationProgress,
    ReadOnlyStore, ServiceMode, Store, StoreError, StoreUrl, WorkSource, migrate,
};
use tokio_util::sync::CancellationToken;

use super::{database, open, parse};
use crate::store::test_store::{ROOMY, arrival, arrival_of, sender};

/// More than a page of rows in two tables.
const MANY: &str = "
    WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 2500)
        INSERT INTO users (id, telegram_id, first_name, created_at, updated_at)
        SELECT n, 1000 + n, 'name ' || n, '2026-11-01 10:00:00.001', '2026-11-01 10:00:00.001' FROM number;
    INSERT INTO usage (user_id, voice_file_id, chat_id, message_id, created_at, updated_at)
        SELECT id, 'file ' || id, telegram_id, 1, created_at, updated_at FROM users;
    INSERT INTO bans (telegram_id, since) SELECT -telegram_id, 1 FROM users LIMIT 1500";

/// Every stage, and values in every column.
const ODD: &str = "
    INSERT INTO users VALUES (9077, 9007199254740993, 'o''neil', '👩‍👩‍👧 \"Zoë\" \\ % ; --', '\u{202e}\t\n', 61, 1, 5, '2024-02-29',
        12345678901, '2024-02-29 23:59:59.999', '1969-12-31 23:59:59.001', 0);
    INSERT INTO usage (id, user_id, voice_duration_seconds, voice_file_id, processing_time_seconds, model_size, language,
        transcription_length, created_at, updated_at, chat_id, message_id, callback_id, reply_to_message_id, thread_id, source,
        form, speech_language, file_unique_id, claimed_duration_seconds, locale, parent_id, joined_to, stage, reason,
        failed_stage, codec, priority, turn, owner, lease_until, attempt, failures, interruptions, not_before,
        cancel_requested, status_message_id, part_message_id, parts_delivered, answered, received_at, downloaded_at,
        queued_at, started_at, finished_at, audio_until, legacy_key)
        VALUES (1000, 9077, 0.1, 'файл', 1e-300, 'base', 'ru', 4000, '2026-11-01 10:00:00.001', '2026-11-01 10:00:00.999',
        -1001234567890, 2147483647, 'press', 17, 18, 'video_note', 'srt', 'de', 'unique', 3600.25, 'pt-BR', 900, 901,
        'transcribing', 'none', 'queued', 'opus', 2, 1234567890123, 'ghost', 1, 7, 2, 1, 1700000000001, 'operator', 19, 20,
        3, 0, 1, 2, 3, 4, 5, 9223372036854775807, 'key''s');
    INSERT INTO usage (user_id, voice_file_id, stage, answered, reason, joined_to, created_at, updated_at) VALUES
        (9077, '', 'received', 0, NULL, 1000, '2026-11-01 10:00:00.001', '2026-11-01 10:00:00.001'),
        (9077, '', 'downloaded', 0, NULL, NULL, '2026-11-01 10:00:00.001', '2026-11-01 10:00:00.001'),
        (9077, '', 'queued', 0, NULL, NULL, '2026-11-01 10:00:00.001', '2026-11-01 10:00:00.001'),
        (9077, '', 'transcribed', 0, NULL, NULL, '2026-11-01 10:00:00.001', '2026-11-01 10:00:00.001'),
        (9077, '', 'done', 1, NULL, NULL, '2026-11-01 10:00:00.001', '2026-11-01 10:00:00.001'),
        (9077, '', 'rejected', 1, 'too_long', NULL, '2026-11-01 10:00:00.001', '2026-11-01 10:00:00.001'),
        (9077, '', 'failed', 0, 'poison', NULL, '2026-11-01 10:00:00.001', '2026-11-01 10:00:00.001'),
        (9077, '', 'cancelled', 1, 'sender', NULL, '2026-11-01 10:00:00.001', '2026-11-01 10:00:00.001');
    INSERT INTO moved_chats VALUES (-5, -1005, 6), (-1005, -1006, 7);
    INSERT INTO bot VALUES (1, 123456789, 4)";

struct File {
    folder: tempfile::TempDir,
}

impl File {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A store with these rows.
    async fn with(statements: &'static str) -> Self {
        let file = Self::new();
        file.open().await.close().await;
        file.execute(statements).await;
        file
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("store.db")
    }

    fn url(&self) -> StoreUrl {
        StoreUrl::sqlite(self.path())
    }

    async fn open(&self) -> Store {
        Store::open(&self.url(), Clock::System).await.unwrap()
    }

    async fn execute(&self, statements: &'static str) {
        let mut sql = connect(&self.path()).await;
        sqlx::raw_sql(statements).execute(&mut sql).await.unwrap();
        sql.close().await.unwrap();
    }

    /// All values of all rows that a migration copies, as SQLite's literals. Leases are 0.
    async fn rows(&self) -> BTreeMap<String, Vec<String>> {
        let mut sql = connect(&self.path()).await;
        let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('_sqlx_migrations', 'machines', \
                      'telegram_pauses')";
        let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut sql).await.unwrap();
        let mut rows = BTreeMap::new();
        for table in tables {
            let columns = sqlx::query_scalar("SELECT name FROM pragma_table_info($1)").bind(&table);
            let columns: Vec<String> = columns.fetch_all(&mut sql).await.unwrap();
            let quoted = |column: &String| match column.as_str() {
                "lease_until" => "quote(lease_until * 0)".to_owned(),
                column => format!("quote({column})"),
            };
            let quoted = columns.iter().map(quoted).collect::<Vec<_>>().join(" || ' | ' || ");
            let query = AssertSqlSafe(format!("SELECT {quoted} FROM {table} ORDER BY 1"));
            rows.insert(table, sqlx::query_scalar(query).fetch_all(&mut sql).await.unwrap());
        }
        sql.close().await.unwrap();
        rows
    }
}

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

async fn copy(from: &StoreUrl, to: &StoreUrl) -> Result<Migrated, MigrateError> {
    migrate(from, to, |_| {}).await
}

/// Interrupts a migration when it has copied so many rows.
async fn interrupt(from: &StoreUrl, to: &StoreUrl, rows: u64) {
    let interrupted = CancellationToken::new();
    let progress = |progress: MigrationProgress| {
        if progress.phase == MigrationPhase::Copying && progress.done >= rows {
            interrupted.cancel();
        }
    };
    tokio::select! {
        biased;
        () = interrupted.cancelled() => {}
        done = migrate(from, to, progress) => panic!("it was not interrupted: {done:?}"),
    }
}

/// The session of an interrupted migration ends a moment later, and the lock with it.
async fn once_the_lock_is_free(from: &StoreUrl, to: &StoreUrl) -> Result<Migrated, MigrateError> {
    loop {
        match copy(from, to).await {
            Err(MigrateError::Running(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
            other => return other,
        }
    }
}

#[tokio::test]
async fn every_row_is_copied_and_comes_back_as_it_was() {
    let Some((_, url)) = database("a migration there and back").await else { return };
    let url = parse(&url);
    let source = File::with(ODD).await;
    source.execute(MANY).await;
    let store = source.open().await;
    let _ = store.queue.admit(&arrival(1), &ROOMY).await.unwrap();
    let _ = store.queue.admit(&arrival_of(5, 1), &ROOMY).await.unwrap();
    let _ = store.users.forget(UserId(5)).await.unwrap();
    store.users.set_auto(ChatId(-7), true).await.unwrap();
    store.users.set_auto(ChatId(8), false).await.unwrap();
    store.users.ban(UserId(99)).await.unwrap();
    store.service.set_mode(ServiceMode::Paused).await.unwrap();
    store.close().await;
    let rows = source.rows().await;
    assert_eq!(rows["spent"].len(), 1, "carried-over usage of an erased user");

    let there = copy(&source.url(), &url).await.unwrap();
    assert_eq!(source.rows().await, rows, "the source is as it was");
    let total: usize = rows.values().map(Vec::len).sum();
    assert_eq!(
        (there.users, there.requests, there.rows, there.resumed),
        (rows["users"].len() as u64, rows["usage"].len() as u64, total as u64, 0)
    );
    let back = File::new();
    let returned = copy(&url, &back.url()).await.unwrap();
    assert_eq!(returned, there);
    assert_eq!(back.rows().await, rows);
    back.open().await.close().await;

    let again = copy(&source.url(), &url).await.unwrap_err();
    assert!(matches!(again, MigrateError::NotEmpty(_)), "{again}");
    let again = copy(&url, &back.url()).await.unwrap_err();
    assert!(matches!(again, MigrateError::NotEmpty(_)), "{again}");
}

#[tokio::test]
async fn requests_under_way_go_on_with_the_same_messages() {
    let Some((_, url)) = database("a migration of requests under way").await else { return };
    let source = File::new();
    let store = source.open().await;
    // Held by a machine that is gone, waiting with a message, coalesced, with a notice due, and with kept audio.
    let admit = async |message: i32| match store.queue.admit(&arrival(message), &ROOMY).await.unwrap() {
        Admission::New(id) => id,
        other => panic!("{other:?}"),
    };
    let (held, kept) = (admit(1).await, admit(2).await);
    let claim = async || store.queue.claim(WorkSource::Downloads, "gone").await.unwrap().unwrap().fence;
    let fence = claim().await;
    store.queue.set_status_message(&fence, ChatId(7_000_000_001), MessageId(501)).await.unwrap();
    let mut of_kept = claim().await;
    assert_eq!((fence.id, of_kept.id), (held, kept));
    for stage in [StageName::Downloaded, StageName::Queued] {
        store.queue.advance(&of_kept, stage, &Default::default()).await.unwrap();
        of_kept.stage = stage;
    }
    let mut of_kept = store.queue.claim(WorkSource::Transcriptions, "gone").await.unwrap().unwrap().fence;
    let update =
        stenobot_store::RequestUpdate { keep_audio_for: Some(Duration::from_secs(3600)), ..Default::default() };
    for (stage, update) in [
        (StageName::Transcribing, &Default::default()),
        (StageName::Transcribed, &Default::default()),
        (StageName::Done, &update),
    ] {
        store.queue.advance(&of_kept, stage, update).await.unwrap();
        of_kept.stage = stage;
    }
    let third = admit(3).await;
    store.close().await;

    let migrated = copy(&source.url(), &parse(&url)).await.unwrap();
    assert_eq!((migrated.requests, migrated.open), (3, 2));
    let store = open(&url).await;
    let kept_audio = store.audio.kept_audio(kept, sender(7_000_000_001).id).await.unwrap();
    assert!(matches!(kept_audio, AudioLookup::Here(_)), "{kept_audio:?}");
    let row = store.queue.claim(WorkSource::Downloads, "new").await.unwrap().unwrap();
    assert_eq!((row.fence.id, row.status_message), (held, Some(MessageId(501))));
    assert_eq!(row.file_id, arrival(1).file_id);
    let next = store.queue.claim(WorkSource::Downloads, "new").await.unwrap().unwrap();
    assert_eq!(next.fence.id, third);
    assert!(matches!(store.queue.admit(&arrival(3), &ROOMY).await.unwrap(), Admission::Duplicate));
    let Admission::New(new) = store.queue.admit(&arrival_of(6, 4), &ROOMY).await.unwrap() else { panic!("not new") };
    assert!(new > third, "ids go on behind those that were copied");
}

#[tokio::test]
async fn an_interrupted_migration_is_resumed_and_no_store_is_opened_before() {
    let Some((_, url)) = database("an interrupted migration").await else { return };
    let url = parse(&url);
    let source = File::with(MANY).await;
    let back = File::new();
    for (from, to) in [(source.url(), url.clone()), (url, back.url())] {
        interrupt(&from, &to, 3000).await;
        let refused = |error: StoreError| assert!(matches!(error, StoreError::Unfinished(_)), "{error}");
        refused(Store::open(&to, Clock::System).await.unwrap_err());
        refused(Store::inspect(&to).await.unwrap_err());
        let read_only = ReadOnlyStore::open(&to).await.unwrap();
        refused(read_only.check_version().await.unwrap_err());
        read_only.close().await;
        let migrated = once_the_lock_is_free(&from, &to).await.unwrap();
        assert!((3000..6000).contains(&migrated.resumed), "{migrated:?}");
        assert_eq!((migrated.users, migrated.requests, migrated.rows), (2500, 2500, 6501));
        Store::open(&to, Clock::System).await.unwrap().close().await;
    }
    assert_eq!(back.rows().await, source.rows().await);
}

#[tokio::test]
async fn an_interrupted_migration_starts_over_when_its_source_has_changed() {
    let Some((_, url)) = database("a migration of a source that changes").await else { return };
    let url = parse(&url);
    let source = File::with(MANY).await;
    interrupt(&source.url(), &url, 3000).await;
    let other = File::with(MANY).await;
    let refused = once_the_lock_is_free(&other.url(), &url).await.unwrap_err();
    assert!(matches!(refused, MigrateError::OtherSource { .. }), "{refused}");
    source.execute("UPDATE users SET first_name = 'another' WHERE id = 1").await;
    let migrated = copy(&source.url(), &url).await.unwrap();
    assert_eq!((migrated.resumed, migrated.rows), (0, 6501));
}

#[tokio::test]
async fn a_source_that_changes_during_the_migration_is_noticed() {
    let Some((_, url)) = database("a change during a migration").await else { return };
    let url = parse(&url);
    let source = File::with(MANY).await;
    let mut change = Some(source.path());
    let progress = |progress: MigrationProgress| {
        if progress.phase == MigrationPhase::Copying && progress.done > 4000 {
            let Some(path) = change.take() else { return };
            let change = async move {
                let update = sqlx::query("UPDATE users SET reachable = 0 WHERE id = 1");
                update.execute(&mut connect(&path).await).await.unwrap();
            };
            let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            std::thread::spawn(move || runtime().block_on(change)).join().unwrap();
        }
    };
    let refused = migrate(&source.url(), &url, progress).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Changed(_)), "{refused}");
    assert!(matches!(Store::open(&url, Clock::System).await, Err(StoreError::Unfinished(_))));
    assert_eq!(copy(&source.url(), &url).await.unwrap().resumed, 0);
}

#[tokio::test]
async fn a_copy_that_differs_is_refused_with_the_name_of_its_table_and_made_anew() {
    let Some((server, text)) = database("a copy that differs").await else { return };
    let url = parse(&text);
    let source = File::with(MANY).await;
    interrupt(&source.url(), &url, 3000).await;
    server.psql(&text, "UPDATE users SET total_usage_seconds = 1 WHERE id = 17").await.unwrap();
    let error = once_the_lock_is_free(&source.url(), &url).await.unwrap_err();
    assert!(matches!(error, MigrateError::Differs { table: "users", .. }), "{error}");
    assert!(matches!(Store::open(&url, Clock::System).await, Err(StoreError::Unfinished(_))));
    assert_eq!(copy(&source.url(), &url).await.unwrap().resumed, 0);
    Store::open(&url, Clock::System).await.unwrap().close().await;
}

#[tokio::test]
async fn texts_and_times_that_postgresql_does_not_have_are_adapted() {
    let Some((server, text)) = database("a migration of odd values").await else { return };
    let source = File::with(
        "INSERT INTO users (telegram_id, first_name, created_at, updated_at) VALUES
            (1, 'a' || char(0) || 'b', '2024-01-02 03:04:05.678901', ''), (2, char(0), '2024-01-02T03:04:05+03:00', 'now')",
    )
    .await;
    copy(&source.url(), &parse(&text)).await.unwrap();
    let query =
        "SELECT first_name, extract(epoch FROM created_at), extract(epoch FROM updated_at) FROM users ORDER BY id";
    let users = server.psql(&text, query).await.unwrap();
    assert_eq!(users, "ab|1704164645.679000|0.000000\n|1704153845.000000|0.000000");
}

#[tokio::test]
async fn a_database_that_a_bot_works_on_is_refused() {
    let Some((_, url)) = database("a migration beside a bot").await else { return };
    let (source, back) = (File::with(MANY).await, File::new());
    let store = open(&url).await;
    let machine = MachineId::new("worker");
    let state = MachineState { role: Role::Worker, leads: false, workers: 1, demand: 0, has_disk_space: true };
    store.machines.record_heartbeat(&machine, state).await.unwrap();
    let is_refused = async || {
        for (from, to) in [(source.url(), parse(&url)), (parse(&url), back.url())] {
            let refused = copy(&from, &to).await.unwrap_err();
            assert!(matches!(refused, MigrateError::Running(_)), "{refused}");
        }
    };
    is_refused().await;
    store.machines.leave(&machine).await.unwrap();
    let mut leadership = store.lead();
    leadership.gained().await;
    is_refused().await;
    drop(leadership);
    store.close().await;
    once_the_lock_is_free(&source.url(), &parse(&url)).await.unwrap();
}

#[tokio::test]
async fn a_pair_of_one_kind_and_a_source_that_is_not_there_are_refused() {
    let Some((server, url)) = database("migrations that are refused").await else { return };
    let (one, other) = (File::with(MANY).await, File::new());
    for (from, to) in [(one.url(), one.url()), (one.url(), other.url()), (parse(&url), parse(&url))] {
        assert!(matches!(copy(&from, &to).await, Err(MigrateError::SameKind)));
    }
    for (from, to) in [(other.url(), parse(&url)), (parse(&url), other.url())] {
        assert!(matches!(copy(&from, &to).await, Err(MigrateError::NoStore(_))));
    }
    assert!(!other.path().exists(), "nothing is created");
    assert_eq!(Store::inspect(&parse(&url)).await.unwrap(), None);
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(server.psql(&url, tables).await.unwrap(), "0");
}
