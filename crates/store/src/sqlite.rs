//! The SQLite backend: its file, its connections, its dialect.

#[macro_use]
mod dialect;
#[macro_use]
#[path = "sql/mod.rs"]
mod sql;

mod adopt;
pub(crate) mod backup;
mod checkpoint;
pub(crate) mod error;
mod foreign;
pub(crate) mod inspect;
pub(crate) mod legacy;
pub(crate) mod migrate;
pub(crate) mod open;
#[cfg(test)]
mod plans;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteRow};
use sqlx::{Sqlite, SqliteConnection, SqlitePool};

pub(crate) use self::sql::{Connection, Statements, Transaction};
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

    /// Whether the store's schema is exactly the one that this program knows.
    pub(crate) async fn check_version(&self) -> Result<(), StoreError> {
        let mut connection = self.reader.acquire().await?;
        match open::newest(&mut connection).await? {
            Some(version) if version == open::newest_known() => open::check_finished(&mut connection).await,
            Some(version) if version > open::newest_known() => Err(StoreError::Migration(format!(
                "a newer version wrote it (schema {version} is unknown here); use that version"
            ))),
            Some(_) | None => {
                Err(StoreError::Migration("it is of an older version; start the bot once, which updates it".into()))
            }
        }
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

type Db = Sqlite;
type DbConnection = SqliteConnection;
type DbRow = SqliteRow;
type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// Numbers as a parameter: a JSON array.
type List = String;

fn list(numbers: impl Iterator<Item = i64>) -> List {
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    format!("[{}]", numbers.join(","))
}
