//! Telegram's rate limits: token buckets per private chat and overall, a sliding window per group.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use stenobot_domain::ChatId;

use super::chat::ChatKind;

/// A burst, then one message each `every`.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Messages accepted at once after a pause; at least 1.
    pub burst: u32,
    /// Interval after which one more is accepted.
    pub every: Duration,
}

/// Rate limits; messages, documents and edits count equally.
#[derive(Debug, Clone, Copy)]
pub struct FloodLimits {
    /// Of one private chat.
    pub private: Rate,
    /// Of one group or channel: `burst` messages within any window of `burst` times `every`.
    pub group: Rate,
    /// Of all chats together.
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

/// State of the rate limits.
#[derive(Debug)]
pub(super) struct Flood {
    limits: FloodLimits,
    overall: Bucket,
    chats: HashMap<ChatId, Bucket>,
    /// Times of the messages within the window of each group.
    groups: HashMap<ChatId, VecDeque<Duration>>,
}

/// A call over the limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooFast {
    /// Whole seconds, at least one.
    pub(super) retry_after: Duration,
    /// The call came within an earlier retry-after.
    pub(super) impatient: bool,
}

impl Flood {
    pub(super) fn new(limits: FloodLimits) -> Self {
        Self { limits, overall: Bucket::default(), chats: HashMap::new(), groups: HashMap::new() }
    }

    /// Counts one message at `now`, or returns the time to wait.
    pub(super) fn admit(&mut self, chat: ChatId, kind: ChatKind, now: Duration) -> Result<(), TooFast> {
        let own = self.chats.entry(chat).or_default();
        let group = match kind {
            ChatKind::Private => {
                own.check(self.limits.private, now)?;
                None
            }
            ChatKind::Group | ChatKind::Channel => {
                own.check_closed(now)?;
                let Rate { burst, every } = self.limits.group;
                let (burst, window) = (burst.max(1) as usize, every * burst.max(1));
                let recent = self.groups.entry(chat).or_default();
                while recent.front().is_some_and(|at| *at + window <= now) {
                    recent.pop_front();
                }
                match recent.front() {
                    Some(oldest) if recent.len() >= burst => return Err(own.close_for(*oldest + window - now, now)),
                    Some(_) | None => Some(recent),
                }
            }
        };
        self.overall.check(self.limits.overall, now)?;
        match group {
            Some(recent) => recent.push_back(now),
            None => own.take(self.limits.private, now),
        }
        self.overall.take(self.limits.overall, now);
        Ok(())
    }

    /// Refuses every message to `chat` until `until`, as after an injected 429.
    pub(super) fn close(&mut self, chat: ChatId, until: Duration) {
        self.chats.entry(chat).or_default().closed_until = until;
    }

    /// Whether `now` is within a retry-after of `chat`.
    pub(super) fn is_closed(&self, chat: ChatId, now: Duration) -> bool {
        self.chats.get(&chat).is_some_and(|bucket| now < bucket.closed_until)
    }
}

/// Generic cell rate algorithm: the bucket is full again at `full_at`.
#[derive(Debug, Default)]
struct Bucket {
    full_at: Duration,
    closed_until: Duration,
}

impl Bucket {
    fn check(&mut self, rate: Rate, now: Duration) -> Result<(), TooFast> {
        self.check_closed(now)?;
        let slack = rate.every * (rate.burst.max(1) - 1);
        let behind = self.full_at.saturating_sub(now);
        if behind > slack { Err(self.close_for(behind - slack, now)) } else { Ok(()) }
    }

    fn check_closed(&self, now: Duration) -> Result<(), TooFast> {
        if now < self.closed_until {
            return Err(TooFast { retry_after: whole_seconds(self.closed_until - now), impatient: true });
        }
        Ok(())
    }

    /// After a 429 Telegram refuses everything to the chat for the whole retry-after.
    fn close_for(&mut self, wait: Duration, now: Duration) -> TooFast {
        let retry_after = whole_seconds(wait);
        self.closed_until = now + retry_after;
        TooFast { retry_after, impatient: false }
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
    fn a_group_accepts_twenty_a_minute() {
        let mut flood = Flood::new(FloodLimits::default());
        let mut taken = |seconds: std::ops::Range<u64>| {
            seconds.filter(|second| flood.admit(CHAT, ChatKind::Group, at(second * 1000)).is_ok()).count()
        };
        assert_eq!((taken(0..20), taken(20..60)), (20, 0), "the first minute's");
        assert_eq!((taken(60..80), taken(80..120)), (20, 0), "the second minute's");
        let mut flood = Flood::new(FloodLimits::default());
        for _ in 0..20 {
            flood.admit(CHAT, ChatKind::Group, at(500)).unwrap();
        }
        let refused = flood.admit(CHAT, ChatKind::Group, at(10_500)).unwrap_err();
        assert_eq!(refused, TooFast { retry_after: Duration::from_secs(50), impatient: false });
        assert!(flood.admit(CHAT, ChatKind::Group, at(60_499)).unwrap_err().impatient);
        flood.admit(CHAT, ChatKind::Group, at(60_500)).unwrap();
    }

    #[test]
    fn thirty_a_second_in_all() {
        let mut flood = Flood::new(FloodLimits::default());
        let accepted = (0..100).filter(|chat| flood.admit(ChatId(*chat), ChatKind::Private, at(0)).is_ok()).count();
        assert_eq!(accepted, 30);
    }
}
