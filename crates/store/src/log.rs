//! The write-ahead log after something was erased. What is deleted from the database's pages is still in the log until that is
//! written back and truncated, which no other program's read may be in the way of.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::{ConnectOptions, Connection};

use super::database::Database;
use super::{Store, StoreError};

/// How long readers are waited for. Those of this process take milliseconds; meanwhile nothing can be written.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_millis(200);

impl Database {
    /// Records that erased data may be in the log.
    pub(crate) fn erased_in_log(&self) {
        self.unclean_log.store(true, Ordering::SeqCst);
    }

    /// Whether erased data may be in the log. True of a store that was just opened: the process before may have ended
    /// too early.
    pub(crate) fn log_may_hold_erased(&self) -> bool {
        self.unclean_log.load(Ordering::SeqCst)
    }

    /// Writes the log back and truncates it. False when a reader is in the way: it is to be tried again.
    ///
    /// # Errors
    /// Those of the disk. The log is as unclean as before.
    pub(crate) async fn empty_log(&self) -> Result<bool, StoreError> {
        // Before the checkpoint: what is erased meanwhile marks the log again.
        self.unclean_log.store(false, Ordering::SeqCst);
        let outcome = self.checkpoint().await;
        if !matches!(outcome, Ok(true)) {
            self.erased_in_log();
        }
        outcome
    }

    /// By a connection of its own, which waits for less long than the others.
    async fn checkpoint(&self) -> Result<bool, StoreError> {
        let options = self.options.as_ref().clone().create_if_missing(false).busy_timeout(CHECKPOINT_TIMEOUT);
        let mut connection = options.connect().await?;
        let (busy, _, _): (i64, i64, i64) =
            sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(busy == 0)
    }
}

impl Store {
    /// Whether erased data may be in the write-ahead log. True of a store that was just opened: the process before may have
    /// ended too early.
    pub fn log_may_hold_erased(&self) -> bool {
        self.database.log_may_hold_erased()
    }

    /// Writes the log back and truncates it. False when a reader is in the way: it is to be tried again.
    ///
    /// # Errors
    /// Those of the disk. The log is as unclean as before.
    pub async fn empty_log(&self) -> Result<bool, StoreError> {
        self.database.empty_log().await
    }
}
