use std::time::Duration;

use super::AudioError;
use super::output::{Output, finite};
use super::resample::Resampler;

/// How often the way of mixing is decided.
const DECISIONS_PER_SECOND: u32 = 2;

/// Share of the energy of earlier blocks that counts in a decision, so that one in a pause follows the sound before it.
const MEMORY: f64 = 0.1;

/// Energy of the mean of the channels, relative to what it is for channels that have nothing in common, below which
/// the channels cancel each other. A sound in one channel alone has 1, in all channels alike it is their number.
const CANCELLED: f64 = 0.4;

/// The same, above which the mean is used again.
const NOT_CANCELLED: f64 = 0.6;

/// How much louder another channel has to be than the one that is used.
const LOUDER: f64 = 2.0;

/// Energy of a block below which the way of mixing stays: one step of 16 bits in each sample of half a second.
const NOTHING: f64 = 1e-5;

/// Fraction of a second over which one way of mixing fades into another.
const FADES_PER_SECOND: u32 = 100;

/// Frames of silence that are passed on at once.
const SILENCE_BLOCK: usize = 4096;

/// Turns interleaved samples of one rate and number of channels into 16 kHz mono.
///
/// The channels are averaged. Where that loses the sound, since one channel is the other upside down, the loudest one is
/// taken instead. It is decided for each half second, and the sound before it counts too.
pub(super) struct Mixer {
    rate: u32,
    channels: usize,
    resampler: Resampler,
    /// Samples that do not fill a block yet.
    waiting: Vec<f32>,
    /// Energies of the channels and of their mean.
    energies: Vec<f64>,
    mean_energy: f64,
    source: Option<Source>,
    mono: Vec<f32>,
}

/// What the one channel is made from.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Source {
    Mean,
    Channel(usize),
}

impl Source {
    fn of(self, frame: &[f32]) -> f32 {
        match self {
            Self::Mean => frame.iter().sum::<f32>() / frame.len() as f32,
            Self::Channel(channel) => frame[channel],
        }
    }
}

impl Mixer {
    pub(super) fn new(rate: u32, channels: usize) -> Result<Self, AudioError> {
        Ok(Self {
            rate,
            channels,
            resampler: Resampler::new(rate)?,
            waiting: Vec::new(),
            energies: vec![0.0; channels],
            mean_energy: 0.0,
            source: None,
            mono: Vec::new(),
        })
    }

    /// Whether its input has this rate and these channels.
    pub(super) fn takes(&self, rate: u32, channels: usize) -> bool {
        (self.rate, self.channels) == (rate, channels)
    }

    /// Appends whole frames, interleaved.
    pub(super) fn push(&mut self, interleaved: &[f32], out: &mut Output<'_>) -> Result<(), AudioError> {
        if self.channels == 1 {
            return self.resampler.push(interleaved, out);
        }
        let size = (self.rate / DECISIONS_PER_SECOND).max(1) as usize * self.channels;
        self.waiting.extend_from_slice(interleaved);
        let waiting = std::mem::take(&mut self.waiting);
        let mut blocks = waiting.chunks_exact(size);
        for block in &mut blocks {
            self.mix(block, out)?;
        }
        self.waiting.extend_from_slice(blocks.remainder());
        Ok(())
    }

    /// Appends silence.
    pub(super) fn silence(&mut self, length: Duration, out: &mut Output<'_>) -> Result<(), AudioError> {
        if length.is_zero() {
            return Ok(());
        }
        out.expect(length)?;
        self.flush(out)?;
        let mut left = frames(length, self.rate);
        while left > 0 {
            let block = left.min(SILENCE_BLOCK);
            self.resampler.push(&[0.0; SILENCE_BLOCK][..block], out)?;
            left -= block;
        }
        Ok(())
    }

    /// Passes on what is still buffered.
    pub(super) fn finish(mut self, out: &mut Output<'_>) -> Result<(), AudioError> {
        self.flush(out)?;
        self.resampler.finish(out)
    }

    fn flush(&mut self, out: &mut Output<'_>) -> Result<(), AudioError> {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() { Ok(()) } else { self.mix(&waiting, out) }
    }

    fn mix(&mut self, block: &[f32], out: &mut Output<'_>) -> Result<(), AudioError> {
        let source = self.decide(block);
        let before = self.source.replace(source).unwrap_or(source);
        let frames = block.chunks_exact(self.channels);
        let fade = match before == source {
            true => 0,
            false => frames.len().min((self.rate / FADES_PER_SECOND) as usize),
        };
        self.mono.clear();
        self.mono.extend(frames.enumerate().map(|(n, frame)| {
            let now = source.of(frame);
            if n >= fade {
                return now;
            }
            let share = n as f32 / fade as f32;
            before.of(frame) * (1.0 - share) + now * share
        }));
        self.resampler.push(&self.mono, out)
    }

    /// The source for a block, by its energies and those before it.
    fn decide(&mut self, block: &[f32]) -> Source {
        self.energies.iter_mut().for_each(|energy| *energy *= MEMORY);
        self.mean_energy *= MEMORY;
        for frame in block.chunks_exact(self.channels) {
            let mut sum = 0.0;
            for (energy, sample) in self.energies.iter_mut().zip(frame) {
                let sample = f64::from(finite(*sample));
                *energy += sample * sample;
                sum += sample;
            }
            self.mean_energy += (sum / self.channels as f64).powi(2);
        }
        let now = self.source.unwrap_or(Source::Mean);
        let all: f64 = self.energies.iter().sum();
        if all < NOTHING {
            return now;
        }
        let unrelated = all / (self.channels * self.channels) as f64;
        let kept = self.mean_energy / unrelated;
        let loudest =
            (0..self.channels).rev().max_by(|&a, &b| self.energies[a].total_cmp(&self.energies[b])).unwrap_or(0);
        match now {
            Source::Mean if kept < CANCELLED => Source::Channel(loudest),
            Source::Mean => Source::Mean,
            Source::Channel(_) if kept > NOT_CANCELLED => Source::Mean,
            Source::Channel(channel) if self.energies[loudest] > LOUDER * self.energies[channel] => {
                Source::Channel(loudest)
            }
            Source::Channel(channel) => Source::Channel(channel),
        }
    }
}

/// The number of frames at a rate that last about as long.
pub(super) fn frames(length: Duration, rate: u32) -> usize {
    let frames = (length.as_nanos() * u128::from(rate) + 500_000_000) / 1_000_000_000;
    usize::try_from(frames).unwrap_or(usize::MAX)
}

/// How long so many frames last.
pub(super) fn length(frames: usize, rate: u32) -> Duration {
    Duration::from_nanos((frames as u64).saturating_mul(1_000_000_000) / u64::from(rate.max(1)))
}

#[cfg(test)]
mod tests {
    use stenobot_domain::SAMPLE_RATE;

    use super::*;

    /// Mixes stereo that is given as pairs, at our own rate.
    fn mix(frames: &[[f32; 2]], step: usize) -> Vec<f32> {
        let mut samples = Vec::new();
        let mut out = Output::new(&mut samples, Duration::from_secs(60));
        let mut mixer = Mixer::new(SAMPLE_RATE, 2).unwrap();
        for frames in frames.chunks(step) {
            mixer.push(frames.as_flattened(), &mut out).unwrap();
        }
        mixer.finish(&mut out).unwrap();
        samples
    }

    fn tone(pitch: f32) -> impl Iterator<Item = f32> {
        (0..2 * SAMPLE_RATE).map(move |n| 0.4 * (n as f32 * pitch * std::f32::consts::TAU / SAMPLE_RATE as f32).sin())
    }

    fn energy(samples: &[f32]) -> f32 {
        samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32
    }

    #[test]
    fn channels_are_averaged() {
        let frames: Vec<_> = tone(440.0).zip(tone(300.0)).map(|(left, right)| [left, right]).collect();
        let wanted: Vec<_> = frames.iter().map(|[left, right]| (left + right) / 2.0).collect();
        assert!(mix(&frames, 100) == wanted);
        let alone: Vec<_> = tone(440.0).map(|left| [left, 0.0]).collect();
        assert!(mix(&alone, 4_000).into_iter().eq(tone(440.0).map(|left| left / 2.0)));
    }

    #[test]
    fn channels_that_cancel_each_other_leave_one() {
        for (right, noise) in [(-1.0, 0.0), (-0.9, 0.0), (-0.5, 0.0), (-1.0, 0.3)] {
            let common = tone(3_000.0).map(|hum| hum * noise);
            let frames: Vec<_> = tone(440.0).zip(common).map(|(left, hum)| [left + hum, left * right + hum]).collect();
            let mixed = mix(&frames, 777);
            let is_channel = |channel: usize| mixed.iter().eq(frames.iter().map(|frame| &frame[channel]));
            assert!(is_channel(0) || is_channel(1), "{right} {noise}");
        }
    }

    #[test]
    fn a_change_of_the_channels_makes_no_click() {
        let turns = |n: usize| if (n / 40_000).is_multiple_of(2) { 1.0 } else { -1.0 };
        let left: Vec<_> = (0..4).flat_map(|_| tone(100.0)).collect();
        let frames: Vec<_> = left.iter().enumerate().map(|(n, &left)| [left, left * turns(n)]).collect();
        let mixed = mix(&frames, 320);
        assert_eq!(mixed.len(), frames.len());
        for second in mixed.chunks(8_000) {
            assert!(energy(second) > 0.4 * energy(&left), "{}", energy(second));
        }
        let steepest = |samples: &[f32]| samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(steepest(&mixed) < 1.5 * steepest(&left), "{} {}", steepest(&mixed), steepest(&left));
    }

    #[test]
    fn samples_that_are_not_finite_do_not_change_the_mixing() {
        let mut frames: Vec<_> = tone(440.0).map(|left| [left, left]).collect();
        frames[100] = [f32::NAN, f32::INFINITY];
        let mixed = mix(&frames, 500);
        assert!(mixed[8_000..].iter().eq(frames[8_000..].iter().map(|[left, _]| left)));
    }

    #[test]
    fn silence_is_as_long_as_asked_for_and_bounded() {
        let mut samples = Vec::new();
        let mut out = Output::new(&mut samples, Duration::from_secs(9));
        let mut mixer = Mixer::new(44_100, 2).unwrap();
        mixer.push(&[0.5; 2 * 44_100], &mut out).unwrap();
        mixer.silence(Duration::from_millis(2_500), &mut out).unwrap();
        mixer.push(&[0.5; 2 * 44_100], &mut out).unwrap();
        let hours = mixer.silence(Duration::from_secs(36_000), &mut out);
        assert_eq!(hours, Err(AudioError::TooLong { limit: Duration::from_secs(9) }));
        mixer.finish(&mut out).unwrap();
        assert_eq!(samples.len(), 72_000);
        assert!(samples[17_000..55_000].iter().all(|sample| sample.abs() < 1e-3));
    }
}
