//! Speech recognition: from 16 kHz mono samples to segments of text with times. Used by the engine's child process only.
//!
//! [`Transcriber`] is what the child holds. One recording takes this way, a file each:
//!
//! 1. `voice_activity` finds the ranges with speech (by the detector in `silero`) and adds margins; long silence is skipped.
//! 2. `recording` cuts each range into windows, chooses the language (`language`), splits a window where the language
//!    changes, and transcribes speech again that no segment covers (`coverage`).
//! 3. A `Recognizer` (`recognizer`, the seam) turns one window into text. `whisper` is the only one: its encoder context,
//!    retries and temperatures are its own affair; `whisper::decoder` is the token loop, `whisper::backend` what runs
//!    the network, `whisper::whisper_cpp` that backend on whisper.cpp.
//! 4. `annotations` and `inventions` leave out the text that Whisper makes of silence and noise.
//!
//! Another recogniser implements `Recognizer`; another runtime for Whisper implements `whisper::backend::Backend`. Nothing
//! above either changes.

mod annotations;
mod coverage;
mod cpu;
mod error;
mod inventions;
mod language;
mod onnx;
mod recognizer;
mod recording;
#[cfg(test)]
mod scripted;
mod silero;
mod voice_activity;
mod whisper;
mod words;

use std::fmt;
use std::ops::Range;
use std::path::Path;

use stenobot_domain::ModelFacts;

pub use cpu::{REQUIRED_CPU_FEATURES, missing_cpu_features};
pub use error::RecognizerError;
pub use language::LanguageHint;
pub use onnx::{LibraryError, onnx_backend, onnx_runtime_version};
pub use recognizer::Observer;
pub use recording::Transcription;
pub use whisper::Measured;

use recognizer::Recognizer;
use silero::Silero;
use voice_activity::VoiceActivityDetector;

/// What runs the network.
#[derive(Debug, Clone, Copy)]
pub enum Runtime<'a> {
    /// Built in; takes files of ggml's form.
    WhisperCpp,
    /// ONNX Runtime from this library; takes weights files.
    Onnx {
        /// The library's file.
        library: &'a Path,
    },
}

/// A runtime that was started.
enum StartedRuntime {
    WhisperCpp,
    Onnx(onnx::Library),
}

impl Runtime<'_> {
    fn start(self) -> Result<StartedRuntime, LibraryError> {
        Ok(match self {
            Self::WhisperCpp => StartedRuntime::WhisperCpp,
            Self::Onnx { library } => StartedRuntime::Onnx(onnx::Library::start(library)?),
        })
    }
}

/// A loaded recogniser, with the voice activity detector if there is one.
pub struct Transcriber {
    recognizer: Box<dyn Recognizer>,
    detector: Option<Box<dyn VoiceActivityDetector>>,
}

impl Transcriber {
    /// Reads the model's and the detector's file into memory. Their hashes must have been checked: a truncated file can
    /// load without an error.
    ///
    /// # Errors
    /// [`RecognizerError::Load`], [`RecognizerError::Library`], [`RecognizerError::Detector`] or
    /// [`RecognizerError::Refused`].
    pub fn load(
        runtime: Runtime<'_>,
        model: &Path,
        detector: Option<&Path>,
        threads: usize,
    ) -> Result<Self, RecognizerError> {
        let runtime = runtime.start()?;
        let recognizer = whisper::load(&runtime, model, threads)?;
        let detector = match detector {
            Some(file) => Some(Box::new(Silero::load(&runtime, file)?) as Box<dyn VoiceActivityDetector>),
            None => None,
        };
        Ok(Self { recognizer, detector })
    }

    /// What was loaded.
    pub fn facts(&self) -> &ModelFacts {
        &self.recognizer.facts().model
    }

    /// Bytes that transcribing takes beside what was allocated by loading and the samples, estimated.
    pub fn working_memory(&self) -> u64 {
        self.recognizer.facts().working_memory
    }

    /// Transcribes one recording of 16 kHz mono `samples`. With a detector only its speech is transcribed, and no segment
    /// reaches over a long silence; without one everything counts as speech.
    ///
    /// # Errors
    /// [`RecognizerError::UnknownLanguage`], [`RecognizerError::Cancelled`] or [`RecognizerError::Native`].
    pub fn transcribe(
        &mut self,
        samples: &[f32],
        hint: LanguageHint<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Transcription, RecognizerError> {
        let speech = match &mut self.detector {
            Some(detector) => Some(voice_activity::find_speech(&mut **detector, samples, observer)?),
            None => None,
        };
        recording::transcribe(&mut *self.recognizer, samples, speech.as_deref(), hint, observer)
    }
}

/// The voice activity detector by itself.
pub struct SpeechDetector(Silero);

impl SpeechDetector {
    /// Loads a detector's file, whose hash must have been checked.
    ///
    /// # Errors
    /// Those of [`Transcriber::load`].
    pub fn load(runtime: Runtime<'_>, file: &Path) -> Result<Self, RecognizerError> {
        Silero::load(&runtime.start()?, file).map(Self)
    }

    /// The ranges of 16 kHz mono `samples` with speech, in order of time, without margins.
    ///
    /// # Errors
    /// [`RecognizerError::Native`].
    pub fn detect(&mut self, samples: &[f32]) -> Result<Vec<Range<usize>>, RecognizerError> {
        self.0.detect(samples)
    }
}

impl fmt::Debug for SpeechDetector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpeechDetector").finish()
    }
}

impl fmt::Debug for Transcriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcriber").field("facts", self.facts()).finish_non_exhaustive()
    }
}
