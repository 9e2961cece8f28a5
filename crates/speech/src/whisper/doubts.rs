//! Which words of a text the model doubts.

use std::ops::Range;

use stenobot_domain::Doubt;

/// A word of a lower probability is doubted. Of 2948 words of the base model's texts of 77 recordings in eight languages, 8 % have
/// less, of which 75 % are wrong, and 8 % of the others are (docs/performance.md).
const MIN_WORD_PROBABILITY: f32 = 0.3;

/// A token of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpelledToken {
    /// In bytes.
    pub(super) length: usize,
    /// Natural logarithm of its probability.
    pub(super) logprob: f32,
}

/// The doubted words of a text that is spelled by these tokens. The probability of a word is the product of those of its tokens. Words
/// with digits are left out: whether they are wrong was not measured, since the recordings' own texts have numbers in letters.
pub(super) fn doubted_words(text: &str, tokens: &[SpelledToken]) -> Vec<Doubt> {
    let mut doubted = Vec::new();
    let (mut next, mut start) = (0, 0);
    for at in words(text) {
        let mut logprob = 0.0;
        // A token that reaches into the next word belongs to both.
        while let Some(token) = tokens.get(next).filter(|_| start < at.end) {
            let end = start + token.length;
            if end > at.start {
                logprob += token.logprob;
            }
            if end > at.end {
                break;
            }
            (next, start) = (next + 1, end);
        }
        if logprob < MIN_WORD_PROBABILITY.ln() && !text[at.clone()].contains(char::is_numeric) {
            doubted.push(Doubt { at, logprob });
        }
    }
    doubted
}

/// The words between white space, without the punctuation around them.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.split_whitespace().filter_map(|word| {
        let start = word.as_ptr().addr() - text.as_ptr().addr();
        let first = word.find(char::is_alphanumeric)?;
        let last = word.char_indices().rfind(|(_, character)| character.is_alphanumeric())?;
        Some(start + first..start + last.0 + last.1.len_utf8())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubted(tokens: &[(&str, f32)]) -> Vec<String> {
        let text: String = tokens.iter().map(|(text, _)| *text).collect();
        let spelled: Vec<SpelledToken> = tokens
            .iter()
            .map(|(text, probability)| SpelledToken { length: text.len(), logprob: probability.ln() })
            .collect();
        doubted_words(&text, &spelled).into_iter().map(|doubt| text[doubt.at].to_owned()).collect()
    }

    #[test]
    fn a_word_is_as_probable_as_its_tokens_together() {
        assert_eq!(doubted(&[(" Это", 0.9), (" кош", 0.5), ("ка", 0.5), (".", 0.1), (" Да", 0.4)]), ["кошка"]);
        assert_eq!(doubted(&[(" one", 0.29), (" two", 0.31), (",", 0.01), (" three", 0.2)]), ["one", "three"]);
        assert_eq!(doubted(&[]), [""; 0]);
    }

    #[test]
    fn punctuation_and_numbers_are_not_doubted() {
        assert_eq!(doubted(&[(" «", 0.1), ("Да", 0.9), ("»", 0.1), (" —", 0.01), (" 20", 0.1), ("-го", 0.1)]), [""; 0]);
        assert_eq!(doubted(&[(" (", 0.9), ("кто", 0.2), ("-", 0.9), ("то", 0.9), (")...", 0.9)]), ["кто-то"]);
    }

    #[test]
    fn a_token_may_hold_the_ends_of_two_words_and_parts_of_a_character() {
        assert_eq!(doubted(&[(" a", 0.9), ("b c", 0.2), ("d", 0.9), (" e", 0.9)]), ["ab", "cd"]);
        let text = " ж";
        let half = |probability: f32| SpelledToken { length: 1, logprob: probability.ln() };
        let doubts = doubted_words(text, &[half(0.9), half(0.5), half(0.5)]);
        assert_eq!(doubts.len(), 1);
        assert_eq!(doubts[0].at, 1..3);
    }
}
