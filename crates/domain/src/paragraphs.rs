//! A transcript's text in paragraphs, broken where the speaker paused.

use std::fmt;
use std::time::Duration;

use crate::{Segment, Transcript};

/// Between segments. A segment reaches into the pause after it, so this is what is left of a pause of about a second: in recordings of
/// 70 to 110 s in four languages such pauses leave 0.5 to 2 s, and breaths within a thought at most 0.3 s.
const MIN_PAUSE: Duration = Duration::from_millis(400);
/// A paragraph of fewer characters ends at a long pause only.
const MIN_CHARACTERS: usize = 60;
const LONG_PAUSE: Duration = Duration::from_secs(3);
/// A paragraph of this many characters ends with its sentence.
const LONG_PARAGRAPH: usize = 450;
/// A sentence of this many characters may end its paragraph at the next pause.
const LONG_SENTENCE: usize = 600;

/// A part of the text with the time at which it begins.
#[derive(Clone, PartialEq, Eq)]
pub struct Paragraph {
    /// From the start of the audio.
    pub start: Duration,
    /// Trimmed, never empty.
    pub text: String,
}

impl fmt::Debug for Paragraph {
    /// Without the text, as for [`Spoken`](crate::Spoken).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} characters at {:?}>", self.text.chars().count(), self.start)
    }
}

/// The words of [`Transcript::text`] in paragraphs. One ends at a pause after a sentence, or after the sentence with which it
/// becomes long; within a sentence only where the sentence itself is long.
pub fn paragraphs(transcript: &Transcript) -> Vec<Paragraph> {
    let mut closed = Vec::new();
    let mut open: Option<Open> = None;
    for segment in transcript.segments.iter().filter(|segment| !segment.text.0.trim().is_empty()) {
        match &mut open {
            Some(paragraph) if !paragraph.ends_before(segment) => paragraph.push(segment),
            Some(_) | None => closed.extend(open.replace(Open::new(segment)).map(Open::close)),
        }
    }
    closed.extend(open.map(Open::close));
    closed
}

/// A paragraph to which segments are added.
struct Open {
    start: Duration,
    /// Of its last segment.
    end: Duration,
    text: String,
    characters: usize,
    /// Characters since the last end of a sentence at the end of a segment.
    sentence: usize,
}

impl Open {
    fn new(first: &Segment) -> Self {
        let mut open = Self { start: first.start, end: first.end, text: String::new(), characters: 0, sentence: 0 };
        open.push(first);
        open
    }

    fn push(&mut self, segment: &Segment) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        let text = segment.text.0.trim();
        let characters = text.chars().count();
        self.text.push_str(text);
        self.end = segment.end;
        self.characters += characters;
        self.sentence = if ends_sentence(text) { 0 } else { self.sentence + characters };
    }

    fn ends_before(&self, next: &Segment) -> bool {
        let pause = next.start.saturating_sub(self.end);
        if self.sentence > 0 {
            return self.sentence >= LONG_SENTENCE && pause >= MIN_PAUSE;
        }
        let is_long = self.characters >= LONG_PARAGRAPH;
        is_long || pause >= LONG_PAUSE || (pause >= MIN_PAUSE && self.characters >= MIN_CHARACTERS)
    }

    fn close(self) -> Paragraph {
        Paragraph { start: self.start, text: self.text }
    }
}

/// Whether a text ends with a sentence, closing quotation marks and brackets aside.
fn ends_sentence(text: &str) -> bool {
    let text = text.trim_end_matches(['"', '\'', '»', '”', '’', '“', ')', ']', '」', '』']);
    text.ends_with(['.', '!', '?', '…', '。', '！', '？', '؟', '।'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Spoken;

    fn transcript(segments: &[(u64, u64, &str)]) -> Transcript {
        let segment = |&(start, end, text): &(u64, u64, &str)| Segment {
            start: Duration::from_millis(start),
            end: Duration::from_millis(end),
            text: Spoken(text.to_owned()),
            mean_logprob: -0.1,
            no_speech: 0.0,
        };
        Transcript {
            segments: segments.iter().map(segment).collect(),
            language: "ru".to_owned(),
            language_probability: None,
            audio: Duration::from_secs(60),
            processing: Duration::from_secs(1),
            retried_windows: 0,
            missed_speech: Duration::ZERO,
        }
    }

    /// Start in milliseconds and text of each paragraph.
    fn broken(segments: &[(u64, u64, &str)]) -> Vec<(u128, String)> {
        let transcript = transcript(segments);
        let all = paragraphs(&transcript);
        let joined = all.iter().map(|paragraph| paragraph.text.as_str()).collect::<Vec<_>>().join(" ");
        assert_eq!(joined, transcript.text().0.trim(), "no word is lost");
        all.into_iter().map(|paragraph| (paragraph.start.as_millis(), paragraph.text)).collect()
    }

    const SENTENCE: &str = "Сегодня мы посмотрели квартиру на улице Ленина, она нам очень понравилась.";

    #[test]
    fn a_paragraph_ends_at_a_pause_after_a_sentence() {
        let texts = broken(&[(0, 5000, SENTENCE), (5200, 9000, "Там светло."), (10_200, 14_000, "Теперь о цене.")]);
        assert_eq!(texts, [(0, format!("{SENTENCE} Там светло.")), (10_200, "Теперь о цене.".to_owned())]);
    }

    #[test]
    fn a_pause_within_a_sentence_ends_no_paragraph() {
        let begun = SENTENCE.trim_end_matches('.');
        assert_eq!(broken(&[(0, 5000, begun), (9000, 12_000, "и мы ее взяли.")]).len(), 1);
        assert_eq!(
            broken(&[(0, 5000, &format!("«{SENTENCE}»")), (6000, 9000, "Да.")]).len(),
            2,
            "quoted sentences end"
        );
    }

    #[test]
    fn short_utterances_stay_together_unless_the_pause_is_long() {
        assert_eq!(broken(&[(0, 500, "Да."), (1600, 2000, "Нет."), (3200, 3600, "Хорошо.")]).len(), 1);
        assert_eq!(broken(&[(0, 500, "Да."), (3600, 4000, "Нет.")]).len(), 2);
    }

    #[test]
    fn a_long_paragraph_ends_with_its_sentence() {
        let segments: Vec<_> = (0..20).map(|at| (at * 5000, at * 5000 + 5000, SENTENCE)).collect();
        let texts = broken(&segments);
        assert!(texts.len() > 1);
        for (_, text) in &texts {
            assert!(text.ends_with('.') && text.chars().count() < LONG_PARAGRAPH + 100, "{}", text.chars().count());
        }
    }

    #[test]
    fn a_long_sentence_ends_its_paragraph_at_a_pause_only() {
        let words = "слово ".repeat(40);
        let contiguous: Vec<_> = (0..6).map(|at| (at * 5000, at * 5000 + 5000, words.as_str())).collect();
        assert_eq!(paragraphs(&transcript(&contiguous)).len(), 1, "without a pause nothing is known");
        let paused: Vec<_> = (0..6).map(|at| (at * 5000, at * 5000 + 3900, words.as_str())).collect();
        assert_eq!(paragraphs(&transcript(&paused)).len(), 2);
    }

    #[test]
    fn blank_segments_and_an_empty_transcript_have_no_paragraph() {
        assert!(paragraphs(&transcript(&[])).is_empty());
        assert_eq!(broken(&[(0, 1000, "Да."), (1000, 1000, " ")][..1]).len(), 1);
        assert!(paragraphs(&transcript(&[(0, 1000, " ")])).is_empty());
    }
}
