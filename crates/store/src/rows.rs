//! What goes into the store and comes out of it.

use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use stenobot_domain::{
    AnswerForm, AudioSource, CancelledBy, ChatId, FailReason, MessageId, RejectReason, RequestId, SpeechLanguage,
    StageName, Timestamp, UserId,
};

use super::seconds;

/// Which rows a worker claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkSource {
    /// Accepted requests whose audio is not in the queue yet.
    Downloads,
    /// The queue, and what a dead worker left behind in the engine.
    Transcriptions,
}

/// By which a write proves that its row is still held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The row.
    pub id: RequestId,
    /// The stage it is held in.
    pub stage: StageName,
    /// Who holds it.
    pub owner: String,
    /// The claim by which it is held.
    pub attempt: i64,
}

/// A claimed row.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestRow {
    /// By which it is held.
    pub fence: Fence,
    /// Attempts in this stage that failed while the bot ran.
    pub failures: i64,
    /// Claims in this stage whose worker was gone before it wrote how they ended.
    pub interruptions: i64,
    /// Where the answer goes.
    pub chat: ChatId,
    /// The topic of the chat, where there are topics.
    pub thread: Option<i32>,
    /// The message that is answered: the one with the sound, unless it stayed behind in a group that became a supergroup.
    pub reply_to: Option<MessageId>,
    /// Who sent the sound, or asked for it.
    pub user: UserId,
    /// How the sound was sent.
    pub source: AudioSource,
    /// In which form the text is wanted.
    pub form: AnswerForm,
    /// The language that is spoken in it; `None` leaves it to the settings.
    pub speech_language: Option<SpeechLanguage>,
    /// The request whose audio is heard again.
    pub parent: Option<RequestId>,
    /// The request whose text this one is given as well.
    pub joined_to: Option<RequestId>,
    /// By which the file is asked for.
    pub file_id: String,
    /// Length that the sender claims; nobody claims that of a document.
    pub claimed: Option<Duration>,
    /// Length of the decoded audio, once it is known.
    pub length: Option<Duration>,
    /// Language of the sender's Telegram.
    pub locale: Option<String>,
    /// The message that shows the state.
    pub status_message: Option<MessageId>,
    /// Messages of a long answer that have been sent.
    pub parts_delivered: u32,
    /// The message that is about to hold the next of them.
    pub part_message: Option<MessageId>,
    /// An earlier attempt had the text, and may have delivered it.
    pub heard: bool,
    /// When it was accepted.
    pub received_at: Timestamp,
}

/// What a transition learned. `None` leaves a column as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Length of the decoded audio.
    pub length: Option<Duration>,
    /// Name of the model.
    pub model: Option<String>,
    /// Time the engine took.
    pub processing: Option<Duration>,
    /// Characters of the text. The text itself is never stored.
    pub transcription_length: Option<i64>,
    /// Language that was heard.
    pub language: Option<String>,
    /// Until when the audio of an answered request can be heard again.
    pub audio_until: Option<Timestamp>,
}

/// How a request ends other than by delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Refused.
    Rejected(RejectReason),
    /// Given up.
    Failed(FailReason),
    /// Withdrawn.
    Cancelled(CancelledBy),
}

impl Settlement {
    /// Whether somebody is there who must be told.
    pub const fn needs_answer(self) -> bool {
        match self {
            Self::Rejected(_) | Self::Failed(_) | Self::Cancelled(CancelledBy::Sender | CancelledBy::Operator) => true,
            Self::Cancelled(CancelledBy::ChatGone) => false,
        }
    }
}

/// The stage in which a row waits after its worker gave it back.
pub(super) const fn released(stage: StageName) -> StageName {
    match stage {
        StageName::Received | StageName::Downloaded => StageName::Received,
        StageName::Queued | StageName::Transcribing | StageName::Transcribed => StageName::Queued,
        StageName::Done | StageName::Rejected | StageName::Failed | StageName::Cancelled => stage,
    }
}

/// An ended request whose sender must be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// By which it is held.
    pub fence: Fence,
    /// Where the answer goes.
    pub chat: ChatId,
    /// The topic of the chat, where there are topics.
    pub thread: Option<i32>,
    /// The message that is answered: the one with the sound, unless it stayed behind in a group that became a supergroup.
    pub reply_to: Option<MessageId>,
    /// Who is told.
    pub user: UserId,
    /// The message that showed the state, if any.
    pub status_message: Option<MessageId>,
    /// Language of the sender's Telegram.
    pub locale: Option<String>,
    /// How it ended.
    pub settlement: Settlement,
    /// Name of the codec that is not supported, where that is how it ended.
    pub codec: Option<String>,
    /// Known or claimed length.
    pub length: Duration,
    /// When the request came in.
    pub received_at: Timestamp,
    /// Older refusals of the same chat that are answered by the same message.
    pub folded: Vec<RequestId>,
}

/// A request that the engine works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// Known or claimed length.
    pub length: Duration,
    /// When the engine took it.
    pub started_at: Timestamp,
}

/// Counts for the gauges.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Requests under way by stage; stages without any are absent.
    pub counts: Vec<(StageName, i64)>,
    /// When the oldest waiting request came in.
    pub oldest: Option<Timestamp>,
    /// Audio that waits.
    pub audio: Duration,
}

impl Snapshot {
    /// Requests in this stage.
    pub fn count(&self, stage: StageName) -> i64 {
        self.counts.iter().find(|(name, _)| *name == stage).map_or(0, |(_, count)| *count)
    }
}

// === Reading rows ===

/// A stored name that no variant has: the row was written by a newer version, or by hand.
fn unknown(column: &str, value: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{column} holds the unknown name {value}").into())
}

pub(super) fn stage(row: &SqliteRow) -> Result<StageName, sqlx::Error> {
    let name: &str = row.try_get("stage")?;
    StageName::parse(name).ok_or_else(|| unknown("stage", name))
}

fn fence(row: &SqliteRow) -> Result<Fence, sqlx::Error> {
    Ok(Fence {
        id: RequestId(row.try_get("id")?),
        stage: stage(row)?,
        owner: row.try_get("owner")?,
        attempt: row.try_get("attempt")?,
    })
}

/// How the request of a row ended other than by delivery.
pub(super) fn ended(row: &SqliteRow) -> Result<Settlement, sqlx::Error> {
    let reason: &str = row.try_get("reason")?;
    let settlement = match stage(row)? {
        StageName::Rejected => RejectReason::parse(reason).map(Settlement::Rejected),
        StageName::Failed => FailReason::parse(reason).map(Settlement::Failed),
        StageName::Cancelled => CancelledBy::parse(reason).map(Settlement::Cancelled),
        StageName::Received
        | StageName::Downloaded
        | StageName::Queued
        | StageName::Transcribing
        | StageName::Transcribed
        | StageName::Done => None,
    };
    settlement.ok_or_else(|| unknown("reason", reason))
}

pub(super) fn source(row: &SqliteRow) -> Result<AudioSource, sqlx::Error> {
    let name: &str = row.try_get("source")?;
    AudioSource::parse(name).ok_or_else(|| unknown("source", name))
}

pub(super) fn form(row: &SqliteRow) -> Result<AnswerForm, sqlx::Error> {
    let name: &str = row.try_get("form")?;
    AnswerForm::parse(name).ok_or_else(|| unknown("form", name))
}

pub(super) fn speech_language(row: &SqliteRow) -> Result<Option<SpeechLanguage>, sqlx::Error> {
    let code: Option<&str> = row.try_get("speech_language")?;
    code.map(|code| code.parse().map_err(|_| unknown("speech_language", code))).transpose()
}

pub(super) fn request(row: &SqliteRow, column: &str) -> Result<Option<RequestId>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(RequestId))
}

pub(super) fn message(row: &SqliteRow, column: &str) -> Result<Option<MessageId>, sqlx::Error> {
    Ok(row.try_get::<Option<i32>, _>(column)?.map(MessageId))
}

impl sqlx::FromRow<'_, SqliteRow> for RequestRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            fence: fence(row)?,
            failures: row.try_get("failures")?,
            interruptions: row.try_get("interruptions")?,
            chat: ChatId(row.try_get("chat_id")?),
            thread: row.try_get("thread_id")?,
            reply_to: message(row, "reply_to_message_id")?,
            user: UserId(row.try_get("telegram_id")?),
            source: source(row)?,
            form: form(row)?,
            speech_language: speech_language(row)?,
            parent: request(row, "parent_id")?,
            joined_to: request(row, "joined_to")?,
            file_id: row.try_get("voice_file_id")?,
            claimed: row.try_get::<Option<f64>, _>("claimed_duration_seconds")?.map(seconds),
            length: row.try_get::<Option<f64>, _>("voice_duration_seconds")?.map(seconds),
            locale: row.try_get("locale")?,
            status_message: message(row, "status_message_id")?,
            parts_delivered: row.try_get("parts_delivered")?,
            part_message: message(row, "part_message_id")?,
            heard: row.try_get("heard")?,
            received_at: Timestamp(row.try_get("received_at")?),
        })
    }
}

impl sqlx::FromRow<'_, SqliteRow> for Notice {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            fence: fence(row)?,
            chat: ChatId(row.try_get("chat_id")?),
            thread: row.try_get("thread_id")?,
            reply_to: message(row, "reply_to_message_id")?,
            user: UserId(row.try_get("telegram_id")?),
            status_message: message(row, "status_message_id")?,
            locale: row.try_get("locale")?,
            settlement: ended(row)?,
            codec: row.try_get("codec")?,
            length: row.try_get::<Option<f64>, _>("length_seconds")?.map(seconds).unwrap_or_default(),
            received_at: Timestamp(row.try_get("received_at")?),
            folded: Vec::new(),
        })
    }
}

impl sqlx::FromRow<'_, SqliteRow> for Running {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self { length: seconds(row.try_get("length_seconds")?), started_at: Timestamp(row.try_get("started_at")?) })
    }
}
