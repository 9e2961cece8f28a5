//! Everything the bot says, from the locale files, with typed arguments.

mod own;

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::{LanguageIdentifier, Loader, langid, static_loader};

use own::OwnTexts;
pub use own::OwnTextsError;

use super::progress::{Percent, Size, Span, bar, begun_seconds};
use super::split::{MESSAGE_UNITS, split};
use crate::model::Spoken;

static_loader! {
    static MESSAGES = {
        locales: "./locales",
        fallback_language: "en",
        // The marks that Fluent puts around arguments show up as garbage in copied text.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

/// A language of the bot's own texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Locale {
    /// Russian.
    Ru,
    /// English.
    En,
}

/// A text names no locale.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no language of the bot: give `ru` or `en`")]
pub struct UnknownLocale(String);

impl FromStr for Locale {
    type Err = UnknownLocale;

    /// From a language code with or without a region: `ru`, `ru-RU`, `en_GB`.
    fn from_str(code: &str) -> Result<Self, UnknownLocale> {
        let language = code.split(['-', '_']).next().unwrap_or_default();
        match language.to_ascii_lowercase().as_str() {
            "ru" => Ok(Self::Ru),
            "en" => Ok(Self::En),
            _ => Err(UnknownLocale(code.to_owned())),
        }
    }
}

impl Locale {
    /// Every locale.
    pub const ALL: [Self; 2] = [Self::Ru, Self::En];

    /// The locale for somebody whose Telegram speaks `language_code`, or `default` if we do not speak that.
    pub fn of(language_code: Option<&str>, default: Self) -> Self {
        language_code.and_then(|code| code.parse().ok()).unwrap_or(default)
    }

    /// Its language code, the name of its folder of texts.
    pub fn code(self) -> &'static str {
        match self {
            Self::Ru => "ru",
            Self::En => "en",
        }
    }

    fn identifier(self) -> LanguageIdentifier {
        match self {
            Self::Ru => langid!("ru"),
            Self::En => langid!("en"),
        }
    }
}

/// Something the bot says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// The file is on its way to us.
    Downloading,
    /// The request waits.
    Queued {
        /// From 1, the next one.
        position: u32,
        /// Until it starts, where that can be said.
        wait: Option<Duration>,
    },
    /// The request's turn has come.
    Starting,
    /// The request is at work.
    Progress {
        /// How much is done.
        percent: Percent,
        /// Since the start of the work.
        elapsed: Duration,
        /// Until its end, where that can be said.
        remaining: Option<Duration>,
    },
    /// The answer as a single text; [`Texts::answer`] cuts it into messages.
    Done {
        /// What was said.
        text: Spoken,
    },
    /// The message is too long.
    TooLong {
        /// The most that is accepted.
        limit: Duration,
        /// The message's length; unknown when its claim was false, since nobody listens past the limit.
        actual: Option<Duration>,
    },
    /// The file is too big.
    TooBig {
        /// The most that is accepted, in bytes.
        limit: u64,
    },
    /// No more requests may wait.
    QueueFull,
    /// One person sent too many messages.
    UserLimit {
        /// When the next one is accepted.
        retry: Duration,
    },
    /// A general apology.
    Failed,
    /// The file has no audio track.
    NoAudio,
    /// The file cannot be read.
    Damaged,
    /// The file could not be fetched from Telegram.
    DownloadFailed,
    /// Nobody speaks in the recording.
    NoSpeech,
    /// The work was stopped at its deadline.
    TimedOut,
    /// A message of a kind that is not transcribed.
    Unsupported,
    /// The answer to /start and /help.
    Greeting {
        /// The longest message that is accepted.
        duration: Duration,
        /// The largest file that is accepted, in bytes.
        size: u64,
    },
}

/// The arguments of one message.
type Arguments = HashMap<Cow<'static, str>, FluentValue<'static>>;

/// The texts of all locales. They are part of the program; an operator may put others in their place.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    own: OwnTexts,
}

impl Texts {
    /// The program's texts, but of those that `folder` holds (`ru/main.ftl`), these. A message that the bot never says
    /// is an error, since it is a slip of the pen.
    pub fn with_own(folder: &Path) -> Result<Self, OwnTextsError> {
        Ok(Self { own: OwnTexts::read(folder)? })
    }

    /// A text as it is shown.
    pub fn render(&self, locale: Locale, text: &Text) -> String {
        let say = Say { own: &self.own, locale };
        match text {
            Text::Downloading => say.plain("downloading"),
            Text::Queued { position, wait: None } => say.with("queued", [("position", number(*position))]),
            Text::Queued { position, wait: Some(wait) } => {
                let first = say.with("queued", [("position", number(*position))]);
                first + "\n" + &say.with("queued-wait", [("wait", say.span(*wait))])
            }
            Text::Starting => say.plain("starting"),
            Text::Progress { percent, elapsed, remaining } => {
                let first = say.with("progress", [("bar", bar(*percent).into()), ("percent", number(percent.value()))]);
                let elapsed = ("elapsed", say.span(*elapsed));
                let second = match remaining {
                    None => say.with("progress-elapsed", [elapsed]),
                    Some(remaining) => say.with("progress-remaining", [elapsed, ("remaining", say.span(*remaining))]),
                };
                first + "\n" + &second
            }
            Text::Done { text } => say.plain("done") + "\n\n" + &text.0,
            Text::TooLong { limit, actual: None } => say.with("too-long-unknown", [("limit", say.limit(*limit))]),
            Text::TooLong { limit, actual: Some(actual) } => {
                say.with("too-long", [("limit", say.limit(*limit)), ("actual", say.limit(*actual))])
            }
            Text::TooBig { limit } => say.with("too-big", [("limit", say.size(*limit))]),
            Text::QueueFull => say.plain("queue-full"),
            Text::UserLimit { retry } => match begun_seconds(*retry).max(1) {
                seconds @ 0..60 => say.with("user-limit-seconds", [("count", number(seconds))]),
                seconds => say.with("user-limit-minutes", [("count", number(seconds.div_ceil(60)))]),
            },
            Text::Failed => say.plain("failed"),
            Text::NoAudio => say.plain("no-audio"),
            Text::Damaged => say.plain("damaged"),
            Text::DownloadFailed => say.plain("download-failed"),
            Text::NoSpeech => say.plain("no-speech"),
            Text::TimedOut => say.plain("timed-out"),
            Text::Unsupported => say.plain("unsupported"),
            Text::Greeting { duration, size } => {
                say.with("greeting", [("duration", say.limit(*duration)), ("size", say.size(*size))])
            }
        }
    }

    /// The answer as messages that Telegram takes: the first under the heading, the others bare. Words that are nothing
    /// but white space are [`Text::NoSpeech`].
    pub fn answer(&self, locale: Locale, words: &Spoken) -> Vec<String> {
        let words = words.0.trim();
        let heading = self.render(locale, &Text::Done { text: Spoken(String::new()) });
        let room = MESSAGE_UNITS - heading.encode_utf16().count();
        let mut parts = split(words, room, MESSAGE_UNITS);
        match parts.first_mut() {
            Some(first) => first.insert_str(0, &heading),
            None => parts.push(self.render(locale, &Text::NoSpeech)),
        }
        parts
    }
}

/// Looks messages up in one language.
struct Say<'a> {
    own: &'a OwnTexts,
    locale: Locale,
}

impl Say<'_> {
    fn plain(&self, id: &str) -> String {
        self.with(id, [])
    }

    fn with<const N: usize>(&self, id: &str, arguments: [(&'static str, FluentValue<'static>); N]) -> String {
        let arguments: Arguments = arguments.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect();
        let own = self.own.lookup(self.locale, id, &arguments);
        own.unwrap_or_else(|| MESSAGES.lookup_with_args(&self.locale.identifier(), id, &arguments))
    }

    fn span(&self, duration: Duration) -> FluentValue<'static> {
        let text = match Span::of(duration) {
            Span::Seconds(seconds) => self.with("span-seconds", [("seconds", number(seconds))]),
            Span::Minutes { minutes, seconds } => {
                self.with("span-minutes", [("minutes", number(minutes)), ("seconds", number(seconds))])
            }
            Span::Hours { hours, minutes } => {
                self.with("span-hours", [("hours", number(hours)), ("minutes", number(minutes))])
            }
        };
        text.into()
    }

    /// `120с (2 мин)`; below a minute, only seconds.
    fn limit(&self, duration: Duration) -> FluentValue<'static> {
        let text = match begun_seconds(duration) {
            seconds @ 0..60 => self.with("span-seconds", [("seconds", number(seconds))]),
            seconds => self.with("limit-minutes", [("seconds", number(seconds)), ("minutes", number(seconds / 60))]),
        };
        text.into()
    }

    fn size(&self, bytes: u64) -> FluentValue<'static> {
        let text = match Size::of(bytes) {
            Size::Kib(count) => self.with("size-kib", [("count", number(count))]),
            Size::Mib(count) => self.with("size-mib", [("count", number(count))]),
        };
        text.into()
    }
}

fn number(value: impl Into<u64>) -> FluentValue<'static> {
    FluentValue::from(value.into())
}

#[cfg(test)]
mod tests;
