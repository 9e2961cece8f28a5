//! Estimates of processing time and progress, from the real-time factor that this machine recently had with this model.

use std::sync::Arc;
use std::time::Duration;

use stenobot_store::{Fleet, Store};
use tokio::sync::watch;

use super::failures::StoreFailures;
use crate::settings::Settings;

/// Real-time factor until this machine has measured its own.
pub(crate) const DEFAULT_REAL_TIME_FACTOR: f64 = 0.3;

/// Estimates for one model. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Estimates {
    pub(crate) store: Store,
    pub(crate) failures: StoreFailures,
    pub(crate) settings: Settings,
    /// The machines there are; none where this one is alone.
    pub(crate) fleet: watch::Receiver<Arc<Fleet>>,
    /// Name of the model, as the store keeps it; without an engine here, as the settings name it.
    pub(crate) model: Arc<str>,
}

impl Estimates {
    /// Transcriptions that run at once, on all machines.
    pub(super) fn slots(&self) -> f64 {
        let slots: u32 = self.fleet.borrow().live.iter().map(|machine| machine.state.workers).sum();
        #[expect(clippy::cast_precision_loss, reason = "at most 64 workers")]
        let own = self.settings.config().engine.workers as f64;
        if slots > 0 { f64::from(slots) } else { own }
    }

    /// Processing time over audio time of recent transcriptions, which the store remembers between runs.
    pub(super) async fn real_time_factor(&self) -> f64 {
        match self.store.statistics.recent_real_time_factor(&self.model).await {
            Ok(measured) => measured.unwrap_or(DEFAULT_REAL_TIME_FACTOR),
            Err(error) => {
                self.failures.report("read the real-time factor", &error);
                DEFAULT_REAL_TIME_FACTOR
            }
        }
    }
}

/// Progress that the elapsed time alone can reach at the expected time; only the engine reports more.
const EXPECTED_SHARE: f64 = 0.95;

/// Progress of a transcription, 0 to 1: never less than before and at least what the engine reports. The engine reports at
/// the ends of sentences; between them progress follows the elapsed time, ever slower past the expected time and without
/// reaching the end.
pub(super) fn progress(before: f64, engine: f64, elapsed: Duration, expected: Duration) -> f64 {
    let share = elapsed.as_secs_f64() / expected.as_secs_f64().max(0.1);
    let by_time = match share {
        ..=1.0 => EXPECTED_SHARE * share,
        late => EXPECTED_SHARE + (1.0 - EXPECTED_SHARE) * (1.0 - (1.0 - late).exp()),
    };
    before.max(engine).max(by_time).clamp(0.0, 1.0)
}

/// Time until the end: the rest of the expected time, or an extrapolation of the progress once that is over.
pub(super) fn remaining(fraction: f64, elapsed: Duration, expected: Duration) -> Option<Duration> {
    match expected.checked_sub(elapsed).filter(|left| !left.is_zero()) {
        Some(left) => Some(left),
        None if fraction > 0.0 => Some(elapsed.mul_f64((1.0 - fraction) / fraction)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_moves_with_the_time_and_never_goes_back() {
        let expected = Duration::from_secs(20);
        let mut shown = 0.0;
        for second in 0..=200 {
            // An engine that reports nothing until two thirds are done.
            let engine = if second < 13 { 0.0 } else { 0.66 };
            let now = progress(shown, engine, Duration::from_secs(second), expected);
            assert!(now >= shown && now < 1.0, "{second}: {now}");
            assert!(second == 0 || second > 60 || now > shown, "it stands still at {second}");
            shown = now;
        }
        assert!(progress(0.0, 0.0, Duration::from_secs(10), expected) > 0.4);
        assert_eq!(progress(0.2, 0.9, Duration::from_secs(1), expected), 0.9, "the engine is faster than expected");
        assert_eq!(progress(0.5, 0.1, Duration::from_secs(1), expected), 0.5);
    }

    #[test]
    fn the_remaining_time_is_the_rest_of_the_expected_time() {
        let seconds = Duration::from_secs;
        assert_eq!(remaining(0.5, seconds(8), seconds(20)), Some(seconds(12)));
        assert_eq!(remaining(0.75, seconds(30), seconds(20)), Some(seconds(10)));
        assert_eq!(remaining(0.0, seconds(30), seconds(20)), None);
    }
}
