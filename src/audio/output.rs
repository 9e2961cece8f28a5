use std::time::Duration;

use super::AudioError;
use crate::model::SAMPLE_RATE;

/// Decoded audio past the limit that is still taken, since limits and lengths are told in whole seconds.
const GRACE: Duration = Duration::from_secs(1);

/// Encoder delay and padding that may be decoded on top: Opus alone can ask for 1.4 s of it.
const TRIMMINGS: Duration = Duration::from_secs(3);

/// Takes 16 kHz mono samples in order, in blocks of any length.
pub(super) trait Sink {
    fn take(&mut self, block: &[f32]);
}

impl Sink for Vec<f32> {
    fn take(&mut self, block: &[f32]) {
        self.extend_from_slice(block);
    }
}

/// Forgets the samples: their number is all that [`Output`] needs.
pub(super) struct Forget;

impl Sink for Forget {
    fn take(&mut self, _block: &[f32]) {}
}

/// The way into a sink, and the only place that enforces the limit.
///
/// Both what is kept and what was decoded are counted, because a container can ask for everything to be trimmed away:
/// hours of decoding would then keep nothing.
pub(super) struct Output<'a> {
    sink: &'a mut dyn Sink,
    limit: Duration,
    kept: usize,
    decoded: Duration,
    block: Vec<f32>,
}

impl<'a> Output<'a> {
    pub(super) fn new(sink: &'a mut dyn Sink, limit: Duration) -> Self {
        Self { sink, limit, kept: 0, decoded: Duration::ZERO, block: Vec::new() }
    }

    /// Samples handed to the sink so far.
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    /// Accounts for `frames` that came out of a decoder at `rate` Hz, kept or not.
    pub(super) fn decoded(&mut self, frames: usize, rate: u32) -> Result<(), AudioError> {
        let nanos = (frames as u64).saturating_mul(1_000_000_000) / u64::from(rate.max(1));
        self.decoded = self.decoded.saturating_add(Duration::from_nanos(nanos));
        if self.decoded > self.limit.saturating_add(GRACE + TRIMMINGS) { Err(self.too_long()) } else { Ok(()) }
    }

    /// Hands samples on, made finite and clipped to [-1, 1].
    pub(super) fn push(&mut self, samples: &[f32]) -> Result<(), AudioError> {
        let kept = self.kept + samples.len();
        if kept as u128 > self.limit.saturating_add(GRACE).as_nanos() * u128::from(SAMPLE_RATE) / 1_000_000_000 {
            return Err(self.too_long());
        }
        self.kept = kept;
        self.block.clear();
        self.block.extend(samples.iter().copied().map(sane));
        self.sink.take(&self.block);
        Ok(())
    }

    fn too_long(&self) -> AudioError {
        AudioError::TooLong { limit: self.limit }
    }
}

/// A sample that no later stage chokes on: a float WAV may hold infinities and NaN.
pub(super) fn sane(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_has_one_second_of_grace() {
        let mut sink = Forget;
        let mut output = Output::new(&mut sink, Duration::from_secs(1));
        output.push(&[0.0; 2 * SAMPLE_RATE as usize]).unwrap();
        assert_eq!(output.push(&[0.0]), Err(AudioError::TooLong { limit: Duration::from_secs(1) }));
        assert_eq!(output.kept(), 2 * SAMPLE_RATE as usize);
    }

    #[test]
    fn audio_that_is_trimmed_away_counts_as_decoded() {
        let mut sink = Forget;
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
