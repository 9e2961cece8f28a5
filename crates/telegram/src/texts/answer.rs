//! The text of an answer: heading, paragraphs with their times, messages, folding.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::time::Duration;

use stenobot_domain::{Transcript, paragraphs};

use super::{Locale, Renderer, StatusText, Texts};
use crate::outgoing::{LocalTime, TextPart};
use crate::split::{self, MESSAGE_UNITS};

/// Preview of a text above its file, in UTF-16 units: about a phone's screen.
const PREVIEW_UNITS: usize = 600;
/// A text of this many UTF-16 units is folded.
const FOLDED_UNITS: usize = 700;
/// Recordings of this length have times in their texts.
const MIN_TIMED_AUDIO: Duration = Duration::from_secs(45);

/// How an answer is laid out.
#[derive(Debug, Clone, Copy)]
pub struct AnswerLayout<'a> {
    /// Code of a language to name.
    pub language: Option<&'a str>,
    /// Messages, at most.
    pub most: NonZeroUsize,
    /// Whether a text without remarks has a heading too.
    pub has_heading: bool,
    /// Whether the paragraphs of a long recording begin with their times.
    pub has_times: bool,
    /// Whether a short text is folded too.
    pub is_folded: bool,
    /// Where the text ends, if its sender has stopped the transcription.
    pub stopped_at: Option<Duration>,
    /// Where the messages behind the first are.
    pub continuation: Continuation,
}

/// Where the messages behind the first are, of which the first says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuation {
    /// In the same chat, which needs no word.
    SameChat,
    /// In the reader's private chat with the bot.
    PrivateChat,
    /// Nowhere: the reader has no such chat.
    Missing,
}

/// Form of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// As these messages; the first takes the place of the status message.
    Messages(Vec<AnswerText>),
    /// As a text file, after this message.
    File {
        /// Heading and first lines.
        preview: AnswerText,
    },
}

/// Text of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerText {
    /// At most 4096 UTF-16 units.
    pub text: String,
    /// The part that is folded.
    pub folded: Option<TextPart>,
    /// The words that the model doubts.
    pub doubted: Vec<TextPart>,
    /// The time of the recording.
    pub time: Option<LocalTime>,
}

/// A transcript in paragraphs, trimmed; each begins with its time if `has_times` and the recording is long.
pub fn body(transcript: &Transcript, has_times: bool) -> String {
    doubted_body(transcript, has_times).0
}

/// As [`body`], with the words that the model doubts, in bytes of the text.
fn doubted_body(transcript: &Transcript, has_times: bool) -> (String, Vec<Range<usize>>) {
    let is_timed = has_times && transcript.audio >= MIN_TIMED_AUDIO;
    let (mut text, mut doubted) = (String::new(), Vec::new());
    for paragraph in paragraphs(transcript) {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        if is_timed {
            text.push_str(&time(paragraph.start));
            text.push(' ');
        }
        doubted.extend(paragraph.doubted.iter().map(|word| text.len() + word.start..text.len() + word.end));
        text.push_str(&paragraph.text);
    }
    (text, doubted)
}

/// As `0:32` or `1:04:10`, the forms that clients recognise in a reply to a recording.
fn time(at: Duration) -> String {
    let (hours, minutes, seconds) = (at.as_secs() / 3600, at.as_secs() / 60 % 60, at.as_secs() % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        hours => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

impl Texts {
    /// The answer in the form that suits its length: in messages, else as a file under its first lines. A blank transcript gives
    /// [`StatusText::NoSpeech`].
    pub fn answer(&self, locale: Locale, transcript: &Transcript, layout: AnswerLayout<'_>) -> Answer {
        let (words, doubted) = doubted_body(transcript, layout.has_times);
        if words.is_empty() {
            let text = self.render(locale, &StatusText::NoSpeech);
            let (folded, doubted, time) = (None, Vec::new(), self.sent_at());
            return Answer::Messages(vec![AnswerText { text, folded, doubted, time }]);
        }
        let renderer = Renderer { overrides: &self.overrides, locale };
        let heading = match (layout.stopped_at, layout.has_heading) {
            (Some(at), _) => Some(self.stopped_heading(locale, transcript, layout.language, at)),
            (None, true) => Some(self.heading(locale, transcript, layout.language)),
            (None, false) => self.caption(locale, transcript, layout.language),
        };
        let heading = heading.map(|heading| heading + "\n\n").unwrap_or_default();
        let is_folded = layout.is_folded || units(&words) >= FOLDED_UNITS;
        let text = |before: &str, part: &Range<usize>, mark: &str, after: &str| AnswerText {
            text: [before, &words[part.clone()], mark, after].concat(),
            folded: is_folded
                .then(|| TextPart { offset: units(before), length: units(&words[part.clone()]) + units(mark) }),
            doubted: words_in(&words, part, &doubted)
                .map(|word| TextPart { offset: units(before) + word.offset, ..word })
                .collect(),
            time: self.sent_at().filter(|_| !before.is_empty()),
        };
        let note = |name| "\n\n".to_owned() + &renderer.text(name);
        let note = match layout.continuation {
            Continuation::SameChat => None,
            Continuation::PrivateChat => Some(note("guest-rest")),
            Continuation::Missing => Some(note("guest-rest-lost")),
        };
        let room = MESSAGE_UNITS.saturating_sub(units(&heading));
        let mut parts = split::parts(&words, room, MESSAGE_UNITS);
        if parts.len() > layout.most.get() {
            let note = note.unwrap_or_else(|| "\n\n".to_owned() + &renderer.text("in-the-file"));
            let preview = split::parts(&words, PREVIEW_UNITS, MESSAGE_UNITS).swap_remove(0);
            return Answer::File { preview: text(&heading, &preview, " …", &note) };
        }
        let note = note.filter(|_| parts.len() > 1).unwrap_or_default();
        if !note.is_empty() {
            parts = split::parts(&words, room.saturating_sub(units(&note)), MESSAGE_UNITS);
        }
        let around = std::iter::once((heading.as_str(), note.as_str())).chain(std::iter::repeat(("", "")));
        Answer::Messages(around.zip(&parts).map(|((before, after), part)| text(before, part, "", after)).collect())
    }
}

/// Those of some words of a text that are in a part of it, all in bytes: in UTF-16 units of that part.
fn words_in(text: &str, part: &Range<usize>, words: &[Range<usize>]) -> impl Iterator<Item = TextPart> {
    let words = words.iter().filter(|word| part.start <= word.start && word.end <= part.end);
    words.map(|word| TextPart { offset: units(&text[part.start..word.start]), length: units(&text[word.clone()]) })
}

impl Texts {
    /// A state with the text so far below it: its end, if it is longer than `most` units or than a message.
    pub fn live(&self, locale: Locale, state: &StatusText, text: &str, most: usize) -> String {
        let state = self.render(locale, state) + "\n\n";
        let room = MESSAGE_UNITS.saturating_sub(units(&state)).min(most);
        state + &end_of(text, room)
    }

    /// The heading of a text whose transcription was stopped at this time of the recording.
    pub fn stopped_heading(
        &self,
        locale: Locale,
        transcript: &Transcript,
        language: Option<&str>,
        at: Duration,
    ) -> String {
        let renderer = Renderer { overrides: &self.overrides, locale };
        let times = [("time", time(at).into()), ("length", time(transcript.audio).into())];
        let stopped = renderer.format("stopped", times);
        let source = self.heading_line().into_iter();
        source.chain([stopped]).chain(self.remarks(locale, transcript, language)).collect::<Vec<_>>().join("\n")
    }
}

/// A text of at most `room` units, or its end from the beginning of a word on.
fn end_of(text: &str, room: usize) -> Cow<'_, str> {
    const CUT: &str = "… ";
    let all = units(text);
    if all <= room {
        return text.into();
    }
    let mut over = all + units(CUT) - room.min(all);
    let start = text.char_indices().find(|(_, character)| {
        let is_start = over == 0;
        over = over.saturating_sub(character.len_utf16());
        is_start
    });
    let rest = &text[start.map_or(text.len(), |(start, _)| start)..];
    let rest = rest.split_once(char::is_whitespace).map_or(rest, |(_, rest)| rest).trim_start();
    format!("{CUT}{rest}").into()
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}
