//! What Telegram wants left alone, and until when. Every call asks here first, whoever makes it: a call within a pause
//! is not made, but fails at once with what is left of the pause.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::call::Method;
use super::error::TelegramError;
use crate::model::ChatId;

/// Chats that are refused within [`TOGETHER`] of each other, with nothing taken in between: then Telegram means all
/// chats, and does not have to be asked by each of them.
const SEVERAL: usize = 3;
const TOGETHER: Duration = Duration::from_secs(2);
/// The longest pause that is kept. A server's `retry_after` has no upper end, and one error there must not silence the bot
/// for good.
pub const MAX_PAUSE: Duration = Duration::from_secs(3600);

/// What a pause is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    /// Messages and edits in one chat.
    Chat(ChatId),
    /// Calls that are about no chat.
    Method(Method),
}

/// The pauses under way.
#[derive(Debug, Default)]
pub(super) struct Pauses(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    until: HashMap<Scope, Instant>,
    /// All chats are to be left alone.
    all_chats: Option<Instant>,
    /// Chats that were refused since a chat last took something, and when.
    refused: Vec<(ChatId, Instant)>,
}

impl Pauses {
    /// Whether a call may be made now.
    pub(super) fn check(&self, scope: Scope) -> Result<(), TelegramError> {
        let held = self.held();
        let own = held.until.get(&scope).copied();
        let everybody = held.all_chats.filter(|_| matches!(scope, Scope::Chat(_)));
        let until = own.max(everybody);
        let left = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        if left.is_zero() { Ok(()) } else { Err(TelegramError::RetryAfter(left)) }
    }

    /// Draws the consequences of an answer.
    pub(super) fn heed<T>(&self, scope: Scope, result: &Result<T, TelegramError>) {
        match result {
            Err(TelegramError::RetryAfter(wait)) => self.hold(scope, *wait),
            // Telegram has dealt with a chat.
            Ok(_)
            | Err(
                TelegramError::MessageGone
                | TelegramError::ChatGone
                | TelegramError::ChatMoved(_)
                | TelegramError::WriteForbidden(_)
                | TelegramError::Refused(_),
            ) => {
                if matches!(scope, Scope::Chat(_)) {
                    self.held().refused.clear();
                }
            }
            Err(
                TelegramError::Conflict
                | TelegramError::Unauthorized
                | TelegramError::Server
                | TelegramError::Timeout
                | TelegramError::NoConnection
                | TelegramError::Network(_),
            ) => {}
        }
    }

    fn hold(&self, scope: Scope, wait: Duration) {
        let now = Instant::now();
        let until = now + wait.min(MAX_PAUSE);
        let mut held = self.held();
        held.until.retain(|_, until| *until > now);
        let own = held.until.entry(scope).or_insert(until);
        *own = until.max(*own);
        if let Scope::Chat(chat) = scope {
            held.refused.retain(|(other, at)| *other != chat && now < *at + TOGETHER);
            held.refused.push((chat, now));
            if held.refused.len() >= SEVERAL {
                held.all_chats = held.all_chats.max(Some(until));
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Every change under the lock leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Scope = Scope::Chat(ChatId(1));
    const OTHER: Scope = Scope::Chat(ChatId(2));

    fn refused(seconds: u64) -> Result<(), TelegramError> {
        Err(TelegramError::RetryAfter(Duration::from_secs(seconds)))
    }

    async fn pass(millis: u64) {
        tokio::time::advance(Duration::from_millis(millis)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_kept_to_its_end_and_concerns_its_chat_only() {
        for seconds in [1, 5, 60, 300] {
            let pauses = Pauses::default();
            pauses.heed(ONE, &refused(seconds));
            assert_eq!(pauses.check(ONE), refused(seconds));
            assert_eq!(pauses.check(OTHER), Ok(()));
            pass(seconds * 1000 - 1).await;
            assert_eq!(pauses.check(ONE), Err(TelegramError::RetryAfter(Duration::from_millis(1))));
            pass(1).await;
            assert_eq!(pauses.check(ONE), Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_pause_and_a_success_do_not_shorten_a_longer_one() {
        let pauses = Pauses::default();
        pauses.heed(ONE, &refused(300));
        pauses.heed(ONE, &refused(1));
        pauses.heed(ONE, &Ok(()));
        pass(299_000).await;
        assert_eq!(pauses.check(ONE), refused(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_method_without_a_chat_has_a_pause_of_its_own() {
        let pauses = Pauses::default();
        pauses.heed(Scope::Method(Method::GetFile), &refused(9));
        assert_eq!(pauses.check(Scope::Method(Method::GetFile)), refused(9));
        assert_eq!(pauses.check(Scope::Method(Method::GetUpdates)), Ok(()));
        assert_eq!(pauses.check(ONE), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn three_chats_in_a_row_mean_all() {
        let pauses = Pauses::default();
        for chat in 1..=3 {
            assert_eq!(pauses.check(Scope::Chat(ChatId(9))), Ok(()));
            pauses.heed(Scope::Chat(ChatId(chat)), &refused(30));
        }
        assert_eq!(pauses.check(Scope::Chat(ChatId(9))), refused(30));
        assert_eq!(pauses.check(Scope::Method(Method::GetUpdates)), Ok(()));
        pass(30_000).await;
        assert_eq!(pauses.check(Scope::Chat(ChatId(9))), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn one_chat_three_times_or_three_with_a_success_or_time_between_mean_themselves() {
        let innocent = Scope::Chat(ChatId(9));
        let pauses = Pauses::default();
        for _ in 0..3 {
            pauses.heed(ONE, &refused(30));
        }
        assert_eq!(pauses.check(innocent), Ok(()));
        pauses.heed(OTHER, &refused(30));
        pauses.heed(innocent, &Ok(()));
        pauses.heed(Scope::Chat(ChatId(3)), &refused(30));
        pauses.heed(Scope::Chat(ChatId(4)), &refused(30));
        assert_eq!(pauses.check(innocent), Ok(()));
        pass(2000).await;
        pauses.heed(Scope::Chat(ChatId(5)), &refused(30));
        assert_eq!(pauses.check(innocent), Ok(()));
    }
}
