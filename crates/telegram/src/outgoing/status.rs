//! The editor where status messages are edited while their requests are under way.
//!
//! Whoever knows changed new shows it and goes on; the editor sends the latest text of each message when pacing and
//! Telegram allow it. Once a request's state is closed, the message belongs to the caller: no late edit can overwrite
//! the answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stenobot_domain::{ChatId, MessageId, RequestId};
use tokio::sync::{Notify, oneshot};
use tokio::task::{self, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::MAX_PAUSE;
use super::message::OutgoingMessage;
use crate::client::Client;
use crate::error::{Disposition, TelegramError};

/// Edits under way at once.
const IN_FLIGHT: usize = 8;
/// The same in one chat: those that hang there leave room for the others.
const IN_FLIGHT_IN_CHAT: usize = 2;
/// How long a closed request is remembered, so that somebody who had not heard of it cannot reopen it.
const REMEMBER: Duration = Duration::from_secs(300);
/// How long a state may be idle before it is forgotten; closing is the ordinary end.
const IDLE: Duration = Duration::from_secs(3600);

/// Edits a message. [`Client`] does; tests bring their own. A call must end by itself within some seconds.
pub trait Edit: Clone + Send + Sync + 'static {
    /// Replaces what a message shows.
    fn edit(
        &self,
        chat: ChatId,
        message: MessageId,
        content: OutgoingMessage,
    ) -> impl Future<Output = Result<(), TelegramError>> + Send;
}

impl Edit for Client {
    async fn edit(&self, chat: ChatId, message: MessageId, content: OutgoingMessage) -> Result<(), TelegramError> {
        Client::edit(self, chat, message, &content).await
    }
}

/// How often the editor edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Shortest time between two edits of the same message.
    pub per_message: Duration,
    /// Shortest time between two edits in the same chat.
    pub per_chat: Duration,
    /// Shortest time between two edits in the same group, where Telegram takes no more than 20 messages a minute.
    pub per_group: Duration,
    /// Most edits per second, over all chats; 0 counts as 1.
    pub per_second: u32,
}

impl Pace {
    /// Groups have negative numbers.
    fn between(&self, chat: ChatId) -> Duration {
        if chat.0 < 0 { self.per_group.max(self.per_chat) } else { self.per_chat }
    }
}

impl Default for Pace {
    /// Within what Telegram allows, with room pending for answers.
    fn default() -> Self {
        Self {
            per_message: Duration::from_secs(3),
            per_chat: Duration::from_secs(1),
            per_group: Duration::from_secs(5),
            per_second: 25,
        }
    }
}

/// Shows status texts. Clones share one editor, whose task ends when the last of them is dropped.
#[derive(Debug, Clone)]
pub struct StatusEditor {
    inbox: Arc<Inbox>,
    _open: Arc<DropGuard>,
}

/// Where callers leave what the editor's task has not seen yet. It holds one text per request under way.
#[derive(Debug, Default)]
struct Inbox {
    pending: Mutex<Pending>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    shown: HashMap<RequestId, Shown>,
    closed: Vec<(RequestId, oneshot::Sender<()>)>,
    /// Chats that Telegram wants pending alone, and until when.
    held: HashMap<ChatId, Instant>,
}

#[derive(Debug)]
struct Shown {
    chat: ChatId,
    message: MessageId,
    content: OutgoingMessage,
}

impl Inbox {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        // Every change under the lock is a single step, so a panic elsewhere leaves nothing half done.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StatusEditor {
    /// Starts the editor's task on the current runtime.
    pub fn start(edit: impl Edit, pace: Pace) -> Self {
        let inbox = Arc::new(Inbox::default());
        let stop = CancellationToken::new();
        let open = Arc::new(stop.clone().drop_guard());
        let mut editor = EditLoop {
            edit,
            pace,
            inbox: Arc::clone(&inbox),
            messages: HashMap::new(),
            chats: HashMap::new(),
            closed: HashMap::new(),
            next_slot: Instant::now(),
            in_flight: JoinSet::new(),
        };
        tokio::spawn(async move { stop.run_until_cancelled(editor.run()).await });
        Self { inbox, _open: open }
    }

    /// Shows `content` in the request's status message as soon as may be; a newer one takes its place. Never waits.
    /// Does nothing for a request that was closed.
    pub fn show(&self, request: RequestId, chat: ChatId, message: MessageId, content: OutgoingMessage) {
        self.inbox.pending().shown.insert(request, Shown { chat, message, content });
        self.inbox.changed.notify_one();
    }

    /// Takes the message back from the editor: when this returns, no edit for the request is under way or will be made.
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

    /// How long Telegram still wants this chat pending alone; zero if it does not.
    #[cfg(test)]
    fn held(&self, chat: ChatId) -> Duration {
        let until = self.inbox.pending().held.get(&chat).copied();
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }
}

impl Inbox {
    fn hold(&self, chat: ChatId, retry_after: Duration) {
        let now = Instant::now();
        let until = now + retry_after.min(MAX_PAUSE);
        let mut pending = self.pending();
        pending.held.retain(|_, until| *until > now);
        let held = pending.held.entry(chat).or_insert(until);
        *held = until.max(*held);
    }
}

/// The editor's task.
struct EditLoop<E> {
    edit: E,
    pace: Pace,
    inbox: Arc<Inbox>,
    messages: HashMap<RequestId, MessageState>,
    /// When each chat may be edited again.
    chats: HashMap<ChatId, Instant>,
    /// When each closed request may be forgotten.
    closed: HashMap<RequestId, Instant>,
    /// When the next edit may leave, whichever chat it is for.
    next_slot: Instant,
    in_flight: JoinSet<Edited>,
}

/// One request's status message.
struct MessageState {
    chat: ChatId,
    message: MessageId,
    /// The latest text, not sent yet.
    wanted: Option<OutgoingMessage>,
    /// The text that is there, as far as we know.
    displayed: Option<OutgoingMessage>,
    /// When the message may be edited again.
    free_at: Instant,
    /// The edit under way, and of which message: the state may have got a new one since.
    in_flight: Option<(task::Id, MessageId)>,
    /// The message cannot be edited any more.
    gone: bool,
    /// Who waits for the edit under way to end the state.
    closing: Vec<oneshot::Sender<()>>,
    last_used: Instant,
}

/// An edit that came back.
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
                Some(on_edit_done) = self.in_flight.join_next_with_id() => match on_edit_done {
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

    /// Takes over what callers pending.
    fn take_pending(&mut self) {
        let now = Instant::now();
        let (shown, closed) = {
            let mut pending = self.inbox.pending();
            (std::mem::take(&mut pending.shown), std::mem::take(&mut pending.closed))
        };
        for (request, done) in closed {
            self.closed.insert(request, now + REMEMBER);
            match self.messages.get_mut(&request) {
                Some(state) if state.in_flight.is_some() => {
                    state.wanted = None;
                    state.closing.push(done);
                }
                Some(_) | None => {
                    self.messages.remove(&request);
                    // Nobody may be waiting any more.
                    done.send(()).ok();
                }
            }
        }
        self.closed.retain(|_, until| *until > now);
        self.chats.retain(|_, free_at| *free_at > now);
        self.messages
            .retain(|_, state| state.in_flight.is_some() || state.wanted.is_some() || now < state.last_used + IDLE);
        for (request, Shown { chat, message, content }) in shown {
            if self.closed.contains_key(&request) {
                continue;
            }
            let state = self.messages.entry(request).or_insert_with(|| MessageState::new(chat, message, now));
            if (state.chat, state.message) != (chat, message) {
                // The status message was replaced by a new one.
                *state = MessageState { in_flight: state.in_flight, ..MessageState::new(chat, message, now) };
            }
            state.last_used = now;
            state.wanted = (!state.gone).then_some(content);
            state.drop_repetition();
        }
    }

    /// Starts the edits whose time has come; returns when to look again, if time alone will make another one due.
    fn send_due(&mut self) -> Option<Instant> {
        loop {
            if self.in_flight.len() >= IN_FLIGHT {
                return None;
            }
            let now = Instant::now();
            let (request, due) = self.next()?;
            let due = due.max(self.next_slot);
            if due > now {
                return Some(due);
            }
            let state = self.messages.get_mut(&request)?;
            let content = state.wanted.take()?;
            let (edit, chat, message) = (self.edit.clone(), state.chat, state.message);
            let work = async move {
                let result = edit.edit(chat, message, content.clone()).await;
                Edited { content, result }
            };
            state.in_flight = Some((self.in_flight.spawn(work).id(), message));
            state.free_at = now + self.pace.per_message;
            self.chats.insert(state.chat, now + self.pace.between(state.chat));
            self.next_slot = now + Duration::from_secs(1) / self.pace.per_second.max(1);
        }
    }

    /// The state that may be edited first, and when; the overall pace is not counted in.
    fn next(&self) -> Option<(RequestId, Instant)> {
        let pending = self.inbox.pending();
        let mut flying: HashMap<ChatId, usize> = HashMap::new();
        for state in self.messages.values().filter(|state| state.in_flight.is_some()) {
            *flying.entry(state.chat).or_default() += 1;
        }
        let is_full = |chat: &ChatId| flying.get(chat).is_some_and(|count| *count >= IN_FLIGHT_IN_CHAT);
        let waiting = self
            .messages
            .iter()
            .filter(|(_, state)| state.wanted.is_some() && state.in_flight.is_none() && !is_full(&state.chat));
        let due = waiting.map(|(request, state)| {
            let chat = self.chats.get(&state.chat).copied().unwrap_or(state.free_at);
            let held = pending.held.get(&state.chat).copied().unwrap_or(state.free_at);
            (state.free_at.max(chat).max(held), state.free_at, *request)
        });
        due.min().map(|(due, _, request)| (request, due))
    }

    /// Takes an edit back.
    fn on_edit_done(&mut self, task: task::Id, edited: Edited) {
        let now = Instant::now();
        let flight = |state: &MessageState| state.in_flight.filter(|(flying, _)| *flying == task);
        let found = self.messages.iter_mut().find_map(|(request, state)| Some((*request, flight(state)?.1, state)));
        let Some((request, message, state)) = found else { return };
        state.in_flight = None;
        if message == state.message {
            state.displayed = None;
            state.settle(edited, now, &self.pace, &self.inbox);
        }
        if !state.closing.is_empty() {
            for done in self.messages.remove(&request).into_iter().flat_map(|state| state.closing) {
                done.send(()).ok();
            }
        }
    }
}

impl MessageState {
    /// Draws the consequences of an edit that came back.
    fn settle(&mut self, edited: Edited, now: Instant, pace: &Pace, inbox: &Inbox) {
        // A text that did not arrive is worth another try as long as nothing newer came.
        let again = match edited.result {
            Ok(()) => {
                self.displayed = Some(edited.content);
                None
            }
            Err(
                TelegramError::MessageGone
                | TelegramError::ChatGone
                | TelegramError::ChatMoved(_)
                | TelegramError::WriteForbidden(_),
            ) => {
                self.gone = true;
                self.wanted = None;
                None
            }
            Err(TelegramError::RetryAfter(wait)) => {
                inbox.hold(self.chat, wait);
                Some(edited.content)
            }
            Err(error) => match error.disposition() {
                Disposition::Retry { after } => {
                    self.free_at = now + pace.per_message.max(after);
                    Some(edited.content)
                }
                Disposition::Final => None,
            },
        };
        self.wanted = self.wanted.take().or(again);
        self.drop_repetition();
    }

    fn new(chat: ChatId, message: MessageId, now: Instant) -> Self {
        Self {
            chat,
            message,
            wanted: None,
            displayed: None,
            free_at: now,
            in_flight: None,
            gone: false,
            closing: Vec::new(),
            last_used: now,
        }
    }

    /// Forgets a wanted text that is already there.
    fn drop_repetition(&mut self) {
        if self.in_flight.is_none() && self.wanted == self.displayed {
            self.wanted = None;
        }
    }
}

#[cfg(test)]
mod tests;
