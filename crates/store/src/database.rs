//! The connections to the SQLite file, and what all aggregates share about them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;
use stenobot_domain::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Connections, clock and state that the aggregates share; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    /// One connection: SQLite has one writer, and queueing for it here is fairer than SQLite's own retries.
    pub(crate) writer: SqlitePool,
    pub(crate) reader: SqlitePool,
    /// Options of the writing connection.
    pub(crate) options: Arc<SqliteConnectOptions>,
    pub(crate) clock: Clock,
    pub(crate) changes: watch::Sender<u64>,
    /// Cancelled when transient errors are no longer waited out.
    pub(crate) retry_until: CancellationToken,
    /// Whether the writing connection is to be opened anew.
    pub(crate) reconnect: Arc<AtomicBool>,
    /// Number of writes that wait for a transient error to pass.
    pub(crate) retrying_writes: Arc<AtomicUsize>,
    /// Whether erased data may be in the write-ahead log.
    pub(crate) unclean_log: Arc<AtomicBool>,
}

impl Database {
    /// Notifies the receivers of [`Store::changes`](crate::Store::changes).
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|version| *version = version.wrapping_add(1));
    }
}
