//! Users and chats: names, settings, bans, what is stored about a user.

pub(crate) mod erasure;
pub(crate) mod invitations;
mod moves;

use std::time::Duration;

use stenobot_domain::{AudioLength, ChatId, RequestId, SpeechLanguage, StageName, StatusStyle, Timestamp, UserId};

use crate::backend::Statements;
use crate::database::Database;
use crate::{Queue, Sender, StoreError};

/// Users, chats, bans.
#[derive(Debug, Clone)]
pub struct Users(pub(crate) Database);

/// Settings of a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatSettings {
    /// The language of the speech; `None` leaves it to the settings of the bot.
    pub speech_language: Option<SpeechLanguage>,
    /// Whether audio sent to the chat is transcribed without a command; false until it is set.
    pub auto: bool,
    /// Whether the paragraphs of long recordings begin with their times; true until it is set.
    pub times: bool,
    /// How the state of requests is shown; `None` leaves it to the bot.
    pub status: Option<StatusStyle>,
    /// Whether only texts are sent.
    pub quiet: bool,
}

impl Default for ChatSettings {
    fn default() -> Self {
        Self { speech_language: None, auto: false, times: true, status: None, quiet: false }
    }
}

/// An open request, as its sender is shown it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestStatus {
    /// The request.
    pub id: RequestId,
    /// Chat of the answer.
    pub chat: ChatId,
    /// Its stage.
    pub stage: StageName,
    /// Position among all that wait, from 1; `None` once the engine has it.
    pub position: Option<u32>,
    /// Time of the admission.
    pub received_at: Timestamp,
    /// Length of the audio; a document that is not measured yet has none.
    pub length: Option<AudioLength>,
}

/// A ban, with the names of a user who has written to the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// Of a user, a group or a channel.
    pub id: i64,
    /// Time of the ban.
    pub since: Timestamp,
    /// Without `@`.
    pub username: Option<String>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
}

/// Names of a user, and totals.
pub(crate) struct Profile {
    pub(crate) sender: Sender,
    pub(crate) first_seen: Timestamp,
    pub(crate) audio: Duration,
}

/// All that is stored about a user.
#[derive(Debug, Clone, PartialEq)]
pub struct MyData {
    /// Names as they were last sent.
    pub sender: Sender,
    /// Time of the first message.
    pub first_seen: Timestamp,
    /// Number of ended requests by their stage; stages without any are absent.
    pub ended: Vec<(StageName, u32)>,
    /// Those of them that the user has ended with the text that was there.
    pub stopped: u32,
    /// Length of all transcribed audio, in whole seconds.
    pub audio: Duration,
    /// Settings of the private chat with the bot.
    pub settings: ChatSettings,
    /// Languages that were recognised in the latest recordings, with the number of recordings, the most frequent first.
    pub languages: Vec<(String, u32)>,
    /// Since when they are among the invited.
    pub invited_since: Option<Timestamp>,
    /// Open requests.
    pub under_way: Vec<RequestStatus>,
}

impl Users {
    /// Records a user who wrote to the bot, by their current names.
    pub async fn upsert(&self, sender: &Sender) -> Result<(), StoreError> {
        self.0.noting(self.writing(async |sql, now| sql.upsert_user(sender, now).await)).await.map(drop)
    }

    /// Records that the bot cannot write to a user. It can again when they write.
    pub async fn unreachable(&self, user: UserId) -> Result<(), StoreError> {
        self.0.noting(async { self.0.connections.write().await?.sql().set_unreachable(user).await }).await
    }

    /// The users to whom the bot can write, without banned ones.
    pub async fn reachable(&self) -> Result<Vec<UserId>, StoreError> {
        self.0.connections.read().await?.sql().reachable_users().await
    }

    /// One statement that writes, and its time.
    async fn writing<T>(
        &self,
        write: impl AsyncFnOnce(Statements<'_>, Timestamp) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.0.connections.write().await?;
        let now = self.0.now(&mut connection).await?;
        write(connection.sql(), now).await
    }

    // === Chats ===

    /// Settings of a chat; the defaults where none were set.
    pub async fn chat_settings(&self, chat: ChatId) -> Result<ChatSettings, StoreError> {
        Ok(self.0.connections.read().await?.sql().chat_settings(chat).await?.unwrap_or_default())
    }

    /// Sets the language of the speech in a chat; `None` leaves it to the settings of the bot again.
    pub async fn set_speech_language(&self, chat: ChatId, language: Option<SpeechLanguage>) -> Result<(), StoreError> {
        self.0.noting(self.writing(async |sql, now| sql.set_speech_language(chat, language, now).await)).await
    }

    /// Sets whether audio sent to a chat is transcribed without a command.
    pub async fn set_auto(&self, chat: ChatId, auto: bool) -> Result<(), StoreError> {
        self.0.noting(self.writing(async |sql, now| sql.set_auto(chat, auto, now).await)).await
    }

    /// Sets whether the paragraphs of long recordings begin with their times.
    pub async fn set_times(&self, chat: ChatId, times: bool) -> Result<(), StoreError> {
        self.0.noting(self.writing(async |sql, now| sql.set_times(chat, times, now).await)).await
    }

    /// Sets how the state of requests is shown in a chat.
    pub async fn set_status(&self, chat: ChatId, style: StatusStyle) -> Result<(), StoreError> {
        self.0.noting(self.writing(async |sql, now| sql.set_status(chat, style, now).await)).await
    }

    /// Sets whether only texts are sent to a chat.
    pub async fn set_quiet(&self, chat: ChatId, quiet: bool) -> Result<(), StoreError> {
        self.0.noting(self.writing(async |sql, now| sql.set_quiet(chat, quiet, now).await)).await
    }

    // === Bans ===

    /// Bans a user, a group or a channel, known or not. A ban survives [`Users::forget`], which would lift it otherwise.
    pub async fn ban(&self, user: UserId) -> Result<(), StoreError> {
        self.0.noting(self.writing(async |sql, now| sql.ban(user, now).await)).await
    }

    /// Lifts a ban, by any id that the chat has or had. False when there was none.
    pub async fn unban(&self, user: UserId) -> Result<bool, StoreError> {
        self.0.noting(async { self.0.connections.write().await?.sql().unban(user).await }).await
    }

    /// Whether a user, a group or a channel is banned, by any id that the chat has or had.
    pub async fn is_banned(&self, user: UserId) -> Result<bool, StoreError> {
        self.0.connections.read().await?.sql().has_ban(user).await
    }

    /// The newest bans, at most `limit`, and the number of all.
    pub async fn bans(&self, limit: u32) -> Result<(Vec<Ban>, u32), StoreError> {
        let mut connection = self.0.connections.read().await?;
        Ok((connection.sql().newest_bans(limit).await?, connection.sql().count_bans().await?))
    }

    // === Queries ===

    /// The languages of a user's latest recordings with text, each with its number of recordings, the most frequent first.
    pub async fn recent_languages(&self, user: UserId) -> Result<Vec<(String, u32)>, StoreError> {
        self.0.connections.read().await?.sql().recent_languages(user).await
    }

    /// All that is stored about a user; `None` of an unknown one.
    pub async fn my_data(&self, user: UserId) -> Result<Option<MyData>, StoreError> {
        let mut connection = self.0.connections.read().await?;
        let Some(profile) = connection.sql().profile(user).await? else { return Ok(None) };
        let ended = connection.sql().count_ended_of(user).await?;
        let languages = connection.sql().recent_languages(user).await?;
        let stopped = connection.sql().count_stopped_of(user).await?;
        drop(connection);
        let Profile { sender, first_seen, audio } = profile;
        Ok(Some(MyData {
            sender,
            first_seen,
            ended,
            stopped,
            audio,
            settings: self.chat_settings(ChatId(user.0)).await?,
            languages,
            invited_since: self.invited_since(user).await?,
            under_way: Queue(self.0.clone()).statuses_of(user).await?,
        }))
    }
}
