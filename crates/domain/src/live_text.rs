//! The text of a recording whose transcription is under way.

use std::time::Duration;

use crate::{Segment, Transcript};

/// The segments that are finished.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveText {
    /// In order of time.
    segments: Vec<Segment>,
    /// The code of the language that was given or has most speech so far.
    language: String,
}

impl LiveText {
    /// Adds finished segments. A stretch that was missed at first comes after later ones.
    pub fn add(&mut self, segments: Vec<Segment>, language: String) {
        self.segments.extend(segments);
        self.segments.sort_by_key(|segment| segment.start);
        self.language = language;
    }

    /// Whether there is no text yet.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// End of the last segment.
    pub fn end(&self) -> Duration {
        self.segments.iter().map(|segment| segment.end).max().unwrap_or_default()
    }

    /// As the transcript of a recording of this length, for which the engine took this long.
    pub fn transcript(&self, audio: Duration, processing: Duration) -> Transcript {
        Transcript {
            segments: self.segments.clone(),
            language: self.language.clone(),
            language_probability: None,
            audio,
            processing,
            retried_windows: 0,
            missed_speech: Duration::ZERO,
            speech: Vec::new(),
            // Not known before the end; a part is not shared.
            is_sender_independent: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Spoken;

    #[test]
    fn segments_are_in_order_of_time_however_they_come() {
        let segment = |start, text: &str| Segment {
            start: Duration::from_secs(start),
            end: Duration::from_secs(start + 2),
            text: Spoken(text.to_owned()),
            doubts: Vec::new(),
            mean_logprob: -0.1,
            no_speech: 0.0,
        };
        let mut text = LiveText::default();
        assert!(text.is_empty() && text.end().is_zero());
        text.add(vec![segment(0, "one"), segment(8, "three")], "ru".to_owned());
        text.add(vec![segment(4, "two")], "en".to_owned());
        let transcript = text.transcript(Duration::from_secs(60), Duration::from_secs(1));
        assert_eq!((transcript.text().0.as_str(), transcript.language.as_str()), ("one two three", "en"));
        assert_eq!(text.end(), Duration::from_secs(10));
    }
}
