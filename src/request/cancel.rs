//! Cancelling requests that no worker holds. A held one must be stopped by its worker, with `DownloadFailure::Cancelled` or
//! `TranscribeFailure::Cancelled`.

use stenobot_domain::{BusinessKey, CancelledBy, ChatId, RequestId, UserId};
use stenobot_store::{Actor, CancelOutcome, Store, StoreError};

use super::{Event, observe};

/// Cancels a request that this actor may cancel, unless a worker holds it.
pub async fn cancel(store: &Store, id: RequestId, by: impl Into<Actor>) -> Result<CancelOutcome, StoreError> {
    let outcome = store.queue.cancel(id, by).await?;
    observe_cancel(id, outcome, CancelledBy::Sender);
    Ok(outcome)
}

/// Cancels all requests of this user.
pub async fn cancel_all(store: &Store, by: UserId) -> Result<Vec<(RequestId, CancelOutcome)>, StoreError> {
    let outcomes = store.queue.cancel_all(by).await?;
    for (id, outcome) in &outcomes {
        observe_cancel(*id, *outcome, CancelledBy::Sender);
    }
    Ok(outcomes)
}

/// Cancels all requests of a group in the name of the operator.
pub async fn cancel_all_in(store: &Store, group: ChatId) -> Result<Vec<(RequestId, CancelOutcome)>, StoreError> {
    let outcomes = store.queue.cancel_all_in(group).await?;
    for (id, outcome) in &outcomes {
        observe_cancel(*id, *outcome, CancelledBy::Operator);
    }
    Ok(outcomes)
}

/// Ends the requests for a recording that was deleted where it was sent.
pub(crate) async fn delete_source(
    store: &Store,
    source: BusinessKey,
) -> Result<Vec<(RequestId, CancelOutcome)>, StoreError> {
    let outcomes = store.queue.delete_source(source).await?;
    for (id, outcome) in &outcomes {
        observe_cancel(*id, *outcome, CancelledBy::Sender);
    }
    Ok(outcomes)
}

fn observe_cancel(id: RequestId, outcome: CancelOutcome, by: CancelledBy) {
    match outcome {
        CancelOutcome::Now { from } => observe(&Event::Cancelled { id, stage: from, by }),
        CancelOutcome::Running
        | CancelOutcome::Over
        | CancelOutcome::NotYours
        | CancelOutcome::AdminsOnly
        | CancelOutcome::Unknown => {}
    }
}
