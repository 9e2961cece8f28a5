//! Rows as the queue's operations take and give them.

use std::time::Duration;

use stenobot_domain::{
    AnswerForm, AudioLength, AudioSource, CancelledBy, ChatId, FailReason, MessageId, Origin, RejectReason, RequestId,
    SpeechLanguage, StageName, StateDisplay, ThreadId, Timestamp, UserId,
};

/// Kind of work for which a row is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkSource {
    /// Accepted requests whose audio is not in the queue yet.
    Downloads,
    /// The queue, and requests that a dead worker left in the engine.
    Transcriptions,
}

/// Fencing token: every later write of a claimed row is conditional on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The row.
    pub id: RequestId,
    /// The stage in which it is held.
    pub stage: StageName,
    /// The worker that holds it.
    pub owner: String,
    /// Number of the claim.
    pub attempt: i64,
}

/// A claimed row.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestRow {
    /// Fencing token of the claim.
    pub fence: Fence,
    /// Attempts in this stage that failed while the bot ran.
    pub failures: i64,
    /// Claims in this stage whose worker was gone before it recorded an outcome.
    pub interruptions: i64,
    /// Who has cancelled it while another worker held it.
    pub cancel_requested: Option<CancelledBy>,
    /// Chat of the answer.
    pub chat: ChatId,
    /// The topic of the chat, where there are topics.
    pub thread: Option<ThreadId>,
    /// The message that is answered: the one with the audio, unless it stayed behind in a group that became a supergroup.
    pub reply_to: Option<MessageId>,
    /// Where the recording comes from.
    pub origin: Origin,
    /// How the state is shown.
    pub display: StateDisplay,
    /// User or chat that made the request.
    pub user: UserId,
    /// Kind of the message with the audio.
    pub source: AudioSource,
    /// Wanted form of the answer.
    pub form: AnswerForm,
    /// The language of the speech; `None` leaves it to the settings.
    pub speech_language: Option<SpeechLanguage>,
    /// The request whose audio is transcribed again.
    pub parent: Option<RequestId>,
    /// The request whose text this one gets as well.
    pub coalesced_into: Option<RequestId>,
    /// Telegram's id for downloading the file.
    pub file_id: String,
    /// Length of the audio; a document that is not measured yet has none.
    pub length: Option<AudioLength>,
    /// Language code of the sender's Telegram.
    pub locale: Option<String>,
    /// The message that shows the state.
    pub status_message: Option<MessageId>,
    /// Messages of a long answer that have been sent.
    pub parts_delivered: u32,
    /// The message that is about to hold the next of them.
    pub part_message: Option<MessageId>,
    /// An earlier attempt had the text, and may have delivered it.
    pub transcribed_before: bool,
    /// Time of the admission.
    pub received_at: Timestamp,
}

/// What a transition learned. `None` leaves a column as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RequestUpdate {
    /// Measured length of the audio.
    pub length: Option<Duration>,
    /// Name of the model.
    pub model: Option<String>,
    /// Processing time of the engine.
    pub processing: Option<Duration>,
    /// Characters of the text. The text itself is never stored.
    pub transcription_length: Option<i64>,
    /// Recognised language.
    pub language: Option<String>,
    /// How long the audio of an answered request can be transcribed again.
    pub keep_audio_for: Option<Duration>,
    /// Whether its sender has ended it with the text that was there.
    pub is_stopped: bool,
}

/// How a request ends other than by delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Refused.
    Rejected(RejectReason),
    /// Given up.
    Failed(FailReason),
    /// Cancelled.
    Cancelled(CancelledBy),
}

impl Settlement {
    /// Whether a notice is due. When the chat is gone, it could not be sent.
    pub const fn needs_answer(self) -> bool {
        match self {
            Self::Rejected(_) | Self::Failed(_) | Self::Cancelled(CancelledBy::Sender | CancelledBy::Operator) => true,
            Self::Cancelled(CancelledBy::ChatGone) => false,
        }
    }

    /// The stage in which the request ends.
    pub const fn stage(self) -> StageName {
        match self {
            Self::Rejected(_) => StageName::Rejected,
            Self::Failed(_) => StageName::Failed,
            Self::Cancelled(_) => StageName::Cancelled,
        }
    }

    /// The stored name of the reason.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Rejected(reason) => reason.as_str(),
            Self::Failed(reason) => reason.as_str(),
            Self::Cancelled(by) => by.as_str(),
        }
    }
}

/// A claimed notice: an ended request that is not closed.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// Fencing token of the claim.
    pub fence: Fence,
    /// Chat of the answer.
    pub chat: ChatId,
    /// The topic of the chat, where there are topics.
    pub thread: Option<ThreadId>,
    /// The message that is answered: the one with the audio, unless it stayed behind in a group that became a supergroup.
    pub reply_to: Option<MessageId>,
    /// Where the recording comes from.
    pub origin: Origin,
    /// How the state was shown.
    pub display: StateDisplay,
    /// User or chat that made the request.
    pub user: UserId,
    /// The message that showed the state, if any.
    pub status_message: Option<MessageId>,
    /// Language code of the sender's Telegram.
    pub locale: Option<String>,
    /// How the request ended.
    pub settlement: Settlement,
    /// Name of the codec that is not supported, where that is the reason.
    pub codec: Option<String>,
    /// Length of the audio, where it is known.
    pub length: Option<AudioLength>,
    /// Time of the admission.
    pub received_at: Timestamp,
    /// Older refusals of the same chat that are answered by the same message.
    pub folded: Vec<RequestId>,
}

/// A request that the engine works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// Length of the audio.
    pub length: Option<AudioLength>,
    /// Start of the transcription.
    pub started_at: Timestamp,
}
