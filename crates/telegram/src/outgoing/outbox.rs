//! The one place that decides which message or edit goes to Telegram next, and when.
//!
//! Every call to a chat waits here for its slot: by priority, chats of the same priority in turns, calls of one chat in their
//! order. The outbox knows the [`Limits`] and the pauses that Telegram demands. A call within a pause is not made but fails at
//! once with what is left of it, so that its caller decides between waiting and giving up; nothing waits here for a pause.
//!
//! Three kinds of callers bound what waits: answers by the deliveries under way, notices by chat and number, replies by the
//! [`Lanes`](super::Lanes). Status edits are bounded by the requests under way; the [`StatusEditor`](super::StatusEditor)
//! keeps only the latest text of each, so it asks when an edit is due and only then takes a slot, since a text that waits in a
//! queue would be outdated when it leaves.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stenobot_domain::ChatId;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::limits::{GROUP_WINDOW, Limits, Priority, Share, is_group};
use super::pauses::{Pauses, Scope};
use crate::error::TelegramError;

/// Longest wait for a slot: the calls before it hang. The call has not been made then.
const MAX_WAIT: Duration = Duration::from_secs(20);
/// The pause that is returned then.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Orders and paces all messages and edits. Clones share one.
#[derive(Debug, Clone)]
pub struct Outbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Of all machines together.
    limits: Limits,
    /// This machine's part of them.
    share: Mutex<Share>,
    pauses: Pauses,
    state: Mutex<State>,
    /// Notified when waiting calls have to look again.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// Calls that wait, by number of arrival.
    waiting: BTreeMap<u64, Ticket>,
    next_ticket: u64,
    /// Tickets before this one were counted by [`Outbox::take_demand`].
    demand_taken: u64,
    chats: HashMap<ChatId, ChatQueue>,
    /// Slots given so far.
    turns: u64,
    /// When the next message or edit may leave.
    next_slot: Instant,
    next_broadcast: Instant,
    next_status: Instant,
    /// When the status of each chat may be edited again.
    next_status_in: HashMap<ChatId, Instant>,
    /// Slots given to each group within [`GROUP_WINDOW`].
    groups: HashMap<ChatId, VecDeque<Instant>>,
}

#[derive(Debug, Clone, Copy)]
struct Ticket {
    chat: ChatId,
    priority: Priority,
}

/// A chat with calls that wait or are under way.
#[derive(Debug)]
struct ChatQueue {
    waiting: usize,
    in_flight: usize,
    /// The number of slots given when this chat last got one, or came: the smallest is next.
    turn: u64,
}

/// The right to make one call; hold it until the call has ended.
#[derive(Debug)]
pub(crate) struct Slot {
    outbox: Outbox,
    chat: ChatId,
}

/// A call that waits. Leaves the queue when it is dropped.
struct WaitingCall<'a> {
    outbox: &'a Outbox,
    ticket: u64,
}

/// What a waiting call has to do.
enum Step {
    Go,
    /// Its turn comes at this time, unless something changes before.
    WaitUntil(Instant),
    /// Others go first.
    Wait,
}

impl Outbox {
    /// An outbox in which nothing waits.
    pub fn new(limits: Limits) -> Self {
        let now = Instant::now();
        let state = State {
            waiting: BTreeMap::new(),
            next_ticket: 0,
            demand_taken: 0,
            chats: HashMap::new(),
            turns: 0,
            next_slot: now,
            next_broadcast: now,
            next_status: now,
            next_status_in: HashMap::new(),
            groups: HashMap::new(),
        };
        let (pauses, state) = (Pauses::default(), Mutex::new(state));
        Self(Arc::new(Shared { limits, share: Mutex::default(), pauses, state, changed: Notify::new() }))
    }

    /// Sets this machine's part of the limits. A slot that has its time keeps it.
    pub(crate) fn set_share(&self, share: Share) {
        *self.0.share.lock().unwrap_or_else(PoisonError::into_inner) = share;
        self.0.changed.notify_waiters();
    }

    /// Messages that came since this was asked last, or wait since before.
    pub(crate) fn take_demand(&self) -> u32 {
        let mut state = self.state();
        let older = state.waiting.range(..state.demand_taken).count() as u64;
        let demand = state.next_ticket - state.demand_taken + older;
        state.demand_taken = state.next_ticket;
        u32::try_from(demand).unwrap_or(u32::MAX)
    }

    /// This machine's share.
    fn limits(&self) -> Limits {
        let share = *self.0.share.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.limits.shared(share)
    }

    /// Waits for the turn of one message or edit. Cancellation-safe.
    ///
    /// # Errors
    /// [`TelegramError::RetryAfter`] within a pause, and when the wait takes longer than [`MAX_WAIT`].
    pub(crate) async fn acquire(&self, chat: ChatId, priority: Priority) -> Result<Slot, TelegramError> {
        self.0.pauses.check(Scope::Chat(chat))?;
        let call = self.enqueue(chat, priority);
        let granted = tokio::time::timeout(MAX_WAIT, call.granted(chat)).await;
        granted.unwrap_or(Err(TelegramError::RetryAfter(RETRY_PAUSE)))?;
        Ok(Slot { outbox: self.clone(), chat })
    }

    /// The pauses of calls that are about no chat are kept here too.
    pub(crate) fn check_pause(&self, scope: Scope) -> Result<(), TelegramError> {
        self.0.pauses.check(scope)
    }

    /// Stores or clears pauses by the result of a call.
    pub(crate) fn record<T>(&self, scope: Scope, result: &Result<T, TelegramError>) {
        self.0.pauses.record(scope, result);
        self.0.changed.notify_waiters();
    }

    /// Holds a pause that another machine learned.
    pub(crate) fn impose_pause(&self, chat: Option<ChatId>, left: Duration) {
        self.0.pauses.impose(chat, left);
        self.0.changed.notify_waiters();
    }

    pub(crate) fn pauses(&self) -> &Pauses {
        &self.0.pauses
    }

    /// When the status of a chat may be edited again; by the overall pace, the chat's, the group's limit, and pauses.
    /// Never before `now`.
    pub(super) fn status_due(&self, chat: ChatId, now: Instant) -> Instant {
        let pause = match self.0.pauses.check(Scope::Chat(chat)) {
            Err(TelegramError::RetryAfter(left)) => now + left,
            Ok(()) | Err(_) => now,
        };
        let state = self.state();
        let in_chat = state.next_status_in.get(&chat).copied().unwrap_or(now);
        let in_group = state.group_free_at(chat, &self.limits()).unwrap_or(now);
        state.next_status.max(in_chat).max(in_group).max(pause).max(now)
    }

    /// Counts a status edit that starts now.
    pub(super) fn status_started(&self, chat: ChatId) {
        let (now, limits) = (Instant::now(), self.limits());
        let mut state = self.state();
        state.next_status_in.retain(|_, free_at| *free_at > now);
        state.next_status_in.insert(chat, now + limits.status_interval_in(chat));
        state.next_status = now + limits.status_interval;
    }

    /// Puts off the status edits of a chat after an edit that was refused.
    pub(super) fn delay_status(&self, chat: ChatId, pause: Duration) {
        let until = Instant::now() + pause.min(super::MAX_PAUSE);
        let mut state = self.state();
        let free_at = state.next_status_in.entry(chat).or_insert(until);
        *free_at = until.max(*free_at);
    }

    fn enqueue(&self, chat: ChatId, priority: Priority) -> WaitingCall<'_> {
        let mut state = self.state();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.insert(ticket, Ticket { chat, priority });
        let turn = state.turns;
        state.chats.entry(chat).or_insert(ChatQueue { waiting: 0, in_flight: 0, turn }).waiting += 1;
        drop(state);
        WaitingCall { outbox: self, ticket }
    }

    /// Gives the call its slot if it is its turn.
    fn step(&self, ticket: u64, chat: ChatId) -> Result<Step, TelegramError> {
        let (limits, pauses) = (&self.limits(), &self.0.pauses);
        pauses.check(Scope::Chat(chat))?;
        let now = Instant::now();
        let mut state = self.state();
        let Some(Ticket { priority, .. }) = state.waiting.get(&ticket).copied() else { return Ok(Step::Wait) };
        if let Some(free_at) = state.not_before(chat, priority, limits).filter(|free_at| *free_at > now) {
            return Ok(Step::WaitUntil(free_at));
        }
        if state.next(now, limits) != Some(ticket) {
            return Ok(Step::Wait);
        }
        if state.next_slot > now {
            return Ok(Step::WaitUntil(state.next_slot));
        }
        // After a pause of all chats, only one call may probe.
        pauses.enter(Scope::Chat(chat))?;
        state.grant(ticket, chat, priority, now, limits);
        Ok(Step::Go)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The call that gets the next slot.
    fn next(&self, now: Instant, limits: &Limits) -> Option<u64> {
        let can_go = self.waiting.iter().filter(|(_, Ticket { chat, priority })| {
            let has_room = self.chats.get(chat).is_some_and(|queue| queue.in_flight < limits.max_in_flight_per_chat);
            has_room && self.not_before(*chat, *priority, limits).is_none_or(|free_at| free_at <= now)
        });
        let key = |(number, Ticket { chat, priority }): (&u64, &Ticket)| {
            (*priority, self.chats.get(chat).map_or(0, |queue| queue.turn), *number)
        };
        can_go.map(key).min().map(|(_, _, number)| number)
    }

    /// The earliest time that the limits of its priority allow a call.
    fn not_before(&self, chat: ChatId, priority: Priority, limits: &Limits) -> Option<Instant> {
        match priority {
            Priority::Answer | Priority::Notice => None,
            Priority::Status => self.group_free_at(chat, limits),
            Priority::Broadcast => self.group_free_at(chat, limits).max(Some(self.next_broadcast)),
        }
    }

    /// When the group has room again under its limit; `None` where it has room or is no group.
    fn group_free_at(&self, chat: ChatId, limits: &Limits) -> Option<Instant> {
        let sent = self.groups.get(&chat)?;
        let oldest = sent.len().checked_sub(limits.max_per_group)?;
        sent.get(oldest).map(|at| *at + GROUP_WINDOW)
    }

    fn grant(&mut self, ticket: u64, chat: ChatId, priority: Priority, now: Instant, limits: &Limits) {
        self.waiting.remove(&ticket);
        self.turns += 1;
        if let Some(queue) = self.chats.get_mut(&chat) {
            queue.waiting -= 1;
            queue.in_flight += 1;
            queue.turn = self.turns;
        }
        // A slot that was taken late does not put off the next one: the pace holds on average.
        let missed = now.saturating_duration_since(self.next_slot).min(limits.message_interval);
        self.next_slot = now + limits.message_interval - missed;
        if priority == Priority::Broadcast {
            self.next_broadcast = now + limits.broadcast_interval;
        }
        if is_group(chat) {
            self.groups.retain(|_, sent| sent.back().is_some_and(|at| *at + GROUP_WINDOW > now));
            let sent = self.groups.entry(chat).or_default();
            while sent.front().is_some_and(|at| *at + GROUP_WINDOW <= now) {
                sent.pop_front();
            }
            sent.push_back(now);
        }
    }

    fn forget_idle(&mut self, chat: ChatId) {
        if self.chats.get(&chat).is_some_and(|queue| queue.waiting == 0 && queue.in_flight == 0) {
            self.chats.remove(&chat);
        }
    }
}

impl WaitingCall<'_> {
    async fn granted(&self, chat: ChatId) -> Result<(), TelegramError> {
        loop {
            let changed = self.outbox.0.changed.notified();
            tokio::pin!(changed);
            // From here on no notification is missed.
            changed.as_mut().enable();
            match self.outbox.step(self.ticket, chat)? {
                Step::Go => {
                    self.outbox.0.changed.notify_waiters();
                    return Ok(());
                }
                Step::WaitUntil(at) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(at) => {}
                },
                Step::Wait => changed.await,
            }
        }
    }
}

impl Drop for WaitingCall<'_> {
    fn drop(&mut self) {
        let mut state = self.outbox.state();
        // A call that got its slot is no longer here.
        if let Some(Ticket { chat, .. }) = state.waiting.remove(&self.ticket) {
            if let Some(queue) = state.chats.get_mut(&chat) {
                queue.waiting -= 1;
            }
            state.forget_idle(chat);
            drop(state);
            self.outbox.0.changed.notify_waiters();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.outbox.state();
        if let Some(queue) = state.chats.get_mut(&self.chat) {
            queue.in_flight -= 1;
        }
        state.forget_idle(self.chat);
        drop(state);
        self.outbox.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
