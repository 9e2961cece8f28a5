//! From a whole recording to segments, window by window.

use std::ops::Range;
use std::time::Duration;

use stenobot_domain::{LikelyLanguage, SAMPLE_RATE, Segment, SpeechLanguage, Spoken, duration_of_samples};

use super::annotations::{self, Certainty};
use super::coverage::{self, Hole};
use super::guard::{self, Defect};
use super::language::Detected;
use super::{EncoderContext, LanguageHint, MAX_WINDOW, Model, Observer, Piece, RecognizerError, WindowText};

/// A rest shorter than this, in samples, holds no sound that could be understood.
const MIN_REST: usize = SAMPLE_RATE as usize / 10;
/// A window shorter than this, in samples, is judged with the encoder's whole context as well as with one that fits: its
/// language, and whether there is speech in it.
const SHORT_WINDOW: usize = 2 * SAMPLE_RATE as usize;
/// Tried in turn when the most probable text is no good.
const TEMPERATURES: [f32; 2] = [0.4, 0.8];
/// Levels of holes within holes that are transcribed again.
const MAX_DEPTH: u8 = 3;
/// A window whose language is less probable than this is searched for another one. Of recordings in one language a third
/// are; of two languages joined, all whose languages can be told.
const MIN_CERTAIN_PROBABILITY: f32 = 0.985;
/// Windows of a recording that are split by language and holes that are transcribed again: so many at most,
const MIN_PASSES: usize = 4;
/// and one more for each stretch of this many samples.
const SAMPLES_PER_PASS: usize = 5 * SAMPLE_RATE as usize;

/// What was transcription in a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcription {
    /// In order of time; empty when nobody speaks.
    pub segments: Vec<Segment>,
    /// Given, or the detected one with most speech.
    pub language: String,
    /// Of the language, when it was detected.
    pub language_probability: Option<f32>,
    /// Windows that were decoded more than once.
    pub retried_windows: u32,
    /// Speech that was detected and that no segment covers, holes of at most 1.5 s not counted.
    pub missed_speech: Duration,
}

/// Transcribes 16 kHz mono `samples` in windows of at most 30 s. The next window begins where the model closed its
/// last segment; no text is carried over, since that is how one slip becomes many.
pub fn transcribe_recording(
    model: &mut dyn Model,
    samples: &[f32],
    hint: LanguageHint<'_>,
    observer: &mut dyn Observer,
) -> Result<Transcription, RecognizerError> {
    let mut recognition = Recognition::new(model, observer, samples, hint)?;
    recognition.stretch(0..samples.len(), &[])?;
    Ok(recognition.finish())
}

/// One recording under way. Ranges are in samples of the recording.
pub(super) struct Recognition<'a> {
    model: &'a mut dyn Model,
    observer: &'a mut dyn Observer,
    samples: &'a [f32],
    fixed: Option<&'a str>,
    likely: &'a [LikelyLanguage],
    /// In order of their first segment.
    languages: Vec<Spoke>,
    /// Of the latest window, whatever came of it.
    latest: Option<Detected>,
    segments: Vec<Segment>,
    retried: u32,
    /// Windows that may still be split and holes that may still be transcribed again.
    passes: usize,
    missed: usize,
}

/// A language with the speech in it so far.
struct Spoke {
    detected: Detected,
    time: Duration,
}

/// Moves the times of a window into the recording.
struct Shifted<'a> {
    observer: &'a mut dyn Observer,
    start: Duration,
}

impl Observer for Shifted<'_> {
    fn stopped(&self) -> bool {
        self.observer.stopped()
    }

    fn reached(&mut self, place: Duration) {
        self.observer.reached(self.start + place);
    }
}

impl<'a> Recognition<'a> {
    /// Nothing is transcribed yet.
    ///
    /// # Errors
    /// [`RecognizerError::UnknownLanguage`]
    pub(super) fn new(
        model: &'a mut dyn Model,
        observer: &'a mut dyn Observer,
        samples: &'a [f32],
        hint: LanguageHint<'a>,
    ) -> Result<Self, RecognizerError> {
        let fixed = match hint.language {
            SpeechLanguage::Auto => None,
            SpeechLanguage::Code(code) if model.knows(code) => Some(code.as_str()),
            SpeechLanguage::Code(code) => return Err(RecognizerError::UnknownLanguage(code.clone())),
        };
        let passes = MIN_PASSES + samples.len() / SAMPLES_PER_PASS;
        Ok(Self {
            model,
            observer,
            samples,
            fixed,
            likely: hint.likely,
            languages: Vec::new(),
            latest: None,
            segments: Vec::new(),
            retried: 0,
            passes,
            missed: 0,
        })
    }

    /// Transcribes one part of the recording, in which the detector found `speech`; nothing is checked against an empty
    /// `speech`.
    pub(super) fn stretch(&mut self, range: Range<usize>, speech: &[Range<usize>]) -> Result<(), RecognizerError> {
        self.part(range, speech, 0)
    }

    /// Reports progress in the recording.
    pub(super) fn reached(&mut self, place: Duration) {
        self.observer.reached(place);
    }

    /// All that was transcribed.
    pub(super) fn finish(mut self) -> Transcription {
        self.segments.sort_by_key(|segment| segment.start);
        let main = self.main().cloned().or(self.latest);
        Transcription {
            segments: self.segments,
            language_probability: main.as_ref().filter(|_| self.fixed.is_none()).map(|detected| detected.probability),
            language: self
                .fixed
                .map(str::to_owned)
                .or(main.map(|main| main.language))
                .unwrap_or_else(|| "en".to_owned()),
            retried_windows: self.retried,
            missed_speech: duration_of_samples(self.missed),
        }
    }

    /// Transcribes a part of the recording, `depth` holes deep.
    fn part(&mut self, range: Range<usize>, speech: &[Range<usize>], depth: u8) -> Result<(), RecognizerError> {
        let mut at = range.start;
        while at + MIN_REST <= range.end {
            if self.observer.stopped() {
                return Err(RecognizerError::Stopped);
            }
            let mut window = at..range.end.min(at + MAX_WINDOW);
            let is_last = window.end == range.end;
            let (mut decoded, mut language) = self.window(&window, is_last, speech, None)?;
            if self.may_change(&language)
                && let Some((end, first)) = self.change_of_language(&window, speech, &language)?
            {
                self.passes -= 1;
                // What ends in a pause goes on in no other window.
                let is_last = is_last || end < window.end;
                window.end = end;
                (decoded, language) = self.window(&window, is_last, speech, Some(first))?;
            }
            let step = decoded.resume.map_or(window.len(), |resume| samples_in(resume).min(window.len()));
            let next = at + step.max(1);
            let start = duration_of_samples(at);
            let kept = if depth > 0 { self.accepted(decoded, start) } else { kept(decoded, start) };
            let covered: Vec<Range<usize>> =
                kept.iter().map(|segment| samples_in(segment.start)..samples_in(segment.end)).collect();
            if !kept.is_empty() {
                self.count(&language, kept.iter().map(|segment| segment.end.saturating_sub(segment.start)).sum());
            }
            self.latest = Some(language);
            self.segments.extend(kept);
            for hole in coverage::holes(&(at..next), speech, &covered) {
                self.fill(hole, at, speech, depth)?;
            }
            at = next;
            self.observer.reached(duration_of_samples(at.min(self.samples.len())));
        }
        Ok(())
    }

    /// Transcribes a hole in the window that began at `from` again, as a window of its own.
    fn fill(&mut self, hole: Hole, from: usize, speech: &[Range<usize>], depth: u8) -> Result<(), RecognizerError> {
        let advances = hole.range.start > from + MIN_REST;
        if !advances || depth == MAX_DEPTH || self.passes == 0 {
            self.missed += hole.speech;
            return Ok(());
        }
        self.passes -= 1;
        self.part(hole.range, speech, depth + 1)
    }

    /// The language with most speech so far; among equals the first.
    fn main(&self) -> Option<&Detected> {
        let most = self.languages.iter().map(|spoke| spoke.time).max()?;
        self.languages.iter().find(|spoke| spoke.time == most).map(|spoke| &spoke.detected)
    }

    fn count(&mut self, detected: &Detected, time: Duration) {
        match self.languages.iter_mut().find(|spoke| spoke.detected.language == detected.language) {
            Some(spoke) => spoke.time += time,
            None => self.languages.push(Spoke { detected: detected.clone(), time }),
        }
    }

    /// Encodes a window with a context that fits, and detects the language of the `speech` in it unless it is given.
    fn encode(
        &mut self,
        window: &[f32],
        speech: Duration,
        given: Option<Detected>,
    ) -> Result<(EncoderContext, Detected), RecognizerError> {
        let fitting = EncoderContext::fitting(window.len());
        let given = given.or(self.fixed.map(Detected::given));
        if let Some(language) = given {
            self.model.encode(window, fitting)?;
            return Ok((fitting, language));
        }
        let mut whole = None;
        if window.len() < SHORT_WINDOW {
            self.model.encode(window, EncoderContext::FULL)?;
            whole = Some(self.model.detect()?);
        }
        self.model.encode(window, fitting)?;
        let mut probabilities = self.model.detect()?;
        if let Some(whole) = whole {
            probabilities = probabilities.mean(&whole);
        }
        let language = match self.main() {
            Some(main) => probabilities.after(&main.language, speech),
            None => probabilities.first(self.likely, speech),
        };
        Ok((fitting, language))
    }

    /// Whether a window in this language may hold another one too.
    fn may_change(&self, language: &Detected) -> bool {
        self.fixed.is_none() && self.passes > 0 && language.alone < MIN_CERTAIN_PROBABILITY
    }

    /// The end of the window's first language, in the middle of a pause, and that language; `None` when all utterances
    /// are in the language of the `whole` window or none is clearly in another.
    fn change_of_language(
        &mut self,
        window: &Range<usize>,
        speech: &[Range<usize>],
        whole: &Detected,
    ) -> Result<Option<(usize, Detected)>, RecognizerError> {
        let utterances = coverage::utterances(speech, window);
        let mut first: Option<Detected> = None;
        if utterances.len() < 2 {
            return Ok(None);
        }
        for utterance in utterances {
            if self.observer.stopped() {
                return Err(RecognizerError::Stopped);
            }
            let sound = &self.samples[utterance.clone()];
            self.model.encode(sound, EncoderContext::fitting(sound.len()))?;
            let length = duration_of_samples(coverage::speech_within(speech, &utterance));
            let detected = self.model.detect()?.after(&whole.language, length);
            match &first {
                Some(first) if first.language != detected.language => {
                    return Ok(Some((utterance.start, first.clone())));
                }
                Some(_) => {}
                None => first = Some(detected),
            }
        }
        Ok(first.filter(|first| first.language != whole.language).map(|first| (window.end, first)))
    }

    /// The text of a hole: nothing that is mostly guessed, and nothing that the segment before ends with already.
    fn accepted(&self, decoded: WindowText, start: Duration) -> Vec<Segment> {
        match guard::defect(&decoded) {
            Some(Defect::Loop | Defect::Improbable) => return Vec::new(),
            Some(Defect::Phrase) | None => {}
        }
        let before = self.segments.iter().rfind(|segment| segment.start <= start);
        let mut kept = kept(decoded, start);
        kept.retain(|segment| !before.is_some_and(|before| guard::ends_with(&before.text.0, &segment.text.0)));
        kept
    }

    /// The best text for one window, the `last` of its part of the recording or not, in a language that is `given` or
    /// detected.
    fn window(
        &mut self,
        range: &Range<usize>,
        last: bool,
        speech: &[Range<usize>],
        given: Option<Detected>,
    ) -> Result<(WindowText, Detected), RecognizerError> {
        let window = &self.samples[range.clone()];
        let length = if speech.is_empty() { window.len() } else { coverage::speech_within(speech, range) };
        let (fitting, language) = self.encode(window, duration_of_samples(length), given)?;
        let model = &mut *self.model;
        let mut observer = Shifted { observer: self.observer, start: duration_of_samples(range.start) };
        let mut decode = |model: &mut dyn Model, temperature: f32| {
            // The same recording always gives the same text.
            let seed = range.start as u64 ^ u64::from(temperature.to_bits()) << 32;
            model.decode(&language.language, temperature, seed, last, &mut observer)
        };

        let mut best = Attempt::of(decode(model, 0.0)?);
        // In the whole context a short sound is silent for the most part, and neither context alone tells it from silence.
        let is_short = window.len() < SHORT_WINDOW;
        let no_speech = if is_short { best.decoded.no_speech } else { 1.0 };
        let take = |decoded: WindowText| {
            let no_speech = no_speech.min(decoded.no_speech);
            Attempt::of(WindowText { no_speech, ..decoded })
        };
        if best.defect.is_none() || (guard::is_silent(&best.decoded) && !is_short) {
            return Ok((best.decoded, language));
        }
        self.retried += 1;
        if fitting < EncoderContext::FULL {
            model.encode(window, EncoderContext::FULL)?;
            let whole = take(decode(model, 0.0)?);
            if is_short {
                best.decoded.no_speech = whole.decoded.no_speech;
            }
            // Transcription twice in the same way, a repeated phrase was said twice.
            if whole.defect.is_none_or(|defect| defect == Defect::Phrase) || guard::is_silent(&whole.decoded) {
                return Ok((whole.decoded, language));
            }
            best = best.or(whole);
        }
        for temperature in TEMPERATURES {
            if best.defect.is_none_or(|defect| defect == Defect::Phrase) {
                break;
            }
            let other = take(decode(model, temperature)?);
            // By chance a word of one second becomes an annotation, which is the more probable text.
            if !(is_short && kept(other.decoded.clone(), Duration::ZERO).is_empty()) {
                best = best.or(other);
            }
        }
        Ok((best.decoded, language))
    }
}

/// A window's speech, with its times moved to `start`.
fn kept(decoded: WindowText, start: Duration) -> Vec<Segment> {
    if guard::is_silent(&decoded) {
        return Vec::new();
    }
    let looped = guard::defect(&decoded) == Some(Defect::Loop);
    let segment = |piece: Piece| {
        let text = if looped { guard::without_loop(&piece.text) } else { piece.text };
        let certainty = Certainty { mean_logprob: piece.mean_logprob, no_speech: decoded.no_speech };
        let text = annotations::spoken(&text, certainty);
        (!text.is_empty()).then(|| Segment {
            start: start + piece.start,
            end: start + piece.end,
            text: Spoken(text.to_owned()),
            mean_logprob: piece.mean_logprob,
            no_speech: decoded.no_speech,
        })
    };
    decoded.pieces.into_iter().filter_map(segment).collect()
}

/// One attempt at a window.
struct Attempt {
    decoded: WindowText,
    defect: Option<Defect>,
}

impl Attempt {
    fn of(decoded: WindowText) -> Self {
        Self { defect: guard::defect(&decoded), decoded }
    }

    /// The one with the lesser defect; among equals the more probable.
    fn or(self, other: Self) -> Self {
        let better = other.defect < self.defect
            || (other.defect == self.defect && other.decoded.mean_logprob > self.decoded.mean_logprob);
        if better { other } else { self }
    }
}

fn samples_in(time: Duration) -> usize {
    usize::try_from(time.as_millis() * u128::from(SAMPLE_RATE) / 1000).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
