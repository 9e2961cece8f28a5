//! Parts of every claiming stage: the loop that claims when there is capacity and waits for the store to change when there is
//! nothing, and the tasks in which claimed requests are worked on.

use std::sync::Arc;
use std::time::Duration;

use stenobot_store::{Store, StoreError};
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::failures::StoreFailures;
use crate::lifecycle::Shutdown;

/// Leases expire and pauses end without a change of the store.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Pause after the store failed.
const FAILURE_PAUSE: Duration = Duration::from_secs(2);

/// Whether one turn of a claim loop found something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The next turn follows at once.
    Worked,
    /// There was nothing to claim.
    Idle,
}

/// The identity under which this process claims, and the means to work on what was claimed. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) store: Store,
    /// Owner of the leases of this process.
    pub(crate) id: Arc<str>,
    pub(crate) failures: StoreFailures,
    pub(crate) shutdown: Shutdown,
    /// Work under way, for which the shutdown waits.
    pub(crate) tasks: TaskTracker,
}

impl Worker {
    /// Takes turns until the soft shutdown, after each of the `changes` and now and then. `turn` claims at most one request and
    /// starts work on it; `what` names the claim in a failure.
    pub(super) async fn run(
        &self,
        what: &'static str,
        changes: watch::Receiver<u64>,
        turn: impl AsyncFnMut() -> Result<Turn, StoreError>,
    ) {
        self.run_woken(what, changes, &Notify::new(), turn).await;
    }

    /// Like [`Worker::run`]; `wake` ends an idle pause early, when what the claims passed over can be claimed.
    pub(super) async fn run_woken(
        &self,
        what: &'static str,
        mut changes: watch::Receiver<u64>,
        wake: &Notify,
        mut turn: impl AsyncFnMut() -> Result<Turn, StoreError>,
    ) {
        let soft = &self.shutdown.soft;
        while !soft.is_cancelled() {
            changes.mark_unchanged();
            let turn = if self.store.has_retrying_writes() { Ok(Turn::Idle) } else { turn().await };
            match turn {
                Ok(Turn::Worked) => continue,
                Ok(Turn::Idle) => {}
                Err(error) => {
                    self.failures.report(what, &error);
                    let _ = soft.run_until_cancelled(tokio::time::sleep(FAILURE_PAUSE)).await;
                    continue;
                }
            }
            tokio::select! {
                () = soft.cancelled() => {}
                _ = changes.changed() => {}
                () = wake.notified() => {}
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
        }
    }

    /// Runs `look` at once, after each of the `changes`, and now and then, until the soft shutdown.
    pub(crate) async fn watch(
        &self,
        what: &'static str,
        changes: watch::Receiver<u64>,
        mut look: impl AsyncFnMut() -> Result<(), StoreError>,
    ) {
        let looking = async || {
            look().await?;
            Ok(Turn::Idle)
        };
        self.run(what, changes, looking).await;
    }

    /// Starts work beside the loop; the shutdown waits for it. `what` names the work in a failure.
    pub(super) fn spawn(
        &self,
        span: tracing::Span,
        what: &'static str,
        work: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) {
        let failures = self.failures.clone();
        let work = async move {
            if let Err(error) = work.await {
                failures.report(what, &error);
            }
        };
        self.tasks.spawn(work.instrument(span));
    }
}
