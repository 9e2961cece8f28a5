//! Groups that became supergroups. The supergroup has another id, and the message ids of the group mean nothing there.

use stenobot_domain::ChatId;

use super::crash::{self, Side};
use super::{StoreError, Users};

/// Nothing comes back when the move is known.
const RECORD_MOVE: &str = "INSERT INTO moved_chats (from_chat_id, to_chat_id, moved_at) VALUES (?1, ?2, ?3) \
     ON CONFLICT DO NOTHING";

/// What the chat set before the move holds, unless the supergroup has set something else already.
const MOVE_SETTINGS: &str = "INSERT INTO chats (chat_id, speech_language, auto, updated_at) \
     SELECT ?2, speech_language, auto, updated_at FROM chats WHERE chat_id = ?1 \
     ON CONFLICT (chat_id) DO UPDATE SET auto = max(auto, excluded.auto), \
     speech_language = coalesce(speech_language, excluded.speech_language)";

const DROP_SETTINGS: &str = "DELETE FROM chats WHERE chat_id = ?1";

/// What is open, or can be transcribed again, is answered in new messages that reply to none.
const FORGET_MESSAGES: &str = "UPDATE usage SET reply_to_message_id = NULL, status_message_id = NULL, \
     part_message_id = NULL, thread_id = NULL WHERE chat_id = ?1 AND (answered = 0 OR audio_until IS NOT NULL)";

/// A group is a sender too: its admins may write in its name.
const MOVE_SENDER: &str = "UPDATE OR IGNORE users SET telegram_id = ?2 WHERE telegram_id = ?1";

const MOVE_BAN: &str = "UPDATE OR REPLACE bans SET telegram_id = ?2 WHERE telegram_id = ?1";

const MOVED_TO: &str = "SELECT to_chat_id FROM moved_chats WHERE from_chat_id = ?1";

const OTHER_IDS: &str = "SELECT from_chat_id FROM moved_chats WHERE to_chat_id = ?1 \
     UNION SELECT to_chat_id FROM moved_chats WHERE from_chat_id = ?1";

impl Users {
    /// Records that a group became a supergroup, and moves what is known of it there. False when that was known.
    ///
    /// Requests that are held stay held: fences are not touched.
    pub async fn move_chat(&self, from: ChatId, to: ChatId) -> Result<bool, StoreError> {
        if from == to {
            return Ok(false);
        }
        let now = self.0.clock.now();
        let mut tx = self.0.writer.begin_with("BEGIN IMMEDIATE").await?;
        let recorded = sqlx::query(RECORD_MOVE).bind(from.0).bind(to.0).bind(now.0).execute(&mut *tx).await?;
        if recorded.rows_affected() == 0 {
            tx.rollback().await?;
            return Ok(false);
        }
        for statement in [MOVE_SETTINGS, MOVE_SENDER, MOVE_BAN] {
            sqlx::query(statement).bind(from.0).bind(to.0).execute(&mut *tx).await?;
        }
        for statement in [DROP_SETTINGS, FORGET_MESSAGES] {
            sqlx::query(statement).bind(from.0).execute(&mut *tx).await?;
        }
        crash::point(Side::Before, "move");
        tx.commit().await?;
        crash::point(Side::After, "move");
        self.0.changed();
        Ok(true)
    }

    /// The supergroup that a group became; `None` for any other chat.
    pub async fn moved_to(&self, chat: ChatId) -> Result<Option<ChatId>, StoreError> {
        let to: Option<i64> = sqlx::query_scalar(MOVED_TO).bind(chat.0).fetch_optional(&self.0.reader).await?;
        Ok(to.map(ChatId))
    }

    /// The other ids of a chat: those that it had before, and the one that it has now.
    pub async fn other_ids(&self, chat: ChatId) -> Result<Vec<ChatId>, StoreError> {
        let ids: Vec<i64> = sqlx::query_scalar(OTHER_IDS).bind(chat.0).fetch_all(&self.0.reader).await?;
        Ok(ids.into_iter().map(ChatId).collect())
    }
}
