//! Kinds of files that no reader here should be given: told by their first bytes.

use super::AudioError;

/// How many bytes of a file [`foreign`] wants to see.
pub(super) const HEAD: usize = 4096;

/// Place, bytes and name of what marks a kind. Readers look for sound anywhere in a file, and would find some in an
/// archive or a picture that happens to hold a frame of it.
const SIGNATURES: &[(usize, &[u8], &str)] = &[
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
    (8, b"AVI ", "AVI"),
    (0, b"FLV\x01", "Flash video"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media"),
    (0, b"\0\0\x01\xba", "an MPEG program stream"),
    (0, b"#!AMR", "AMR"),
    (0, b"caff", "Core Audio"),
    (8, b"AIFF", "AIFF"),
    (8, b"AIFC", "AIFF"),
    (0, b".snd", "AU"),
    (0, b"MThd", "MIDI"),
];

/// Length of a packet of an MPEG transport stream, which begins with a byte of its own.
const TRANSPORT_PACKET: usize = 188;

/// Why the file that begins with `head` need not be given to a reader.
pub(super) fn foreign(head: &[u8]) -> Option<AudioError> {
    let has = |at: usize, bytes: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(bytes));
    let holds = |bytes: &[u8]| head.windows(bytes.len()).any(|window| window == bytes);
    let unsupported = |what: &str| Some(AudioError::Unsupported { what: what.to_owned() });
    if let Some((_, _, what)) = SIGNATURES.iter().find(|(at, bytes, _)| has(*at, bytes)) {
        return unsupported(what);
    }
    if (0..4).all(|packet| has(packet * TRANSPORT_PACKET, &[0x47])) {
        return unsupported("an MPEG transport stream");
    }
    if has(0, b"OggS") && ![&b"OpusHead"[..], b"\x01vorbis", b"\x7fFLAC"].into_iter().any(holds) {
        // The reader would call these damaged.
        if holds(b"Speex   ") {
            return unsupported("Speex");
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
    fn kinds_are_told_apart() {
        let what = |head: &[u8]| match foreign(head) {
            Some(AudioError::Unsupported { what }) => what,
            other => panic!("{other:?}"),
        };
        assert_eq!(what(b"%PDF-1.7 ..."), "a document");
        assert_eq!(what(b"RIFF\x10\0\0\0WEBPVP8 "), "a picture");
        assert_eq!(what(b"RIFF\x10\0\0\0AVI LIST"), "AVI");
        assert_eq!(what(b"PK\x03\x04..."), "an archive or a document");
        assert_eq!(what(&[&[0x47; 1][..], &[0; 187]].concat().repeat(4)), "an MPEG transport stream");
        assert_eq!(what(b"OggS\0\x02........................Speex   1.2"), "Speex");
        assert_eq!(foreign(b"OggS\0\x02........................\x80theora"), Some(AudioError::NoAudio));
    }

    #[test]
    fn what_may_be_read_is_left_to_the_readers() {
        for head in [
            &b"RIFF\x10\0\0\0WAVEfmt "[..],
            b"OggS\0\x02........................\x80theora OggS\x01vorbis",
            b"\0\0\0\x20ftypisom",
            b"ID3\x04",
            b"\x1aE\xdf\xa3",
            b"fLaC",
            b"G",
            b"",
        ] {
            assert_eq!(foreign(head), None);
        }
    }
}
