//! Whisper's mel filters, to the bit.

/// Samples per window of the Fourier transform; the filters weigh half of it plus one bins.
pub const WINDOW: usize = 400;
/// Bins that each filter weighs.
pub const BINS: usize = WINDOW / 2 + 1;

/// `bands` filters of [`BINS`] weights, row by row: triangles of unit area on Slaney's mel scale (linear below
/// 1 kHz, logarithmic above), from 0 to 8 kHz. The weights are rounded to single precision before and after
/// the area normalisation, as the tool that made OpenAI's table did; the published bits depend on it.
pub fn filters(bands: usize) -> Vec<f32> {
    let nyquist = f64::from(stenobot_domain::SAMPLE_RATE) / 2.0;
    let spacing = 200.0 / 3.0;
    let step = 6.4f64.ln() / 27.0;
    let corner = 1000.0 / spacing;
    let hertz = |mel: f64| if mel >= corner { 1000.0 * (step * (mel - corner)).exp() } else { spacing * mel };

    let edges: Vec<f64> = spaced(corner + (nyquist / 1000.0).ln() / step, bands + 2).into_iter().map(hertz).collect();
    let bins = spaced(nyquist, BINS);
    let mut weights = Vec::with_capacity(bands * BINS);
    for triangle in edges.windows(3) {
        let [left, peak, right] = [triangle[0], triangle[1], triangle[2]];
        let norm = 2.0 / (right - left);
        for &bin in &bins {
            let rising = -(left - bin) / (peak - left);
            let falling = (right - bin) / (right - peak);
            let height = rising.min(falling).max(0.0) as f32 + 0.0;
            weights.push((f64::from(height) * norm) as f32);
        }
    }
    weights
}

/// `count` evenly spaced numbers from 0 to `last`, both included.
fn spaced(last: f64, count: usize) -> Vec<f64> {
    let step = last / (count - 1) as f64;
    (0..count).map(|i| if i == count - 1 { last } else { i as f64 * step }).collect()
}

#[cfg(test)]
mod tests {
    use sha1::{Digest, Sha1};

    use super::*;

    fn fingerprint(bands: usize) -> String {
        let bytes: Vec<u8> = filters(bands).into_iter().flat_map(f32::to_le_bytes).collect();
        crate::digest::hex(&Sha1::digest(bytes))
    }

    /// The first is that of the published ggml-base.bin; both are what OpenAI's definition gives in numpy.
    #[test]
    fn the_filters_are_openai_s_to_the_bit() {
        assert_eq!(fingerprint(80), "62112822d7d0fd04b443ddb20d18cde62da25003");
        assert_eq!(fingerprint(128), "fbff7ddfafcb0601e315a6a707f14e499ce4d26c");
    }
}
