//! Words that the model doubts.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::Segment;

/// Of the words of a text, one in so many is marked at most: where more are doubted, marks tell nothing.
const WORDS_PER_MARK: usize = 10;

/// A word that the model doubts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Doubt {
    /// The word without the punctuation around it, in bytes of its segment's text.
    pub at: Range<usize>,
    /// Natural logarithm of the joint probability of its tokens.
    pub logprob: f32,
}

/// Those words of a text that are marked: the least probable ones. For each segment, in bytes of its text.
pub(crate) fn marked(segments: &[Segment]) -> Vec<Vec<Range<usize>>> {
    let words: usize = segments.iter().map(|segment| segment.text.0.split_whitespace().count()).sum();
    let doubts = segments.iter().enumerate();
    let mut doubts: Vec<(usize, &Doubt)> =
        doubts.flat_map(|(index, segment)| segment.doubts.iter().map(move |doubt| (index, doubt))).collect();
    doubts.sort_by(|(_, one), (_, other)| one.logprob.total_cmp(&other.logprob));
    let mut marked = vec![Vec::new(); segments.len()];
    for (index, doubt) in doubts.into_iter().take(words / WORDS_PER_MARK) {
        // From another process, so not trusted.
        if segments[index].text.0.get(doubt.at.clone()).is_some_and(|word| !word.is_empty()) {
            marked[index].push(doubt.at.clone());
        }
    }
    for marks in &mut marked {
        marks.sort_by_key(|mark| mark.start);
    }
    marked
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Spoken;

    fn segment(text: &str, doubts: &[(Range<usize>, f32)]) -> Segment {
        let doubts = doubts.iter().map(|(at, logprob)| Doubt { at: at.clone(), logprob: *logprob });
        Segment {
            start: Duration::ZERO,
            end: Duration::from_secs(1),
            text: Spoken(text.to_owned()),
            doubts: doubts.collect(),
            mean_logprob: -0.1,
            no_speech: 0.0,
        }
    }

    /// The marked words of each segment.
    fn words(segments: &[Segment]) -> Vec<Vec<&str>> {
        let marked = marked(segments).into_iter().zip(segments);
        marked.map(|(marks, segment)| marks.into_iter().map(|at| &segment.text.0[at]).collect()).collect()
    }

    #[test]
    fn the_least_probable_words_are_marked_and_a_tenth_at_most() {
        let ten = "one two three four five six seven eight nine ten";
        let segments = [segment(ten, &[(0..3, -1.5), (4..7, -3.0)]), segment(ten, &[(8..13, -2.0), (14..18, -1.3)])];
        assert_eq!(words(&segments), [["two"], ["three"]]);
        assert_eq!(words(&segments[..1]), [["two"]]);
        assert_eq!(words(&[segment("one two", &[(0..3, -5.0)])]), [[""; 0]], "a tenth of two words is none");
    }

    #[test]
    fn what_is_no_part_of_the_text_is_not_marked() {
        let ten = "раз два три четыре пять шесть семь восемь девять десять ".repeat(3);
        let segments = [segment(&ten, &[(1..4, -3.0), (500..510, -4.0), (7..13, -2.0)])];
        assert_eq!(words(&segments), [["два"]], "neither within a character nor behind the end");
    }
}
