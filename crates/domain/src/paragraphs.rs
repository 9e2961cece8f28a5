//! A transcript's text in paragraphs, broken where the speaker paused.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use crate::{Segment, Transcript, doubts};

/// Of the detector, between two stretches of speech. In recordings of 26 to 76 s in five languages, pauses within a sentence last 0.7 s at
/// most; those at 45 ends of sentences 0.77 s at most, or 1.38 s and more.
const MIN_PAUSE: Duration = Duration::from_secs(1);
/// Between two segments, where no detector ran. A segment reaches into the pause after it: of the six long pauses above three leave
/// 1 s and more between segments, and three nothing.
const MIN_SEGMENT_PAUSE: Duration = Duration::from_millis(400);
/// The times of segments are off by so much against those of the detector.
const SEGMENT_TOLERANCE: Duration = Duration::from_millis(300);
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
    /// Words that the model doubts, in bytes of the text; a tenth of all words of the recording at most.
    pub doubted: Vec<Range<usize>>,
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
    let pauses = Pauses { speech: &transcript.speech };
    let mut closed = Vec::new();
    let mut open: Option<Open> = None;
    let segments = transcript.segments.iter().zip(doubts::marked(&transcript.segments));
    for (segment, doubted) in segments.filter(|(segment, _)| !segment.text.0.trim().is_empty()) {
        match &mut open {
            Some(paragraph) if !paragraph.ends_at(pauses.between(paragraph.end, segment.start)) => {
                paragraph.push(segment, &doubted);
            }
            Some(_) | None => closed.extend(open.replace(Open::new(segment, &doubted)).map(Open::close)),
        }
    }
    closed.extend(open.map(Open::close));
    closed
}

/// Lengths of pauses between segments.
struct Pauses<'a> {
    /// Of [`Transcript::speech`].
    speech: &'a [Range<Duration>],
}

/// A pause by its meaning for the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pause {
    /// As within a thought.
    Short,
    /// Ends a paragraph.
    Ordinary,
    /// Ends a short paragraph too.
    Long,
}

impl Pauses<'_> {
    /// The longest pause of the detector that reaches to where one segment ends and the next one starts; without a detector, the
    /// time between the two.
    fn between(&self, end: Duration, start: Duration) -> Pause {
        let (pause, least) = if self.speech.is_empty() {
            (start.saturating_sub(end), MIN_SEGMENT_PAUSE)
        } else {
            let (from, to) = (end.saturating_sub(SEGMENT_TOLERANCE), start.max(end) + SEGMENT_TOLERANCE);
            let next = self.speech.partition_point(|speech| speech.start < from).max(1);
            let gaps = self.speech[next - 1..].windows(2).map(|pair| pair[0].end..pair[1].start);
            let near = gaps.take_while(|gap| gap.start < to).filter(|gap| gap.end > from);
            (near.map(|gap| gap.end - gap.start).max().unwrap_or_default(), MIN_PAUSE)
        };
        if pause >= LONG_PAUSE {
            Pause::Long
        } else if pause >= least {
            Pause::Ordinary
        } else {
            Pause::Short
        }
    }
}

/// A paragraph to which segments are added.
struct Open {
    start: Duration,
    /// Of its last segment.
    end: Duration,
    text: String,
    doubted: Vec<Range<usize>>,
    characters: usize,
    /// Characters since the last end of a sentence at the end of a segment.
    sentence: usize,
}

impl Open {
    fn new(first: &Segment, doubted: &[Range<usize>]) -> Self {
        let (text, doubts) = (String::new(), Vec::new());
        let mut open = Self { start: first.start, end: first.end, text, doubted: doubts, characters: 0, sentence: 0 };
        open.push(first, doubted);
        open
    }

    fn push(&mut self, segment: &Segment, doubted: &[Range<usize>]) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        let text = segment.text.0.trim();
        let trimmed = segment.text.0.len() - segment.text.0.trim_start().len();
        // No word begins within the white space.
        let moved = |at: usize| self.text.len() + at.saturating_sub(trimmed);
        let moved = doubted.iter().map(|word| moved(word.start)..moved(word.end)).collect::<Vec<_>>();
        self.doubted.extend(moved);
        let characters = text.chars().count();
        self.text.push_str(text);
        self.end = segment.end;
        self.characters += characters;
        self.sentence = if ends_sentence(text) { 0 } else { self.sentence + characters };
    }

    fn ends_at(&self, pause: Pause) -> bool {
        if self.sentence > 0 {
            return self.sentence >= LONG_SENTENCE && pause > Pause::Short;
        }
        match pause {
            Pause::Long => true,
            Pause::Ordinary => self.characters >= MIN_CHARACTERS,
            Pause::Short => self.characters >= LONG_PARAGRAPH,
        }
    }

    fn close(self) -> Paragraph {
        Paragraph { start: self.start, text: self.text, doubted: self.doubted }
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
            doubts: Vec::new(),
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
            speech: Vec::new(),
            is_sender_independent: true,
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

    /// A transcript of contiguous segments, as the model gives them, of speech in these stretches.
    fn detected(segments: &[(u64, u64, &str)], speech: &[(u64, u64)]) -> Transcript {
        let stretch = |&(start, end): &(u64, u64)| Duration::from_millis(start)..Duration::from_millis(end);
        Transcript { speech: speech.iter().map(stretch).collect(), ..transcript(segments) }
    }

    #[test]
    fn pauses_are_those_of_the_detector_where_there_is_one() {
        let segments = [(0, 6100, SENTENCE), (6100, 11_500, SENTENCE), (12_400, 15_000, SENTENCE)];
        let starts = |speech: &[(u64, u64)]| {
            let all = paragraphs(&detected(&segments, speech));
            all.iter().map(|paragraph| paragraph.start.as_millis()).collect::<Vec<_>>()
        };
        // The first segment reaches over the pause; the second ends before its speech does.
        assert_eq!(starts(&[(100, 5000), (6000, 12_200), (12_400, 14_900)]), [0, 6100]);
        assert_eq!(starts(&[(100, 5000), (5300, 11_400), (12_400, 14_900)]), [0, 12_400]);
        assert_eq!(starts(&[(100, 14_900)]), [0]);
        assert_eq!(starts(&[]), [0, 12_400], "without a detector the times of segments count");
    }

    #[test]
    fn doubted_words_are_found_in_their_paragraphs() {
        let mut transcript =
            transcript(&[(0, 5000, SENTENCE), (5200, 9000, " Там светло."), (10_200, 14_000, "Теперь о цене.")]);
        let doubt = |segment: &mut Segment, word: &str| {
            let start = segment.text.0.find(word).unwrap();
            segment.doubts.push(crate::Doubt { at: start..start + word.len(), logprob: -2.0 });
        };
        doubt(&mut transcript.segments[1], "светло");
        let doubted = |transcript: &Transcript| {
            let all = paragraphs(transcript).into_iter();
            all.map(|one| one.doubted.into_iter().map(|at| one.text[at].to_owned()).collect()).collect::<Vec<Vec<_>>>()
        };
        assert_eq!(doubted(&transcript), [vec!["светло".to_owned()], vec![]]);
        transcript.segments[1].doubts.clear();
        doubt(&mut transcript.segments[2], "цене");
        assert_eq!(doubted(&transcript), [vec![], vec!["цене".to_owned()]]);
    }

    #[test]
    fn blank_segments_and_an_empty_transcript_have_no_paragraph() {
        assert!(paragraphs(&transcript(&[])).is_empty());
        assert_eq!(broken(&[(0, 1000, "Да."), (1000, 1000, " ")][..1]).len(), 1);
        assert!(paragraphs(&transcript(&[(0, 1000, " ")])).is_empty());
    }
}
