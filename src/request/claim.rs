//! Claims: the only way to a request that is held.

use stenobot_domain::{RequestId, StageName};
use stenobot_store::{ClaimExclusions, RequestRow, Store, StoreError};

use super::stages::{Claimable, Stage, Transcribing};
use super::{Event, Request, observe};

/// Ends of the bot during a request after which the request is given up at the next one. They are no failure of the request,
/// as far as is known; but one that takes the whole machine down has to end as well.
pub const MAX_INTERRUPTIONS: i64 = 10;

/// A claimed request.
#[derive(Debug)]
#[must_use]
pub enum Claim<S: Stage> {
    /// To be worked on.
    Ready(Request<S>),
    /// Tried too often: to be given up for this reason.
    Exhausted(Request<S>, S::Failure),
}

impl<S: Claimable> Request<S> {
    /// Claims the next request of this stage; `None` when there is none.
    pub async fn claim(store: &Store, worker: &str) -> Result<Option<Claim<S>>, StoreError> {
        Self::claim_excluding(store, worker, &ClaimExclusions::default()).await
    }

    /// As [`Request::claim`], passing over excluded chats and users.
    pub async fn claim_excluding(
        store: &Store,
        worker: &str,
        excluded: &ClaimExclusions,
    ) -> Result<Option<Claim<S>>, StoreError> {
        let Some(row) = store.queue.claim_excluding(S::SOURCE, worker, excluded).await? else { return Ok(None) };
        let request = Self { row, stage: S::claimed() };
        let attempt = request.attempt();
        observe(&Event::Claimed { id: request.id(), stage: S::NAME, attempt: attempt.number() });
        Ok(Some(if attempt.interruptions > MAX_INTERRUPTIONS {
            Claim::Exhausted(request, S::interrupted(attempt.interruptions))
        } else if attempt.failures >= attempt.allowed(S::FAILURES) {
            Claim::Exhausted(request, S::exhausted(attempt.failures))
        } else {
            Claim::Ready(request)
        }))
    }
}

impl Request<Transcribing> {
    /// Claims one request that is coalesced into `into`, whose text is there: it is to be given the same transcript. `None`
    /// when no more are. To be called before `into` ends: afterwards they get a download of their own.
    pub async fn claim_coalesced(store: &Store, into: RequestId, worker: &str) -> Result<Option<Self>, StoreError> {
        Ok(store.queue.claim_coalesced(into, worker).await?.map(Self::coalesced))
    }

    /// Claims one request that is coalesced into `of`, which is about to end with a part of its text: it is to be given the whole
    /// one, as are the others, which are coalesced into it from now on. `None` when there are none.
    pub(crate) async fn take_over(store: &Store, of: RequestId, worker: &str) -> Result<Option<Self>, StoreError> {
        Ok(store.queue.take_over_coalesced(of, worker).await?.map(Self::coalesced))
    }

    fn coalesced(row: RequestRow) -> Self {
        let request = Self { row, stage: Transcribing::default() };
        let (id, attempt) = (request.id(), request.attempt().number());
        observe(&Event::Claimed { id, stage: StageName::Received, attempt });
        observe(&Event::Advanced { id, from: StageName::Received, to: StageName::Transcribing });
        request
    }
}
