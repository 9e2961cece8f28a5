//! From a window's tokens to pieces of text.

use std::time::Duration;

use super::Piece;
use super::sampling::{MIN_MEAN_LOGPROB, Token, Vocabulary};

/// One timestamp token is this long.
const TICK: Duration = Duration::from_millis(20);
/// The next window starts at least this far on, so that a confused model cannot keep us in one place.
const MIN_STEP: Duration = Duration::from_secs(1);
/// The shortest rest of a recording that is worth a window of its own.
const MIN_WORD: Duration = Duration::from_millis(500);

/// A token that was chosen, with its natural log-probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Chosen {
    pub(super) token: Token,
    pub(super) logprob: f32,
}

/// A text under way, from the model's tokens without the end of the text.
#[derive(Debug, Default)]
struct Open {
    start: Duration,
    bytes: Vec<u8>,
    logprobs: f32,
    count: u16,
}

impl Open {
    fn close(self, end: Duration, limit: Duration) -> Piece {
        Piece {
            start: self.start.min(limit),
            end: end.clamp(self.start, limit.max(self.start)),
            // A character may span tokens, so bytes become text only here. What is no text was cut by a loop.
            text: String::from_utf8_lossy(&self.bytes).replace('\u{FFFD}', ""),
            mean_logprob: if self.count == 0 { MIN_MEAN_LOGPROB } else { self.logprobs / f32::from(self.count) },
        }
    }
}

/// When a timestamp is, from the start of the window.
pub(super) fn time(vocabulary: &Vocabulary, token: Token) -> Duration {
    TICK * u32::try_from(token - vocabulary.first_timestamp).unwrap_or(0)
}

/// The pieces of a window of length `window`, and where the next window should begin if not at this one's end.
///
/// When the model closed one segment, began another and did not close it, the unclosed text is left to the next
/// window, which hears it from its beginning. In the `last` window a rest too short to hold a word is left alone.
pub(super) fn pieces<'a>(
    vocabulary: &Vocabulary,
    tokens: &[Chosen],
    window: Duration,
    last: bool,
    spell: impl Fn(Token) -> &'a [u8],
) -> (Vec<Piece>, Option<Duration>) {
    let mut done: Vec<Piece> = Vec::new();
    let mut open = Open::default();
    let mut pair = false;
    let mut after_time = false;
    for &Chosen { token, logprob } in tokens {
        if vocabulary.is_timestamp(token) {
            let at = time(vocabulary, token);
            if open.count > 0 {
                done.push(std::mem::take(&mut open).close(at, window));
            }
            open.start = at;
        } else {
            open.bytes.extend_from_slice(spell(token));
            open.logprobs += logprob;
            open.count += 1;
        }
        pair = after_time && vocabulary.is_timestamp(token);
        after_time = vocabulary.is_timestamp(token);
    }
    let unclosed = open.count > 0;
    if unclosed && done.is_empty() {
        done.push(open.close(window, window));
        return (done, None);
    }
    let resume = if unclosed || (pair && !done.is_empty()) { Some(open.start.max(MIN_STEP)) } else { None };
    let worthwhile = |at: &Duration| *at < window && !(last && window - *at < MIN_WORD);
    (done, resume.filter(worthwhile))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Vocabulary = Vocabulary { end_of_text: 10, start: 11, first_timestamp: 14, blank: None };
    const WORDS: [&[u8]; 10] = [b" a", b" b", b" c", b" d", b" \xd0", b"\xb6", b"", b"", b"", b""];
    const WINDOW: Duration = Duration::from_secs(30);

    /// Small numbers are words, the others seconds from 100 on.
    fn said(tokens: &[i32], last: bool) -> (Vec<(u64, u64, String)>, Option<u64>) {
        let chosen: Vec<Chosen> = tokens
            .iter()
            .map(|&token| Chosen { token: if token >= 100 { 14 + (token - 100) * 50 } else { token }, logprob: -0.5 })
            .collect();
        let (pieces, resume) = pieces(&SMALL, &chosen, WINDOW, last, |token| WORDS[token as usize]);
        assert!(pieces.iter().all(|piece| piece.mean_logprob == -0.5));
        let rows = pieces.into_iter().map(|p| (p.start.as_secs(), p.end.as_secs(), p.text)).collect();
        (rows, resume.map(|at| at.as_secs()))
    }

    #[test]
    fn closed_segments_end_the_window() {
        let (rows, resume) = said(&[100, 0, 105, 105, 1, 112], false);
        assert_eq!(rows, [(0, 5, " a".to_owned()), (5, 12, " b".to_owned())]);
        assert_eq!(resume, None);
    }

    #[test]
    fn an_unclosed_segment_is_left_to_the_next_window() {
        let (rows, resume) = said(&[100, 0, 125, 126, 1], false);
        assert_eq!((rows.len(), resume), (1, Some(26)));
    }

    #[test]
    fn a_pair_at_the_end_says_where_to_go_on() {
        assert_eq!(said(&[100, 0, 125, 125], false).1, Some(25));
        // In the last window a rest of less than a word is not worth another.
        assert_eq!(said(&[100, 0, 130, 130], true).1, None);
    }

    #[test]
    fn text_without_any_end_takes_the_whole_window() {
        assert_eq!(said(&[101, 0, 1], false), (vec![(1, 30, " a b".to_owned())], None));
    }

    #[test]
    fn a_character_may_span_tokens() {
        assert_eq!(said(&[100, 4, 5, 101], false).0[0].2, " ж");
    }

    #[test]
    fn a_confused_model_cannot_keep_us_in_one_place() {
        assert_eq!(said(&[100, 0, 100, 100, 1], false).1, Some(1));
    }
}
