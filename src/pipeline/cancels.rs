//! Cancellation of requests that are being worked on: a token for each request under way in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stenobot_domain::{RequestId, UserId};
use stenobot_store::{CancelOutcome, Store, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::request::{self, Request, Stage};

/// How long a cancellation is kept for a request that is not registered: longer than any request waits in the queue.
const PENDING_RETENTION: Duration = Duration::from_secs(4 * 3600);

/// The requests under way in this process, and cancellations of requests that are not. Clones share one registry.
#[derive(Debug, Clone, Default)]
pub(crate) struct CancelRegistry(Arc<Mutex<HashMap<RequestId, Entry>>>);

#[derive(Debug)]
struct Entry {
    token: CancellationToken,
    /// Cancelled when the request is to end with the text that is there.
    stop: CancellationToken,
    /// When the request was cancelled without being registered. It may have ended in between and never be registered.
    pending_since: Option<Instant>,
}

/// The registration of a request's work; ends when it is dropped.
#[derive(Debug)]
pub(super) struct CancelGuard {
    id: RequestId,
    token: CancellationToken,
    stop: CancellationToken,
    registry: CancelRegistry,
    /// Whether other work continues the request.
    is_handed_over: bool,
}

impl CancelRegistry {
    fn entries(&self) -> MutexGuard<'_, HashMap<RequestId, Entry>> {
        // Every change is a single step: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers the work on a request that was just claimed. The token is cancelled already if the cancellation came before,
    /// to another machine, or between the claim and this call.
    pub(super) fn register<S: Stage>(&self, request: &Request<S>) -> CancelGuard {
        let guard = self.register_id(request.id());
        if request.is_cancelled() {
            guard.token.cancel();
        }
        guard
    }

    fn register_id(&self, id: RequestId) -> CancelGuard {
        let mut entries = self.entries();
        let new = || Entry { token: CancellationToken::new(), stop: CancellationToken::new(), pending_since: None };
        let entry = entries.entry(id).or_insert_with(new);
        entry.pending_since = None;
        let (token, stop) = (entry.token.clone(), entry.stop.clone());
        CancelGuard { id, token, stop, registry: self.clone(), is_handed_over: false }
    }

    /// Cancels the work on a request that is leased according to the store. Every path that learns of a
    /// cancellation calls this.
    pub(crate) fn cancel(&self, id: RequestId) {
        let now = Instant::now();
        let mut entries = self.entries();
        let is_recent = |since: Instant| now.duration_since(since) < PENDING_RETENTION;
        entries.retain(|_, entry| entry.pending_since.is_none_or(is_recent));
        let (token, stop) = (CancellationToken::new(), CancellationToken::new());
        let pending = || Entry { token, stop, pending_since: Some(now) };
        entries.entry(id).or_insert_with(pending).token.cancel();
    }

    /// Cancels the work on a request if it is done here. On another machine it is registered there.
    pub(crate) fn cancel_registered(&self, id: RequestId) {
        if let Some(entry) = self.entries().get(&id) {
            entry.token.cancel();
        }
    }

    /// Has the work on a request end with the text that is there if it is done here. What is not registered has no text.
    pub(crate) fn stop_registered(&self, id: RequestId) {
        if let Some(entry) = self.entries().get(&id) {
            entry.stop.cancel();
        }
    }

    /// Whether requests are worked on, or cancellations pending.
    pub(crate) fn has_entries(&self) -> bool {
        !self.entries().is_empty()
    }

    /// Removes a cancellation of a request that is not registered; returns whether there was one.
    pub(super) fn remove_pending(&self, id: RequestId) -> bool {
        let mut entries = self.entries();
        let is_pending = entries.get(&id).is_some_and(|entry| entry.pending_since.is_some());
        is_pending && entries.remove(&id).is_some()
    }

    /// Cancels the work on a request if the store found it leased; returns whether the request ends by this cancellation.
    pub(crate) fn follow_up(&self, id: RequestId, outcome: CancelOutcome) -> bool {
        match outcome {
            CancelOutcome::Now { .. } => true,
            CancelOutcome::Running => {
                self.cancel(id);
                true
            }
            CancelOutcome::Over | CancelOutcome::NotYours | CancelOutcome::AdminsOnly | CancelOutcome::Unknown => false,
        }
    }

    /// Cancels all requests of a user; returns how many end by this.
    pub(crate) async fn cancel_all(&self, store: &Store, user: UserId) -> Result<u64, StoreError> {
        let outcomes = request::cancel_all(store, user).await?;
        Ok(outcomes.into_iter().map(|(id, outcome)| u64::from(self.follow_up(id, outcome))).sum())
    }
}

impl CancelGuard {
    /// Cancelled when the work is to stop because the request was cancelled.
    pub(super) fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Cancelled when the request is to end with the text that is there.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Ends the registration while the request continues: a cancellation that came too late for this work stays pending.
    pub(super) fn hand_over(mut self) {
        self.is_handed_over = true;
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        let mut entries = self.registry.entries();
        let is_pending = self.is_handed_over && self.token.is_cancelled();
        if is_pending && let Some(entry) = entries.get_mut(&self.id) {
            entry.pending_since = Some(Instant::now());
        } else {
            entries.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pending_cancellation_expires() {
        let cancels = CancelRegistry::default();
        let working = cancels.register_id(RequestId(1));
        cancels.cancel(RequestId(2));
        tokio::time::advance(PENDING_RETENTION).await;
        cancels.cancel(RequestId(3));
        assert_eq!(cancels.entries().len(), 2, "the registered one, and the latest pending one");
        assert!(!cancels.register_id(RequestId(2)).token().is_cancelled());
        drop(working);
    }

    #[tokio::test]
    async fn a_cancellation_before_the_registration_reaches_the_work() {
        let cancels = CancelRegistry::default();
        let guard = cancels.register_id(RequestId(1));
        assert!(!guard.token().is_cancelled());
        cancels.cancel(RequestId(1));
        assert!(guard.token().is_cancelled());
        drop(guard);
        assert!(!cancels.register_id(RequestId(1)).token().is_cancelled(), "a cancellation ends with its work");

        cancels.cancel(RequestId(2));
        assert!(cancels.register_id(RequestId(2)).token().is_cancelled());
        assert!(cancels.entries().is_empty());
    }

    #[tokio::test]
    async fn a_stop_reaches_the_registered_work_only() {
        let cancels = CancelRegistry::default();
        cancels.stop_registered(RequestId(1));
        let guard = cancels.register_id(RequestId(1));
        assert!(!guard.stop().is_cancelled(), "there was no text");
        cancels.stop_registered(RequestId(1));
        assert!(guard.stop().is_cancelled() && !guard.token().is_cancelled());
    }

    #[tokio::test]
    async fn a_cancellation_during_a_hand_over_stays_pending() {
        let cancels = CancelRegistry::default();
        // Too late for the download, before the request is in the queue.
        let guard = cancels.register_id(RequestId(1));
        cancels.cancel(RequestId(1));
        guard.hand_over();
        assert!(cancels.remove_pending(RequestId(1)));
        assert!(!cancels.remove_pending(RequestId(1)) && cancels.entries().is_empty());

        cancels.register_id(RequestId(1)).hand_over();
        assert!(!cancels.remove_pending(RequestId(1)) && cancels.entries().is_empty());
        cancels.cancel(RequestId(1));
        assert!(cancels.remove_pending(RequestId(1)));

        // The work that continues the request ends it.
        cancels.cancel(RequestId(1));
        let next = cancels.register_id(RequestId(1));
        assert!(next.token().is_cancelled() && !cancels.remove_pending(RequestId(1)));
    }
}
