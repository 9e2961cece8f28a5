//! Rows of SQLite as the store's types.

use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use stenobot_domain::{
    AnswerForm, AudioLength, AudioSource, CancelledBy, ChatId, FailReason, MessageId, RejectReason, RequestId,
    SpeechLanguage, StageName, Timestamp, UserId,
};

use super::seconds;
use crate::{ChatSettings, Fence, Notice, RequestRow, RequestStatus, Running, Settlement, Waiting};

/// A stored name that no variant has: the row was written by a newer version, or by hand.
fn unknown(column: &str, value: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{column} holds the unknown name {value}").into())
}

pub(super) fn stage_of(name: &str) -> Result<StageName, sqlx::Error> {
    StageName::parse(name).ok_or_else(|| unknown("stage", name))
}

pub(super) fn stage(row: &SqliteRow) -> Result<StageName, sqlx::Error> {
    stage_of(row.try_get("stage")?)
}

fn fence(row: &SqliteRow) -> Result<Fence, sqlx::Error> {
    Ok(Fence {
        id: RequestId(row.try_get("id")?),
        stage: stage(row)?,
        owner: row.try_get("owner")?,
        attempt: row.try_get("attempt")?,
    })
}

pub(super) fn settlement(row: &SqliteRow) -> Result<Settlement, sqlx::Error> {
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

pub(super) fn duration(row: &SqliteRow, column: &str) -> Result<Option<Duration>, sqlx::Error> {
    Ok(row.try_get::<Option<f64>, _>(column)?.map(seconds))
}

/// Of `voice_duration_seconds` and `claimed_duration_seconds`.
pub(super) fn length(row: &SqliteRow) -> Result<Option<AudioLength>, sqlx::Error> {
    Ok(AudioLength::of(duration(row, "voice_duration_seconds")?, duration(row, "claimed_duration_seconds")?))
}

pub(super) fn time(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp))
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
            coalesced_into: request(row, "joined_to")?,
            file_id: row.try_get("voice_file_id")?,
            length: length(row)?,
            locale: row.try_get("locale")?,
            status_message: message(row, "status_message_id")?,
            parts_delivered: row.try_get("parts_delivered")?,
            part_message: message(row, "part_message_id")?,
            transcribed_before: row.try_get("transcribed_before")?,
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
            settlement: settlement(row)?,
            codec: row.try_get("codec")?,
            length: length(row)?,
            received_at: Timestamp(row.try_get("received_at")?),
            folded: Vec::new(),
        })
    }
}

impl sqlx::FromRow<'_, SqliteRow> for Running {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self { length: length(row)?, started_at: Timestamp(row.try_get("started_at")?) })
    }
}

impl sqlx::FromRow<'_, SqliteRow> for Waiting {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: RequestId(row.try_get("id")?),
            user: UserId(row.try_get("telegram_id")?),
            chat: ChatId(row.try_get("chat_id")?),
            status_message: message(row, "status_message_id")?,
            locale: row.try_get("locale")?,
            stage: stage(row)?,
            length: length(row)?,
            received_at: Timestamp(row.try_get("received_at")?),
            coalesced_into: request(row, "joined_to")?,
        })
    }
}

impl sqlx::FromRow<'_, SqliteRow> for RequestStatus {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: RequestId(row.try_get("id")?),
            chat: ChatId(row.try_get("chat_id")?),
            stage: stage(row)?,
            position: None,
            received_at: Timestamp(row.try_get("received_at")?),
            length: length(row)?,
        })
    }
}

impl sqlx::FromRow<'_, SqliteRow> for ChatSettings {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self { speech_language: speech_language(row)?, auto: row.try_get("auto")? })
    }
}
