//! Pauses that Telegram demands, by chat and by method. Every call is checked here first: within a pause it is not made, but
//! fails at once with what is left of the pause.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stenobot_domain::ChatId;
use tokio::time::Instant;

use crate::call::Method;
use crate::error::{Disposition, TelegramError};

/// So many private chats refused within [`BURST_WINDOW`], without a success in between, mean that Telegram refuses the whole
/// bot: the others need not each find out. Groups have a limit of their own that a few members can use up.
const MIN_REFUSED_CHATS: usize = 3;
const BURST_WINDOW: Duration = Duration::from_secs(2);
/// The longest pause of all chats, which is only inferred: after it one call is made, whose result decides.
const MAX_PAUSE_OF_ALL: Duration = Duration::from_secs(5);
/// Time after which another call probes, if the result of the first is still unknown.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// The pause that other calls get meanwhile.
const PROBE_INTERVAL: Duration = Duration::from_millis(250);
/// The longest pause that is kept. A server's `retry_after` has no upper bound, and an error there must not stop the bot
/// for good.
pub const MAX_PAUSE: Duration = Duration::from_secs(3600);

/// Extent of a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    /// Messages and edits in one chat.
    Chat(ChatId),
    /// Calls that are about no chat.
    Method(Method),
}

#[derive(Debug, Default)]
pub(crate) struct Pauses(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    until: HashMap<Scope, Instant>,
    /// A pause of all chats.
    all_chats: Option<PauseOfAll>,
    /// Private chats refused since the last success, and when.
    refused: Vec<(ChatId, Instant)>,
}

/// An inferred pause of all chats. It lasts until a call to a chat succeeds.
#[derive(Debug, Clone, Copy)]
struct PauseOfAll {
    until: Instant,
    /// When the call was made whose result decides whether the pause is over.
    probe: Option<Instant>,
}

impl Held {
    fn check(&self, scope: Scope, now: Instant) -> Result<(), TelegramError> {
        let own = self.until.get(&scope).copied();
        let all = self.all_chats.filter(|_| matches!(scope, Scope::Chat(_))).map(|all| all.until);
        let left = own.max(all).map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        if left.is_zero() { Ok(()) } else { Err(TelegramError::RetryAfter(left)) }
    }
}

impl Pauses {
    /// `RetryAfter` within a pause.
    pub(crate) fn check(&self, scope: Scope) -> Result<(), TelegramError> {
        self.held().check(scope, Instant::now())
    }

    /// Like [`Pauses::check`], for a call that is about to be made: after a pause of all chats, one call probes, and others
    /// wait for its result.
    pub(crate) fn enter(&self, scope: Scope) -> Result<(), TelegramError> {
        let now = Instant::now();
        let mut held = self.held();
        held.check(scope, now)?;
        match (&mut held.all_chats, scope) {
            (Some(PauseOfAll { probe: Some(since), .. }), Scope::Chat(_)) if now < *since + PROBE_TIMEOUT => {
                Err(TelegramError::RetryAfter(PROBE_INTERVAL))
            }
            (Some(all), Scope::Chat(_)) => {
                all.probe = Some(now);
                Ok(())
            }
            (None, Scope::Chat(_)) | (_, Scope::Method(_)) => Ok(()),
        }
    }

    /// Chats within a pause of their own, at most `most`.
    pub(crate) fn paused_chats(&self, most: usize) -> Vec<ChatId> {
        let now = Instant::now();
        let held = self.held();
        let paused = held.until.iter().filter(|(_, until)| **until > now);
        let chats = paused.filter_map(|(scope, _)| match scope {
            Scope::Chat(chat) => Some(*chat),
            Scope::Method(_) => None,
        });
        chats.take(most).collect()
    }

    /// Whether all chats are paused, or a probe of that is under way.
    pub(crate) fn all_paused(&self) -> bool {
        let now = Instant::now();
        let all = self.held().all_chats;
        all.is_some_and(|all| now < all.until || all.probe.is_some_and(|since| now < since + PROBE_TIMEOUT))
    }

    /// Stores or clears pauses by the result of a call.
    pub(crate) fn record<T>(&self, scope: Scope, result: &Result<T, TelegramError>) {
        match result.as_ref().err().map(TelegramError::disposition) {
            Some(Disposition::ServerRequested(pause)) => self.hold(scope, pause),
            // Telegram processes calls to chats again.
            None
            | Some(
                Disposition::ChatMoved(_)
                | Disposition::ChatUnreachable(_)
                | Disposition::MessageGone
                | Disposition::Final,
            ) => {
                if matches!(scope, Scope::Chat(_)) {
                    let mut held = self.held();
                    held.refused.clear();
                    held.all_chats = None;
                }
            }
            Some(Disposition::Retry { .. } | Disposition::OperatorNeeded { .. }) => {}
        }
    }

    fn hold(&self, scope: Scope, wait: Duration) {
        let now = Instant::now();
        let until = now + wait.min(MAX_PAUSE);
        let mut held = self.held();
        held.until.retain(|_, until| *until > now);
        let own = held.until.entry(scope).or_insert(until);
        *own = until.max(*own);
        match scope {
            Scope::Chat(chat) if chat.0 > 0 => {
                held.refused.retain(|(other, at)| *other != chat && now < *at + BURST_WINDOW);
                held.refused.push((chat, now));
                if held.refused.len() >= MIN_REFUSED_CHATS || held.all_chats.is_some() {
                    let until = now + wait.min(MAX_PAUSE_OF_ALL);
                    let until = held.all_chats.map_or(until, |all| all.until.max(until));
                    held.all_chats = Some(PauseOfAll { until, probe: None });
                }
            }
            // A group's refusal says nothing of the other chats: the next call may probe.
            Scope::Chat(_) => {
                if let Some(all) = &mut held.all_chats {
                    all.probe = None;
                }
            }
            Scope::Method(_) => {}
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
    async fn a_pause_lasts_to_its_end_and_holds_for_its_chat_only() {
        for seconds in [1, 5, 60, 300] {
            let pauses = Pauses::default();
            pauses.record(ONE, &refused(seconds));
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
        pauses.record(ONE, &refused(300));
        pauses.record(ONE, &refused(1));
        pauses.record(ONE, &Ok(()));
        pass(299_000).await;
        assert_eq!(pauses.check(ONE), refused(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_method_without_a_chat_has_a_pause_of_its_own() {
        let pauses = Pauses::default();
        pauses.record(Scope::Method(Method::GetFile), &refused(9));
        assert_eq!(pauses.check(Scope::Method(Method::GetFile)), refused(9));
        assert_eq!(pauses.check(Scope::Method(Method::GetUpdates)), Ok(()));
        assert_eq!(pauses.check(ONE), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn three_refused_private_chats_pause_all_until_a_call_succeeds() {
        let (probe, innocent) = (Scope::Chat(ChatId(8)), Scope::Chat(ChatId(9)));
        let pauses = Pauses::default();
        for chat in 1..=3 {
            assert_eq!(pauses.check(innocent), Ok(()));
            pauses.record(Scope::Chat(ChatId(chat)), &refused(30));
        }
        for _ in 0..2 {
            assert_eq!(pauses.check(innocent), refused(5), "what is inferred is short");
            assert_eq!(pauses.check(Scope::Method(Method::GetUpdates)), Ok(()));
            pass(5_000).await;
            assert_eq!(pauses.enter(probe), Ok(()), "one call is made");
            assert_eq!(pauses.enter(innocent), Err(TelegramError::RetryAfter(PROBE_INTERVAL)), "and no other");
            pauses.record(probe, &refused(5));
        }
        pass(5_000).await;
        assert_eq!(pauses.enter(probe), Ok(()));
        pass(PROBE_TIMEOUT.as_millis() as u64).await;
        assert_eq!(pauses.enter(innocent), Ok(()), "a call without a result delays others only until its timeout");
        pauses.record(innocent, &Ok(()));
        assert_eq!((pauses.enter(innocent), pauses.enter(probe)), (Ok(()), Ok(())));
        assert_eq!(pauses.check(ONE), refused(30 - 18), "a chat's own pause goes on");
        assert_eq!(pauses.paused_chats(9).len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn refused_groups_pause_themselves_only() {
        let pauses = Pauses::default();
        for group in 1..=5 {
            pauses.record(Scope::Chat(ChatId(-group)), &refused(40));
        }
        assert_eq!(pauses.enter(ONE), Ok(()));
        pauses.record(ONE, &refused(1));
        pauses.record(OTHER, &refused(1));
        assert_eq!(pauses.enter(Scope::Chat(ChatId(3))), Ok(()), "two private chats are not three");
    }

    #[tokio::test(start_paused = true)]
    async fn repeated_refusals_of_one_chat_or_spread_refusals_pause_no_other() {
        let innocent = Scope::Chat(ChatId(9));
        let pauses = Pauses::default();
        for _ in 0..3 {
            pauses.record(ONE, &refused(30));
        }
        assert_eq!(pauses.check(innocent), Ok(()));
        pauses.record(OTHER, &refused(30));
        pauses.record(innocent, &Ok(()));
        pauses.record(Scope::Chat(ChatId(3)), &refused(30));
        pauses.record(Scope::Chat(ChatId(4)), &refused(30));
        assert_eq!(pauses.check(innocent), Ok(()));
        pass(2000).await;
        pauses.record(Scope::Chat(ChatId(5)), &refused(30));
        assert_eq!(pauses.check(innocent), Ok(()));
    }
}
