//! Whisper's input: a log-mel spectrogram.

use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};
use stenobot_models::{MEL_BINS, MEL_WINDOW, mel_filters};

/// Samples from one frame to the next: 10 ms.
const HOP: usize = 160;
/// Power below which sound counts as silence.
const MIN_POWER: f32 = 1e-10;
/// Range of the logarithm to base 10 below the loudest point.
const RANGE: f32 = 8.0;

/// Computes spectrograms.
pub(super) struct MelSpectrogram {
    transform: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    /// For each band, its first bin and its weights from there to the last that is not zero.
    filters: Vec<(usize, Vec<f32>)>,
}

impl MelSpectrogram {
    pub(super) fn new(bands: usize) -> Self {
        let window = (0..MEL_WINDOW).map(|i| {
            let phase = 2.0 * std::f64::consts::PI * i as f64 / MEL_WINDOW as f64;
            (0.5 - 0.5 * phase.cos()) as f32
        });
        let weights = mel_filters(bands);
        let filters = weights.chunks_exact(MEL_BINS).map(|band| {
            let first = band.iter().position(|&weight| weight != 0.0).unwrap_or(0);
            let last = band.iter().rposition(|&weight| weight != 0.0).unwrap_or(0);
            (first, band[first..=last].to_vec())
        });
        Self {
            transform: RealFftPlanner::new().plan_fft_forward(MEL_WINDOW),
            window: window.collect(),
            filters: filters.collect(),
        }
    }

    pub(super) fn bands(&self) -> usize {
        self.filters.len()
    }

    /// The spectrogram of 16 kHz mono `samples` followed by silence, `[bands, frames]`. A frame is centred on its first
    /// sample; what lies before the sound is the sound mirrored.
    pub(super) fn compute(&self, samples: &[f32], frames: usize) -> Vec<f32> {
        let half = MEL_WINDOW / 2;
        let sample = |index: isize| match usize::try_from(index) {
            Ok(index) => samples.get(index).copied().unwrap_or(0.0),
            Err(_) => samples.get(index.unsigned_abs()).copied().unwrap_or(0.0),
        };
        let mut input = self.transform.make_input_vec();
        let mut spectrum = self.transform.make_output_vec();
        let mut scratch = self.transform.make_scratch_vec();
        let mut mel = vec![MIN_POWER.log10(); self.bands() * frames];
        // Frames behind the sound are silent.
        let sounding = frames.min((samples.len() + half) / HOP + 1);
        for frame in 0..sounding {
            let start = (frame * HOP) as isize - half as isize;
            for (offset, (value, weight)) in input.iter_mut().zip(&self.window).enumerate() {
                *value = sample(start + offset as isize) * weight;
            }
            // The lengths are those that the transform asked for.
            if self.transform.process_with_scratch(&mut input, &mut spectrum, &mut scratch).is_err() {
                continue;
            }
            for (band, (first, weights)) in self.filters.iter().enumerate() {
                let power = spectrum[*first..].iter().zip(weights).map(|(bin, weight)| bin.norm_sqr() * weight);
                mel[band * frames + frame] = power.sum::<f32>().max(MIN_POWER).log10();
            }
        }
        let floor = mel.iter().copied().fold(f32::NEG_INFINITY, f32::max) - RANGE;
        mel.iter_mut().for_each(|value| *value = (value.max(floor) + 4.0) / 4.0);
        mel
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_loudest_in_its_band_and_silence_is_flat() {
        let mel = MelSpectrogram::new(80);
        let tone: Vec<f32> =
            (0..16_000).map(|i| (2.0 * std::f32::consts::PI * 1000.0 * i as f32 / 16_000.0).sin()).collect();
        let frames = 200;
        let values = mel.compute(&tone, frames);
        let at = |band: usize, frame: usize| values[band * frames + frame];
        let loudest = (0..80).max_by(|&a, &b| at(a, 50).total_cmp(&at(b, 50))).unwrap();
        // 1 kHz is mel 15 of 45 in Slaney's scale.
        assert!((25..=27).contains(&loudest), "band {loudest}");
        let floor = at(loudest, 50) - RANGE / 4.0;
        assert!((0..80).all(|band| (at(band, 150) - floor).abs() < 1e-5), "silence is at the floor");
        let silence = mel.compute(&[], 10);
        assert!(silence.iter().all(|&value| (value - -1.5).abs() < 1e-6));
    }
}
