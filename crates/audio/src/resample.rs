use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _, WindowFunction};
use stenobot_domain::SAMPLE_RATE;

use super::AudioError;
use super::output::{Output, finite};

/// Accepted input rates in Hz. A header can claim 4 GHz, and the filter's size grows with the rate.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=192_000;

/// Minimum length of the filter in input samples: long enough to keep speech flat up to 7.5 kHz.
const BLOCK: usize = 1024;

/// Turns a mono stream of one rate into 16 kHz, block by block; as long as its input to the nearest sample.
pub(super) enum Resampler {
    /// The input has our rate already.
    Direct,
    /// Boxed, since it is large beside the other.
    Filter(Box<Filter>),
}

/// rubato's FFT resampler with what it needs to be fed in blocks of any length.
pub(super) struct Filter {
    rate: u32,
    fft: Fft<f32>,
    /// Input that does not fill a block yet.
    waiting: Vec<f32>,
    block: Vec<f32>,
    /// Output samples of the filter's own delay, still to be dropped.
    delay: usize,
    taken: u64,
    given: u64,
}

impl Resampler {
    pub(super) fn new(rate: u32) -> Result<Self, AudioError> {
        if rate == SAMPLE_RATE {
            return Ok(Self::Direct);
        }
        let unsupported = || AudioError::Codec { name: format!("{rate} Hz") };
        if !RATES.contains(&rate) {
            return Err(unsupported());
        }
        let (from, to) = (rate as usize, SAMPLE_RATE as usize);
        // An even number of the smallest blocks, so that half a block, the filter's delay, is a whole number of samples.
        let pair = 2 * (from / gcd(from, to));
        let block = BLOCK.div_ceil(pair) * pair;
        let window = WindowFunction::BlackmanHarris2;
        let fft = Fft::new_custom(from, to, block, 1, 1, window, FixedSync::Both).map_err(|_| unsupported())?;
        Ok(Self::Filter(Box::new(Filter {
            rate,
            waiting: Vec::new(),
            block: vec![0.0; fft.output_frames_max()],
            delay: fft.output_delay(),
            fft,
            taken: 0,
            given: 0,
        })))
    }

    pub(super) fn push(&mut self, samples: &[f32], out: &mut Output<'_>) -> Result<(), AudioError> {
        match self {
            Self::Direct => out.push(samples),
            Self::Filter(filter) => filter.push(samples, out),
        }
    }

    /// Passes on what is still inside the filter.
    pub(super) fn finish(self, out: &mut Output<'_>) -> Result<(), AudioError> {
        match self {
            Self::Direct => Ok(()),
            Self::Filter(filter) => filter.finish(out),
        }
    }
}

impl Filter {
    fn push(&mut self, samples: &[f32], out: &mut Output<'_>) -> Result<(), AudioError> {
        self.taken += samples.len() as u64;
        // The filter panics on what is not finite.
        self.waiting.extend(samples.iter().copied().map(finite));
        let size = self.fft.input_frames_next();
        let mut from = 0;
        while self.waiting.len() - from >= size {
            self.step(from, size, u64::MAX, out)?;
            from += size;
        }
        self.waiting.drain(..from);
        Ok(())
    }

    fn finish(mut self, out: &mut Output<'_>) -> Result<(), AudioError> {
        let rate = u64::from(self.rate);
        let whole = (self.taken * u64::from(SAMPLE_RATE) + rate / 2) / rate;
        while self.given < whole {
            self.step(0, self.waiting.len(), whole, out)?;
            self.waiting.clear();
        }
        Ok(())
    }

    /// Filters the waiting samples `from..from + len`, silence after them, and gives at most `whole` samples in all.
    fn step(&mut self, from: usize, len: usize, whole: u64, out: &mut Output<'_>) -> Result<(), AudioError> {
        let failed = |_| AudioError::Damaged { what: "the resampler refused the samples".to_owned() };
        let input = &self.waiting[from..from + len];
        let frames = self.block.len();
        let input = SequentialSlice::new(input, 1, len).map_err(failed)?;
        let mut output = SequentialSlice::new_mut(&mut self.block, 1, frames).map_err(failed)?;
        let silence_after = Indexing::new().partial_len(len);
        let (_, made) = self
            .fft
            .process_into_buffer(&input, &mut output, Some(&silence_after))
            .map_err(|error| AudioError::Damaged { what: error.to_string() })?;
        let start = self.delay.min(made);
        self.delay -= start;
        let room = usize::try_from(whole - self.given).unwrap_or(usize::MAX);
        let end = start + (made - start).min(room);
        self.given += (end - start) as u64;
        out.push(&self.block[start..end])
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn resample(rate: u32, input: &[f32], step: usize) -> Vec<f32> {
        let mut samples = Vec::new();
        let mut out = Output::new(&mut samples, Duration::from_secs(60));
        let mut resampler = Resampler::new(rate).unwrap();
        for block in input.chunks(step) {
            resampler.push(block, &mut out).unwrap();
        }
        resampler.finish(&mut out).unwrap();
        samples
    }

    fn tone(rate: u32, len: usize) -> Vec<f32> {
        (0..len).map(|n| 0.5 * (n as f32 * 440.0 * std::f32::consts::TAU / rate as f32).sin()).collect()
    }

    #[test]
    fn a_tone_stays_where_it_was() {
        for rate in [8_000, 11_025, 22_050, 24_000, 44_100, 48_000, 44_101] {
            let ours = resample(rate, &tone(rate, rate as usize), 500);
            let wanted = tone(SAMPLE_RATE, SAMPLE_RATE as usize);
            assert_eq!(ours.len(), wanted.len(), "{rate} Hz");
            let inside = 1000..15_000;
            let noise: f32 = inside.clone().map(|n| (ours[n] - wanted[n]).powi(2)).sum();
            let signal: f32 = inside.map(|n| wanted[n].powi(2)).sum();
            assert!(noise / signal < 1e-3, "{rate} Hz: {:.1} dB", 10.0 * (noise / signal).log10());
        }
    }

    #[test]
    fn the_length_is_right_to_a_sample_however_it_is_fed() {
        for len in [0, 1, 2, 3, 200, 1323, 1324, 5000] {
            let input = tone(44_100, len);
            let whole = resample(44_100, &input, 10_000);
            assert_eq!(whole.len(), (len * 16_000 + 22_050) / 44_100);
            assert_eq!(whole, resample(44_100, &input, 7));
        }
    }

    #[test]
    fn absurd_rates_are_refused() {
        for rate in [0, 1, 3_999, 192_001, u32::MAX] {
            assert!(matches!(Resampler::new(rate), Err(AudioError::Codec { .. })));
        }
    }
}
