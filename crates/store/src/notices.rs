//! Ended requests whose senders have to be told.

use stenobot_domain::{ChatId, RequestId, Timestamp};

use super::crash::{self, Side};
use super::{Fence, LEASE, Notice, Queue, StoreError, exactly_one, ids, list, sql};

impl Queue {
    /// Takes the oldest ended request whose sender has not been told yet.
    pub async fn claim_notice(&self, owner: &str) -> Result<Option<Notice>, StoreError> {
        self.claim_notice_excluding(owner, &[]).await
    }

    /// The same, passing over these chats. Of the refusals of a chat (or topic) that have no message yet, the newest is
    /// taken in place of all; the others are in [`Notice::folded`] and stay as they are until it is answered.
    pub async fn claim_notice_excluding(&self, owner: &str, chats: &[ChatId]) -> Result<Option<Notice>, StoreError> {
        let now = self.0.clock.now();
        let mut tx = self.0.writer.begin_with("BEGIN IMMEDIATE").await?;
        let claim = sqlx::query_as(sql::CLAIM_NOTICE).bind(owner).bind(now.after(LEASE).0).bind(now.0);
        let claim = claim.bind(list(chats.iter().map(|chat| chat.0)));
        let claimed: Option<Notice> = claim.fetch_optional(&mut *tx).await?;
        let Some(mut notice) = claimed else {
            tx.rollback().await?;
            return Ok(None);
        };
        // The parameters are numbered as in the claim.
        let folded = sqlx::query_scalar(sql::FOLDED).bind(notice.fence.id.0).bind(0_i64).bind(now.0);
        notice.folded = ids(folded.fetch_all(&mut *tx).await?);
        tx.commit().await?;
        Ok(Some(notice))
    }

    /// Records that a notice arrived, or that nobody is there to read it.
    pub async fn notice_answered(&self, fence: &Fence) -> Result<(), StoreError> {
        self.close_notices(fence, &[]).await
    }

    /// The same for a notice and the refusals that are folded into it.
    pub async fn close_notices(&self, fence: &Fence, folded: &[RequestId]) -> Result<(), StoreError> {
        crash::point(Side::Before, "told");
        let mut tx = self.0.writer.begin_with("BEGIN IMMEDIATE").await?;
        let told = sqlx::query(sql::NOTICE_ANSWERED)
            .bind(fence.id.0)
            .bind(fence.stage.as_str())
            .bind(&fence.owner)
            .bind(fence.attempt)
            .execute(&mut *tx)
            .await?;
        exactly_one(fence, told.rows_affected())?;
        if !folded.is_empty() {
            let folded = list(folded.iter().map(|id| id.0));
            sqlx::query(sql::FOLDED_ANSWERED).bind(folded).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        crash::point(Side::After, "told");
        self.0.changed();
        Ok(())
    }

    /// Puts a notice off.
    pub async fn postpone_notice(&self, fence: &Fence, not_before: Timestamp) -> Result<(), StoreError> {
        self.fenced("told later", fence, sqlx::query(sql::NOTICE_LATER).bind(not_before.0)).await
    }
}
