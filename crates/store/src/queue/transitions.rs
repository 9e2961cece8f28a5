//! Fenced writes: how a claimed request goes on, ends, or is given back. All are retried until transient errors pass.

use std::time::Duration;

use stenobot_domain::{ChatId, MessageId, RequestId, StageName, Timestamp};

use super::rows::{Fence, RequestUpdate, Settlement};
use super::{LEASE, Queue};
use crate::StoreError;
use crate::crash::{self, Side};
use crate::sqlite::Transaction;

impl Queue {
    /// Moves a claimed row to its next stage, with what was learned on the way, and renews the lease where the next stage
    /// is held too.
    pub async fn advance(&self, fence: &Fence, to: StageName, update: &RequestUpdate) -> Result<(), StoreError> {
        self.advance_within_day(fence, to, update, None).await.map(|_within| ())
    }

    /// As [`Queue::advance`], unless the length in `update` takes the user over `per_day`, the audio of one day: then nothing
    /// is written, and this gives false. Checks and writes in one transaction, so that of two requests under way only one
    /// takes what is left.
    pub async fn advance_within_day(
        &self,
        fence: &Fence,
        to: StageName,
        update: &RequestUpdate,
        per_day: Option<Duration>,
    ) -> Result<bool, StoreError> {
        debug_assert!(fence.stage.may_become(to), "{} -> {to} is no step of the lifecycle", fence.stage);
        self.0.retrying("record a transition", || self.advance_once(fence, to, update, per_day)).await
    }

    async fn advance_once(
        &self,
        fence: &Fence,
        to: StageName,
        update: &RequestUpdate,
        per_day: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let now = self.0.clock.now();
        crash::point(Side::Before, to.as_str());
        let mut tx = self.0.connections.begin().await?;
        let advanced = tx.sql().advance(fence, to, update, now, now.after(LEASE)).await?;
        exactly_one(fence, advanced)?;
        if let Some(limit) = per_day
            && super::daily_usage::is_over(&mut tx, fence.id, limit, now).await?
        {
            tx.rollback().await?;
            return Ok(false);
        }
        if to == StageName::Done {
            tx.sql().add_to_total_usage(fence.id).await?;
        }
        tx.commit().await?;
        crash::point(Side::After, to.as_str());
        self.0.changed();
        Ok(true)
    }

    /// Ends a claimed row other than by delivery. Unless `settlement` needs no answer, a notice can be claimed afterwards.
    pub async fn settle(&self, fence: &Fence, settlement: Settlement) -> Result<(), StoreError> {
        self.settle_with_codec(fence, settlement, None).await
    }

    /// As [`Queue::settle`], with the name of the unsupported codec for the notice.
    pub async fn settle_with_codec(
        &self,
        fence: &Fence,
        settlement: Settlement,
        codec: Option<&str>,
    ) -> Result<(), StoreError> {
        debug_assert!(fence.stage.may_become(settlement.stage()), "{} cannot end by {settlement:?}", fence.stage);
        let settle = || async {
            let now = self.0.clock.now();
            crash::point(Side::Before, "settlement");
            let mut tx = self.0.connections.begin().await?;
            exactly_one(fence, tx.sql().settle(fence, settlement, codec, now).await?)?;
            super::order::leave(&mut tx, fence.id).await?;
            self.commit(tx, "settlement").await
        };
        self.0.retrying("end a request", settle).await
    }

    /// Gives a claimed row back, to be claimed again from `not_before` on, [`MAX_BACKOFF`](super::MAX_BACKOFF) from now at
    /// most. `failed` counts a failure of the request.
    pub async fn release(&self, fence: &Fence, not_before: Timestamp, failed: bool) -> Result<(), StoreError> {
        let release = || async {
            crash::point(Side::Before, "release");
            let mut tx = self.0.connections.begin().await?;
            exactly_one(fence, tx.sql().release(fence, not_before, failed).await?)?;
            tx.sql().follow(&[fence.id]).await?;
            self.commit(tx, "release").await
        };
        self.0.retrying("put a request back", release).await
    }

    /// Records the message in `chat` that shows the request's state, so that a later attempt edits the same one; not if the
    /// chat has moved meanwhile. Renews the lease.
    pub async fn set_status_message(&self, fence: &Fence, chat: ChatId, message: MessageId) -> Result<(), StoreError> {
        let set = || async {
            let until = self.0.clock.now().after(LEASE);
            crash::point(Side::Before, "status message");
            let set = self.0.connections.write().await?.sql().set_status_message(fence, chat, message, until).await?;
            self.committed("status message", fence, set)
        };
        self.0.retrying("remember a message", set).await
    }

    /// Records the message in `chat` that is about to hold the next part of a long answer; not if the chat has moved
    /// meanwhile. Renews the lease.
    pub async fn set_part_message(&self, fence: &Fence, chat: ChatId, message: MessageId) -> Result<(), StoreError> {
        let set = || async {
            let until = self.0.clock.now().after(LEASE);
            crash::point(Side::Before, "part message");
            let set = self.0.connections.write().await?.sql().set_part_message(fence, chat, message, until).await?;
            self.committed("part message", fence, set)
        };
        self.0.retrying("remember a message", set).await
    }

    /// Records how many messages of a long answer have been sent. Renews the lease.
    pub async fn set_parts_delivered(&self, fence: &Fence, parts: u32) -> Result<(), StoreError> {
        let set = || async {
            let until = self.0.clock.now().after(LEASE);
            crash::point(Side::Before, "part");
            let set = self.0.connections.write().await?.sql().set_parts_delivered(fence, parts, until).await?;
            self.committed("part", fence, set)
        };
        self.0.retrying("remember what was sent", set).await
    }

    /// Records the message in `chat` that shows the state of a coalesced request. False when the request is held now, or
    /// the chat has moved. Not retried: the message is optional.
    pub async fn set_coalesced_status_message(
        &self,
        id: RequestId,
        chat: ChatId,
        message: MessageId,
    ) -> Result<bool, StoreError> {
        let set =
            async { self.0.connections.write().await?.sql().set_coalesced_status_message(id, chat, message).await };
        let set = self.0.noting(set).await?;
        self.0.changed();
        Ok(set)
    }

    async fn commit(&self, tx: Transaction, write: &str) -> Result<(), StoreError> {
        tx.commit().await?;
        crash::point(Side::After, write);
        self.0.changed();
        Ok(())
    }

    /// The end of a fenced write of one statement that changed `rows`.
    pub(super) fn committed(&self, write: &str, fence: &Fence, rows: u64) -> Result<(), StoreError> {
        exactly_one(fence, rows)?;
        crash::point(Side::After, write);
        self.0.changed();
        Ok(())
    }
}

/// Whether a fenced write changed its row.
pub(super) fn exactly_one(fence: &Fence, rows: u64) -> Result<(), StoreError> {
    if rows == 1 { Ok(()) } else { Err(StoreError::LeaseLost { id: fence.id, stage: fence.stage }) }
}
