//! Settings and texts that SIGHUP can change.

use std::sync::Arc;

use stenobot_domain::Origin;
use stenobot_telegram::{CallbackAnswer, CommandReply, Label, Locale, OutgoingMessage, StatusText, Texts};
use tokio::sync::watch;

use crate::config::Config;

/// One version of everything that may change while the bot runs.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    pub(crate) config: Arc<Config>,
    /// The bot's texts with the operator's overrides.
    pub(crate) texts: Texts,
    /// For users whose language the bot does not have.
    pub(crate) default_locale: Locale,
}

impl RuntimeConfig {
    /// The configuration with the texts that it names.
    ///
    /// # Errors
    /// A text file of the operator cannot be used.
    pub fn load(config: Config) -> anyhow::Result<Self> {
        let texts = match &config.telegram.texts {
            Some(folder) => Texts::with_overrides(folder)?,
            None => Texts::default(),
        };
        let default_locale = config.telegram.default_locale;
        Ok(Self { config: Arc::new(config), texts, default_locale })
    }
}

/// The current version. Cheap to clone; every clone follows the changes.
#[derive(Debug, Clone)]
pub(crate) struct Settings(watch::Receiver<RuntimeConfig>);

impl Settings {
    pub(crate) fn new(versions: watch::Receiver<RuntimeConfig>) -> Self {
        Self(versions)
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        self.0.borrow().config.clone()
    }

    /// Whether there is a version that this handle has not reported yet.
    pub(crate) fn have_changed(&mut self) -> bool {
        let changed = self.0.has_changed().unwrap_or(false);
        if changed {
            self.0.mark_unchanged();
        }
        changed
    }

    pub(crate) fn texts(&self) -> Texts {
        self.0.borrow().texts.clone()
    }

    pub(crate) fn default_locale(&self) -> Locale {
        self.0.borrow().default_locale
    }

    /// The locale for a user with this IETF language tag in Telegram.
    pub(crate) fn locale(&self, language_code: Option<&str>) -> Locale {
        Locale::of(language_code, self.default_locale())
    }

    pub(crate) fn status_text(&self, language_code: Option<&str>, text: &StatusText) -> String {
        self.texts().render(self.locale(language_code), text)
    }

    /// The texts of a request: one that is not answered in the chat of its recording says whose recording it is.
    pub(crate) fn texts_of(&self, language_code: Option<&str>, origin: &Origin) -> Texts {
        match origin {
            Origin::Chat | Origin::Guest(_) => self.texts(),
            Origin::Business(message) => {
                self.texts().headed_by_source(self.locale(language_code), message.author.as_ref(), message.sent_at)
            }
        }
    }

    /// A status text of a request.
    pub(crate) fn request_text(&self, language_code: Option<&str>, origin: &Origin, text: &StatusText) -> String {
        self.texts_of(language_code, origin).render(self.locale(language_code), text)
    }

    pub(crate) fn command_reply(&self, language_code: Option<&str>, reply: &CommandReply) -> OutgoingMessage {
        self.texts().command_reply(self.locale(language_code), reply).into()
    }

    pub(crate) fn label(&self, language_code: Option<&str>, label: Label) -> String {
        self.texts().label(self.locale(language_code), label)
    }

    pub(crate) fn callback_answer(&self, language_code: Option<&str>, answer: CallbackAnswer) -> String {
        self.texts().callback_answer(self.locale(language_code), answer)
    }
}
