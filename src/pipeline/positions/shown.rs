//! What senders have been shown, and whether that is outdated.
//!
//! Telegram takes about 30 edits a second in all, so exact positions can be kept up to date for the first requests only. Behind
//! them a rounded position is shown, which changes once while many requests are served.

use std::time::Duration;

use stenobot_telegram::{QueuePosition, StatusText};
use tokio::time::Instant;

/// Requests whose exact position is shown.
pub(super) const EXACT_POSITIONS: u32 = 100;
const _: () = assert!(EXACT_POSITIONS as usize == stenobot_store::HEAD_SIZE, "what is shown exactly is the head");

/// Position and estimate that a sender was shown last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    position: QueuePosition,
    wait: Duration,
    is_paused: bool,
    at: Instant,
}

impl Shown {
    pub(super) fn new(number: u32, wait: Duration, is_paused: bool, now: Instant) -> Self {
        Self { position: display(number), wait, is_paused, at: now }
    }

    /// While the engine is paused, the wait cannot be estimated.
    pub(super) fn text(&self) -> StatusText {
        match self.is_paused {
            true => StatusText::Paused { position: self.position },
            false => StatusText::Queued { position: self.position, wait: Some(self.wait) },
        }
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.at)
    }

    /// Whether `newer` is to be shown in its place. An estimate that shrinks as time passes is not.
    pub(super) fn is_outdated_by(&self, newer: &Self, number: u32) -> bool {
        if self.is_paused != newer.is_paused {
            return true;
        }
        match (self.position, newer.position) {
            (QueuePosition::Exact(before), QueuePosition::Exact(now)) => {
                let expected = self.wait.saturating_sub(self.age(newer.at));
                // By more than a quarter, and by more than a reader would notice.
                let differs = newer.wait.abs_diff(expected) > (expected / 4).max(Duration::from_secs(10));
                before != now || !self.is_paused && differs
            }
            // Where requests come and go, a position next to the middle of two steps does not change back and forth.
            (QueuePosition::About(before), QueuePosition::About(now)) => {
                before != now && before.abs_diff(number) * 4 > step(number) * 3
            }
            (QueuePosition::Exact(_), QueuePosition::About(_)) | (QueuePosition::About(_), QueuePosition::Exact(_)) => {
                true
            }
        }
    }
}

/// The position as it is shown.
fn display(number: u32) -> QueuePosition {
    let step = step(number);
    match number {
        ..=EXACT_POSITIONS => QueuePosition::Exact(number),
        _ => QueuePosition::About((number + step / 2) / step * step),
    }
}

/// Distance of rounded positions.
fn step(number: u32) -> u32 {
    match number {
        ..=1_000 => 50,
        1_001..=10_000 => 500,
        10_001.. => 5_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_exact_at_the_head_and_rounded_behind_it() {
        use QueuePosition::{About, Exact};
        for (number, wanted) in [
            (1, Exact(1)),
            (100, Exact(100)),
            (101, About(100)),
            (130, About(150)),
            (1_000, About(1_000)),
            (1_200, About(1_000)),
            (1_250, About(1_500)),
            (9_800, About(10_000)),
            (12_499, About(10_000)),
            (99_999, About(100_000)),
        ] {
            assert_eq!(display(number), wanted, "{number}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_moves_up_from_the_end_is_edited_a_few_dozen_times_before_its_position_is_exact() {
        let now = Instant::now();
        let wait = Duration::from_secs(60);
        let mut shown = Shown::new(100_000, wait, false, now);
        let mut edits = 0;
        for number in (EXACT_POSITIONS + 1..100_000).rev() {
            // Others come before it, now and then.
            for number in [number, number + 1] {
                let newer = Shown::new(number, wait, false, now);
                if shown.is_outdated_by(&newer, number) {
                    (shown, edits) = (newer, edits + 1);
                }
            }
        }
        assert!((40..60).contains(&edits), "{edits}");
        assert!(shown.is_outdated_by(&Shown::new(100, wait, false, now), 100));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_and_another_estimate_at_the_head_are_shown() {
        let now = Instant::now();
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let (head, tail) = (Shown::new(3, minutes(10), false, now), Shown::new(3_000, minutes(10), false, now));
        assert!(!head.is_outdated_by(&Shown::new(3, minutes(9), false, now), 3));
        assert!(head.is_outdated_by(&Shown::new(3, minutes(20), false, now), 3));
        assert!(!tail.is_outdated_by(&Shown::new(3_000, minutes(20), false, now), 3_000));
        for (shown, number) in [(head, 3), (tail, 3_000)] {
            assert!(shown.is_outdated_by(&Shown::new(number, minutes(10), true, now), number));
        }
        tokio::time::advance(minutes(8)).await;
        assert!(!head.is_outdated_by(&Shown::new(3, minutes(2), false, Instant::now()), 3), "the time has passed");
    }
}
