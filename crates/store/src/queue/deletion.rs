//! Recordings that are deleted where they were sent: their requests end without an answer, and answers that were given are
//! deleted. Names of their authors are erased with the end of the request.

use stenobot_domain::{BusinessKey, ChatId, MessageId, RequestId};

use super::Queue;
use super::cancellation::{CancelOutcome, Canceller};
use crate::StoreError;

/// A request whose source was deleted, and which has ended: its recording and its messages are to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedSource {
    /// The request.
    pub id: RequestId,
    /// Chat of the answer.
    pub chat: ChatId,
    /// The bot's messages there.
    pub messages: Vec<MessageId>,
}

impl Queue {
    /// Records that a message with a recording was deleted, and cancels what is under way for it; gives the requests. None of them
    /// is answered from now on, and kept audio is no longer kept. An update that comes again changes nothing.
    pub async fn delete_source(&self, source: BusinessKey) -> Result<Vec<(RequestId, CancelOutcome)>, StoreError> {
        // Most messages that are deleted hold no recording: those write nothing.
        if !self.0.connections.read().await?.sql().has_source(source).await? {
            return Ok(Vec::new());
        }
        let mark = async { self.0.connections.write().await?.sql().mark_source_deleted(source).await };
        let mut outcomes = Vec::new();
        for id in self.0.noting(mark).await? {
            outcomes.push((id, self.0.noting(self.cancel_once(id, Canceller::Deletion)).await?));
        }
        self.0.changed();
        Ok(outcomes)
    }

    /// Requests whose source was deleted and which no worker holds any more, the oldest first, a hundred at most.
    pub async fn deleted_sources(&self) -> Result<Vec<DeletedSource>, StoreError> {
        let mut connection = self.0.connections.read().await?;
        let now = self.0.now(&mut connection).await?;
        connection.sql().deleted_sources(now).await
    }

    /// Closes a request whose source was deleted, once its recording and its messages are removed.
    pub async fn finish_deletion(&self, id: RequestId) -> Result<(), StoreError> {
        let finish = async { self.0.connections.write().await?.sql().finish_deletion(id).await };
        self.0.noting(finish).await?;
        self.0.changed();
        Ok(())
    }

    /// Erases the names of those who sent the recordings of requests that are closed; gives their number. They are in the
    /// write-ahead log until [`Store::empty_log`](crate::Store::empty_log) succeeds.
    pub async fn erase_author_names(&self) -> Result<u64, StoreError> {
        if !self.0.connections.read().await?.sql().has_author_names().await? {
            return Ok(0);
        }
        let erase = async { self.0.connections.write().await?.sql().erase_author_names().await };
        let erased = self.0.noting(erase).await?;
        if erased > 0 {
            self.0.connections.erased_in_log();
        }
        Ok(erased)
    }
}
