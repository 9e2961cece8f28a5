//! The stages as types. What a stage's type holds is known in that stage and not before.

use std::time::Duration;

use stenobot_domain::{RequestId, StageName, Timestamp, Transcript};
use stenobot_store::{RequestRow, RequestUpdate, WorkSource};

use super::failures::MAX_FAILED_DOWNLOADS;
use super::{DeliverFailure, DownloadFailure, Failure, Request, TranscribeFailure};

mod sealed {
    pub trait Sealed {}
}

/// One stage of the lifecycle.
pub trait Stage: sealed::Sealed + Sized {
    /// Name in store, metrics and logs.
    const NAME: StageName;
    /// What can go wrong in it.
    type Failure: Failure;
    /// The outcome of entering it: the request, while the same worker goes on with it, or else a receipt.
    type Entered;

    /// What the transition into this stage learned.
    fn update(&self) -> RequestUpdate;

    /// Enters the stage once the store has committed it.
    fn enter(self, row: CommittedRow) -> Self::Entered;
}

/// A row whose new stage the store has committed. Only a transition makes one.
#[derive(Debug)]
pub struct CommittedRow(pub(super) RequestRow);

/// `B: Follows<A>` says that a request may go from `A` to `B`.
pub trait Follows<P: Stage>: Stage {}

/// Implements [`Follows`] for the steps that a worker makes.
macro_rules! follows {
    (open { $($stage:ident $position:ident => next [$($next:ident)*] coalesced [$($coalesced:ident)*] ends [$($end:ident)*]
       released $released:ident;)* } closed [$($closed:ident)*]) => {
        $($(impl Follows<$stage> for $next {})*)*
    };
}

stenobot_domain::lifecycle!(follows);

/// Stages after the download, in which the length of the audio has been measured.
pub trait Measured: Stage {}

impl Measured for Downloaded {}
impl Measured for Queued {}
impl Measured for Transcribing {}
impl Measured for Transcribed {}

/// Stages in which a request waits for a worker.
pub trait Claimable: Stage {
    /// Kind of work for which it is claimed.
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

/// Proof that a stage was committed which no worker holds.
#[derive(Debug)]
#[must_use]
pub struct Receipt<S> {
    id: RequestId,
    received_at: Timestamp,
    stage: S,
}

impl<S> Receipt<S> {
    /// Id of the request.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// Time of the admission.
    pub fn received_at(&self) -> Timestamp {
        self.received_at
    }

    /// The stage that the request entered.
    pub fn stage(&self) -> &S {
        &self.stage
    }
}

macro_rules! stage {
    ($stage:ident, $failure:ident, held) => {
        stage!(@ $stage, $failure, Request<Self>, |stage, row| Request { row, stage });
    };
    ($stage:ident, $failure:ident, free) => {
        stage!(@ $stage, $failure, Receipt<Self>, |stage, row| Receipt {
            id: row.fence.id,
            received_at: row.received_at,
            stage,
        });
    };
    (@ $stage:ident, $failure:ident, $entered:ty, |$self:ident, $row:ident| $enter:expr) => {
        impl sealed::Sealed for $stage {}

        impl Stage for $stage {
            const NAME: StageName = StageName::$stage;
            type Failure = $failure;
            type Entered = $entered;

            fn update(&self) -> RequestUpdate {
                self.learned()
            }

            fn enter(self, CommittedRow($row): CommittedRow) -> Self::Entered {
                let $self = self;
                $enter
            }
        }
    };
}

/// Accepted and durable; its audio is still at Telegram.
#[derive(Debug)]
pub struct Received(());

/// Audio on disk, its length measured.
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

/// Text in memory only, delivery under way.
#[derive(Debug)]
pub struct Transcribed {
    /// Result of the engine.
    pub transcript: Transcript,
    /// Name of the model.
    pub model: String,
    /// Where the text ends, if the sender has stopped the transcription.
    pub stopped_at: Option<Duration>,
}

/// Text delivered.
#[derive(Debug, Default)]
pub struct Done {
    /// How long the audio can be transcribed again; `None` when it is not kept.
    pub keep_audio_for: Option<Duration>,
    /// Whether the text is what was there when the sender stopped the transcription.
    pub is_stopped: bool,
}

stage!(Received, DownloadFailure, held);
stage!(Downloaded, DownloadFailure, held);
stage!(Queued, TranscribeFailure, free);
stage!(Transcribing, TranscribeFailure, held);
stage!(Transcribed, DeliverFailure, held);
stage!(Done, DeliverFailure, free);

impl Received {
    fn learned(&self) -> RequestUpdate {
        RequestUpdate::default()
    }
}

impl Downloaded {
    fn learned(&self) -> RequestUpdate {
        RequestUpdate { length: Some(self.length), ..RequestUpdate::default() }
    }
}

impl Queued {
    fn learned(&self) -> RequestUpdate {
        RequestUpdate::default()
    }
}

impl Transcribing {
    fn learned(&self) -> RequestUpdate {
        RequestUpdate::default()
    }
}

impl Transcribed {
    fn learned(&self) -> RequestUpdate {
        let characters = self.transcript.text().0.chars().count();
        RequestUpdate {
            length: Some(self.transcript.audio),
            model: Some(self.model.clone()),
            processing: Some(self.transcript.processing),
            transcription_length: i64::try_from(characters).ok(),
            language: Some(self.transcript.language.clone()),
            ..RequestUpdate::default()
        }
    }
}

impl Done {
    fn learned(&self) -> RequestUpdate {
        let Self { keep_audio_for, is_stopped } = *self;
        RequestUpdate { keep_audio_for, is_stopped, ..RequestUpdate::default() }
    }
}

impl Claimable for Received {
    const SOURCE: WorkSource = WorkSource::Downloads;
    const FAILURES: i64 = MAX_FAILED_DOWNLOADS;

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
    // A crash of the engine ends the request earlier, with its failure.
    const FAILURES: i64 = MAX_FAILED_DOWNLOADS;

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
