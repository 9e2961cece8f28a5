//! What goes into the journal and comes out of it.

use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::seconds;
use crate::model::{CancelledBy, ChatId, FailReason, MessageId, RejectReason, RequestId, StageName, Timestamp, UserId};

/// Who sent a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Telegram's id.
    pub id: UserId,
    /// Without the at sign.
    pub username: Option<String>,
    /// As Telegram gives it.
    pub first_name: Option<String>,
    /// As Telegram gives it.
    pub last_name: Option<String>,
}

/// A message with sound, as it came in. All it says of itself is only a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Where the answer goes.
    pub chat: ChatId,
    /// With the chat, the key by which a message is known.
    pub message: MessageId,
    /// Its sender.
    pub from: Sender,
    /// By which the file is asked for.
    pub file_id: String,
    /// By which the same file is known again.
    pub file_unique_id: String,
    /// Length that the sender claims.
    pub claimed: Duration,
    /// Language of the sender's Telegram, as sent.
    pub locale: Option<String>,
}

/// Outcome of [`super::Journal::admit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// Accepted: a place in the queue is reserved.
    New(RequestId),
    /// The message is known; nothing was written.
    Duplicate,
    /// Recorded as refused, since the queue is full.
    QueueFull(RequestId),
}

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
    /// Where the answer goes.
    pub chat: ChatId,
    /// The message that is answered.
    pub message: MessageId,
    /// By which the file is asked for.
    pub file_id: String,
    /// Length that the sender claims.
    pub claimed: Duration,
    /// Length of the decoded audio, once it is known.
    pub length: Option<Duration>,
    /// Language of the sender's Telegram.
    pub locale: Option<String>,
    /// The message that shows the state.
    pub status_message: Option<MessageId>,
    /// Messages of a long answer that have been sent.
    pub parts_delivered: u32,
    /// An earlier attempt had the text, and may have delivered it.
    pub heard: bool,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// When it was queued.
    pub queued_at: Option<Timestamp>,
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
            Self::Rejected(_) | Self::Failed(_) | Self::Cancelled(CancelledBy::Sender) => true,
            Self::Cancelled(CancelledBy::ChatGone | CancelledBy::Operator) => false,
        }
    }
}

impl StageName {
    /// The stage in which a row waits after its worker gave it back.
    pub(super) const fn released(self) -> Self {
        match self {
            Self::Received | Self::Downloaded => Self::Received,
            Self::Queued | Self::Transcribing | Self::Transcribed => Self::Queued,
            Self::Done | Self::Rejected | Self::Failed | Self::Cancelled => self,
        }
    }
}

/// An ended request whose sender must be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// By which it is held.
    pub fence: Fence,
    /// Where the answer goes.
    pub chat: ChatId,
    /// The message that is answered.
    pub message: MessageId,
    /// The message that showed the state, if any.
    pub status_message: Option<MessageId>,
    /// Language of the sender's Telegram.
    pub locale: Option<String>,
    /// How it ended.
    pub settlement: Settlement,
    /// Known or claimed length.
    pub length: Duration,
}

/// A request on its way to the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// The request.
    pub id: RequestId,
    /// Where its state is shown.
    pub chat: ChatId,
    /// The message that shows it.
    pub status_message: Option<MessageId>,
    /// Language of the sender's Telegram.
    pub locale: Option<String>,
    /// `Queued`, or still on the way there.
    pub stage: StageName,
    /// Known or claimed length.
    pub length: Duration,
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

fn stage(row: &SqliteRow) -> Result<StageName, sqlx::Error> {
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

fn message(row: &SqliteRow, column: &str) -> Result<Option<MessageId>, sqlx::Error> {
    Ok(row.try_get::<Option<i32>, _>(column)?.map(MessageId))
}

impl sqlx::FromRow<'_, SqliteRow> for RequestRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            fence: fence(row)?,
            chat: ChatId(row.try_get("chat_id")?),
            message: MessageId(row.try_get("message_id")?),
            file_id: row.try_get("voice_file_id")?,
            claimed: seconds(row.try_get("claimed_duration_seconds")?),
            length: row.try_get::<Option<f64>, _>("voice_duration_seconds")?.map(seconds),
            locale: row.try_get("locale")?,
            status_message: message(row, "status_message_id")?,
            parts_delivered: row.try_get("parts_delivered")?,
            heard: row.try_get("heard")?,
            received_at: Timestamp(row.try_get("received_at")?),
            queued_at: row.try_get::<Option<i64>, _>("queued_at")?.map(Timestamp),
        })
    }
}

impl sqlx::FromRow<'_, SqliteRow> for Notice {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            fence: fence(row)?,
            chat: ChatId(row.try_get("chat_id")?),
            message: MessageId(row.try_get("message_id")?),
            status_message: message(row, "status_message_id")?,
            locale: row.try_get("locale")?,
            settlement: ended(row)?,
            length: row.try_get::<Option<f64>, _>("length_seconds")?.map(seconds).unwrap_or_default(),
        })
    }
}

impl sqlx::FromRow<'_, SqliteRow> for Waiting {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: RequestId(row.try_get("id")?),
            chat: ChatId(row.try_get("chat_id")?),
            status_message: message(row, "status_message_id")?,
            locale: row.try_get("locale")?,
            stage: stage(row)?,
            length: seconds(row.try_get("length_seconds")?),
        })
    }
}

impl sqlx::FromRow<'_, SqliteRow> for Running {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self { length: seconds(row.try_get("length_seconds")?), started_at: Timestamp(row.try_get("started_at")?) })
    }
}
