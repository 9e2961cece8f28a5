//! Everything the bot says, from the locale files, with typed arguments.

mod locale;
mod overrides;
mod replies;

use std::borrow::Cow;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::{Loader, static_loader};

pub use locale::Locale;
pub(crate) use overrides::OverridesError;
use overrides::TextOverrides;
pub use replies::{CallbackAnswer, CommandReply, Label, MyData, QueueEntry, Stats};

use stenobot_domain::{RequestId, Spoken, Transcript};

use super::progress::{Percent, Size, Span, bar, begun_seconds};
use super::split::{MESSAGE_UNITS, split};

static_loader! {
    static MESSAGES = {
        locales: "../../locales",
        fallback_language: "en",
        // The marks that Fluent puts around arguments show up as garbage in copied text.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

/// Something the bot says about a request, or in place of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusText {
    /// The file is on its way to us.
    Downloading,
    /// The request waits.
    Queued {
        /// From 1, the next one.
        position: u32,
        /// Until it starts, where that can be said.
        wait: Option<Duration>,
    },
    /// The request waits, and so does everything: the bot is paused.
    Paused {
        /// From 1, the next one.
        position: u32,
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
    /// As many of one person's messages wait as may.
    PersonFull {
        /// How many.
        limit: u32,
    },
    /// One person's audio of a day is used up.
    DayFull {
        /// How much that is.
        limit: Duration,
    },
    /// The person is not among those this bot serves.
    NotAllowed,
    /// Nothing new is accepted for now.
    Maintenance,
    /// The message is safe, but cannot be taken or fetched yet.
    Delayed,
    /// Withdrawn by its sender.
    Cancelled,
    /// Withdrawn by an administrator.
    CancelledByOperator,
    /// The recording that was to be heard again is not kept any more.
    AudioGone,
    /// A general apology.
    Failed,
    /// A video has no audio track.
    NoAudio,
    /// There is no decoder for the sound in the file.
    UnsupportedCodec {
        /// Name of the codec or format, the same in all languages.
        codec: String,
    },
    /// No recording was found in the file.
    Unreadable,
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
}

/// The arguments of one message.
type Arguments = HashMap<Cow<'static, str>, FluentValue<'static>>;

/// The texts of all locales. They are part of the program; an operator may put others in their place.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    overrides: TextOverrides,
}

impl Texts {
    /// The program's texts, but of those that `folder` holds (`ru/main.ftl`), these. A message that the bot never says
    /// is an error, since it is a slip of the pen.
    pub fn with_overrides(folder: &Path) -> Result<Self, OverridesError> {
        Ok(Self { overrides: TextOverrides::read(folder)? })
    }

    /// A text as it is shown.
    pub fn render(&self, locale: Locale, text: &StatusText) -> String {
        let renderer = Renderer { overrides: &self.overrides, locale };
        match text {
            StatusText::Downloading => renderer.text("downloading"),
            StatusText::Queued { position, wait: None } => renderer.format("queued", [("position", number(*position))]),
            StatusText::Queued { position, wait: Some(wait) } => {
                let first = renderer.format("queued", [("position", number(*position))]);
                first + "\n" + &renderer.format("queued-wait", [("wait", renderer.span(*wait))])
            }
            StatusText::Paused { position } => {
                renderer.format("queued", [("position", number(*position))]) + "\n" + &renderer.text("queued-paused")
            }
            StatusText::Starting => renderer.text("starting"),
            StatusText::Progress { percent, elapsed, remaining } => {
                let first =
                    renderer.format("progress", [("bar", bar(*percent).into()), ("percent", number(percent.value()))]);
                let elapsed = ("elapsed", renderer.span(*elapsed));
                let second = match remaining {
                    None => renderer.format("progress-elapsed", [elapsed]),
                    Some(remaining) => {
                        renderer.format("progress-remaining", [elapsed, ("remaining", renderer.span(*remaining))])
                    }
                };
                first + "\n" + &second
            }
            StatusText::Done { text } => renderer.text("done") + "\n\n" + &text.0,
            StatusText::TooLong { limit, actual: None } => {
                renderer.format("too-long-unknown", [("limit", renderer.limit(*limit))])
            }
            StatusText::TooLong { limit, actual: Some(actual) } => {
                renderer.format("too-long", [("limit", renderer.limit(*limit)), ("actual", renderer.limit(*actual))])
            }
            StatusText::TooBig { limit } => renderer.format("too-big", [("limit", renderer.size(*limit))]),
            StatusText::QueueFull => renderer.text("queue-full"),
            StatusText::UserLimit { retry } => match begun_seconds(*retry).max(1) {
                seconds @ 0..60 => renderer.format("user-limit-seconds", [("count", number(seconds))]),
                seconds => renderer.format("user-limit-minutes", [("count", number(seconds.div_ceil(60)))]),
            },
            StatusText::PersonFull { limit } => renderer.format("person-full", [("count", number(*limit))]),
            StatusText::DayFull { limit } => renderer.format("day-full", [("count", number(limit.as_secs() / 60))]),
            StatusText::NotAllowed => renderer.text("not-allowed"),
            StatusText::Maintenance => renderer.text("maintenance"),
            StatusText::Delayed => renderer.text("delayed"),
            StatusText::Cancelled => renderer.text("cancelled"),
            StatusText::CancelledByOperator => renderer.text("cancelled-by-operator"),
            StatusText::AudioGone => renderer.text("audio-gone"),
            StatusText::Failed => renderer.text("failed"),
            StatusText::NoAudio => renderer.text("no-audio"),
            StatusText::UnsupportedCodec { codec } => {
                renderer.format("unsupported-codec", [("codec", codec.clone().into())])
            }
            StatusText::Unreadable => renderer.text("unreadable"),
            StatusText::Damaged => renderer.text("damaged"),
            StatusText::DownloadFailed => renderer.text("download-failed"),
            StatusText::NoSpeech => renderer.text("no-speech"),
            StatusText::TimedOut => renderer.text("timed-out"),
            StatusText::Unsupported => renderer.text("unsupported"),
        }
    }

    /// A text that ends with its request's number, under which the log has the request: a refusal or an apology.
    pub fn numbered(&self, locale: Locale, text: &StatusText, id: RequestId) -> String {
        self.numbered_for(locale, text, id, 0)
    }

    /// The same for a refusal that stands for `others` as well.
    pub fn numbered_for(&self, locale: Locale, text: &StatusText, id: RequestId, others: usize) -> String {
        let renderer = Renderer { overrides: &self.overrides, locale };
        let others = match others {
            0 => String::new(),
            count => "\n".to_owned() + &renderer.format("refused-others", [("count", number(count as u64))]),
        };
        // As text: no locale groups its digits, so that it can be searched for as it stands.
        let number = renderer.format("request-number", [("number", id.0.to_string().into())]);
        self.render(locale, text) + &others + "\n" + &number
    }

    /// The heading of an answer, alone: over a file.
    pub fn heading(&self, locale: Locale, transcript: &Transcript) -> String {
        let renderer = Renderer { overrides: &self.overrides, locale };
        let mut heading = self.render(locale, &StatusText::Done { text: Spoken(String::new()) }).trim_end().to_owned();
        let marks = [(transcript.is_doubtful(), "low-confidence"), (transcript.is_incomplete(), "missed-speech")];
        for (_, mark) in marks.into_iter().filter(|(is_marked, _)| *is_marked) {
            heading = heading + "\n" + &renderer.text(mark);
        }
        heading
    }

    /// The answer in the form that suits its length: in messages, at most `most` of them, else as a file under its first
    /// lines. Words that are nothing but white space are [`StatusText::NoSpeech`].
    pub fn answer(&self, locale: Locale, transcript: &Transcript, most: NonZeroUsize) -> Answer {
        let spoken = transcript.text();
        let words = spoken.0.trim();
        if words.is_empty() {
            return Answer::Messages(vec![self.render(locale, &StatusText::NoSpeech)]);
        }
        let renderer = Renderer { overrides: &self.overrides, locale };
        let heading = self.heading(locale, transcript) + "\n\n";
        let room = MESSAGE_UNITS - heading.encode_utf16().count();
        let mut parts = split(words, room, MESSAGE_UNITS);
        if parts.len() > most.get() {
            let note = "\n\n".to_owned() + &renderer.text("in-the-file");
            let preview = split(words, PREVIEW_UNITS, MESSAGE_UNITS).swap_remove(0);
            return Answer::File { preview: heading + &preview + " …" + &note };
        }
        parts[0].insert_str(0, &heading);
        Answer::Messages(parts)
    }
}

/// Most of a text that is shown over its file, in UTF-16 units: a screen of a phone.
const PREVIEW_UNITS: usize = 600;

/// How an answer goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// As these messages; the first takes the place of the status message.
    Messages(Vec<String>),
    /// As a text file, after this message.
    File {
        /// Heading and first lines.
        preview: String,
    },
}

/// Looks messages up in one language.
struct Renderer<'a> {
    overrides: &'a TextOverrides,
    locale: Locale,
}

impl Renderer<'_> {
    fn text(&self, id: &str) -> String {
        self.format(id, [])
    }

    fn format<const N: usize>(&self, id: &str, arguments: [(&'static str, FluentValue<'static>); N]) -> String {
        let arguments: Arguments = arguments.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect();
        let own = self.overrides.lookup(self.locale, id, &arguments);
        own.unwrap_or_else(|| MESSAGES.lookup_with_args(&self.locale.identifier(), id, &arguments))
    }

    fn span(&self, duration: Duration) -> FluentValue<'static> {
        let text = match Span::of(duration) {
            Span::Seconds(seconds) => self.format("span-seconds", [("seconds", number(seconds))]),
            Span::Minutes { minutes, seconds: 0 } => self.format("span-minutes-whole", [("minutes", number(minutes))]),
            Span::Minutes { minutes, seconds } => {
                self.format("span-minutes", [("minutes", number(minutes)), ("seconds", number(seconds))])
            }
            Span::Hours { hours, minutes: 0 } => self.format("span-hours-whole", [("hours", number(hours))]),
            Span::Hours { hours, minutes } => {
                self.format("span-hours", [("hours", number(hours)), ("minutes", number(minutes))])
            }
        };
        text.into()
    }

    /// `120с (2 мин)`; below a minute, only seconds.
    fn limit(&self, duration: Duration) -> FluentValue<'static> {
        let text = match begun_seconds(duration) {
            seconds @ 0..60 => self.format("span-seconds", [("seconds", number(seconds))]),
            seconds => self.format("limit-minutes", [("seconds", number(seconds)), ("minutes", number(seconds / 60))]),
        };
        text.into()
    }

    fn size(&self, bytes: u64) -> FluentValue<'static> {
        let text = match Size::of(bytes) {
            Size::Kib(count) => self.format("size-kib", [("count", number(count))]),
            Size::Mib(count) => self.format("size-mib", [("count", number(count))]),
        };
        text.into()
    }
}

fn number(value: impl Into<u64>) -> FluentValue<'static> {
    FluentValue::from(value.into())
}

#[cfg(test)]
mod tests;
