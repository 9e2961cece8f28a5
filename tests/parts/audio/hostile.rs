//! Hostile and damaged files. Each gets a result; none crashes or blocks the process.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use stenobot_audio::{AudioError, ProbeOutcome, decode, probe};
use stenobot_domain::duration_of_samples;
use tempfile::NamedTempFile;

use super::{LIMIT, fixture, root};
use crate::corpus::corpus;
use crate::corpus::forge::{bomb, ogg_page, opus_file, wav};

const FIXTURES: [&str; 14] = [
    "opus.ogg",
    "opus-stereo.ogg",
    "opus.webm",
    "opus.mp4",
    "vorbis.ogg",
    "vorbis.mkv",
    "aac.m4a",
    "aac.aac",
    "mp3.mp3",
    "flac.flac",
    "pcm.wav",
    "float-stereo.wav",
    "video.mp4",
    "silent.mp4",
];

fn file(bytes: &[u8]) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    fs::write(&file, bytes).unwrap();
    file
}

fn probe_bytes(bytes: &[u8]) -> Result<Duration, AudioError> {
    probe(file(bytes).path(), LIMIT)
}

/// Runs `work` and fails if it has no result after a minute, far longer than any test here takes.
pub(super) fn within_a_minute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    result.recv_timeout(Duration::from_secs(60)).expect("the decoder hangs or panicked")
}

#[test]
fn a_file_without_audio_is_unsupported_or_damaged() {
    assert_eq!(probe_bytes(b""), Err(AudioError::Empty));
    let text = "Dear bot, this is a letter. ".repeat(1_000);
    let zeros = vec![0; 100_000];
    for bytes in [b"O".as_slice(), b"OggS", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", text.as_bytes(), &zeros] {
        let error = probe_bytes(bytes).unwrap_err();
        assert!(matches!(error, AudioError::Unsupported { .. } | AudioError::Damaged { .. }), "{error}");
    }
    let gone = probe(&root().join("no such file"), LIMIT).unwrap_err();
    assert!(matches!(&gone, AudioError::Io { .. }), "{gone}");
    assert!(!gone.to_string().contains("no such file"), "the error shows the path");
    let folder = probe(root(), LIMIT).unwrap_err();
    assert!(matches!(folder, AudioError::Io { .. }), "{folder}");
}

#[test]
fn a_truncated_file_gives_its_prefix_or_an_error() {
    within_a_minute(|| {
        for name in FIXTURES {
            let bytes = fs::read(fixture(name)).unwrap();
            let whole = probe_bytes(&bytes).unwrap_or_default();
            for end in (0..bytes.len()).step_by(100) {
                if let Ok(length) = probe_bytes(&bytes[..end]) {
                    // An encoder's padding is only known as such when the end is there.
                    assert!(
                        length <= whole + Duration::from_millis(60),
                        "{name} cut at {end}: {length:?} of {whole:?}"
                    );
                }
            }
        }
        let voice = fs::read(root().join("samples/ru-30s-1.ogg")).unwrap();
        let half = probe_bytes(&voice[..voice.len() / 2]).unwrap();
        assert!((10..15).contains(&half.as_secs()), "half a voice message has {half:?}");
    });
}

#[test]
fn damaged_files_and_files_with_false_sizes_get_a_result() {
    let (files, decoded, panicked) = within_a_minute(|| {
        let (mut files, mut decoded, mut panicked) = (0, 0, 0);
        for hostile in corpus().iter().filter(|hostile| ["flip", "lie"].contains(&hostile.family())) {
            files += 1;
            match probe_bytes(&hostile.bytes()) {
                Ok(_) => decoded += 1,
                Err(AudioError::Damaged { what }) if what.contains("broke down") => panicked += 1,
                Err(_) => {}
            }
        }
        (files, decoded, panicked)
    });
    println!("{decoded} of {files} decoded, {panicked} panics caught");
    assert!(decoded > files / 5, "the mutations are too coarse to reach the decoders: {decoded} of {files}");
}

#[test]
fn files_found_by_fuzzing_are_no_input_or_output_errors() {
    let found: Vec<_> = corpus().into_iter().filter(|hostile| hostile.family() == "fuzzed").collect();
    assert_eq!(found.len(), 3);
    for hostile in found {
        let result = probe_bytes(&hostile.bytes());
        assert!(!matches!(result, Err(AudioError::Io { .. })), "{}: {result:?}", hostile.name);
    }
}

#[test]
fn the_corpus_is_large_and_reproducible() {
    let (one, other) = (corpus(), corpus());
    assert!(one.len() > 1_000, "{}", one.len());
    let names: BTreeSet<&str> = one.iter().map(|hostile| hostile.name.as_str()).collect();
    assert_eq!(names.len(), one.len(), "two files have one name");
    for (one, other) in one.iter().zip(&other).step_by(50) {
        assert_eq!(one.name, other.name);
        assert!(one.bytes() == other.bytes(), "{}", one.name);
    }
}

#[test]
fn a_duration_bomb_stops_at_the_limit() {
    within_a_minute(|| {
        let limit = Duration::from_secs(20);
        let too_long = AudioError::TooLong { limit };
        // 17 hours. Granule positions: honest, none at all, all at zero (everything is padding, says the container).
        let honest = |page: u32| u64::from(page + 1) * 255 * 5_760;
        for bytes in [bomb(2_000, honest), bomb(2_000, |_| u64::MAX), bomb(2_000, |_| 0)] {
            let file = file(&bytes);
            assert_eq!(probe(file.path(), limit), Err(too_long.clone()));
            assert_eq!(decode(file.path(), limit).unwrap_err(), too_long);
        }
        let short = probe_bytes(&bomb(1, honest)).unwrap();
        assert!(short.abs_diff(Duration::from_millis(30_600)) < Duration::from_millis(10), "{short:?}");
    });
}

#[test]
fn undecodable_packets_are_left_out() {
    let no_frame_count: &[u8] = &[0x03];
    for packet in [no_frame_count, &[]] {
        let error = probe_bytes(&opus_file(100, packet, |_| 0)).unwrap_err();
        assert!(matches!(error, AudioError::Damaged { .. }), "{error}");
    }
    let mut holes = ogg_page(2, 0, 0, &[b"OpusHead\x01\x01\0\0\x80\xbb\0\0\0\0\0"]);
    holes.extend(ogg_page(0, 0, 1, &[b"OpusTags\0\0\0\0\0\0\0\0"]));
    let good: &[u8] = &[0x19];
    holes.extend(ogg_page(4, u64::MAX, 2, &[good, no_frame_count, good, &[], good]));
    assert_eq!(probe_bytes(&holes), Ok(Duration::from_millis(360)));
}

#[test]
fn a_recording_within_the_limit_is_decoded() {
    let second = wav(1, 16_000, 16, &[0; 2 * 32_000]);
    assert_eq!(probe(file(&second).path(), Duration::from_secs(1)), Ok(Duration::from_secs(2)));
    let more = wav(1, 16_000, 16, &[0; 2 * 32_001]);
    let limit = Duration::from_secs(1);
    assert_eq!(probe(file(&more).path(), limit), Err(AudioError::TooLong { limit }));
}

#[test]
fn the_shortest_recordings_keep_their_length() {
    assert_eq!(probe_bytes(&wav(1, 16_000, 16, &[])), Err(AudioError::Empty));
    for samples in 1..=200 {
        let data = vec![1; 2 * samples];
        assert_eq!(probe_bytes(&wav(1, 16_000, 16, &data)), Ok(duration_of_samples(samples)));
        assert_eq!(probe_bytes(&wav(1, 8_000, 16, &data)), Ok(duration_of_samples(2 * samples)));
    }
}

#[test]
fn absurd_headers_are_refused() {
    let data = vec![1; 10_000];
    for (channels, rate, bits) in [
        (0, 16_000, 16),
        (9, 16_000, 16),
        (u16::MAX, 16_000, 16),
        (1, 0, 16),
        (1, 1, 16),
        (1, u32::MAX, 16),
        (1, 16_000, 0),
        (1, 16_000, 7),
        (1, 16_000, u16::MAX),
        (u16::MAX, u32::MAX, u16::MAX),
    ] {
        let result = probe_bytes(&wav(channels, rate, bits, &data));
        assert!(result.is_err(), "{channels} channels, {rate} Hz, {bits} bits: {result:?}");
    }
}

#[test]
fn samples_that_are_nan_become_silence() {
    let mut floats = fs::read(fixture("float-stereo.wav")).unwrap();
    let from = floats.len() - 800;
    for sample in floats[from..].as_chunks_mut::<4>().0 {
        *sample = f32::NAN.to_le_bytes();
    }
    let decoded = decode(file(&floats).path(), LIMIT).unwrap().samples;
    assert_eq!(decoded.len(), 3_200);
    assert!(decoded.iter().all(|sample| sample.abs() <= 1.0));
    assert!(decoded[3_100..].iter().all(|&sample| sample == 0.0));
}

#[test]
fn a_chained_ogg_is_decoded_to_its_end() {
    let links = ["ru-short-08.ogg", "ru-short-10.ogg"].map(|name| fs::read(root().join("samples").join(name)).unwrap());
    let chained = probe_bytes(&links.concat()).unwrap();
    assert_eq!(chained, links.iter().map(|link| probe_bytes(link).unwrap()).sum());
}

#[test]
fn the_name_of_a_file_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("voice.ogg");
    fs::copy(fixture("mp3.mp3"), &path).unwrap();
    assert_eq!(probe(&path, LIMIT), probe(&fixture("mp3.mp3"), LIMIT));
}

#[test]
fn the_probe_process_prints_length_or_error() {
    let outcome = |path: &std::path::Path| {
        let output = Command::new(env!("CARGO_BIN_EXE_stenobot"))
            .args(["probe", "--limit-ms", "20000"])
            .arg(path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout.iter().filter(|&&byte| byte == b'\n').count(), 1);
        Result::from(serde_json::from_slice::<ProbeOutcome>(&output.stdout).unwrap())
    };
    assert_eq!(outcome(&fixture("opus.ogg")), Ok(Duration::from_millis(900)));
    assert_eq!(outcome(&fixture("silent.mp4")), Err(AudioError::NoAudio));
    // 20 MiB, as much as Telegram lets through: two weeks.
    let bomb = file(&bomb(39_000, |_| 0));
    assert_eq!(outcome(bomb.path()), Err(AudioError::TooLong { limit: Duration::from_secs(20) }));
}
