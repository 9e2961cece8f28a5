//! Fenced writes: each changes one claimed row, on condition that its fencing token holds, and is retried until transient
//! errors pass.

use std::time::Duration;

use stenobot_domain::{ChatId, MessageId, RequestId, StageName};

use super::rows::{Fence, RequestUpdate, Settlement};
use super::{Queue, daily_usage, order};
use crate::StoreError;
use crate::crash::{self, Side};

/// A write of one claimed row. Those that keep the claim renew its lease.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FencedWrite<'a> {
    /// To the next stage, unless the length in `update` takes the user over `per_day`, the audio of one day.
    Advance {
        to: StageName,
        update: &'a RequestUpdate,
        per_day: Option<Duration>,
    },
    /// To an end other than by delivery; `codec` names the one that is not supported.
    Settle {
        settlement: Settlement,
        codec: Option<&'a str>,
    },
    /// Back to where it is claimed, after a pause. `failed` counts a failure of the request.
    Release {
        pause: Duration,
        failed: bool,
    },
    /// Back to where it is downloaded, as a request of its own: the text of the one into which it was coalesced is not its.
    Separate,
    Renew,
    /// The message in `chat` that shows the state.
    StatusMessage {
        chat: ChatId,
        message: MessageId,
    },
    /// The message in `chat` that is about to hold the next part of a long answer.
    PartMessage {
        chat: ChatId,
        message: MessageId,
    },
    /// A further message of the answer, which is deleted with the message that it answers.
    SentMessage {
        message: MessageId,
    },
    /// Messages of a long answer that were sent.
    PartsDelivered(u32),
    /// With the refusals that are folded into the notice.
    CloseNotice {
        folded: &'a [RequestId],
    },
    PostponeNotice {
        pause: Duration,
    },
}

impl FencedWrite<'_> {
    /// The write as the end of the sentence "could not ...".
    const fn what(&self) -> &'static str {
        match self {
            Self::Advance { .. } => "record a transition",
            Self::Settle { .. } => "end a request",
            Self::Release { .. } => "put a request back",
            Self::Separate => "separate a coalesced request",
            Self::Renew => "renew a lease",
            Self::StatusMessage { .. } | Self::PartMessage { .. } | Self::SentMessage { .. } => "remember a message",
            Self::PartsDelivered(_) => "remember what was sent",
            Self::CloseNotice { .. } => "record a notice",
            Self::PostponeNotice { .. } => "put a notice off",
        }
    }

    /// Name of its crash points.
    fn name(&self) -> &'static str {
        match self {
            Self::Advance { to, .. } => to.as_str(),
            Self::Settle { .. } => "settlement",
            Self::Release { .. } => "release",
            Self::Separate => "separation",
            Self::Renew => "renewal",
            Self::StatusMessage { .. } => "status message",
            Self::PartMessage { .. } => "part message",
            Self::SentMessage { .. } => "sent message",
            Self::PartsDelivered(_) => "part",
            Self::CloseNotice { .. } => "told",
            Self::PostponeNotice { .. } => "told later",
        }
    }

    /// Whether it changes the places of other requests.
    const fn changes_order(&self) -> bool {
        match self {
            Self::Settle { .. } | Self::Release { .. } => true,
            Self::Advance { .. }
            | Self::Separate
            | Self::Renew
            | Self::StatusMessage { .. }
            | Self::PartMessage { .. }
            | Self::SentMessage { .. }
            | Self::PartsDelivered(_)
            | Self::CloseNotice { .. }
            | Self::PostponeNotice { .. } => false,
        }
    }
}

impl Queue {
    /// False when nothing was written, since the user is over the audio of one day.
    pub(super) async fn write(&self, fence: &Fence, write: FencedWrite<'_>) -> Result<bool, StoreError> {
        self.0.retrying(write.what(), || self.write_once(fence, write)).await
    }

    async fn write_once(&self, fence: &Fence, write: FencedWrite<'_>) -> Result<bool, StoreError> {
        crash::point(Side::Before, write.name());
        let (mut tx, now) = if write.changes_order() { self.0.begin_in_order().await? } else { self.0.begin().await? };
        if tx.sql().write_fenced(fence, &write, now).await? != 1 {
            return Err(StoreError::LeaseLost { id: fence.id, stage: fence.stage });
        }
        let (mut is_cancelled, mut is_stopped) = (false, false);
        match write {
            FencedWrite::Advance { per_day: Some(limit), .. }
                if daily_usage::is_over(&mut tx, fence.id, limit, now).await? =>
            {
                tx.rollback().await?;
                return Ok(false);
            }
            FencedWrite::Advance { to: StageName::Done, .. } => tx.sql().add_to_total_usage(fence.id).await?,
            FencedWrite::Settle { .. } => order::leave(&mut tx, fence.id).await?,
            FencedWrite::Release { .. } => tx.sql().follow(&[fence.id]).await?,
            // Should the notification have been lost.
            FencedWrite::Renew => {
                is_cancelled = tx.sql().has_cancellation(fence.id).await?;
                is_stopped = tx.sql().has_stop(fence.id).await?;
            }
            FencedWrite::CloseNotice { folded } if !folded.is_empty() => tx.sql().close_folded(folded).await?,
            FencedWrite::Advance { .. }
            | FencedWrite::Separate
            | FencedWrite::StatusMessage { .. }
            | FencedWrite::PartMessage { .. }
            | FencedWrite::SentMessage { .. }
            | FencedWrite::PartsDelivered(_)
            | FencedWrite::CloseNotice { .. }
            | FencedWrite::PostponeNotice { .. } => {}
        }
        tx.commit().await?;
        crash::point(Side::After, write.name());
        self.0.changed();
        if is_cancelled {
            self.0.cancelled(fence.id);
        }
        if is_stopped {
            self.0.stopped(fence.id);
        }
        Ok(true)
    }
}
