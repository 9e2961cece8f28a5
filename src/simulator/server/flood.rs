//! Telegram's limits on how fast a bot may write, as token buckets.

use std::collections::HashMap;
use std::time::Duration;

use super::chat::ChatKind;
use crate::model::ChatId;

/// So many messages at once, then one each `every`.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Messages that may come at once after a pause; at least 1.
    pub burst: u32,
    /// Time in which one more is allowed.
    pub every: Duration,
}

/// The limits; sent messages, documents and edits count alike.
#[derive(Debug, Clone, Copy)]
pub struct FloodLimits {
    /// In one private chat.
    pub private: Rate,
    /// In one group or channel.
    pub group: Rate,
    /// In all chats together.
    pub overall: Rate,
}

impl Default for FloodLimits {
    /// About one message per second in a chat with short bursts, 20 per minute in a group, 30 per second overall.
    fn default() -> Self {
        Self {
            private: Rate { burst: 5, every: Duration::from_secs(1) },
            group: Rate { burst: 20, every: Duration::from_secs(3) },
            overall: Rate { burst: 30, every: Duration::from_nanos(1_000_000_000 / 30) },
        }
    }
}

/// What has been written lately.
#[derive(Debug)]
pub(super) struct Flood {
    limits: FloodLimits,
    overall: Bucket,
    chats: HashMap<ChatId, Bucket>,
}

/// A call that came too fast.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooFast {
    /// Whole seconds, at least one, as Telegram says it.
    pub(super) retry_after: Duration,
    /// The client had been told to wait and did not.
    pub(super) impatient: bool,
}

impl Flood {
    pub(super) fn new(limits: FloodLimits) -> Self {
        Self { limits, overall: Bucket::default(), chats: HashMap::new() }
    }

    /// Counts one message at `now`, or says how long to wait.
    pub(super) fn admit(&mut self, chat: ChatId, kind: ChatKind, now: Duration) -> Result<(), TooFast> {
        let rate = match kind {
            ChatKind::Private => self.limits.private,
            ChatKind::Group | ChatKind::Channel => self.limits.group,
        };
        let own = self.chats.entry(chat).or_default();
        own.check(rate, now)?;
        self.overall.check(self.limits.overall, now)?;
        own.take(rate, now);
        self.overall.take(self.limits.overall, now);
        Ok(())
    }

    /// Makes every message to `chat` wait, as a 429 out of the blue does.
    pub(super) fn close(&mut self, chat: ChatId, until: Duration) {
        self.chats.entry(chat).or_default().closed_until = until;
    }

    /// Whether the client was told to leave `chat` alone for longer than until `now`.
    pub(super) fn is_closed(&self, chat: ChatId, now: Duration) -> bool {
        self.chats.get(&chat).is_some_and(|bucket| now < bucket.closed_until)
    }
}

/// The generic cell rate algorithm: `full_at` is when the bucket would be as good as new.
#[derive(Debug, Default)]
struct Bucket {
    full_at: Duration,
    closed_until: Duration,
}

impl Bucket {
    fn check(&mut self, rate: Rate, now: Duration) -> Result<(), TooFast> {
        if now < self.closed_until {
            return Err(TooFast { retry_after: whole_seconds(self.closed_until - now), impatient: true });
        }
        let slack = rate.every * (rate.burst.max(1) - 1);
        let behind = self.full_at.saturating_sub(now);
        if behind > slack {
            let retry_after = whole_seconds(behind - slack);
            // Telegram keeps to its own word: a chat that was told to wait is closed for all of it.
            self.closed_until = now + retry_after;
            return Err(TooFast { retry_after, impatient: false });
        }
        Ok(())
    }

    fn take(&mut self, rate: Rate, now: Duration) {
        self.full_at = self.full_at.max(now) + rate.every;
    }
}

fn whole_seconds(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: ChatId = ChatId(1);

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_passes_then_one_per_second() {
        let mut flood = Flood::new(FloodLimits::default());
        for _ in 0..5 {
            flood.admit(CHAT, ChatKind::Private, at(0)).unwrap();
        }
        let refused = flood.admit(CHAT, ChatKind::Private, at(10)).unwrap_err();
        assert_eq!(refused, TooFast { retry_after: Duration::from_secs(1), impatient: false });
        assert!(flood.admit(CHAT, ChatKind::Private, at(500)).unwrap_err().impatient);
        flood.admit(CHAT, ChatKind::Private, at(1010)).unwrap();
        assert!(flood.admit(CHAT, ChatKind::Private, at(1020)).is_err());
        flood.admit(ChatId(2), ChatKind::Private, at(1020)).unwrap();
    }

    #[test]
    fn a_group_takes_twenty_a_minute() {
        let mut flood = Flood::new(FloodLimits::default());
        let accepted = (0..60).filter(|second| flood.admit(CHAT, ChatKind::Group, at(second * 1000)).is_ok()).count();
        assert!((20..=40).contains(&accepted), "{accepted}");
        let later = (60..120).filter(|second| flood.admit(CHAT, ChatKind::Group, at(second * 1000)).is_ok()).count();
        assert!((19..=21).contains(&later), "{later}");
    }

    #[test]
    fn thirty_a_second_in_all() {
        let mut flood = Flood::new(FloodLimits::default());
        let accepted = (0..100).filter(|chat| flood.admit(ChatId(*chat), ChatKind::Private, at(0)).is_ok()).count();
        assert_eq!(accepted, 30);
    }
}
