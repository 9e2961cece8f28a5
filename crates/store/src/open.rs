//! Opening the journal: its file, its schema, its connections.

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

use super::{Journal, JournalError};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/sqlite");

/// The revision that drops the texts: a database that had them is rewritten once it is through.
const DROPS_TEXTS: i64 = 2;

/// Pages that a connection keeps in memory, in KiB and negative, as SQLite wants it. Five connections with SQLite's own
/// 2 MiB each would fill them as the journal grows, while the kernel has its pages in memory anyway.
const PAGE_CACHE: &str = "-256";

/// How long a write waits for another process that has the database locked. Whoever reads, as a backup does, locks
/// nothing; so whoever is locked out for longer than this had better be told. Every caller tries again, and none of
/// them can be stopped while it waits in here: a stop, a health check and the next message must not wait long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

impl Journal {
    /// Opens the journal at `path`, makes it if it is not there, and brings its schema up to date.
    pub async fn open(path: &Path, clock: Clock) -> Result<Self, JournalError> {
        connect(options(path, BUSY_TIMEOUT), clock).await
    }

    /// Whether the journal can be written now.
    pub async fn writable(&self) -> Result<(), JournalError> {
        // Nothing less would do: BEGIN IMMEDIATE succeeds on a read-only file, an UPDATE of no row on a full disk. This
        // writes a page, and changes nothing that anybody reads.
        sqlx::query("PRAGMA user_version = 0").execute(&self.writer).await?;
        Ok(())
    }

    /// The token that ends the waiting for trouble to pass.
    pub fn patience(&self) -> &CancellationToken {
        &self.patience
    }

    /// This journal, whose trouble is waited out only until `end`.
    #[must_use]
    pub fn patient_until(self, end: CancellationToken) -> Self {
        Self { patience: end, ..self }
    }

    /// Says that a write waits for trouble to pass, for as long as what this gives is held.
    #[must_use]
    pub fn insisting(&self) -> Insisting {
        self.insisting.fetch_add(1, Ordering::Relaxed);
        Insisting(self.insisting.clone())
    }

    /// Whether a write waits for trouble to pass. The lease of its request may have run out meanwhile: what has been
    /// done is to be recorded before anything is claimed.
    pub fn is_insisted_on(&self) -> bool {
        self.insisting.load(Ordering::Relaxed) > 0
    }

    /// To be told of every error. A connection that was opened while the file could only be read can never write:
    /// the next write gets another.
    pub fn failed(&self, error: &JournalError) {
        if matches!(error, JournalError::ReadOnly) {
            self.reconnect.store(true, Ordering::Relaxed);
        }
    }
}

/// See [`Journal::insisting`].
#[derive(Debug)]
pub struct Insisting(Arc<AtomicUsize>);

impl Drop for Insisting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The write-ahead log, which SQLite keeps beside the journal at `path` while somebody has it open.
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

async fn connect(options: SqliteConnectOptions, clock: Clock) -> Result<Journal, JournalError> {
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
    let (changes, patience) = (watch::Sender::new(0), CancellationToken::new());
    let (insisting, options) = (Arc::default(), Arc::new(options));
    let unclean_log = Arc::new(AtomicBool::new(true));
    let journal = Journal { writer, reader, options, clock, changes, patience, reconnect, insisting, unclean_log };
    journal.writable().await?;
    Ok(journal)
}

/// Runs the migrations that are missing, without foreign keys: SQLite's way of altering a table is to make it anew.
async fn migrate(options: &SqliteConnectOptions) -> Result<(), JournalError> {
    let mut connection = options.clone().foreign_keys(false).connect().await?;
    check(&mut connection).await?;
    let before = newest(&mut connection).await?;
    if before.is_none() && has_table(&mut connection, "alembic_version").await? {
        return Err(predecessor());
    }
    MIGRATIONS.run(&mut connection).await?;
    let dangling = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut connection).await?;
    if !dangling.is_empty() {
        return Err(JournalError::Migration(format!("{} rows refer to users that do not exist", dangling.len())));
    }
    if before.is_some_and(|version| version < DROPS_TEXTS) {
        sqlx::query("VACUUM").execute(&mut connection).await?;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(())
}

/// Looks through the whole file for damage.
pub(super) async fn check(connection: &mut SqliteConnection) -> Result<(), JournalError> {
    let damage: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(connection).await?;
    if damage == "ok" { Ok(()) } else { Err(JournalError::Damaged) }
}

pub(super) fn predecessor() -> JournalError {
    JournalError::Migration(
        "it is a predecessor's database; set another database_url and bring it along with `stenobot import-legacy`"
            .into(),
    )
}

/// Version of the newest migration that was applied.
pub(super) async fn newest(connection: &mut SqliteConnection) -> Result<Option<i64>, JournalError> {
    if !has_table(connection, "_sqlx_migrations").await? {
        return Ok(None);
    }
    Ok(sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(connection).await?)
}

pub(super) async fn has_table(connection: &mut SqliteConnection, name: &str) -> Result<bool, JournalError> {
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
        let journal = connect(options(&path, Duration::from_millis(20)), Clock::System).await.unwrap();
        let mut other = options(&path, Duration::ZERO).connect().await.unwrap();
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();

        let error = journal.writable().await.unwrap_err();
        assert!(matches!(error, JournalError::Busy), "{error:?}");
        assert_eq!((error.kind(), error.to_string().as_str()), ("busy", "the journal is locked by another process"));
        let error = connect(options(&path, Duration::from_millis(20)), Clock::System).await.unwrap_err();
        assert!(matches!(error, JournalError::Busy), "{error:?}");
        journal.snapshot().await.expect("readers are not kept waiting");

        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        journal.writable().await.expect("the journal recovers by itself");
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
            "the journal cannot be used: its file is read-only; let this user write to the file and its folder";
        assert_eq!(error.to_string(), sentence);
    }

    #[tokio::test]
    async fn a_transaction_that_fails_does_not_spoil_the_next() {
        use stenobot_domain::{ChatId, MessageId, UserId};

        use crate::{Admission, Arrival, Capacity, Sender};
        let folder = tempfile::tempdir().unwrap();
        let journal = connect(options(&folder.path().join("journal.db"), BUSY_TIMEOUT), Clock::System).await.unwrap();
        let capacity = Capacity { queue: 1, per_person: 1, per_day: None };
        let sender = Sender { id: UserId(1), username: None, first_name: None, last_name: None };
        let arrival = Arrival::voice(ChatId(1), MessageId(1), sender, "file".into(), "unique".into());

        let mut transaction = journal.writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
        // SQLite does that by itself when the disk is full, and does not ask sqlx.
        sqlx::query("ROLLBACK").execute(&mut *transaction).await.unwrap();
        drop(transaction);
        let outcome = journal.admit(&arrival, &capacity).await.unwrap();
        assert!(matches!(outcome, Admission::New(_)), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_journal_that_was_opened_while_it_could_only_be_read_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let journal = connect(options(&path, BUSY_TIMEOUT), Clock::System).await.unwrap();
        journal.writer.set_connect_options(options(&path, BUSY_TIMEOUT).read_only(true));
        journal.failed(&JournalError::ReadOnly);
        let error = journal.writable().await.unwrap_err();
        assert!(matches!(error, JournalError::ReadOnly), "{error:?}");
        journal.writer.set_connect_options(options(&path, BUSY_TIMEOUT));
        journal.failed(&error);
        journal.writable().await.expect("the next connection writes");
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
        assert!(matches!(error, JournalError::Damaged), "{error:?}");
        let error = Journal::inspect(&path).await.unwrap_err();
        assert!(matches!(error, JournalError::Damaged), "{error:?}");
    }

    #[test]
    fn only_what_may_pass_by_itself_is_waited_for() {
        let passing = [JournalError::Busy, JournalError::Full, JournalError::ReadOnly, JournalError::Disk("io".into())];
        assert!(passing.iter().all(JournalError::passes));
        let lasting = [JournalError::Damaged, JournalError::Broken("?".into()), JournalError::Migration("?".into())];
        assert!(!lasting.iter().any(JournalError::passes));
    }

    #[tokio::test]
    async fn a_full_disk_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        connect(options(&path, BUSY_TIMEOUT), Clock::System).await.unwrap().close().await;

        let mut connection = options(&path, BUSY_TIMEOUT).pragma("max_page_count", "1").connect().await.unwrap();
        let big = "INSERT INTO users (telegram_id, username, created_at, updated_at) VALUES (1, zeroblob(100000) || '', '', '')";
        let error = JournalError::from(sqlx::query(big).execute(&mut connection).await.unwrap_err());
        assert!(matches!(error, JournalError::Full), "{error:?}");
        assert_eq!(error.kind(), "full");
    }
}
