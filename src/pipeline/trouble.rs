//! When the store fails: counted, logged, and, where to go on would lose something, the end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stenobot_store::StoreError;
use tokio::time::Instant;

use super::Context;
use crate::request::{Event, observe};

/// The same trouble is not logged more often than this: the log may be on the disk that is full.
const QUIET: Duration = Duration::from_secs(30);

/// Trouble that has been logged lately, by what was tried and what came of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Troubles(Arc<Mutex<HashMap<(&'static str, &'static str), Instant>>>);

impl Troubles {
    fn again(&self, what: &'static str, kind: &'static str) -> bool {
        let now = Instant::now();
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match logged.get(&(what, kind)) {
            Some(before) if now.saturating_duration_since(*before) < QUIET => true,
            Some(_) | None => {
                logged.insert((what, kind), now);
                false
            }
        }
    }
}

impl Context {
    /// Every failure of the store comes here. One that passes is tried again by whoever met it. With a damaged store
    /// nobody can know any more what has been taken and what has been answered, so the service stops.
    pub(crate) fn store_failed(&self, what: &'static str, error: &StoreError) {
        let again = match error {
            StoreError::Damaged => !self.shutdown.fail(),
            StoreError::Busy | StoreError::Full | StoreError::ReadOnly | StoreError::Disk(_) => {
                self.troubles.again(what, error.kind())
            }
            StoreError::LeaseLost { .. }
            | StoreError::OtherBot { .. }
            | StoreError::Broken(_)
            | StoreError::Migration(_) => false,
        };
        observe(&Event::StoreFailed { what, error, is_repeated: again });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_goes_on_is_logged_now_and_then() {
        let troubles = Troubles::default();
        assert!(!troubles.again("take an update", "full"));
        assert!(troubles.again("take an update", "full"));
        assert!(!troubles.again("take an update", "busy"));
        tokio::time::advance(QUIET).await;
        assert!(!troubles.again("take an update", "full"));
    }
}
