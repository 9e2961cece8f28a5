//! Accounts of users to which the bot is connected. Telegram calls such a connection a business connection.

use stenobot_domain::{ChatId, UserId};

use crate::database::Database;
use crate::{Sender, StoreError};

/// Connections to users' own accounts.
#[derive(Debug, Clone)]
pub struct Business(pub(crate) Database);

/// A connection to a user's own account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusinessConnection {
    /// Telegram's id of the connection.
    pub id: String,
    /// Whose account it is.
    pub user: UserId,
    /// The user's private chat with the bot.
    pub chat: ChatId,
    /// Language code of the user's Telegram, where it is known.
    pub locale: Option<String>,
    /// Whether the connection stands.
    pub is_enabled: bool,
}

impl Business {
    /// A connection that was recorded, also one that has ended.
    pub async fn connection(&self, id: &str) -> Result<Option<BusinessConnection>, StoreError> {
        self.0.connections.read().await?.sql().business_connection(id).await
    }

    /// Records the state of a connection.
    pub async fn record(&self, connection: &BusinessConnection) -> Result<(), StoreError> {
        let record = async {
            let mut writing = self.0.connections.write().await?;
            let now = self.0.now(&mut writing).await?;
            writing.sql().record_business_connection(connection, now).await
        };
        self.0.noting(record).await
    }

    /// Records that the user of a connection was informed that the bot does not serve it. False when that is recorded already.
    pub async fn refuse(&self, id: &str) -> Result<bool, StoreError> {
        // Every message of such a connection asks: only the first one writes.
        if self.0.connections.read().await?.sql().has_refused_business_connection(id).await? {
            return Ok(false);
        }
        let refuse = async { self.0.connections.write().await?.sql().refuse_business_connection(id).await };
        self.0.noting(refuse).await
    }

    /// Whether a connection to this user's account stands.
    pub async fn is_connected(&self, user: UserId) -> Result<bool, StoreError> {
        self.0.connections.read().await?.sql().has_business_connection(user).await
    }

    /// The user of a connection, by the names they last had when they wrote to the bot.
    pub async fn user(&self, connection: &BusinessConnection) -> Result<Sender, StoreError> {
        let profile = self.0.connections.read().await?.sql().profile(connection.user).await?;
        let unknown = Sender { id: connection.user, username: None, first_name: None, last_name: None };
        Ok(profile.map_or(unknown, |profile| profile.sender))
    }
}
