//! Long texts cut into messages.
//!
//! Grapheme and word boundaries are Unicode's (UAX 29). Ends of sentences are our own short rule: Unicode's also ends one after
//! an abbreviation or before a lower-case letter's quote, and knows no preference for the second half of a message.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// The most one message holds, in UTF-16 code units.
pub(crate) const MESSAGE_UNITS: usize = 4096;

/// Cuts a text into parts of at most `limit` UTF-16 units, the first of at most `first_limit`: after a sentence if
/// one ends in the second half of the part, else at white space, else between words (of scripts without spaces), else between
/// graphemes. Only white space at the cuts is lost. A text of nothing but white space has no parts. Limits below 2 units
/// count as 2, the longest character.
pub fn split(text: &str, first_limit: usize, limit: usize) -> Vec<String> {
    parts(text, first_limit, limit).into_iter().map(|part| text[part].to_owned()).collect()
}

/// Where the parts of [`split`] are in the text, in bytes.
pub(crate) fn parts(text: &str, first_limit: usize, limit: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut room = first_limit.max(2);
    while !text[start..].trim().is_empty() {
        let (part, after) = text[start..].split_at(cut(&text[start..], room));
        // At the end of the whole text nothing is cut, so nothing is trimmed.
        let (part, after) = if after.is_empty() { (part, after) } else { (part.trim_end(), after.trim_start()) };
        if !part.is_empty() {
            parts.push(start..start + part.len());
            room = limit.max(2);
        }
        start = text.len() - after.len();
    }
    parts
}

/// Where to cut, as a byte index: the best boundary such that what is before it fits, and never 0.
fn cut(text: &str, room: usize) -> usize {
    let mut best = Boundaries::default();
    let (mut units, mut previous) = (0, "");
    for (at, grapheme) in text.grapheme_indices(true) {
        best.consider(at, previous, grapheme, units * 2 >= room);
        units += grapheme.encode_utf16().count();
        previous = grapheme;
        // White space at the cut is dropped, so a run of it need not fit.
        if units > room && !is_space(grapheme) {
            return best.choose(text, room);
        }
    }
    if text.trim_end().encode_utf16().count() <= room { text.len() } else { best.choose(text, room) }
}

/// The last boundaries of each kind within the room.
#[derive(Default)]
struct Boundaries {
    sentence: Option<usize>,
    space: Option<usize>,
    grapheme: usize,
}

impl Boundaries {
    fn consider(&mut self, at: usize, previous: &str, next: &str, is_second_half: bool) {
        self.grapheme = at;
        if is_space(next) && !previous.is_empty() && !is_space(previous) {
            self.space = Some(at);
            if is_second_half && (next.contains('\n') || ends_sentence(previous)) {
                self.sentence = Some(at);
            }
        }
    }

    fn choose(&self, text: &str, room: usize) -> usize {
        match self.sentence.or(self.space) {
            Some(at) => at,
            // One grapheme longer than a whole message: cut inside it.
            None if self.grapheme == 0 => whole_characters(text, room),
            None => last_word_boundary(text, self.grapheme).unwrap_or(self.grapheme),
        }
    }
}

/// The last boundary between two words of a script without spaces, up to `end` and in the second half before it; a longer
/// word is cut inside.
fn last_word_boundary(text: &str, end: usize) -> Option<usize> {
    let boundaries = text.split_word_bound_indices().map(|(at, _)| at).take_while(|at| *at <= end);
    boundaries.last().filter(|at| *at * 2 >= end && *at > 0)
}

fn is_space(grapheme: &str) -> bool {
    grapheme.chars().all(char::is_whitespace)
}

fn ends_sentence(grapheme: &str) -> bool {
    grapheme.starts_with(['.', '!', '?', '…', '。', '！', '？'])
}

/// As many characters as fit, at least one.
fn whole_characters(text: &str, room: usize) -> usize {
    let mut units = 0;
    let fits = text.char_indices().find(|(_, character)| {
        units += character.len_utf16();
        units > room
    });
    fits.map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> usize {
        text.encode_utf16().count()
    }

    fn without_space(text: &str) -> String {
        text.chars().filter(|character| !character.is_whitespace()).collect()
    }

    #[test]
    fn a_text_that_fits_is_unchanged() {
        assert_eq!(split("", 10, 10), Vec::<String>::new());
        assert_eq!(split(" \n ", 10, 10), Vec::<String>::new());
        assert_eq!(split("one two", 10, 10), ["one two"]);
        assert_eq!(split("0123456789", 10, 10), ["0123456789"]);
        assert_eq!(split(" a  b\n", 10, 10), [" a  b\n"]);
    }

    #[test]
    fn cuts_after_sentences_then_words_then_characters() {
        assert_eq!(split("First. Second one. Third", 20, 20), ["First. Second one.", "Third"]);
        assert_eq!(split("Да. Это довольно длинная строка", 20, 20), ["Да. Это довольно", "длинная строка"]);
        assert_eq!(split("First line\nsecond line", 12, 12), ["First line", "second line"]);
        assert_eq!(split("abcdefghij", 4, 4), ["abcd", "efgh", "ij"]);
        assert_eq!(split("one   two", 3, 3), ["one", "two"]);
        assert_eq!(split("3.14159 2.71828", 8, 8), ["3.14159", "2.71828"]);
    }

    #[test]
    fn the_first_part_has_its_own_limit() {
        assert_eq!(split("aa bb cc dd", 5, 100), ["aa bb", "cc dd"]);
        assert_eq!(split("aaaaa bb", 2, 5), ["aa", "aaa", "bb"]);
    }

    #[test]
    fn an_emoji_counts_as_two_units_and_is_not_cut() {
        assert_eq!(split("😀😀😀", 4, 4), ["😀😀", "😀"]);
        assert_eq!(split("😀😀😀", 3, 3), ["😀", "😀", "😀"]);
        assert_eq!(split("😀", 0, 0), ["😀"]);
    }

    #[test]
    fn graphemes_are_not_cut_unless_longer_than_a_message() {
        let family = "👨\u{200D}👩\u{200D}👧";
        assert_eq!(split(&format!("aaa{family}"), 10, 10), ["aaa", family]);
        assert_eq!(split("aaae\u{301}", 4, 4), ["aaa", "e\u{301}"]);
        assert_eq!(split("a🇷🇺", 4, 4), ["a", "🇷🇺"]);
        let endless = format!("e{}", "\u{301}".repeat(9));
        assert_eq!(split(&endless, 4, 4).concat(), endless);
    }

    #[test]
    fn scripts_without_spaces_are_cut_between_words() {
        // Thai and Japanese (katakana stays together).
        assert_eq!(split("カタカナ漢字カタカナ", 7, 7), ["カタカナ漢字", "カタカナ"]);
        assert_eq!(split("漢字漢字漢字", 4, 4), ["漢字漢字", "漢字"]);
    }

    /// Deterministic linear congruential generator.
    fn random(state: &mut u64, below: u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % below
    }

    #[test]
    fn random_texts_lose_nothing_and_every_part_fits() {
        let alphabet: Vec<char> = "aб 😀.!\n\u{301}\u{200D}🇷é  x".chars().collect();
        let state = &mut 7;
        for round in 0..5_000 {
            let length = random(state, 200);
            let text: String = (0..length).map(|_| alphabet[random(state, alphabet.len() as u64) as usize]).collect();
            let (first, limit) = (2 + random(state, 20) as usize, 2 + random(state, 40) as usize);
            let parts = split(&text, first, limit);
            assert_eq!(without_space(&parts.concat()), without_space(&text), "round {round}: {text:?}");
            for (at, part) in parts.iter().enumerate() {
                let room = if at == 0 { first } else { limit };
                let last = at + 1 == parts.len();
                let length = if last { units(part.trim_end()) } else { units(part) };
                assert!(length <= room, "round {round}, part {at} of {room}: {text:?}");
                assert!(!part.trim().is_empty(), "round {round}: {text:?}");
            }
        }
    }

    #[test]
    fn a_word_is_cut_only_when_longer_than_a_message() {
        let state = &mut 11;
        for round in 0..1_000 {
            let words: Vec<String> =
                (0..random(state, 80)).map(|_| "я".repeat(1 + random(state, 9) as usize)).collect();
            let parts = split(&words.join(" "), 10, 25);
            let again: Vec<&str> = parts.iter().flat_map(|part| part.split(' ')).collect();
            assert_eq!(again, words, "round {round}");
        }
    }

    #[test]
    fn a_real_length_fits_telegram_s_limit() {
        let text = "Это предложение повторяется много раз, пока не станет длинным. ".repeat(400);
        let parts = split(&text, MESSAGE_UNITS - 11, MESSAGE_UNITS);
        assert_eq!(parts.len(), 7);
        assert!(parts.iter().all(|part| part.ends_with(['.', ' ']) && units(part) <= MESSAGE_UNITS));
        assert!(units(&parts[0]) > MESSAGE_UNITS - 200);
    }
}
