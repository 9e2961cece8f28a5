//! Audio that is kept for a while after its request ended, so that it can be transcribed again.

use std::time::Duration;

use stenobot_domain::{
    AnswerForm, AudioSource, ChatId, MessageId, Origin, RequestId, SpeechLanguage, StageName, ThreadId, Timestamp,
};

use crate::database::Database;
use crate::queue::actor::{Actor, Right};
use crate::{Sender, StoreError};

/// Recordings that are kept on the disk.
#[derive(Debug, Clone)]
pub struct Audio(pub(crate) Database);

/// Whether a request's audio can be transcribed again.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum AudioLookup {
    /// It is kept.
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
    /// The request under whose id the file is kept; the new request's `parent`. Not always the one that was looked up:
    /// that may itself have been a repetition, or coalesced into another.
    pub audio: RequestId,
    /// The user or chat that made the request.
    pub owner: Sender,
    /// Chat of the answer.
    pub chat: ChatId,
    /// The topic of the chat, where there are topics.
    pub thread: Option<ThreadId>,
    /// The message with the audio, unless it stayed behind in a group that became a supergroup.
    pub reply_to: Option<MessageId>,
    /// Where the recording comes from.
    pub origin: Origin,
    /// The message that holds the text.
    pub status_message: Option<MessageId>,
    /// Kind of the message with the audio.
    pub source: AudioSource,
    /// Form of the answer.
    pub form: AnswerForm,
    /// The language that was requested.
    pub speech_language: Option<SpeechLanguage>,
    /// Telegram's id for downloading the file.
    pub file_id: String,
    /// Telegram's id of the file's content.
    pub file_unique_id: String,
    /// Claimed length; a document has none.
    pub claimed: Option<Duration>,
    /// Language code of the sender's Telegram.
    pub locale: Option<String>,
}

/// Kept audio whose retention is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueAudio {
    /// The request under whose id the file is kept.
    pub id: RequestId,
    /// Chat of its answer.
    pub chat: ChatId,
    /// The message that holds the answer.
    pub status_message: Option<MessageId>,
}

/// A request whose audio is looked up.
pub(crate) struct AudioRow {
    pub(crate) stage: StageName,
    /// Stage of the request under whose id the file is kept.
    pub(crate) audio_stage: Option<StageName>,
    pub(crate) audio_until: Option<Timestamp>,
    pub(crate) kept: KeptAudio,
}

impl Audio {
    /// Those of these requests whose audio files must stay: open ones, and those whose audio is kept.
    pub async fn in_use(&self, ids: &[RequestId]) -> Result<Vec<RequestId>, StoreError> {
        self.0.connections.read().await?.sql().requests_with_audio_among(ids).await
    }

    /// Takes the requests whose audio's retention is over, each once: their files are to be removed now. Audio that would be
    /// kept for longer than `retention` from now is due as well. Audio that is being transcribed again waits for the end of
    /// that. A file that a crash leaves is removed at the next start.
    pub async fn take_due(&self, retention: Duration) -> Result<Vec<DueAudio>, StoreError> {
        let mut connection = self.0.connections.write().await?;
        let now = self.0.now(&mut connection).await?;
        let due = connection.sql().take_due_audio(now, now.after(retention)).await?;
        if !due.is_empty() {
            self.0.changed();
        }
        Ok(due)
    }

    /// Whether this actor can have a request's audio transcribed again.
    pub async fn kept_audio(&self, of: RequestId, by: impl Into<Actor>) -> Result<AudioLookup, StoreError> {
        let mut connection = self.0.connections.read().await?;
        let now = self.0.now(&mut connection).await?;
        let Some(row) = connection.sql().audio_row(of).await? else {
            return Ok(AudioLookup::Gone);
        };
        match by.into().right(row.kept.owner.id, row.kept.chat) {
            Right::Granted => {}
            Right::AdminsOnly => return Ok(AudioLookup::AdminsOnly),
            Right::Denied => return Ok(AudioLookup::NotYours),
        }
        // A button is shown under the answer, which may be there before its request is done.
        let is_transcribed = matches!(row.stage, StageName::Transcribed | StageName::Done);
        let is_kept =
            row.audio_stage == Some(StageName::Transcribed) || row.audio_until.is_some_and(|until| until > now);
        Ok(if is_transcribed && is_kept { AudioLookup::Here(Box::new(row.kept)) } else { AudioLookup::Gone })
    }
}
