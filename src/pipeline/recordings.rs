//! The files in which recordings lie between their download and the end of their request.

use std::path::PathBuf;

use stenobot_domain::RequestId;

use crate::settings::Settings;

/// Recordings in the data folder, by request.
#[derive(Debug, Clone)]
pub(crate) struct Recordings(Settings);

impl Recordings {
    pub(crate) fn new(settings: Settings) -> Self {
        Self(settings)
    }

    pub(crate) fn file(&self, id: RequestId) -> PathBuf {
        self.0.config().storage.audio_file(id)
    }

    /// Where a recording is written while it is downloaded.
    pub(super) fn partial_file(&self, id: RequestId) -> PathBuf {
        self.0.config().storage.partial_audio_file(id)
    }

    /// Whether a request's recording is on this machine.
    pub(super) async fn has(&self, id: RequestId) -> bool {
        tokio::fs::try_exists(self.file(id)).await.unwrap_or(false)
    }

    /// Removes a request's recording, if there is one.
    pub(crate) async fn discard(&self, id: RequestId) {
        match tokio::fs::remove_file(self.file(id)).await {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(request = id.0, %error, "audio could not be removed"),
        }
    }
}
