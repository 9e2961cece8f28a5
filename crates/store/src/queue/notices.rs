//! Notices: answers to ended requests that get no text.

use std::time::Duration;

use stenobot_domain::{ChatId, RequestId};

use super::fenced::FencedWrite;
use super::rows::{Fence, Notice};
use super::{LEASE, Queue};
use crate::StoreError;

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
        let (mut tx, now) = self.0.begin().await?;
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
        self.write(fence, FencedWrite::CloseNotice { folded }).await.map(drop)
    }

    /// Puts a notice off. Retried.
    pub async fn postpone_notice(&self, fence: &Fence, pause: Duration) -> Result<(), StoreError> {
        self.write(fence, FencedWrite::PostponeNotice { pause }).await.map(drop)
    }
}
