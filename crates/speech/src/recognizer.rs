//! The seam between recognisers and what is shared above them: windows, languages, coverage, filters.

use std::ops::Range;
use std::time::Duration;

use stenobot_domain::{Doubt, ModelFacts, Segment};

use super::RecognizerError;
use super::annotations;
use super::inventions::Certainty;
use super::language::{DetectedLanguage, LanguageChoice};

/// Turns one window of sound into text. How often it looks at the window, and with what settings, is its own affair.
pub(crate) trait Recognizer {
    fn facts(&self) -> &RecognizerFacts;

    /// The best text for one window of at most [`RecognizerFacts::max_window`] samples. Positions of progress
    /// count from the start of the window.
    ///
    /// # Errors
    /// [`RecognizerError::Cancelled`] or [`RecognizerError::Native`].
    fn transcribe(
        &mut self,
        window: Window<'_>,
        language: &LanguageChoice<'_>,
        observer: &mut dyn Observer,
    ) -> Result<WindowTranscript, RecognizerError>;

    /// How probable a language is in these samples of the window that was transcribed last, at little cost and less exactly
    /// than [`detect_language`](Self::detect_language) says; `None` when that is not possible.
    ///
    /// # Errors
    /// [`RecognizerError::Native`].
    fn estimate_language(&mut self, part: &Range<usize>, code: &str) -> Result<Option<f32>, RecognizerError>;

    /// The language of an utterance. Asked only within windows whose language was uncertain.
    ///
    /// # Errors
    /// [`RecognizerError::Cancelled`] or [`RecognizerError::Native`].
    fn detect_language(
        &mut self,
        utterance: &[f32],
        language: &LanguageChoice<'_>,
        observer: &mut dyn Observer,
    ) -> Result<DetectedLanguage, RecognizerError>;
}

#[derive(Debug)]
pub(crate) struct RecognizerFacts {
    pub(crate) model: ModelFacts,
    /// Bytes that one window takes beside what was allocated when the model was loaded, estimated.
    pub(crate) working_memory: u64,
    /// Longest window in samples.
    pub(crate) max_window: usize,
    /// Codes of the languages that can be given to it.
    pub(crate) languages: Vec<&'static str>,
}

/// A part of a recording.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'a> {
    /// 16 kHz mono.
    pub(crate) samples: &'a [f32],
    /// Its first sample, counted from the start of the recording: what is random depends on it alone, so that the same
    /// recording always gives the same text.
    pub(crate) start: usize,
    /// Whether the speech ends with this window.
    pub(crate) is_last: bool,
}

#[derive(Debug)]
pub(crate) struct WindowTranscript {
    /// In order of time; empty without speech.
    pub(crate) segments: Vec<WindowSegment>,
    /// Where the next window begins, from the start of this one; `None`: at its end.
    pub(crate) next_window: Option<Duration>,
    pub(crate) language: DetectedLanguage,
    /// Probability that there is no speech, 0 to 1.
    pub(crate) no_speech: f32,
    /// Mostly guessed, or repetitive: better than nothing for a whole window, not good enough to fill a hole.
    pub(crate) is_doubtful: bool,
    /// More than one attempt was needed.
    pub(crate) is_retried: bool,
}

/// A stretch of text within a window. Times count from the start of the window.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WindowSegment {
    pub(crate) start: Duration,
    pub(crate) end: Duration,
    /// As the model spells it, with its spaces.
    pub(crate) text: String,
    /// Words of the text that the model doubts, in their order.
    pub(crate) doubts: Vec<Doubt>,
    /// Mean natural log-probability of its tokens; finite, at most 0.
    pub(crate) mean_logprob: f32,
}

impl WindowSegment {
    /// Its text without annotations, credits and known inventions. `no_speech` and `language` are those of the window; `speech`
    /// is what the detector found in the segment, if there is one.
    pub(crate) fn spoken_text(&self, language: &str, no_speech: f32, speech: Option<Duration>) -> &str {
        annotations::spoken_text(&self.text, language, Certainty { mean_logprob: self.mean_logprob, no_speech, speech })
    }

    /// The doubted words of `part`, which [`spoken_text`](Self::spoken_text) has given, in bytes of it.
    pub(crate) fn doubts_in(&self, part: &str) -> Vec<Doubt> {
        let Some(start) = part.as_ptr().addr().checked_sub(self.text.as_ptr().addr()) else { return Vec::new() };
        let words = self.doubts.iter().filter_map(|doubt| {
            let at = doubt.at.start.checked_sub(start)?..doubt.at.end.checked_sub(start)?;
            (at.end <= part.len()).then_some(Doubt { at, logprob: doubt.logprob })
        });
        words.collect()
    }
}

/// Follows a transcription and can cancel it.
pub trait Observer {
    /// Asked at least between two tokens and between two windows.
    fn is_cancelled(&self) -> bool;

    /// The work has come to this position in the sound, which may be an earlier one after a retry.
    fn on_progress(&mut self, position: Duration);

    /// These segments are finished, in the language that was given or has most speech so far. A stretch that was missed at first
    /// comes after later ones.
    fn on_segments(&mut self, segments: &[Segment], language: &str) {
        let _ = (segments, language);
    }
}
