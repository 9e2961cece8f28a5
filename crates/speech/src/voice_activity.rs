//! Where in a recording there is speech, and which parts are transcribed because of it.

use std::borrow::Cow;
use std::ops::Range;

use stenobot_domain::SAMPLE_RATE;

use super::{Observer, RecognizerError};

const RATE: usize = SAMPLE_RATE as usize;
/// Kept before and behind each stretch of speech: breath, soft consonants, what the detector notices late.
const MARGIN: usize = RATE * 2 / 5;
/// A longer pause, margins not counted, is skipped. A sentence may go on over a shorter one.
const MAX_PAUSE: usize = RATE * 11 / 5;
/// Longer silence at the recording's ends, margins not counted, is skipped. To skip less would save little, and shifting a
/// recording by a few hundredths of a second changes its text.
const MAX_EDGE: usize = RATE * 3 / 5;
/// Samples given to the detector at once. Each block is amplified by itself, so that a bang in one does not make the others
/// quiet, and the work can be cancelled between two.
const BLOCK: usize = 30 * RATE;
/// Blocks overlap, since the detector needs a moment to notice speech that has begun already.
const OVERLAP: usize = RATE;
/// The loudest sample of a block after amplification for the detector. It misses speech that is 30 dB quieter than usual,
/// which the recogniser understands; noise as loud as this it still recognises as noise.
const PEAK: f32 = 0.5;
/// Highest amplification of a block: 46 dB.
const MAX_GAIN: f32 = 200.0;

pub(crate) trait VoiceActivityDetector {
    /// The ranges of 16 kHz mono `samples` with speech, in order of time, without margins.
    ///
    /// # Errors
    /// [`RecognizerError::Native`] when native code fails.
    fn detect(&mut self, samples: &[f32]) -> Result<Vec<Range<usize>>, RecognizerError>;
}

/// The ranges of a recording with speech, in order of time, disjoint, without margins.
///
/// # Errors
/// [`RecognizerError::Cancelled`], or that of the detector.
pub(crate) fn find_speech(
    detector: &mut dyn VoiceActivityDetector,
    samples: &[f32],
    observer: &dyn Observer,
) -> Result<Vec<Range<usize>>, RecognizerError> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for from in (0..samples.len()).step_by(BLOCK - OVERLAP) {
        if observer.is_cancelled() {
            return Err(RecognizerError::Cancelled);
        }
        let block = &samples[from..samples.len().min(from + BLOCK)];
        found.extend(detector.detect(&amplified(block))?.into_iter().map(|range| from + range.start..from + range.end));
    }
    // The same speech is found in both of two overlapping blocks.
    found.sort_by_key(|range| range.start);
    found.dedup_by(|next, last| {
        let is_overlapping = next.start <= last.end;
        if is_overlapping {
            last.end = last.end.max(next.end);
        }
        is_overlapping
    });
    Ok(found)
}

/// Quiet sound at the usual loudness.
fn amplified(samples: &[f32]) -> Cow<'_, [f32]> {
    let peak = samples.iter().fold(0.0, |peak: f32, sample| peak.max(sample.abs()));
    if peak == 0.0 || peak >= PEAK {
        return Cow::Borrowed(samples);
    }
    let gain = (PEAK / peak).min(MAX_GAIN);
    Cow::Owned(samples.iter().map(|sample| sample * gain).collect())
}

/// The ranges to transcribe: each range of speech with its margins, joined over short pauses and to close ends.
pub(crate) fn with_margins(speech: &[Range<usize>], length: usize) -> Vec<Range<usize>> {
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

    use stenobot_domain::SpeechLanguage;

    use super::*;
    use crate::language::LanguageProbabilities;
    use crate::recognizer::WindowSegment;
    use crate::scripted::{SECOND, TestObserver, whisper, window_text};
    use crate::whisper::{EncoderContext, WindowDecoder, WindowText};
    use crate::{LanguageHint, Transcription, recording};

    /// Finds speech where a sample is over a half.
    #[derive(Default)]
    struct LoudnessDetector {
        block_lengths: Vec<usize>,
    }

    impl VoiceActivityDetector for LoudnessDetector {
        fn detect(&mut self, samples: &[f32]) -> Result<Vec<Range<usize>>, RecognizerError> {
            self.block_lengths.push(samples.len());
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

    /// Gives one word for each second of a window, from its first sample to its last.
    #[derive(Default)]
    struct WordPerSecond {
        windows: Vec<usize>,
        detections: u32,
    }

    impl WindowDecoder for WordPerSecond {
        fn encode(
            &mut self,
            samples: &[f32],
            _context: EncoderContext,
            _observer: &dyn Observer,
        ) -> Result<(), RecognizerError> {
            self.windows.push(samples.len());
            Ok(())
        }

        fn language_probabilities_of(
            &mut self,
            _part: &Range<usize>,
        ) -> Result<Option<LanguageProbabilities>, RecognizerError> {
            Ok(None)
        }

        fn language_probabilities(&mut self) -> Result<LanguageProbabilities, RecognizerError> {
            self.detections += 1;
            Ok(LanguageProbabilities::from_weights([("ru", 0.99), ("en", 0.01)]))
        }

        fn decode(
            &mut self,
            _language: &str,
            _temperature: f32,
            _seed: u64,
            _is_last: bool,
            observer: &mut dyn Observer,
        ) -> Result<WindowText, RecognizerError> {
            let seconds = self.windows.last().unwrap() / SECOND;
            observer.on_progress(Duration::from_secs(seconds as u64));
            let segments = (0..seconds as u64).map(|second| WindowSegment {
                start: Duration::from_secs(second),
                end: Duration::from_secs(second + 1),
                text: format!(" word {second}"),
                doubts: Vec::new(),
                mean_logprob: -0.2,
            });
            Ok(WindowText { segments: segments.collect(), ..window_text("") })
        }
    }

    /// Silence with speech in these tenths of seconds.
    fn sound(seconds: usize, speech: &[Range<usize>]) -> Vec<f32> {
        let mut samples = vec![0.0; seconds * SECOND];
        for tenths in speech {
            samples[tenths.start * SECOND / 10..tenths.end * SECOND / 10].fill(0.6);
        }
        samples
    }

    fn transcribe(
        samples: &[f32],
        language: &SpeechLanguage,
        observer: &mut TestObserver,
    ) -> (Result<Transcription, RecognizerError>, WordPerSecond) {
        let mut decoder = WordPerSecond::default();
        let result = find_speech(&mut LoudnessDetector::default(), samples, observer).and_then(|speech| {
            let hint = LanguageHint::new(language);
            recording::transcribe(&mut whisper(&mut decoder), samples, Some(&speech), hint, observer)
        });
        (result, decoder)
    }

    fn english() -> SpeechLanguage {
        SpeechLanguage::Code("en".to_owned())
    }

    fn tenths(time: Duration) -> u128 {
        time.as_millis() / 100
    }

    #[test]
    fn without_speech_the_recogniser_is_not_called() {
        let mut observer = TestObserver::default();
        let (transcription, decoder) = transcribe(&sound(70, &[]), &english(), &mut observer);
        let transcription = transcription.unwrap();
        assert_eq!((transcription.segments, transcription.language.as_str()), (vec![], "en"));
        assert!(decoder.windows.is_empty());
        assert_eq!(observer.positions, [Duration::from_secs(70)]);
    }

    #[test]
    fn silence_is_skipped_and_times_are_those_of_the_recording() {
        // 4.6 to 7.4 s and 19.6 to 21.4 s are transcribed.
        let mut observer = TestObserver::default();
        let (transcription, decoder) = transcribe(&sound(30, &[50..70, 200..210]), &english(), &mut observer);
        assert_eq!(decoder.windows, [28 * SECOND / 10, 18 * SECOND / 10]);
        let transcription = transcription.unwrap();
        let times: Vec<_> = transcription.segments.iter().map(|s| (tenths(s.start), tenths(s.end))).collect();
        assert_eq!(times, [(46, 56), (56, 66), (196, 206)]);
        assert_eq!(observer.segments, transcription.segments, "each is reported");
        let speech: Vec<_> =
            transcription.speech.iter().map(|found| (tenths(found.start), tenths(found.end))).collect();
        assert_eq!(speech, [(50, 70), (200, 210)]);
        assert_eq!(observer.positions.last(), Some(&Duration::from_secs(30)));
        assert!(observer.positions.is_sorted(), "{:?}", observer.positions);
    }

    #[test]
    fn the_language_is_detected_in_each_stretch() {
        let (transcription, decoder) =
            transcribe(&sound(30, &[50..70, 200..210]), &SpeechLanguage::Auto, &mut TestObserver::default());
        let transcription = transcription.unwrap();
        assert_eq!((transcription.language.as_str(), transcription.language_probability), ("ru", Some(0.99)));
        // The second stretch is short: it is encoded with two contexts.
        assert_eq!((decoder.detections, decoder.windows.len()), (3, 3));
    }

    #[test]
    fn short_pauses_are_transcribed() {
        let sample = |second: f32| (second * RATE as f32).round() as usize;
        let ranges = |speech: &[(f32, f32)]| {
            let speech: Vec<_> = speech.iter().map(|&(start, end)| sample(start)..sample(end)).collect();
            let ranges = with_margins(&speech, sample(20.0));
            ranges.into_iter().map(|range| (range.start, range.end)).collect::<Vec<_>>()
        };
        assert_eq!(ranges(&[(1.0, 2.0), (4.9, 19.0)]), [(0, sample(20.0))]);
        assert_eq!(ranges(&[(1.5, 2.0), (5.1, 6.0)]), [(sample(1.1), sample(2.4)), (sample(4.7), sample(6.4))]);
        assert_eq!(ranges(&[(2.0, 4.0), (3.0, 3.5)]), [(sample(1.6), sample(4.4))]);
    }

    #[test]
    fn a_long_recording_is_detected_in_blocks_and_quiet_speech_is_amplified() {
        let mut detector = LoudnessDetector::default();
        let mut samples = sound(70, &[]);
        samples[69 * SECOND..].fill(0.01);
        let speech = find_speech(&mut detector, &samples, &TestObserver::default()).unwrap();
        assert_eq!(detector.block_lengths, [BLOCK, BLOCK, 12 * SECOND]);
        assert_eq!((speech.len(), &speech[0]), (1, &(69 * SECOND..70 * SECOND)));
    }

    #[test]
    fn it_is_cancelled_before_a_block() {
        let mut observer = TestObserver { cancel_after: Some(0), ..TestObserver::default() };
        assert_eq!(transcribe(&sound(3, &[]), &english(), &mut observer).0, Err(RecognizerError::Cancelled));
    }
}
