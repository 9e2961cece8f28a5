//! Notices: answers to ended requests that get no text.

use stenobot_domain::{ChatId, RequestId, Timestamp};

use super::rows::{Fence, Notice};
use super::transitions::exactly_one;
use super::{LEASE, Queue};
use crate::StoreError;
use crate::crash::{self, Side};

impl Queue {
    /// Claims the oldest notice that is due.
    pub async fn claim_notice(&self, owner: &str) -> Result<Option<Notice>, StoreError> {
        self.claim_notice_excluding(owner, &[]).await
    }

    /// As [`Queue::claim_notice`], passing over these chats. Of the refusals of a chat (or topic) that have no message yet,
    /// the newest is claimed for all; the others are in [`Notice::folded`] and stay as they are until it is closed.
    pub async fn claim_notice_excluding(&self, owner: &str, chats: &[ChatId]) -> Result<Option<Notice>, StoreError> {
        self.0.noting(self.claim_notice_once(owner, chats)).await
    }

    async fn claim_notice_once(&self, owner: &str, chats: &[ChatId]) -> Result<Option<Notice>, StoreError> {
        let now = self.0.clock.now();
        let mut tx = self.0.connections.begin().await?;
        let Some(mut notice) = tx.sql().claim_notice(owner, now.after(LEASE), now, chats).await? else {
            tx.rollback().await?;
            return Ok(None);
        };
        notice.folded = tx.sql().folded_refusals(notice.fence.id, now).await?;
        tx.commit().await?;
        Ok(Some(notice))
    }

    /// Closes a request: its notice arrived, or can reach no one. Retried.
    pub async fn close_notice(&self, fence: &Fence) -> Result<(), StoreError> {
        self.close_notices(fence, &[]).await
    }

    /// As [`Queue::close_notice`], with the refusals that are folded into the notice.
    pub async fn close_notices(&self, fence: &Fence, folded: &[RequestId]) -> Result<(), StoreError> {
        self.0.retrying("record a notice", || self.close_notices_once(fence, folded)).await
    }

    async fn close_notices_once(&self, fence: &Fence, folded: &[RequestId]) -> Result<(), StoreError> {
        crash::point(Side::Before, "told");
        let mut tx = self.0.connections.begin().await?;
        let closed = tx.sql().close(fence).await?;
        exactly_one(fence, closed)?;
        if !folded.is_empty() {
            tx.sql().close_folded(folded).await?;
        }
        tx.commit().await?;
        crash::point(Side::After, "told");
        self.0.changed();
        Ok(())
    }

    /// Puts a notice off. Retried.
    pub async fn postpone_notice(&self, fence: &Fence, not_before: Timestamp) -> Result<(), StoreError> {
        let postpone = || async {
            crash::point(Side::Before, "told later");
            let postponed = self.0.connections.write().await?.sql().postpone_notice(fence, not_before).await?;
            self.committed("told later", fence, postponed)
        };
        self.0.retrying("put a notice off", postpone).await
    }
}
