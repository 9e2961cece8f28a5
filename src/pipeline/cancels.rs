//! Work that a sender may stop: which requests are being worked on in this process, and how to stop each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::model::RequestId;

/// The requests under way here. Clones share one list.
#[derive(Debug, Clone, Default)]
pub struct Cancels(Arc<Mutex<HashMap<RequestId, CancellationToken>>>);

/// A request's place in the list; dropping it takes the request off.
#[derive(Debug)]
pub(super) struct Listed {
    id: RequestId,
    wish: CancellationToken,
    list: Cancels,
}

impl Cancels {
    fn list(&self) -> MutexGuard<'_, HashMap<RequestId, CancellationToken>> {
        // Every change is a single step: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request that was just claimed on the list.
    pub(super) fn enlist(&self, id: RequestId) -> Listed {
        // A wish may have come between the claim and this.
        let wish = self.list().entry(id).or_default().clone();
        Listed { id, wish, list: self.clone() }
    }

    /// Stops a request that the journal says is being worked on.
    pub(super) fn stop(&self, id: RequestId) {
        self.list().entry(id).or_default().cancel();
    }
}

impl Listed {
    /// Cancelled when the sender wants the work stopped.
    pub(super) fn wish(&self) -> &CancellationToken {
        &self.wish
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.list.list().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_reaches_the_work_also_when_it_comes_first() {
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
}
