//! Speech recognition, on the engine process's side.
//!
//! [`Model`] is what a recogniser can do with one window of sound; [`transcribe_recording`] turns a whole recording into
//! segments through it: windows, language, the guard against loops, the filter of what nobody said.
//! [`transcribe_speech`] does so only where a [`Detector`] finds speech. [`ggml`] is the recogniser and [`silero`] the
//! detector on whisper.cpp.

mod annotations;
mod coverage;
pub mod cpu;
pub mod ggml;
mod guard;
mod language;
mod native;
mod pieces;
mod recording;
mod sampling;
pub mod silero;
mod voice_activity;

use std::time::Duration;

use stenobot_domain::{ModelFacts, SAMPLE_RATE};

pub use language::LanguageHint;
pub(crate) use language::LanguageProbabilities;
pub use recording::{Transcription, transcribe_recording};
pub use voice_activity::{Detector, transcribe_speech};

/// Longest window in samples: what Whisper's encoder takes at once.
pub(crate) const MAX_WINDOW: usize = 30 * SAMPLE_RATE as usize;

/// A loaded recogniser. Holds the encoder's output of one window at a time.
pub trait Model {
    /// What was loaded.
    fn facts(&self) -> ModelFacts;

    /// Whether it can be told that people speak this language.
    fn knows(&self, language: &str) -> bool;

    /// Encodes one window of at most [`MAX_WINDOW`] samples with `positions` of the encoder.
    fn encode(&mut self, window: &[f32], positions: EncoderContext) -> Result<(), RecognizerError>;

    /// How probable each language is in the encoded window.
    fn detect(&mut self) -> Result<LanguageProbabilities, RecognizerError>;

    /// Turns the encoded window into text. A temperature over 0 makes the choice of tokens random, the same way
    /// for the same `seed`; `last` says that the recording ends with this window.
    fn decode(
        &mut self,
        language: &str,
        temperature: f32,
        seed: u64,
        last: bool,
        observer: &mut dyn Observer,
    ) -> Result<WindowText, RecognizerError>;
}

/// Somebody who watches over a recognition.
pub trait Observer {
    /// Asked between tokens and between windows.
    fn stopped(&self) -> bool;

    /// Told how far into the window (within [`Model::decode`]) or the recording ([`transcribe_recording`]) the work has come.
    fn reached(&mut self, place: Duration);
}

/// EncoderContext of the encoder to use; one is 20 ms of sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EncoderContext(u16);

impl EncoderContext {
    /// All that the model was trained with: 30 s.
    pub const FULL: Self = Self(1500);

    /// As many as a window of this many samples needs.
    ///
    /// The margin of 64 and the least of 128 cost no accuracy in the words and are worth a factor of three on short
    /// messages; with less the decoder begins to loop. From 29 s on the whole context is used.
    pub(crate) fn fitting(samples: usize) -> Self {
        const PER_SECOND: usize = 50;
        let rate = SAMPLE_RATE as usize;
        if samples > 29 * rate {
            return Self::FULL;
        }
        let needed = (samples * PER_SECOND).div_ceil(rate) + 64;
        Self(u16::try_from(needed).unwrap_or(u16::MAX).clamp(128, Self::FULL.0))
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

/// What the decoder made of one window.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowText {
    /// In order of time.
    pub pieces: Vec<Piece>,
    /// Where the next window begins, when the model closed a segment before the end of this one.
    pub resume: Option<Duration>,
    /// Mean natural log-probability of all tokens; finite, at most 0.
    pub mean_logprob: f32,
    /// Probability that nobody speaks, 0 to 1.
    pub no_speech: f32,
    /// Why the decoder stopped.
    pub end: End,
}

/// A stretch of text within one window.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// From the start of the window.
    pub start: Duration,
    /// From the start of the window.
    pub end: Duration,
    /// As the model spells it, with its spaces.
    pub text: String,
    /// Mean natural log-probability of its tokens; finite, at most 0.
    pub mean_logprob: f32,
}

/// Why a decoder stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The model said so, or the window's end was reached.
    Text,
    /// It repeated itself and was cut.
    Loop,
    /// It reached the most tokens a window may have.
    Full,
}

/// Why a recogniser gave up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecognizerError {
    /// The model's file is not what it should be.
    #[error("the model cannot be loaded: check the file with `stenobot model list`, or fetch it again")]
    Load,
    /// The file of the model or the detector is refused before whisper.cpp sees it. Names the file.
    #[error("{0}; fetch it again with `stenobot model pull`, or import another")]
    Refused(String),
    /// The detector's file is not what it should be.
    #[error("the voice activity detector cannot be loaded: fetch it again with `stenobot model pull silero-v6.2.0`")]
    Detector,
    /// Asked to by [`Observer::stopped`].
    #[error("stopped")]
    Stopped,
    /// The model does not know the language.
    #[error("the model does not know the language `{0}`")]
    UnknownLanguage(String),
    /// The native engine reported a failure.
    #[error("{step} failed: {reason}")]
    Native {
        /// What was being done.
        step: &'static str,
        /// In the engine's words.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_follow_the_sound() {
        let seconds = |seconds: f64| EncoderContext::fitting((seconds * f64::from(SAMPLE_RATE)) as usize).get();
        assert_eq!(seconds(1.0), 128);
        assert_eq!(seconds(10.0), 564);
        assert_eq!(seconds(10.001), 565);
        assert_eq!(seconds(28.9), 1500);
        assert_eq!(seconds(30.0), 1500);
    }
}
