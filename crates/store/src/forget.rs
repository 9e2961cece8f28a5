//! Erasing all that is stored about somebody.

use stenobot_domain::{RequestId, UserId};

use super::{StoreError, Users, day, ids, sql};

/// What is left to be done after somebody was erased from the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "work must be stopped and files removed"]
pub struct Forgotten {
    /// Requests that somebody works on. They have ended here, so that no more is written of them and no text ever
    /// follows; the work is to be stopped.
    pub stopped: Vec<RequestId>,
    /// Requests whose audio may be on the disk: the files are to be removed.
    pub audio: Vec<RequestId>,
    /// Whether the database's log could be emptied as well. Else erased bytes stay in it until
    /// [`Store::empty_log`] succeeds: [`Store::log_may_hold_erased`].
    pub log_emptied: bool,
}

impl Users {
    /// Erases somebody: their names, what they have set, and in their requests all that leads to them, to their chats
    /// and to their files. What is under way ends without a notice. What remains are numbers of nobody: how much was
    /// heard, when, and how long it took. A ban remains too, and so does, until the day is over, what was used of the
    /// limits, under a hash.
    ///
    /// A predecessor's database that is imported again afterwards brings them back.
    pub async fn forget(&self, person: UserId) -> Result<Forgotten, StoreError> {
        let mut forgotten = self.erase(person).await?;
        self.0.erased_in_log();
        self.0.changed();
        // What is erased is erased: an error here is met, and told, when the log is tried again.
        forgotten.log_emptied = self.0.empty_log().await.unwrap_or(false);
        Ok(forgotten)
    }

    async fn erase(&self, person: UserId) -> Result<Forgotten, StoreError> {
        let at = self.0.clock.now();
        let now = at.0;
        let mut tx = self.0.writer.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(sql::FORGET_CHAT).bind(person.0).execute(&mut *tx).await?;
        let user: Option<i64> = sqlx::query_scalar(sql::KEY_OF).bind(person.0).fetch_optional(&mut *tx).await?;
        let Some(user) = user.filter(|_| person != NOBODY) else {
            tx.commit().await?;
            return Ok(Forgotten::default());
        };
        day::carry_over(&mut tx, user, person, at).await?;
        let stopped = sqlx::query_scalar(sql::LEASED_OF).bind(user).bind(now).fetch_all(&mut *tx).await?;
        let audio = sqlx::query_scalar(sql::AUDIO_OF).bind(user).fetch_all(&mut *tx).await?;
        sqlx::query(sql::END_ALL_OF).bind(user).bind(now).execute(&mut *tx).await?;
        let nobody: i64 = sqlx::query_scalar(sql::NOBODY).bind(user).bind(now).fetch_one(&mut *tx).await?;
        sqlx::query(sql::ERASE_REQUESTS).bind(user).bind(nobody).execute(&mut *tx).await?;
        sqlx::query(sql::FORGET_USER).bind(user).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(Forgotten { stopped: ids(stopped), audio: ids(audio), log_emptied: false })
    }
}

/// Stands for all who were forgotten; no person of Telegram has this id.
const NOBODY: UserId = UserId(0);
