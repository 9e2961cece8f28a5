//! What the bot does with requests: as usual, or as an operator has set by `/pause`, `/drain` and `/resume`.
//!
//! One machine that is alone keeps the mode in memory: a restart resets it. Where there are several, it is a row of the store,
//! which holds for all of them until an operator changes it.

use stenobot_store::{ServiceMode, Store, StoreError, Topic};
use tokio::sync::watch;

use super::worker::Worker;

/// The mode, for all parts of the bot. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct ServiceControl {
    mode: watch::Sender<ServiceMode>,
    /// Where other machines find it.
    shared: Option<Store>,
}

impl ServiceControl {
    /// Of a machine that is alone, or with the store that it shares with others.
    pub(crate) fn new(shared: Option<Store>) -> Self {
        Self { mode: watch::Sender::default(), shared }
    }

    fn mode(&self) -> ServiceMode {
        *self.mode.borrow()
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.mode() == ServiceMode::Paused
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.mode() == ServiceMode::Draining
    }

    /// Sets the mode; it holds when this returns, and on other machines a moment later.
    pub(crate) async fn set(&self, mode: ServiceMode) -> Result<(), StoreError> {
        if let Some(store) = &self.shared {
            store.service.set_mode(mode).await?;
        }
        self.mode.send_replace(mode);
        Ok(())
    }

    /// A receiver that is notified after each change. Subscribe before reading the mode, and no change is missed.
    pub(crate) fn changes(&self) -> watch::Receiver<ServiceMode> {
        self.mode.subscribe()
    }

    /// Follows what other machines set, until the soft shutdown.
    pub(crate) async fn follow(&self, worker: &Worker) {
        let Some(store) = &self.shared else { return };
        let follow = async || {
            let mode = store.service.mode().await?;
            self.mode.send_if_modified(|held| std::mem::replace(held, mode) != mode);
            Ok(())
        };
        worker.watch("read the mode of the service", store.changes_of(Topic::Mode), follow).await;
    }
}
