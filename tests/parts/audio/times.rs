//! When sound is presented, from which channels, and from which track.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use stenobot_audio::{AudioError, decode, probe};
use tempfile::NamedTempFile;

use super::hostile::within_a_minute;
use super::{LIMIT, fixture, likeness, reference, root};
use crate::corpus::forge::{bomb, edited, matroska};

/// The voice of the fixtures in samples, and the time from one start to the next where it comes twice.
const VOICE: usize = 14_400;

/// Tolerance for delays of codecs and for cut frames: 0.1 s.
const SLACK: usize = 1_600;

fn samples(name: &str) -> Vec<f32> {
    let path: PathBuf = root().join("tests/fixtures/times").join(name);
    let samples = decode(&path, LIMIT).unwrap_or_else(|error| panic!("{name}: {error}")).samples;
    assert_eq!(probe(&path, LIMIT).unwrap(), stenobot_domain::duration_of_samples(samples.len()), "{name}");
    samples
}

/// Fails unless the voice is at these offsets, with silence between them and nothing after the last.
fn assert_voice_at(name: &str, samples: &[f32], starts: &[usize]) {
    let voice = reference("flac.flac");
    let mut silent_from = 0;
    for &start in starts {
        let silence = &samples[silent_from..start.saturating_sub(SLACK).max(silent_from)];
        let loudest = silence.iter().fold(0.0f32, |loudest, sample| loudest.max(sample.abs()));
        assert!(loudest < 0.02, "{name}: {loudest} before the voice at {start}");
        let from = start.saturating_sub(SLACK / 2);
        let alike = likeness(&samples[from..samples.len().min(from + VOICE + SLACK)], &voice);
        println!("{name}: {alike:.3} at {start}");
        assert!(alike > 0.75, "{name}: the voice is not at {start}: {alike:.3}");
        silent_from = start + VOICE + SLACK;
    }
    let end = starts.last().unwrap() + VOICE;
    assert!(samples.len().abs_diff(end) <= SLACK, "{name}: {} samples instead of {end}", samples.len());
}

fn probe_bytes(bytes: &[u8], limit: Duration) -> Result<Duration, AudioError> {
    let file = NamedTempFile::new().unwrap();
    fs::write(&file, bytes).unwrap();
    probe(file.path(), limit)
}

fn assert_about(result: Result<Duration, AudioError>, wanted: u64) {
    let length = result.unwrap();
    assert!(length.abs_diff(Duration::from_millis(wanted)) < Duration::from_millis(30), "{length:?}, not {wanted} ms");
}

#[test]
fn a_late_start_is_silence() {
    for name in ["late.mp4", "late.mov", "late-delayed.mp4", "late-fragments.mp4", "late.webm", "late-alone.webm"] {
        assert_voice_at(name, &samples(name), &[32_000]);
    }
}

#[test]
fn a_pause_without_packets_is_silence() {
    for name in ["pause.webm", "pause.mkv", "pause.mp4"] {
        assert_voice_at(name, &samples(name), &[0, VOICE + 32_000]);
    }
    assert_voice_at("pause.ogg", &samples("pause.ogg"), &[0, VOICE, 2 * VOICE + 32_000]);
}

#[test]
fn a_stream_that_was_cut_begins_with_its_sound() {
    assert_voice_at("cut.ogg", &samples("cut.ogg"), &[0]);
}

#[test]
fn audio_outside_the_edit_list_is_left_out() {
    let trimmed = samples("trimmed.m4a");
    assert_voice_at("trimmed.m4a", &trimmed, &[0]);
    // The count is ffmpeg's.
    assert!(trimmed.len().abs_diff(15_296) <= 1, "{}", trimmed.len());
}

/// `aac.m4a` lasts 0.905 s behind 23 ms of priming; lengths are in milliseconds, offsets in its media in 44,100ths.
#[test]
fn edits_are_presented_in_their_order() {
    let m4a = fs::read(fixture("aac.m4a")).unwrap();
    let edits = |edits: &[(u32, i32)]| probe_bytes(&edited(&m4a, edits), LIMIT);
    assert_eq!(edits(&[(905, 1024)]), probe(&fixture("aac.m4a"), LIMIT));
    assert_about(edits(&[(3_000, -1), (905, 1024)]), 3_905);
    // A part, a pause, a part behind it.
    assert_about(edits(&[(200, 1024), (1_000, -1), (300, 1024 + 22_050)]), 1_500);
    // One part three times, and two parts in reverse.
    assert_about(edits(&[(400, 1024), (400, 1024), (400, 1024)]), 1_200);
    assert_about(edits(&[(400, 1024 + 22_050), (500, 1024)]), 900);
    // To the end.
    assert_about(edits(&[(0, 1024 + 22_050)]), 405);
    // Nothing that exists: the list is damaged.
    assert_eq!(edits(&[(500, 1 << 30)]), probe(&fixture("aac.m4a"), LIMIT));
    let voice = {
        let file = NamedTempFile::new().unwrap();
        fs::write(&file, edited(&m4a, &[(905, 1024), (1_095, -1), (905, 1024)])).unwrap();
        decode(file.path(), LIMIT).unwrap().samples
    };
    assert_voice_at("again", &voice, &[0, 32_000]);
}

#[test]
fn times_of_matroska_are_followed() {
    let of = |times: &mut dyn Iterator<Item = u64>| probe_bytes(&matroska(times), LIMIT);
    assert_about(of(&mut (0..100).map(|n| n * 120)), 12_000);
    // Rounded, late by a little, and stamped by a clock that is fast by one part in a thousand.
    assert_about(of(&mut (0..100).map(|n| n * 120 + n * 7_919 % 41)), 12_000);
    assert_about(of(&mut (0..100).map(|n| n * 120 + n * 120 / 1_000)), 12_000);
    // One long pause; many short ones.
    assert_about(of(&mut (0..100).map(|n| n * 120 + if n < 50 { 0 } else { 10_000 })), 22_000);
    let short = of(&mut (0..100).map(|n| n * 160)).unwrap();
    assert!(short.abs_diff(Duration::from_millis(99 * 160 + 120)) < Duration::from_millis(160), "{short:?}");
    // Times that begin anew, as in files glued together, with a pause in the second part.
    let glued = (0..50).chain(0..50).enumerate();
    assert_about(of(&mut glued.map(|(n, m)| m * 120 + if n < 75 { 0 } else { 5_000 })), 17_000);
}

#[test]
fn hours_of_silence_are_too_long_at_once() {
    let limit = Duration::from_secs(600);
    let too_long = Err(AudioError::TooLong { limit });
    let m4a = fs::read(fixture("aac.m4a")).unwrap();
    let hours = 36_000_000;
    let jumps = matroska(&mut [0, 120, hours].into_iter());
    assert!(jumps.len() < 1_000);
    let files = [
        jumps,
        matroska(&mut (0..20).map(|n| n * 50_000)),
        matroska(&mut [0, u64::MAX >> 24].into_iter()),
        bomb(3, |page| u64::from(page + 1) * 48_000 * 36_000),
        edited(&m4a, &[(36_000_000, -1), (905, 1024)]),
        edited(&m4a, &[(905, 1024), (u32::MAX, -1), (905, 1024)]),
        edited(&m4a, &[(700_000, -1); 200].iter().copied().chain([(905, 1024)]).collect::<Vec<_>>()),
    ];
    let results = within_a_minute(move || files.map(|bytes| probe_bytes(&bytes, limit)));
    assert!(results.iter().all(|result| *result == too_long), "{results:?}");
    // Alone and that late, it is a part of something longer.
    assert_about(probe_bytes(&matroska(&mut [hours, hours + 120].into_iter()), limit), 240);
}

#[test]
fn channels_that_cancel_each_other_do_not_lose_the_voice() {
    for name in ["opus.ogg", "flac.flac", "wav.wav", "aac.m4a", "mp3.mp3"] {
        let name = format!("antiphase-{name}");
        assert_voice_at(&name, &samples(&name), &[0]);
    }
    assert_voice_at("left-only.ogg", &samples("left-only.ogg"), &[0]);
}

#[test]
fn a_silent_track_is_skipped() {
    for name in ["second-track.mp4", "second-track.mkv"] {
        assert_voice_at(name, &samples(name), &[0]);
    }
    let silent = samples("silent-tracks.mp4");
    assert!(silent.len().abs_diff(VOICE) < SLACK, "{}", silent.len());
}

#[test]
fn the_track_that_is_marked_for_playing_comes_first() {
    for name in ["marked-second.mp4", "marked-second.mkv"] {
        assert_voice_at(name, &samples(name), &[0]);
    }
}
