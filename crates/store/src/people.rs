//! People and chats: who is known, what they have set, who is shut out, what is stored about somebody.

use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use stenobot_domain::{ChatId, RequestId, SpeechLanguage, StageName, Timestamp, UserId};

use super::admit::{Sender, upsert_user};
use super::{Queue, StoreError, Users, rows, seconds, sql};

/// What a chat has set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChatSettings {
    /// The language that is spoken there; `None` leaves it to the settings of the bot.
    pub speech_language: Option<SpeechLanguage>,
    /// Whether what is sent there is transcribed unasked; false until it is set.
    pub auto: bool,
}

/// One of somebody's requests that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The request.
    pub id: RequestId,
    /// Where the answer goes.
    pub chat: ChatId,
    /// Where it stands.
    pub stage: StageName,
    /// Its place among all that wait, from 1; `None` once the engine has it.
    pub position: Option<u32>,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// Known or claimed length; zero when neither is there.
    pub length: Duration,
}

/// All that is stored about somebody.
#[derive(Debug, Clone, PartialEq)]
pub struct MyData {
    /// Names as they were last sent.
    pub sender: Sender,
    /// When they first wrote.
    pub first_seen: Timestamp,
    /// Their requests that have ended, by how; stages without any are absent.
    pub ended: Vec<(StageName, u32)>,
    /// Audio whose text they got, in whole seconds.
    pub audio: Duration,
    /// What they have set in their chat with the bot.
    pub settings: ChatSettings,
    /// Their requests under way.
    pub under_way: Vec<Standing>,
}

impl Users {
    /// Remembers somebody who wrote to the bot, by the names they have now.
    pub async fn meet(&self, sender: &Sender) -> Result<(), StoreError> {
        let mut connection = self.0.writer.acquire().await?;
        let _key = upsert_user(&mut connection, sender, self.0.clock.now()).await?;
        Ok(())
    }

    /// Remembers that the bot cannot write to somebody. It can again when they write.
    pub async fn unreachable(&self, person: UserId) -> Result<(), StoreError> {
        sqlx::query(sql::UNREACHABLE).bind(person.0).execute(&self.0.writer).await?;
        Ok(())
    }

    /// Everybody whom the bot can write to, the banned left out.
    pub async fn reachable_people(&self) -> Result<Vec<UserId>, StoreError> {
        let people: Vec<i64> = sqlx::query_scalar(sql::REACHABLE).fetch_all(&self.0.reader).await?;
        Ok(people.into_iter().map(UserId).collect())
    }

    // === Chats ===

    /// What a chat has set.
    pub async fn chat_settings(&self, chat: ChatId) -> Result<ChatSettings, StoreError> {
        let row = sqlx::query_as(sql::CHAT_SETTINGS).bind(chat.0).fetch_optional(&self.0.reader).await?;
        Ok(row.unwrap_or_default())
    }

    /// Sets the language that is spoken in a chat; `None` leaves it to the settings of the bot again.
    pub async fn set_speech_language(&self, chat: ChatId, language: Option<SpeechLanguage>) -> Result<(), StoreError> {
        let language = language.map(|language| language.to_string());
        let set = sqlx::query(sql::SET_SPEECH_LANGUAGE).bind(chat.0).bind(language).bind(self.0.clock.now().0);
        set.execute(&self.0.writer).await?;
        Ok(())
    }

    /// Sets whether what is sent to a chat is transcribed unasked.
    pub async fn set_auto(&self, chat: ChatId, auto: bool) -> Result<(), StoreError> {
        let set = sqlx::query(sql::SET_AUTO).bind(chat.0).bind(auto).bind(self.0.clock.now().0);
        set.execute(&self.0.writer).await?;
        Ok(())
    }

    // === Bans ===

    /// Bans a user, a group or a channel, known or not. A ban survives [`Store::forget`], else that would lift it.
    pub async fn ban(&self, person: UserId) -> Result<(), StoreError> {
        sqlx::query(sql::BAN).bind(person.0).bind(self.0.clock.now().0).execute(&self.0.writer).await?;
        Ok(())
    }

    /// Lifts a ban, by any id that the chat has or had. False when there was none.
    pub async fn unban(&self, person: UserId) -> Result<bool, StoreError> {
        Ok(sqlx::query(sql::UNBAN).bind(person.0).execute(&self.0.writer).await?.rows_affected() > 0)
    }

    /// Whether a user, a group or a channel is banned, by any id that the chat has or had.
    pub async fn is_banned(&self, person: UserId) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(sql::IS_BANNED).bind(person.0).fetch_one(&self.0.reader).await?)
    }

    /// The languages of a user's latest recordings with text, each with the number of those, the most frequent first.
    pub async fn recent_languages(&self, user: UserId) -> Result<Vec<(String, u32)>, StoreError> {
        Ok(sqlx::query_as(sql::RECENT_LANGUAGES).bind(user.0).fetch_all(&self.0.reader).await?)
    }

    /// All that is stored about somebody; `None` about whom nothing is.
    pub async fn my_data(&self, person: UserId) -> Result<Option<MyData>, StoreError> {
        let row = sqlx::query(sql::PERSON).bind(person.0).fetch_optional(&self.0.reader).await?;
        let Some(row) = row else { return Ok(None) };
        let ended: Vec<(String, u32)> = sqlx::query_as(sql::ENDED_OF).bind(person.0).fetch_all(&self.0.reader).await?;
        Ok(Some(MyData {
            sender: Sender {
                id: person,
                username: row.try_get("username")?,
                first_name: row.try_get("first_name")?,
                last_name: row.try_get("last_name")?,
            },
            first_seen: Timestamp(row.try_get("first_seen")?),
            ended: ended.into_iter().filter_map(|(stage, count)| Some((StageName::parse(&stage)?, count))).collect(),
            audio: Duration::from_secs(u64::try_from(row.try_get::<i64, _>("total_usage_seconds")?).unwrap_or(0)),
            settings: self.chat_settings(ChatId(person.0)).await?,
            under_way: Queue(self.0.clone()).standing(person).await?,
        }))
    }
}

impl Queue {
    /// Somebody's requests under way, oldest first.
    pub async fn standing(&self, person: UserId) -> Result<Vec<Standing>, StoreError> {
        let places: Vec<RequestId> = self.waiting().await?.into_iter().map(|waiting| waiting.id).collect();
        let mut own: Vec<Standing> = sqlx::query_as(sql::STANDING_OF).bind(person.0).fetch_all(&self.0.reader).await?;
        for standing in &mut own {
            let place = places.iter().position(|id| *id == standing.id);
            standing.position = place.and_then(|place| u32::try_from(place + 1).ok());
        }
        Ok(own)
    }
}

impl sqlx::FromRow<'_, SqliteRow> for ChatSettings {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self { speech_language: rows::speech_language(row)?, auto: row.try_get("auto")? })
    }
}

impl sqlx::FromRow<'_, SqliteRow> for Standing {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: RequestId(row.try_get("id")?),
            chat: ChatId(row.try_get("chat_id")?),
            stage: rows::stage(row)?,
            position: None,
            received_at: Timestamp(row.try_get("received_at")?),
            length: seconds(row.try_get("length_seconds")?),
        })
    }
}
