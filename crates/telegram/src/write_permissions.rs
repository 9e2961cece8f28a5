//! Groups and topics that refused a message of the bot. Kept in memory: after a restart the first refused message records it
//! again, and an outdated record never outlives the process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stenobot_domain::{ChatId, ThreadId};
use tokio::time::Instant;

use super::client::Client;
use super::error::{Disposition, Extent, TelegramError, Unreachable};

/// Between two attempts after a refusal: Telegram sends no update when the rights of all members of a group change.
const PROBE_INTERVAL: Duration = Duration::from_secs(600);
/// Older refusals are dropped, at the cost of one more refused message.
const MAX_AGE: Duration = Duration::from_secs(86_400);

/// Extent of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Area {
    Chat(ChatId),
    /// `None` is the General topic.
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
    /// Last refusal.
    refused_at: Instant,
    /// Last attempt that was allowed.
    attempted_at: Instant,
}

/// Refusals by chat and topic.
#[derive(Debug, Default)]
pub(super) struct WritePermissions(Mutex<HashMap<Area, Refusal>>);

impl WritePermissions {
    /// Stores or clears refusals by the result of a message to this chat and topic.
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

    /// Stores the failure of an edit, whose topic is not known. A successful edit does not prove that a message is allowed.
    pub(super) fn record_error(&self, chat: ChatId, error: &TelegramError) {
        match error.disposition() {
            Disposition::ChatUnreachable(Unreachable::ChatGone | Unreachable::WriteForbidden(Extent::Chat)) => {
                self.forbid(Area::Chat(chat));
            }
            Disposition::ChatUnreachable(Unreachable::WriteForbidden(Extent::Topic))
            | Disposition::ServerRequested(_)
            | Disposition::Retry { .. }
            | Disposition::OperatorNeeded { .. }
            | Disposition::ChatMoved(_)
            | Disposition::MessageGone
            | Disposition::Final => {}
        }
    }

    fn forbid(&self, area: Area) {
        // A user who writes to the bot in a private chat can be answered there.
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

    /// Whether to attempt a message to this chat and topic: always where no refusal is known, else once in ten minutes.
    pub fn may_attempt(&self, chat: ChatId, thread: Option<ThreadId>) -> bool {
        self.write_permissions().may_attempt(chat, thread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: ChatId = ChatId(-100);
    const TOPIC: Option<ThreadId> = Some(ThreadId::Topic(5));

    fn refuse(permissions: &WritePermissions, chat: ChatId, thread: Option<ThreadId>, extent: Extent) {
        permissions.record_sent::<()>(chat, thread, &Err(TelegramError::WriteForbidden(extent)));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_refusal_one_attempt_is_allowed_in_ten_minutes_until_one_succeeds() {
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
    async fn a_closed_topic_leaves_other_topics_open() {
        let permissions = WritePermissions::default();
        refuse(&permissions, GROUP, TOPIC, Extent::Topic);
        assert!(!permissions.may_attempt(GROUP, TOPIC));
        assert!(permissions.may_attempt(GROUP, None) && permissions.may_attempt(GROUP, Some(ThreadId::Topic(6))));
        permissions.record_sent(GROUP, None, &Ok(()));
        assert!(!permissions.may_attempt(GROUP, TOPIC), "what gets through elsewhere says nothing");
        refuse(&permissions, GROUP, None, Extent::Topic);
        assert!(
            !permissions.may_attempt(GROUP, None) && permissions.may_attempt(GROUP, Some(ThreadId::Topic(6))),
            "General is a topic too"
        );
        permissions.allow(GROUP);
        assert!(permissions.may_attempt(GROUP, TOPIC) && permissions.may_attempt(GROUP, None));
    }

    #[tokio::test(start_paused = true)]
    async fn private_chats_and_other_failures_are_not_recorded() {
        let permissions = WritePermissions::default();
        refuse(&permissions, ChatId(7), None, Extent::Chat);
        permissions.record_sent::<()>(ChatId(7), None, &Err(TelegramError::ChatGone));
        permissions.record_sent::<()>(GROUP, None, &Err(TelegramError::Timeout));
        assert!(permissions.may_attempt(ChatId(7), None) && permissions.may_attempt(GROUP, None));
        permissions.record_error(GROUP, &TelegramError::ChatGone);
        assert!(!permissions.may_attempt(GROUP, None));
    }
}
