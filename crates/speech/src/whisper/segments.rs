//! From a window's tokens to segments of text.

use std::time::Duration;

use super::doubts::{SpelledToken, doubted_words};
use super::sampling::{MIN_MEAN_LOGPROB, Token, Vocabulary};
use crate::recognizer::WindowSegment;

/// One timestamp token is this long.
const TICK: Duration = Duration::from_millis(20);
/// The next window starts at least this much later, so that every window makes progress.
const MIN_STEP: Duration = Duration::from_secs(1);
/// The shortest rest of a recording that is worth a window of its own.
const MIN_WORD: Duration = Duration::from_millis(500);

/// A token that was chosen, with its natural log-probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Chosen {
    pub(super) token: Token,
    pub(super) logprob: f32,
}

/// A segment without its end.
#[derive(Debug, Default)]
struct OpenSegment {
    start: Duration,
    bytes: Vec<u8>,
    tokens: Vec<SpelledToken>,
}

impl OpenSegment {
    fn close(self, end: Duration, limit: Duration) -> WindowSegment {
        let sum: f32 = self.tokens.iter().map(|token| token.logprob).sum();
        let mean_logprob = if self.tokens.is_empty() { MIN_MEAN_LOGPROB } else { sum / self.tokens.len() as f32 };
        // A character may span tokens, so bytes become text only here. Where a loop was cut they may not be UTF-8.
        let (text, doubts) = match String::from_utf8(self.bytes) {
            Ok(text) => {
                let doubts = doubted_words(&text, &self.tokens);
                (text, doubts)
            }
            Err(broken) => (String::from_utf8_lossy(broken.as_bytes()).replace('\u{FFFD}', ""), Vec::new()),
        };
        let (start, end) = (self.start.min(limit), end.clamp(self.start, limit.max(self.start)));
        WindowSegment { start, end, text, doubts, mean_logprob }
    }
}

/// When a timestamp is, from the start of the window.
pub(super) fn time_of(vocabulary: &Vocabulary, token: Token) -> Duration {
    TICK * u32::try_from(token - vocabulary.first_timestamp).unwrap_or(0)
}

/// The segments of a window of length `window`, and where the next window begins if not at this one's end.
///
/// When the model closed one segment, began another and did not close it, the unclosed text is left to the next
/// window, which has it from its beginning. In the last window a rest too short for a word is skipped.
pub(super) fn split<'a>(
    vocabulary: &Vocabulary,
    tokens: &[Chosen],
    window: Duration,
    is_last: bool,
    spell: impl Fn(Token) -> &'a [u8],
) -> (Vec<WindowSegment>, Option<Duration>) {
    let mut done: Vec<WindowSegment> = Vec::new();
    let mut open = OpenSegment::default();
    let mut is_pair = false;
    let mut is_after_timestamp = false;
    for &Chosen { token, logprob } in tokens {
        if vocabulary.is_timestamp(token) {
            let at = time_of(vocabulary, token);
            if !open.tokens.is_empty() {
                done.push(std::mem::take(&mut open).close(at, window));
            }
            open.start = at;
        } else {
            let spelled = spell(token);
            open.bytes.extend_from_slice(spelled);
            open.tokens.push(SpelledToken { length: spelled.len(), logprob });
        }
        is_pair = is_after_timestamp && vocabulary.is_timestamp(token);
        is_after_timestamp = vocabulary.is_timestamp(token);
    }
    let is_unclosed = !open.tokens.is_empty();
    if is_unclosed && done.is_empty() {
        done.push(open.close(window, window));
        return (done, None);
    }
    let next_window = if is_unclosed || (is_pair && !done.is_empty()) { Some(open.start.max(MIN_STEP)) } else { None };
    let is_worthwhile = |at: &Duration| *at < window && !(is_last && window - *at < MIN_WORD);
    (done, next_window.filter(is_worthwhile))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Vocabulary = Vocabulary {
        end_of_text: 10,
        start: 11,
        transcribe: 12,
        no_speech: 13,
        first_timestamp: 14,
        blank: None,
        languages: Vec::new(),
        max_tokens: 50,
    };
    const WORDS: [&[u8]; 10] = [b" a", b" b", b" c", b" d", b" \xd0", b"\xb6", b"", b"", b"", b""];
    const WINDOW: Duration = Duration::from_secs(30);

    /// The segments in seconds, and where the next window begins. Small numbers are words, from 100 on seconds.
    fn split_tokens(tokens: &[i32], is_last: bool) -> (Vec<(u64, u64, String)>, Option<u64>) {
        let chosen: Vec<Chosen> = tokens
            .iter()
            .map(|&token| Chosen { token: if token >= 100 { 14 + (token - 100) * 50 } else { token }, logprob: -0.5 })
            .collect();
        let (segments, next_window) = split(&SMALL, &chosen, WINDOW, is_last, |token| WORDS[token as usize]);
        assert!(segments.iter().all(|segment| segment.mean_logprob == -0.5));
        let rows = segments.into_iter().map(|p| (p.start.as_secs(), p.end.as_secs(), p.text)).collect();
        (rows, next_window.map(|at| at.as_secs()))
    }

    #[test]
    fn closed_segments_end_the_window() {
        let (rows, next_window) = split_tokens(&[100, 0, 105, 105, 1, 112], false);
        assert_eq!(rows, [(0, 5, " a".to_owned()), (5, 12, " b".to_owned())]);
        assert_eq!(next_window, None);
    }

    #[test]
    fn an_unclosed_segment_is_left_to_the_next_window() {
        let (rows, next_window) = split_tokens(&[100, 0, 125, 126, 1], false);
        assert_eq!((rows.len(), next_window), (1, Some(26)));
    }

    #[test]
    fn a_pair_of_timestamps_at_the_end_is_where_the_next_window_begins() {
        assert_eq!(split_tokens(&[100, 0, 125, 125], false).1, Some(25));
        // In the last window a rest of less than a word is not worth another.
        assert_eq!(split_tokens(&[100, 0, 130, 130], true).1, None);
    }

    #[test]
    fn text_without_an_end_takes_the_whole_window() {
        assert_eq!(split_tokens(&[101, 0, 1], false), (vec![(1, 30, " a b".to_owned())], None));
    }

    #[test]
    fn a_character_may_span_tokens() {
        assert_eq!(split_tokens(&[100, 4, 5, 101], false).0[0].2, " ж");
    }

    #[test]
    fn the_next_window_begins_at_least_one_second_later() {
        assert_eq!(split_tokens(&[100, 0, 100, 100, 1], false).1, Some(1));
    }
}
