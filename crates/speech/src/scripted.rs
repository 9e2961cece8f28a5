//! A scripted decoder of windows, for tests of what is above it.

use std::ops::Range;
use std::time::Duration;

use stenobot_domain::{ModelFacts, SAMPLE_RATE, Segment, SpeechLanguage};

use crate::language::LanguageProbabilities;
use crate::recognizer::WindowSegment;
use crate::whisper::{EncoderContext, StopReason, Whisper, WindowDecoder, WindowText};
use crate::{LanguageHint, Observer, RecognizerError, Transcription, recording};

/// In samples.
pub(crate) const SECOND: usize = SAMPLE_RATE as usize;

/// Gives the text that `script` makes of the first sample of the window (its second, see [`sound`]), the context and the
/// temperature. The language is what `languages` gives for the first sample, or Russian.
pub(crate) struct ScriptedModel<F> {
    script: F,
    window: (f32, EncoderContext),
    /// First sample and positions of each encoding.
    pub(crate) encoded: Vec<(f32, u16)>,
    pub(crate) detections: u32,
    pub(crate) languages: fn(f32) -> (&'static str, f32),
    /// The probability of Russian in the part of the window from this second on, without encoding it, if that is possible.
    pub(crate) estimate: Option<fn(f32) -> f32>,
    /// First sample and language of each decoding.
    pub(crate) decoded: Vec<(f32, String)>,
}

impl<F: FnMut(f32, EncoderContext, f32) -> WindowText> ScriptedModel<F> {
    pub(crate) fn new(script: F) -> Self {
        let languages = |second: f32| if second == 0.0 { ("en", 0.99) } else { ("ru", 0.99) };
        let window = (0.0, EncoderContext::FULL);
        Self { script, window, encoded: Vec::new(), detections: 0, languages, estimate: None, decoded: Vec::new() }
    }
}

impl<F: FnMut(f32, EncoderContext, f32) -> WindowText> WindowDecoder for ScriptedModel<F> {
    fn encode(
        &mut self,
        samples: &[f32],
        context: EncoderContext,
        _observer: &dyn Observer,
    ) -> Result<(), RecognizerError> {
        self.window = (samples[0], context);
        self.encoded.push((samples[0], context.positions()));
        Ok(())
    }

    fn language_probabilities_of(
        &mut self,
        part: &Range<usize>,
    ) -> Result<Option<LanguageProbabilities>, RecognizerError> {
        let second = self.window.0 + (part.start / SECOND) as f32;
        let russian = self.estimate.map(|estimate| estimate(second));
        Ok(russian.map(|russian| LanguageProbabilities::from_weights([("ru", russian), ("en", 1.0 - russian)])))
    }

    fn language_probabilities(&mut self) -> Result<LanguageProbabilities, RecognizerError> {
        self.detections += 1;
        let (language, probability) = (self.languages)(self.window.0);
        let rest = ["en", "ru", "uk", "ja"].into_iter().filter(|code| *code != language);
        let rest: Vec<_> = rest.map(|code| (code, (1.0 - probability) / 3.0)).collect();
        Ok(LanguageProbabilities::from_weights([(language, probability)].into_iter().chain(rest)))
    }

    fn decode(
        &mut self,
        language: &str,
        temperature: f32,
        _seed: u64,
        _is_last: bool,
        _observer: &mut dyn Observer,
    ) -> Result<WindowText, RecognizerError> {
        self.decoded.push((self.window.0, language.to_owned()));
        Ok((self.script)(self.window.0, self.window.1, temperature))
    }
}

impl<D: WindowDecoder> WindowDecoder for &mut D {
    fn encode(
        &mut self,
        samples: &[f32],
        context: EncoderContext,
        observer: &dyn Observer,
    ) -> Result<(), RecognizerError> {
        (**self).encode(samples, context, observer)
    }

    fn language_probabilities_of(
        &mut self,
        part: &Range<usize>,
    ) -> Result<Option<LanguageProbabilities>, RecognizerError> {
        (**self).language_probabilities_of(part)
    }

    fn language_probabilities(&mut self) -> Result<LanguageProbabilities, RecognizerError> {
        (**self).language_probabilities()
    }

    fn decode(
        &mut self,
        language: &str,
        temperature: f32,
        seed: u64,
        is_last: bool,
        observer: &mut dyn Observer,
    ) -> Result<WindowText, RecognizerError> {
        (**self).decode(language, temperature, seed, is_last, observer)
    }
}

/// Whisper's policy over a decoder, which the test keeps, for English and Russian.
pub(crate) fn whisper<D: WindowDecoder>(decoder: &mut D) -> Whisper<&mut D> {
    let facts = ModelFacts {
        kind: "scripted".to_owned(),
        weights: "none".to_owned(),
        multilingual: true,
        backend: "scripted".to_owned(),
    };
    Whisper::new(decoder, facts, vec!["en", "ru"], 0)
}

/// Transcribes a recording of so many seconds, all of it speech.
pub(crate) fn transcribe<D: WindowDecoder>(decoder: &mut D, seconds: usize) -> Transcription {
    let hint = LanguageHint::new(&SpeechLanguage::Auto);
    recording::transcribe(&mut whisper(decoder), &sound(seconds), None, hint, &mut TestObserver::default()).unwrap()
}

pub(crate) fn texts(transcription: &Transcription) -> Vec<&str> {
    transcription.segments.iter().map(|segment| segment.text.0.as_str()).collect()
}

#[derive(Default)]
pub(crate) struct TestObserver {
    pub(crate) positions: Vec<Duration>,
    /// Segments as they were finished.
    pub(crate) segments: Vec<Segment>,
    /// Cancelled after so many positions.
    pub(crate) cancel_after: Option<usize>,
}

impl Observer for TestObserver {
    fn is_cancelled(&self) -> bool {
        self.cancel_after.is_some_and(|count| self.positions.len() >= count)
    }

    fn on_progress(&mut self, position: Duration) {
        self.positions.push(position);
    }

    fn on_segments(&mut self, segments: &[Segment], _language: &str) {
        self.segments.extend_from_slice(segments);
    }
}

/// Samples whose value is the second that they belong to.
pub(crate) fn sound(seconds: usize) -> Vec<f32> {
    (0..seconds * SECOND).map(|index| (index / SECOND) as f32).collect()
}

/// An ordinary text from 0 to 1 s.
pub(crate) fn window_text(text: &str) -> WindowText {
    window_text_between(0, 1, text)
}

/// An ordinary text from one second of the window to another.
pub(crate) fn window_text_between(start: u64, end: u64, text: &str) -> WindowText {
    let (start, end) = (Duration::from_secs(start), Duration::from_secs(end));
    let segment = WindowSegment { start, end, text: text.to_owned(), doubts: Vec::new(), mean_logprob: -0.2 };
    WindowText {
        segments: vec![segment],
        next_window: None,
        mean_logprob: -0.2,
        no_speech: 0.1,
        stop: StopReason::EndOfText,
    }
}
