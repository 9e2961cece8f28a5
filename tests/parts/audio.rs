//! Decoding compared with ffmpeg's of the files, stored beside them by `tests/fixtures/make.sh`.

#![allow(clippy::unwrap_used, reason = "clippy knows test functions, not the helpers beside them")]

mod formats;
mod hostile;
mod times;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use stenobot_audio::{AudioError, decode, probe};

const LIMIT: Duration = Duration::from_secs(600);

/// How many samples a length may differ from ffmpeg's, where it may by more than one: a frame of the codec, where symphonia
/// does not see the padding that the container marks, or ffmpeg gives less than the container marks.
fn tolerance(name: &str) -> usize {
    match name {
        "opus.webm" => 320,
        "vorbis.ogg" => 743,
        _ => 1,
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures/audio").join(name)
}

/// Every audio file of the repository with the number of samples that ffmpeg gives.
fn counted() -> Vec<(String, PathBuf, usize)> {
    let table = fs::read_to_string(fixture("counts.tsv")).unwrap();
    let files = table.lines().map(|line| {
        let (name, count) = line.split_once('\t').unwrap();
        let sample = root().join("samples").join(name);
        let path = if sample.exists() { sample } else { fixture(name) };
        (name.to_owned(), path, count.parse().unwrap())
    });
    files.collect()
}

fn reference(name: &str) -> Vec<f32> {
    let packed = fs::read(fixture(&format!("{name}.s16.gz"))).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
    bytes.as_chunks().0.iter().map(|sample| f32::from(i16::from_le_bytes(*sample)) / 32_768.0).collect()
}

/// The difference of two signals relative to the second in decibels, at the best of the alignments to one sample.
fn difference_db(decoded: &[f32], expected: &[f32]) -> f64 {
    let at = |shift: usize| {
        let pairs = decoded.iter().skip(shift).zip(expected.iter().skip(1));
        let (noise, signal) = pairs.fold((0.0, 0.0), |(noise, signal), (&sample, &reference)| {
            (noise + f64::from(sample - reference).powi(2), signal + f64::from(reference).powi(2))
        });
        10.0 * (noise / signal).log10()
    };
    (0..3).map(at).fold(f64::INFINITY, f64::min)
}

#[test]
fn every_file_has_ffmpeg_s_length() {
    let files = counted();
    assert_eq!(files.len(), 13 + fs::read_dir(root().join("samples")).unwrap().filter(is_ogg).count());
    for (name, path, expected) in files {
        let decoded = decode(&path, LIMIT).unwrap();
        println!("{name}: {} against {expected} of ffmpeg", decoded.samples.len());
        assert!(
            decoded.samples.len().abs_diff(expected) <= tolerance(&name),
            "{name}: {} for {expected}",
            decoded.samples.len()
        );
        assert_eq!(probe(&path, LIMIT).unwrap(), decoded.duration(), "{name}");
    }
}

fn is_ogg(entry: &std::io::Result<fs::DirEntry>) -> bool {
    entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "ogg")
}

#[test]
fn every_codec_sounds_as_ffmpeg_decodes_it() {
    for name in ["opus.ogg", "vorbis.ogg", "aac.m4a", "mp3.mp3", "flac.flac", "pcm.wav"] {
        let difference = difference_db(&decode(&fixture(name), LIMIT).unwrap().samples, &reference(name));
        println!("{name}: {difference:.1} dB");
        assert!(difference < -29.0, "{name} differs from ffmpeg's decoding by {difference:.1} dB");
    }
}

#[test]
fn containers_and_channels_do_not_change_the_sound() {
    // Packets that were copied to another container decode to equal samples; two runs of a lossy encoder differ by their noise.
    for (name, other, max) in [
        ("opus.webm", "opus.ogg", -100.0),
        ("opus.mp4", "opus.ogg", -100.0),
        ("opus-stereo.ogg", "opus.ogg", -15.0),
        ("float-stereo.wav", "flac.flac", -30.0),
        ("video.mp4", "aac.m4a", -10.0),
        ("vorbis.mkv", "vorbis.ogg", -10.0),
    ] {
        let [decoded, expected] = [name, other].map(|name| decode(&fixture(name), LIMIT).unwrap().samples);
        let difference = difference_db(&decoded, &expected);
        println!("{name} and {other}: {difference:.1} dB");
        assert!(difference < max, "{name} differs from {other} by {difference:.1} dB");
    }
}

#[test]
fn a_video_without_sound_has_no_audio() {
    assert_eq!(probe(&fixture("silent.mp4"), LIMIT), Err(AudioError::NoAudio));
}

/// The files of a folder of fixtures, sorted.
fn kinds(folder: &str) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(root().join("tests/fixtures/kinds").join(folder)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path)).collect()
}

/// Maximum correlation of two signals, 0 to 1, over their alignments: codecs differ in their delays.
fn likeness(decoded: &[f32], expected: &[f32]) -> f64 {
    let at = |decoded: &[f32], expected: &[f32]| {
        let sums = decoded.iter().zip(expected).fold([0.0; 3], |[both, first, second], (&a, &b)| {
            let (a, b) = (f64::from(a), f64::from(b));
            [both + a * b, first + a * a, second + b * b]
        });
        sums[0] / (sums[1] * sums[2]).sqrt()
    };
    (0..1500).map(|shift| at(&decoded[shift..], expected).max(at(decoded, &expected[shift..]))).fold(0.0, f64::max)
}

/// For videos in fragments whose pictures are not in order: without an edit list, the first one is due at 0.4 s, and the
/// sound with it.
fn drop_late_start(samples: &mut Vec<f32>) {
    let silence: Vec<_> = samples.drain(..5_376).collect();
    assert!(silence.iter().all(|sample| sample.abs() < 0.01));
}

/// Decodes files that were made from the voice of the reference; the sound of the one named `late` starts late.
fn assert_the_voice(files: Vec<(String, PathBuf)>, late: &str) {
    let expected = reference("flac.flac");
    for (name, path) in files {
        let mut decoded = decode(&path, LIMIT).unwrap_or_else(|error| panic!("{name}: {error}")).samples;
        if name == late {
            drop_late_start(&mut decoded);
        }
        let likeness = likeness(&decoded, &expected);
        println!("{name}: {} samples, likeness {likeness:.3}", decoded.len());
        // Matroska does not mark the padding of AAC, two frames before and after the sound.
        assert!(decoded.len().abs_diff(expected.len()) <= 2048, "{name}: {} for {}", decoded.len(), expected.len());
        assert!(likeness > 0.75, "{name} is not the sound it was made from: {likeness:.3}");
    }
}

#[test]
fn every_common_format_is_decoded() {
    let files = kinds("heard");
    assert_eq!(files.len(), 19);
    assert_the_voice(files, "video-frag_keyframe.mp4");
}

#[test]
fn files_without_sound_and_files_that_are_no_recordings_are_refused() {
    let files = kinds("refused");
    assert_eq!(files.len(), 13);
    for (name, path) in files {
        let error = decode(&path, LIMIT).unwrap_err();
        let codec = |codec: &str| AudioError::Codec { name: codec.to_owned() };
        match name.as_str() {
            "ac3.mkv" => assert_eq!(error, codec("AC-3")),
            "speex.ogg" => assert_eq!(error, codec("Speex")),
            "transport.ts" => assert_eq!(error, codec("MPEG-TS")),
            name if name.starts_with("silent") => assert_eq!(error, AudioError::NoAudio, "{name}"),
            _ => assert!(matches!(error, AudioError::Unsupported { .. }), "{name}: {error}"),
        }
        assert_eq!(probe(&path, LIMIT), Err(error), "{name}");
    }
}
