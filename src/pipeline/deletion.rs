//! A recording that was deleted where it was sent takes its answer with it: the requests have ended by then, and their files and
//! messages are removed here. Names of authors, which a heading needs while a request is open, are erased beside.

use std::time::Duration;

use stenobot_store::{DeletedSource, Leadership, StoreError};
use stenobot_telegram::{Client, Disposition, Priority, StatusEditor, TelegramError};

use super::recordings::Recordings;
use super::worker::Worker;

/// Names are erased this long after their request was closed, at most.
const INTERVAL: Duration = Duration::from_secs(5);

/// Removes what is left of recordings that were deleted where they were sent.
pub(crate) struct Deletions {
    pub(crate) worker: Worker,
    pub(crate) client: Client,
    pub(crate) editor: StatusEditor,
    pub(crate) recordings: Recordings,
    /// One machine deletes: others would only repeat its calls.
    pub(crate) leadership: Leadership,
}

impl Deletions {
    /// Runs until the soft shutdown.
    pub(crate) async fn run(self) {
        let looking = async || {
            if self.leadership.leads() {
                for deleted in self.worker.store.queue.deleted_sources().await? {
                    self.remove(deleted).await?;
                }
            }
            Ok(())
        };
        tokio::join!(
            self.worker.watch("look for deleted recordings", self.worker.store.changes(), looking),
            self.erase_names()
        );
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

    async fn erase_names(&self) {
        let mut interval = tokio::time::interval(INTERVAL);
        while self.worker.shutdown.soft.run_until_cancelled(interval.tick()).await.is_some() {
            if let Err(error) = self.worker.store.queue.erase_author_names().await {
                self.worker.failures.report("erase names of authors", &error);
            }
        }
    }
}
