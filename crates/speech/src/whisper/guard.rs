//! Defects of a decoder's text: loops, guesses, text for silence.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::sampling::Token;
use super::{StopReason, WindowText};
use crate::recognizer::WindowSegment;
use crate::words::words;

/// Text that compresses better than this repeats itself.
const MAX_COMPRESSION: f32 = 2.4;
/// Text less probable than this is mostly guessed.
const MIN_LOGPROB: f32 = -1.0;
/// A window whose probability of no speech is above this, and whose text is mostly guessed, is empty.
const MAX_NO_SPEECH: f32 = 0.6;
/// Fewest words of a phrase that is suspicious when it comes twice in a row.
const MIN_PHRASE_WORDS: usize = 5;

/// What is wrong with a window's text, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Defect {
    /// A phrase comes twice in a row: people repeat themselves, and so do decoders with too small a context.
    Phrase,
    /// Mostly guessed.
    Improbable,
    /// Cut, or compresses too well.
    Loop,
}

/// The worst defect of a text.
pub(super) fn defect(window: &WindowText) -> Option<Defect> {
    let text: String = window.segments.iter().map(|segment| segment.text.as_str()).collect();
    match window.stop {
        StopReason::Loop | StopReason::TokenLimit => return Some(Defect::Loop),
        StopReason::EndOfText => {}
    }
    if compression(&text) > MAX_COMPRESSION {
        Some(Defect::Loop)
    } else if window.mean_logprob < MIN_LOGPROB {
        Some(Defect::Improbable)
    } else if repeats_a_phrase(&text) {
        Some(Defect::Phrase)
    } else {
        None
    }
}

/// Whether there is no speech in the window, whatever its text.
pub(super) fn is_silent(window: &WindowText) -> bool {
    window.no_speech > MAX_NO_SPEECH && window.mean_logprob < MIN_LOGPROB
}

/// The segments of a window that count: none of a silent one, and loops cut down to one occurrence.
pub(super) fn into_segments(window: WindowText) -> Vec<WindowSegment> {
    if is_silent(&window) {
        return Vec::new();
    }
    let is_loop = defect(&window) == Some(Defect::Loop);
    let cut = |segment: WindowSegment| {
        // Places in the text before are not places in the new one.
        WindowSegment { text: without_loop(&segment.text), doubts: Vec::new(), ..segment }
    };
    if is_loop { window.segments.into_iter().map(cut).collect() } else { window.segments }
}

/// Length of the text in relation to its compressed length.
fn compression(text: &str) -> f32 {
    if text.is_empty() {
        return 1.0;
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    written.map_or(1.0, |compressed| text.len() as f32 / compressed.len() as f32)
}

fn repeats_a_phrase(text: &str) -> bool {
    let words = words(text);
    (MIN_PHRASE_WORDS..=words.len() / 2).any(|length| {
        (0..=words.len() - 2 * length).any(|at| words[at..at + length] == words[at + length..at + 2 * length])
    })
}

/// Whether the text tokens end in a loop: a group of tokens many times over. Small groups must come more often,
/// since people do say "no, no, no" and spell out numbers.
pub(super) fn is_loop(tokens: &[Token]) -> bool {
    (1..=40).any(|length| {
        let min_copies = match length {
            1 => 12,
            2..=4 => 6,
            _ => 4,
        };
        let Some(from) = tokens.len().checked_sub(length * min_copies) else { return false };
        let tail = &tokens[from..];
        tail[length..] == tail[..tail.len() - length]
    })
}

/// Cuts a text's repeated end down to one occurrence.
fn without_loop(text: &str) -> String {
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
    use crate::scripted::window_text as said;

    #[test]
    fn ordinary_speech_has_no_defect() {
        assert_eq!(defect(&said(" Привет, как дела? Перезвони мне завтра, нет, нет, лучше послезавтра.")), None);
        assert_eq!(defect(&said("")), None);
    }

    #[test]
    fn each_defect_is_recognised() {
        assert_eq!(defect(&said(&" six six six".repeat(20))), Some(Defect::Loop));
        let twice = " I will be there at about nine. I will be there at about nine.";
        assert_eq!(defect(&said(twice)), Some(Defect::Phrase));
        assert_eq!(defect(&WindowText { mean_logprob: -1.2, ..said(" Hm") }), Some(Defect::Improbable));
        assert_eq!(defect(&WindowText { stop: StopReason::TokenLimit, ..said(" Hm") }), Some(Defect::Loop));
    }

    #[test]
    fn a_loop_is_detected_after_enough_copies_and_cut_to_one() {
        assert!(!is_loop(&[5; 11]));
        assert!(is_loop(&[5; 12]));
        let sentence: Vec<Token> = (0..15).collect();
        assert!(!is_loop(&sentence.repeat(3)));
        assert!(is_loop(&[vec![99], sentence.repeat(4)].concat()));
        assert_eq!(without_loop(" so we go on go on go on go on"), "so we go on");
        assert_eq!(without_loop(" no no"), " no no");
    }

    #[test]
    fn a_window_is_silent_when_it_is_both_improbable_and_without_speech() {
        let hum = WindowText { no_speech: 0.9, mean_logprob: -1.5, ..said(" you") };
        assert!(is_silent(&hum));
        assert!(!is_silent(&WindowText { mean_logprob: -0.3, ..hum.clone() }));
        assert!(!is_silent(&WindowText { no_speech: 0.2, ..hum }));
    }
}
