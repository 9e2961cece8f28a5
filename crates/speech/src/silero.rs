//! The voice activity detector on whisper.cpp.

use std::ops::Range;
use std::path::Path;

use stenobot_domain::SAMPLE_RATE;
use stenobot_models::{Wanted, check_before_loading};
use whisper_rs::{WhisperVadContext, WhisperVadContextParams, WhisperVadParams};

use super::RecognizerError;
use super::voice_activity::VoiceActivityDetector;

/// Speech is at least this probable. Low, since a person who is not transcription is worse than a noise that is: what the
/// recogniser makes of noise is filtered behind it.
const THRESHOLD: f32 = 0.3;
/// Shorter than the shortest word: a curt "да" is about twice as long, while noises pass for speech for shorter moments.
const MIN_SPEECH_MS: i32 = 128;
/// A pause that ends a stretch of speech; [`super::voice_activity`] joins stretches again.
const MIN_PAUSE_MS: i32 = 200;
const SAMPLES_PER_CENTISECOND: f32 = SAMPLE_RATE as f32 / 100.0;

/// Silero's detector in whisper.cpp's form.
#[derive(Debug)]
pub(crate) struct Silero {
    context: WhisperVadContext,
    parameters: WhisperVadParams,
}

impl Silero {
    /// Reads the detector's file. Its hash must have been checked.
    ///
    /// # Errors
    /// [`RecognizerError::Detector`] or [`RecognizerError::Refused`] when the file is not a detector of that form.
    pub(crate) fn load(file: &Path) -> Result<Self, RecognizerError> {
        check_before_loading(file, Wanted::VoiceActivity).map_err(RecognizerError::Refused)?;
        whisper_rs::install_logging_hooks();
        // whisper-rs panics over a zero byte, which no path of an existing file holds.
        let path =
            file.to_str().filter(|path| file.is_file() && !path.contains('\0')).ok_or(RecognizerError::Detector)?;
        let mut context = WhisperVadContextParams::new();
        // Its graph is too small for threads to help each other.
        context.set_n_threads(1);
        context.set_use_gpu(false);
        let context = WhisperVadContext::new(path, context).map_err(|_| RecognizerError::Detector)?;
        let mut parameters = WhisperVadParams::new();
        parameters.set_threshold(THRESHOLD);
        parameters.set_min_speech_duration(MIN_SPEECH_MS);
        parameters.set_min_silence_duration(MIN_PAUSE_MS);
        parameters.set_speech_pad(0);
        Ok(Self { context, parameters })
    }
}

impl VoiceActivityDetector for Silero {
    fn detect(&mut self, samples: &[f32]) -> Result<Vec<Range<usize>>, RecognizerError> {
        if samples.is_empty() {
            return Ok(Vec::new());
        }
        let segments = self.context.segments_from_samples(self.parameters, samples).map_err(|error| {
            RecognizerError::Native { step: "voice activity detection", reason: format!("{error:?}") }
        })?;
        let sample = |centiseconds: f32| ((centiseconds * SAMPLES_PER_CENTISECOND) as usize).min(samples.len());
        Ok(segments
            .map(|segment| sample(segment.start)..sample(segment.end))
            .filter(|range| !range.is_empty())
            .collect())
    }
}
