//! The SQLite backend: connections, statements, rows, files. Nothing outside this module names sqlx.
//!
//! Statements are methods of [`Statements`], one file per subject: a constant with the SQL, a method that binds and maps.
//! A statement that selects open requests says `answered = 0` as well: only then does SQLite read the index of open rows.

#[macro_use]
mod fragments;

mod account;
mod adopt;
mod audio;
pub(crate) mod backup;
mod checkpoint;
mod claims;
mod daily_usage;
mod erasure;
mod error;
mod foreign;
pub(crate) mod inspect;
pub(crate) mod legacy;
mod notices;
pub(crate) mod open;
#[cfg(test)]
mod plans;
mod queue;
mod rows;
mod statistics;
mod transitions;
mod users;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Sqlite, SqliteConnection, SqlitePool};
use stenobot_domain::RequestId;

use crate::StoreError;

/// Connections to one file; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    /// One connection: SQLite has one writer, and queueing for it here is fairer than SQLite's own retries.
    writer: SqlitePool,
    reader: SqlitePool,
    /// Options of the writing connection.
    options: Arc<SqliteConnectOptions>,
    /// Whether the writing connection is to be opened anew.
    reconnect: Arc<AtomicBool>,
    /// Whether erased data may be in the write-ahead log.
    unclean_log: Arc<AtomicBool>,
}

impl Connections {
    /// A connection for queries.
    pub(crate) async fn read(&self) -> Result<Connection, StoreError> {
        Ok(Connection(self.reader.acquire().await?))
    }

    /// The writing connection, for a single statement.
    pub(crate) async fn write(&self) -> Result<Connection, StoreError> {
        Ok(Connection(self.writer.acquire().await?))
    }

    /// A transaction that has the write lock; rolled back when it is dropped.
    pub(crate) async fn begin(&self) -> Result<Transaction, StoreError> {
        Ok(Transaction(self.writer.begin_with("BEGIN IMMEDIATE").await?))
    }

    /// Has the next write open a new connection.
    pub(crate) fn renew_writer(&self) {
        self.reconnect.store(true, Ordering::Relaxed);
    }

    /// Writes to the file without a change of its content. Nothing less is sufficient: BEGIN IMMEDIATE succeeds on a
    /// read-only file, an UPDATE of no row on a full disk. This writes a page.
    pub(crate) async fn touch(&self) -> Result<(), StoreError> {
        sqlx::query("PRAGMA user_version = 0").execute(&self.writer).await?;
        Ok(())
    }

    /// The database file.
    pub(crate) fn path(&self) -> &Path {
        self.options.get_filename()
    }

    pub(crate) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// A connection of one of the pools.
pub(crate) struct Connection(PoolConnection<Sqlite>);

impl Connection {
    pub(crate) fn sql(&mut self) -> Statements<'_> {
        Statements(&mut self.0)
    }
}

/// A transaction on the writing connection.
pub(crate) struct Transaction(sqlx::Transaction<'static, Sqlite>);

impl Transaction {
    pub(crate) fn sql(&mut self) -> Statements<'_> {
        Statements(&mut self.0)
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }

    pub(crate) async fn rollback(self) -> Result<(), StoreError> {
        Ok(self.0.rollback().await?)
    }
}

/// The statements, on a connection or in a transaction.
pub(crate) struct Statements<'c>(&'c mut SqliteConnection);

type Query<'q> = sqlx::query::Query<'q, Sqlite, sqlx::sqlite::SqliteArguments>;

impl Statements<'_> {
    /// Runs a statement and gives the number of changed rows.
    async fn execute(self, query: Query<'_>) -> Result<u64, StoreError> {
        Ok(query.execute(self.0).await?.rows_affected())
    }
}

/// Numbers as a parameter for `json_each`.
fn list(numbers: impl Iterator<Item = i64>) -> String {
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    format!("[{}]", numbers.join(","))
}

fn ids(stored: Vec<i64>) -> Vec<RequestId> {
    stored.into_iter().map(RequestId).collect()
}

/// A stored number of seconds; an impossible one becomes zero.
fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
}
