//! Groups that became supergroups. The supergroup has another id, and the message ids of the group mean nothing there.

use stenobot_domain::ChatId;

use super::Users;
use crate::StoreError;
use crate::crash::{self, Side};

impl Users {
    /// Records that a group became a supergroup, and moves its settings, bans and open requests there. False when that was
    /// known.
    ///
    /// Requests that are held stay held: fences are not touched.
    pub async fn move_chat(&self, from: ChatId, to: ChatId) -> Result<bool, StoreError> {
        self.0.noting(self.move_chat_once(from, to)).await
    }

    /// As [`Users::move_chat`], retried, for a caller that holds a request.
    pub async fn move_chat_retrying(&self, from: ChatId, to: ChatId) -> Result<bool, StoreError> {
        self.0.retrying("record that a group became a supergroup", || self.move_chat_once(from, to)).await
    }

    async fn move_chat_once(&self, from: ChatId, to: ChatId) -> Result<bool, StoreError> {
        if from == to {
            return Ok(false);
        }
        let (mut tx, now) = self.0.begin().await?;
        if !tx.sql().record_move(from, to, now).await? {
            tx.rollback().await?;
            return Ok(false);
        }
        tx.sql().move_chat(from, to).await?;
        crash::point(Side::Before, "move");
        tx.commit().await?;
        crash::point(Side::After, "move");
        self.0.changed();
        Ok(true)
    }

    /// The supergroup that a group became; `None` for any other chat.
    pub async fn moved_to(&self, chat: ChatId) -> Result<Option<ChatId>, StoreError> {
        self.0.connections.read().await?.sql().moved_to(chat).await
    }

    /// The other ids of a chat: earlier ones, and the current one.
    pub async fn other_ids(&self, chat: ChatId) -> Result<Vec<ChatId>, StoreError> {
        self.0.connections.read().await?.sql().other_ids(chat).await
    }
}
