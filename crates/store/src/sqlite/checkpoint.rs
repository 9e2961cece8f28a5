//! The write-ahead log after an erasure. What is deleted from the database's pages is still in the log until that is written
//! back and truncated, which a reader in another process prevents.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::{ConnectOptions, Connection};

use super::Connections;
use crate::StoreError;

/// Bound on the wait for readers. Those of this process take milliseconds; meanwhile nothing can be written.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_millis(200);

impl Connections {
    /// Records that erased data may be in the log.
    pub(crate) fn erased_in_log(&self) {
        self.unclean_log.store(true, Ordering::SeqCst);
    }

    pub(crate) fn log_may_hold_erased(&self) -> bool {
        self.unclean_log.load(Ordering::SeqCst)
    }

    /// See [`Store::empty_log`](crate::Store::empty_log).
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
