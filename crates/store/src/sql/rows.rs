//! Rows of SQLite as the store's types.

use std::time::Duration;

use sqlx::Row;
use stenobot_domain::{
    AnswerForm, AudioLength, AudioSource, BusinessKey, BusinessMessage, CancelledBy, ChatId, FailReason, GuestCall,
    GuestQueryId, InlineMessageId, MessageId, Origin, PersonName, RejectReason, RequestId, SpeechLanguage, StageName,
    StateDisplay, StatusStyle, ThreadId, Timestamp, UserId,
};

use super::{DbRow, count, seconds};
use crate::{ChatSettings, Fence, Notice, RequestRow, RequestStatus, Running, Settlement, Waiting};

/// A stored name that no variant has: the row was written by a newer version, or by hand.
fn unknown(column: &str, value: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{column} holds the unknown name {value}").into())
}

pub(super) fn stage_of(name: &str) -> Result<StageName, sqlx::Error> {
    StageName::parse(name).ok_or_else(|| unknown("stage", name))
}

pub(super) fn stage(row: &DbRow) -> Result<StageName, sqlx::Error> {
    stage_of(row.try_get("stage")?)
}

fn fence(row: &DbRow) -> Result<Fence, sqlx::Error> {
    Ok(Fence {
        id: RequestId(row.try_get("id")?),
        stage: stage(row)?,
        owner: row.try_get("owner")?,
        attempt: row.try_get("attempt")?,
    })
}

pub(super) fn settlement(row: &DbRow) -> Result<Settlement, sqlx::Error> {
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

pub(super) fn source(row: &DbRow) -> Result<AudioSource, sqlx::Error> {
    let name: &str = row.try_get("source")?;
    AudioSource::parse(name).ok_or_else(|| unknown("source", name))
}

pub(super) fn form(row: &DbRow) -> Result<AnswerForm, sqlx::Error> {
    let name: &str = row.try_get("form")?;
    AnswerForm::parse(name).ok_or_else(|| unknown("form", name))
}

pub(super) fn display(row: &DbRow) -> Result<StateDisplay, sqlx::Error> {
    let name: &str = row.try_get("display")?;
    StateDisplay::parse(name).ok_or_else(|| unknown("display", name))
}

/// Of `speech_language` and `speech_languages`. A program that knows only the former may have set it since.
pub(super) fn speech_language(row: &DbRow) -> Result<Option<SpeechLanguage>, sqlx::Error> {
    let parse = |column| {
        let codes: Option<&str> = row.try_get(column)?;
        codes.map(|codes| codes.parse().map_err(|_| unknown(column, codes))).transpose()
    };
    Ok(parse("speech_language")?.or(parse("speech_languages")?))
}

/// A language as the columns `speech_language` and `speech_languages`.
pub(super) fn language_columns(language: Option<&SpeechLanguage>) -> (Option<String>, Option<String>) {
    match language {
        Some(SpeechLanguage::Several(list)) => (None, Some(list.to_string())),
        Some(one @ (SpeechLanguage::Auto | SpeechLanguage::Code(_))) => (Some(one.to_string()), None),
        None => (None, None),
    }
}

fn cancellation(row: &DbRow) -> Result<Option<CancelledBy>, sqlx::Error> {
    let by: Option<&str> = row.try_get("cancel_requested")?;
    by.map(|by| CancelledBy::parse(by).ok_or_else(|| unknown("cancel_requested", by))).transpose()
}

pub(super) fn thread(row: &DbRow) -> Result<Option<ThreadId>, sqlx::Error> {
    let topic = row.try_get::<Option<i32>, _>("thread_id")?.map(ThreadId::Topic);
    Ok(topic.or(row.try_get::<Option<i64>, _>("direct_topic_id")?.map(ThreadId::Direct)))
}

pub(super) fn request(row: &DbRow, column: &str) -> Result<Option<RequestId>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(RequestId))
}

pub(super) fn message(row: &DbRow, column: &str) -> Result<Option<MessageId>, sqlx::Error> {
    Ok(row.try_get::<Option<i32>, _>(column)?.map(MessageId))
}

pub(super) fn duration(row: &DbRow, column: &str) -> Result<Option<Duration>, sqlx::Error> {
    Ok(row.try_get::<Option<f64>, _>(column)?.map(seconds))
}

/// Of `voice_duration_seconds` and `claimed_duration_seconds`.
pub(super) fn length(row: &DbRow) -> Result<Option<AudioLength>, sqlx::Error> {
    Ok(AudioLength::of(duration(row, "voice_duration_seconds")?, duration(row, "claimed_duration_seconds")?))
}

pub(super) fn time(row: &DbRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp))
}

pub(super) fn origin(row: &DbRow) -> Result<Origin, sqlx::Error> {
    if let Some(query) = row.try_get::<Option<String>, _>("guest_query")? {
        let message: Option<String> = row.try_get("inline_message_id")?;
        return Ok(Origin::Guest(GuestCall { query: GuestQueryId(query), message: message.map(InlineMessageId) }));
    }
    let Some(key) = row.try_get::<Option<Vec<u8>>, _>("business_key")? else { return Ok(Origin::Chat) };
    let author: Option<String> = row.try_get("author_name")?;
    Ok(Origin::Business(BusinessMessage {
        key: BusinessKey::from_bytes(&key).ok_or_else(|| sqlx::Error::Decode("business_key is no hash".into()))?,
        author: author.as_deref().and_then(PersonName::new),
        sent_at: time(row, "sent_at")?.unwrap_or(Timestamp(0)),
    }))
}

impl sqlx::FromRow<'_, DbRow> for RequestRow {
    fn from_row(row: &DbRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            fence: fence(row)?,
            failures: row.try_get("failures")?,
            interruptions: row.try_get("interruptions")?,
            cancel_requested: cancellation(row)?,
            chat: ChatId(row.try_get("chat_id")?),
            thread: thread(row)?,
            reply_to: message(row, "reply_to_message_id")?,
            origin: origin(row)?,
            display: display(row)?,
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
            parts_delivered: count(row.try_get("parts_delivered")?),
            part_message: message(row, "part_message_id")?,
            transcribed_before: row.try_get("transcribed_before")?,
            received_at: Timestamp(row.try_get("received_at")?),
        })
    }
}

impl sqlx::FromRow<'_, DbRow> for Notice {
    fn from_row(row: &DbRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            fence: fence(row)?,
            chat: ChatId(row.try_get("chat_id")?),
            thread: thread(row)?,
            reply_to: message(row, "reply_to_message_id")?,
            origin: origin(row)?,
            display: display(row)?,
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

impl sqlx::FromRow<'_, DbRow> for Running {
    fn from_row(row: &DbRow) -> Result<Self, sqlx::Error> {
        Ok(Self { length: length(row)?, started_at: Timestamp(row.try_get("started_at")?) })
    }
}

impl sqlx::FromRow<'_, DbRow> for Waiting {
    fn from_row(row: &DbRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: RequestId(row.try_get("id")?),
            user: UserId(row.try_get("telegram_id")?),
            chat: ChatId(row.try_get("chat_id")?),
            origin: origin(row)?,
            status_message: message(row, "status_message_id")?,
            locale: row.try_get("locale")?,
            stage: stage(row)?,
            length: length(row)?,
            received_at: Timestamp(row.try_get("received_at")?),
            coalesced_into: request(row, "joined_to")?,
        })
    }
}

impl sqlx::FromRow<'_, DbRow> for RequestStatus {
    fn from_row(row: &DbRow) -> Result<Self, sqlx::Error> {
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

impl sqlx::FromRow<'_, DbRow> for ChatSettings {
    fn from_row(row: &DbRow) -> Result<Self, sqlx::Error> {
        let status: Option<&str> = row.try_get("status")?;
        Ok(Self {
            speech_language: speech_language(row)?,
            auto: row.try_get("auto")?,
            times: row.try_get("times")?,
            status: status.map(|name| StatusStyle::parse(name).ok_or_else(|| unknown("status", name))).transpose()?,
            quiet: row.try_get("quiet")?,
        })
    }
}
