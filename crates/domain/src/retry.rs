//! Pauses between retries: exponential backoff with jitter, the one policy of the whole program.
//!
//! Pauses that a server requests (`retry_after`) are kept exactly and do not count as retries; that is up to the callers, who
//! know their protocols. Our own type instead of a crate such as backon: it has to be asked for a single pause by a tower
//! policy, by loops that select over other events, and by rows that remember their failures, and its jitter must never exceed
//! the longest pause.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Bounds of the pauses between retries. Pauses double from the first to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    first: Duration,
    longest: Duration,
    max_retries: Option<u32>,
    has_jitter: bool,
}

impl RetryPolicy {
    /// Retries without end.
    pub const fn endless(first: Duration, longest: Duration) -> Self {
        Self { first, longest, max_retries: None, has_jitter: true }
    }

    /// Gives up after `max_retries` retries.
    pub const fn bounded(max_retries: u32, first: Duration, longest: Duration) -> Self {
        Self { first, longest, max_retries: Some(max_retries), has_jitter: true }
    }

    /// Exact pauses, for tests of timing.
    #[must_use]
    pub const fn without_jitter(self) -> Self {
        Self { has_jitter: false, ..self }
    }

    /// The pause after so many failures in a row (from 1), whatever the number of retries allowed. Jitter makes a pause up to a
    /// quarter longer, and the longest one up to a quarter shorter: many callers that failed together do not come back together,
    /// none before the first pause, and none after the longest.
    pub fn pause_after(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        let pause = self.first.saturating_mul(1 << doublings).min(self.longest);
        if !self.has_jitter {
            return pause;
        }
        let jitter = pause.mul_f64(random_fraction() / 4.0);
        if pause < self.longest { (pause + jitter).min(self.longest) } else { pause - jitter }
    }

    /// The pauses of one operation.
    pub const fn backoff(self) -> Backoff {
        Backoff { policy: self, failures: 0 }
    }
}

/// Pauses of one operation under a [`RetryPolicy`].
#[derive(Debug, Clone)]
pub struct Backoff {
    policy: RetryPolicy,
    failures: u32,
}

impl Backoff {
    /// Counts a failure and gives the pause before the next retry; `None` where no retry is left.
    pub fn next_pause(&mut self) -> Option<Duration> {
        if self.policy.max_retries.is_some_and(|max| self.failures >= max) {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        Some(self.policy.pause_after(self.failures))
    }

    /// Starts over after progress.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Uniform in 0 to 1. The standard library seeds each hasher state differently, which is random enough to spread retries.
pub fn random_fraction() -> f64 {
    f64::from(RandomState::new().hash_one(()) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_the_maximum_and_end_after_the_last_retry() {
        let mut backoff = RetryPolicy::bounded(5, SECOND, 6 * SECOND).without_jitter().backoff();
        let pauses: Vec<_> = std::iter::from_fn(|| backoff.next_pause()).map(|pause| pause.as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 6, 6]);
        backoff.reset();
        assert_eq!(backoff.next_pause(), Some(SECOND));
    }

    #[test]
    fn an_endless_policy_reaches_its_maximum_pause_without_overflow() {
        let policy = RetryPolicy::endless(SECOND, 60 * SECOND).without_jitter();
        assert_eq!(policy.pause_after(0), SECOND);
        assert_eq!(policy.pause_after(u32::MAX), 60 * SECOND);
        let mut backoff = policy.backoff();
        assert!((0..1000).all(|_| backoff.next_pause().is_some()));
    }

    #[test]
    fn jitter_stays_between_the_first_and_the_maximum_pause_and_differs() {
        let policy = RetryPolicy::endless(SECOND, 60 * SECOND);
        let pauses: Vec<_> = (0..100).map(|_| policy.pause_after(3)).collect();
        assert!(pauses.iter().all(|pause| (4 * SECOND..=5 * SECOND).contains(pause)), "{pauses:?}");
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
        assert!((0..100).all(|_| (45 * SECOND..=60 * SECOND).contains(&policy.pause_after(9))));
    }
}
