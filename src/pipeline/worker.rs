//! The loop that every claiming stage runs: when there is room, claim; when there is nothing, wait for the
//! store to change.

use std::time::Duration;

use stenobot_store::StoreError;
use tokio::sync::Notify;

use super::Context;

/// Leases run out and pauses end without a change of the store.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// After the store failed.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// Whether one turn of a worker found something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It did: look again at once.
    Worked,
    /// There was nothing.
    Idle,
}

/// Takes turns until the soft shutdown. `turn` claims at most one request and starts work on it.
pub(super) async fn run(context: &Context, what: &'static str, turn: impl AsyncFnMut() -> Result<Turn, StoreError>) {
    run_woken(context, what, &Notify::new(), turn).await;
}

/// The same; `wake` tells that what was passed over can be claimed now.
pub(super) async fn run_woken(
    context: &Context,
    what: &'static str,
    wake: &Notify,
    mut turn: impl AsyncFnMut() -> Result<Turn, StoreError>,
) {
    let mut changes = context.store.changes();
    while !context.shutdown.soft.is_cancelled() {
        changes.mark_unchanged();
        let turn = if context.store.has_retrying_writes() { Ok(Turn::Idle) } else { turn().await };
        let pause = match turn {
            Ok(Turn::Worked) => continue,
            Ok(Turn::Idle) => LOOK_AGAIN,
            Err(error) => {
                context.store_failed(what, &error);
                let _ = context.shutdown.soft.run_until_cancelled(tokio::time::sleep(AFTER_FAILURE)).await;
                continue;
            }
        };
        tokio::select! {
            () = context.shutdown.soft.cancelled() => {}
            _ = changes.changed() => {}
            () = wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}
