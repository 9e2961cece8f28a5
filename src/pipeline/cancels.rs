//! Work that a sender may stop: which requests are being worked on in this process, and how to stop each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stenobot_domain::RequestId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a wish is kept for a request that is not on the list: longer than anything waits in the queue.
const KEPT: Duration = Duration::from_secs(4 * 3600);

/// The requests under way here, and the wishes for some that are not. Clones share one list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cancels(Arc<Mutex<HashMap<RequestId, Entry>>>);

/// One request on the list.
#[derive(Debug)]
struct Entry {
    wish: CancellationToken,
    /// When the wish came, as long as nobody works on the request: it may have ended in between, and never come.
    early: Option<Instant>,
}

/// A request's place in the list; dropping it takes the request off.
#[derive(Debug)]
pub(super) struct Listed {
    id: RequestId,
    wish: CancellationToken,
    list: Cancels,
    /// The request goes on without this work.
    handed_over: bool,
}

impl Cancels {
    fn list(&self) -> MutexGuard<'_, HashMap<RequestId, Entry>> {
        // Every change is a single step: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request that was just claimed on the list.
    pub(super) fn enlist(&self, id: RequestId) -> Listed {
        // A wish may have come between the claim and this.
        let mut list = self.list();
        let entry = list.entry(id).or_insert_with(|| Entry { wish: CancellationToken::new(), early: None });
        entry.early = None;
        Listed { id, wish: entry.wish.clone(), list: self.clone(), handed_over: false }
    }

    /// Stops a request that the store says is being worked on.
    pub(super) fn stop(&self, id: RequestId) {
        let now = Instant::now();
        let mut list = self.list();
        list.retain(|_, entry| entry.early.is_none_or(|at| now.duration_since(at) < KEPT));
        let early = || Entry { wish: CancellationToken::new(), early: Some(now) };
        list.entry(id).or_insert_with(early).wish.cancel();
    }

    /// Takes a cancellation off the list that came for a request while nothing worked on it; tells whether there was one.
    pub(super) fn take_early(&self, id: RequestId) -> bool {
        let mut list = self.list();
        let is_early = list.get(&id).is_some_and(|entry| entry.early.is_some());
        is_early && list.remove(&id).is_some()
    }
}

impl Listed {
    /// Cancelled when the sender wants the work stopped.
    pub(super) fn wish(&self) -> &CancellationToken {
        &self.wish
    }

    /// Ends the work here while the request goes on: a cancellation that came too late for this work stays for the next.
    pub(super) fn hand_over(mut self) {
        self.handed_over = true;
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut list = self.list.list();
        let is_unheeded = self.handed_over && self.wish.is_cancelled();
        if is_unheeded && let Some(entry) = list.get_mut(&self.id) {
            entry.early = Some(Instant::now());
        } else {
            list.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wish_for_what_never_comes_is_forgotten() {
        let cancels = Cancels::default();
        let working = cancels.enlist(RequestId(1));
        cancels.stop(RequestId(2));
        tokio::time::advance(KEPT).await;
        cancels.stop(RequestId(3));
        assert_eq!(cancels.list().len(), 2, "what is worked on, and the latest wish");
        assert!(!cancels.enlist(RequestId(2)).wish().is_cancelled());
        drop(working);
    }

    #[tokio::test]
    async fn a_wish_reaches_the_work_also_when_it_comes_first() {
        let cancels = Cancels::default();
        let listed = cancels.enlist(RequestId(1));
        assert!(!listed.wish().is_cancelled());
        cancels.stop(RequestId(1));
        assert!(listed.wish().is_cancelled());
        drop(listed);
        assert!(!cancels.enlist(RequestId(1)).wish().is_cancelled(), "an old wish is over with its work");

        cancels.stop(RequestId(2));
        assert!(cancels.enlist(RequestId(2)).wish().is_cancelled());
        assert!(cancels.list().is_empty());
    }

    #[tokio::test]
    async fn a_wish_that_comes_while_a_request_is_handed_over_is_not_lost() {
        let cancels = Cancels::default();
        // Too late for the download, before the request is in the queue.
        let listed = cancels.enlist(RequestId(1));
        cancels.stop(RequestId(1));
        listed.hand_over();
        assert!(cancels.take_early(RequestId(1)));
        assert!(!cancels.take_early(RequestId(1)) && cancels.list().is_empty());

        cancels.enlist(RequestId(1)).hand_over();
        assert!(!cancels.take_early(RequestId(1)) && cancels.list().is_empty());
        cancels.stop(RequestId(1));
        assert!(cancels.take_early(RequestId(1)));

        // What works on the request by now ends it.
        cancels.stop(RequestId(1));
        let next = cancels.enlist(RequestId(1));
        assert!(next.wish().is_cancelled() && !cancels.take_early(RequestId(1)));
    }
}
