//! From a whole recording to segments, window by window.

use std::time::Duration;

use super::annotations::{self, Certainty};
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

/// Moves the times of a part into the recording.
pub(super) struct Shifted<'a> {
    pub(super) watch: &'a mut dyn Watch,
    pub(super) start: Duration,
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
            let certainty = Certainty { mean_logprob: piece.mean_logprob, no_speech: decoded.no_speech };
            let text = annotations::spoken(&text, certainty);
            if text.is_empty() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelFacts;
    use crate::whisper::{End, Piece};

    const SECOND: usize = SAMPLE_RATE as usize;

    /// Says what it is told, by the first sample of the window (its second), the positions and the temperature.
    struct Puppet<F> {
        say: F,
        window: (f32, Positions),
        encoded: Vec<(f32, u16)>,
        detected: u32,
    }

    impl<F: FnMut(f32, Positions, f32) -> Decoded> Puppet<F> {
        fn new(say: F) -> Self {
            Self { say, window: (0.0, Positions::FULL), encoded: Vec::new(), detected: 0 }
        }
    }

    impl<F: FnMut(f32, Positions, f32) -> Decoded> Model for Puppet<F> {
        fn facts(&self) -> ModelFacts {
            unreachable!("nobody asks")
        }

        fn knows(&self, language: &str) -> bool {
            language == "ru"
        }

        fn encode(&mut self, window: &[f32], positions: Positions) -> Result<(), ModelError> {
            self.window = (window[0], positions);
            self.encoded.push((window[0], positions.get()));
            Ok(())
        }

        fn detect(&mut self) -> Result<Detected, ModelError> {
            self.detected += 1;
            let language = if self.window.0 == 0.0 { "en" } else { "ru" };
            Ok(Detected { language: language.to_owned(), probability: 0.9 })
        }

        fn decode(
            &mut self,
            _language: &str,
            temperature: f32,
            _seed: u64,
            _last: bool,
            _watch: &mut dyn Watch,
        ) -> Result<Decoded, ModelError> {
            Ok((self.say)(self.window.0, self.window.1, temperature))
        }
    }

    #[derive(Default)]
    struct Patience {
        places: Vec<Duration>,
        stop_after: Option<usize>,
    }

    impl Watch for Patience {
        fn stopped(&self) -> bool {
            self.stop_after.is_some_and(|count| self.places.len() >= count)
        }

        fn reached(&mut self, place: Duration) {
            self.places.push(place);
        }
    }

    /// Samples that tell which second they are of.
    fn sound(seconds: usize) -> Vec<f32> {
        (0..seconds * SECOND).map(|index| (index / SECOND) as f32).collect()
    }

    fn said(text: &str) -> Decoded {
        let (start, end) = (Duration::ZERO, Duration::from_secs(1));
        let piece = Piece { start, end, text: text.to_owned(), mean_logprob: -0.2 };
        Decoded { pieces: vec![piece], resume: None, mean_logprob: -0.2, no_speech: 0.1, end: End::Text }
    }

    fn hear(puppet: &mut dyn Model, seconds: usize) -> Heard {
        listen(puppet, &sound(seconds), &SpeechLanguage::Auto, &mut Patience::default()).unwrap()
    }

    fn texts(heard: &Heard) -> Vec<&str> {
        heard.segments.iter().map(|segment| segment.text.0.as_str()).collect()
    }

    #[test]
    fn a_good_window_is_encoded_once_with_a_context_that_fits() {
        let mut puppet = Puppet::new(|_, _, _| said(" Привет."));
        let heard = hear(&mut puppet, 10);
        assert_eq!((texts(&heard), heard.retried_windows), (vec!["Привет."], 0));
        assert_eq!(puppet.encoded, [(0.0, 564)]);
    }

    #[test]
    fn windows_follow_each_other_where_the_model_closed_its_last_segment() {
        let mut puppet = Puppet::new(|second, _, _| {
            let resume = (second == 0.0).then(|| Duration::from_secs(27));
            Decoded { resume, ..said(" так") }
        });
        let heard = hear(&mut puppet, 60);
        assert_eq!(puppet.encoded, [(0.0, 1500), (27.0, 1500), (57.0, 214)]);
        let starts: Vec<u64> = heard.segments.iter().map(|segment| segment.start.as_secs()).collect();
        assert_eq!(starts, [0, 27, 57]);
    }

    #[test]
    fn the_language_comes_from_the_first_window_with_speech() {
        let mut puppet =
            Puppet::new(|second, _, _| if second == 0.0 { said(" [Music]") } else { said(" Говорит Москва.") });
        let heard = hear(&mut puppet, 90);
        assert_eq!(texts(&heard).len(), 2);
        assert_eq!((heard.language.as_str(), heard.language_probability), ("ru", Some(0.9)));
        assert_eq!(puppet.detected, 2);
    }

    #[test]
    fn a_loop_is_heard_again_with_the_full_context() {
        let mut puppet = Puppet::new(|_, positions, _| match positions {
            Positions::FULL => said(" раз и готово"),
            _ => Decoded { end: End::Loop, ..said(" раз раз раз раз") },
        });
        let heard = hear(&mut puppet, 5);
        assert_eq!((texts(&heard), heard.retried_windows), (vec!["раз и готово"], 1));
        assert_eq!(puppet.encoded, [(0.0, 314), (0.0, 1500)]);
    }

    #[test]
    fn what_stays_bad_is_tried_with_chance_and_the_best_wins() {
        let mut temperatures = Vec::new();
        let mut puppet = Puppet::new(|_, _, temperature| {
            temperatures.push(temperature);
            let bad = Decoded { end: End::Full, ..said(" да да да да") };
            if temperature == 0.8 { Decoded { mean_logprob: -1.3, ..said(" может быть") } } else { bad }
        });
        assert_eq!(texts(&hear(&mut puppet, 5)), ["может быть"]);
        assert_eq!(temperatures, [0.0, 0.0, 0.4, 0.8]);
    }

    #[test]
    fn a_loop_that_nothing_mends_is_cut() {
        let mut puppet = Puppet::new(|_, _, _| Decoded { end: End::Loop, ..said(" ну да да да да") });
        assert_eq!(texts(&hear(&mut puppet, 5)), ["ну да"]);
    }

    #[test]
    fn a_phrase_heard_twice_by_both_contexts_was_said_twice() {
        let twice = " Я буду у вас около девяти. Я буду у вас около девяти.";
        let mut puppet = Puppet::new(|_, _, temperature| {
            assert_eq!(temperature, 0.0);
            said(twice)
        });
        assert_eq!(texts(&hear(&mut puppet, 5)), [twice.trim()]);
        assert_eq!(puppet.encoded.len(), 2);
    }

    #[test]
    fn a_window_in_which_nobody_speaks_is_empty() {
        let mut puppet = Puppet::new(|_, _, _| Decoded { no_speech: 0.9, mean_logprob: -1.4, ..said(" you you") });
        let heard = hear(&mut puppet, 5);
        assert!(heard.segments.is_empty());
        assert_eq!(puppet.encoded.len(), 1);
    }

    #[test]
    fn it_stops_between_windows_and_tells_how_far_it_came() {
        let mut puppet = Puppet::new(|_, _, _| said(" так"));
        let mut watch = Patience { stop_after: Some(2), ..Patience::default() };
        let result = listen(&mut puppet, &sound(100), &SpeechLanguage::Auto, &mut watch);
        assert_eq!(result, Err(ModelError::Stopped));
        assert_eq!(watch.places, [Duration::from_secs(30), Duration::from_secs(60)]);
    }

    #[test]
    fn an_unknown_language_and_no_sound() {
        let mut puppet = Puppet::new(|_, _, _| said(" так"));
        let klingon = SpeechLanguage::Code("tlh".to_owned());
        let result = listen(&mut puppet, &sound(1), &klingon, &mut Patience::default());
        assert_eq!(result, Err(ModelError::UnknownLanguage("tlh".to_owned())));
        assert!(hear(&mut puppet, 0).segments.is_empty());
    }
}
