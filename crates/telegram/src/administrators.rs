//! Cache of `getChatMember` answers: repeated presses of one member cost one call a minute.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stenobot_domain::{ChatId, UserId};
use tokio::time::Instant;

/// Age after which Telegram is asked again.
const MAX_AGE: Duration = Duration::from_secs(60);
/// Answers kept.
const MAX_KNOWN: usize = 1000;

/// Answers by group and user.
#[derive(Debug, Default)]
pub(super) struct AdministratorCache(Mutex<HashMap<(ChatId, UserId), (bool, Instant)>>);

impl AdministratorCache {
    /// `None` where Telegram has to be asked.
    pub(super) fn get(&self, chat: ChatId, user: UserId) -> Option<bool> {
        let known = self.known();
        known.get(&(chat, user)).filter(|(_, at)| at.elapsed() < MAX_AGE).map(|(is_administrator, _)| *is_administrator)
    }

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
    async fn an_answer_expires_after_a_minute_and_holds_for_its_group_only() {
        let cache = AdministratorCache::default();
        cache.set(GROUP, UserId(1), true);
        cache.set(GROUP, UserId(2), false);
        assert_eq!((cache.get(GROUP, UserId(1)), cache.get(GROUP, UserId(2))), (Some(true), Some(false)));
        assert_eq!((cache.get(ChatId(-2), UserId(1)), cache.get(GROUP, UserId(3))), (None, None));
        tokio::time::advance(MAX_AGE).await;
        assert_eq!(cache.get(GROUP, UserId(1)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_cache_is_bounded() {
        let cache = AdministratorCache::default();
        for user in 0..5 * MAX_KNOWN as i64 {
            cache.set(GROUP, UserId(user), true);
            assert!(cache.known().len() <= MAX_KNOWN && cache.get(GROUP, UserId(user)) == Some(true));
        }
    }
}
