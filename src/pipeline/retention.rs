//! Recordings are kept for `audio_retention_seconds` after their answer and then removed. The interval also serves the rest of
//! the store's upkeep: times that lie ahead because the clock was set back, limits of erased users once their day is over, and
//! erased data in the write-ahead log.

use std::time::Duration;

use stenobot_store::{DueAudio, StoreError};
use stenobot_telegram::Keyboard;

use super::erasure::Erasures;
use super::recordings::Recordings;
use super::replies::{Replies, Reply};
use super::worker::Worker;
use crate::settings::Settings;

const INTERVAL: Duration = Duration::from_secs(5);

/// Removes recordings and data whose retention is over.
pub(crate) struct Retention {
    pub(crate) worker: Worker,
    pub(crate) settings: Settings,
    pub(crate) recordings: Recordings,
    pub(crate) replies: Replies,
    pub(crate) erasures: Erasures,
}

impl Retention {
    /// Runs until the soft shutdown.
    pub(crate) async fn run(mut self) {
        let soft = self.worker.shutdown.soft.clone();
        let mut interval = tokio::time::interval(INTERVAL);
        while soft.run_until_cancelled(interval.tick()).await.is_some() {
            match self.due().await {
                Ok(due) => {
                    for audio in due {
                        self.remove(audio).await;
                    }
                }
                Err(error) => self.worker.failures.report("look for audio to remove", &error),
            }
            self.erasures.complete(&self.worker, &self.settings, &self.replies).await;
        }
    }

    async fn due(&self) -> Result<Vec<DueAudio>, StoreError> {
        let store = &self.worker.store;
        let ahead = store.queue.clamp_times().await?;
        if ahead > 0 {
            tracing::warn!(requests = ahead, "the clock was set back: times of open requests are brought back to it");
        }
        store.queue.drop_other_days().await?;
        store.audio.take_due(self.settings.config().privacy.audio_retention).await
    }

    async fn remove(&self, audio: DueAudio) {
        self.recordings.discard(audio.id).await;
        // The buttons, which need the recording, go with it.
        if let Some(message) = audio.status_message {
            self.replies.send(Reply::Buttons { chat: audio.chat, message, keyboard: Keyboard::default() });
        }
    }
}

/// How long the recording of an answer that is delivered now is kept; `None` when it is removed at once.
pub(super) fn keep_audio_for(settings: &Settings) -> Option<Duration> {
    Some(settings.config().privacy.audio_retention).filter(|retention| !retention.is_zero())
}
