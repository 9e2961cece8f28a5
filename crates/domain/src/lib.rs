//! Domain types: identifiers, stages, languages, transcripts, time. No I/O.

mod doubts;
mod language;
mod lifecycle;
mod live_text;
mod origin;
mod paragraphs;
pub mod quantile;
mod retry;
mod role;
pub mod secrets;
pub mod stand_in;
pub mod subtitles;
pub mod wer;

pub use doubts::Doubt;
pub use language::{BadLanguage, LanguageList, LikelyLanguage, SpeechLanguage};
pub use lifecycle::{
    AnswerForm, AudioSource, CancelledBy, FailReason, Outcome, RejectReason, StageName, StateDisplay, StatusStyle,
};
pub use live_text::LiveText;
pub use origin::{BusinessKey, BusinessMessage, GuestCall, GuestQueryId, InlineMessageId, Origin, PersonName};
pub use paragraphs::{Paragraph, paragraphs};
pub use retry::{Backoff, RetryPolicy, random_fraction};
pub use role::{Role, UnknownRole};

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Sample rate of the engine's input, in Hz.
pub const SAMPLE_RATE: u32 = 16_000;

/// The largest file, in bytes, that a Bot API server gives unless it was started with `--local`.
pub const PUBLIC_FILE_LIMIT: u64 = 20 << 20;

macro_rules! id {
    ($(#[$meta:meta])* $name:ident($inner:ty)) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(/// Primary key of a request's row in the store.
    RequestId(i64));
id!(/// A Telegram user; 64 bits, since ids outgrew 32.
    UserId(i64));
id!(/// A Telegram chat.
    ChatId(i64));
id!(/// A message within one chat.
    MessageId(i32));

/// A part of a chat in which messages are, and their answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ThreadId {
    /// A topic of a group.
    Topic(i32),
    /// What one user and a channel write to each other directly.
    Direct(i64),
}

impl ThreadId {
    /// A topic of a group, if it is one.
    pub const fn topic(self) -> Option<i32> {
        match self {
            Self::Topic(topic) => Some(topic),
            Self::Direct(_) => None,
        }
    }

    /// A topic of direct messages, if it is one.
    pub const fn direct(self) -> Option<i64> {
        match self {
            Self::Topic(_) => None,
            Self::Direct(topic) => Some(topic),
        }
    }
}

/// A whole number of samples as a duration at [`SAMPLE_RATE`].
pub fn duration_of_samples(samples: usize) -> Duration {
    Duration::from_nanos(samples as u64 * 1_000_000_000 / u64::from(SAMPLE_RATE))
}

/// Length of a recording, with its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudioLength {
    /// Claimed by the sender's client.
    Claimed(Duration),
    /// Measured by decoding the file.
    Measured(Duration),
}

impl AudioLength {
    /// The length, whatever its source.
    pub const fn duration(self) -> Duration {
        match self {
            Self::Claimed(length) | Self::Measured(length) => length,
        }
    }

    /// The measured length, if there is one, else the claimed one.
    pub fn of(measured: Option<Duration>, claimed: Option<Duration>) -> Option<Self> {
        measured.map(Self::Measured).or(claimed.map(Self::Claimed))
    }
}

/// `path` with `suffix` appended to its last component.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

// === Speech ===

/// Recognised text. Its `Debug` shows the length only, so that a transcript cannot reach a log by accident.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spoken(pub String);

impl fmt::Debug for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} characters>", self.0.chars().count())
    }
}

/// A stretch of speech with its times in the audio.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// From the start of the audio.
    pub start: Duration,
    /// From the start of the audio; never before `start`.
    pub end: Duration,
    /// Trimmed, never empty.
    pub text: Spoken,
    /// Words of the text that the model doubts, in their order.
    pub doubts: Vec<Doubt>,
    /// Mean natural log-probability of the segment's tokens, at most 0.
    pub mean_logprob: f32,
    /// Probability that the window of this segment has no speech, 0 to 1.
    pub no_speech: f32,
}

/// Transcript of one recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// In order of time; empty without speech.
    pub segments: Vec<Segment>,
    /// The code of the language that was given or detected.
    pub language: String,
    /// Probability of `language` when it was detected, 0 to 1.
    pub language_probability: Option<f32>,
    /// Length of the decoded audio.
    pub audio: Duration,
    /// Wall time from the request's arrival in the engine to its end, decoding of the audio included.
    pub processing: Duration,
    /// Windows that the guard had to transcribe again.
    pub retried_windows: u32,
    /// Speech that was detected and that no segment covers, short remainders not counted.
    pub missed_speech: Duration,
    /// Where the detector found speech, in order of time, disjoint; empty without a detector.
    pub speech: Vec<Range<Duration>>,
    /// Whether the languages, and so the text, are the same whatever the sender is likely to speak.
    pub is_sender_independent: bool,
}

impl Transcript {
    /// The whole text, segments joined by single spaces.
    pub fn text(&self) -> Spoken {
        Spoken(self.segments.iter().map(|s| s.text.0.as_str()).collect::<Vec<_>>().join(" "))
    }

    /// Reliability of the text by the model's probabilities of words and language and by retried windows. An empty text is
    /// reliable; one in which speech is missing is not.
    pub fn confidence(&self) -> Confidence {
        if self.is_incomplete() || self.is_doubtful() { Confidence::Low } else { Confidence::High }
    }

    /// Whether detected speech could not be recognised and is missing from the text.
    pub fn is_incomplete(&self) -> bool {
        !self.missed_speech.is_zero()
    }

    /// Whether the words that are there are probably wrong in places.
    pub fn is_doubtful(&self) -> bool {
        let sure_of_language =
            self.language_probability.is_none_or(|probability| probability >= MIN_LANGUAGE_PROBABILITY);
        let least = if self.retried_windows > 0 { MIN_LOGPROB_RETRIED } else { MIN_LOGPROB };
        let sure_of_words = self.mean_logprob().is_none_or(|logprob| logprob >= least);
        !(sure_of_language && sure_of_words)
    }

    /// Of all segments, each weighted by its length in characters, which is close to its number of tokens.
    fn mean_logprob(&self) -> Option<f32> {
        let characters = |segment: &Segment| segment.text.0.chars().count() as f32;
        let all: f32 = self.segments.iter().map(characters).sum();
        let sum: f32 = self.segments.iter().map(|segment| segment.mean_logprob * characters(segment)).sum();
        (all > 0.0).then(|| sum / all)
    }
}

/// Of 46 recordings of people 15 are low by this and the two bounds below: in 13 of them a quarter of the words or more
/// are wrong, and in 4 of the other 31. Synthetic voices in Russian and English stay at -0.33 and above.
const MIN_LOGPROB: f32 = -0.35;
/// When a window was transcribed again.
const MIN_LOGPROB_RETRIED: f32 = -0.3;
/// Below this the text may be in another language than the speech.
const MIN_LANGUAGE_PROBABILITY: f32 = 0.6;

/// Reliability of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// No sign of errors.
    High,
    /// Probably wrong in places that matter.
    Low,
}

/// How far a transcription has come, measured by the engine rather than estimated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Audio dealt with so far; grows, never past `total`.
    pub done: Duration,
    /// Length of the decoded audio.
    pub total: Duration,
}

impl Progress {
    /// 0 to 1.
    pub fn fraction(self) -> f64 {
        if self.total.is_zero() { 0.0 } else { (self.done.as_secs_f64() / self.total.as_secs_f64()).clamp(0.0, 1.0) }
    }
}

/// Properties of a loaded model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// Size, such as `base`.
    pub kind: String,
    /// Number format of its weights, such as `q8_0`.
    pub weights: String,
    /// Whether it knows more than English.
    pub multilingual: bool,
    /// Name and version of the backend, such as `whisper.cpp 1.8.3`.
    pub backend: String,
}

// === Time ===

/// A point in time that is stored: milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Later by `duration`; saturates.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The time since `earlier`, zero when the clock was set back in between.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Earlier by `duration`; saturates.
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The date in UTC, as `2026-11-24`. Times that have no four-digit year give the last date that has one.
    pub fn day(self) -> String {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::MAX).strftime("%F").to_string()
    }

    /// Date and minute in UTC, as `2026-11-24-0542`, for file names.
    pub fn minute(self) -> String {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::MAX).strftime("%F-%H%M").to_string()
    }

    /// Date and minute in UTC, as `2026-11-24 05:42 UTC`, to be read.
    pub fn date_and_minute(self) -> String {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::MAX).strftime("%F %H:%M UTC").to_string()
    }

    /// The start of the day in UTC.
    pub const fn midnight(self) -> Self {
        Self(self.0 - self.0.rem_euclid(24 * 60 * 60 * 1000))
    }

    /// Seconds since the Unix epoch, the unit of metrics.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}

/// Time of day. Durations are measured with `tokio::time::Instant`, which tests can pause.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that tests set by hand.
    Manual(std::sync::Arc<std::sync::atomic::AtomicI64>),
}

impl Clock {
    /// The current time.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Self::Manual(millis) => Timestamp(millis.load(std::sync::atomic::Ordering::SeqCst)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript(segments: &[(&str, f32)]) -> Transcript {
        let segments = segments.iter().map(|&(text, mean_logprob)| Segment {
            start: Duration::ZERO,
            end: Duration::from_secs(1),
            text: Spoken(text.to_owned()),
            doubts: Vec::new(),
            mean_logprob,
            no_speech: 0.1,
        });
        Transcript {
            segments: segments.collect(),
            language: "ru".to_owned(),
            language_probability: Some(0.98),
            audio: Duration::from_secs(1),
            processing: Duration::from_secs(1),
            retried_windows: 0,
            missed_speech: Duration::ZERO,
            speech: Vec::new(),
            is_sender_independent: true,
        }
    }

    #[test]
    fn confidence_is_low_when_the_model_doubts_the_words() {
        assert_eq!(transcript(&[("Перезвони мне завтра.", -0.25)]).confidence(), Confidence::High);
        assert_eq!(transcript(&[("Перезвони мне завтра.", -0.7)]).confidence(), Confidence::Low);
        // One doubtful word does not make a long text doubtful.
        let long = "Перезвони мне завтра, когда будешь дома.";
        assert_eq!(transcript(&[(long, -0.2), ("Угу.", -1.2)]).confidence(), Confidence::High);
        assert_eq!(transcript(&[]).confidence(), Confidence::High);
    }

    #[test]
    fn confidence_is_low_when_the_model_doubts_the_language_or_a_window_was_retried() {
        let good = transcript(&[("Перезвони мне завтра.", -0.32)]);
        assert_eq!(good.confidence(), Confidence::High);
        assert_eq!(Transcript { language_probability: None, ..good.clone() }.confidence(), Confidence::High);
        assert_eq!(Transcript { language_probability: Some(0.5), ..good.clone() }.confidence(), Confidence::Low);
        assert_eq!(Transcript { retried_windows: 1, ..good }.confidence(), Confidence::Low);
    }

    #[test]
    fn confidence_is_low_when_speech_is_missing_from_the_text() {
        let incomplete =
            Transcript { missed_speech: Duration::from_secs(2), ..transcript(&[("Перезвони.", -0.1)]) };
        assert!(incomplete.is_incomplete() && !incomplete.is_doubtful());
        assert_eq!(incomplete.confidence(), Confidence::Low);
    }

    #[test]
    fn days_are_dates_in_utc() {
        let day = |seconds: i64| Timestamp(seconds * 1000).day();
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(Timestamp(-1).day(), "1969-12-31");
        assert_eq!(day(951_782_400), "2000-02-29");
        assert_eq!(day(4_107_542_400), "2100-03-01");
        assert_eq!((day(1_700_006_399), day(1_700_006_400)), ("2023-11-14".into(), "2023-11-15".into()));
        assert_eq!(Timestamp(i64::MAX).day(), "9999-12-30");
    }
}
