//! Chats change under the requests that came from them: a group becomes a supergroup with another id, and the bot may
//! lose the right to write.

use stenobot_domain::{ChatId, Timestamp};
use stenobot_store::{Store, StoreError};
use stenobot_telegram::{Client, ThreadId, Unreachable};

use super::failures::StoreFailures;
use crate::request::{DeliverFailure, DownloadFailure, TranscribeFailure};
use crate::settings::Settings;

impl From<Unreachable> for DownloadFailure {
    fn from(why: Unreachable) -> Self {
        match why {
            Unreachable::ChatGone => Self::ChatGone,
            Unreachable::WriteForbidden(_) => Self::WriteForbidden,
        }
    }
}

impl From<Unreachable> for DeliverFailure {
    fn from(why: Unreachable) -> Self {
        match why {
            Unreachable::ChatGone => Self::ChatGone,
            Unreachable::WriteForbidden(_) => Self::WriteForbidden,
        }
    }
}

impl From<Unreachable> for TranscribeFailure {
    fn from(why: Unreachable) -> Self {
        match why {
            Unreachable::ChatGone => Self::ChatGone,
            Unreachable::WriteForbidden(_) => Self::WriteForbidden,
        }
    }
}

/// Knowledge of chats that outlives one request. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Chats {
    pub(crate) store: Store,
    pub(crate) client: Client,
    pub(crate) settings: Settings,
    pub(crate) failures: StoreFailures,
}

impl Chats {
    /// Records that a group became a supergroup.
    pub(crate) async fn record_move(&self, from: ChatId, to: ChatId) -> Result<(), StoreError> {
        let is_new = self.store.users.move_chat(from, to).await?;
        self.report_move(is_new, from, to);
        Ok(())
    }

    /// Like [`Chats::record_move`], for work under way, which waits until the store can be written.
    pub(crate) async fn follow_move(&self, from: ChatId, to: ChatId) -> Result<(), StoreError> {
        let is_new = self.store.users.move_chat_retrying(from, to).await?;
        self.report_move(is_new, from, to);
        Ok(())
    }

    fn report_move(&self, is_new: bool, from: ChatId, to: ChatId) {
        if is_new {
            tracing::info!("a group became a supergroup: its requests and settings go with it");
            if self.settings.config().people.allowed.contains(&from.0) {
                warn_of_old_number(from, to);
            }
        }
    }

    /// Warns of numbers in `allowed_users` that groups had before they became supergroups.
    pub(crate) async fn warn_of_old_numbers(&self) {
        for id in self.settings.config().people.allowed.iter() {
            match self.store.users.moved_to(ChatId(id)).await {
                Ok(Some(to)) => warn_of_old_number(ChatId(id), to),
                Ok(None) => {}
                Err(error) => return self.failures.report("look for groups that became supergroups", &error),
            }
        }
    }

    /// Whether Telegram has refused a message to this chat or topic since the request was accepted, and taken none since:
    /// another message for it would be refused as well. A request that was accepted later is an attempt to write again.
    pub(crate) fn is_write_forbidden(&self, chat: ChatId, thread: Option<ThreadId>, received_at: Timestamp) -> bool {
        let age = self.store.now().since(received_at);
        self.client.refused_since(chat, thread).is_some_and(|refused| refused <= age)
    }
}

fn warn_of_old_number(from: ChatId, to: ChatId) {
    tracing::warn!(
        old = from.0,
        new = to.0,
        "allowed_users names a group that became a supergroup: put its new number in place of the old one, which counts \
         until then"
    );
}
