//! Pauses that Telegram demands, by chat and by method. Every call is checked here first: within a pause it is not made, but
//! fails at once with what is left of the pause. Pauses of chats hold for all machines that send for the bot: those learned
//! here are given out once ([`Pauses::next_learned`]), those that another machine learned are imposed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stenobot_domain::ChatId;
use tokio::sync::Notify;
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

/// A pause of messages and edits that Telegram demanded of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LearnedPause {
    /// The chat; `None` for all.
    pub chat: Option<ChatId>,
    /// Its end.
    pub until: Instant,
}

#[derive(Debug, Default)]
pub(crate) struct Pauses {
    held: Mutex<Held>,
    /// Notified when a pause was learned.
    learned: Notify,
}

#[derive(Debug, Default)]
struct Held {
    until: HashMap<Scope, Instant>,
    /// A pause of all chats.
    all_chats: Option<PauseOfAll>,
    /// End of a pause of all chats that another machine learned. A success here does not end it: that call may have begun
    /// before the refusals there.
    imposed_on_all: Option<Instant>,
    /// Ends of the pauses of chats, and of all, that were learned since they were last taken.
    learned: HashMap<Option<ChatId>, Instant>,
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

    fn extend(&mut self, scope: Scope, until: Instant) {
        let known = self.until.entry(scope).or_insert(until);
        *known = until.max(*known);
    }

    fn extend_all(&mut self, until: Instant) {
        let until = self.all_chats.map_or(until, |all| all.until.max(until));
        self.all_chats = Some(PauseOfAll { until, probe: None });
    }

    /// Also of learned ones that are not taken: in a process that is alone, nothing takes them.
    fn drop_past(&mut self, now: Instant) {
        self.until.retain(|_, until| *until > now);
        self.learned.retain(|_, until| *until > now);
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
                    let now = Instant::now();
                    let mut held = self.held();
                    held.refused.clear();
                    if held.imposed_on_all.is_none_or(|until| until <= now) {
                        held.all_chats = None;
                    }
                }
            }
            Some(Disposition::Retry { .. } | Disposition::OperatorNeeded { .. }) => {}
        }
    }

    fn hold(&self, scope: Scope, wait: Duration) {
        let now = Instant::now();
        let until = now + wait.min(MAX_PAUSE);
        let mut held = self.held();
        held.drop_past(now);
        held.extend(scope, until);
        if let Scope::Chat(chat) = scope {
            self.learn(&mut held, Some(chat), until);
        }
        match scope {
            Scope::Chat(chat) if chat.0 > 0 => {
                held.refused.retain(|(other, at)| *other != chat && now < *at + BURST_WINDOW);
                held.refused.push((chat, now));
                if held.refused.len() >= MIN_REFUSED_CHATS || held.all_chats.is_some() {
                    let until = now + wait.min(MAX_PAUSE_OF_ALL);
                    held.extend_all(until);
                    self.learn(&mut held, None, until);
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

    /// Holds a pause that another machine learned. One that ends earlier than a known one changes nothing.
    pub(crate) fn impose(&self, chat: Option<ChatId>, left: Duration) {
        let now = Instant::now();
        let mut held = self.held();
        held.drop_past(now);
        match chat {
            Some(chat) => held.extend(Scope::Chat(chat), now + left.min(MAX_PAUSE)),
            None => {
                let until = now + left.min(MAX_PAUSE_OF_ALL);
                if held.imposed_on_all.is_none_or(|known| known < until) {
                    held.imposed_on_all = Some(until);
                    held.extend_all(until);
                }
            }
        }
    }

    /// Waits for pauses of chats that were learned here, and gives those that are new since the last call. Cancellation-safe;
    /// for one caller.
    pub(crate) async fn next_learned(&self) -> Vec<LearnedPause> {
        loop {
            let learned = std::mem::take(&mut self.held().learned);
            if !learned.is_empty() {
                return learned.into_iter().map(|(chat, until)| LearnedPause { chat, until }).collect();
            }
            self.learned.notified().await;
        }
    }

    fn learn(&self, held: &mut Held, chat: Option<ChatId>, until: Instant) {
        let known = held.learned.entry(chat).or_insert(until);
        *known = until.max(*known);
        self.learned.notify_one();
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Every change under the lock leaves it whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
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
    async fn learned_pauses_of_chats_are_given_once_and_those_of_methods_never() {
        let pauses = Pauses::default();
        pauses.record(Scope::Method(Method::GetUpdates), &refused(9));
        pauses.record(ONE, &refused(30));
        pauses.record(ONE, &refused(10));
        let end = Instant::now() + Duration::from_secs(30);
        assert_eq!(pauses.next_learned().await, [LearnedPause { chat: Some(ChatId(1)), until: end }]);
        pauses.impose(Some(ChatId(2)), Duration::from_secs(5));
        let next = tokio::time::timeout(Duration::from_secs(1), pauses.next_learned());
        assert!(next.await.is_err(), "what was imposed comes from another machine");
        for chat in 3..=5 {
            pauses.record(Scope::Chat(ChatId(chat)), &refused(30));
        }
        let learned = pauses.next_learned().await;
        assert_eq!(learned.len(), 4);
        let all = LearnedPause { chat: None, until: Instant::now() + MAX_PAUSE_OF_ALL };
        assert!(learned.contains(&all), "{learned:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_imposed_pause_holds_and_never_shortens_a_known_one() {
        let pauses = Pauses::default();
        pauses.impose(Some(ChatId(1)), Duration::from_secs(30));
        pauses.impose(Some(ChatId(1)), Duration::from_secs(3));
        pauses.record(OTHER, &refused(60));
        pauses.impose(Some(ChatId(2)), Duration::from_secs(3));
        pauses.record(ONE, &Ok(()));
        assert_eq!((pauses.check(ONE), pauses.check(OTHER)), (refused(30), refused(60)));
        assert_eq!(pauses.paused_chats(9).len(), 2);
        pauses.impose(Some(ChatId(3)), Duration::MAX);
        assert_eq!(pauses.check(Scope::Chat(ChatId(3))), Err(TelegramError::RetryAfter(MAX_PAUSE)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_imposed_pause_of_all_outlasts_a_success_and_ends_with_a_probe() {
        let pauses = Pauses::default();
        pauses.impose(None, Duration::from_secs(4));
        pauses.record(OTHER, &Ok(()));
        pass(3000).await;
        // The same pause, read again.
        pauses.impose(None, Duration::from_secs(1));
        assert_eq!((pauses.check(ONE), pauses.all_paused()), (refused(1), true));
        assert_eq!(pauses.check(Scope::Method(Method::GetUpdates)), Ok(()));
        pass(1000).await;
        assert_eq!(pauses.enter(ONE), Ok(()), "one call is made");
        assert_eq!(pauses.enter(OTHER), Err(TelegramError::RetryAfter(PROBE_INTERVAL)), "and no other");
        pauses.record(ONE, &Ok(()));
        assert_eq!((pauses.enter(OTHER), pauses.all_paused()), (Ok(()), false));
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
