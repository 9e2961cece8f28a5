//! Failures of the store: counted, logged at a bounded rate, and fatal where going on would lose requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stenobot_store::StoreError;
use tokio::time::Instant;

use crate::lifecycle::Shutdown;
use crate::request::{Event, observe};

/// Minimum interval between two log lines of one failure: the log may be on the disk that is full.
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// When each kind of failure was logged last, by operation and kind of error.
#[derive(Debug, Clone, Default)]
struct LogThrottle(Arc<Mutex<HashMap<(&'static str, &'static str), Instant>>>);

impl LogThrottle {
    /// Whether this failure has been logged within [`LOG_INTERVAL`]; if not, it counts as logged now.
    fn is_repeated(&self, what: &'static str, kind: &'static str) -> bool {
        let now = Instant::now();
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match logged.get(&(what, kind)) {
            Some(before) if now.saturating_duration_since(*before) < LOG_INTERVAL => true,
            Some(_) | None => {
                logged.insert((what, kind), now);
                false
            }
        }
    }
}

/// Reports failures of the store. Clones share the throttle.
#[derive(Debug, Clone)]
pub(crate) struct StoreFailures {
    shutdown: Shutdown,
    throttle: LogThrottle,
}

impl StoreFailures {
    pub(crate) fn new(shutdown: Shutdown) -> Self {
        Self { shutdown, throttle: LogThrottle::default() }
    }

    /// Reports a failure of `what`. The caller retries a transient one. After damage it cannot be known which requests were
    /// accepted and answered, so the service stops.
    pub(crate) fn report(&self, what: &'static str, error: &StoreError) {
        let again = match error {
            StoreError::Damaged | StoreError::Corrupt(_) => !self.shutdown.fail(),
            StoreError::Busy
            | StoreError::Full
            | StoreError::ReadOnly
            | StoreError::Disk(_)
            | StoreError::Unreachable(_)
            | StoreError::TooManyConnections
            | StoreError::Standby
            | StoreError::Contended(_)
            | StoreError::Slow => self.throttle.is_repeated(what, error.kind()),
            StoreError::LeaseLost { .. }
            | StoreError::OtherBot { .. }
            | StoreError::Broken(_)
            | StoreError::Unfinished(_)
            | StoreError::Migration(_) => false,
        };
        observe(&Event::StoreFailed { what, error, is_repeated: again });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failure_that_persists_is_logged_once_in_an_interval() {
        let throttle = LogThrottle::default();
        assert!(!throttle.is_repeated("take an update", "full"));
        assert!(throttle.is_repeated("take an update", "full"));
        assert!(!throttle.is_repeated("take an update", "busy"));
        tokio::time::advance(LOG_INTERVAL).await;
        assert!(!throttle.is_repeated("take an update", "full"));
    }
}
