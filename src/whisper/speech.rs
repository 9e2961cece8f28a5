//! Listening to the speech in a recording and to nothing else.

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use super::{Heard, Model, ModelError, Watch, listen};
use crate::model::{SAMPLE_RATE, SpeechLanguage, duration_of_samples};

const RATE: usize = SAMPLE_RATE as usize;
/// Kept before and behind each stretch of speech: breath, soft consonants, what the detector notices late.
const MARGIN: usize = RATE * 2 / 5;
/// A pause that is longer than this, margins not counted, is cut out. Shorter ones tell sentences apart.
const LONGEST_PAUSE: usize = RATE * 3 / 2;
/// Silence at the recording's ends that is longer than this, margins not counted, is cut off. To take less would save
/// little, and the model hears a message differently when it is moved by a few hundredths of a second.
const LONGEST_EDGE: usize = RATE * 3 / 5;
/// Samples given to the detector at once, each block as loud as the others: between two the work can be stopped, and a
/// bang in one does not make the others quiet.
const BLOCK: usize = 30 * RATE;
/// Blocks overlap, since the detector needs a moment to notice that somebody speaks already.
const OVERLAP: usize = RATE;
/// The loudest sample of a block for the detector. It does not know speech that is 30 dB quieter than usual, which the
/// recogniser understands; noise as loud as this it still knows for noise.
const PEAK: f32 = 0.5;
/// Most a block is amplified: 46 dB.
const MOST_GAIN: f32 = 200.0;

/// Finds where somebody speaks.
pub trait Detector {
    /// The stretches of 16 kHz mono `samples` in which somebody speaks, in order of time, without margins.
    ///
    /// # Errors
    /// [`ModelError::Native`] when the native engine fails.
    fn speech(&mut self, samples: &[f32]) -> Result<Vec<Range<usize>>, ModelError>;
}

/// Like [`listen`], to the stretches that `detector` finds: silence before, behind and between them is not heard, times
/// are those of the whole recording. Where nobody speaks the model is not asked at all.
///
/// # Errors
/// Those of [`listen`] and of [`Detector::speech`].
pub fn listen_to_speech(
    model: &mut dyn Model,
    detector: &mut dyn Detector,
    samples: &[f32],
    language: &SpeechLanguage,
    watch: &mut dyn Watch,
) -> Result<Heard, ModelError> {
    let speech = Speech::find(detector, samples, watch)?;
    let mut heard = listen(model, &speech.cut_from(samples), language, &mut Stretched { watch, speech: &speech })?;
    for segment in &mut heard.segments {
        segment.start = speech.start_of(segment.start);
        segment.end = speech.end_of(segment.end).max(segment.start);
    }
    watch.reached(duration_of_samples(samples.len()));
    Ok(heard)
}

/// Quiet sound made as loud as usual.
fn audible(samples: &[f32]) -> Cow<'_, [f32]> {
    let peak = samples.iter().fold(0.0, |peak: f32, sample| peak.max(sample.abs()));
    if peak == 0.0 || peak >= PEAK {
        return Cow::Borrowed(samples);
    }
    let gain = (PEAK / peak).min(MOST_GAIN);
    Cow::Owned(samples.iter().map(|sample| sample * gain).collect())
}

/// What is kept of a recording: ranges of its samples, in order, apart from each other.
#[derive(Debug, PartialEq, Eq)]
struct Speech(Vec<Range<usize>>);

impl Speech {
    fn find(detector: &mut dyn Detector, samples: &[f32], watch: &dyn Watch) -> Result<Self, ModelError> {
        let mut found = Vec::new();
        for from in (0..samples.len()).step_by(BLOCK - OVERLAP) {
            if watch.stopped() {
                return Err(ModelError::Stopped);
            }
            let block = &samples[from..samples.len().min(from + BLOCK)];
            found.extend(
                detector.speech(&audible(block))?.into_iter().map(|range| from + range.start..from + range.end),
            );
        }
        Ok(Self::around(found, samples.len()))
    }

    /// Gives each stretch its margins and joins those that no long pause separates, and the ends likewise.
    fn around(stretches: Vec<Range<usize>>, length: usize) -> Self {
        let mut kept: Vec<Range<usize>> = Vec::new();
        for stretch in stretches {
            let (start, end) = (stretch.start.saturating_sub(MARGIN), (stretch.end + MARGIN).min(length));
            match kept.last_mut() {
                Some(last) if start <= last.end + LONGEST_PAUSE => last.end = last.end.max(end),
                _ => kept.push(start..end),
            }
        }
        if let Some(first) = kept.first_mut().filter(|first| first.start <= LONGEST_EDGE) {
            first.start = 0;
        }
        if let Some(last) = kept.last_mut().filter(|last| last.end + LONGEST_EDGE >= length) {
            last.end = length;
        }
        Self(kept)
    }

    fn cut_from<'a>(&self, samples: &'a [f32]) -> Cow<'a, [f32]> {
        match self.0.as_slice() {
            [] => Cow::Borrowed(&[]),
            [range] => Cow::Borrowed(&samples[range.clone()]),
            ranges => Cow::Owned(ranges.iter().flat_map(|range| &samples[range.clone()]).copied().collect()),
        }
    }

    /// Where in the recording something begins that begins `at` this place of what was cut from it. At a cut that is
    /// behind the pause.
    fn start_of(&self, at: Duration) -> Duration {
        self.place(at, |at, length| at < length)
    }

    /// The same of an end: at a cut, before the pause.
    fn end_of(&self, at: Duration) -> Duration {
        self.place(at, |at, length| at <= length)
    }

    fn place(&self, at: Duration, within: impl Fn(Duration, Duration) -> bool) -> Duration {
        let mut rest = at;
        for range in &self.0 {
            let length = duration_of_samples(range.len());
            if within(rest, length) {
                return duration_of_samples(range.start) + rest;
            }
            rest = rest.saturating_sub(length);
        }
        self.0.last().map_or(at, |last| duration_of_samples(last.end))
    }
}

/// Moves places in what was cut from the recording into the recording.
struct Stretched<'a> {
    watch: &'a mut dyn Watch,
    speech: &'a Speech,
}

impl Watch for Stretched<'_> {
    fn stopped(&self) -> bool {
        self.watch.stopped()
    }

    fn reached(&mut self, place: Duration) {
        self.watch.reached(self.speech.end_of(place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelFacts;
    use crate::whisper::{Decoded, Detected, End, Piece, Positions};

    const SECOND: usize = RATE;

    /// Finds speech where a sample is over a half.
    struct Loud {
        asked: Vec<usize>,
    }

    impl Detector for Loud {
        fn speech(&mut self, samples: &[f32]) -> Result<Vec<Range<usize>>, ModelError> {
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
    }

    impl Model for Counter {
        fn facts(&self) -> ModelFacts {
            unreachable!("nobody asks")
        }

        fn knows(&self, _language: &str) -> bool {
            true
        }

        fn encode(&mut self, window: &[f32], _positions: Positions) -> Result<(), ModelError> {
            self.windows.push(window.len());
            Ok(())
        }

        fn detect(&mut self) -> Result<Detected, ModelError> {
            Ok(Detected { language: "en".to_owned(), probability: 0.9 })
        }

        fn decode(
            &mut self,
            _language: &str,
            _temperature: f32,
            _seed: u64,
            _last: bool,
            watch: &mut dyn Watch,
        ) -> Result<Decoded, ModelError> {
            let seconds = self.windows.last().unwrap() / SECOND;
            watch.reached(Duration::from_secs(seconds as u64));
            let pieces = (0..seconds as u64).map(|second| Piece {
                start: Duration::from_secs(second),
                end: Duration::from_secs(second + 1),
                text: format!(" word {second}"),
                mean_logprob: -0.2,
            });
            Ok(Decoded { pieces: pieces.collect(), resume: None, mean_logprob: -0.2, no_speech: 0.1, end: End::Text })
        }
    }

    #[derive(Default)]
    struct Patience {
        places: Vec<Duration>,
        stopped: bool,
    }

    impl Watch for Patience {
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

    fn hear(samples: &[f32], watch: &mut Patience) -> (Result<Heard, ModelError>, Vec<usize>) {
        let mut model = Counter::default();
        let mut detector = Loud { asked: Vec::new() };
        let language = SpeechLanguage::Code("en".to_owned());
        (listen_to_speech(&mut model, &mut detector, samples, &language, watch), model.windows)
    }

    fn tenths(time: Duration) -> u128 {
        time.as_millis() / 100
    }

    #[test]
    fn where_nobody_speaks_the_model_is_not_asked() {
        let mut watch = Patience::default();
        let (heard, windows) = hear(&recording(70, &[]), &mut watch);
        let heard = heard.unwrap();
        assert_eq!((heard.segments, heard.language.as_str(), windows), (vec![], "en", vec![]));
        assert_eq!(watch.places, [Duration::from_secs(70)]);
    }

    #[test]
    fn silence_is_cut_out_and_times_are_those_of_the_recording() {
        // 4.6 to 7.4 s and 19.6 to 21.4 s are kept.
        let mut watch = Patience::default();
        let (heard, windows) = hear(&recording(30, &[50..70, 200..210]), &mut watch);
        assert_eq!(windows, [46 * SECOND / 10]);
        let times: Vec<_> = heard.unwrap().segments.iter().map(|s| (tenths(s.start), tenths(s.end))).collect();
        assert_eq!(times, [(46, 56), (56, 66), (66, 198), (198, 208)]);
        assert_eq!(watch.places.last(), Some(&Duration::from_secs(30)));
        assert!(watch.places.is_sorted(), "{:?}", watch.places);
    }

    #[test]
    fn at_a_cut_one_segment_ends_before_the_pause_and_the_next_begins_behind_it() {
        let speech = Speech(vec![SECOND..2 * SECOND, 8 * SECOND..9 * SECOND]);
        assert_eq!(speech.end_of(Duration::from_secs(1)), Duration::from_secs(2));
        assert_eq!(speech.start_of(Duration::from_secs(1)), Duration::from_secs(8));
        assert_eq!(speech.end_of(Duration::from_secs(5)), Duration::from_secs(9));
    }

    #[test]
    fn short_pauses_stay() {
        let second = |second: f32| (second * RATE as f32).round() as usize;
        let kept = |stretches: &[(f32, f32)]| {
            let ranges = stretches.iter().map(|&(start, end)| second(start)..second(end)).collect();
            Speech::around(ranges, second(20.0)).0
        };
        assert_eq!(kept(&[(1.0, 2.0), (4.0, 19.0)]), [0..second(20.0)]);
        assert_eq!(kept(&[(1.5, 2.0), (5.0, 6.0)]), [second(1.1)..second(2.4), second(4.6)..second(6.4)]);
        // Of overlapping blocks the same stretch comes twice.
        assert_eq!(kept(&[(2.0, 4.0), (3.0, 3.5)]), [second(1.6)..second(4.4)]);
    }

    #[test]
    fn the_detector_hears_all_of_a_long_recording_in_blocks_and_quiet_speech_amplified() {
        let mut detector = Loud { asked: Vec::new() };
        let mut samples = recording(70, &[]);
        samples[69 * SECOND..].fill(0.01);
        let speech = Speech::find(&mut detector, &samples, &Patience::default()).unwrap();
        assert_eq!(detector.asked, [BLOCK, BLOCK, 12 * SECOND]);
        assert_eq!(speech.0, [69 * SECOND - MARGIN..70 * SECOND]);
    }

    #[test]
    fn it_can_be_stopped() {
        let mut watch = Patience { stopped: true, ..Patience::default() };
        assert_eq!(hear(&recording(3, &[]), &mut watch).0, Err(ModelError::Stopped));
    }
}
