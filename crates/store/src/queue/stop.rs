//! Ending a request with the text that is there. The text is in the memory of the machine that holds the request; the store
//! informs that machine.

use stenobot_domain::{RequestId, StageName};

use super::actor::{Actor, Right};
use super::rows::RequestRow;
use super::{LEASE, Queue};
use crate::StoreError;
use crate::crash::{self, Side};

/// Outcome of stopping a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum StopOutcome {
    /// It is being transcribed; the worker that holds it is notified, and ends it with its text.
    Stopping,
    /// It waits, perhaps again: there is no text.
    Waiting,
    /// It has its text, or had ended before.
    Over,
    /// It is another user's.
    NotYours,
    /// It was made in the name of a chat: only the group's admins may stop it.
    AdminsOnly,
    /// There is no such request.
    Unknown,
}

impl Queue {
    /// Has the worker that transcribes a request end it with the text so far. Counts for the attempt that is under way.
    pub async fn stop(&self, id: RequestId, by: impl Into<Actor>) -> Result<StopOutcome, StoreError> {
        self.0.noting(self.stop_once(id, by.into())).await
    }

    /// Requests that this owner holds and that were stopped meanwhile.
    pub async fn stops_of(&self, owner: &str) -> Result<Vec<RequestId>, StoreError> {
        self.0.connections.read().await?.sql().stops_of(owner).await
    }

    /// Claims one of the requests that are coalesced into `of`, into `Transcribing`; the others are coalesced into it from now on.
    /// `None` when there are none. Retried.
    pub async fn take_over_coalesced(&self, of: RequestId, owner: &str) -> Result<Option<RequestRow>, StoreError> {
        let claim = || async {
            let (mut tx, now) = self.0.begin().await?;
            let row = tx.sql().claim_coalesced(of, owner, now.after(LEASE), now).await?;
            if let Some(row) = &row {
                tx.sql().coalesce_into_another(of, row.fence.id).await?;
            }
            tx.commit().await?;
            Ok(row)
        };
        let row = self.0.retrying("claim a joined request", claim).await?;
        if row.is_some() {
            crash::point(Side::After, "claim of a joined one");
            self.0.changed();
        }
        Ok(row)
    }

    async fn stop_once(&self, id: RequestId, by: Actor) -> Result<StopOutcome, StoreError> {
        let (mut tx, now) = self.0.begin().await?;
        let Some(target) = tx.sql().cancel_target(id).await? else { return Ok(StopOutcome::Unknown) };
        match by.right(target.user, target.chat) {
            Right::Denied => return Ok(StopOutcome::NotYours),
            Right::AdminsOnly => return Ok(StopOutcome::AdminsOnly),
            Right::Granted => {}
        }
        let is_held = target.has_owner && target.lease_until.is_some_and(|until| until >= now);
        if is_held && tx.sql().request_stop(id).await? {
            tx.commit().await?;
            self.0.stopped(id);
            return Ok(StopOutcome::Stopping);
        }
        match target.stage {
            StageName::Received | StageName::Downloaded | StageName::Queued | StageName::Transcribing => {
                Ok(StopOutcome::Waiting)
            }
            StageName::Transcribed
            | StageName::Done
            | StageName::Rejected
            | StageName::Failed
            | StageName::Cancelled => Ok(StopOutcome::Over),
        }
    }
}
