//! Heartbeats of the loops that must never stop, for the watchdog.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Deadline of a loop's next round, set by the loop. Without a deadline it is never late.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heartbeat(Arc<Mutex<Option<Instant>>>);

impl Heartbeat {
    /// Sets the deadline of the next call.
    pub(crate) fn due_within(&self, limit: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now().checked_add(limit);
    }

    fn is_late(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|due| due < Instant::now())
    }
}

/// The loops that the watchdog supervises.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heartbeats {
    /// Takes updates from Telegram into the store.
    pub(crate) poll: Heartbeat,
    /// Reads the store for the gauges.
    pub(crate) gauges: Heartbeat,
}

impl Heartbeats {
    /// The name of a loop that has missed its deadline.
    pub(crate) fn late(&self) -> Option<&'static str> {
        [("poll", &self.poll), ("gauges", &self.gauges)]
            .into_iter()
            .find_map(|(name, beat)| beat.is_late().then_some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_is_late_after_its_deadline() {
        let beats = Heartbeats::default();
        assert_eq!(beats.late(), None, "no deadline yet");
        beats.poll.due_within(Duration::from_secs(60));
        beats.gauges.due_within(Duration::from_secs(30));
        tokio::time::advance(Duration::from_secs(31)).await;
        assert_eq!(beats.late(), Some("gauges"));
        beats.gauges.due_within(Duration::from_secs(100));
        assert_eq!(beats.late(), None);
        tokio::time::advance(Duration::from_secs(31)).await;
        assert_eq!(beats.late(), Some("poll"));
        // Telegram may demand a pause of any length.
        beats.poll.due_within(Duration::MAX);
        assert_eq!(beats.late(), None);
    }
}
