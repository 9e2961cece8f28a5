//! The queue as it is read for display: in pages, each with positions and estimated waits.

use std::time::Duration;

use stenobot_domain::{AudioLength, StageName};
use stenobot_store::{Store, StoreError, Waiting};

use crate::pipeline::estimate::Estimates;

/// A waiting request with its position and estimated wait.
pub(super) struct Position {
    pub(super) request: Waiting,
    /// From 1.
    pub(super) number: u32,
    pub(super) wait: Duration,
}

/// How far the queue has been counted: a page continues where the one before ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    /// Processing time over audio time.
    factor: f64,
    /// Transcriptions at once.
    slots: f64,
    /// Position of the last request so far.
    number: u32,
    /// Processing time of all requests so far, in seconds.
    ahead: f64,
}

impl Line {
    /// Before the first request that waits: behind what runs.
    pub(super) async fn start(store: &Store, estimates: &Estimates) -> Result<Self, StoreError> {
        let factor = estimates.real_time_factor().await;
        let now = store.now();
        let running = store.queue.running().await?;
        let ahead = running
            .iter()
            .map(|run| (seconds(run.length) * factor - now.since(run.started_at).as_secs_f64()).max(0.0))
            .sum();
        Ok(Self { factor, slots: estimates.slots(), number: 0, ahead })
    }

    /// The position of the next request.
    pub(super) fn place(&mut self, request: Waiting) -> Position {
        let own = seconds(request.length) * self.factor;
        // A coalesced request has the position of the one that it gets its text from, and takes no time of its own.
        let before = if request.coalesced_into.is_some() { (self.ahead - own).max(0.0) } else { self.ahead };
        if request.coalesced_into.is_none() {
            self.number += 1;
            self.ahead += own;
        }
        Position { request, number: self.number.max(1), wait: self.wait(before) }
    }

    /// The wait of a request of which only the position is known: what waits is taken to be as long before as behind it.
    pub(super) async fn wait_at(&self, store: &Store, position: u32) -> Result<Duration, StoreError> {
        let snapshot = store.statistics.snapshot().await?;
        let waiting: i64 = StageName::with_position().map(|stage| snapshot.count(stage)).sum();
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let share = (f64::from(position) / waiting.max(1) as f64).min(1.0);
        Ok(self.wait(self.ahead + snapshot.audio.as_secs_f64() * share * self.factor))
    }

    fn wait(&self, seconds: f64) -> Duration {
        Duration::try_from_secs_f64(seconds / self.slots).unwrap_or_default()
    }
}

/// Length of a recording in seconds; 0 while it is unknown.
fn seconds(length: Option<AudioLength>) -> f64 {
    length.map_or(0.0, |length| length.duration().as_secs_f64())
}
