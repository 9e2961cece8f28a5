//! Opening the journal: its file, its schema, its connections.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::watch;

use super::{Journal, JournalError};
use crate::model::Clock;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// The revision that drops the texts: a database that had them is rewritten once it is through.
const DROPS_TEXTS: i64 = 2;

/// How long a write waits for another process that has the database locked.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

impl Journal {
    /// Opens the journal at `path`, makes it if it is not there, and brings its schema up to date.
    pub async fn open(path: &Path, clock: Clock) -> Result<Self, JournalError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Telegram is told that an update was consumed only after the commit: it must survive a power cut.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("secure_delete", "ON");
        migrate(&options).await?;
        let pool = || SqlitePoolOptions::new().acquire_timeout(2 * BUSY_TIMEOUT);
        let writer = pool().min_connections(1).max_connections(1).connect_with(options.clone()).await?;
        let reader = pool().max_connections(4).connect_with(options.pragma("query_only", "ON")).await?;
        Ok(Self { writer, reader, clock, changes: watch::Sender::new(0) })
    }
}

/// Runs the migrations that are missing, without foreign keys: SQLite's way of altering a table is to make it anew.
async fn migrate(options: &SqliteConnectOptions) -> Result<(), JournalError> {
    let mut connection = options.clone().foreign_keys(false).connect().await?;
    let before = newest(&mut connection).await?;
    MIGRATIONS.run(&mut connection).await.map_err(|error| JournalError::Migration(error.to_string()))?;
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

/// Version of the newest migration that was applied.
async fn newest(connection: &mut SqliteConnection) -> Result<Option<i64>, JournalError> {
    let known: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'")
        .fetch_one(&mut *connection)
        .await?;
    if known == 0 {
        return Ok(None);
    }
    Ok(sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(connection).await?)
}
