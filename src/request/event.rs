//! Events of requests, logged and counted in one place.

use std::time::Duration;

use metrics::{counter, histogram};
use stenobot_domain::{CancelledBy, Outcome, RejectReason, RequestId, StageName};
use stenobot_store::{RetriedError, Settlement, StoreError};

use crate::metrics as names;

/// Names stage, reason and request, never a user and never a text.
#[derive(Debug)]
pub enum Event<'a> {
    /// Accepted: a position in the queue is reserved.
    Admitted {
        /// The request.
        id: RequestId,
        /// Length that the sender claims.
        claimed: Option<Duration>,
    },
    /// Accepted: it gets the text of another request for the same audio.
    Coalesced {
        /// The request.
        id: RequestId,
        /// The one that is transcribed.
        into: RequestId,
        /// Length that the sender claims.
        claimed: Option<Duration>,
    },
    /// It was coalesced into another request, whose text would be another for its sender: it is transcribed separately.
    Separated {
        /// The request.
        id: RequestId,
    },
    /// An idempotency key that is known.
    Duplicate,
    /// Refused at admission.
    Refused {
        /// The request.
        id: RequestId,
        /// Why.
        reason: RejectReason,
    },
    /// Left unanswered: its sender was told a moment ago of the rate limit.
    Silenced,
    /// Claimed by a worker.
    Claimed {
        /// The request.
        id: RequestId,
        /// The stage it is in.
        stage: StageName,
        /// Which attempt in this stage it is, from 1; those that were given back without a failure do not count.
        attempt: i64,
    },
    /// A transition was committed.
    Advanced {
        /// The request.
        id: RequestId,
        /// Stage left.
        from: StageName,
        /// Stage entered.
        to: StageName,
    },
    /// The engine starts on it.
    Started {
        /// The request.
        id: RequestId,
        /// Since its admission.
        waited: Duration,
    },
    /// The engine has finished.
    Transcribed {
        /// The request.
        id: RequestId,
        /// Length of the audio.
        audio: Duration,
        /// Time of the engine.
        processing: Duration,
        /// Characters of the text.
        characters: usize,
    },
    /// Its sender has stopped it: it ends with the text that is there.
    Stopped {
        /// The request.
        id: RequestId,
        /// Audio that the engine has dealt with for it alone; zero if it goes on for others.
        audio: Duration,
        /// Time since the start.
        processing: Duration,
        /// Characters of the text.
        characters: usize,
    },
    /// The sender has the answer.
    Delivered {
        /// The request.
        id: RequestId,
        /// Since its admission.
        took: Duration,
        /// `Done`, `NoSpeech` or `Stopped`.
        outcome: Outcome,
    },
    /// Put back for another attempt.
    Retrying {
        /// The request.
        id: RequestId,
        /// Where it failed.
        stage: StageName,
        /// The pause.
        after: Duration,
        /// Why.
        why: &'a (dyn std::error::Error + Send + Sync),
    },
    /// Ended other than by delivery.
    Ended {
        /// The request.
        id: RequestId,
        /// Where it ended.
        stage: StageName,
        /// How.
        settlement: Settlement,
        /// Why.
        why: &'a (dyn std::error::Error + Send + Sync),
    },
    /// Cancelled while it waited.
    Cancelled {
        /// The request.
        id: RequestId,
        /// Where it waited.
        stage: StageName,
        /// By whom.
        by: CancelledBy,
    },
    /// A store operation failed.
    StoreFailed {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        error: &'a StoreError,
        /// Whether the same error has been logged lately: it is counted only.
        is_repeated: bool,
    },
}

/// Logs and counts what happened.
pub fn observe(event: &Event<'_>) {
    match *event {
        Event::Admitted { id, claimed } => {
            accepted(claimed);
            tracing::info!(request = id.0, claimed_seconds = claimed.map(seconds), "admitted");
        }
        Event::Coalesced { id, into, claimed } => {
            accepted(claimed);
            tracing::info!(request = id.0, to = into.0, "joined to one with the same audio");
        }
        Event::Separated { id } => {
            tracing::info!(request = id.0, "separated from the one it was joined to: other languages are likely");
        }
        Event::Duplicate => tracing::debug!("message is known already"),
        Event::Refused { id, reason } => {
            counter!(names::REJECTED, "reason" => reason.as_str()).increment(1);
            tracing::info!(request = id.0, reason = reason.as_str(), "refused");
        }
        Event::Silenced => {
            counter!(names::REJECTED, "reason" => RejectReason::TooOften.as_str()).increment(1);
            tracing::debug!("a message is left unanswered: its sender knows that these are too many");
        }
        Event::Claimed { id, stage, attempt } => {
            if attempt > 1 {
                counter!(names::RESCUED).increment(1);
            }
            tracing::debug!(request = id.0, stage = stage.as_str(), attempt, "claimed");
        }
        Event::Advanced { id, from, to } => {
            names::transition(from, to);
            tracing::debug!(request = id.0, from = from.as_str(), to = to.as_str(), "advanced");
        }
        Event::Started { id, waited } => {
            histogram!(names::QUEUE_WAIT).record(waited);
            tracing::info!(request = id.0, waited_seconds = seconds(waited), "transcription started");
        }
        Event::Transcribed { id, audio, processing, characters } => {
            let factor = processing.as_secs_f64() / audio.as_secs_f64().max(f64::MIN_POSITIVE);
            counter!(names::AUDIO_PROCESSED).increment(audio.as_secs_f64().round() as u64);
            histogram!(names::REAL_TIME_FACTOR).record(factor);
            tracing::info!(
                request = id.0,
                audio_seconds = seconds(audio),
                processing_seconds = seconds(processing),
                characters,
                "transcribed"
            );
        }
        Event::Stopped { id, audio, processing, characters } => {
            counter!(names::AUDIO_PROCESSED).increment(audio.as_secs_f64().round() as u64);
            tracing::info!(
                request = id.0,
                audio_seconds = seconds(audio),
                processing_seconds = seconds(processing),
                characters,
                "stopped with the text so far"
            );
        }
        Event::Delivered { id, took, outcome } => {
            histogram!(names::REQUEST_DURATION).record(took);
            counter!(names::FINISHED, "outcome" => outcome.as_str()).increment(1);
            tracing::info!(request = id.0, took_seconds = seconds(took), outcome = outcome.as_str(), "delivered");
        }
        Event::Retrying { id, stage, after, why } => {
            counter!(names::STAGE_RETRIES, "stage" => stage.as_str()).increment(1);
            tracing::warn!(request = id.0, stage = stage.as_str(), again_in_seconds = after.as_secs(), reason = %why,
                "failed, will be tried again");
        }
        Event::Cancelled { id, stage, by } => {
            counter!(names::FINISHED, "outcome" => Outcome::Cancelled.as_str()).increment(1);
            names::transition(stage, StageName::Cancelled);
            tracing::info!(request = id.0, stage = stage.as_str(), by = by.as_str(), "cancelled while it waited");
        }
        Event::Ended { id, stage, settlement, why } => ended(id, stage, settlement, why),
        Event::StoreFailed { what, error, is_repeated } => {
            counter!(names::JOURNAL_ERRORS, "kind" => error.kind()).increment(1);
            if !is_repeated {
                tracing::error!(%error, "could not {what}");
            }
        }
    }
}

/// In seconds, rounded to milliseconds, as the log has times.
pub(crate) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

/// Logs and counts an error of a write that the store retries.
pub(crate) fn observe_retried(RetriedError { what, error, is_retry }: RetriedError<'_>) {
    observe(&Event::StoreFailed { what, error, is_repeated: is_retry });
}

/// Logs that the writes which the store retried have succeeded.
pub(crate) fn observe_recovery() {
    tracing::info!("the store works again");
}

fn accepted(claimed: Option<Duration>) {
    if let Some(claimed) = claimed {
        histogram!(names::AUDIO_DURATION).record(claimed);
    }
}

fn ended(id: RequestId, stage: StageName, settlement: Settlement, why: &(dyn std::error::Error + Send + Sync)) {
    match settlement {
        Settlement::Rejected(reason) => {
            counter!(names::REJECTED, "reason" => reason.as_str()).increment(1);
            names::transition(stage, StageName::Rejected);
            tracing::info!(request = id.0, stage = stage.as_str(), reason = reason.as_str(), cause = %why, "refused");
        }
        Settlement::Failed(reason) => {
            counter!(names::STAGE_FAILURES, "stage" => stage.as_str(), "reason" => reason.as_str()).increment(1);
            counter!(names::FINISHED, "outcome" => Outcome::Failed.as_str()).increment(1);
            names::transition(stage, StageName::Failed);
            tracing::error!(request = id.0, stage = stage.as_str(), reason = reason.as_str(), cause = %why, "given up");
        }
        Settlement::Cancelled(by) => {
            counter!(names::FINISHED, "outcome" => Outcome::Cancelled.as_str()).increment(1);
            names::transition(stage, StageName::Cancelled);
            tracing::info!(request = id.0, stage = stage.as_str(), by = by.as_str(), cause = %why, "cancelled");
        }
    }
}
