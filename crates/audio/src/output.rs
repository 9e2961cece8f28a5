use std::time::Duration;

use stenobot_domain::{SAMPLE_RATE, duration_of_samples};

use super::AudioError;

/// Decoded audio past the limit that is still accepted, since limits and lengths are shown in whole seconds.
const GRACE: Duration = Duration::from_secs(1);

/// Encoder delay and padding that may be decoded on top: Opus alone can ask for 1.4 s of it.
const MAX_TRIMMED: Duration = Duration::from_secs(3);

/// Largest sample of a silent track: ten steps of 16 bits, more than dither and codecs make of silence.
const SILENCE_PEAK: f32 = 3e-4;

/// Receives 16 kHz mono samples in order, in blocks of any length.
pub(super) trait Sink {
    fn push(&mut self, block: &[f32]);

    fn clear(&mut self);
}

impl Sink for Vec<f32> {
    fn push(&mut self, block: &[f32]) {
        self.extend_from_slice(block);
    }

    fn clear(&mut self) {
        Self::clear(self);
    }
}

/// Drops the samples, which [`Output`] counts.
pub(super) struct Discard;

impl Sink for Discard {
    fn push(&mut self, _block: &[f32]) {}

    fn clear(&mut self) {}
}

/// A sink with the limit on length, which is enforced here only.
///
/// Both what is kept and what was decoded are counted, because a container can ask for everything to be trimmed away:
/// hours of decoding would then keep nothing.
pub(super) struct Output<'a> {
    sink: &'a mut dyn Sink,
    limit: Duration,
    kept: usize,
    decoded: Duration,
    peak: f32,
    block: Vec<f32>,
}

impl<'a> Output<'a> {
    pub(super) fn new(sink: &'a mut dyn Sink, limit: Duration) -> Self {
        Self { sink, limit, kept: 0, decoded: Duration::ZERO, peak: 0.0, block: Vec::new() }
    }

    /// Starts over, with nothing kept.
    pub(super) fn restart(&mut self) {
        self.sink.clear();
        (self.kept, self.decoded, self.peak) = (0, Duration::ZERO, 0.0);
    }

    /// Without the grace.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Whether all that was kept is silence.
    pub(super) fn is_silent(&self) -> bool {
        self.peak <= SILENCE_PEAK
    }

    /// Samples handed to the sink so far.
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    /// Accounts for `frames` that came out of a decoder at `rate` Hz, kept or not.
    pub(super) fn decoded(&mut self, frames: usize, rate: u32) -> Result<(), AudioError> {
        let nanos = (frames as u64).saturating_mul(1_000_000_000) / u64::from(rate.max(1));
        self.decoded = self.decoded.saturating_add(Duration::from_nanos(nanos));
        if self.decoded > self.limit.saturating_add(GRACE + MAX_TRIMMED) { Err(self.too_long()) } else { Ok(()) }
    }

    /// Fails if so much more would exceed the limit.
    pub(super) fn expect(&self, length: Duration) -> Result<(), AudioError> {
        let longest = self.limit.saturating_add(GRACE);
        if duration_of_samples(self.kept).saturating_add(length) > longest { Err(self.too_long()) } else { Ok(()) }
    }

    /// Passes samples on, made finite and clipped to [-1, 1].
    pub(super) fn push(&mut self, samples: &[f32]) -> Result<(), AudioError> {
        let kept = self.kept + samples.len();
        if kept as u128 > self.limit.saturating_add(GRACE).as_nanos() * u128::from(SAMPLE_RATE) / 1_000_000_000 {
            return Err(self.too_long());
        }
        self.kept = kept;
        self.block.clear();
        self.block.extend(samples.iter().copied().map(finite));
        self.peak = self.block.iter().fold(self.peak, |peak, sample| peak.max(sample.abs()));
        self.sink.push(&self.block);
        Ok(())
    }

    /// Passes silence on.
    pub(super) fn push_silence(&mut self, mut samples: usize) -> Result<(), AudioError> {
        const BLOCK: usize = 4096;
        while samples > 0 {
            let block = samples.min(BLOCK);
            self.push(&[0.0; BLOCK][..block])?;
            samples -= block;
        }
        Ok(())
    }

    fn too_long(&self) -> AudioError {
        AudioError::TooLong { limit: self.limit }
    }
}

/// The sample clipped to [-1, 1]; 0 for infinities and NaN, which a float WAV may hold.
pub(super) fn finite(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_has_one_second_of_grace() {
        let mut sink = Discard;
        let mut output = Output::new(&mut sink, Duration::from_secs(1));
        output.push(&[0.0; 2 * SAMPLE_RATE as usize]).unwrap();
        assert_eq!(output.push(&[0.0]), Err(AudioError::TooLong { limit: Duration::from_secs(1) }));
        assert_eq!(output.kept(), 2 * SAMPLE_RATE as usize);
    }

    #[test]
    fn audio_that_is_trimmed_away_counts_as_decoded() {
        let mut sink = Discard;
        let mut output = Output::new(&mut sink, Duration::from_secs(1));
        assert_eq!((0..100).find(|_| output.decoded(48_000, 48_000).is_err()), Some(5));
    }

    #[test]
    fn samples_become_finite_and_clipped() {
        let mut sink = Vec::new();
        Output::new(&mut sink, Duration::MAX).push(&[f32::NAN, f32::INFINITY, -3.0, 0.5]).unwrap();
        assert_eq!(sink, [0.0, 0.0, -1.0, 0.5]);
    }
}
