//! From a whole recording to segments, window by window.

use std::ops::Range;
use std::time::Duration;

use stenobot_domain::{SAMPLE_RATE, Segment, SpeechLanguage, Spoken, duration_of_samples};

use super::coverage::{self, Hole};
use super::language::{DetectedLanguage, LanguageChoice, Prior};
use super::recognizer::{Recognizer, Window, WindowSegment, WindowTranscript};
use super::words::ends_with;
use super::{LanguageHint, Observer, RecognizerError, voice_activity};

/// A rest shorter than this, in samples, holds no intelligible sound.
const MIN_REST: usize = SAMPLE_RATE as usize / 10;
/// Where there is more, a window ends in a pause between these lengths, in samples. Encoder and decoder take longer over each
/// second of a longer window, and a text that a window's end cuts is recognised twice.
const WINDOW_LENGTHS: Range<usize> = 10 * SAMPLE_RATE as usize..16 * SAMPLE_RATE as usize;
/// Levels of holes within holes that are transcribed again.
const MAX_DEPTH: u8 = 3;
/// A window whose language is less probable than this is searched for another one. Of recordings in one language a third
/// are; of two languages joined, all whose languages can be detected.
const MIN_CERTAIN_PROBABILITY: f32 = 0.985;
/// An utterance whose estimated probability of its window's language is less may be in another one. Of utterances in another
/// language it is 0.013 at most, of 69 in the same it is less for three.
const MIN_ESTIMATED_PROBABILITY: f32 = 0.5;
/// Windows of a recording that are split by language and holes that are transcribed again: so many at most,
const MIN_PASSES: usize = 4;
/// and one more for each stretch of this many samples.
const SAMPLES_PER_PASS: usize = 5 * SAMPLE_RATE as usize;

/// The text of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcription {
    /// In order of time; empty without speech.
    pub segments: Vec<Segment>,
    /// Given, or the detected one with most speech.
    pub language: String,
    /// Of the language, when it was detected.
    pub language_probability: Option<f32>,
    /// Windows that were decoded more than once.
    pub retried_windows: u32,
    /// Speech that was detected and that no segment covers, holes of at most 1.5 s not counted.
    pub missed_speech: Duration,
    /// Where speech was detected, in order of time, without margins; empty without a detector.
    pub speech: Vec<Range<Duration>>,
    /// Whether no other prior would have led to another language anywhere in it.
    pub is_sender_independent: bool,
}

/// Transcribes 16 kHz mono `samples`: the ranges of detected `speech` with margins, or everything where nothing was looked
/// for. Silence between the ranges is skipped, and no segment reaches over it.
///
/// # Errors
/// [`RecognizerError::UnknownLanguage`], [`RecognizerError::Cancelled`] or [`RecognizerError::Native`].
pub(crate) fn transcribe(
    recognizer: &mut dyn Recognizer,
    samples: &[f32],
    speech: Option<&[Range<usize>]>,
    hint: LanguageHint<'_>,
    observer: &mut dyn Observer,
) -> Result<Transcription, RecognizerError> {
    let mut recording = Recording::new(recognizer, observer, samples, hint)?;
    match speech {
        None => recording.transcribe_range(0..samples.len(), &[], 0)?,
        Some(speech) => {
            for stretch in voice_activity::with_margins(speech, samples.len()) {
                recording.transcribe_range(stretch, speech, 0)?;
            }
            recording.observer.on_progress(duration_of_samples(samples.len()));
        }
    }
    let found = speech.unwrap_or_default().iter();
    let speech = found.map(|range| duration_of_samples(range.start)..duration_of_samples(range.end)).collect();
    Ok(Transcription { speech, ..recording.finish() })
}

/// One recording in progress. Ranges are in samples of the recording.
struct Recording<'a> {
    recognizer: &'a mut dyn Recognizer,
    observer: &'a mut dyn Observer,
    samples: &'a [f32],
    /// The language that was given.
    fixed: Option<&'a str>,
    prior: Prior<'a>,
    /// In order of their first segment.
    languages: Vec<LanguageShare>,
    /// That of the latest window, with text or without.
    latest: Option<DetectedLanguage>,
    segments: Vec<Segment>,
    retried_windows: u32,
    /// Windows that may still be split and holes that may still be transcribed again.
    passes: usize,
    missed_samples: usize,
    /// Whether every language that was detected is the same with any prior.
    is_certain: bool,
}

/// A language with the duration of its segments so far.
struct LanguageShare {
    detected: DetectedLanguage,
    duration: Duration,
}

/// Shifts positions in a window to positions in the recording.
struct WindowObserver<'a> {
    observer: &'a mut dyn Observer,
    start: Duration,
}

impl Observer for WindowObserver<'_> {
    fn is_cancelled(&self) -> bool {
        self.observer.is_cancelled()
    }

    fn on_progress(&mut self, position: Duration) {
        self.observer.on_progress(self.start + position);
    }
}

impl<'a> Recording<'a> {
    /// # Errors
    /// [`RecognizerError::UnknownLanguage`]
    fn new(
        recognizer: &'a mut dyn Recognizer,
        observer: &'a mut dyn Observer,
        samples: &'a [f32],
        hint: LanguageHint<'a>,
    ) -> Result<Self, RecognizerError> {
        let fixed = match hint.language {
            SpeechLanguage::Auto | SpeechLanguage::Several(_) => None,
            SpeechLanguage::Code(code) if recognizer.facts().languages.contains(&code.as_str()) => Some(code.as_str()),
            SpeechLanguage::Code(code) => return Err(RecognizerError::UnknownLanguage(code.clone())),
        };
        Ok(Self {
            recognizer,
            observer,
            samples,
            fixed,
            prior: Prior::of(hint),
            languages: Vec::new(),
            latest: None,
            segments: Vec::new(),
            retried_windows: 0,
            passes: MIN_PASSES + samples.len() / SAMPLES_PER_PASS,
            missed_samples: 0,
            is_certain: true,
        })
    }

    fn finish(mut self) -> Transcription {
        self.segments.sort_by_key(|segment| segment.start);
        let main = self.main_language().cloned().or(self.latest);
        Transcription {
            segments: self.segments,
            language_probability: main.as_ref().filter(|_| self.fixed.is_none()).map(|detected| detected.probability),
            language: self.fixed.map(str::to_owned).or(main.map(|main| main.code)).unwrap_or_else(|| "en".to_owned()),
            retried_windows: self.retried_windows,
            missed_speech: duration_of_samples(self.missed_samples),
            speech: Vec::new(),
            is_sender_independent: self.is_certain,
        }
    }

    /// Transcribes a part of the recording, `depth` holes deep, in which the detector found `speech`; where that is empty,
    /// no coverage is checked. The next window begins where the model closed its last segment; no text is carried over,
    /// since one wrong word would lead to the next.
    fn transcribe_range(
        &mut self,
        range: Range<usize>,
        speech: &[Range<usize>],
        depth: u8,
    ) -> Result<(), RecognizerError> {
        let max_window = self.recognizer.facts().max_window;
        let mut at = range.start;
        while at + MIN_REST <= range.end {
            if self.observer.is_cancelled() {
                return Err(RecognizerError::Cancelled);
            }
            let mut window = at..range.end.min(at + max_window);
            let is_long = range.end - at > WINDOW_LENGTHS.end;
            if let Some(pause) = coverage::window_end(at, WINDOW_LENGTHS, speech).filter(|_| is_long) {
                window.end = pause;
            }
            // A window that ends in a pause has no text that the next one completes.
            let is_last = window.end == range.end || window.end < at + max_window;
            let mut transcript = self.transcribe_window(&window, is_last, speech, None)?;
            if self.may_change_language(&transcript.language)
                && let Some((end, first)) = self.find_language_change(&window, speech, &transcript.language)?
            {
                self.passes -= 1;
                let is_last = is_last || end < window.end;
                window.end = end;
                transcript = self.transcribe_window(&window, is_last, speech, Some(first))?;
            }
            let step = transcript.next_window.map_or(window.len(), |next| samples_in(next).min(window.len()));
            let next = at + step.max(1);
            let start = duration_of_samples(at);
            let segments = if depth > 0 {
                self.accept_in_hole(&transcript, start, speech)
            } else {
                spoken_segments(&transcript, start, speech)
            };
            let covered: Vec<Range<usize>> =
                segments.iter().map(|segment| samples_in(segment.start)..samples_in(segment.end)).collect();
            if !segments.is_empty() {
                let duration = segments.iter().map(|segment| segment.end.saturating_sub(segment.start)).sum();
                self.count_language(&transcript.language, duration);
                let main = self.fixed.or_else(|| Some(self.main_language()?.code.as_str()));
                let language = main.unwrap_or_default().to_owned();
                self.observer.on_segments(&segments, &language);
            }
            self.latest = Some(transcript.language);
            self.segments.extend(segments);
            for hole in coverage::holes(&(at..next), speech, &covered) {
                self.fill_hole(hole, at, speech, depth)?;
            }
            at = next;
            self.observer.on_progress(duration_of_samples(at.min(self.samples.len())));
        }
        Ok(())
    }

    /// Transcribes a hole in the window that began at `from` again, as a window of its own.
    fn fill_hole(
        &mut self,
        hole: Hole,
        from: usize,
        speech: &[Range<usize>],
        depth: u8,
    ) -> Result<(), RecognizerError> {
        let is_later = hole.range.start > from + MIN_REST;
        if !is_later || depth == MAX_DEPTH || self.passes == 0 {
            self.missed_samples += hole.speech;
            return Ok(());
        }
        self.passes -= 1;
        self.transcribe_range(hole.range, speech, depth + 1)
    }

    /// Transcribes one window, the last of its range or not, in a language that is `given`, fixed or detected.
    fn transcribe_window(
        &mut self,
        range: &Range<usize>,
        is_last: bool,
        speech: &[Range<usize>],
        given: Option<DetectedLanguage>,
    ) -> Result<WindowTranscript, RecognizerError> {
        let samples = self.samples;
        let speech_samples = if speech.is_empty() { range.len() } else { coverage::speech_within(speech, range) };
        let speech = duration_of_samples(speech_samples);
        let current = self.main_language().map(|main| main.code.clone());
        let choice = match (given.as_ref().map(|given| given.code.as_str()).or(self.fixed), &current) {
            (Some(code), _) => LanguageChoice::Given(code),
            (None, Some(current)) => LanguageChoice::Later { prior: self.prior, current, speech },
            (None, None) => LanguageChoice::First { prior: self.prior, speech },
        };
        let window = Window { samples: &samples[range.clone()], start: range.start, is_last };
        let mut observer = WindowObserver { observer: self.observer, start: duration_of_samples(range.start) };
        let transcript = self.recognizer.transcribe(window, &choice, &mut observer)?;
        self.retried_windows += u32::from(transcript.is_retried);
        self.is_certain &= transcript.language.is_certain;
        Ok(match given {
            Some(language) => WindowTranscript { language, ..transcript },
            None => transcript,
        })
    }

    /// The language with most speech so far; among equals the first.
    fn main_language(&self) -> Option<&DetectedLanguage> {
        let longest = self.languages.iter().map(|share| share.duration).max()?;
        self.languages.iter().find(|share| share.duration == longest).map(|share| &share.detected)
    }

    fn count_language(&mut self, detected: &DetectedLanguage, duration: Duration) {
        match self.languages.iter_mut().find(|share| share.detected.code == detected.code) {
            Some(share) => share.duration += duration,
            None => self.languages.push(LanguageShare { detected: detected.clone(), duration }),
        }
    }

    /// Whether a window in this language may hold another one too.
    fn may_change_language(&self, language: &DetectedLanguage) -> bool {
        self.fixed.is_none() && self.passes > 0 && language.model_probability < MIN_CERTAIN_PROBABILITY
    }

    /// The end of the window's first language, in the middle of a pause, and that language; `None` when all utterances
    /// are in the language of the `whole` window or none is clearly in another.
    fn find_language_change(
        &mut self,
        window: &Range<usize>,
        speech: &[Range<usize>],
        whole: &DetectedLanguage,
    ) -> Result<Option<(usize, DetectedLanguage)>, RecognizerError> {
        let utterances = coverage::utterances(speech, window);
        let mut first: Option<DetectedLanguage> = None;
        if utterances.len() < 2 || self.is_in_one_language(&utterances, window, &whole.code)? {
            return Ok(None);
        }
        for utterance in utterances {
            if self.observer.is_cancelled() {
                return Err(RecognizerError::Cancelled);
            }
            let speech = duration_of_samples(coverage::speech_within(speech, &utterance));
            let choice = LanguageChoice::Later { prior: self.prior, current: &whole.code, speech };
            let samples = &self.samples[utterance.clone()];
            let detected = self.recognizer.detect_language(samples, &choice, self.observer)?;
            self.is_certain &= detected.is_certain;
            match &first {
                Some(first) if first.code != detected.code => return Ok(Some((utterance.start, first.clone()))),
                Some(_) => {}
                None => first = Some(detected),
            }
        }
        Ok(first.filter(|first| first.code != whole.code).map(|first| (window.end, first)))
    }

    /// Whether the recogniser estimates that all utterances of the `window` that it has just transcribed are in its language,
    /// which spares encoding each of them.
    fn is_in_one_language(
        &mut self,
        utterances: &[Range<usize>],
        window: &Range<usize>,
        code: &str,
    ) -> Result<bool, RecognizerError> {
        for utterance in utterances {
            let part = utterance.start - window.start..utterance.end - window.start;
            let estimate = self.recognizer.estimate_language(&part, code)?;
            if estimate.is_none_or(|probability| probability < MIN_ESTIMATED_PROBABILITY) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The text of a hole: nothing doubtful, and nothing that the segment before ends with already.
    fn accept_in_hole(&self, transcript: &WindowTranscript, start: Duration, speech: &[Range<usize>]) -> Vec<Segment> {
        if transcript.is_doubtful {
            return Vec::new();
        }
        let before = self.segments.iter().rfind(|segment| segment.start <= start);
        let mut segments = spoken_segments(transcript, start, speech);
        segments.retain(|segment| !before.is_some_and(|before| ends_with(&before.text.0, &segment.text.0)));
        segments
    }
}

/// The segments of a window that are speech, with their times shifted by `start`; `speech` is empty without a detector.
fn spoken_segments(transcript: &WindowTranscript, start: Duration, speech: &[Range<usize>]) -> Vec<Segment> {
    let no_speech = transcript.no_speech;
    let detected = |segment: &WindowSegment| {
        let range = samples_in(start + segment.start)..samples_in(start + segment.end);
        (!speech.is_empty()).then(|| duration_of_samples(coverage::speech_within(speech, &range)))
    };
    let segments = transcript.segments.iter().filter_map(|segment| {
        let text = segment.spoken_text(&transcript.language.code, no_speech, detected(segment));
        (!text.is_empty()).then(|| Segment {
            start: start + segment.start,
            end: start + segment.end,
            text: Spoken(text.to_owned()),
            doubts: segment.doubts_in(text),
            mean_logprob: segment.mean_logprob,
            no_speech,
        })
    });
    segments.collect()
}

fn samples_in(duration: Duration) -> usize {
    usize::try_from(duration.as_millis() * u128::from(SAMPLE_RATE) / 1000).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
