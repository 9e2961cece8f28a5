//! How a claimed request goes on, ends, or is given back. All but the last are fenced and retried.

use std::time::Duration;

use stenobot_domain::{ChatId, MessageId, RequestId, StageName};

use super::Queue;
use super::fenced::FencedWrite;
use super::rows::{Fence, RequestUpdate, Settlement};
use crate::StoreError;

impl Queue {
    /// Moves a claimed row to its next stage, with what was learned on the way, and renews the lease where the next stage
    /// is held too.
    pub async fn advance(&self, fence: &Fence, to: StageName, update: &RequestUpdate) -> Result<(), StoreError> {
        self.advance_within_day(fence, to, update, None).await.map(drop)
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
        self.write(fence, FencedWrite::Advance { to, update, per_day }).await
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
        self.write(fence, FencedWrite::Settle { settlement, codec }).await.map(drop)
    }

    /// Gives a claimed row back, to be claimed again after a pause of [`MAX_BACKOFF`](super::MAX_BACKOFF) at most. `failed`
    /// counts a failure of the request.
    pub async fn release(&self, fence: &Fence, pause: Duration, failed: bool) -> Result<(), StoreError> {
        self.write(fence, FencedWrite::Release { pause, failed }).await.map(drop)
    }

    /// Gives back a claimed row that was coalesced into another one, as a request of its own: it is downloaded and transcribed
    /// separately.
    pub async fn separate(&self, fence: &Fence) -> Result<(), StoreError> {
        self.write(fence, FencedWrite::Separate).await.map(drop)
    }

    /// Records the message in `chat` that shows the request's state, so that a later attempt edits the same one; not if the
    /// chat has moved meanwhile. Renews the lease.
    pub async fn set_status_message(&self, fence: &Fence, chat: ChatId, message: MessageId) -> Result<(), StoreError> {
        self.write(fence, FencedWrite::StatusMessage { chat, message }).await.map(drop)
    }

    /// Records the message in `chat` that is about to hold the next part of a long answer; not if the chat has moved
    /// meanwhile. Renews the lease.
    pub async fn set_part_message(&self, fence: &Fence, chat: ChatId, message: MessageId) -> Result<(), StoreError> {
        self.write(fence, FencedWrite::PartMessage { chat, message }).await.map(drop)
    }

    /// Records a further message of the answer to a recording of another chat, with which it is deleted. Renews the lease.
    pub async fn add_sent_message(&self, fence: &Fence, message: MessageId) -> Result<(), StoreError> {
        self.write(fence, FencedWrite::SentMessage { message }).await.map(drop)
    }

    /// Records how many messages of a long answer have been sent. Renews the lease.
    pub async fn set_parts_delivered(&self, fence: &Fence, parts: u32) -> Result<(), StoreError> {
        self.write(fence, FencedWrite::PartsDelivered(parts)).await.map(drop)
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
}
