//! Groups and topics in which the bot may not write, as far as Telegram has said so. Kept in memory: after a restart the
//! first refused message says it again, and a refusal that is out of date never outlives the process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stenobot_domain::ChatId;
use tokio::time::Instant;

use super::client::Client;
use super::error::{Extent, TelegramError};
use super::update::ThreadId;

/// After a refusal, or an attempt that has not told anything yet, one further attempt is made after this time: Telegram
/// sends no update when the rights of all members of a group change.
const PROBE_INTERVAL: Duration = Duration::from_secs(600);
/// Marks that are older are dropped; that costs one refused message.
const MAX_AGE: Duration = Duration::from_secs(86_400);

/// What a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Area {
    Chat(ChatId),
    /// `None` is the topic General.
    Topic(ChatId, Option<ThreadId>),
}

impl Area {
    fn chat(self) -> ChatId {
        match self {
            Self::Chat(chat) | Self::Topic(chat, _) => chat,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Refusal {
    /// When Telegram last refused a message there.
    refused_at: Instant,
    /// When an attempt was last allowed.
    attempted_at: Instant,
}

/// The refusals.
#[derive(Debug, Default)]
pub(super) struct WritePermissions(Mutex<HashMap<Area, Refusal>>);

impl WritePermissions {
    /// Draws on the result of a message to this chat and topic.
    pub(super) fn record_sent<T>(&self, chat: ChatId, thread: Option<ThreadId>, result: &Result<T, TelegramError>) {
        match result {
            Ok(_) => {
                let mut refusals = self.refusals();
                refusals.remove(&Area::Chat(chat));
                refusals.remove(&Area::Topic(chat, thread));
            }
            Err(TelegramError::WriteForbidden(Extent::Topic)) => self.forbid(Area::Topic(chat, thread)),
            Err(error) => self.record_error(chat, error),
        }
    }

    /// Draws on the failure of an edit, whose topic is not known. An edit that succeeds does not say that a message would.
    pub(super) fn record_error(&self, chat: ChatId, error: &TelegramError) {
        match error {
            TelegramError::WriteForbidden(Extent::Chat) | TelegramError::ChatGone => self.forbid(Area::Chat(chat)),
            TelegramError::WriteForbidden(Extent::Topic)
            | TelegramError::RetryAfter(_)
            | TelegramError::MessageGone
            | TelegramError::ChatMoved(_)
            | TelegramError::Conflict
            | TelegramError::Unauthorized
            | TelegramError::Refused(_)
            | TelegramError::Server
            | TelegramError::Timeout
            | TelegramError::NoConnection
            | TelegramError::Network(_) => {}
        }
    }

    fn forbid(&self, area: Area) {
        // In a private chat the bot can write to everybody who writes to it.
        if area.chat().0 > 0 {
            return;
        }
        let now = Instant::now();
        let mut refusals = self.refusals();
        refusals.retain(|_, refusal| now < refusal.refused_at + MAX_AGE);
        refusals.insert(area, Refusal { refused_at: now, attempted_at: now });
    }

    fn allow(&self, chat: ChatId) {
        self.refusals().retain(|area, _| area.chat() != chat);
    }

    fn refused_since(&self, chat: ChatId, thread: Option<ThreadId>) -> Option<Duration> {
        let refusals = self.refusals();
        let own = [Area::Chat(chat), Area::Topic(chat, thread)];
        own.iter().filter_map(|area| refusals.get(area)).map(|refusal| refusal.refused_at.elapsed()).min()
    }

    fn may_attempt(&self, chat: ChatId, thread: Option<ThreadId>) -> bool {
        let now = Instant::now();
        let mut refusals = self.refusals();
        let own = [Area::Chat(chat), Area::Topic(chat, thread)];
        let due = own
            .iter()
            .filter_map(|area| refusals.get(area))
            .all(|refusal| now >= refusal.attempted_at + PROBE_INTERVAL);
        if due {
            for area in own {
                refusals.entry(area).and_modify(|refusal| refusal.attempted_at = now);
            }
        }
        due
    }

    fn refusals(&self) -> MutexGuard<'_, HashMap<Area, Refusal>> {
        // Every change under the lock leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// Records what a membership update says of the bot's right to write to a group.
    pub fn set_writable(&self, chat: ChatId, writable: bool) {
        if writable {
            self.write_permissions().allow(chat);
        } else {
            self.write_permissions().forbid(Area::Chat(chat));
        }
    }

    /// Time since Telegram last refused a message to this chat or topic; `None` where none was refused, or a later one
    /// got through.
    pub fn refused_since(&self, chat: ChatId, thread: Option<ThreadId>) -> Option<Duration> {
        self.write_permissions().refused_since(chat, thread)
    }

    /// Whether a message to this chat and topic is worth an attempt: always where the bot may write as far as is known,
    /// else once in ten minutes.
    pub fn may_attempt(&self, chat: ChatId, thread: Option<ThreadId>) -> bool {
        self.write_permissions().may_attempt(chat, thread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: ChatId = ChatId(-100);
    const TOPIC: Option<ThreadId> = Some(ThreadId(5));

    fn refuse(permissions: &WritePermissions, chat: ChatId, thread: Option<ThreadId>, extent: Extent) {
        permissions.record_sent::<()>(chat, thread, &Err(TelegramError::WriteForbidden(extent)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_chat_is_tried_once_in_ten_minutes_until_a_message_gets_through() {
        let permissions = WritePermissions::default();
        assert!(permissions.may_attempt(GROUP, None) && permissions.may_attempt(GROUP, None));
        refuse(&permissions, GROUP, TOPIC, Extent::Chat);
        assert!(
            !permissions.may_attempt(GROUP, None) && !permissions.may_attempt(GROUP, TOPIC),
            "all topics are meant"
        );
        tokio::time::advance(PROBE_INTERVAL).await;
        assert_eq!(permissions.refused_since(GROUP, None), Some(PROBE_INTERVAL));
        assert!(permissions.may_attempt(GROUP, TOPIC));
        assert!(!permissions.may_attempt(GROUP, TOPIC), "one at a time");
        permissions.record_sent(GROUP, None, &Ok(()));
        assert!(permissions.may_attempt(GROUP, TOPIC) && permissions.refused_since(GROUP, TOPIC).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_topic_closes_no_other() {
        let permissions = WritePermissions::default();
        refuse(&permissions, GROUP, TOPIC, Extent::Topic);
        assert!(!permissions.may_attempt(GROUP, TOPIC));
        assert!(permissions.may_attempt(GROUP, None) && permissions.may_attempt(GROUP, Some(ThreadId(6))));
        permissions.record_sent(GROUP, None, &Ok(()));
        assert!(!permissions.may_attempt(GROUP, TOPIC), "what gets through elsewhere says nothing");
        refuse(&permissions, GROUP, None, Extent::Topic);
        assert!(
            !permissions.may_attempt(GROUP, None) && permissions.may_attempt(GROUP, Some(ThreadId(6))),
            "General is a topic too"
        );
        permissions.allow(GROUP);
        assert!(permissions.may_attempt(GROUP, TOPIC) && permissions.may_attempt(GROUP, None));
    }

    #[tokio::test(start_paused = true)]
    async fn private_chats_are_never_marked_and_other_failures_say_nothing() {
        let permissions = WritePermissions::default();
        refuse(&permissions, ChatId(7), None, Extent::Chat);
        permissions.record_sent::<()>(ChatId(7), None, &Err(TelegramError::ChatGone));
        permissions.record_sent::<()>(GROUP, None, &Err(TelegramError::Timeout));
        assert!(permissions.may_attempt(ChatId(7), None) && permissions.may_attempt(GROUP, None));
        permissions.record_error(GROUP, &TelegramError::ChatGone);
        assert!(!permissions.may_attempt(GROUP, None));
    }
}
