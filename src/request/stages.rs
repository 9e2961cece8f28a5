//! The stages and the graph between them. What a stage's type holds is known in that stage and not before.

use std::time::Duration;

use stenobot_domain::{RequestId, StageName, Timestamp, Transcript};
use stenobot_store::{Facts, WorkSource};

use super::{DeliverFailure, DownloadFailure, Failure, Held, MAX_FAILURES, Request, TranscribeFailure};

mod sealed {
    pub trait Sealed {}
}

/// One stage of the lifecycle.
pub trait Stage: sealed::Sealed + Sized {
    /// Name in store, metrics and logs.
    const NAME: StageName;
    /// What can go wrong in it.
    type Failure: Failure;
    /// What entering it gives: the request, while the same worker goes on with it, or else a receipt.
    type Entered;

    /// What the transition into this stage learned.
    fn facts(&self) -> Facts;

    /// Enters the stage once the store has committed it.
    fn enter(self, held: Held) -> Self::Entered;
}

/// `B: Follows<A>` says that a request may go from `A` to `B`.
pub trait Follows<P: Stage>: Stage {}

// === The lifecycle, whole ===

impl Follows<Received> for Downloaded {}
impl Follows<Downloaded> for Queued {}
impl Follows<Queued> for Transcribing {}
impl Follows<Transcribing> for Transcribed {}
impl Follows<Transcribed> for Done {}

/// Stages in which a request waits for a worker.
pub trait Claimable: Stage {
    /// The rows it is claimed from.
    const SOURCE: WorkSource;
    /// Failures after which it is given up.
    const FAILURES: i64;

    /// Why it is given up after so many failures.
    fn exhausted(failures: i64) -> Self::Failure;

    /// Why it is given up after the bot has ended so many times meanwhile.
    fn interrupted(times: i64) -> Self::Failure;

    /// The stage of a freshly claimed request.
    fn claimed() -> Self;
}

/// Proof that a stage was committed, when nobody holds the request any longer.
#[derive(Debug)]
#[must_use]
#[expect(clippy::manual_non_exhaustive, reason = "nobody in this crate makes one either, but the transition")]
pub struct Receipt<S> {
    /// The request.
    pub id: RequestId,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// The stage it entered.
    pub stage: S,
    /// Keeps others from making one.
    _proof: (),
}

macro_rules! stage {
    ($stage:ident, $failure:ident, held) => {
        stage!(@ $stage, $failure, Request<Self>, |stage, held| Request { held, stage });
    };
    ($stage:ident, $failure:ident, free) => {
        stage!(@ $stage, $failure, Receipt<Self>, |stage, held| Receipt {
            id: held.row.fence.id,
            received_at: held.row.received_at,
            stage,
            _proof: (),
        });
    };
    (@ $stage:ident, $failure:ident, $entered:ty, |$self:ident, $held:ident| $enter:expr) => {
        impl sealed::Sealed for $stage {}

        impl Stage for $stage {
            const NAME: StageName = StageName::$stage;
            type Failure = $failure;
            type Entered = $entered;

            fn facts(&self) -> Facts {
                self.learned()
            }

            fn enter(self, $held: Held) -> Self::Entered {
                let $self = self;
                $enter
            }
        }
    };
}

/// Accepted and durable; its audio is still at Telegram.
#[derive(Debug)]
pub struct Received(());

/// Audio on disk, its real length known.
#[derive(Debug)]
pub struct Downloaded {
    /// Length of the decoded audio.
    pub length: Duration,
}

/// Waits for the engine.
#[derive(Debug, Default)]
pub struct Queued(());

/// The engine works on it.
#[derive(Debug, Default)]
pub struct Transcribing(());

/// The text is there, in memory only, and on its way to the sender.
#[derive(Debug)]
pub struct Transcribed {
    /// What was heard.
    pub transcript: Transcript,
    /// Name of the model that heard it.
    pub model: String,
}

/// Text delivered.
#[derive(Debug, Default)]
pub struct Done {
    /// Until when the audio can be heard again; `None` when it is not kept.
    pub audio_until: Option<Timestamp>,
}

stage!(Received, DownloadFailure, held);
stage!(Downloaded, DownloadFailure, held);
stage!(Queued, TranscribeFailure, free);
stage!(Transcribing, TranscribeFailure, held);
stage!(Transcribed, DeliverFailure, held);
stage!(Done, DeliverFailure, free);

impl Received {
    fn learned(&self) -> Facts {
        Facts::default()
    }
}

impl Downloaded {
    fn learned(&self) -> Facts {
        Facts { length: Some(self.length), ..Facts::default() }
    }
}

impl Queued {
    fn learned(&self) -> Facts {
        Facts::default()
    }
}

impl Transcribing {
    fn learned(&self) -> Facts {
        Facts::default()
    }
}

impl Transcribed {
    fn learned(&self) -> Facts {
        let characters = self.transcript.text().0.chars().count();
        Facts {
            length: Some(self.transcript.audio),
            model: Some(self.model.clone()),
            processing: Some(self.transcript.processing),
            transcription_length: i64::try_from(characters).ok(),
            language: Some(self.transcript.language.clone()),
            ..Facts::default()
        }
    }
}

impl Done {
    fn learned(&self) -> Facts {
        Facts { audio_until: self.audio_until, ..Facts::default() }
    }
}

impl Claimable for Received {
    const SOURCE: WorkSource = WorkSource::Downloads;
    // The network, not the file, fails here: it gets about ten minutes to come back.
    const FAILURES: i64 = 8;

    fn exhausted(attempts: i64) -> DownloadFailure {
        DownloadFailure::Exhausted { attempts }
    }

    fn interrupted(times: i64) -> DownloadFailure {
        DownloadFailure::Interrupted { times }
    }

    fn claimed() -> Self {
        Self(())
    }
}

impl Claimable for Queued {
    const SOURCE: WorkSource = WorkSource::Transcriptions;
    const FAILURES: i64 = MAX_FAILURES;

    fn exhausted(attempts: i64) -> TranscribeFailure {
        TranscribeFailure::Exhausted { attempts }
    }

    fn interrupted(times: i64) -> TranscribeFailure {
        TranscribeFailure::Interrupted { times }
    }

    fn claimed() -> Self {
        Self(())
    }
}
