//! Files that players play although their headers break a rule or name a codec in an unusual way; and the names of
//! unsupported codecs.

use std::fs;
use std::path::Path;
use std::process::Command;

use stenobot_audio::{AudioError, decode, probe};
use tempfile::NamedTempFile;

use super::{LIMIT, assert_the_voice, fixture, root};

fn file(bytes: &[u8]) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    fs::write(&file, bytes).unwrap();
    file
}

fn decoded(bytes: &[u8]) -> Result<Vec<f32>, AudioError> {
    decode(file(bytes).path(), LIMIT).map(|decoded| decoded.samples)
}

fn read(name: &str) -> Vec<u8> {
    fs::read(root().join("tests/fixtures").join(name)).unwrap()
}

/// The files of a folder of these fixtures, with their names.
fn files(folder: &str) -> Vec<(String, std::path::PathBuf)> {
    let entries = fs::read_dir(root().join("tests/fixtures/formats").join(folder)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path)).collect()
}

fn find(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).position(|window| window == wanted).unwrap()
}

fn name_of(result: Result<Vec<f32>, AudioError>) -> String {
    match result {
        Err(AudioError::Codec { name }) => name,
        other => panic!("no codec is named: {:?}", other.map(|samples| samples.len())),
    }
}

#[test]
fn files_that_players_play_are_decoded() {
    let files = files("decoded");
    assert_eq!(files.len(), 24);
    assert_the_voice(files, "hevc-fragments.mp4");
}

#[test]
fn unsupported_codecs_are_named() {
    let names = [
        ("aac-5.1.aac", "AAC 5.1"),
        ("aac-5.1.m4a", "AAC 5.1"),
        ("ac3.mp4", "AC-3"),
        ("eac3.mkv", "E-AC-3"),
        ("gsm.wav", "GSM 6.10"),
        ("mp3.avi", "AVI"),
        ("mp3.flv", "Flash Video (FLV)"),
        ("wma.mkv", "WMA"),
        ("wma.wma", "Windows Media (WMA, WMV)"),
    ];
    let files = files("named");
    assert_eq!(files.len(), names.len());
    for ((name, path), (of, wanted)) in files.into_iter().zip(names) {
        assert_eq!(name, of);
        assert_eq!(decode(&path, LIMIT).unwrap_err(), AudioError::Codec { name: wanted.to_owned() }, "{name}");
    }
}

#[test]
fn a_codec_within_mp4_and_matroska_is_named_and_is_no_missing_track() {
    let mp4 = |code: &[u8; 4]| {
        let mut bytes = read("kinds/heard/aac.mov");
        let at = find(&bytes, b"mp4a");
        bytes[at..at + 4].copy_from_slice(code);
        name_of(decoded(&bytes))
    };
    assert_eq!([mp4(b"samr"), mp4(b"sawb"), mp4(b"dtsc"), mp4(b"enca")], ["AMR", "AMR-WB", "DTS", "DRM"]);
    // A codec that the elementary stream names.
    let mut qcelp = read("audio/aac.m4a");
    let at = find(&qcelp, b"\x04\x80\x80\x80");
    qcelp[at + 5] = 0xe1;
    assert_eq!(name_of(decoded(&qcelp)), "QCELP");

    let mut matroska = read("kinds/heard/opus.mkv");
    let at = find(&matroska, b"A_OPUS");
    matroska[at..at + 6].copy_from_slice(b"A_TTA1");
    assert_eq!(name_of(decoded(&matroska)), "TTA");
    // A picture beside it does not make it the sound of a silent video.
    let mut video = read("kinds/heard/video-faststart.mp4");
    let at = find(&video, b"mp4a");
    video[at..at + 4].copy_from_slice(b"samr");
    assert_eq!(name_of(decoded(&video)), "AMR");
}

#[test]
fn a_file_that_was_cut_off_before_its_index_is_damaged() {
    let whole = read("audio/aac.m4a");
    let index = find(&whole, b"moov");
    let error = decoded(&whole[..index - 4]).unwrap_err();
    assert!(matches!(error, AudioError::Damaged { .. }), "{error}");
}

/// Makes a box longer by `count` bytes at its end, and all boxes around it.
fn grow(bytes: &mut Vec<u8>, path: &[&[u8; 4]], count: u32) {
    let mut at = 0;
    for kind in path {
        at += find(&bytes[at..], *kind);
        let size: &mut [u8; 4] = (&mut bytes[at - 4..at]).try_into().unwrap();
        *size = (u32::from_be_bytes(*size) + count).to_be_bytes();
    }
    let size = u32::from_be_bytes(bytes[at - 4..at].try_into().unwrap());
    let end = at - 4 + (size - count) as usize;
    bytes.splice(end..end, vec![0; count as usize]);
}

#[test]
fn a_long_configuration_of_the_picture_does_not_matter() {
    let mut video = read("audio/video.mp4");
    let before = decoded(&video).unwrap();
    // The index is the last box: no offset changes.
    grow(&mut video, &[b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1", b"avcC"], 3_000);
    assert!(decoded(&video).unwrap() == before);
}

#[test]
fn several_descriptions_of_one_sound_track_do_not_matter() {
    let mut bytes = read("audio/aac.m4a");
    let before = decoded(&bytes).unwrap();
    let at = find(&bytes, b"stsd");
    bytes[at + 11] = 2;
    assert!(decoded(&bytes).unwrap() == before);
}

#[test]
fn the_core_of_explicit_he_aac_is_decoded() {
    // The configuration of AAC-LC with ffmpeg's mark that there is no more, and one as long of object type 5 or 29.
    for (name, lc, fields) in [
        ("audio/aac.m4a", [0x12, 0x08, 0x56, 0xe5, 0x00], [(5, 5), (4, 4), (1, 4), (4, 4), (2, 5), (0, 18)]),
        ("kinds/heard/aac.mkv", [0x14, 0x08, 0x56, 0xe5, 0x00], [(5, 5), (8, 4), (1, 4), (5, 4), (2, 5), (0, 18)]),
        ("kinds/heard/aac.mov", [0x14, 0x08, 0x56, 0xe5, 0x00], [(29, 5), (8, 4), (1, 4), (5, 4), (2, 5), (0, 18)]),
    ] {
        let mut bytes = read(name);
        let plain = decoded(&bytes).unwrap();
        let bits = fields.iter().fold(0_u64, |bits, &(value, width)| (bits << width) | value);
        let at = find(&bytes, &lc);
        bytes[at..at + 5].copy_from_slice(&bits.to_be_bytes()[3..]);
        assert!(decoded(&bytes).unwrap() == plain, "{name}");
    }
}

#[test]
fn a_tag_of_more_than_a_mebibyte_is_left_out() {
    let tag = |size: u32, filling: u8| {
        let bytes = [(size >> 21) as u8, (size >> 14) as u8 & 0x7f, (size >> 7) as u8 & 0x7f, size as u8 & 0x7f];
        [&b"ID3\x04\0\0"[..], &bytes, &vec![filling; size as usize]].concat()
    };
    for name in ["mp3.mp3", "flac.flac", "aac.aac", "pcm.wav", "opus.ogg", "aac.m4a"] {
        let bytes = fs::read(fixture(name)).unwrap();
        let plain = decoded(&bytes).unwrap();
        // The sound's offsets within an MP4 count from the start of the file, which is the tag's for some writers only.
        assert!(decoded(&[tag(3 << 20, 0), bytes.clone()].concat()).unwrap() == plain, "{name}");
        assert!(decoded(&[tag(100, 0xff), tag(2 << 20, 0xff), bytes].concat()).unwrap() == plain, "{name}");
    }
}

/// A chunk of a WAV file that claims `size` bytes.
fn chunk(name: &[u8; 4], size: u32, content: &[u8]) -> Vec<u8> {
    [name, &size.to_le_bytes()[..], content].concat()
}

#[test]
fn wrong_zero_and_open_sizes_of_wav_do_not_matter() {
    const OPEN: u32 = u32::MAX;
    let plain = fs::read(fixture("pcm.wav")).unwrap();
    let samples = decoded(&plain).unwrap();
    let (format, sound) = (&plain[20..36], &plain[find(&plain, b"data") + 8..]);
    let size = sound.len() as u32;
    let fmt = chunk(b"fmt ", 16, format);
    let data = |claimed| chunk(b"data", claimed, sound);
    let wav = |riff: u32, chunks: &[&[u8]]| [&chunk(b"RIFF", riff, b"WAVE")[..], &chunks.concat()].concat();
    let list = chunk(b"LIST", 4, b"INFO");
    let ds64 = [&(size as u64 + 100).to_le_bytes()[..], &(size as u64).to_le_bytes(), &[0; 12]].concat();
    let mut rf64 = wav(OPEN, &[&chunk(b"ds64", 28, &ds64), &fmt, &data(OPEN), &list]);
    rf64[..4].copy_from_slice(b"RF64");
    for (what, bytes) in [
        ("as it should be", wav(36 + size, &[&fmt, &data(size)])),
        ("RIFF short by 8", wav(28 + size, &[&fmt, &data(size)])),
        ("RIFF as large as the data", wav(size, &[&fmt, &data(size)])),
        ("RIFF zero", wav(0, &[&fmt, &data(size)])),
        ("RIFF open", wav(OPEN, &[&fmt, &data(size)])),
        ("RIFF too large", wav(1 << 30, &[&fmt, &data(size)])),
        ("data zero", wav(36 + size, &[&fmt, &data(0)])),
        ("data and RIFF zero", wav(0, &[&fmt, &data(0)])),
        ("data zero, RIFF as if there were none", wav(36, &[&fmt, &data(0)])),
        ("data open", wav(36 + size, &[&fmt, &data(OPEN)])),
        ("both open", wav(OPEN, &[&fmt, &data(OPEN)])),
        ("data too large", wav(36 + size, &[&fmt, &data(0x7fff_ff00)])),
        ("data never brought up to date", wav(36 + size, &[&fmt, &data(1_000)])),
        ("a list behind the data", wav(36 + size, &[&fmt, &data(size), &list])),
        ("a list behind it that RIFF counts", wav(48 + size, &[&fmt, &data(size), &list])),
        ("an odd chunk with its padding", wav(OPEN, &[&chunk(b"note", 3, b"abc\0"), &fmt, &data(size)])),
        ("an odd chunk without", wav(OPEN, &[&fmt, &chunk(b"note", 3, b"abc"), &data(size)])),
        ("a longer description", wav(OPEN, &[&chunk(b"fmt ", 20, &[format, &[0; 4]].concat()), &data(size)])),
        ("RF64", rf64),
    ] {
        let ours = decoded(&bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(ours.len(), samples.len(), "{what}");
        assert!(ours == samples, "{what}");
    }
    assert_eq!(decoded(&wav(48, &[&fmt, &chunk(b"data", 0, &[]), &list])), Err(AudioError::Empty));
}

#[test]
fn a_file_that_is_not_regular_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for path in [fifo.as_path(), folder.path(), Path::new("/dev/zero")] {
        let error = probe(path, LIMIT).unwrap_err();
        assert!(matches!(error, AudioError::Io { .. }), "{}: {error}", path.display());
    }
}
