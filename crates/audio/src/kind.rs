//! Files that are refused by their first bytes, before any reader searches them for sound.

use super::AudioError;

/// Bytes of a file that [`foreign`] needs.
pub(super) const HEAD: usize = 4096;

/// Offset and magic bytes of files that are no recordings, and their names. Readers search a whole file for sound, and would
/// find some in an archive or a picture that happens to hold a frame of it.
const NO_RECORDINGS: &[(usize, &[u8], &str)] = &[
    (0, b"\x89PNG", "a picture"),
    (0, b"\xff\xd8\xff", "a picture"),
    (0, b"GIF8", "a picture"),
    (8, b"WEBP", "a picture"),
    (4, b"ftypheic", "a picture"),
    (4, b"ftypmif1", "a picture"),
    (4, b"ftypavif", "a picture"),
    (0, b"%PDF", "a document"),
    (0, b"{\\rtf", "a document"),
    (0, b"\xd0\xcf\x11\xe0", "a document"),
    (0, b"PK\x03\x04", "an archive or a document"),
    (0, b"\x1f\x8b", "an archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "an archive"),
    (0, b"Rar!", "an archive"),
    (0, b"\x28\xb5\x2f\xfd", "an archive"),
    (0, b"\xfd7zXZ", "an archive"),
    (0, b"\x7fELF", "a program"),
    (0, b"MThd", "MIDI"),
    (0, b"FWS", "a Flash program"),
    (0, b"CWS", "a Flash program"),
];

/// The same for recordings that no reader here supports. Users see the names.
const RECORDINGS: &[(usize, &[u8], &str)] = &[
    (8, b"AVI ", "AVI"),
    (0, b"FLV\x01", "Flash Video (FLV)"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media (WMA, WMV)"),
    (0, b"\0\0\x01\xba", "MPEG-PS"),
    (0, b"#!AMR-WB", "AMR-WB"),
    (0, b"#!AMR", "AMR"),
    (0, b"#!SILK", "SILK"),
    (1, b"#!SILK", "SILK"),
    (0, b".snd", "AU"),
    (0, b".RMF", "RealMedia"),
    (0, b".ra\xfd", "RealAudio"),
    (0, b"riff\x2e\x91\xcf\x11", "Wave64"),
    (0, b"RIFX", "RIFX"),
    (0, b"Creative Voice File", "VOC"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"wvpk", "WavPack"),
    (0, b"TTA1", "TTA"),
    (0, b"MPCK", "Musepack"),
    (0, b"MP+", "Musepack"),
    (0, b"\x0b\x77", "AC-3"),
    (0, b"\x7f\xfe\x80\x01", "DTS"),
    (0, b"ADIF", "AAC (ADIF)"),
    (0, b"DSD ", "DSD"),
    (0, b"FRM8", "DSD"),
];

/// Length of a packet of an MPEG transport stream, which begins with a byte of its own. Cameras put four bytes before.
const TRANSPORT_PACKET: usize = 188;

/// Why the file that begins with `head` is refused.
pub(super) fn foreign(head: &[u8]) -> Option<AudioError> {
    let has = |at: usize, bytes: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(bytes));
    let holds = |bytes: &[u8]| head.windows(bytes.len()).any(|window| window == bytes);
    let codec = |name: &str| Some(AudioError::Codec { name: name.to_owned() });
    if let Some((_, _, what)) = NO_RECORDINGS.iter().find(|(at, bytes, _)| has(*at, bytes)) {
        return Some(AudioError::Unsupported { what: (*what).to_owned() });
    }
    if let Some((_, _, name)) = RECORDINGS.iter().find(|(at, bytes, _)| has(*at, bytes)) {
        return codec(name);
    }
    let is_transport = |before| (0..4).all(|packet| has(packet * (before + TRANSPORT_PACKET) + before, &[0x47]));
    if is_transport(0) || is_transport(4) {
        return codec("MPEG-TS");
    }
    // Bit rates that MP2 forbids for one channel, and that ffmpeg writes by default.
    if let [0xff, 0xfc | 0xfd, rate @ 0xb0..=0xef, 0xc0..=0xff] = head.first_chunk().unwrap_or(&[0; 4]) {
        let kilobits = [224, 256, 320, 384][usize::from(rate >> 4) - 0xb];
        return codec(&format!("MP2 ({kilobits} kbit/s, 1 ch)"));
    }
    let opus = head.windows(8).position(|window| window == b"OpusHead").and_then(|at| head.get(at + 8..at + 19));
    if let (true, Some(&[_, channels, .., family @ 2..=u8::MAX])) = (has(0, b"OggS"), opus) {
        return codec(&format!("Opus ({channels} ch, {family})"));
    }
    if has(0, b"OggS") && ![&b"OpusHead"[..], b"\x01vorbis", b"\x7fFLAC"].into_iter().any(holds) {
        // The reader would call these damaged.
        if holds(b"Speex   ") {
            return codec("Speex");
        }
        if holds(b"CELT    ") {
            return codec("CELT");
        }
        if holds(b"\x80theora") {
            return Some(AudioError::NoAudio);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_recognised_by_its_first_bytes() {
        let what = |head: &[u8]| match foreign(head) {
            Some(AudioError::Unsupported { what: name } | AudioError::Codec { name }) => name,
            other => panic!("{other:?}"),
        };
        assert_eq!(what(b"%PDF-1.7 ..."), "a document");
        assert_eq!(what(b"RIFF\x10\0\0\0WEBPVP8 "), "a picture");
        assert_eq!(what(b"RIFF\x10\0\0\0AVI LIST"), "AVI");
        assert_eq!(what(b"PK\x03\x04..."), "an archive or a document");
        assert_eq!(what(&[&[0x47; 1][..], &[0; 187]].concat().repeat(4)), "MPEG-TS");
        let m2ts = [&[0; 4][..], &[0x47], &[0; 187]].concat().repeat(4);
        assert_eq!(what(&m2ts), "MPEG-TS");
        assert_eq!(what(b"\xff\xfd\xe4\xc4"), "MP2 (384 kbit/s, 1 ch)");
        let ambisonics = b"OggS\0\x02.....................\x13OpusHead\x01\x04\0\0\0\0\0\0\0\0\x02";
        assert_eq!(what(ambisonics), "Opus (4 ch, 2)");
        assert_eq!(what(b"#!AMR-WB\n"), "AMR-WB");
        assert_eq!(what(b"#!AMR\n"), "AMR");
        assert_eq!(what(b"OggS\0\x02........................Speex   1.2"), "Speex");
        assert_eq!(foreign(b"OggS\0\x02........................\x80theora"), Some(AudioError::NoAudio));
    }

    #[test]
    fn recordings_that_readers_support_are_not_refused() {
        for head in [
            &b"RIFF\x10\0\0\0WAVEfmt "[..],
            b"OggS\0\x02........................\x80theora OggS\x01vorbis",
            b"\0\0\0\x20ftypisom",
            b"ID3\x04",
            b"\xff\xfd\xa4\xc4",
            b"\xff\xfb\xe4\xc4",
            b"OggS\0\x02.....................\x13OpusHead\x01\x06\0\0\0\0\0\0\0\0\x01",
            b"\x1aE\xdf\xa3",
            b"fLaC",
            b"FORM\0\0\0\x10AIFF",
            b"caff\0\x01",
            b"G",
            b"",
        ] {
            assert_eq!(foreign(head), None);
        }
    }
}
