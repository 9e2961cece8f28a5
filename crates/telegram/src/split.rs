//! Long texts cut into messages.

use std::ops::ControlFlow;

/// The most one message holds, in UTF-16 code units.
pub(crate) const MESSAGE_UNITS: usize = 4096;

/// Cuts a text into parts of at most `limit` UTF-16 units, the first of at most `first_limit`: after a sentence if
/// one ends in the second half of the part, else between words, else between characters. Only white space at the cuts
/// is lost. A text of nothing but white space has no parts. Limits below 2 units count as 2, the longest character.
pub fn split(text: &str, first_limit: usize, limit: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut room = first_limit.max(2);
    while !rest.trim().is_empty() {
        let cut = cut(rest, room);
        let (part, after) = rest.split_at(cut);
        // At the end of the whole text nothing is cut, so nothing is trimmed.
        let (part, after) = if after.is_empty() { (part, after) } else { (part.trim_end(), after.trim_start()) };
        if !part.is_empty() {
            parts.push(part.to_owned());
            room = limit.max(2);
        }
        rest = after;
    }
    parts
}

/// Where to cut, as a byte index: the best place such that what is before it fits, and never 0.
fn cut(text: &str, room: usize) -> usize {
    let mut best = Best { sentence: None, word: None, character: 0 };
    let mut units = 0;
    let mut previous = None;
    let fits = text.char_indices().try_for_each(|(at, next)| {
        if let Some(previous) = previous {
            best.consider(at, previous, next, units * 2 >= room);
        }
        units += next.len_utf16();
        previous = Some(next);
        // White space at the cut is dropped, so a run of it need not fit.
        if units > room && !next.is_whitespace() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match fits {
        ControlFlow::Continue(()) if text.trim_end().encode_utf16().count() <= room => text.len(),
        ControlFlow::Continue(()) | ControlFlow::Break(()) => best.place(text, room),
    }
}

/// The last places seen where a cut would be good, better, best.
struct Best {
    sentence: Option<usize>,
    word: Option<usize>,
    character: usize,
}

impl Best {
    fn consider(&mut self, at: usize, previous: char, next: char, second_half: bool) {
        if next.is_whitespace() && !previous.is_whitespace() {
            self.word = Some(at);
            if second_half && (next == '\n' || ends_sentence(previous)) {
                self.sentence = Some(at);
            }
        }
        if !clings(previous, next) {
            self.character = at;
        }
    }

    fn place(&self, text: &str, room: usize) -> usize {
        match self.sentence.or(self.word).unwrap_or(self.character) {
            // One cluster of characters longer than a whole message: cut inside it.
            0 => whole_characters(text, room),
            at => at,
        }
    }
}

fn ends_sentence(character: char) -> bool {
    matches!(character, '.' | '!' | '?' | '…' | '。' | '！' | '？')
}

/// Whether two characters are drawn as one, near enough: accents, joined emoji, skin tones, flags, line ends.
fn clings(previous: char, next: char) -> bool {
    const JOINER: char = '\u{200D}';
    let flag = |c: char| matches!(c, '\u{1F1E6}'..='\u{1F1FF}');
    let mark = matches!(next,
        '\u{0300}'..='\u{036F}' | '\u{0483}'..='\u{0489}' | '\u{0591}'..='\u{05BD}' | '\u{064B}'..='\u{065F}'
        | '\u{093A}'..='\u{094F}' | '\u{0E31}' | '\u{0E34}'..='\u{0E4E}' | '\u{1AB0}'..='\u{1AFF}' | '\u{20D0}'..='\u{20FF}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}' | '\u{E0020}'..='\u{E007F}');
    mark || next == JOINER || previous == JOINER || (flag(previous) && flag(next)) || (previous == '\r' && next == '\n')
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
    fn what_fits_is_left_as_it_is() {
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
    fn an_emoji_counts_as_two_and_is_never_cut() {
        assert_eq!(split("😀😀😀", 4, 4), ["😀😀", "😀"]);
        assert_eq!(split("😀😀😀", 3, 3), ["😀", "😀", "😀"]);
        assert_eq!(split("😀", 0, 0), ["😀"]);
    }

    #[test]
    fn what_is_drawn_as_one_stays_together_where_it_can() {
        let family = "👨\u{200D}👩\u{200D}👧";
        assert_eq!(split(&format!("aaa{family}"), 10, 10), ["aaa", family]);
        assert_eq!(split("aaae\u{301}", 4, 4), ["aaa", "e\u{301}"]);
        assert_eq!(split("a🇷🇺", 4, 4), ["a", "🇷🇺"]);
        let endless = format!("e{}", "\u{301}".repeat(9));
        assert_eq!(split(&endless, 4, 4).concat(), endless);
    }

    /// Deterministic linear congruential generator.
    fn random(state: &mut u64, below: u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % below
    }

    #[test]
    fn whatever_the_text_nothing_is_lost_and_every_part_fits() {
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
    fn a_word_is_cut_only_when_it_fits_in_no_message() {
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
