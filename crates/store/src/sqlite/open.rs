//! Opening the file: its schema, its connections.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::Connections;
use crate::StoreError;

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/sqlite");

/// The revision that drops the texts: a database that had them is rewritten after it.
const DROPS_TEXTS: i64 = 2;

/// Pages that a connection keeps in memory, in KiB and negative, as SQLite wants it. Five connections with SQLite's own
/// 2 MiB each would fill them as the store grows, while the kernel has its pages in memory anyway.
const PAGE_CACHE: &str = "-256";

/// How long a write waits for another process that has the database locked. Readers, as a backup, lock nothing, so a longer
/// lock is an error worth reporting. Every caller tries again, and none of them can be stopped while it waits in here: a
/// shutdown, a health check and the next message must not wait long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Version of the newest migration that this program knows.
pub(super) fn newest_known() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

fn options(path: &Path, busy_timeout: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // Telegram is told that an update was consumed only after the commit: it must survive a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(busy_timeout)
        .pragma("secure_delete", "ON")
        .pragma("cache_size", PAGE_CACHE)
}

/// Connections to the file at `path`, which is created if it does not exist, with the newest schema.
pub(crate) async fn connect(path: &Path) -> Result<Connections, StoreError> {
    connect_with(options(path, BUSY_TIMEOUT)).await
}

/// Connections that only read an existing file. Nothing of it is checked.
pub(crate) async fn connect_read_only(path: &Path) -> Result<Connections, StoreError> {
    let options = read_only(path);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
    Ok(Connections {
        writer: pool.clone(),
        reader: pool,
        options: Arc::new(options),
        reconnect: Arc::default(),
        unclean_log: Arc::default(),
    })
}

/// Options of a connection that cannot write, also while another process does.
pub(super) fn read_only(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).read_only(true)
}

/// One connection to a file that may hold an unfinished copy of another store, with the newest schema.
pub(super) async fn connect_unfinished(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = options(path, BUSY_TIMEOUT);
    migrate(&options).await?;
    Ok(options.connect().await?)
}

async fn connect_with(options: SqliteConnectOptions) -> Result<Connections, StoreError> {
    migrate(&options).await?;
    let pool = || SqlitePoolOptions::new().acquire_timeout(2 * BUSY_TIMEOUT);
    let reconnect = Arc::new(AtomicBool::new(false));
    let asked = reconnect.clone();
    let writer = pool().min_connections(1).max_connections(1).before_acquire(move |connection, _| {
        // After a commit that failed, as on a full disk, SQLite has ended the transaction, and sqlx, whose rollback
        // then fails, takes it to be open for ever: such a connection begins no other.
        let usable = !connection.is_in_transaction() && !asked.swap(false, Ordering::Relaxed);
        Box::pin(std::future::ready(Ok(usable)))
    });
    let writer = writer.connect_with(options.clone()).await?;
    check_finished(&mut *writer.acquire().await?).await?;
    let reader = pool().max_connections(4).connect_with(options.clone().pragma("query_only", "ON")).await?;
    Ok(Connections {
        writer,
        reader,
        options: Arc::new(options),
        reconnect,
        unclean_log: Arc::new(AtomicBool::new(true)),
    })
}

/// Runs the migrations that are missing, without foreign keys: SQLite's way of altering a table is to make it anew.
async fn migrate(options: &SqliteConnectOptions) -> Result<(), StoreError> {
    let mut connection = options.clone().foreign_keys(false).connect().await?;
    check(&mut connection).await?;
    let before = newest(&mut connection).await?;
    if before.is_none() && has_table(&mut connection, "alembic_version").await? {
        return Err(predecessor());
    }
    MIGRATIONS.run(&mut connection).await?;
    let dangling = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut connection).await?;
    if !dangling.is_empty() {
        return Err(StoreError::Migration(format!("{} rows refer to users that do not exist", dangling.len())));
    }
    if before.is_some_and(|version| version < DROPS_TEXTS) {
        sqlx::query("VACUUM").execute(&mut connection).await?;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(())
}

/// Checks the whole file for damage.
pub(super) async fn check(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let damage: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(connection).await?;
    if damage == "ok" { Ok(()) } else { Err(StoreError::Damaged) }
}

/// Whether another store is still to be copied into this one.
pub(super) async fn check_finished(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let source = sqlx::query_scalar("SELECT source FROM migration_in_progress").fetch_optional(connection).await?;
    source.map_or(Ok(()), |source| Err(StoreError::Unfinished(source)))
}

pub(super) fn predecessor() -> StoreError {
    StoreError::Migration(
        "it is a predecessor's database; set another database_url and bring it along with `stenobot import-legacy`"
            .into(),
    )
}

/// Version of the newest migration that was applied.
pub(super) async fn newest(connection: &mut SqliteConnection) -> Result<Option<i64>, StoreError> {
    if !has_table(connection, "_sqlx_migrations").await? {
        return Ok(None);
    }
    Ok(sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(connection).await?)
}

pub(super) async fn has_table(connection: &mut SqliteConnection, name: &str) -> Result<bool, StoreError> {
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?1")
        .bind(name)
        .fetch_one(connection)
        .await?;
    Ok(tables > 0)
}

#[cfg(test)]
mod tests {
    use stenobot_domain::{ChatId, Clock, MessageId, UserId};

    use super::*;
    use crate::backend;
    use crate::database::Database;
    use crate::{Admission, Capacity, IncomingAudio, Sender, Store, StoreUrl};

    async fn open(options: SqliteConnectOptions) -> Result<Store, StoreError> {
        let connections = backend::Connections::Sqlite(connect_with(options).await?);
        Store::over(Database::new(connections, Clock::System)).checked().await
    }

    fn writer(store: &Store) -> &sqlx::SqlitePool {
        match &store.database.connections {
            backend::Connections::Sqlite(connections) => &connections.writer,
            backend::Connections::Postgres(_) => unreachable!("opened above"),
        }
    }

    #[test]
    fn the_newest_migration_is_known() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/sqlite");
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let newest = names.map(|name| name.split('_').next().unwrap().parse().unwrap()).max();
        assert_eq!(newest, Some(newest_known()));
    }

    #[tokio::test]
    async fn what_waits_keeps_its_order_when_turns_are_introduced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let mut old = options(&path, BUSY_TIMEOUT).connect().await.unwrap();
        let before_turns = MIGRATIONS.iter().filter(|step| step.version < 11).cloned().collect();
        Migrator::with_migrations(before_turns).run(&mut old).await.unwrap();
        // User 1 was served since the others wait; 4 is coalesced into 3, 9 into 8, which runs; the engine failed on 7.
        let rows = "INSERT INTO users (id, telegram_id, created_at, updated_at)
                VALUES (1, 1, '', ''), (2, 2, '', ''), (3, 3, '', ''), (4, 4, '', ''), (5, 5, '', '');
            INSERT INTO usage (id, user_id, chat_id, message_id, voice_file_id, stage, answered, received_at, started_at, owner,
                lease_until, failures, joined_to, created_at, updated_at) VALUES
                (1, 1, 1, 1, '', 'done', 1, 1, 20, NULL, NULL, 0, NULL, '', ''),
                (2, 1, 1, 2, '', 'queued', 0, 2, NULL, NULL, NULL, 0, NULL, '', ''),
                (3, 2, 2, 3, '', 'queued', 0, 3, NULL, NULL, NULL, 0, NULL, '', ''),
                (4, 3, 3, 4, '', 'received', 0, 4, NULL, NULL, NULL, 0, 3, '', ''),
                (5, 2, 2, 5, '', 'queued', 0, 5, NULL, NULL, NULL, 0, NULL, '', ''),
                (6, 3, 3, 6, '', 'queued', 0, 6, NULL, NULL, NULL, 0, NULL, '', ''),
                (7, 5, 5, 7, '', 'queued', 0, 1, 30, NULL, NULL, 1, NULL, '', ''),
                (8, 4, 4, 8, '', 'transcribing', 0, 1, 40, 'dead', 0, 0, NULL, '', ''),
                (9, 3, 3, 9, '', 'received', 0, 9, NULL, NULL, NULL, 0, 8, '', '');";
        sqlx::raw_sql(rows).execute(&mut old).await.unwrap();
        old.close().await.unwrap();

        let store = open(options(&path, BUSY_TIMEOUT)).await.unwrap();
        let order = async || -> Vec<i64> {
            store.queue.waiting().await.unwrap().into_iter().map(|waiting| waiting.id.0).collect()
        };
        assert_eq!(order().await, [9, 3, 4, 6, 2, 5, 7]);
        let sender = Sender { id: UserId(6), username: None, first_name: None, last_name: None };
        let arrival = IncomingAudio::voice(ChatId(6), MessageId(10), sender, "file".into(), "unique".into());
        let capacity = Capacity { queue: 100, per_user: 100, per_day: None };
        assert!(matches!(store.queue.admit(&arrival, &capacity).await.unwrap(), Admission::New(_)));
        assert_eq!(order().await, [9, 3, 4, 6, 2, 5, 10, 7]);
        let next = store.queue.claim(crate::WorkSource::Transcriptions, "w").await.unwrap().unwrap();
        assert_eq!(next.fence.id.0, 8, "what was interrupted comes first");
    }

    #[tokio::test]
    async fn a_lock_of_another_process_is_a_busy_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = open(options(&path, Duration::from_millis(20))).await.unwrap();
        let mut other = options(&path, Duration::ZERO).connect().await.unwrap();
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();

        let error = store.writable().await.unwrap_err();
        assert!(matches!(error, StoreError::Busy), "{error:?}");
        assert_eq!((error.kind(), error.to_string().as_str()), ("busy", "the store is locked by another process"));
        let error = open(options(&path, Duration::from_millis(20))).await.unwrap_err();
        assert!(matches!(error, StoreError::Busy), "{error:?}");
        store.statistics.snapshot().await.expect("readers are not kept waiting");

        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        store.writable().await.expect("the store recovers by itself");
    }

    #[tokio::test]
    async fn a_read_only_file_is_refused_when_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        open(options(&path, BUSY_TIMEOUT)).await.unwrap().close().await;

        // By flag, since the rights of a file mean nothing to root.
        let read_only = options(&path, BUSY_TIMEOUT).create_if_missing(false).read_only(true);
        let error = open(read_only).await.unwrap_err();
        let sentence =
            "the store cannot be used: its file is read-only; let this user write to the file and its folder";
        assert_eq!(error.to_string(), sentence);
    }

    #[tokio::test]
    async fn a_write_succeeds_after_a_transaction_that_failed() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(options(&folder.path().join("store.db"), BUSY_TIMEOUT)).await.unwrap();
        let capacity = Capacity { queue: 1, per_user: 1, per_day: None };
        let sender = Sender { id: UserId(1), username: None, first_name: None, last_name: None };
        let arrival = IncomingAudio::voice(ChatId(1), MessageId(1), sender, "file".into(), "unique".into());

        let mut transaction = writer(&store).begin_with("BEGIN IMMEDIATE").await.unwrap();
        // SQLite does that by itself when the disk is full, and does not ask sqlx.
        sqlx::query("ROLLBACK").execute(&mut *transaction).await.unwrap();
        drop(transaction);
        let outcome = store.queue.admit(&arrival, &capacity).await.unwrap();
        assert!(matches!(outcome, Admission::New(_)), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_fenced_write_is_retried_until_the_lock_is_released_or_retries_end() {
        use std::sync::Mutex;

        use tokio_util::sync::CancellationToken;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let (end, errors) = (CancellationToken::new(), Arc::new(Mutex::new(Vec::new())));
        let seen = errors.clone();
        let store = open(options(&path, Duration::from_millis(20))).await.unwrap();
        let store = store.retrying_until(end.clone(), move |failed| {
            seen.lock().unwrap().push((failed.what, failed.error.kind(), failed.is_retry));
        });
        let recoveries = Arc::new(Mutex::new(0));
        let counted = recoveries.clone();
        let store = store.reporting_recovery(move || *counted.lock().unwrap() += 1);
        let sender = Sender { id: UserId(1), username: None, first_name: None, last_name: None };
        let arrival = IncomingAudio::voice(ChatId(1), MessageId(1), sender, "file".into(), "unique".into());
        let capacity = Capacity { queue: 1, per_user: 1, per_day: None };
        let _admission = store.queue.admit(&arrival, &capacity).await.unwrap();
        let fence = store.queue.claim(crate::WorkSource::Downloads, "w").await.unwrap().unwrap().fence;

        let mut other = options(&path, Duration::ZERO).connect().await.unwrap();
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
        let renewal = tokio::spawn({
            let (store, fence) = (store.clone(), fence.clone());
            async move { store.queue.renew(&fence).await }
        });
        while errors.lock().unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(store.has_retrying_writes());
        assert!(matches!(store.queue.claim(crate::WorkSource::Downloads, "v").await, Err(StoreError::Busy)), "once");
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        assert_eq!(*recoveries.lock().unwrap(), 0);
        renewal.await.unwrap().expect("it is retried");
        assert_eq!(*recoveries.lock().unwrap(), 1);
        assert!(!store.has_retrying_writes());
        assert_eq!(errors.lock().unwrap()[..2], [("renew a lease", "busy", false), ("renew a lease", "busy", true)]);

        sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
        end.cancel();
        assert!(matches!(store.queue.renew(&fence).await, Err(StoreError::Busy)), "retries have ended");
    }

    #[tokio::test]
    async fn the_writing_connection_is_renewed_after_a_read_only_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = open(options(&path, BUSY_TIMEOUT)).await.unwrap();
        writer(&store).set_connect_options(options(&path, BUSY_TIMEOUT).read_only(true));
        store.database.connections.renew_writer();
        let error = store.writable().await.unwrap_err();
        assert!(matches!(error, StoreError::ReadOnly), "{error:?}");
        writer(&store).set_connect_options(options(&path, BUSY_TIMEOUT));
        store.writable().await.expect("the next connection writes");
    }

    #[tokio::test]
    async fn a_damaged_file_is_refused() {
        use std::os::unix::fs::FileExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        open(options(&path, BUSY_TIMEOUT)).await.unwrap().close().await;
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        let middle = file.metadata().unwrap().len() / 4096 / 2 * 4096;
        file.write_all_at(&[0xA5; 4096], middle).unwrap();
        let error = open(options(&path, BUSY_TIMEOUT)).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged), "{error:?}");
        let error = Store::inspect(&StoreUrl::sqlite(&path)).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged), "{error:?}");
    }

    #[tokio::test]
    async fn a_full_disk_is_an_error_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        open(options(&path, BUSY_TIMEOUT)).await.unwrap().close().await;

        let mut connection = options(&path, BUSY_TIMEOUT).pragma("max_page_count", "1").connect().await.unwrap();
        let big = "INSERT INTO users (telegram_id, username, created_at, updated_at) VALUES (1, zeroblob(100000) || '', '', '')";
        let error = StoreError::from(sqlx::query(big).execute(&mut connection).await.unwrap_err());
        assert!(matches!(error, StoreError::Full), "{error:?}");
        assert_eq!(error.kind(), "full");
    }
}
