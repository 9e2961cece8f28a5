//! Failures of each stage, and what then happens to the request.

use std::time::Duration;

use stenobot_domain::{CancelledBy, FailReason, RejectReason, RetryPolicy};
use stenobot_store::{MAX_BACKOFF, Settlement};

/// Failures of the engine on a request, while the bot ran, after which the request is given up.
pub const MAX_FAILURES: i64 = 3;

/// Downloads that fail while the bot runs, after which the request is given up. Most failures are the network's: it gets about
/// ten minutes to come back.
pub(super) const MAX_FAILED_DOWNLOADS: i64 = 8;

/// As [`MAX_FAILURES`], for a request whose text an earlier attempt had: it does not crash the engine, and its answer may have
/// arrived, so that an apology would be a second one.
const MAX_FAILURES_ONCE_TRANSCRIBED: i64 = 10;

/// What happens to a request after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It is put back and claimed again later.
    Retry {
        /// Not sooner than this.
        after: Duration,
        /// Whether it counts as a failure of the request; false when the cause lies elsewhere.
        counts: bool,
    },
    /// It ends.
    End(Settlement),
}

/// Earlier attempts of a request in this stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Those that failed while the bot ran.
    pub failures: i64,
    /// Those during which the bot ended.
    pub interruptions: i64,
    /// Whether one of them had the text. Then its answer may have arrived, and an apology would replace it.
    pub transcribed_before: bool,
}

impl Attempt {
    /// 1 for the first.
    pub(super) fn number(self) -> i64 {
        1 + self.failures + self.interruptions
    }

    /// Failures after which the request is given up, where `max` are allowed in general.
    pub(super) fn allowed(self, max: i64) -> i64 {
        if self.transcribed_before { max.max(MAX_FAILURES_ONCE_TRANSCRIBED) } else { max }
    }

    /// Whether a failure of this one is the last that the engine is allowed.
    fn is_last(self) -> bool {
        self.failures + 1 >= self.allowed(MAX_FAILURES)
    }
}

/// The failure of one stage.
pub trait Failure: std::error::Error + Send + Sync + 'static {
    /// What happens to the request after this attempt.
    fn disposition(&self, attempt: Attempt) -> Disposition;

    /// Name of the codec that is not supported, for the notice.
    fn codec(&self) -> Option<&str> {
        None
    }
}

/// The audio could not be fetched or measured.
#[derive(Debug, thiserror::Error)]
pub enum DownloadFailure {
    /// Larger than is accepted.
    #[error("the file is larger than {limit} bytes")]
    TooBig {
        /// The limit.
        limit: u64,
    },
    /// Decoded to more than is accepted, whatever the update claimed.
    #[error("the audio is longer than {} s", limit.as_secs())]
    TooLong {
        /// The limit.
        limit: Duration,
    },
    /// More audio than its user may send on one day, whatever the update claimed.
    #[error("the audio is more than its user may send on one day")]
    DayFull,
    /// A video without a sound track.
    #[error("the file has no sound track")]
    Silent,
    /// No decoder supports the audio.
    #[error("the codec or format is not supported: {name}")]
    Codec {
        /// Its usual name.
        name: String,
    },
    /// Not audio.
    #[error("the file cannot be read as audio: {0}")]
    Unsupported(String),
    /// Broken beyond reading.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// Telegram refuses the file for good.
    #[error("Telegram refuses the file: {0}")]
    Refused(String),
    /// The chat is gone, or the bot is blocked: no answer can be sent.
    #[error("the chat is gone or the bot is blocked")]
    ChatGone,
    /// The bot may not write to the chat or topic.
    #[error("the bot may not write to the chat or topic")]
    WriteForbidden,
    /// Telegram cannot be reached, or not in time.
    #[error("the file could not be fetched: {0}")]
    Unreachable(String),
    /// An error of this machine's disk or processes.
    #[error("the audio could not be kept: {0}")]
    Local(String),
    /// The audio to transcribe again is no longer kept.
    #[error("the audio is no longer kept")]
    AudioGone,
    /// Cancelled by its sender meanwhile.
    #[error("cancelled by its sender")]
    Cancelled,
    /// Tried too often.
    #[error("the file could not be fetched in {attempts} attempts")]
    Exhausted {
        /// How often.
        attempts: i64,
    },
    /// The bot has ended too often meanwhile.
    #[error("the bot has ended {times} times while it fetched the file")]
    Interrupted {
        /// How often.
        times: i64,
    },
}

impl Failure for DownloadFailure {
    fn disposition(&self, attempt: Attempt) -> Disposition {
        match self {
            Self::TooBig { .. } => Disposition::End(Settlement::Rejected(RejectReason::TooBig)),
            Self::TooLong { .. } => Disposition::End(Settlement::Rejected(RejectReason::TooLong)),
            Self::DayFull => Disposition::End(Settlement::Rejected(RejectReason::DailyLimit)),
            Self::Silent => Disposition::End(Settlement::Rejected(RejectReason::Silent)),
            Self::Codec { .. } => Disposition::End(Settlement::Rejected(RejectReason::Codec)),
            Self::Unsupported(_) => Disposition::End(Settlement::Rejected(RejectReason::Unsupported)),
            Self::Damaged(_) => Disposition::End(Settlement::Failed(FailReason::Damaged)),
            Self::Refused(_) | Self::Exhausted { .. } => Disposition::End(Settlement::Failed(FailReason::Download)),
            Self::Interrupted { .. } => Disposition::End(Settlement::Failed(FailReason::Internal)),
            Self::AudioGone => Disposition::End(Settlement::Failed(FailReason::AudioGone)),
            Self::ChatGone | Self::WriteForbidden => Disposition::End(Settlement::Cancelled(CancelledBy::ChatGone)),
            Self::Cancelled => Disposition::End(Settlement::Cancelled(CancelledBy::Sender)),
            Self::Unreachable(_) => Disposition::Retry { after: backoff(RETRIES, attempt.failures + 1), counts: true },
            // A full disk may stay full for hours: no request is given up for that.
            Self::Local(_) => Disposition::Retry { after: Duration::from_secs(5), counts: false },
        }
    }

    fn codec(&self) -> Option<&str> {
        match self {
            Self::Codec { name } => Some(name),
            Self::TooBig { .. }
            | Self::TooLong { .. }
            | Self::DayFull
            | Self::Silent
            | Self::Unsupported(_)
            | Self::Damaged(_)
            | Self::Refused(_)
            | Self::ChatGone
            | Self::WriteForbidden
            | Self::Unreachable(_)
            | Self::Local(_)
            | Self::AudioGone
            | Self::Cancelled
            | Self::Exhausted { .. }
            | Self::Interrupted { .. } => None,
        }
    }
}

/// Pauses between attempts, by the number of failures that the row counts.
const RETRIES: RetryPolicy = RetryPolicy::endless(Duration::from_secs(5), MAX_BACKOFF);

fn backoff(policy: RetryPolicy, failures: i64) -> Duration {
    policy.pause_after(u32::try_from(failures).unwrap_or(u32::MAX))
}

/// The engine gave no text.
#[derive(Debug, thiserror::Error)]
pub enum TranscribeFailure {
    /// The audio is not on this machine, and could not be fetched again.
    #[error("{0}")]
    Fetch(DownloadFailure),
    /// The engine crashed or broke the protocol.
    #[error("the engine process ended: {0}")]
    Crashed(String),
    /// Not finished in time.
    #[error("not transcribed within {} s", limit.as_secs())]
    Deadline {
        /// The deadline.
        limit: Duration,
    },
    /// The audio could not be decoded after all.
    #[error("the audio cannot be decoded: {0}")]
    Damaged(String),
    /// The engine runs, but does not support the configured language.
    #[error("the engine cannot do what the configuration asks for: {0}")]
    Misconfigured(String),
    /// No engine can be started.
    #[error("no engine is available: {0}")]
    Unavailable(String),
    /// More audio than its user may send on one day: of a coalesced request, whose length is known with the text.
    #[error("the audio is more than its user may send on one day")]
    DayFull,
    /// This worker stops.
    #[error("cancelled because the service stops")]
    Stopping,
    /// Cancelled by its sender meanwhile.
    #[error("cancelled by its sender")]
    Cancelled,
    /// The chat is gone, or the bot is blocked: no answer can be sent.
    #[error("the chat is gone or the bot is blocked")]
    ChatGone,
    /// The bot may not write to the chat or topic.
    #[error("the bot may not write to the chat or topic")]
    WriteForbidden,
    /// Failed too often.
    #[error("failed {attempts} times")]
    Exhausted {
        /// How often.
        attempts: i64,
    },
    /// The bot has ended too often meanwhile.
    #[error("the bot has ended {times} times while it worked on this")]
    Interrupted {
        /// How often.
        times: i64,
    },
}

impl Failure for TranscribeFailure {
    fn disposition(&self, attempt: Attempt) -> Disposition {
        match self {
            Self::Fetch(why) => match why.disposition(attempt) {
                Disposition::Retry { counts: true, .. }
                    if attempt.failures + 1 >= attempt.allowed(MAX_FAILED_DOWNLOADS) =>
                {
                    Disposition::End(Settlement::Failed(FailReason::Download))
                }
                // It was accepted before: the limits have changed since.
                Disposition::End(Settlement::Rejected(_)) => Disposition::End(Settlement::Failed(FailReason::Download)),
                disposition => disposition,
            },
            Self::Crashed(_) if !attempt.is_last() => {
                Disposition::Retry { after: Duration::from_secs(1), counts: true }
            }
            Self::Crashed(_) | Self::Exhausted { .. } => Disposition::End(Settlement::Failed(FailReason::Poison)),
            Self::Interrupted { .. } => Disposition::End(Settlement::Failed(FailReason::Internal)),
            // It was in time before: the machine is busier now.
            Self::Deadline { .. } if attempt.transcribed_before && !attempt.is_last() => {
                Disposition::Retry { after: Duration::from_secs(1), counts: true }
            }
            // Not tried again, unlike a crash: it would take all others a second deadline, and most likely as long.
            Self::Deadline { .. } => Disposition::End(Settlement::Failed(FailReason::Deadline)),
            Self::Damaged(_) => Disposition::End(Settlement::Failed(FailReason::Damaged)),
            Self::DayFull => Disposition::End(Settlement::Rejected(RejectReason::DailyLimit)),
            Self::Misconfigured(_) => Disposition::End(Settlement::Failed(FailReason::Engine)),
            Self::Unavailable(_) => Disposition::Retry { after: Duration::from_secs(15), counts: false },
            Self::Stopping => Disposition::Retry { after: Duration::ZERO, counts: false },
            Self::Cancelled => Disposition::End(Settlement::Cancelled(CancelledBy::Sender)),
            Self::ChatGone | Self::WriteForbidden => Disposition::End(Settlement::Cancelled(CancelledBy::ChatGone)),
        }
    }
}

/// The text was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliverFailure {
    /// The chat is gone, or the bot is blocked.
    #[error("the chat is gone or the bot is blocked")]
    ChatGone,
    /// The bot may not write to the chat or topic.
    #[error("the bot may not write to the chat or topic")]
    WriteForbidden,
    /// Neither the caption of a channel's post nor a comment can hold the text.
    #[error("neither the caption nor a comment can hold the text")]
    NoPlace,
    /// Telegram refuses the text for good.
    #[error("Telegram refuses the answer: {0}")]
    Refused(String),
    /// This worker stops before Telegram took the text.
    #[error("not delivered before the service stopped")]
    Stopping,
}

impl Failure for DeliverFailure {
    fn disposition(&self, _attempt: Attempt) -> Disposition {
        match self {
            Self::ChatGone | Self::WriteForbidden | Self::NoPlace => {
                Disposition::End(Settlement::Cancelled(CancelledBy::ChatGone))
            }
            Self::Refused(_) => Disposition::End(Settlement::Failed(FailReason::Internal)),
            Self::Stopping => Disposition::Retry { after: Duration::ZERO, counts: false },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn after(failures: i64) -> Attempt {
        Attempt { failures, interruptions: 0, transcribed_before: false }
    }

    /// Whether every failure that ends a request in stage `S` ends it by a step of the lifecycle.
    fn ends_by_legal_steps<S: crate::request::Stage>(failures: Vec<S::Failure>) {
        for failure in failures {
            match failure.disposition(after(100)) {
                Disposition::Retry { .. } => {}
                Disposition::End(settlement) => {
                    assert!(S::NAME.may_become(settlement.stage()), "{}: {failure}", S::NAME);
                }
            }
        }
    }

    #[test]
    fn failures_end_requests_by_steps_of_the_lifecycle() {
        use crate::request::{Downloaded, Queued, Received, Transcribed, Transcribing};

        let text = String::new;
        let download = || {
            vec![
                DownloadFailure::TooBig { limit: 1 },
                DownloadFailure::Damaged(text()),
                DownloadFailure::ChatGone,
                DownloadFailure::Cancelled,
            ]
        };
        ends_by_legal_steps::<Received>(download());
        ends_by_legal_steps::<Downloaded>(download());
        ends_by_legal_steps::<Queued>(download().into_iter().map(TranscribeFailure::Fetch).collect());
        ends_by_legal_steps::<Transcribing>(vec![
            TranscribeFailure::Crashed(text()),
            TranscribeFailure::DayFull,
            TranscribeFailure::Cancelled,
        ]);
        ends_by_legal_steps::<Transcribed>(vec![DeliverFailure::ChatGone, DeliverFailure::Refused(text())]);
    }

    #[test]
    fn a_crash_is_tried_again_until_the_attempts_are_used_up() {
        let crash = TranscribeFailure::Crashed("signal 11".into());
        assert!(matches!(crash.disposition(after(0)), Disposition::Retry { counts: true, .. }));
        assert!(matches!(crash.disposition(after(1)), Disposition::Retry { counts: true, .. }));
        assert_eq!(crash.disposition(after(2)), Disposition::End(Settlement::Failed(FailReason::Poison)));
    }

    #[test]
    fn a_recording_that_cannot_be_fetched_again_is_given_up_after_as_many_attempts_as_a_download() {
        let unreachable = TranscribeFailure::Fetch(DownloadFailure::Unreachable("no route".into()));
        let last = MAX_FAILED_DOWNLOADS - 1;
        assert!(matches!(unreachable.disposition(after(last - 1)), Disposition::Retry { counts: true, .. }));
        assert_eq!(unreachable.disposition(after(last)), Disposition::End(Settlement::Failed(FailReason::Download)));
    }

    #[test]
    fn interruptions_do_not_count_as_failures_of_the_engine() {
        let crash = TranscribeFailure::Crashed("signal 11".into());
        let interrupted = Attempt { interruptions: 9, ..after(1) };
        assert!(matches!(crash.disposition(interrupted), Disposition::Retry { counts: true, .. }));
        assert_eq!((interrupted.number(), interrupted.allowed(3)), (11, 3));
    }

    #[test]
    fn a_request_that_was_transcribed_before_is_allowed_more_failures() {
        let transcribed = |failures| Attempt { transcribed_before: true, ..after(failures) };
        let deadline = TranscribeFailure::Deadline { limit: Duration::from_secs(60) };
        for failure in [TranscribeFailure::Crashed("signal 11".into()), deadline] {
            assert!(matches!(failure.disposition(transcribed(8)), Disposition::Retry { counts: true, .. }));
            assert!(matches!(failure.disposition(transcribed(9)), Disposition::End(_)));
        }
        assert_eq!((transcribed(0).allowed(3), after(0).allowed(3), after(0).allowed(8)), (10, 3, 8));
    }

    #[test]
    fn failures_of_the_machine_do_not_count() {
        assert!(matches!(
            TranscribeFailure::Unavailable("no model".into()).disposition(after(2)),
            Disposition::Retry { counts: false, .. }
        ));
        assert!(matches!(
            DownloadFailure::Local("no space left".into()).disposition(after(7)),
            Disposition::Retry { counts: false, .. }
        ));
    }

    #[test]
    fn pauses_after_network_failures_double_up_to_the_maximum() {
        let pauses: Vec<u64> = (1..=9).map(|failures| backoff(RETRIES.without_jitter(), failures).as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    }
}
