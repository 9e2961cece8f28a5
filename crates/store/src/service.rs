//! What holds for all machines: the mode that an operator has set, and the pauses that Telegram has requested.

use std::time::Duration;

use stenobot_domain::{ChatId, Timestamp};

use crate::database::Database;
use crate::{StoreError, Topic};

/// Mode and pauses.
#[derive(Debug, Clone)]
pub struct Service(pub(crate) Database);

/// Mode that an operator has set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ServiceMode {
    /// Accepts and transcribes.
    #[default]
    Open,
    /// Accepts, and does not transcribe.
    Paused,
    /// Transcribes, and does not accept.
    Draining,
}

impl ServiceMode {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paused => "paused",
            Self::Draining => "draining",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Open, Self::Paused, Self::Draining].into_iter().find(|mode| mode.as_str() == name)
    }
}

/// A pause that Telegram has requested: nothing is sent until it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// The chat; `None` for all.
    pub chat: Option<ChatId>,
    /// What is left of it.
    pub left: Duration,
}

/// Stands for all chats; Telegram has no chat with this id.
const ALL_CHATS: ChatId = ChatId(0);

impl Service {
    /// The mode.
    pub async fn mode(&self) -> Result<ServiceMode, StoreError> {
        self.0.connections.read().await?.sql().service_mode().await
    }

    /// Sets the mode, for all machines.
    pub async fn set_mode(&self, mode: ServiceMode) -> Result<(), StoreError> {
        let set = async {
            let mut connection = self.0.connections.write().await?;
            let now = self.0.now(&mut connection).await?;
            connection.sql().set_service_mode(mode, now).await
        };
        self.0.noting(set).await?;
        self.0.changes.notify(&[Topic::Mode]);
        Ok(())
    }

    /// Records a pause, for all machines. One that ends earlier than a known one of the same chat changes nothing.
    pub async fn record_pause(&self, pause: Pause) -> Result<(), StoreError> {
        let record = async {
            let mut connection = self.0.connections.write().await?;
            let now = self.0.now(&mut connection).await?;
            connection.sql().record_pause(pause.chat.unwrap_or(ALL_CHATS), now.after(pause.left)).await
        };
        self.0.noting(record).await
    }

    /// The pauses that are not over.
    pub async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        let mut connection = self.0.connections.read().await?;
        let now = self.0.now(&mut connection).await?;
        let pauses = connection.sql().pauses_after(now).await?;
        let pause = |(chat, until): (ChatId, Timestamp)| Pause {
            chat: (chat != ALL_CHATS).then_some(chat),
            left: until.since(now),
        };
        Ok(pauses.into_iter().map(pause).collect())
    }

    /// Deletes the pauses that are over.
    pub async fn drop_past_pauses(&self) -> Result<(), StoreError> {
        let drop_past = async {
            let mut connection = self.0.connections.write().await?;
            let now = self.0.now(&mut connection).await?;
            connection.sql().drop_pauses_until(now).await
        };
        self.0.noting(drop_past).await
    }
}
