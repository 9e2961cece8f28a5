//! Erasing all that is stored about a user.

use stenobot_domain::{RequestId, UserId};

use super::Users;
use crate::StoreError;
use crate::queue::daily_usage;

/// What is left to be done after a user was erased from the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "work must be stopped and files removed"]
pub struct Forgotten {
    /// Requests that a worker holds. They have ended in the store, so that no more is written of them and no text ever
    /// follows; the work is to be stopped.
    pub stopped: Vec<RequestId>,
    /// Requests whose audio may be on the disk: the files are to be removed.
    pub audio: Vec<RequestId>,
    /// Whether the write-ahead log could be emptied as well. Else erased bytes stay in it until
    /// [`Store::empty_log`](crate::Store::empty_log) succeeds.
    pub log_emptied: bool,
}

impl Users {
    /// Erases a user: names, settings, and in their requests all that leads to them, to their chats and to their files. Open
    /// requests end without a notice. What remains is anonymous: how much was transcribed, when, and how long it took. A
    /// ban remains too, and so does, until the day is over, what was used of the daily limits, under a hash.
    ///
    /// A predecessor's database that is imported again afterwards brings the user back.
    pub async fn forget(&self, user: UserId) -> Result<Forgotten, StoreError> {
        let mut forgotten = self.0.noting(self.erase(user)).await?;
        self.0.connections.erased_in_log();
        self.0.changed();
        // The rows are erased: an error here is met again, and reported, when emptying the log is tried again.
        forgotten.log_emptied = self.0.connections.empty_log().await.unwrap_or(false);
        Ok(forgotten)
    }

    async fn erase(&self, user: UserId) -> Result<Forgotten, StoreError> {
        let (mut tx, now) = self.0.begin_in_order().await?;
        tx.sql().delete_chat(user).await?;
        tx.sql().delete_business_connections_of(user).await?;
        tx.sql().remove_invited(user).await?;
        let Some(key) = tx.sql().user_key(user).await?.filter(|_| user != ERASED) else {
            tx.commit().await?;
            return Ok(Forgotten::default());
        };
        daily_usage::carry_over(&mut tx, key, user, now).await?;
        let stopped = tx.sql().leased_requests_of(key, now).await?;
        let audio = tx.sql().requests_with_audio_of(key).await?;
        tx.sql().end_open_requests_of(key, now).await?;
        let erased = tx.sql().add_to_erased_user(key, now).await?;
        tx.sql().anonymise_requests(key, erased).await?;
        tx.sql().delete_user(key).await?;
        tx.commit().await?;
        Ok(Forgotten { stopped, audio, log_emptied: false })
    }
}

/// Owner of the rows of all erased users; no account of Telegram has this id.
const ERASED: UserId = UserId(0);
