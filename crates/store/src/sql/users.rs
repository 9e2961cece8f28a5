//! Users, chats, bans.

use std::time::Duration;

use sqlx::Row;
use stenobot_domain::{ChatId, SpeechLanguage, StageName, StatusStyle, Timestamp, UserId};

use super::rows::language_columns;
use super::{Statements, count};
use crate::users::{Ban, Profile};
use crate::{ChatSettings, Sender, StoreError};

const UPSERT: &str = concat!(
    "INSERT INTO users (telegram_id, username, first_name, last_name, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, ",
    time!("$5"),
    ", ",
    time!("$5"),
    ") ON CONFLICT (telegram_id) DO UPDATE SET username = excluded.username, first_name = excluded.first_name, \
     last_name = excluded.last_name, reachable = 1, updated_at = excluded.updated_at RETURNING id"
);

const SET_UNREACHABLE: &str = "UPDATE users SET reachable = 0 WHERE telegram_id = $1";

const REACHABLE: &str = "SELECT telegram_id FROM users WHERE reachable = 1 AND telegram_id > 0 \
     AND telegram_id NOT IN (SELECT telegram_id FROM bans) ORDER BY id";

/// An imported time may have any form.
pub(in super::super) const PROFILE: &str = concat!(
    "SELECT username, first_name, last_name, total_usage_seconds, coalesce(",
    millis!("created_at"),
    ", 0) AS first_seen FROM users WHERE telegram_id = $1"
);

pub(in super::super) const ENDED_OF: &str = concat!(
    "SELECT stage, count(*) FROM usage WHERE user_id = (SELECT id FROM users WHERE telegram_id = $1) AND stage IN ",
    closed_stages!(),
    " GROUP BY stage ORDER BY stage"
);

const STOPPED_OF: &str = "SELECT count(*) FROM usage WHERE user_id = (SELECT id FROM users WHERE telegram_id = $1) \
     AND stage = 'done' AND reason = 'stopped'";

/// Of the latest requests only, so that a long history costs no more than a short one. A text without a character has no
/// language of its own.
pub(in super::super) const RECENT_LANGUAGES: &str = "SELECT language, count(*) FROM \
     (SELECT language, transcription_length FROM usage WHERE user_id = (SELECT id FROM users WHERE telegram_id = $1) \
     ORDER BY received_at DESC LIMIT 50) AS recent \
     WHERE language IS NOT NULL AND transcription_length > 0 GROUP BY language ORDER BY count(*) DESC, language LIMIT 10";

// === Chats ===

pub(in super::super) const CHAT_SETTINGS: &str = concat!(
    "SELECT speech_language, speech_languages, auto, times, status, quiet FROM chats WHERE chat_id = ",
    chat_now!("$1")
);

const SET_SPEECH_LANGUAGE: &str = concat!(
    "INSERT INTO chats (chat_id, speech_language, speech_languages, updated_at) VALUES (",
    chat_now!("$1"),
    ", $2, $4, $3) ON CONFLICT (chat_id) DO UPDATE SET speech_language = excluded.speech_language, \
     speech_languages = excluded.speech_languages, updated_at = excluded.updated_at"
);

const SET_AUTO: &str = concat!(
    "INSERT INTO chats (chat_id, auto, updated_at) VALUES (",
    chat_now!("$1"),
    ", $2, $3) ON CONFLICT (chat_id) DO UPDATE SET auto = excluded.auto, updated_at = excluded.updated_at"
);

const SET_TIMES: &str = concat!(
    "INSERT INTO chats (chat_id, times, updated_at) VALUES (",
    chat_now!("$1"),
    ", $2, $3) ON CONFLICT (chat_id) DO UPDATE SET times = excluded.times, updated_at = excluded.updated_at"
);

const SET_STATUS: &str = concat!(
    "INSERT INTO chats (chat_id, status, updated_at) VALUES (",
    chat_now!("$1"),
    ", $2, $3) ON CONFLICT (chat_id) DO UPDATE SET status = excluded.status, updated_at = excluded.updated_at"
);

const SET_QUIET: &str = concat!(
    "INSERT INTO chats (chat_id, quiet, updated_at) VALUES (",
    chat_now!("$1"),
    ", $2, $3) ON CONFLICT (chat_id) DO UPDATE SET quiet = excluded.quiet, updated_at = excluded.updated_at"
);

// === Bans ===

const BAN: &str = "INSERT INTO bans (telegram_id, since) VALUES ($1, $2) ON CONFLICT DO NOTHING";

/// Every id that a chat has or had: a group that became a supergroup has another one there.
macro_rules! all_ids {
    () => {
        "telegram_id IN (SELECT $1 UNION SELECT to_chat_id FROM moved_chats WHERE from_chat_id = $1 \
         UNION SELECT from_chat_id FROM moved_chats WHERE to_chat_id = $1)"
    };
}

const UNBAN: &str = concat!("DELETE FROM bans WHERE ", all_ids!());

/// Channels and groups have no row of a user.
const NEWEST_BANS: &str = "SELECT bans.telegram_id, since, username, first_name, last_name FROM bans \
     LEFT JOIN users ON users.telegram_id = bans.telegram_id ORDER BY since DESC, bans.telegram_id LIMIT $1";

const COUNT_BANS: &str = "SELECT count(*) FROM bans";

pub(in super::super) const IS_BANNED: &str = concat!("SELECT EXISTS (SELECT 1 FROM bans WHERE ", all_ids!(), ")");

// === Groups that became supergroups ===

/// Changes nothing when the move is known.
const RECORD_MOVE: &str = "INSERT INTO moved_chats (from_chat_id, to_chat_id, moved_at) VALUES ($1, $2, $3) \
     ON CONFLICT DO NOTHING";

/// Settings from before the move hold, unless the supergroup has others already.
const MOVE_SETTINGS: &str = "INSERT INTO chats (chat_id, speech_language, speech_languages, auto, times, status, quiet, updated_at) \
     SELECT $2, speech_language, speech_languages, auto, times, status, quiet, updated_at FROM chats WHERE chat_id = $1 \
     ON CONFLICT (chat_id) DO UPDATE SET auto = chats.auto OR excluded.auto, quiet = chats.quiet OR excluded.quiet, \
     times = chats.times AND excluded.times, status = coalesce(chats.status, excluded.status), \
     speech_language = CASE WHEN chats.speech_languages IS NULL \
     THEN coalesce(chats.speech_language, excluded.speech_language) END, \
     speech_languages = CASE WHEN chats.speech_language IS NULL \
     THEN coalesce(chats.speech_languages, excluded.speech_languages) END";

const DROP_SETTINGS: &str = "DELETE FROM chats WHERE chat_id = $1";

/// Requests that are open, or can be transcribed again, are answered in new messages that reply to none.
const FORGET_MESSAGES: &str = "UPDATE usage SET reply_to_message_id = NULL, status_message_id = NULL, \
     part_message_id = NULL, thread_id = NULL WHERE chat_id = $1 AND (answered = 0 OR audio_until IS NOT NULL)";

/// A group is a sender too: its admins may write in its name.
const MOVE_SENDER: &str = "UPDATE users SET telegram_id = $2 WHERE telegram_id = $1 \
     AND NOT EXISTS (SELECT 1 FROM users AS present WHERE present.telegram_id = $2)";

const COPY_BAN: &str = "INSERT INTO bans (telegram_id, since) SELECT $2, since FROM bans WHERE telegram_id = $1 \
     ON CONFLICT DO NOTHING";

const DROP_BAN: &str = "DELETE FROM bans WHERE telegram_id = $1";

const MOVED_TO: &str = "SELECT to_chat_id FROM moved_chats WHERE from_chat_id = $1";

const OTHER_IDS: &str = "SELECT from_chat_id FROM moved_chats WHERE to_chat_id = $1 \
     UNION SELECT to_chat_id FROM moved_chats WHERE from_chat_id = $1";

impl Statements<'_> {
    /// Records a user by their current names; gives their row's key.
    pub(crate) async fn upsert_user(self, sender: &Sender, now: Timestamp) -> Result<i64, StoreError> {
        let upsert = sqlx::query_scalar(UPSERT)
            .bind(sender.id.0)
            .bind(&sender.username)
            .bind(&sender.first_name)
            .bind(&sender.last_name)
            .bind(now.0);
        Ok(upsert.fetch_one(self.0).await?)
    }

    pub(crate) async fn set_unreachable(self, user: UserId) -> Result<(), StoreError> {
        self.execute(sqlx::query(SET_UNREACHABLE).bind(user.0)).await.map(drop)
    }

    pub(crate) async fn reachable_users(self) -> Result<Vec<UserId>, StoreError> {
        let users: Vec<i64> = sqlx::query_scalar(REACHABLE).fetch_all(self.0).await?;
        Ok(users.into_iter().map(UserId).collect())
    }

    pub(crate) async fn profile(self, user: UserId) -> Result<Option<Profile>, StoreError> {
        let row = sqlx::query(PROFILE).bind(user.0).fetch_optional(self.0).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Profile {
            sender: Sender {
                id: user,
                username: row.try_get("username")?,
                first_name: row.try_get("first_name")?,
                last_name: row.try_get("last_name")?,
            },
            first_seen: Timestamp(row.try_get("first_seen")?),
            audio: Duration::from_secs(u64::try_from(row.try_get::<i64, _>("total_usage_seconds")?).unwrap_or(0)),
        }))
    }

    pub(crate) async fn count_ended_of(self, user: UserId) -> Result<Vec<(StageName, u32)>, StoreError> {
        let ended: Vec<(String, i64)> = sqlx::query_as(ENDED_OF).bind(user.0).fetch_all(self.0).await?;
        Ok(ended.into_iter().filter_map(|(stage, ended)| Some((StageName::parse(&stage)?, count(ended)))).collect())
    }

    pub(crate) async fn count_stopped_of(self, user: UserId) -> Result<u32, StoreError> {
        let stopped: i64 = sqlx::query_scalar(STOPPED_OF).bind(user.0).fetch_one(self.0).await?;
        Ok(count(stopped))
    }

    pub(crate) async fn recent_languages(self, user: UserId) -> Result<Vec<(String, u32)>, StoreError> {
        let languages: Vec<(String, i64)> = sqlx::query_as(RECENT_LANGUAGES).bind(user.0).fetch_all(self.0).await?;
        Ok(languages.into_iter().map(|(language, recordings)| (language, count(recordings))).collect())
    }

    pub(crate) async fn chat_settings(self, chat: ChatId) -> Result<Option<ChatSettings>, StoreError> {
        Ok(sqlx::query_as(CHAT_SETTINGS).bind(chat.0).fetch_optional(self.0).await?)
    }

    pub(crate) async fn set_speech_language(
        self,
        chat: ChatId,
        language: Option<SpeechLanguage>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (language, languages) = language_columns(language.as_ref());
        let set = sqlx::query(SET_SPEECH_LANGUAGE).bind(chat.0).bind(language).bind(now.0).bind(languages);
        self.execute(set).await.map(drop)
    }

    pub(crate) async fn set_auto(self, chat: ChatId, auto: bool, now: Timestamp) -> Result<(), StoreError> {
        self.execute(sqlx::query(SET_AUTO).bind(chat.0).bind(auto).bind(now.0)).await.map(drop)
    }

    pub(crate) async fn set_times(self, chat: ChatId, times: bool, now: Timestamp) -> Result<(), StoreError> {
        self.execute(sqlx::query(SET_TIMES).bind(chat.0).bind(times).bind(now.0)).await.map(drop)
    }

    pub(crate) async fn set_status(self, chat: ChatId, style: StatusStyle, now: Timestamp) -> Result<(), StoreError> {
        self.execute(sqlx::query(SET_STATUS).bind(chat.0).bind(style.as_str()).bind(now.0)).await.map(drop)
    }

    pub(crate) async fn set_quiet(self, chat: ChatId, quiet: bool, now: Timestamp) -> Result<(), StoreError> {
        self.execute(sqlx::query(SET_QUIET).bind(chat.0).bind(quiet).bind(now.0)).await.map(drop)
    }

    pub(crate) async fn ban(self, user: UserId, now: Timestamp) -> Result<(), StoreError> {
        self.execute(sqlx::query(BAN).bind(user.0).bind(now.0)).await.map(drop)
    }

    pub(crate) async fn unban(self, user: UserId) -> Result<bool, StoreError> {
        Ok(self.execute(sqlx::query(UNBAN).bind(user.0)).await? > 0)
    }

    pub(crate) async fn newest_bans(self, limit: u32) -> Result<Vec<Ban>, StoreError> {
        let rows = sqlx::query(NEWEST_BANS).bind(i64::from(limit)).fetch_all(self.0).await?;
        let mut bans = Vec::new();
        for row in rows {
            bans.push(Ban {
                id: row.try_get("telegram_id")?,
                since: Timestamp(row.try_get("since")?),
                username: row.try_get("username")?,
                first_name: row.try_get("first_name")?,
                last_name: row.try_get("last_name")?,
            });
        }
        Ok(bans)
    }

    pub(crate) async fn count_bans(self) -> Result<u32, StoreError> {
        Ok(count(sqlx::query_scalar(COUNT_BANS).fetch_one(self.0).await?))
    }

    pub(crate) async fn has_ban(self, user: UserId) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(IS_BANNED).bind(user.0).fetch_one(self.0).await?)
    }

    /// False when the move is known.
    pub(crate) async fn record_move(self, from: ChatId, to: ChatId, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.execute(sqlx::query(RECORD_MOVE).bind(from.0).bind(to.0).bind(now.0)).await? > 0)
    }

    pub(crate) async fn move_chat(self, from: ChatId, to: ChatId) -> Result<(), StoreError> {
        for statement in [MOVE_SETTINGS, MOVE_SENDER, COPY_BAN] {
            sqlx::query(statement).bind(from.0).bind(to.0).execute(&mut *self.0).await?;
        }
        for statement in [DROP_SETTINGS, DROP_BAN, FORGET_MESSAGES] {
            sqlx::query(statement).bind(from.0).execute(&mut *self.0).await?;
        }
        Ok(())
    }

    pub(crate) async fn moved_to(self, chat: ChatId) -> Result<Option<ChatId>, StoreError> {
        let to: Option<i64> = sqlx::query_scalar(MOVED_TO).bind(chat.0).fetch_optional(self.0).await?;
        Ok(to.map(ChatId))
    }

    pub(crate) async fn other_ids(self, chat: ChatId) -> Result<Vec<ChatId>, StoreError> {
        let ids: Vec<i64> = sqlx::query_scalar(OTHER_IDS).bind(chat.0).fetch_all(self.0).await?;
        Ok(ids.into_iter().map(ChatId).collect())
    }
}
