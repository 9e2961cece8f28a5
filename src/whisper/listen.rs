//! From a whole recording to segments, window by window.

use std::time::Duration;

use super::guard::{self, Fault};
use super::{Decoded, Detected, MAX_WINDOW, Model, ModelError, Positions, Watch};
use crate::model::{SAMPLE_RATE, Segment, SpeechLanguage, Spoken, duration_of_samples};

/// A rest shorter than this, in samples, holds no sound that could be understood.
const LEAST_REST: usize = SAMPLE_RATE as usize / 10;
/// Tried in turn when the most probable text is no good.
const TEMPERATURES: [f32; 2] = [0.4, 0.8];

/// What was heard in a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// In order of time; empty when nobody speaks.
    pub segments: Vec<Segment>,
    /// Given or detected.
    pub language: String,
    /// Of the language, when it was detected.
    pub language_probability: Option<f32>,
    /// Windows that were decoded more than once.
    pub retried_windows: u32,
}

/// Listens to 16 kHz mono `samples` in windows of at most 30 s. The next window begins where the model closed its
/// last segment; no text is carried over, since that is how one slip becomes many. The language is detected in
/// the first window with speech and kept.
pub fn listen(
    model: &mut dyn Model,
    samples: &[f32],
    language: &SpeechLanguage,
    watch: &mut dyn Watch,
) -> Result<Heard, ModelError> {
    Listening { model, watch, samples, language: None, segments: Vec::new(), retried: 0 }.run(language)
}

/// One recording under way.
struct Listening<'a> {
    model: &'a mut dyn Model,
    watch: &'a mut dyn Watch,
    samples: &'a [f32],
    language: Option<Language>,
    segments: Vec<Segment>,
    retried: u32,
}

#[derive(Debug, Clone)]
struct Language {
    code: String,
    probability: Option<f32>,
}

/// Moves a window's times into the recording.
struct Shifted<'a> {
    watch: &'a mut dyn Watch,
    start: Duration,
}

impl Watch for Shifted<'_> {
    fn stopped(&self) -> bool {
        self.watch.stopped()
    }

    fn reached(&mut self, place: Duration) {
        self.watch.reached(self.start + place);
    }
}

impl Listening<'_> {
    fn run(mut self, wanted: &SpeechLanguage) -> Result<Heard, ModelError> {
        if let SpeechLanguage::Code(code) = wanted {
            if !self.model.knows(code) {
                return Err(ModelError::UnknownLanguage(code.clone()));
            }
            self.language = Some(Language { code: code.clone(), probability: None });
        }
        let mut latest = None;
        let mut at = 0;
        while at + LEAST_REST <= self.samples.len() {
            if self.watch.stopped() {
                return Err(ModelError::Stopped);
            }
            let (decoded, language) = self.window(at)?;
            let length = (self.samples.len() - at).min(MAX_WINDOW);
            let step = decoded.resume.map_or(length, |resume| samples_in(resume).min(length));
            let before = self.segments.len();
            self.keep(decoded, duration_of_samples(at));
            if self.segments.len() > before {
                // From here on this is the recording's language.
                self.language.get_or_insert_with(|| language.clone());
            }
            latest = Some(language);
            at += step.max(1);
            self.watch.reached(duration_of_samples(at.min(self.samples.len())));
        }
        let language = self.language.or(latest);
        Ok(Heard {
            segments: self.segments,
            language_probability: language.as_ref().and_then(|language| language.probability),
            language: language.map_or_else(|| "en".to_owned(), |language| language.code),
            retried_windows: self.retried,
        })
    }

    /// The best text for the window that begins with sample `at`.
    fn window(&mut self, at: usize) -> Result<(Decoded, Language), ModelError> {
        let end = self.samples.len().min(at + MAX_WINDOW);
        let window = &self.samples[at..end];
        let last = end == self.samples.len();
        let fitting = Positions::fitting(window.len());
        self.model.encode(window, fitting)?;
        let language = match &self.language {
            Some(language) => language.clone(),
            None => {
                let Detected { language, probability } = self.model.detect()?;
                Language { code: language, probability: Some(probability) }
            }
        };
        let model = &mut *self.model;
        let mut watch = Shifted { watch: self.watch, start: duration_of_samples(at) };
        let mut decode = |model: &mut dyn Model, temperature: f32| {
            // The same recording always gives the same text.
            let seed = at as u64 ^ u64::from(temperature.to_bits()) << 32;
            model.decode(&language.code, temperature, seed, last, &mut watch)
        };

        let mut best = Take::of(decode(model, 0.0)?);
        if guard::is_silent(&best.decoded) || best.fault.is_none() {
            return Ok((best.decoded, language));
        }
        self.retried += 1;
        if fitting < Positions::FULL {
            model.encode(window, Positions::FULL)?;
            let whole = Take::of(decode(model, 0.0)?);
            // Heard twice in the same way, a repeated phrase was said twice.
            if whole.fault.is_none_or(|fault| fault == Fault::Phrase) || guard::is_silent(&whole.decoded) {
                return Ok((whole.decoded, language));
            }
            best = best.or(whole);
        }
        for temperature in TEMPERATURES {
            if best.fault.is_none_or(|fault| fault == Fault::Phrase) {
                break;
            }
            best = best.or(Take::of(decode(model, temperature)?));
        }
        Ok((best.decoded, language))
    }

    /// Keeps a window's speech, with its times moved to `start`.
    fn keep(&mut self, decoded: Decoded, start: Duration) {
        if guard::is_silent(&decoded) {
            return;
        }
        let looped = guard::fault(&decoded) == Some(Fault::Loop);
        for piece in decoded.pieces {
            let text = if looped { guard::without_loop(&piece.text) } else { piece.text };
            let text = text.trim();
            if text.is_empty() || guard::is_annotation(text) {
                continue;
            }
            self.segments.push(Segment {
                start: start + piece.start,
                end: start + piece.end,
                text: Spoken(text.to_owned()),
                mean_logprob: piece.mean_logprob,
                no_speech: decoded.no_speech,
            });
        }
    }
}

/// One attempt at a window.
struct Take {
    decoded: Decoded,
    fault: Option<Fault>,
}

impl Take {
    fn of(decoded: Decoded) -> Self {
        Self { fault: guard::fault(&decoded), decoded }
    }

    /// The one with the lesser fault; among equals the more probable.
    fn or(self, other: Self) -> Self {
        let better = other.fault < self.fault
            || (other.fault == self.fault && other.decoded.mean_logprob > self.decoded.mean_logprob);
        if better { other } else { self }
    }
}

fn samples_in(time: Duration) -> usize {
    usize::try_from(time.as_millis() * u128::from(SAMPLE_RATE) / 1000).unwrap_or(usize::MAX)
}
