//! Groups and topics in which the bot may not write, as far as Telegram has said so. Kept in memory: after a restart the
//! first refused message says it again, and a mark that is out of date never outlives the process.

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

/// What a mark is about.
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
struct Mark {
    /// When Telegram last refused a message there.
    refused: Instant,
    /// When an attempt was last allowed.
    tried: Instant,
}

/// The marks.
#[derive(Debug, Default)]
pub(super) struct Closed(Mutex<HashMap<Area, Mark>>);

impl Closed {
    /// Draws on the result of a message to this chat and topic.
    pub(super) fn record_sent<T>(&self, chat: ChatId, thread: Option<ThreadId>, result: &Result<T, TelegramError>) {
        match result {
            Ok(_) => {
                let mut marks = self.marks();
                marks.remove(&Area::Chat(chat));
                marks.remove(&Area::Topic(chat, thread));
            }
            Err(TelegramError::WriteForbidden(Extent::Topic)) => self.mark(Area::Topic(chat, thread)),
            Err(error) => self.record_error(chat, error),
        }
    }

    /// Draws on the failure of an edit, whose topic is not known. An edit that succeeds does not say that a message would.
    pub(super) fn record_error(&self, chat: ChatId, error: &TelegramError) {
        match error {
            TelegramError::WriteForbidden(Extent::Chat) | TelegramError::ChatGone => self.mark(Area::Chat(chat)),
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

    fn mark(&self, area: Area) {
        // In a private chat the bot can write to everybody who writes to it.
        if area.chat().0 > 0 {
            return;
        }
        let now = Instant::now();
        let mut marks = self.marks();
        marks.retain(|_, mark| now < mark.refused + MAX_AGE);
        marks.insert(area, Mark { refused: now, tried: now });
    }

    fn reopen(&self, chat: ChatId) {
        self.marks().retain(|area, _| area.chat() != chat);
    }

    fn refused_since(&self, chat: ChatId, thread: Option<ThreadId>) -> Option<Duration> {
        let marks = self.marks();
        let own = [Area::Chat(chat), Area::Topic(chat, thread)];
        own.iter().filter_map(|area| marks.get(area)).map(|mark| mark.refused.elapsed()).min()
    }

    fn may_try(&self, chat: ChatId, thread: Option<ThreadId>) -> bool {
        let now = Instant::now();
        let mut marks = self.marks();
        let own = [Area::Chat(chat), Area::Topic(chat, thread)];
        let due = own.iter().filter_map(|area| marks.get(area)).all(|mark| now >= mark.tried + PROBE_INTERVAL);
        if due {
            for area in own {
                marks.entry(area).and_modify(|mark| mark.tried = now);
            }
        }
        due
    }

    fn marks(&self) -> MutexGuard<'_, HashMap<Area, Mark>> {
        // Every change under the lock leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// Records what a membership update says of the bot's right to write to a group.
    pub fn set_writable(&self, chat: ChatId, writable: bool) {
        if writable {
            self.closed().reopen(chat);
        } else {
            self.closed().mark(Area::Chat(chat));
        }
    }

    /// Time since Telegram last refused a message to this chat or topic; `None` where none was refused, or a later one
    /// got through.
    pub fn refused_since(&self, chat: ChatId, thread: Option<ThreadId>) -> Option<Duration> {
        self.closed().refused_since(chat, thread)
    }

    /// Whether a message to this chat and topic is worth an attempt: always where the bot may write as far as is known,
    /// else once in ten minutes.
    pub fn may_try(&self, chat: ChatId, thread: Option<ThreadId>) -> bool {
        self.closed().may_try(chat, thread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: ChatId = ChatId(-100);
    const TOPIC: Option<ThreadId> = Some(ThreadId(5));

    fn refuse(closed: &Closed, chat: ChatId, thread: Option<ThreadId>, extent: Extent) {
        closed.record_sent::<()>(chat, thread, &Err(TelegramError::WriteForbidden(extent)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_chat_is_tried_once_in_ten_minutes_until_a_message_gets_through() {
        let closed = Closed::default();
        assert!(closed.may_try(GROUP, None) && closed.may_try(GROUP, None));
        refuse(&closed, GROUP, TOPIC, Extent::Chat);
        assert!(!closed.may_try(GROUP, None) && !closed.may_try(GROUP, TOPIC), "all topics are meant");
        tokio::time::advance(PROBE_INTERVAL).await;
        assert_eq!(closed.refused_since(GROUP, None), Some(PROBE_INTERVAL));
        assert!(closed.may_try(GROUP, TOPIC));
        assert!(!closed.may_try(GROUP, TOPIC), "one at a time");
        closed.record_sent(GROUP, None, &Ok(()));
        assert!(closed.may_try(GROUP, TOPIC) && closed.refused_since(GROUP, TOPIC).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_topic_closes_no_other() {
        let closed = Closed::default();
        refuse(&closed, GROUP, TOPIC, Extent::Topic);
        assert!(!closed.may_try(GROUP, TOPIC));
        assert!(closed.may_try(GROUP, None) && closed.may_try(GROUP, Some(ThreadId(6))));
        closed.record_sent(GROUP, None, &Ok(()));
        assert!(!closed.may_try(GROUP, TOPIC), "what gets through elsewhere says nothing");
        refuse(&closed, GROUP, None, Extent::Topic);
        assert!(!closed.may_try(GROUP, None) && closed.may_try(GROUP, Some(ThreadId(6))), "General is a topic too");
        closed.reopen(GROUP);
        assert!(closed.may_try(GROUP, TOPIC) && closed.may_try(GROUP, None));
    }

    #[tokio::test(start_paused = true)]
    async fn private_chats_are_never_marked_and_other_failures_say_nothing() {
        let closed = Closed::default();
        refuse(&closed, ChatId(7), None, Extent::Chat);
        closed.record_sent::<()>(ChatId(7), None, &Err(TelegramError::ChatGone));
        closed.record_sent::<()>(GROUP, None, &Err(TelegramError::Timeout));
        assert!(closed.may_try(ChatId(7), None) && closed.may_try(GROUP, None));
        closed.record_error(GROUP, &TelegramError::ChatGone);
        assert!(!closed.may_try(GROUP, None));
    }
}
