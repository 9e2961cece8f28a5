//! The account that a store belongs to. Another account has other chats, and can neither edit messages nor fetch files
//! of this one.

use stenobot_domain::UserId;

use crate::{Store, StoreError};

/// A store that another account has taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adopted {
    /// The account before, if there was one.
    pub before: Option<UserId>,
    /// Number of open requests that were ended.
    pub ended: u64,
}

impl Store {
    /// Records that this account works on the store. To be called before anything is claimed.
    ///
    /// # Errors
    /// [`StoreError::OtherBot`] when another account did before.
    pub async fn belongs_to(&self, bot: UserId) -> Result<(), StoreError> {
        let mut connection = self.database.connections.write().await?;
        let now = self.database.now(&mut connection).await?;
        connection.sql().claim_account(bot, now).await?;
        match connection.sql().account().await? {
            Some(store) if store != bot => Err(StoreError::OtherBot { store, token: bot }),
            Some(_) | None => Ok(()),
        }
    }

    /// Hands the store over to this account. Users, bans, settings and figures stay; open requests are ended without a
    /// notice, unless the account is the same.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn adopt(&self, bot: UserId) -> Result<Adopted, StoreError> {
        let (mut tx, now) = self.database.begin().await?;
        let before = tx.sql().account().await?;
        let mut ended = 0;
        if before != Some(bot) {
            ended = tx.sql().drop_open_requests().await?;
            tx.sql().set_account(bot, now).await?;
        }
        tx.commit().await?;
        self.database.changed();
        Ok(Adopted { before, ended })
    }
}
