//! Audio that is kept for a while after its request ended, so that it can be heard again.

use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use stenobot_domain::{
    AnswerForm, AudioSource, ChatId, MessageId, RequestId, SpeechLanguage, StageName, Timestamp, UserId,
};

use super::actor::{Actor, Right};
use super::admit::Sender;
use super::{Audio, StoreError, rows, seconds, sql};

/// Whether a request's audio can be heard again.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum AudioLookup {
    /// It can.
    Here(Box<KeptAudio>),
    /// It is no longer kept, or never was.
    Gone,
    /// It is another user's.
    NotYours,
    /// It was made in the name of a chat: only the group's admins may use it.
    AdminsOnly,
}

/// What a new request for kept audio needs.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptAudio {
    /// The request under whose number the file is kept; the new one's `parent`. Not always the one that was asked
    /// for: that may itself have been heard again, or joined to another.
    pub audio: RequestId,
    /// The user or chat that made the request.
    pub owner: Sender,
    /// Where the answer goes.
    pub chat: ChatId,
    /// The topic of the chat, where there are topics.
    pub thread: Option<i32>,
    /// The message with the sound, unless it stayed behind in a group that became a supergroup.
    pub reply_to: Option<MessageId>,
    /// The message that holds the text.
    pub status_message: Option<MessageId>,
    /// How the sound was sent.
    pub source: AudioSource,
    /// In which form the text was given.
    pub form: AnswerForm,
    /// The language that was asked for.
    pub speech_language: Option<SpeechLanguage>,
    /// By which the file is asked for.
    pub file_id: String,
    /// By which the same file is known again.
    pub file_unique_id: String,
    /// Length that the sender claims.
    pub claimed: Option<Duration>,
    /// Language of the sender's Telegram.
    pub locale: Option<String>,
}

/// Audio whose time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueAudio {
    /// The request under whose number it lies.
    pub id: RequestId,
    /// Where its answer was given.
    pub chat: ChatId,
    /// The message that holds the answer.
    pub status_message: Option<MessageId>,
}

impl Audio {
    /// The requests whose audio's time is over, each told once: their files are to be removed now. What would be kept
    /// for longer than `retention` from now is due as well. What is being heard again waits until that is over. A file
    /// that a crash leaves is removed at the next start.
    pub async fn audio_due(&self, retention: Duration) -> Result<Vec<DueAudio>, StoreError> {
        let now = self.0.clock.now();
        let due = sqlx::query_as(sql::TAKE_AUDIO_DUE).bind(now.0).bind(now.after(retention).0);
        let due: Vec<(i64, i64, Option<i32>)> = due.fetch_all(&self.0.writer).await?;
        if !due.is_empty() {
            self.0.changed();
        }
        let due = due.into_iter().map(|(id, chat, message)| DueAudio {
            id: RequestId(id),
            chat: ChatId(chat),
            status_message: message.map(MessageId),
        });
        Ok(due.collect())
    }

    /// Whether this actor can have a request's audio transcribed again.
    pub async fn kept_audio(&self, of: RequestId, by: impl Into<Actor>) -> Result<AudioLookup, StoreError> {
        let now = self.0.clock.now();
        let row: Option<SqliteRow> = sqlx::query(sql::KEPT_AUDIO).bind(of.0).fetch_optional(&self.0.reader).await?;
        Ok(row.map_or(Ok(AudioLookup::Gone), |row| read(&row, by.into(), now))?)
    }
}

fn read(row: &SqliteRow, by: Actor, now: Timestamp) -> Result<AudioLookup, sqlx::Error> {
    let owner = Sender {
        id: UserId(row.try_get("telegram_id")?),
        username: row.try_get("username")?,
        first_name: row.try_get("first_name")?,
        last_name: row.try_get("last_name")?,
    };
    let chat = ChatId(row.try_get("chat_id")?);
    match by.right(owner.id, chat) {
        Right::Granted => {}
        Right::AdminsOnly => return Ok(AudioLookup::AdminsOnly),
        Right::Denied => return Ok(AudioLookup::NotYours),
    }
    // Whoever presses a button has the answer, whether or not its request is done yet.
    let answered = matches!(rows::stage(row)?, StageName::Transcribed | StageName::Done);
    let until: Option<i64> = row.try_get("audio_until")?;
    let under_way =
        row.try_get::<Option<&str>, _>("audio_stage")?.and_then(StageName::parse) == Some(StageName::Transcribed);
    if !answered || !(under_way || until.is_some_and(|until| until > now.0)) {
        return Ok(AudioLookup::Gone);
    }
    Ok(AudioLookup::Here(Box::new(KeptAudio {
        audio: RequestId(row.try_get("audio_id")?),
        owner,
        chat,
        thread: row.try_get("thread_id")?,
        reply_to: rows::message(row, "reply_to_message_id")?,
        status_message: rows::message(row, "status_message_id")?,
        source: rows::source(row)?,
        form: rows::form(row)?,
        speech_language: rows::speech_language(row)?,
        file_id: row.try_get("voice_file_id")?,
        file_unique_id: row.try_get("file_unique_id")?,
        claimed: row.try_get::<Option<f64>, _>("claimed_duration_seconds")?.map(seconds),
        locale: row.try_get("locale")?,
    })))
}
