//! The account that a store belongs to. Another account has other chats, and can neither edit messages nor fetch files
//! of this one.

use sqlx::SqliteConnection;
use stenobot_domain::UserId;

use super::{Store, StoreError};

/// A store that another account has taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adopted {
    /// The account before, if one had worked on it.
    pub before: Option<UserId>,
    /// Requests that waited and have been ended.
    pub ended: u64,
}

impl Store {
    /// Records that this account works on the store. To be called before anything is claimed.
    ///
    /// # Errors
    /// [`StoreError::OtherBot`] when another account did before.
    pub async fn belongs_to(&self, bot: UserId) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO bot (only_row, telegram_id, since) VALUES (1, ?1, ?2) ON CONFLICT DO NOTHING")
            .bind(bot.0)
            .bind(self.database.clock.now().0)
            .execute(&self.database.writer)
            .await?;
        let mut reader = self.database.reader.acquire().await?;
        match owner(&mut reader).await? {
            Some(store) if store != bot => Err(StoreError::OtherBot { store, token: bot }),
            Some(_) | None => Ok(()),
        }
    }

    /// Hands the store over to this account. People, bans, settings and figures stay; requests that waited are ended
    /// without a word, unless the account is the same.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn adopt(&self, bot: UserId) -> Result<Adopted, StoreError> {
        let mut tx = self.database.writer.begin_with("BEGIN IMMEDIATE").await?;
        let before = owner(&mut tx).await?;
        let mut ended = 0;
        if before != Some(bot) {
            ended = sqlx::query(super::sql::DROP_WAITING).execute(&mut *tx).await?.rows_affected();
            sqlx::query(
                "INSERT INTO bot (only_row, telegram_id, since) VALUES (1, ?1, ?2) \
                 ON CONFLICT DO UPDATE SET telegram_id = excluded.telegram_id, since = excluded.since",
            )
            .bind(bot.0)
            .bind(self.database.clock.now().0)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        self.database.changed();
        Ok(Adopted { before, ended })
    }
}

/// The account that a store belongs to, `None` before one has worked on it.
pub(super) async fn owner(connection: &mut SqliteConnection) -> Result<Option<UserId>, StoreError> {
    let id: Option<i64> = sqlx::query_scalar("SELECT telegram_id FROM bot").fetch_optional(connection).await?;
    Ok(id.map(UserId))
}
