//! Kept audio.

use sqlx::Row;
use stenobot_domain::{ChatId, MessageId, RequestId, StageName, Timestamp, UserId};

use super::{DbRow, Statements, ids, list, rows};
use crate::audio::{AudioRow, DueAudio, KeptAudio};
use crate::{Sender, StoreError};

pub(in super::super) const WITH_AUDIO_AMONG: &str = concat!(
    "SELECT id FROM usage WHERE id IN ",
    list!("$1"),
    " AND ((answered = 0 AND stage IN ",
    open_stages!(),
    ") OR audio_until IS NOT NULL)"
);

/// Audio that is being transcribed again is kept until that is over. None is kept for longer than until `$2`: a later time
/// was written before the clock was set back, or under a longer retention.
pub(in super::super) const TAKE_DUE: &str = concat!(
    "UPDATE usage SET audio_until = NULL WHERE audio_until IS NOT NULL \
     AND audio_until NOT BETWEEN $1 + 1 AND $2 AND NOT EXISTS \
     (SELECT 1 FROM usage AS again WHERE again.answered = 0 AND again.stage IN ",
    open_stages!(),
    " AND again.parent_id = usage.id) RETURNING id, ",
    chat_id!(),
    ", status_message_id"
);

/// The file is that of the request that was downloaded: of a parent, or of the one into which this was coalesced.
pub(in super::super) const KEPT: &str = concat!(
    "SELECT usage.id, usage.stage, ",
    chat_id!(),
    ", usage.thread_id, usage.direct_topic_id, usage.reply_to_message_id, usage.status_message_id, \
     usage.source, usage.form, usage.speech_language, usage.speech_languages, usage.voice_file_id, usage.file_unique_id, usage.locale, \
     ",
    origin_columns!(),
    ", usage.claimed_duration_seconds, audio.id AS audio_id, audio.stage AS audio_stage, audio.audio_until, \
     owner.telegram_id, owner.username, owner.first_name, owner.last_name \
     FROM usage JOIN users AS owner ON owner.id = usage.user_id LEFT JOIN usage AS original ON original.id = usage.joined_to \
     LEFT JOIN usage AS audio ON audio.id = coalesce(usage.parent_id, original.parent_id, original.id, usage.id) \
     WHERE usage.id = $1"
);

impl Statements<'_> {
    pub(crate) async fn requests_with_audio_among(self, of: &[RequestId]) -> Result<Vec<RequestId>, StoreError> {
        let of = list(of.iter().map(|id| id.0));
        Ok(ids(sqlx::query_scalar(WITH_AUDIO_AMONG).bind(of).fetch_all(self.0).await?))
    }

    /// Takes what is over `now`, or would be kept until after `latest`.
    pub(crate) async fn take_due_audio(self, now: Timestamp, latest: Timestamp) -> Result<Vec<DueAudio>, StoreError> {
        let due: Vec<(i64, i64, Option<i32>)> =
            sqlx::query_as(TAKE_DUE).bind(now.0).bind(latest.0).fetch_all(self.0).await?;
        let due = due.into_iter().map(|(id, chat, message)| DueAudio {
            id: RequestId(id),
            chat: ChatId(chat),
            status_message: message.map(MessageId),
        });
        Ok(due.collect())
    }

    pub(crate) async fn audio_row(self, of: RequestId) -> Result<Option<AudioRow>, StoreError> {
        let row = sqlx::query(KEPT).bind(of.0).fetch_optional(self.0).await?;
        Ok(row.map(|row| read(&row)).transpose()?)
    }
}

fn read(row: &DbRow) -> Result<AudioRow, sqlx::Error> {
    let kept = KeptAudio {
        audio: RequestId(row.try_get("audio_id")?),
        owner: Sender {
            id: UserId(row.try_get("telegram_id")?),
            username: row.try_get("username")?,
            first_name: row.try_get("first_name")?,
            last_name: row.try_get("last_name")?,
        },
        chat: ChatId(row.try_get("chat_id")?),
        thread: rows::thread(row)?,
        reply_to: rows::message(row, "reply_to_message_id")?,
        origin: rows::origin(row)?,
        status_message: rows::message(row, "status_message_id")?,
        source: rows::source(row)?,
        form: rows::form(row)?,
        speech_language: rows::speech_language(row)?,
        file_id: row.try_get("voice_file_id")?,
        file_unique_id: row.try_get("file_unique_id")?,
        claimed: rows::duration(row, "claimed_duration_seconds")?,
        locale: row.try_get("locale")?,
    };
    Ok(AudioRow {
        stage: rows::stage(row)?,
        audio_stage: row.try_get::<Option<&str>, _>("audio_stage")?.and_then(StageName::parse),
        audio_until: rows::time(row, "audio_until")?,
        kept,
    })
}
