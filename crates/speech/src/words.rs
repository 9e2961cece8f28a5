//! Texts compared by their words.

/// The words in lower case, without punctuation.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|word| word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect())
        .filter(|word: &String| !word.is_empty())
        .collect()
}

/// Whether a text ends with the words of another, whatever their case and punctuation.
pub(crate) fn ends_with(text: &str, end: &str) -> bool {
    words(text).ends_with(&words(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_compared_by_words() {
        assert!(ends_with(" Hold the line, please.", "The line please"));
        assert!(!ends_with(" Hold the line, please.", "please hold"));
        assert!(!ends_with("line", "Hold the line"));
    }
}
