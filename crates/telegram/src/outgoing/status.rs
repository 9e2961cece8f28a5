//! Edits of status messages while their requests are under way.
//!
//! Callers show a text and go on; the editor's task sends the latest text of each message when the outbox allows it. Once a
//! request is closed, the message belongs to the caller: no late edit can overwrite the answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use stenobot_domain::{ChatId, RequestId};
use tokio::sync::{Notify, oneshot};
use tokio::task::{self, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::limits::Priority;
use super::message::{BotMessage, OutgoingMessage};
use super::outbox::Outbox;
use crate::client::Client;
use crate::error::{Disposition, TelegramError};

/// Edits under way at once.
const MAX_IN_FLIGHT: usize = 8;
/// Edits under way in one chat: where they hang, other chats have room.
const MAX_IN_FLIGHT_IN_CHAT: usize = 2;
/// How long a closed request is remembered, so that a late caller cannot reopen it.
const CLOSED_RETENTION: Duration = Duration::from_secs(300);
/// Idle time after which a message is forgotten; closing is the ordinary end.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// Whether the message of a request may be edited now.
pub type MayEdit = Arc<dyn Fn(RequestId) -> BoxFuture<'static, bool> + Send + Sync>;

/// How long the answer of a guard holds: a process that was stopped meanwhile asks again.
const GUARD_TIMEOUT: Duration = Duration::from_millis(500);
/// Questions to a guard that takes longer.
const MAX_GUARD_QUESTIONS: usize = 3;

/// Asks whether one edit may be made, right before it is.
pub struct EditGuard {
    may_edit: MayEdit,
    request: RequestId,
}

impl EditGuard {
    /// Whether the edit may be made at once.
    pub async fn allows(self) -> bool {
        for _ in 0..MAX_GUARD_QUESTIONS {
            let asked = Instant::now();
            if !(self.may_edit)(self.request).await {
                return false;
            }
            if asked.elapsed() < GUARD_TIMEOUT {
                return true;
            }
        }
        false
    }
}

/// Edits messages: [`Client`], or a fake in tests. A call must end by itself within some seconds.
pub trait Edit: Clone + Send + Sync + 'static {
    /// The outbox that paces the edits.
    fn outbox(&self) -> &Outbox;

    /// Replaces the content of a message, if the guard allows it when the edit has its slot.
    fn edit(
        &self,
        message: BotMessage,
        content: OutgoingMessage,
        guard: EditGuard,
    ) -> impl Future<Output = Result<(), TelegramError>> + Send;
}

impl Edit for Client {
    fn outbox(&self) -> &Outbox {
        self.outbox()
    }

    async fn edit(&self, message: BotMessage, content: OutgoingMessage, guard: EditGuard) -> Result<(), TelegramError> {
        self.with_priority(Priority::Status).edit_if(&message, &content, guard.allows()).await
    }
}

/// Edits status messages. Clones share one task, which ends when the last of them is dropped.
#[derive(Debug, Clone)]
pub struct StatusEditor {
    inbox: Arc<Inbox>,
    _open: Arc<DropGuard>,
}

/// What the task has not seen yet: at most one text per request under way.
#[derive(Debug, Default)]
struct Inbox {
    pending: Mutex<Pending>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    shown: HashMap<RequestId, Shown>,
    closed: Vec<(RequestId, oneshot::Sender<()>)>,
}

#[derive(Debug)]
struct Shown {
    message: BotMessage,
    content: OutgoingMessage,
}

impl Inbox {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        // Every change under the lock is a single step, so a panic elsewhere leaves nothing half done.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StatusEditor {
    /// Starts the task on the current runtime. A message is edited once in `message_interval` at most.
    pub fn start(edit: impl Edit, message_interval: Duration) -> Self {
        Self::start_guarded(edit, message_interval, Arc::new(|_| Box::pin(std::future::ready(true))))
    }

    /// As [`StatusEditor::start`]; `may_edit` is asked right before each edit, and one that it denies is dropped. Another
    /// process may have answered in the message meanwhile, which only a store knows.
    pub fn start_guarded(edit: impl Edit, message_interval: Duration, may_edit: MayEdit) -> Self {
        let inbox = Arc::new(Inbox::default());
        let stop = CancellationToken::new();
        let open = Arc::new(stop.clone().drop_guard());
        let mut editor = EditLoop {
            edit,
            may_edit,
            message_interval,
            inbox: Arc::clone(&inbox),
            messages: HashMap::new(),
            closed: HashMap::new(),
            in_flight: JoinSet::new(),
        };
        tokio::spawn(async move { stop.run_until_cancelled(editor.run()).await });
        Self { inbox, _open: open }
    }

    /// Shows `content` in the request's status message as soon as may be; a newer one takes its place. Never waits.
    /// Does nothing for a request that was closed.
    pub fn show(&self, request: RequestId, message: BotMessage, content: OutgoingMessage) {
        self.inbox.pending().shown.insert(request, Shown { message, content });
        self.inbox.changed.notify_one();
    }

    /// Ends the edits of a request: when this returns, no edit for the request is under way or will be made.
    /// Waits for an edit under way, so at most as long as one call takes. If the future is dropped, the request is
    /// closed all the same.
    pub async fn close(&self, request: RequestId) {
        let (done, wait) = oneshot::channel();
        {
            let mut pending = self.inbox.pending();
            pending.shown.remove(&request);
            pending.closed.push((request, done));
        }
        self.inbox.changed.notify_one();
        // An error means that the editor's task is gone, and its edits with it.
        wait.await.ok();
    }
}

/// The editor's task.
struct EditLoop<E> {
    edit: E,
    may_edit: MayEdit,
    message_interval: Duration,
    inbox: Arc<Inbox>,
    messages: HashMap<RequestId, MessageState>,
    /// When each closed request may be forgotten.
    closed: HashMap<RequestId, Instant>,
    in_flight: JoinSet<Edited>,
}

/// One request's status message.
struct MessageState {
    message: BotMessage,
    /// The latest content, not sent yet.
    wanted: Option<OutgoingMessage>,
    /// The content that is displayed, as far as is known.
    displayed: Option<OutgoingMessage>,
    /// When the message may be edited again.
    free_at: Instant,
    /// The edit under way, and its message: the request may have got a new status message since.
    in_flight: Option<(task::Id, BotMessage)>,
    /// The message can no longer be edited.
    is_gone: bool,
    /// Callers of `close` that wait for the edit under way.
    closing: Vec<oneshot::Sender<()>>,
    last_used: Instant,
}

/// Result of an edit.
struct Edited {
    content: OutgoingMessage,
    result: Result<(), TelegramError>,
}

impl<E: Edit> EditLoop<E> {
    async fn run(&mut self) -> std::convert::Infallible {
        let inbox = Arc::clone(&self.inbox);
        loop {
            self.take_pending();
            let wake = self.send_due();
            tokio::select! {
                () = inbox.changed.notified() => {}
                Some(done) = self.in_flight.join_next_with_id() => match done {
                    Ok((task, edited)) => self.on_edit_done(task, edited),
                    // A panic in one edit costs that edit.
                    Err(panic) => {
                        let result = Err(TelegramError::Refused("the edit panicked".to_owned()));
                        self.on_edit_done(panic.id(), Edited { content: OutgoingMessage::from(String::new()), result });
                    }
                },
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
    }

    /// Applies what callers left.
    fn take_pending(&mut self) {
        let now = Instant::now();
        let (shown, closed) = {
            let mut pending = self.inbox.pending();
            (std::mem::take(&mut pending.shown), std::mem::take(&mut pending.closed))
        };
        for (request, done) in closed {
            self.closed.insert(request, now + CLOSED_RETENTION);
            match self.messages.get_mut(&request) {
                Some(state) if state.in_flight.is_some() => {
                    state.wanted = None;
                    state.closing.push(done);
                }
                Some(_) | None => {
                    self.messages.remove(&request);
                    // The caller may be gone.
                    done.send(()).ok();
                }
            }
        }
        self.closed.retain(|_, until| *until > now);
        self.messages.retain(|_, state| {
            state.in_flight.is_some() || state.wanted.is_some() || now < state.last_used + IDLE_TIMEOUT
        });
        for (request, Shown { message, content }) in shown {
            if self.closed.contains_key(&request) {
                continue;
            }
            let new = || MessageState::new(message.clone(), now);
            let state = self.messages.entry(request).or_insert_with(new);
            if state.message != message {
                // The status message was replaced by a new one.
                *state = MessageState { in_flight: state.in_flight.take(), ..new() };
            }
            state.last_used = now;
            state.wanted = (!state.is_gone).then_some(content);
            state.drop_repetition();
        }
    }

    /// Starts the edits whose time has come; returns when to look again, if time alone will make another one due.
    fn send_due(&mut self) -> Option<Instant> {
        loop {
            if self.in_flight.len() >= MAX_IN_FLIGHT {
                return None;
            }
            let now = Instant::now();
            let (request, due) = self.next(now)?;
            if due > now {
                return Some(due);
            }
            let state = self.messages.get_mut(&request)?;
            let content = state.wanted.take()?;
            let (edit, message) = (self.edit.clone(), state.message.clone());
            let guard = EditGuard { may_edit: self.may_edit.clone(), request };
            let work = async move {
                let result = edit.edit(message, content.clone(), guard).await;
                Edited { content, result }
            };
            state.in_flight = Some((self.in_flight.spawn(work).id(), state.message.clone()));
            state.free_at = now + self.message_interval;
            self.edit.outbox().status_started(state.message.turn());
        }
    }

    /// The message whose edit is due first, and when.
    fn next(&self, now: Instant) -> Option<(RequestId, Instant)> {
        let outbox = self.edit.outbox();
        let mut flying: HashMap<ChatId, usize> = HashMap::new();
        for state in self.messages.values().filter(|state| state.in_flight.is_some()) {
            *flying.entry(state.message.turn()).or_default() += 1;
        }
        let is_full = |chat: &ChatId| flying.get(chat).is_some_and(|count| *count >= MAX_IN_FLIGHT_IN_CHAT);
        let waiting = self.messages.iter().filter(|(_, state)| {
            state.wanted.is_some() && state.in_flight.is_none() && !is_full(&state.message.turn())
        });
        let due = waiting.map(|(request, state)| {
            (state.free_at.max(outbox.status_due(state.message.turn(), now)), state.free_at, *request)
        });
        due.min().map(|(due, _, request)| (request, due))
    }

    fn on_edit_done(&mut self, task: task::Id, edited: Edited) {
        let now = Instant::now();
        let is_flight = |state: &MessageState| state.in_flight.as_ref().is_some_and(|(flying, _)| *flying == task);
        let Some((request, state)) = self.messages.iter_mut().find(|(_, state)| is_flight(state)) else { return };
        let (request, flight) = (*request, state.in_flight.take());
        if flight.is_some_and(|(_, message)| message == state.message) {
            state.displayed = None;
            state.settle(edited, now, self.message_interval, self.edit.outbox());
        }
        if !state.closing.is_empty() {
            for done in self.messages.remove(&request).into_iter().flat_map(|state| state.closing) {
                done.send(()).ok();
            }
        }
    }
}

impl MessageState {
    /// Applies the result of an edit.
    fn settle(&mut self, edited: Edited, now: Instant, message_interval: Duration, outbox: &Outbox) {
        // A text that did not arrive is sent again unless there is a newer one.
        let again = match edited.result {
            Ok(()) => {
                self.displayed = Some(edited.content);
                None
            }
            Err(error) => match error.disposition() {
                Disposition::ServerRequested(pause) => {
                    outbox.delay_status(self.message.turn(), pause);
                    Some(edited.content)
                }
                Disposition::Retry { after } | Disposition::OperatorNeeded { after } => {
                    self.free_at = now + message_interval.max(after);
                    Some(edited.content)
                }
                Disposition::ChatMoved(_) | Disposition::ChatUnreachable(_) | Disposition::MessageGone => {
                    self.is_gone = true;
                    self.wanted = None;
                    None
                }
                Disposition::Final => None,
            },
        };
        self.wanted = self.wanted.take().or(again);
        self.drop_repetition();
    }

    fn new(message: BotMessage, now: Instant) -> Self {
        Self {
            message,
            wanted: None,
            displayed: None,
            free_at: now,
            in_flight: None,
            is_gone: false,
            closing: Vec::new(),
            last_used: now,
        }
    }

    /// Drops content that is displayed already.
    fn drop_repetition(&mut self) {
        if self.in_flight.is_none() && self.wanted == self.displayed {
            self.wanted = None;
        }
    }
}

#[cfg(test)]
mod tests;
