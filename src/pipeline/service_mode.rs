//! What the bot does with requests: as usual, or as an operator has set by `/pause`, `/drain` and `/resume`.

use stenobot_store::StoreError;
use tokio::sync::watch;

/// Mode that an operator has set. A restart resets it to [`ServiceMode::Open`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ServiceMode {
    /// Accepts and transcribes.
    #[default]
    Open,
    /// Accepts, and does not transcribe.
    Paused,
    /// Transcribes, and does not accept.
    Draining,
}

/// The mode, for all parts of the bot. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServiceControl(watch::Sender<ServiceMode>);

impl ServiceControl {
    fn mode(&self) -> ServiceMode {
        *self.0.borrow()
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.mode() == ServiceMode::Paused
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.mode() == ServiceMode::Draining
    }

    /// Sets the mode; it holds when this returns.
    pub(crate) async fn set(&self, mode: ServiceMode) -> Result<(), StoreError> {
        self.0.send_replace(mode);
        Ok(())
    }

    /// A receiver that is notified after each change. Subscribe before reading the mode, and no change is missed.
    pub(crate) fn changes(&self) -> watch::Receiver<ServiceMode> {
        self.0.subscribe()
    }
}
