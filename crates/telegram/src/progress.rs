//! Human-readable progress bars, percentages, durations and sizes.

use std::time::Duration;

/// Blocks in a progress bar; each stands for 5 %.
const BLOCKS: usize = 20;

/// A share in whole per cent, 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u8);

impl Percent {
    /// The share of work still under way, from 0 to 1: rounded down and at most 99 %, for only the answer itself is 100 %.
    pub fn running(fraction: f64) -> Self {
        // A float's cast saturates and makes nothing of NaN.
        Self(((fraction * 100.0) as u8).min(99))
    }

    /// 0 to 100.
    pub fn value(self) -> u8 {
        self.0
    }
}

/// Twenty blocks, a full one for each whole 5 %.
pub fn bar(percent: Percent) -> String {
    let full = usize::from(percent.0) * BLOCKS / 100;
    "█".repeat(full) + &"░".repeat(BLOCKS - full)
}

/// A time in the two units that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    /// Less than a minute.
    Seconds(u64),
    /// Less than an hour.
    Minutes { minutes: u64, seconds: u64 },
    /// An hour or more.
    Hours { hours: u64, minutes: u64 },
}

impl Span {
    pub(super) fn of(duration: Duration) -> Self {
        match duration.as_secs() {
            seconds @ 0..60 => Self::Seconds(seconds),
            seconds @ 60..3600 => Self::Minutes { minutes: seconds / 60, seconds: seconds % 60 },
            seconds => Self::Hours { hours: seconds / 3600, minutes: seconds % 3600 / 60 },
        }
    }
}

/// Whole seconds, a begun one counted whole: what exceeds a limit must not look equal to it.
pub(super) fn begun_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// A size in the unit that suits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// Less than 1 MiB.
    Kib(u64),
    /// 1 MiB or more.
    Mib(u64),
}

impl Size {
    /// Rounded down: a limit must not be promised larger than it is.
    pub(super) fn of(bytes: u64) -> Self {
        if bytes < 1 << 20 { Self::Kib(bytes >> 10) } else { Self::Mib(bytes >> 20) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_down_and_never_100_while_work_runs() {
        for (fraction, percent) in [
            (0.0, 0),
            (0.004, 0),
            (0.0099, 0),
            (0.01, 1),
            (0.2, 20),
            (0.5, 50),
            (0.899, 89),
            (0.99, 99),
            (0.999, 99),
            (1.0, 99),
            (2.66, 99),
            (1e300, 99),
            (-0.5, 0),
            (f64::NAN, 0),
            (f64::INFINITY, 99),
            (f64::NEG_INFINITY, 0),
        ] {
            assert_eq!(Percent::running(fraction).value(), percent, "{fraction}");
        }
    }

    #[test]
    fn a_block_is_full_when_its_5_percent_are_done() {
        for (percent, full) in
            [(0, 0), (4, 0), (5, 1), (9, 1), (10, 2), (20, 4), (50, 10), (94, 18), (95, 19), (99, 19)]
        {
            let bar = bar(Percent(percent));
            assert_eq!(bar.chars().count(), BLOCKS, "{percent}");
            assert_eq!(bar.chars().take_while(|block| *block == '█').count(), full, "{percent}");
            assert!(bar.chars().skip(full).all(|block| block == '░'), "{percent}");
        }
        assert_eq!(bar(Percent(20)), "████░░░░░░░░░░░░░░░░");
        assert_eq!(bar(Percent(100)), "████████████████████");
    }

    #[test]
    fn times_show_two_units_from_a_minute_on() {
        for (seconds, span) in [
            (0, Span::Seconds(0)),
            (1, Span::Seconds(1)),
            (59, Span::Seconds(59)),
            (60, Span::Minutes { minutes: 1, seconds: 0 }),
            (83, Span::Minutes { minutes: 1, seconds: 23 }),
            (3599, Span::Minutes { minutes: 59, seconds: 59 }),
            (3600, Span::Hours { hours: 1, minutes: 0 }),
            (3659, Span::Hours { hours: 1, minutes: 0 }),
            (14_400, Span::Hours { hours: 4, minutes: 0 }),
            (86_399, Span::Hours { hours: 23, minutes: 59 }),
        ] {
            assert_eq!(Span::of(Duration::from_secs(seconds)), span, "{seconds}");
        }
        assert_eq!(Span::of(Duration::from_millis(59_999)), Span::Seconds(59));
        assert_eq!(begun_seconds(Duration::from_millis(120_001)), 121);
        assert_eq!(begun_seconds(Duration::from_secs(120)), 120);
    }

    #[test]
    fn sizes_are_rounded_down() {
        for (bytes, size) in [
            (1024, Size::Kib(1)),
            ((1 << 20) - 1, Size::Kib(1023)),
            (1 << 20, Size::Mib(1)),
            (20 << 20, Size::Mib(20)),
            ((21 << 20) - 1, Size::Mib(20)),
            (1 << 31, Size::Mib(2048)),
        ] {
            assert_eq!(Size::of(bytes), size, "{bytes}");
        }
    }
}
