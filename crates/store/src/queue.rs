//! Requests from admission to answer: claims and leases. The other operations are in the files below.

pub(crate) mod actor;
pub(crate) mod admission;
pub(crate) mod cancellation;
pub(crate) mod comments;
pub(crate) mod daily_usage;
pub(crate) mod deletion;
pub(crate) mod fenced;
pub(crate) mod guests;
mod notices;
pub(crate) mod order;
pub(crate) mod rows;
pub(crate) mod stop;
mod transitions;

use std::time::Duration;

use stenobot_domain::{ChatId, RequestId, UserId};
use tokio::time::{Instant, MissedTickBehavior};

use self::fenced::FencedWrite;
use self::order::TurnClaim;
use self::rows::{Fence, RequestRow, Running, WorkSource};
use crate::StoreError;
use crate::crash::{self, Side};
use crate::database::Database;

/// How long a claim holds without being renewed.
pub const LEASE: Duration = Duration::from_secs(60);

/// Between two renewals of a lease.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(LEASE.as_secs() / 4);

/// The longest pause before another attempt, [`Queue::release`].
pub const MAX_BACKOFF: Duration = Duration::from_secs(300);

/// Requests from admission to answer.
#[derive(Debug, Clone)]
pub struct Queue(pub(crate) Database);

/// Chats and users whose requests are not claimed: enough texts wait for Telegram there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimExclusions {
    /// Chats in which the answers are given.
    pub chats: Vec<ChatId>,
    /// Senders.
    pub users: Vec<UserId>,
}

impl Queue {
    // === Claims ===

    /// Claims the next row of this kind of work, counting an attempt; `None` when there is none. Transcriptions are claimed
    /// in fair order, see [`Queue::waiting`]; downloads, of the user with the fewest under way.
    pub async fn claim(&self, source: WorkSource, owner: &str) -> Result<Option<RequestRow>, StoreError> {
        self.claim_excluding(source, owner, &ClaimExclusions::default()).await
    }

    /// As [`Queue::claim`]; transcriptions of excluded chats and users are passed over.
    pub async fn claim_excluding(
        &self,
        source: WorkSource,
        owner: &str,
        excluded: &ClaimExclusions,
    ) -> Result<Option<RequestRow>, StoreError> {
        let (row, has_changed, write) = match source {
            WorkSource::Downloads => {
                let claim = async {
                    let mut connection = self.0.connections.write().await?;
                    let now = self.0.now(&mut connection).await?;
                    connection.sql().claim_download(owner, now.after(LEASE), now).await
                };
                let row = self.0.noting(claim).await?;
                let has_changed = row.is_some();
                (row, has_changed, "claim of a download")
            }
            WorkSource::Transcriptions => {
                let TurnClaim { row, has_changed } = self.0.noting(self.claim_turn(owner, excluded)).await?;
                (row, has_changed, "claim of a transcription")
            }
        };
        if row.is_some() {
            crash::point(Side::After, write);
        }
        if has_changed {
            self.0.changed();
        }
        Ok(row)
    }

    /// Claims one request that is coalesced into `into`, straight into `Transcribing`, since the text of `into` is there;
    /// `None` when no more are. If it does not get its text, it is claimed for a download of its own once `into` has ended.
    /// Retried.
    pub async fn claim_coalesced(&self, into: RequestId, owner: &str) -> Result<Option<RequestRow>, StoreError> {
        let claim = || async {
            let mut connection = self.0.connections.write().await?;
            let now = self.0.now(&mut connection).await?;
            connection.sql().claim_coalesced(into, owner, now.after(LEASE), now).await
        };
        let row = self.0.retrying("claim a joined request", claim).await?;
        if row.is_some() {
            crash::point(Side::After, "claim of a joined one");
            self.0.changed();
        }
        Ok(row)
    }

    // === Leases ===

    /// Extends the lease of a claimed row to [`LEASE`] from now. Retried.
    pub async fn renew(&self, fence: &Fence) -> Result<(), StoreError> {
        self.write(fence, FencedWrite::Renew).await.map(drop)
    }

    /// Runs `work` and renews the lease beside it, so that a slow renewal does not delay the work. When the lease is lost,
    /// `work` is dropped.
    pub async fn hold<T>(&self, fence: &Fence, work: impl Future<Output = T>) -> Result<T, StoreError> {
        tokio::select! {
            output = work => Ok(output),
            lost = self.renew_until_lost(fence) => Err(lost),
        }
    }

    /// As [`Queue::hold`], for `work` that sends: it is dropped, too, before the other machines take this one for silent and
    /// send in its place.
    pub async fn hold_to_send<T>(&self, fence: &Fence, work: impl Future<Output = T>) -> Result<T, StoreError> {
        let cut_off = "others answer in place of this machine, which has been cut off for too long";
        let held = self.0.unless_silent(self.hold(fence, work)).await;
        held.unwrap_or_else(|| Err(StoreError::Unreachable(cut_off.into())))
    }

    /// Renews the lease until another worker has claimed the request, or the store fails for good.
    async fn renew_until_lost(&self, fence: &Fence) -> StoreError {
        let mut interval = tokio::time::interval_at(Instant::now() + RENEWAL_INTERVAL, RENEWAL_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            match self.renew(fence).await {
                Ok(()) => {}
                // Retries have ended: the work is about to end as well.
                Err(error) if error.is_transient() => {}
                Err(error) => return error,
            }
        }
    }

    /// Expires the leases of an owner that is known to be gone.
    pub async fn expire_leases_of(&self, owner: &str) -> Result<u64, StoreError> {
        let expired = self.0.connections.write().await?.sql().expire_leases_of(owner).await?;
        self.0.changed();
        Ok(expired)
    }

    /// Expires the leases of all other owners. Only for a process that is alone on this store.
    pub async fn expire_other_leases(&self, owner: &str) -> Result<u64, StoreError> {
        let expired = self.0.connections.write().await?.sql().expire_other_leases(owner).await?;
        self.0.changed();
        Ok(expired)
    }

    /// After the clock was set back: brings leases, pauses and admission times of open requests that lie further ahead than
    /// they can back to where they can be, since nothing may wait until the clock has come to them. A worker that is alive
    /// renews its lease long before the new end. Gives the number of changed requests.
    pub async fn clamp_times(&self) -> Result<u64, StoreError> {
        let mut connection = self.0.connections.write().await?;
        let now = self.0.now(&mut connection).await?;
        let clamped = connection.sql().clamp_times(now, now.after(LEASE), now.after(MAX_BACKOFF)).await?;
        if clamped > 0 {
            self.0.changed();
        }
        Ok(clamped)
    }

    // === Queries ===

    /// The requests that the engine works on.
    pub async fn running(&self) -> Result<Vec<Running>, StoreError> {
        self.0.connections.read().await?.sql().running().await
    }

    /// Requests that hold a position in the queue.
    pub async fn depth(&self) -> Result<u32, StoreError> {
        self.depth_excluding(&ClaimExclusions::default()).await
    }

    /// As [`Queue::depth`], without those of excluded chats and users.
    pub async fn depth_excluding(&self, excluded: &ClaimExclusions) -> Result<u32, StoreError> {
        self.0.connections.read().await?.sql().count_waiting(excluded).await
    }
}
