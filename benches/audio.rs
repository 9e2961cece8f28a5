//! Decoding a recording to 16 kHz mono samples: once to measure it, once in the engine. Items are samples of the result:
//! 16 Kitem/s are real time.
#![allow(clippy::unwrap_used, reason = "an operation that fails has no time to be measured")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use stenobot_audio::{decode, probe};
use stenobot_domain::SAMPLE_RATE;

/// Longer than all files here.
const LIMIT: Duration = Duration::from_secs(120);

/// A voice message of 11 s.
const SHORT: &str = "samples/en-short-07.ogg";

/// A voice message of 57 s.
const LONG: &str = "samples/ru-60s-1.ogg";

fn main() {
    divan::main();
}

fn in_repository(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn decode_file(bencher: Bencher, path: &Path) {
    let samples = decode(path, LIMIT).unwrap().samples.len();
    bencher.counter(ItemsCount::new(samples)).bench(|| decode(black_box(path), LIMIT).unwrap());
}

/// Opus, which libopus decodes to 16 kHz itself.
#[divan::bench(args = [SHORT, LONG])]
fn decode_voice(bencher: Bencher, file: &str) {
    decode_file(bencher, &in_repository(file));
}

/// The same without keeping the samples.
#[divan::bench(args = [SHORT, LONG])]
fn probe_voice(bencher: Bencher, file: &str) {
    let path = in_repository(file);
    let samples = decode(&path, LIMIT).unwrap().samples.len();
    bencher.counter(ItemsCount::new(samples)).bench(|| probe(black_box(&path), LIMIT).unwrap());
}

/// Files of 0.9 s at 44.1 kHz: opening the file and planning the filter weigh more here than in a longer one.
#[divan::bench(args = ["tests/fixtures/audio/aac.m4a", "tests/fixtures/audio/mp3.mp3", "tests/fixtures/audio/vorbis.mkv"])]
fn decode_other(bencher: Bencher, file: &str) {
    decode_file(bencher, &in_repository(file));
}

/// PCM of 11 s, which is cheap to decode: mostly the resampler's time.
#[divan::bench(args = [44_100, 48_000])]
fn resample_pcm(bencher: Bencher, rate: u32) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("voice.wav");
    let voice = decode(&in_repository(SHORT), LIMIT).unwrap().samples;
    fs::write(&path, wav(&voice, rate)).unwrap();
    decode_file(bencher, &path);
}

/// A mono WAV file of 16 bits at `rate`, with each sample of `voice` repeated as often as it takes.
fn wav(voice: &[f32], rate: u32) -> Vec<u8> {
    let frames = voice.len() * rate as usize / SAMPLE_RATE as usize;
    let size = u32::try_from(2 * frames).unwrap();
    let mut file = Vec::with_capacity(44 + 2 * frames);
    file.extend(b"RIFF");
    file.extend((36 + size).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    // PCM, one channel.
    file.extend([1_u16, 1].map(u16::to_le_bytes).as_flattened());
    file.extend([rate, 2 * rate].map(u32::to_le_bytes).as_flattened());
    // Bytes of a frame, bits of a sample.
    file.extend([2_u16, 16].map(u16::to_le_bytes).as_flattened());
    file.extend(b"data");
    file.extend(size.to_le_bytes());
    for frame in 0..frames {
        let sample = voice[frame * SAMPLE_RATE as usize / rate as usize] * f32::from(i16::MAX);
        #[expect(clippy::cast_possible_truncation, reason = "samples are in [-1, 1]")]
        file.extend((sample as i16).to_le_bytes());
    }
    file
}
