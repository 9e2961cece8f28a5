//! One voice message, from Telegram to its text. Each file is one transition: its stack of tower layers, then
//! what happens with what comes out of it.
//!
//! ```text
//! admit       an update becomes a durable request, or is refused
//! download    its audio comes to this disk, its real length is known
//! enqueue     it takes its place in the queue, and its sender is told which
//! transcribe  the engine hears it
//! deliver     its sender gets the text
//! notify      or else is told why not
//! ```

pub(crate) mod admit;
pub(crate) mod backlog;
mod bans;
pub(crate) mod broadcast;
pub(crate) mod cancels;
mod chats;
pub(crate) mod commands;
mod delay;
pub(crate) mod deliver;
pub(crate) mod download;
pub(crate) mod enqueue;
pub(crate) mod erasure;
pub(crate) mod estimate;
mod keyboards;
mod likely;
pub(crate) mod menu;
pub(crate) mod notify;
pub(crate) mod poll;
mod presses;
pub(crate) mod replies;
pub(crate) mod retention;
pub(crate) mod transcribe;
pub(crate) mod trouble;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;

use stenobot_domain::{ChatId, MessageId, RequestId, Timestamp};
use stenobot_engine::probe::Probes;
use stenobot_store::{CancelOutcome, Store, StoreError};
use stenobot_telegram::{
    CallbackAnswer, Client, CommandReply, Label, Locale, OutgoingMessage, Press, StatusEditor, StatusText, Texts,
};
use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::config::Config;
use crate::lifecycle::{Heartbeats, Shutdown};

/// What may change while the bot runs.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    /// Limits, times, folders.
    pub config: Arc<Config>,
    /// Everything the bot says.
    pub texts: Texts,
    /// For people whose language the bot does not speak.
    pub(crate) default_locale: Locale,
}

/// What the bot does, as an administrator wants it. A restart opens it again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Everything.
    #[default]
    Open,
    /// Accepts, and transcribes nothing.
    Paused,
    /// Transcribes, and accepts nothing.
    Draining,
}

/// What every transition works with; cheap to clone.
#[derive(Clone)]
pub(crate) struct Context {
    /// The requests.
    pub store: Store,
    /// Telegram.
    pub client: Client,
    /// When Telegram last gave updates.
    pub polled: watch::Sender<Option<Timestamp>>,
    /// Edits of status messages.
    pub desk: StatusEditor,
    /// Settings and texts as they are now.
    pub live: watch::Receiver<Live>,
    /// Name of the model, as the store keeps it.
    pub model: Arc<str>,
    /// Work that may be stopped.
    pub(crate) cancels: cancels::Cancels,
    /// What an administrator has made of the bot for now.
    pub(crate) flow: watch::Sender<Flow>,
    /// Erasures that are not complete yet.
    pub(crate) erasures: erasure::Erasures,
    /// Messages to everybody that wait for a confirmation.
    pub(crate) drafts: broadcast::Drafts,
    /// Best-effort calls that wait.
    pub replies: replies::Replies,
    /// Texts that wait for their delivery.
    pub(crate) outbox: backlog::Backlog,
    /// Presses by users who turned out to be admins of the group; the poll loop carries them out.
    pub(crate) admin_presses: mpsc::Sender<Press>,
    /// Who claims.
    pub worker: Arc<str>,
    /// Measures recordings in processes of their own.
    pub probes: Probes,
    /// Whether the disk has room for more audio.
    pub room: watch::Sender<bool>,
    /// The store's failures so far.
    pub(crate) troubles: trouble::Troubles,
    /// When to stop.
    pub shutdown: Shutdown,
    /// Signs of life for the watchdog.
    pub(crate) heartbeats: Heartbeats,
    /// Work under way, for which the shutdown waits.
    pub tasks: TaskTracker,
}

impl Context {
    /// The settings as they are now.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.live.borrow().config.clone()
    }

    /// The text in the language that suits its reader.
    pub(crate) fn say(&self, locale: Option<&str>, text: &StatusText) -> String {
        let texts = self.live.borrow().texts.clone();
        texts.render(self.locale(locale), text)
    }

    /// The same, with the number of other refusals that it stands for, if any, and the request's number as the last line.
    fn say_numbered(&self, locale: Option<&str>, text: &StatusText, others: usize, id: RequestId) -> String {
        let texts = self.live.borrow().texts.clone();
        texts.numbered_for(self.locale(locale), text, id, others)
    }

    /// The locale for somebody whose Telegram speaks `language_code`.
    pub(crate) fn locale(&self, language_code: Option<&str>) -> Locale {
        Locale::of(language_code, self.live.borrow().default_locale)
    }

    /// An answer to a command.
    pub(crate) fn talk(&self, locale: Option<&str>, talk: &CommandReply) -> OutgoingMessage {
        self.live.borrow().texts.clone().command_reply(self.locale(locale), talk).into()
    }

    /// Words on a button.
    fn label(&self, locale: Option<&str>, label: Label) -> String {
        self.live.borrow().texts.clone().label(self.locale(locale), label)
    }

    /// Words over the chat.
    fn toast(&self, locale: Option<&str>, toast: CallbackAnswer) -> String {
        self.live.borrow().texts.clone().callback_answer(self.locale(locale), toast)
    }

    /// Stops the work that the store found a cancelled request in; tells whether anything was or is stopped.
    fn follow_up(&self, id: RequestId, outcome: CancelOutcome) -> bool {
        match outcome {
            CancelOutcome::Now { .. } => true,
            CancelOutcome::Running => {
                self.cancels.stop(id);
                true
            }
            CancelOutcome::Over | CancelOutcome::NotYours | CancelOutcome::AdminsOnly | CancelOutcome::Unknown => false,
        }
    }

    /// Where a request's audio is kept.
    pub(crate) fn audio_file(&self, id: RequestId) -> PathBuf {
        self.config().storage.audio_file(id)
    }

    /// Removes a request's audio; there may be none.
    pub(crate) async fn discard_audio(&self, id: RequestId) {
        match tokio::fs::remove_file(self.audio_file(id)).await {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(request = id.0, %error, "audio could not be removed"),
        }
    }

    /// Starts a request's work beside this loop; the shutdown waits for it. `what` names the work in a failure.
    fn spawn(
        &self,
        span: tracing::Span,
        what: &'static str,
        work: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) {
        let own = self.clone();
        let work = async move {
            if let Err(error) = work.await {
                own.store_failed(what, &error);
            }
        };
        self.tasks.spawn(work.instrument(span));
    }

    /// A request's state, with the button that stops it.
    fn state(&self, id: RequestId, locale: Option<&str>, text: &StatusText) -> OutgoingMessage {
        OutgoingMessage { text: self.say(locale, text), keyboard: self.cancel_button(locale, id) }
    }

    /// Shows a request's state, if it has a message for that.
    pub(crate) fn show(
        &self,
        id: RequestId,
        chat: ChatId,
        status: Option<MessageId>,
        locale: Option<&str>,
        text: &StatusText,
    ) {
        if let Some(message) = status {
            self.desk.show(id, chat, message, self.state(id, locale, text));
        }
    }
}
