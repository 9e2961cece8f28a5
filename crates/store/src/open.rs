//! Opening the store: its file, its schema, its connections.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use stenobot_domain::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::database::Database;
use super::{Store, StoreError};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/sqlite");

/// The revision that drops the texts: a database that had them is rewritten once it is through.
const DROPS_TEXTS: i64 = 2;

/// Pages that a connection keeps in memory, in KiB and negative, as SQLite wants it. Five connections with SQLite's own
/// 2 MiB each would fill them as the store grows, while the kernel has its pages in memory anyway.
const PAGE_CACHE: &str = "-256";

/// How long a write waits for another process that has the database locked. Whoever reads, as a backup does, locks
/// nothing; so whoever is locked out for longer than this had better be told. Every caller tries again, and none of
/// them can be stopped while it waits in here: a stop, a health check and the next message must not wait long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

impl Store {
    /// Opens the store at `path`, makes it if it is not there, and brings its schema up to date.
    pub async fn open(path: &Path, clock: Clock) -> Result<Self, StoreError> {
        connect(options(path, BUSY_TIMEOUT), clock).await
    }

    /// Whether the store can be written now.
    pub async fn writable(&self) -> Result<(), StoreError> {
        // Nothing less would do: BEGIN IMMEDIATE succeeds on a read-only file, an UPDATE of no row on a full disk. This
        // writes a page, and changes nothing that anybody reads.
        sqlx::query("PRAGMA user_version = 0").execute(&self.database.writer).await?;
        Ok(())
    }

    /// The token that ends the waiting for trouble to pass.
    pub fn retry_until(&self) -> &CancellationToken {
        &self.database.retry_until
    }

    /// This store, whose trouble is waited out only until `end`.
    #[must_use]
    pub fn retrying_until(self, end: CancellationToken) -> Self {
        Self::over(Database { retry_until: end, ..self.database })
    }

    /// Says that a write waits for trouble to pass, for as long as what this gives is held.
    #[must_use]
    pub fn retrying_write(&self) -> RetryingWrite {
        self.database.retrying_writes.fetch_add(1, Ordering::Relaxed);
        RetryingWrite(self.database.retrying_writes.clone())
    }

    /// Whether a write waits for trouble to pass. The lease of its request may have run out meanwhile: what has been
    /// done is to be recorded before anything is claimed.
    pub fn has_retrying_writes(&self) -> bool {
        self.database.retrying_writes.load(Ordering::Relaxed) > 0
    }

    /// Learns of an error that a caller met. A connection that was opened while the file could only be read can never write:
    /// the next write gets another.
    pub fn note_error(&self, error: &StoreError) {
        if matches!(error, StoreError::ReadOnly) {
            self.database.reconnect.store(true, Ordering::Relaxed);
        }
    }
}

/// See [`Store::retrying_writes`].
#[derive(Debug)]
pub struct RetryingWrite(Arc<AtomicUsize>);

impl Drop for RetryingWrite {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The write-ahead log, which SQLite keeps beside the store at `path` while somebody has it open.
pub fn write_ahead_log(path: &Path) -> PathBuf {
    with_suffix(path, "-wal")
}

/// The file beside `path` whose name goes on with `suffix`.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

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

async fn connect(options: SqliteConnectOptions, clock: Clock) -> Result<Store, StoreError> {
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
    let reader = pool().max_connections(4).connect_with(options.clone().pragma("query_only", "ON")).await?;
    let (changes, retry_until) = (watch::Sender::new(0), CancellationToken::new());
    let (retrying_writes, options) = (Arc::default(), Arc::new(options));
    let unclean_log = Arc::new(AtomicBool::new(true));
    let database =
        Database { writer, reader, options, clock, changes, retry_until, reconnect, retrying_writes, unclean_log };
    let store = Store::over(database);
    store.writable().await?;
    Ok(store)
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

/// Looks through the whole file for damage.
pub(super) async fn check(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let damage: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(connection).await?;
    if damage == "ok" { Ok(()) } else { Err(StoreError::Damaged) }
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
    use super::*;

    #[test]
    fn the_newest_migration_is_known() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/sqlite");
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let newest = names.map(|name| name.split('_').next().unwrap().parse().unwrap()).max();
        assert_eq!(newest, Some(newest_known()));
    }

    #[tokio::test]
    async fn a_lock_that_another_process_keeps_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let store = connect(options(&path, Duration::from_millis(20)), Clock::System).await.unwrap();
        let mut other = options(&path, Duration::ZERO).connect().await.unwrap();
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();

        let error = store.writable().await.unwrap_err();
        assert!(matches!(error, StoreError::Busy), "{error:?}");
        assert_eq!((error.kind(), error.to_string().as_str()), ("busy", "the store is locked by another process"));
        let error = connect(options(&path, Duration::from_millis(20)), Clock::System).await.unwrap_err();
        assert!(matches!(error, StoreError::Busy), "{error:?}");
        store.statistics.snapshot().await.expect("readers are not kept waiting");

        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        store.writable().await.expect("the store recovers by itself");
    }

    #[tokio::test]
    async fn a_read_only_journal_is_refused_when_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        connect(options(&path, BUSY_TIMEOUT), Clock::System).await.unwrap().close().await;

        // By flag, since the rights of a file mean nothing to root.
        let read_only = options(&path, BUSY_TIMEOUT).create_if_missing(false).read_only(true);
        let error = connect(read_only, Clock::System).await.unwrap_err();
        let sentence =
            "the store cannot be used: its file is read-only; let this user write to the file and its folder";
        assert_eq!(error.to_string(), sentence);
    }

    #[tokio::test]
    async fn a_transaction_that_fails_does_not_spoil_the_next() {
        use stenobot_domain::{ChatId, MessageId, UserId};

        use crate::{Admission, Capacity, IncomingAudio, Sender};
        let folder = tempfile::tempdir().unwrap();
        let store = connect(options(&folder.path().join("journal.db"), BUSY_TIMEOUT), Clock::System).await.unwrap();
        let capacity = Capacity { queue: 1, per_person: 1, per_day: None };
        let sender = Sender { id: UserId(1), username: None, first_name: None, last_name: None };
        let arrival = IncomingAudio::voice(ChatId(1), MessageId(1), sender, "file".into(), "unique".into());

        let mut transaction = store.database.writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
        // SQLite does that by itself when the disk is full, and does not ask sqlx.
        sqlx::query("ROLLBACK").execute(&mut *transaction).await.unwrap();
        drop(transaction);
        let outcome = store.queue.admit(&arrival, &capacity).await.unwrap();
        assert!(matches!(outcome, Admission::New(_)), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_journal_that_was_opened_while_it_could_only_be_read_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let store = connect(options(&path, BUSY_TIMEOUT), Clock::System).await.unwrap();
        store.database.writer.set_connect_options(options(&path, BUSY_TIMEOUT).read_only(true));
        store.note_error(&StoreError::ReadOnly);
        let error = store.writable().await.unwrap_err();
        assert!(matches!(error, StoreError::ReadOnly), "{error:?}");
        store.database.writer.set_connect_options(options(&path, BUSY_TIMEOUT));
        store.note_error(&error);
        store.writable().await.expect("the next connection writes");
    }

    #[tokio::test]
    async fn a_damaged_journal_is_refused() {
        use std::os::unix::fs::FileExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        connect(options(&path, BUSY_TIMEOUT), Clock::System).await.unwrap().close().await;
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        let middle = file.metadata().unwrap().len() / 4096 / 2 * 4096;
        file.write_all_at(&[0xA5; 4096], middle).unwrap();
        let error = connect(options(&path, BUSY_TIMEOUT), Clock::System).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged), "{error:?}");
        let error = Store::inspect(&path).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged), "{error:?}");
    }

    #[test]
    fn only_what_may_pass_by_itself_is_waited_for() {
        let passing = [StoreError::Busy, StoreError::Full, StoreError::ReadOnly, StoreError::Disk("io".into())];
        assert!(passing.iter().all(StoreError::is_transient));
        let lasting = [StoreError::Damaged, StoreError::Broken("?".into()), StoreError::Migration("?".into())];
        assert!(!lasting.iter().any(StoreError::is_transient));
    }

    #[tokio::test]
    async fn a_full_disk_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        connect(options(&path, BUSY_TIMEOUT), Clock::System).await.unwrap().close().await;

        let mut connection = options(&path, BUSY_TIMEOUT).pragma("max_page_count", "1").connect().await.unwrap();
        let big = "INSERT INTO users (telegram_id, username, created_at, updated_at) VALUES (1, zeroblob(100000) || '', '', '')";
        let error = StoreError::from(sqlx::query(big).execute(&mut connection).await.unwrap_err());
        assert!(matches!(error, StoreError::Full), "{error:?}");
        assert_eq!(error.kind(), "full");
    }
}
