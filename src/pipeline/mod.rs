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

pub mod admit;
pub mod deliver;
pub mod download;
pub mod enqueue;
pub mod notify;
pub mod transcribe;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::journal::Journal;
use crate::lifecycle::Shutdown;
use crate::model::{ChatId, MessageId, RequestId, Timestamp};
use crate::telegram::{Client, Locale, StatusDesk, Text, Texts};

/// What every transition works with; cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// The requests.
    pub journal: Journal,
    /// Telegram.
    pub client: Client,
    /// When Telegram last gave updates.
    pub polled: watch::Sender<Option<Timestamp>>,
    /// Edits of status messages.
    pub desk: StatusDesk,
    /// For people whose language the bot does not speak.
    pub default_locale: Locale,
    /// Limits, times, folders.
    pub config: Arc<Config>,
    /// Name of the model, as the journal keeps it.
    pub model: Arc<str>,
    /// Who claims.
    pub worker: Arc<str>,
    /// This program, of which children are made.
    pub program: Arc<Path>,
    /// When to stop.
    pub shutdown: Shutdown,
    /// Work under way, for which the shutdown waits.
    pub tasks: TaskTracker,
}

impl Context {
    /// The text in the language that suits its reader.
    pub fn say(&self, locale: Option<&str>, text: &Text) -> String {
        Texts.render(self.locale(locale), text)
    }

    /// The locale for somebody whose Telegram speaks `language_code`.
    pub fn locale(&self, language_code: Option<&str>) -> Locale {
        Locale::of(language_code, self.default_locale)
    }

    /// Where a request's audio is kept. The name is ours: nothing a sender says becomes a path.
    pub fn audio_file(&self, id: RequestId) -> PathBuf {
        self.config.storage.audio().join(format!("{id}.audio"))
    }

    /// Removes a request's audio; there may be none.
    pub async fn discard_audio(&self, id: RequestId) {
        match tokio::fs::remove_file(self.audio_file(id)).await {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(request = id.0, %error, "audio could not be removed"),
        }
    }

    /// Shows a request's state, if it has a message for that.
    pub fn show(&self, id: RequestId, chat: ChatId, status: Option<MessageId>, locale: Option<&str>, text: &Text) {
        if let Some(message) = status {
            self.desk.show(id, chat, message, self.say(locale, text));
        }
    }
}
