//! Erasing a user.

use stenobot_domain::{RequestId, Timestamp, UserId};

use super::Statements;
use crate::StoreError;

/// The private chat of a user with the bot has the user's id.
const DELETE_CHAT: &str = "DELETE FROM chats WHERE chat_id = $1";

/// Holds the row: what is admitted for the user meanwhile waits, and finds no row then.
const USER_KEY: &str = concat!("SELECT id FROM users WHERE telegram_id = $1", locked!("users"));

pub(in super::super) const LEASED_OF: &str = concat!(
    "SELECT id FROM usage WHERE answered = 0 AND stage IN ",
    open_stages!(),
    " AND owner IS NOT NULL AND lease_until >= $2 AND ",
    unindexed!("user_id"),
    " = $1 ORDER BY id"
);

pub(in super::super) const WITH_AUDIO_OF: &str = concat!(
    "SELECT id FROM usage WHERE answered = 0 AND stage IN ",
    open_stages!(),
    " AND ",
    unindexed!("user_id"),
    " = $1 UNION SELECT id FROM usage WHERE audio_until IS NOT NULL AND ",
    unindexed!("user_id"),
    " = $1"
);

/// Fences of open requests stop holding, so that no worker writes of them any more.
pub(in super::super) const END_OPEN_OF: &str = concat!(
    "UPDATE usage SET stage = 'cancelled', finished_at = $2, reason = 'sender', owner = NULL, lease_until = NULL, \
     attempt = 0, not_before = 0, updated_at = ",
    time!("$2"),
    " WHERE answered = 0 AND stage IN ",
    open_stages!(),
    " AND ",
    unindexed!("user_id"),
    " = $1"
);

/// One row stands for all erased users, and keeps their totals.
pub(in super::super) const ADD_TO_ERASED: &str = concat!(
    "INSERT INTO users (telegram_id, reachable, total_usage_seconds, created_at, updated_at) \
     SELECT 0, 0, total_usage_seconds, ",
    time!("$2"),
    ", ",
    time!("$2"),
    " FROM users WHERE id = $1 ON CONFLICT (telegram_id) DO UPDATE \
     SET total_usage_seconds = users.total_usage_seconds + excluded.total_usage_seconds, \
     updated_at = excluded.updated_at RETURNING id"
);

pub(in super::super) const ANONYMISE: &str = "UPDATE usage SET user_id = $2, answered = 1, owner = NULL, lease_until = NULL, \
     chat_id = NULL, thread_id = NULL, message_id = NULL, reply_to_message_id = NULL, status_message_id = NULL, \
     part_message_id = NULL, callback_id = NULL, voice_file_id = '', file_unique_id = NULL, locale = NULL, direct_topic_id = NULL, \
     comment_chat_id = NULL, comment_message_id = NULL, speech_language = NULL, speech_languages = NULL, audio_until = NULL, legacy_key = NULL, \
     business_key = NULL, author_name = NULL, sent_at = NULL, source_deleted = 0, sent_messages = NULL, \
     guest_query = NULL, inline_message_id = NULL WHERE user_id = $1";

const DELETE_USER: &str = "DELETE FROM users WHERE id = $1";

impl Statements<'_> {
    pub(crate) async fn delete_chat(self, user: UserId) -> Result<(), StoreError> {
        self.execute(sqlx::query(DELETE_CHAT).bind(user.0)).await.map(drop)
    }

    /// Key of a user's row, by which the statements below find their requests.
    pub(crate) async fn user_key(self, user: UserId) -> Result<Option<i64>, StoreError> {
        Ok(sqlx::query_scalar(USER_KEY).bind(user.0).fetch_optional(self.0).await?)
    }

    pub(crate) async fn leased_requests_of(self, user: i64, now: Timestamp) -> Result<Vec<RequestId>, StoreError> {
        Ok(super::ids(sqlx::query_scalar(LEASED_OF).bind(user).bind(now.0).fetch_all(self.0).await?))
    }

    pub(crate) async fn requests_with_audio_of(self, user: i64) -> Result<Vec<RequestId>, StoreError> {
        Ok(super::ids(sqlx::query_scalar(WITH_AUDIO_OF).bind(user).fetch_all(self.0).await?))
    }

    pub(crate) async fn end_open_requests_of(self, user: i64, now: Timestamp) -> Result<(), StoreError> {
        self.execute(sqlx::query(END_OPEN_OF).bind(user).bind(now.0)).await.map(drop)
    }

    /// Gives the key of the row for all erased users.
    pub(crate) async fn add_to_erased_user(self, user: i64, now: Timestamp) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(ADD_TO_ERASED).bind(user).bind(now.0).fetch_one(self.0).await?)
    }

    pub(crate) async fn anonymise_requests(self, user: i64, erased: i64) -> Result<(), StoreError> {
        self.execute(sqlx::query(ANONYMISE).bind(user).bind(erased)).await.map(drop)
    }

    pub(crate) async fn delete_user(self, user: i64) -> Result<(), StoreError> {
        self.execute(sqlx::query(DELETE_USER).bind(user)).await.map(drop)
    }
}
