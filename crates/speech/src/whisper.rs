//! Whisper as a recogniser: which encoder context a window gets, when it is decoded again, and which attempt is kept.

mod backend;
mod context;
mod decoder;
mod doubts;
mod guard;
mod measure;
mod native;
mod onnx;
mod sampling;
mod segments;
mod whisper_cpp;

use std::ops::Range;
use std::path::Path;

use stenobot_domain::{ModelFacts, SAMPLE_RATE};

use super::language::{DetectedLanguage, LanguageChoice};
use super::recognizer::{Observer, Recognizer, RecognizerFacts, Window, WindowTranscript};
use super::{RecognizerError, StartedRuntime};

use backend::Backend;
pub(crate) use context::EncoderContext;
use decoder::TokenDecoder;
pub(crate) use decoder::{StopReason, WindowDecoder, WindowText};
use guard::Defect;
pub use measure::Measured;
use onnx::OnnxRuntime;
use whisper_cpp::WhisperCpp;

/// Longest window in samples: what Whisper's encoder takes at once.
const MAX_WINDOW: usize = 30 * SAMPLE_RATE as usize;
/// A window shorter than this, in samples, is judged with the encoder's whole context as well as with one that fits: its
/// language, and whether there is speech in it.
const SHORT_WINDOW: usize = 2 * SAMPLE_RATE as usize;
/// Tried in turn when the most probable text is defective.
const TEMPERATURES: [f32; 2] = [0.4, 0.8];

/// Loads a model: a weights file on ONNX Runtime, a file of ggml's form on whisper.cpp.
///
/// # Errors
/// [`RecognizerError::Load`], [`RecognizerError::Refused`] or [`RecognizerError::Library`].
pub(crate) fn load(
    runtime: &StartedRuntime,
    model: &Path,
    threads: usize,
) -> Result<Box<dyn Recognizer>, RecognizerError> {
    let backend = load_backend(runtime, model, threads)?;
    let working_memory = backend.working_memory();
    let (facts, decoder) = (backend.facts(), TokenDecoder::new(backend));
    let languages = decoder.languages().to_vec();
    Ok(Box::new(Whisper::new(decoder, facts, languages, working_memory)))
}

/// The network alone.
///
/// # Errors
/// As [`load`].
fn load_backend(runtime: &StartedRuntime, model: &Path, threads: usize) -> Result<Box<dyn Backend>, RecognizerError> {
    Ok(match runtime {
        StartedRuntime::WhisperCpp => Box::new(WhisperCpp::load(model, threads)?),
        StartedRuntime::Onnx(library) => Box::new(OnnxRuntime::load(library, model, threads)?),
    })
}

/// Whisper's policy over a decoder of windows.
pub(crate) struct Whisper<D> {
    decoder: D,
    facts: RecognizerFacts,
}

impl<D: WindowDecoder> Whisper<D> {
    pub(crate) fn new(decoder: D, model: ModelFacts, languages: Vec<&'static str>, working_memory: u64) -> Self {
        Self { decoder, facts: RecognizerFacts { model, max_window: MAX_WINDOW, languages, working_memory } }
    }

    /// Encodes a window with a context that fits, and detects its language unless that is given.
    fn encode(
        &mut self,
        samples: &[f32],
        language: &LanguageChoice<'_>,
        observer: &dyn Observer,
    ) -> Result<(EncoderContext, DetectedLanguage), RecognizerError> {
        let fitting = EncoderContext::fitting(samples.len());
        if let LanguageChoice::Given(code) = language {
            self.decoder.encode(samples, fitting, observer)?;
            return Ok((fitting, DetectedLanguage::given(code)));
        }
        let mut whole = None;
        if samples.len() < SHORT_WINDOW {
            self.decoder.encode(samples, EncoderContext::FULL, observer)?;
            whole = Some(self.decoder.language_probabilities()?);
        }
        self.decoder.encode(samples, fitting, observer)?;
        let mut probabilities = self.decoder.language_probabilities()?;
        if let Some(whole) = whole {
            probabilities = probabilities.mean(&whole);
        }
        Ok((fitting, language.decide(&probabilities)))
    }

    fn decode(
        &mut self,
        window: Window<'_>,
        language: &str,
        temperature: f32,
        observer: &mut dyn Observer,
    ) -> Result<WindowText, RecognizerError> {
        let seed = window.start as u64 ^ u64::from(temperature.to_bits()) << 32;
        self.decoder.decode(language, temperature, seed, window.is_last, observer)
    }

    /// The best text for a window that was encoded with `context`, and whether it was decoded more than once.
    fn decode_best(
        &mut self,
        window: Window<'_>,
        context: EncoderContext,
        language: &str,
        observer: &mut dyn Observer,
    ) -> Result<(WindowText, bool), RecognizerError> {
        let mut best = Attempt::of(self.decode(window, language, 0.0, observer)?);
        // In the whole context a short sound is silent for the most part, and neither context alone tells it from silence.
        let is_short = window.samples.len() < SHORT_WINDOW;
        let no_speech = if is_short { best.text.no_speech } else { 1.0 };
        let attempt = |text: WindowText| Attempt::of(WindowText { no_speech: no_speech.min(text.no_speech), ..text });
        if best.defect.is_none() || (guard::is_silent(&best.text) && !is_short) {
            return Ok((best.text, false));
        }
        if context < EncoderContext::FULL {
            self.decoder.encode(window.samples, EncoderContext::FULL, observer)?;
            let whole = attempt(self.decode(window, language, 0.0, observer)?);
            if is_short {
                best.text.no_speech = whole.text.no_speech;
            }
            // A phrase that both contexts give twice was said twice.
            if whole.defect.is_none_or(|defect| defect == Defect::Phrase) || guard::is_silent(&whole.text) {
                return Ok((whole.text, true));
            }
            best = best.or(whole);
        }
        for temperature in TEMPERATURES {
            if best.defect.is_none_or(|defect| defect == Defect::Phrase) {
                break;
            }
            let other = attempt(self.decode(window, language, temperature, observer)?);
            // By chance a word of one second becomes an annotation, which is the more probable text.
            if !is_short || has_words(&other.text, language) {
                best = best.or(other);
            }
        }
        Ok((best.text, true))
    }
}

impl<D: WindowDecoder> Recognizer for Whisper<D> {
    fn facts(&self) -> &RecognizerFacts {
        &self.facts
    }

    fn transcribe(
        &mut self,
        window: Window<'_>,
        language: &LanguageChoice<'_>,
        observer: &mut dyn Observer,
    ) -> Result<WindowTranscript, RecognizerError> {
        let (context, language) = self.encode(window.samples, language, observer)?;
        let (text, is_retried) = self.decode_best(window, context, &language.code, observer)?;
        let is_doubtful = match guard::defect(&text) {
            Some(Defect::Loop | Defect::Improbable) => true,
            Some(Defect::Phrase) | None => false,
        };
        let (next_window, no_speech) = (text.next_window, text.no_speech);
        let segments = guard::into_segments(text);
        Ok(WindowTranscript { segments, next_window, language, no_speech, is_doubtful, is_retried })
    }

    fn estimate_language(&mut self, part: &Range<usize>, code: &str) -> Result<Option<f32>, RecognizerError> {
        Ok(self.decoder.language_probabilities_of(part)?.map(|probabilities| probabilities.of(code)))
    }

    fn detect_language(
        &mut self,
        utterance: &[f32],
        language: &LanguageChoice<'_>,
        observer: &mut dyn Observer,
    ) -> Result<DetectedLanguage, RecognizerError> {
        self.decoder.encode(utterance, EncoderContext::fitting(utterance.len()), observer)?;
        Ok(language.decide(&self.decoder.language_probabilities()?))
    }
}

/// Whether anything is left of a text without annotations and credits.
fn has_words(text: &WindowText, language: &str) -> bool {
    let segments = guard::into_segments(text.clone());
    segments.iter().any(|segment| !segment.spoken_text(language, text.no_speech, None).is_empty())
}

/// One decoding of a window.
struct Attempt {
    text: WindowText,
    defect: Option<Defect>,
}

impl Attempt {
    fn of(text: WindowText) -> Self {
        Self { defect: guard::defect(&text), text }
    }

    /// The attempt with the lesser defect; among equals the more probable.
    fn or(self, other: Self) -> Self {
        let is_better = other.defect < self.defect
            || (other.defect == self.defect && other.text.mean_logprob > self.text.mean_logprob);
        if is_better { other } else { self }
    }
}

#[cfg(test)]
mod tests;
