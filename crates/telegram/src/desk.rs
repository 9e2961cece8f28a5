//! The desk where status messages are edited while their requests are under way.
//!
//! Whoever knows something new shows it and goes on; the desk sends the latest text of each message when pacing and
//! Telegram allow it. Once a request's line is closed, the message belongs to the caller: no late edit can overwrite
//! the answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stenobot_domain::{ChatId, MessageId, RequestId};
use tokio::sync::{Notify, oneshot};
use tokio::task::{self, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::client::Client;
use super::error::{Disposition, TelegramError};
use super::note::OutgoingMessage;
use super::pauses::MAX_PAUSE;

/// Edits under way at once.
const IN_FLIGHT: usize = 8;
/// The same in one chat: those that hang there leave room for the others.
const IN_FLIGHT_IN_CHAT: usize = 2;
/// How long a closed request is remembered, so that somebody who had not heard of it cannot reopen it.
const REMEMBER: Duration = Duration::from_secs(300);
/// How long a line may be idle before it is forgotten; closing is the ordinary end.
const IDLE: Duration = Duration::from_secs(3600);

/// Edits a message. [`Client`] does; tests bring their own. A call must end by itself within some seconds.
pub trait Edit: Clone + Send + Sync + 'static {
    /// Replaces what a message shows.
    fn edit(
        &self,
        chat: ChatId,
        message: MessageId,
        note: OutgoingMessage,
    ) -> impl Future<Output = Result<(), TelegramError>> + Send;
}

impl Edit for Client {
    async fn edit(&self, chat: ChatId, message: MessageId, note: OutgoingMessage) -> Result<(), TelegramError> {
        Client::edit(self, chat, message, &note).await
    }
}

/// How often the desk edits.
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
    /// Within what Telegram allows, with room left for answers.
    fn default() -> Self {
        Self {
            per_message: Duration::from_secs(3),
            per_chat: Duration::from_secs(1),
            per_group: Duration::from_secs(5),
            per_second: 25,
        }
    }
}

/// Shows status texts. Clones share one desk, whose task ends when the last of them is dropped.
#[derive(Debug, Clone)]
pub struct StatusEditor {
    tray: Arc<Tray>,
    _open: Arc<DropGuard>,
}

/// Where callers leave what the desk's task has not seen yet. It holds one text per request under way.
#[derive(Debug, Default)]
struct Tray {
    left: Mutex<Left>,
    something: Notify,
}

#[derive(Debug, Default)]
struct Left {
    shown: HashMap<RequestId, Shown>,
    closed: Vec<(RequestId, oneshot::Sender<()>)>,
    /// Chats that Telegram wants left alone, and until when.
    held: HashMap<ChatId, Instant>,
}

#[derive(Debug)]
struct Shown {
    chat: ChatId,
    message: MessageId,
    note: OutgoingMessage,
}

impl Tray {
    fn left(&self) -> MutexGuard<'_, Left> {
        // Every change under the lock is a single step, so a panic elsewhere leaves nothing half done.
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StatusEditor {
    /// Starts the desk's task on the current runtime.
    pub fn start(edit: impl Edit, pace: Pace) -> Self {
        let tray = Arc::new(Tray::default());
        let stop = CancellationToken::new();
        let open = Arc::new(stop.clone().drop_guard());
        let mut desk = Desk {
            edit,
            pace,
            tray: Arc::clone(&tray),
            lines: HashMap::new(),
            chats: HashMap::new(),
            closed: HashMap::new(),
            next_slot: Instant::now(),
            in_flight: JoinSet::new(),
        };
        tokio::spawn(async move { stop.run_until_cancelled(desk.run()).await });
        Self { tray, _open: open }
    }

    /// Shows `note` in the request's status message as soon as may be; a newer one takes its place. Never waits.
    /// Does nothing for a request that was closed.
    pub fn show(&self, request: RequestId, chat: ChatId, message: MessageId, note: OutgoingMessage) {
        self.tray.left().shown.insert(request, Shown { chat, message, note });
        self.tray.something.notify_one();
    }

    /// Takes the message back from the desk: when this returns, no edit for the request is under way or will be made.
    /// Waits for an edit under way, so at most as long as one call takes. If the future is dropped, the request is
    /// closed all the same.
    pub async fn close(&self, request: RequestId) {
        let (done, wait) = oneshot::channel();
        {
            let mut left = self.tray.left();
            left.shown.remove(&request);
            left.closed.push((request, done));
        }
        self.tray.something.notify_one();
        // An error means that the desk's task is gone, and its edits with it.
        wait.await.ok();
    }

    /// How long Telegram still wants this chat left alone; zero if it does not.
    #[cfg(test)]
    fn held(&self, chat: ChatId) -> Duration {
        let until = self.tray.left().held.get(&chat).copied();
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }
}

impl Tray {
    fn hold(&self, chat: ChatId, retry_after: Duration) {
        let now = Instant::now();
        let until = now + retry_after.min(MAX_PAUSE);
        let mut left = self.left();
        left.held.retain(|_, until| *until > now);
        let held = left.held.entry(chat).or_insert(until);
        *held = until.max(*held);
    }
}

/// The desk's task.
struct Desk<E> {
    edit: E,
    pace: Pace,
    tray: Arc<Tray>,
    lines: HashMap<RequestId, Line>,
    /// When each chat may be edited again.
    chats: HashMap<ChatId, Instant>,
    /// When each closed request may be forgotten.
    closed: HashMap<RequestId, Instant>,
    /// When the next edit may leave, whichever chat it is for.
    next_slot: Instant,
    in_flight: JoinSet<Edited>,
}

/// One request's status message.
struct Line {
    chat: ChatId,
    message: MessageId,
    /// The latest text, not sent yet.
    wanted: Option<OutgoingMessage>,
    /// The text that is there, as far as we know.
    there: Option<OutgoingMessage>,
    /// When the message may be edited again.
    free_at: Instant,
    /// The edit under way, and of which message: the line may have got a new one since.
    in_flight: Option<(task::Id, MessageId)>,
    /// The message cannot be edited any more.
    gone: bool,
    /// Who waits for the edit under way to end the line.
    closing: Vec<oneshot::Sender<()>>,
    last_used: Instant,
}

/// An edit that came back.
struct Edited {
    note: OutgoingMessage,
    result: Result<(), TelegramError>,
}

impl<E: Edit> Desk<E> {
    async fn run(&mut self) -> std::convert::Infallible {
        let tray = Arc::clone(&self.tray);
        loop {
            self.take();
            let wake = self.send_what_is_due();
            tokio::select! {
                () = tray.something.notified() => {}
                Some(landed) = self.in_flight.join_next_with_id() => match landed {
                    Ok((task, edited)) => self.landed(task, edited),
                    // A panic in one edit costs that edit.
                    Err(panic) => {
                        let result = Err(TelegramError::Refused("the edit panicked".to_owned()));
                        self.landed(panic.id(), Edited { note: OutgoingMessage::from(String::new()), result });
                    }
                },
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
    }

    /// Takes over what callers left.
    fn take(&mut self) {
        let now = Instant::now();
        let (shown, closed) = {
            let mut left = self.tray.left();
            (std::mem::take(&mut left.shown), std::mem::take(&mut left.closed))
        };
        for (request, done) in closed {
            self.closed.insert(request, now + REMEMBER);
            match self.lines.get_mut(&request) {
                Some(line) if line.in_flight.is_some() => {
                    line.wanted = None;
                    line.closing.push(done);
                }
                Some(_) | None => {
                    self.lines.remove(&request);
                    // Nobody may be waiting any more.
                    done.send(()).ok();
                }
            }
        }
        self.closed.retain(|_, until| *until > now);
        self.chats.retain(|_, free_at| *free_at > now);
        self.lines.retain(|_, line| line.in_flight.is_some() || line.wanted.is_some() || now < line.last_used + IDLE);
        for (request, Shown { chat, message, note }) in shown {
            if self.closed.contains_key(&request) {
                continue;
            }
            let line = self.lines.entry(request).or_insert_with(|| Line::new(chat, message, now));
            if (line.chat, line.message) != (chat, message) {
                // The status message was replaced by a new one.
                *line = Line { in_flight: line.in_flight, ..Line::new(chat, message, now) };
            }
            line.last_used = now;
            line.wanted = (!line.gone).then_some(note);
            line.drop_repetition();
        }
    }

    /// Starts the edits whose time has come; returns when to look again, if time alone will make another one due.
    fn send_what_is_due(&mut self) -> Option<Instant> {
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
            let line = self.lines.get_mut(&request)?;
            let note = line.wanted.take()?;
            let (edit, chat, message) = (self.edit.clone(), line.chat, line.message);
            let work = async move {
                let result = edit.edit(chat, message, note.clone()).await;
                Edited { note, result }
            };
            line.in_flight = Some((self.in_flight.spawn(work).id(), message));
            line.free_at = now + self.pace.per_message;
            self.chats.insert(line.chat, now + self.pace.between(line.chat));
            self.next_slot = now + Duration::from_secs(1) / self.pace.per_second.max(1);
        }
    }

    /// The line that may be edited first, and when; the overall pace is not counted in.
    fn next(&self) -> Option<(RequestId, Instant)> {
        let left = self.tray.left();
        let mut flying: HashMap<ChatId, usize> = HashMap::new();
        for line in self.lines.values().filter(|line| line.in_flight.is_some()) {
            *flying.entry(line.chat).or_default() += 1;
        }
        let is_full = |chat: &ChatId| flying.get(chat).is_some_and(|count| *count >= IN_FLIGHT_IN_CHAT);
        let waiting = self
            .lines
            .iter()
            .filter(|(_, line)| line.wanted.is_some() && line.in_flight.is_none() && !is_full(&line.chat));
        let due = waiting.map(|(request, line)| {
            let chat = self.chats.get(&line.chat).copied().unwrap_or(line.free_at);
            let held = left.held.get(&line.chat).copied().unwrap_or(line.free_at);
            (line.free_at.max(chat).max(held), line.free_at, *request)
        });
        due.min().map(|(due, _, request)| (request, due))
    }

    /// Takes an edit back.
    fn landed(&mut self, task: task::Id, edited: Edited) {
        let now = Instant::now();
        let flight = |line: &Line| line.in_flight.filter(|(flying, _)| *flying == task);
        let found = self.lines.iter_mut().find_map(|(request, line)| Some((*request, flight(line)?.1, line)));
        let Some((request, message, line)) = found else { return };
        line.in_flight = None;
        if message == line.message {
            line.there = None;
            line.settle(edited, now, &self.pace, &self.tray);
        }
        if !line.closing.is_empty() {
            for done in self.lines.remove(&request).into_iter().flat_map(|line| line.closing) {
                done.send(()).ok();
            }
        }
    }
}

impl Line {
    /// Draws the consequences of an edit that came back.
    fn settle(&mut self, edited: Edited, now: Instant, pace: &Pace, tray: &Tray) {
        // A text that did not arrive is worth another try as long as nothing newer came.
        let again = match edited.result {
            Ok(()) => {
                self.there = Some(edited.note);
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
                tray.hold(self.chat, wait);
                Some(edited.note)
            }
            Err(error) => match error.disposition() {
                Disposition::Retry { after } => {
                    self.free_at = now + pace.per_message.max(after);
                    Some(edited.note)
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
            there: None,
            free_at: now,
            in_flight: None,
            gone: false,
            closing: Vec::new(),
            last_used: now,
        }
    }

    /// Forgets a wanted text that is already there.
    fn drop_repetition(&mut self) {
        if self.in_flight.is_none() && self.wanted == self.there {
            self.wanted = None;
        }
    }
}

#[cfg(test)]
mod tests;
