//! What all aggregates share: connections, clock, change notification, retries.

use stenobot_domain::Clock;
use tokio::sync::watch;

use crate::retry::Retry;
use crate::sqlite::Connections;

/// Connections, clock and state that the aggregates share; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    /// Of the backend. Aggregates use its methods only, none of which shows a type of sqlx.
    pub(crate) connections: Connections,
    pub(crate) clock: Clock,
    pub(crate) changes: watch::Sender<u64>,
    pub(crate) retry: Retry,
}

impl Database {
    pub(crate) fn new(connections: Connections, clock: Clock) -> Self {
        Self { connections, clock, changes: watch::Sender::new(0), retry: Retry::default() }
    }

    /// Notifies the receivers of [`Store::changes`](crate::Store::changes).
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|version| *version = version.wrapping_add(1));
    }
}
