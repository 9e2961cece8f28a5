//! What marks a text as a decoder's accident rather than speech.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::sampling::Token;
use super::{End, WindowText};

/// Text that compresses better than this repeats itself.
const MAX_COMPRESSION: f32 = 2.4;
/// Text less probable than this is mostly guessed.
const MIN_LOGPROB: f32 = -1.0;
/// A window this probably without speech, whose text is guessed too, is empty.
const MAX_NO_SPEECH: f32 = 0.6;
/// A phrase of at least so many words, said twice in a row, is suspicious.
const MIN_PHRASE_WORDS: usize = 5;

/// What is wrong with a window's text, from bearable to hopeless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Defect {
    /// A phrase comes twice in a row: people do that, and so do decoders with too small a context.
    Phrase,
    /// Mostly guessed.
    Improbable,
    /// Cut, or compresses too well.
    Loop,
}

/// Looks for the worst defect.
pub(super) fn defect(decoded: &WindowText) -> Option<Defect> {
    let text: String = decoded.pieces.iter().map(|piece| piece.text.as_str()).collect();
    match decoded.end {
        End::Loop | End::Full => return Some(Defect::Loop),
        End::Text => {}
    }
    if compression(&text) > MAX_COMPRESSION {
        Some(Defect::Loop)
    } else if decoded.mean_logprob < MIN_LOGPROB {
        Some(Defect::Improbable)
    } else if repeats_a_phrase(&text) {
        Some(Defect::Phrase)
    } else {
        None
    }
}

/// Whether nobody speaks in the window, whatever its text.
pub(super) fn is_silent(decoded: &WindowText) -> bool {
    decoded.no_speech > MAX_NO_SPEECH && decoded.mean_logprob < MIN_LOGPROB
}

fn compression(text: &str) -> f32 {
    if text.is_empty() {
        return 1.0;
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    written.map_or(1.0, |compressed| text.len() as f32 / compressed.len() as f32)
}

/// The words in small letters, without punctuation.
fn words(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|word| word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect())
        .filter(|word: &String| !word.is_empty())
        .collect()
}

/// Whether a text ends with the words of another, whatever their letters' case and punctuation.
pub(super) fn ends_with(text: &str, end: &str) -> bool {
    words(text).ends_with(&words(end))
}

fn repeats_a_phrase(text: &str) -> bool {
    let words = words(text);
    (MIN_PHRASE_WORDS..=words.len() / 2).any(|length| {
        (0..=words.len() - 2 * length).any(|at| words[at..at + length] == words[at + length..at + 2 * length])
    })
}

/// Whether the text tokens end in a loop: a group of tokens many times over. Small groups must come more often,
/// since people do say "no, no, no" and spell out numbers.
pub(super) fn loops(tokens: &[Token]) -> bool {
    (1..=40).any(|length| {
        let least = match length {
            1 => 12,
            2..=4 => 6,
            _ => 4,
        };
        let Some(from) = tokens.len().checked_sub(length * least) else { return false };
        let tail = &tokens[from..];
        tail[length..] == tail[..tail.len() - length]
    })
}

/// Cuts a text's repeated end down to one occurrence.
pub(super) fn without_loop(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    for length in 1..=words.len() / 3 {
        let unit = &words[words.len() - length..];
        let copies = words.rchunks_exact(length).take_while(|chunk| *chunk == unit).count();
        if copies >= 3 {
            return words[..words.len() - (copies - 1) * length].join(" ");
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Piece;
    use std::time::Duration;

    fn said(text: &str) -> WindowText {
        let end = Duration::from_secs(1);
        let piece = Piece { start: Duration::ZERO, end, text: text.to_owned(), mean_logprob: -0.2 };
        WindowText { pieces: vec![piece], resume: None, mean_logprob: -0.2, no_speech: 0.1, end: End::Text }
    }

    #[test]
    fn ordinary_speech_has_no_fault() {
        assert_eq!(defect(&said(" Привет, как дела? Перезвони мне завтра, нет, нет, лучше послезавтра.")), None);
        assert_eq!(defect(&said("")), None);
    }

    #[test]
    fn faults_are_told_apart() {
        assert_eq!(defect(&said(&" six six six".repeat(20))), Some(Defect::Loop));
        let twice = " I will be there at about nine. I will be there at about nine.";
        assert_eq!(defect(&said(twice)), Some(Defect::Phrase));
        assert_eq!(defect(&WindowText { mean_logprob: -1.2, ..said(" Hm") }), Some(Defect::Improbable));
        assert_eq!(defect(&WindowText { end: End::Full, ..said(" Hm") }), Some(Defect::Loop));
    }

    #[test]
    fn loops_are_seen_while_they_grow() {
        assert!(!loops(&[5; 11]));
        assert!(loops(&[5; 12]));
        let sentence: Vec<Token> = (0..15).collect();
        assert!(!loops(&sentence.repeat(3)));
        assert!(loops(&[vec![99], sentence.repeat(4)].concat()));
        assert_eq!(without_loop(" so we go on go on go on go on"), "so we go on");
        assert_eq!(without_loop(" no no"), " no no");
    }

    #[test]
    fn an_end_is_compared_by_words() {
        assert!(ends_with(" Hold the line, please.", "The line please"));
        assert!(!ends_with(" Hold the line, please.", "please hold"));
        assert!(!ends_with("line", "Hold the line"));
    }

    #[test]
    fn silence_needs_both_signs() {
        let hum = WindowText { no_speech: 0.9, mean_logprob: -1.5, ..said(" you") };
        assert!(is_silent(&hum));
        assert!(!is_silent(&WindowText { mean_logprob: -0.3, ..hum.clone() }));
        assert!(!is_silent(&WindowText { no_speech: 0.2, ..hum }));
    }
}
