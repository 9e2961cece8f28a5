//! A recording that was deleted where it was sent takes its answer with it: the requests have ended by then, and their files and
//! messages are removed here. Names of authors, which a heading needs while a request is open, are erased beside.

use std::time::Duration;

use stenobot_store::{DeletedSource, Leadership, StoreError};
use stenobot_telegram::{Client, Disposition, Priority, StatusEditor, TelegramError};
use tokio::time::MissedTickBehavior;

use super::recordings::Recordings;
use super::worker::Worker;

/// Between two looks. Neither is urgent, and a look at every change of the store would cost a busy one.
const INTERVAL: Duration = Duration::from_secs(1);

/// Removes what is left of recordings that were deleted where they were sent.
pub(crate) struct Deletions {
    pub(crate) worker: Worker,
    pub(crate) client: Client,
    pub(crate) editor: StatusEditor,
    pub(crate) recordings: Recordings,
    /// One machine does it: others would only repeat its calls.
    pub(crate) leadership: Leadership,
}

impl Deletions {
    /// Runs until the soft shutdown.
    pub(crate) async fn run(self) {
        let soft = self.worker.shutdown.soft.clone();
        let mut interval = tokio::time::interval(INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while soft.run_until_cancelled(interval.tick()).await.is_some() {
            if !self.leadership.leads() {
                continue;
            }
            // What the shutdown interrupts is due again after the next start.
            if let Some(Err(error)) = soft.run_until_cancelled(self.look()).await {
                self.worker.failures.report("look for deleted recordings", &error);
            }
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        let queue = &self.worker.store.queue;
        queue.erase_author_names().await?;
        for deleted in queue.deleted_sources().await? {
            self.remove(deleted).await?;
        }
        Ok(())
    }

    /// Removes recording and messages. Those of a chat that Telegram wants left alone for now wait for the next round.
    async fn remove(&self, deleted: DeletedSource) -> Result<(), StoreError> {
        let DeletedSource { id, chat, messages } = deleted;
        self.editor.close(id).await;
        self.recordings.discard(id).await;
        let client = self.client.with_priority(Priority::Notice);
        for message in messages {
            match client.delete(chat, message).await {
                Ok(()) | Err(TelegramError::MessageGone) => {}
                Err(error) => match error.disposition() {
                    Disposition::ServerRequested(_)
                    | Disposition::Retry { .. }
                    | Disposition::OperatorNeeded { .. } => {
                        return Ok(());
                    }
                    // Telegram deletes no message that is older than 48 hours: https://core.telegram.org/bots/api#deletemessage
                    Disposition::ChatMoved(_)
                    | Disposition::ChatUnreachable(_)
                    | Disposition::MessageGone
                    | Disposition::Final => {
                        tracing::info!(request = id.0, %error, "an answer to a deleted message stays");
                    }
                },
            }
        }
        self.worker.store.queue.finish_deletion(id).await
    }
}
