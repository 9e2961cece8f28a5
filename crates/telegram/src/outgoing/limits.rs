//! How much Telegram takes, and how much of it each kind of message may use.

use std::num::NonZeroU32;
use std::time::Duration;

use stenobot_domain::ChatId;

/// What a message or edit is for. The smaller goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// The text of a recording.
    Answer,
    /// Everything else that a user waits for: refusals, replies to commands and presses, first status messages.
    Notice,
    /// Edits of status messages.
    Status,
    /// Messages to all users.
    Broadcast,
}

/// Limits of outgoing messages and edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Between two messages or edits, over all chats. Telegram takes about 30 a second.
    pub message_interval: Duration,
    /// Messages and edits under way in one chat: a chat whose calls hang takes nothing from the others.
    pub max_in_flight_per_chat: usize,
    /// Messages and edits in one group within a minute, beyond which status edits and broadcasts wait. Answers and
    /// notices do not: Telegram's limit is approximate, and its refusal names the exact pause.
    pub max_per_group: usize,
    /// Between two status edits, over all chats: leaves room for answers.
    pub status_interval: Duration,
    /// Between two status edits in one private chat.
    pub status_interval_per_chat: Duration,
    /// Between two status edits in one group.
    pub status_interval_per_group: Duration,
    /// Between two messages of a broadcast: half of what Telegram takes is left for answers.
    pub broadcast_interval: Duration,
}

/// Messages and edits in one group within a minute that each of several machines may make in any case.
const MIN_PER_GROUP: usize = 3;

/// Window of Telegram's limit for groups.
pub(super) const GROUP_WINDOW: Duration = Duration::from_secs(60);

/// Messages a second that leave some room under what Telegram takes from a bot.
pub const DEFAULT_RATE: NonZeroU32 = NonZeroU32::new(28).unwrap();

impl Default for Limits {
    fn default() -> Self {
        Self::of_rate(DEFAULT_RATE)
    }
}

impl Limits {
    /// With so many messages and edits a second over all chats. Nine tenths of them may be status edits, half a broadcast's.
    pub(crate) fn of_rate(messages_per_second: NonZeroU32) -> Self {
        let message_interval = Duration::from_secs(1) / messages_per_second.get();
        Self {
            message_interval,
            max_in_flight_per_chat: 2,
            max_per_group: 20,
            status_interval: message_interval.mul_f64(1.1),
            status_interval_per_chat: Duration::from_secs(1),
            status_interval_per_group: Duration::from_secs(5),
            broadcast_interval: 2 * message_interval,
        }
    }
}

/// A machine's part of what Telegram takes from a bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    own: NonZeroU32,
    all: NonZeroU32,
}

impl Default for Share {
    /// Of a machine that is alone.
    fn default() -> Self {
        Self { own: NonZeroU32::MIN, all: NonZeroU32::MIN }
    }
}

impl Share {
    /// Of a machine that wanted to send `own` messages lately, beside others that wanted to send `others` each. One that was
    /// idle has a small share as well, with which it starts.
    pub fn of(own: u32, others: impl IntoIterator<Item = u32>) -> Self {
        let weight = |demand: u32| NonZeroU32::MIN.saturating_add(IDLE_DEMAND - 1).saturating_add(demand);
        let own = weight(own);
        let all = others.into_iter().fold(own, |all, demand| all.saturating_add(weight(demand).get()));
        Self { own, all }
    }

    fn reciprocal(self) -> f64 {
        f64::from(self.all.get()) / f64::from(self.own.get())
    }
}

/// What an idle machine counts as, so that its first messages do not wait for its next heartbeat.
const IDLE_DEMAND: u32 = 5;

impl Limits {
    /// One machine's share.
    ///
    /// The overall paces are divided: together the machines send what one may. A group's limit per minute is divided too, since
    /// any machine may edit there: it holds back status edits only, while a refusal would pause the group's answers on every
    /// machine. Down to [`MIN_PER_GROUP`], because a group seldom concerns more than a few machines at a time; where it does,
    /// Telegram's refusal and the shared pause decide. Not divided are the intervals in one chat, whose requests are mostly one
    /// machine's, and a broadcast's, which one machine makes and the overall pace bounds already.
    pub(super) fn shared(self, share: Share) -> Self {
        let Share { own, all } = share;
        let in_group = u64::try_from(self.max_per_group).unwrap_or(u64::MAX).saturating_mul(own.get().into())
            / u64::from(all.get());
        let in_group = usize::try_from(in_group).unwrap_or(usize::MAX);
        Self {
            message_interval: self.message_interval.mul_f64(share.reciprocal()),
            status_interval: self.status_interval.mul_f64(share.reciprocal()),
            max_per_group: in_group.max(MIN_PER_GROUP.min(self.max_per_group)),
            ..self
        }
    }

    pub(super) fn status_interval_in(&self, chat: ChatId) -> Duration {
        if is_group(chat) {
            self.status_interval_per_group.max(self.status_interval_per_chat)
        } else {
            self.status_interval_per_chat
        }
    }
}

/// Ids of groups are negative.
pub(super) fn is_group(chat: ChatId) -> bool {
    chat.0 < 0
}
