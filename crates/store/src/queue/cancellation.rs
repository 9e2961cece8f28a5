//! Cancelling requests.

use stenobot_domain::{CancelledBy, ChatId, RequestId, StageName, Timestamp, UserId};

use super::Queue;
use super::actor::{Actor, Right};
use crate::StoreError;
use crate::crash::{self, Side};

/// Outcome of cancelling a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum CancelOutcome {
    /// It waited and has ended; its notice is due. Requests that were coalesced into it are downloaded themselves.
    Now {
        /// The stage that it was in.
        from: StageName,
    },
    /// A worker holds it. That it was cancelled is recorded; the worker is notified, and ends it.
    Running,
    /// It had ended before.
    Over,
    /// It is another user's.
    NotYours,
    /// It was made in the name of a chat: only the group's admins may cancel it.
    AdminsOnly,
    /// There is no such request.
    Unknown,
}

/// A request that is to be cancelled.
pub(crate) struct CancelTarget {
    pub(crate) stage: StageName,
    pub(crate) has_owner: bool,
    pub(crate) lease_until: Option<Timestamp>,
    /// Where it was made.
    pub(crate) chat: ChatId,
    pub(crate) user: UserId,
}

/// In whose name a request is cancelled.
#[derive(Debug, Clone, Copy)]
pub(super) enum Canceller {
    /// A user, who needs the right to.
    Actor(Actor),
    /// The operator.
    Operator,
    /// The sender, by deleting the message with the recording.
    Deletion,
}

impl Queue {
    /// Ends a request that this actor may cancel and that no worker holds. One whose lease ran out is not held.
    pub async fn cancel(&self, id: RequestId, by: impl Into<Actor>) -> Result<CancelOutcome, StoreError> {
        self.0.noting(self.cancel_once(id, Canceller::Actor(by.into()))).await
    }

    /// Ends all of this user's requests that no worker holds; of the others, the outcome is [`CancelOutcome::Running`].
    pub async fn cancel_all(&self, by: UserId) -> Result<Vec<(RequestId, CancelOutcome)>, StoreError> {
        let open = self.0.connections.read().await?.sql().open_requests_of(by).await?;
        let mut outcomes = Vec::new();
        for id in open {
            outcomes.push((id, self.cancel(id, by).await?));
        }
        Ok(outcomes)
    }

    /// Ends all requests of a group that no worker holds, in the name of the operator.
    pub async fn cancel_all_in(&self, group: ChatId) -> Result<Vec<(RequestId, CancelOutcome)>, StoreError> {
        let open = self.0.connections.read().await?.sql().open_requests_in(group).await?;
        let mut outcomes = Vec::new();
        for id in open {
            outcomes.push((id, self.0.noting(self.cancel_once(id, Canceller::Operator)).await?));
        }
        Ok(outcomes)
    }

    /// Requests that this owner holds and that were cancelled meanwhile.
    pub async fn cancellations_of(&self, owner: &str) -> Result<Vec<RequestId>, StoreError> {
        self.0.connections.read().await?.sql().cancellations_of(owner).await
    }

    pub(super) async fn cancel_once(&self, id: RequestId, by: Canceller) -> Result<CancelOutcome, StoreError> {
        let (mut tx, now) = self.0.begin_in_order().await?;
        let Some(target) = tx.sql().cancel_target(id).await? else { return Ok(CancelOutcome::Unknown) };
        let right = match by {
            Canceller::Actor(actor) => actor.right(target.user, target.chat),
            Canceller::Operator | Canceller::Deletion => Right::Granted,
        };
        match right {
            Right::Denied => return Ok(CancelOutcome::NotYours),
            Right::AdminsOnly => return Ok(CancelOutcome::AdminsOnly),
            Right::Granted => {}
        }
        if target.stage.is_terminal() {
            return Ok(CancelOutcome::Over);
        }
        let reason = match by {
            Canceller::Actor(_) | Canceller::Deletion => CancelledBy::Sender,
            Canceller::Operator => CancelledBy::Operator,
        };
        if target.has_owner && target.lease_until.is_some_and(|until| until >= now) {
            tx.sql().request_cancellation(id, reason).await?;
            tx.commit().await?;
            self.0.cancelled(id);
            return Ok(CancelOutcome::Running);
        }
        tx.sql().cancel(id, reason, now).await?;
        super::order::leave(&mut tx, id).await?;
        crash::point(Side::Before, "cancel");
        tx.commit().await?;
        crash::point(Side::After, "cancel");
        self.0.changed();
        Ok(CancelOutcome::Now { from: target.stage })
    }
}
