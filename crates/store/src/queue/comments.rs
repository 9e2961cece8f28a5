//! Where channels' posts are commented on: under their copies in the linked groups.

use stenobot_domain::{ChatId, MessageId, RequestId};

use super::Queue;
use crate::StoreError;

/// A message under which comments are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommentPlace {
    /// The linked group.
    pub group: ChatId,
    /// The copy of the post there.
    pub message: MessageId,
}

impl Queue {
    /// Records the place for comments on a channel's post, if there is an open request for it.
    pub async fn set_comment_place(
        &self,
        channel: ChatId,
        post: MessageId,
        place: CommentPlace,
    ) -> Result<(), StoreError> {
        let set = async { self.0.connections.write().await?.sql().set_comment_place(channel, post, place).await };
        self.0.noting(set).await
    }

    /// The place for comments on a request's post, where it is known.
    pub async fn comment_place(&self, of: RequestId) -> Result<Option<CommentPlace>, StoreError> {
        self.0.connections.read().await?.sql().comment_place(of).await
    }
}
