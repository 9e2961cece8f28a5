//! Who is an administrator of which group, as Telegram said within the last minute: a member who presses a button again and
//! again costs one call.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stenobot_domain::{ChatId, UserId};
use tokio::time::Instant;

/// How long an answer counts.
const MAX_AGE: Duration = Duration::from_secs(60);
/// Answers kept.
const MAX_KNOWN: usize = 1000;

/// The answers.
#[derive(Debug, Default)]
pub(super) struct AdministratorCache(Mutex<HashMap<(ChatId, UserId), (bool, Instant)>>);

impl AdministratorCache {
    /// Whether the user is an administrator; `None` where Telegram has to be asked.
    pub(super) fn get(&self, chat: ChatId, user: UserId) -> Option<bool> {
        let known = self.known();
        known.get(&(chat, user)).filter(|(_, at)| at.elapsed() < MAX_AGE).map(|(is_administrator, _)| *is_administrator)
    }

    /// Records Telegram's answer.
    pub(super) fn set(&self, chat: ChatId, user: UserId, is_administrator: bool) {
        let mut known = self.known();
        if known.len() >= MAX_KNOWN {
            known.retain(|_, (_, at)| at.elapsed() < MAX_AGE);
        }
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert((chat, user), (is_administrator, Instant::now()));
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(ChatId, UserId), (bool, Instant)>> {
        // Every change under the lock leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: ChatId = ChatId(-1);

    #[tokio::test(start_paused = true)]
    async fn an_answer_counts_for_a_minute_and_for_its_group() {
        let cache = AdministratorCache::default();
        cache.set(GROUP, UserId(1), true);
        cache.set(GROUP, UserId(2), false);
        assert_eq!((cache.get(GROUP, UserId(1)), cache.get(GROUP, UserId(2))), (Some(true), Some(false)));
        assert_eq!((cache.get(ChatId(-2), UserId(1)), cache.get(GROUP, UserId(3))), (None, None));
        tokio::time::advance(MAX_AGE).await;
        assert_eq!(cache.get(GROUP, UserId(1)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_answers_are_bounded() {
        let cache = AdministratorCache::default();
        for user in 0..5 * MAX_KNOWN as i64 {
            cache.set(GROUP, UserId(user), true);
            assert!(cache.known().len() <= MAX_KNOWN && cache.get(GROUP, UserId(user)) == Some(true));
        }
    }
}
