//! Word error rate.

use serde::Serialize;

/// Words for comparison: lower case, `ё` as `е`, without punctuation. Apostrophes are dropped (`don't` is `dont`), other
/// punctuation separates words. Numbers stay as written.
pub fn normalise(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for letter in text.chars().flat_map(char::to_lowercase) {
        match letter {
            'ё' => word.push('е'),
            '\'' | '’' | '\u{301}' => {}
            letter if letter.is_alphanumeric() => word.push(letter),
            _ if word.is_empty() => {}
            _ => words.push(std::mem::take(&mut word)),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Substituted, missing and additional words against a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct WordErrors {
    /// The smallest number of words to replace, delete and insert.
    pub errors: usize,
    /// Words of the reference.
    pub words: usize,
}

impl WordErrors {
    /// Errors per word, over 1 when there are more errors than words; `None` without a word.
    pub fn rate(self) -> Option<f64> {
        (self.words > 0).then(|| self.errors as f64 / self.words as f64)
    }
}

impl std::ops::AddAssign for WordErrors {
    fn add_assign(&mut self, other: Self) {
        self.errors += other.errors;
        self.words += other.words;
    }
}

/// Compares a text with its reference, both normalised.
pub fn word_errors(reference: &str, hypothesis: &str) -> WordErrors {
    let (reference, hypothesis) = (normalise(reference), normalise(hypothesis));
    // Levenshtein distance over words, one row at a time.
    let mut row: Vec<usize> = (0..=hypothesis.len()).collect();
    for (i, expected) in reference.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, found) in hypothesis.iter().enumerate() {
            let replaced = diagonal + usize::from(expected != found);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    WordErrors { errors: row[hypothesis.len()], words: reference.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_punctuation_and_yo_do_not_count() {
        assert_eq!(normalise("Ещё, «Тёплую» — куртку!"), ["еще", "теплую", "куртку"]);
        assert_eq!(normalise("I don’t know: it's 3.5 o'clock"), ["i", "dont", "know", "its", "3", "5", "oclock"]);
        assert_eq!(normalise("кое-что"), ["кое", "что"]);
        assert!(normalise(" … — ").is_empty());
    }

    #[test]
    fn errors_are_replaced_missing_and_additional_words() {
        let count = |reference, hypothesis| {
            let WordErrors { errors, words } = word_errors(reference, hypothesis);
            (errors, words)
        };
        assert_eq!(count("one two three", "One, two three."), (0, 3));
        assert_eq!(count("one two three", "one too three"), (1, 3));
        assert_eq!(count("one two three", "one three"), (1, 3));
        assert_eq!(count("one two three", "one two and three"), (1, 3));
        assert_eq!(count("one two three", "two three four"), (2, 3));
        assert_eq!(count("one two", ""), (2, 2));
        assert_eq!(count("", "a b"), (2, 0));
        assert_eq!(word_errors("", "a").rate(), None);
        assert_eq!(word_errors("a b c d", "a b x").rate(), Some(0.5));
    }
}
