//! Listening to the speech in a recording and to nothing else.

use std::borrow::Cow;
use std::ops::Range;

use stenobot_domain::{SAMPLE_RATE, duration_of_samples};

use super::recording::Recognition;
use super::{LanguageHint, Model, Observer, RecognizerError, Transcription};

const RATE: usize = SAMPLE_RATE as usize;
/// Kept before and behind each stretch of speech: breath, soft consonants, what the detector notices late.
const MARGIN: usize = RATE * 2 / 5;
/// A pause that is longer than this, margins not counted, is left out. Over shorter ones a sentence may go on.
const MAX_PAUSE: usize = RATE * 11 / 5;
/// Silence at the recording's ends that is longer than this, margins not counted, is left out. To take less would save
/// little, and the model hears a message differently when it is moved by a few hundredths of a second.
const MAX_EDGE: usize = RATE * 3 / 5;
/// Samples given to the detector at once, each block as loud as the others: between two the work can be stopped, and a
/// bang in one does not make the others quiet.
const BLOCK: usize = 30 * RATE;
/// Blocks overlap, since the detector needs a moment to notice that somebody speaks already.
const OVERLAP: usize = RATE;
/// The loudest sample of a block for the detector. It does not know speech that is 30 dB quieter than usual, which the
/// recogniser understands; noise as loud as this it still knows for noise.
const PEAK: f32 = 0.5;
/// Most a block is amplified: 46 dB.
const MAX_GAIN: f32 = 200.0;

/// Finds where somebody speaks.
pub trait Detector {
    /// The stretches of 16 kHz mono `samples` in which somebody speaks, in order of time, without margins.
    ///
    /// # Errors
    /// [`RecognizerError::Native`] when the native engine fails.
    fn speech(&mut self, samples: &[f32]) -> Result<Vec<Range<usize>>, RecognizerError>;
}

/// Like [`transcribe_recording`], to each stretch that `detector` finds: long silence before, behind and between them is not transcription,
/// and no segment reaches over it. Where nobody speaks the model is not asked at all.
///
/// # Errors
/// Those of [`transcribe_recording`] and of [`Detector::speech`].
pub fn transcribe_speech(
    model: &mut dyn Model,
    detector: &mut dyn Detector,
    samples: &[f32],
    hint: LanguageHint<'_>,
    observer: &mut dyn Observer,
) -> Result<Transcription, RecognizerError> {
    let speech = find(detector, samples, observer)?;
    let mut recognition = Recognition::new(model, observer, samples, hint)?;
    for stretch in around(&speech, samples.len()) {
        recognition.stretch(stretch, &speech)?;
    }
    recognition.reached(duration_of_samples(samples.len()));
    Ok(recognition.finish())
}

/// Where in a recording the detector finds speech: ranges of its samples, in order, apart from each other.
fn find(
    detector: &mut dyn Detector,
    samples: &[f32],
    observer: &dyn Observer,
) -> Result<Vec<Range<usize>>, RecognizerError> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for from in (0..samples.len()).step_by(BLOCK - OVERLAP) {
        if observer.stopped() {
            return Err(RecognizerError::Stopped);
        }
        let block = &samples[from..samples.len().min(from + BLOCK)];
        found.extend(detector.speech(&audible(block))?.into_iter().map(|range| from + range.start..from + range.end));
    }
    // Of overlapping blocks the same speech comes twice.
    found.sort_by_key(|range| range.start);
    found.dedup_by(|next, last| {
        let same = next.start <= last.end;
        if same {
            last.end = last.end.max(next.end);
        }
        same
    });
    Ok(found)
}

/// Quiet sound made as loud as usual.
fn audible(samples: &[f32]) -> Cow<'_, [f32]> {
    let peak = samples.iter().fold(0.0, |peak: f32, sample| peak.max(sample.abs()));
    if peak == 0.0 || peak >= PEAK {
        return Cow::Borrowed(samples);
    }
    let gain = (PEAK / peak).min(MAX_GAIN);
    Cow::Owned(samples.iter().map(|sample| sample * gain).collect())
}

/// Gives each stretch of speech its margins and joins those that no long pause separates, and the ends likewise.
fn around(speech: &[Range<usize>], length: usize) -> Vec<Range<usize>> {
    let mut kept: Vec<Range<usize>> = Vec::new();
    for stretch in speech {
        let (start, end) = (stretch.start.saturating_sub(MARGIN), (stretch.end + MARGIN).min(length));
        match kept.last_mut() {
            Some(last) if start <= last.end + MAX_PAUSE => last.end = last.end.max(end),
            _ => kept.push(start..end),
        }
    }
    if let Some(first) = kept.first_mut().filter(|first| first.start <= MAX_EDGE) {
        first.start = 0;
    }
    if let Some(last) = kept.last_mut().filter(|last| last.end + MAX_EDGE >= length) {
        last.end = length;
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use stenobot_domain::ModelFacts;
    use stenobot_domain::SpeechLanguage;

    use super::*;
    use crate::{EncoderContext, End, LanguageProbabilities, Piece, WindowText};

    const SECOND: usize = RATE;

    /// Finds speech where a sample is over a half.
    struct LoudnessDetector {
        asked: Vec<usize>,
    }

    impl Detector for LoudnessDetector {
        fn speech(&mut self, samples: &[f32]) -> Result<Vec<Range<usize>>, RecognizerError> {
            self.asked.push(samples.len());
            let mut found: Vec<Range<usize>> = Vec::new();
            for at in (0..samples.len()).filter(|&at| samples[at] > 0.45) {
                match found.last_mut() {
                    Some(last) if last.end == at => last.end = at + 1,
                    _ => found.push(at..at + 1),
                }
            }
            Ok(found)
        }
    }

    /// Hears one word for each second, from its first sample to its last.
    #[derive(Default)]
    struct Counter {
        windows: Vec<usize>,
        detected: u32,
    }

    impl Model for Counter {
        fn facts(&self) -> ModelFacts {
            unreachable!("nobody asks")
        }

        fn knows(&self, _language: &str) -> bool {
            true
        }

        fn encode(&mut self, window: &[f32], _positions: EncoderContext) -> Result<(), RecognizerError> {
            self.windows.push(window.len());
            Ok(())
        }

        fn detect(&mut self) -> Result<LanguageProbabilities, RecognizerError> {
            self.detected += 1;
            Ok(LanguageProbabilities::from_weights([("ru", 0.99), ("en", 0.01)]))
        }

        fn decode(
            &mut self,
            _language: &str,
            _temperature: f32,
            _seed: u64,
            _last: bool,
            observer: &mut dyn Observer,
        ) -> Result<WindowText, RecognizerError> {
            let seconds = self.windows.last().unwrap() / SECOND;
            observer.reached(Duration::from_secs(seconds as u64));
            let pieces = (0..seconds as u64).map(|second| Piece {
                start: Duration::from_secs(second),
                end: Duration::from_secs(second + 1),
                text: format!(" word {second}"),
                mean_logprob: -0.2,
            });
            Ok(WindowText {
                pieces: pieces.collect(),
                resume: None,
                mean_logprob: -0.2,
                no_speech: 0.1,
                end: End::Text,
            })
        }
    }

    #[derive(Default)]
    struct TestObserver {
        places: Vec<Duration>,
        stopped: bool,
    }

    impl Observer for TestObserver {
        fn stopped(&self) -> bool {
            self.stopped
        }

        fn reached(&mut self, place: Duration) {
            self.places.push(place);
        }
    }

    /// Silence with somebody speaking in these tenths of seconds.
    fn recording(seconds: usize, speech: &[Range<usize>]) -> Vec<f32> {
        let mut samples = vec![0.0; seconds * SECOND];
        for tenths in speech {
            samples[tenths.start * SECOND / 10..tenths.end * SECOND / 10].fill(0.6);
        }
        samples
    }

    fn transcribe(
        samples: &[f32],
        observer: &mut TestObserver,
    ) -> (Result<Transcription, RecognizerError>, Vec<usize>) {
        let mut model = Counter::default();
        let mut detector = LoudnessDetector { asked: Vec::new() };
        let language = SpeechLanguage::Code("en".to_owned());
        (transcribe_speech(&mut model, &mut detector, samples, LanguageHint::new(&language), observer), model.windows)
    }

    fn tenths(time: Duration) -> u128 {
        time.as_millis() / 100
    }

    #[test]
    fn where_nobody_speaks_the_model_is_not_asked() {
        let mut observer = TestObserver::default();
        let (transcription, windows) = transcribe(&recording(70, &[]), &mut observer);
        let transcription = transcription.unwrap();
        assert_eq!((transcription.segments, transcription.language.as_str(), windows), (vec![], "en", vec![]));
        assert_eq!(observer.places, [Duration::from_secs(70)]);
    }

    #[test]
    fn silence_is_left_out_and_times_are_those_of_the_recording() {
        // 4.6 to 7.4 s and 19.6 to 21.4 s are transcription.
        let mut observer = TestObserver::default();
        let (transcription, windows) = transcribe(&recording(30, &[50..70, 200..210]), &mut observer);
        assert_eq!(windows, [28 * SECOND / 10, 18 * SECOND / 10]);
        let times: Vec<_> = transcription.unwrap().segments.iter().map(|s| (tenths(s.start), tenths(s.end))).collect();
        assert_eq!(times, [(46, 56), (56, 66), (196, 206)]);
        assert_eq!(observer.places.last(), Some(&Duration::from_secs(30)));
        assert!(observer.places.is_sorted(), "{:?}", observer.places);
    }

    #[test]
    fn the_language_is_detected_in_each_stretch() {
        let mut model = Counter::default();
        let samples = recording(30, &[50..70, 200..210]);
        let (detector, observer) = (&mut LoudnessDetector { asked: Vec::new() }, &mut TestObserver::default());
        let hint = LanguageHint::new(&SpeechLanguage::Auto);
        let transcription = transcribe_speech(&mut model, detector, &samples, hint, observer).unwrap();
        assert_eq!((transcription.language.as_str(), transcription.language_probability), ("ru", Some(0.99)));
        // The second stretch is short: it is encoded with two contexts.
        assert_eq!((model.detected, model.windows.len()), (3, 3));
    }

    #[test]
    fn short_pauses_stay() {
        let second = |second: f32| (second * RATE as f32).round() as usize;
        let kept = |stretches: &[(f32, f32)]| {
            let ranges: Vec<_> = stretches.iter().map(|&(start, end)| second(start)..second(end)).collect();
            around(&ranges, second(20.0)).into_iter().map(|range| (range.start, range.end)).collect::<Vec<_>>()
        };
        assert_eq!(kept(&[(1.0, 2.0), (4.9, 19.0)]), [(0, second(20.0))]);
        assert_eq!(kept(&[(1.5, 2.0), (5.1, 6.0)]), [(second(1.1), second(2.4)), (second(4.7), second(6.4))]);
        // Of overlapping blocks the same stretch comes twice.
        assert_eq!(kept(&[(2.0, 4.0), (3.0, 3.5)]), [(second(1.6), second(4.4))]);
    }

    #[test]
    fn the_detector_hears_all_of_a_long_recording_in_blocks_and_quiet_speech_amplified() {
        let mut detector = LoudnessDetector { asked: Vec::new() };
        let mut samples = recording(70, &[]);
        samples[69 * SECOND..].fill(0.01);
        let speech = find(&mut detector, &samples, &TestObserver::default()).unwrap();
        assert_eq!(detector.asked, [BLOCK, BLOCK, 12 * SECOND]);
        assert_eq!((speech.len(), &speech[0]), (1, &(69 * SECOND..70 * SECOND)));
    }

    #[test]
    fn it_can_be_stopped() {
        let mut observer = TestObserver { stopped: true, ..TestObserver::default() };
        assert_eq!(transcribe(&recording(3, &[]), &mut observer).0, Err(RecognizerError::Stopped));
    }
}
