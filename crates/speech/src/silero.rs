//! Silero's voice activity detector: from probabilities of speech to ranges.

mod onnx;
mod whisper_cpp;

use std::ops::Range;
use std::path::Path;

use stenobot_domain::SAMPLE_RATE;
use stenobot_models::{Wanted, check_before_loading};

use super::voice_activity::VoiceActivityDetector;
use super::{RecognizerError, StartedRuntime};
use onnx::OnnxSilero;
use whisper_cpp::WhisperCppSilero;

/// Samples of one probability: 32 ms.
const CHUNK: usize = 512;
/// Speech is at least this probable. Low, since a person who is not transcribed is worse than a noise that is: what the
/// recogniser makes of noise is filtered behind it.
const THRESHOLD: f32 = 0.3;
/// A pause begins where speech is less probable than this.
const PAUSE_THRESHOLD: f32 = THRESHOLD - 0.15;
/// In samples. Shorter than the shortest word: a curt "да" is about twice as long, while noises pass for speech for shorter
/// moments.
const MIN_SPEECH: usize = SAMPLE_RATE as usize * 128 / 1000;
/// A pause that ends a stretch of speech, in samples; [`super::voice_activity`] joins stretches again.
const MIN_PAUSE: usize = SAMPLE_RATE as usize * 200 / 1000;
/// Ranges begin and end at multiples of this many samples: 10 ms.
const GRID: usize = SAMPLE_RATE as usize / 100;

/// Silero's network.
trait Network {
    /// The probability of speech in each [`CHUNK`] of the samples, the last of which is filled with silence.
    fn probabilities(&mut self, samples: &[f32]) -> Result<Vec<f32>, RecognizerError>;
}

pub(crate) struct Silero(Box<dyn Network>);

impl Silero {
    /// Reads the detector's file. Its hash must have been checked.
    ///
    /// # Errors
    /// [`RecognizerError::Detector`] or [`RecognizerError::Refused`] when the file is not a detector of that form.
    pub(crate) fn load(runtime: &StartedRuntime, file: &Path) -> Result<Self, RecognizerError> {
        check_before_loading(file, Wanted::VoiceActivity).map_err(RecognizerError::Refused)?;
        Ok(Self(match runtime {
            StartedRuntime::WhisperCpp => Box::new(WhisperCppSilero::load(file)?),
            StartedRuntime::Onnx(library) => Box::new(OnnxSilero::load(library, file)?),
        }))
    }
}

impl VoiceActivityDetector for Silero {
    fn detect(&mut self, samples: &[f32]) -> Result<Vec<Range<usize>>, RecognizerError> {
        if samples.is_empty() {
            return Ok(Vec::new());
        }
        let probabilities = self.0.probabilities(samples)?;
        let round = |sample: usize| ((sample + GRID / 2) / GRID * GRID).min(samples.len());
        let ranges = speech(&probabilities).into_iter().map(|range| round(range.start)..round(range.end));
        Ok(ranges.filter(|range| !range.is_empty()).collect())
    }
}

/// The ranges of speech, in samples, by the rules of Silero's authors: speech begins above one threshold and ends in a pause
/// below another.
fn speech(probabilities: &[f32]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut push = |range: Range<usize>| match found.last_mut() {
        _ if range.len() <= MIN_SPEECH => {}
        Some(last) if range.start < last.end + MIN_PAUSE => last.end = range.end,
        _ => found.push(range),
    };
    let mut start = None;
    let mut pause = None;
    for (at, &probability) in (0..).step_by(CHUNK).zip(probabilities) {
        if probability >= THRESHOLD {
            pause = None;
            start = start.or(Some(at));
        } else if let (Some(begun), true) = (start, probability < PAUSE_THRESHOLD) {
            let end = *pause.get_or_insert(at);
            if at - end >= MIN_PAUSE {
                push(begun..end);
                (start, pause) = (None, None);
            }
        }
    }
    if let Some(begun) = start {
        push(begun..CHUNK * probabilities.len());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First chunk and end of each range.
    fn chunks(probabilities: &[(f32, usize)]) -> Vec<(usize, usize)> {
        let each: Vec<f32> = probabilities.iter().flat_map(|&(value, count)| vec![value; count]).collect();
        speech(&each).into_iter().map(|range| (range.start / CHUNK, range.end / CHUNK)).collect()
    }

    #[test]
    fn speech_begins_above_one_threshold_and_ends_in_a_pause_below_another() {
        assert_eq!(chunks(&[(0.1, 5), (0.9, 10), (0.1, 20)]), [(5, 15)]);
        // Between the thresholds nothing changes.
        assert_eq!(chunks(&[(0.2, 5), (0.9, 10), (0.2, 20), (0.1, 20)]), [(5, 35)]);
        // A pause under 200 ms is part of the speech; the end of the recording ends it.
        assert_eq!(chunks(&[(0.9, 10), (0.1, 6), (0.9, 10)]), [(0, 26)]);
        assert_eq!(chunks(&[(0.9, 10), (0.1, 8), (0.9, 10)]), [(0, 10), (18, 28)]);
    }

    #[test]
    fn a_click_is_no_speech() {
        assert_eq!(chunks(&[(0.1, 5), (0.9, 4), (0.1, 20)]), []);
        assert_eq!(chunks(&[(0.1, 5), (0.9, 5), (0.1, 20)]), [(5, 10)]);
        assert_eq!(chunks(&[]), []);
    }
}
