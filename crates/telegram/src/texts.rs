//! All texts of the bot: locale files with typed arguments.

mod answer;
mod locale;
mod overrides;
mod replies;
mod user_list;

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::{Loader, static_loader};

pub use answer::{Answer, AnswerLayout, AnswerText, Continuation, body};
pub use locale::Locale;
pub(crate) use overrides::OverridesError;
use overrides::TextOverrides;
pub use replies::{CallbackAnswer, ChosenLanguages, CommandReply, Label, MyData, QueueEntry, Stats};
pub use user_list::BanEntry;

use stenobot_domain::{PersonName, RequestId, Spoken, Timestamp, Transcript};

use super::languages::language_name;
use super::outgoing::LocalTime;
use super::progress::{Percent, Size, Span, bar, begun_seconds};

static_loader! {
    static MESSAGES = {
        locales: "../../locales",
        fallback_language: "en",
        // Isolation marks around arguments would end up in copied text.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

/// A text about a request's state or end, or a refusal in place of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusText {
    /// The file is being downloaded.
    Downloading,
    /// The request waits.
    Queued {
        /// Position in the queue.
        position: QueuePosition,
        /// Until it starts, where that can be said.
        wait: Option<Duration>,
    },
    /// The request waits while an operator has paused the bot.
    Paused {
        /// Position in the queue.
        position: QueuePosition,
    },
    /// The transcription starts.
    Starting,
    /// The transcription is under way.
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
        /// The message's length; `None` when the claimed length was false: decoding stops at the limit.
        actual: Option<Duration>,
    },
    /// The file is too big.
    TooBig {
        /// The most that is accepted, in bytes.
        limit: u64,
    },
    /// No more requests may wait.
    QueueFull,
    /// The user's quota of messages a minute is used up.
    UserLimit {
        /// When the next one is accepted.
        retry: Duration,
    },
    /// The user has as many requests waiting as allowed.
    PersonFull {
        /// How many.
        limit: u32,
    },
    /// The user's quota of audio a day is used up.
    DayFull {
        /// How much that is.
        limit: Duration,
    },
    /// The user is not allowed to use the bot.
    NotAllowed,
    /// Nothing new is accepted for now.
    Maintenance,
    /// The message will be processed later: the store or the disk is not writable now.
    Delayed,
    /// Cancelled by its sender.
    Cancelled,
    /// Cancelled by an operator.
    CancelledByOperator,
    /// The recording to transcribe again is no longer kept.
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
    /// No speech was found in the recording.
    NoSpeech,
    /// The transcription was stopped at its deadline.
    TimedOut,
    /// A message of a kind that is not transcribed.
    Unsupported,
    /// The bot was called as a guest, and not as a reply to a recording.
    GuestUsage {
        /// The bot's name, without `@`.
        bot: String,
    },
    /// A request has ended whose answer is not in the message that it began with.
    GuestOver,
}

/// Position of a request in the queue, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueuePosition {
    /// Exactly this one.
    Exact(u32),
    /// A rounded number.
    About(u32),
}

/// The arguments of one message.
type Arguments = HashMap<Cow<'static, str>, FluentValue<'static>>;

/// The texts of all locales. They are part of the program; an operator may put others in their place.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    overrides: TextOverrides,
    heading: Option<SourceHeading>,
}

/// The first line of all texts of one request: who sent its recording, and when.
#[derive(Debug, Clone)]
struct SourceHeading {
    line: String,
    /// `None` for a time that Telegram refuses.
    time: Option<LocalTime>,
}

impl SourceHeading {
    fn new(line: String, sent_at: Timestamp) -> Self {
        let time = sent_at.date_and_minute();
        let unix_time = i32::try_from(sent_at.0.div_euclid(1000)).ok().filter(|seconds| *seconds > 0);
        let units = |text: &str| text.encode_utf16().count();
        // A name may look like a time; in the texts of this program it comes first.
        let local = line.rfind(&time).zip(unix_time).map(|(start, unix_time)| LocalTime {
            offset: units(&line[..start]),
            length: units(&time),
            unix_time,
        });
        Self { line, time: local }
    }
}

impl Texts {
    /// The built-in texts, with messages from `folder` (`ru/main.ftl`) in place of the built-in ones of the same name. An
    /// unknown message is an error, since it is probably misspelt.
    pub fn with_overrides(folder: &Path) -> Result<Self, OverridesError> {
        Ok(Self { overrides: TextOverrides::read(folder)?, heading: None })
    }

    /// These texts for a request whose recording comes from another chat: each begins with a line that says who sent it, if that
    /// is known, and when.
    #[must_use]
    pub fn headed_by_source(&self, locale: Locale, author: Option<&PersonName>, sent_at: Timestamp) -> Self {
        let renderer = Renderer { overrides: &self.overrides, locale };
        let time = ("time", sent_at.date_and_minute().into());
        let heading = match author {
            Some(author) => renderer.format("business-heading", [("name", author.as_str().to_owned().into()), time]),
            None => renderer.format("business-heading-unnamed", [time]),
        };
        Self { heading: Some(SourceHeading::new(heading, sent_at)), ..self.clone() }
    }

    /// The time of the recording in the first line of each of these texts, if they have one.
    pub fn sent_at(&self) -> Option<LocalTime> {
        self.heading.as_ref()?.time
    }

    fn heading_line(&self) -> Option<String> {
        self.heading.as_ref().map(|heading| heading.line.clone())
    }

    /// The text in the given locale.
    pub fn render(&self, locale: Locale, text: &StatusText) -> String {
        let text = self.render_alone(locale, text);
        match &self.heading {
            Some(heading) => format!("{}\n{text}", heading.line),
            None => text,
        }
    }

    fn render_alone(&self, locale: Locale, text: &StatusText) -> String {
        let renderer = Renderer { overrides: &self.overrides, locale };
        match text {
            StatusText::Downloading => renderer.text("downloading"),
            StatusText::Queued { position, wait: None } => renderer.position(*position),
            StatusText::Queued { position, wait: Some(wait) } => {
                renderer.position(*position) + "\n" + &renderer.format("queued-wait", [("wait", renderer.span(*wait))])
            }
            StatusText::Paused { position } => renderer.position(*position) + "\n" + &renderer.text("queued-paused"),
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
            StatusText::GuestUsage { bot } => renderer.format("guest-usage", [("bot", bot.clone().into())]),
            StatusText::GuestOver => renderer.text("guest-over"),
        }
    }

    /// The text and, on a line of its own, the request's number, by which the log can be searched.
    pub fn numbered(&self, locale: Locale, text: &StatusText, id: RequestId) -> String {
        self.numbered_for(locale, text, id, 0)
    }

    /// Like [`Texts::numbered`], with the number of further requests that this one refusal answers.
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

    /// The heading of an answer without its text, for the message above a file. `language` is the code of a language to
    /// name.
    pub fn heading(&self, locale: Locale, transcript: &Transcript, language: Option<&str>) -> String {
        let done = self.render(locale, &StatusText::Done { text: Spoken(String::new()) }).trim_end().to_owned();
        std::iter::once(done).chain(self.remarks(locale, transcript, language)).collect::<Vec<_>>().join("\n")
    }

    /// The text under a file that is an answer: what [`Texts::heading`] says beside that it is done.
    pub fn caption(&self, locale: Locale, transcript: &Transcript, language: Option<&str>) -> Option<String> {
        let lines: Vec<String> =
            self.heading_line().into_iter().chain(self.remarks(locale, transcript, language)).collect();
        Some(lines.join("\n")).filter(|caption| !caption.is_empty())
    }

    fn remarks(&self, locale: Locale, transcript: &Transcript, language: Option<&str>) -> Vec<String> {
        let renderer = Renderer { overrides: &self.overrides, locale };
        let language = language.map(|code| language_name(code).unwrap_or(code).to_owned());
        let language = language.map(|name| renderer.format("answer-language", [("language", name.into())]));
        let marks = [(transcript.is_doubtful(), "low-confidence"), (transcript.is_incomplete(), "missed-speech")];
        let marks = marks.into_iter().filter(|(is_marked, _)| *is_marked).map(|(_, mark)| renderer.text(mark));
        language.into_iter().chain(marks).collect()
    }
}

/// Formats messages in one locale.
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

    fn position(&self, position: QueuePosition) -> String {
        match position {
            QueuePosition::Exact(position) => self.format("queued", [("position", number(position))]),
            QueuePosition::About(position) => self.format("queued-about", [("position", number(position))]),
        }
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
