//! Positions of the sizes and counts in a file, found by parsing it.

use std::ops::Range;

/// A number in a file and its encoding.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) place: Range<usize>,
    pub(crate) kind: Kind,
}

/// Encoding of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Big,
    Little,
    /// EBML: the first set bit gives the length.
    Vint,
    /// ID3: seven bits a byte.
    SynchSafe,
}

impl Field {
    /// Replaces the number; one that is too large becomes the largest that fits.
    pub(crate) fn set(&self, file: &mut [u8], value: u64) {
        let Some(bytes) = file.get_mut(self.place.clone()) else { return };
        let length = bytes.len();
        let bits = match self.kind {
            Kind::Big | Kind::Little => 8 * length,
            Kind::Vint | Kind::SynchSafe => 7 * length,
        };
        let value = value.min(u64::MAX.checked_shr(64 - bits as u32).unwrap_or(0));
        for (index, byte) in bytes.iter_mut().enumerate() {
            let behind = length - 1 - index;
            *byte = match self.kind {
                Kind::Big => (value >> (8 * behind)) as u8,
                Kind::Little => (value >> (8 * index)) as u8,
                Kind::Vint => (value >> (8 * behind)) as u8 | if index == 0 { 0x80 >> (length - 1) } else { 0 },
                Kind::SynchSafe => (value >> (7 * behind)) as u8 & 0x7f,
            };
        }
    }
}

/// The fields of a file of any known kind.
pub(crate) fn fields(file: &[u8]) -> Vec<Field> {
    let mut found = Vec::new();
    match file {
        [b'O', b'g', b'g', b'S', ..] => ogg(file, &mut found),
        [0x1a, b'E', 0xdf, 0xa3, ..] => ebml(file, 0..file.len(), &mut found),
        [b'R', b'I', b'F', b'F', ..] => riff(file, &mut found),
        [b'f', b'L', b'a', b'C', ..] => flac(file, &mut found),
        [b'I', b'D', b'3', ..] => id3(file, &mut found),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => boxes(file, 0..file.len(), &mut found),
        // Frames of MP3 or ADTS: rate, length and channels are in the first bytes of each.
        _ => found.extend((0..file.len().min(8)).map(|at| Field { place: at..at + 1, kind: Kind::Big })),
    }
    found
}

fn number(file: &[u8], place: Range<usize>) -> usize {
    file.get(place).unwrap_or_default().iter().fold(0, |number, &byte| (number << 8) | usize::from(byte))
}

/// MP4 boxes: their sizes and first numbers, where counts are.
fn boxes(file: &[u8], mut within: Range<usize>, found: &mut Vec<Field>) {
    const FOLDERS: [&[u8]; 15] = [
        b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"moof", b"traf", b"mvex", b"udta", b"meta",
        b"ilst", b"mfra", b"wave",
    ];
    while within.start + 8 <= within.end {
        let (size, body) = (number(file, within.start..within.start + 4), within.start + 8);
        let name = &file[within.start + 4..body];
        let end = within.start + size.clamp(8, within.end - within.start);
        found.push(Field { place: within.start..within.start + 4, kind: Kind::Big });
        if FOLDERS.contains(&name) {
            let skip = if name == b"meta" { 4 } else { 0 };
            boxes(file, body + skip..end, found);
        } else if name == b"stsd" {
            found.push(Field { place: body + 4..body + 8, kind: Kind::Big });
            sample_entries(file, body + 8..end, found);
        } else if name != b"mdat" {
            let numbers = (body..end.min(body + 32)).step_by(4).filter(|at| at + 4 <= end);
            found.extend(numbers.map(|at| Field { place: at..at + 4, kind: Kind::Big }));
        }
        within.start = end;
    }
}

/// The codec description: channels, bits and rate, then boxes such as `esds` and `dOps` byte by byte.
fn sample_entries(file: &[u8], within: Range<usize>, found: &mut Vec<Field>) {
    let at = within.start;
    found.push(Field { place: at..at + 4, kind: Kind::Big });
    for (place, length) in [(24, 2), (26, 2), (28, 2), (32, 4), (36, 4)] {
        found.push(Field { place: at + place..at + place + length, kind: Kind::Big });
    }
    let codec = (at + 44..within.end.min(file.len()).min(at + 90)).step_by(2);
    found.extend(codec.map(|at| Field { place: at..at + 1, kind: Kind::Big }));
}

/// Matroska elements: their sizes and their numbers.
fn ebml(file: &[u8], mut within: Range<usize>, found: &mut Vec<Field>) {
    const FOLDERS: [usize; 12] = [
        0x1a45_dfa3,
        0x1853_8067,
        0x114d_9b74,
        0x4dbb,
        0x1549_a966,
        0x1654_ae6b,
        0xae,
        0xe1,
        0x1f43_b675,
        0xa0,
        0x1c53_bb6b,
        0x1254_c367,
    ];
    while within.start < within.end {
        let length = |at: usize| file.get(at).map_or(9, |byte| byte.leading_zeros() as usize + 1);
        let place = within.start + length(within.start);
        let body = place + length(place);
        if body > within.end {
            return;
        }
        let raw = number(file, place..body);
        let bits = 7 * (body - place);
        let size = raw & ((1 << bits) - 1);
        // All ones: up to the end of the parent.
        let end = if size == (1 << bits) - 1 { within.end } else { (body + size).min(within.end) };
        found.push(Field { place: place..body, kind: Kind::Vint });
        if FOLDERS.contains(&number(file, within.start..place)) {
            ebml(file, body..end, found);
        } else if (1..=8).contains(&(end - body)) {
            found.push(Field { place: body..end, kind: Kind::Big });
        }
        within.start = end;
    }
}

fn riff(file: &[u8], found: &mut Vec<Field>) {
    found.push(Field { place: 4..8, kind: Kind::Little });
    let mut at = 12;
    while at + 8 <= file.len() {
        let size = u32::from_le_bytes([file[at + 4], file[at + 5], file[at + 6], file[at + 7]]) as usize;
        found.push(Field { place: at + 4..at + 8, kind: Kind::Little });
        if file[at..].starts_with(b"fmt ") {
            // Format, channels, rate, bytes a second, bytes a frame, bits, extension.
            for (place, length) in [(8, 2), (10, 2), (12, 4), (16, 4), (20, 2), (22, 2), (24, 2), (26, 2), (28, 4)] {
                found.push(Field { place: at + place..at + place + length, kind: Kind::Little });
            }
        }
        at += 8 + size.next_multiple_of(2);
    }
}

fn flac(file: &[u8], found: &mut Vec<Field>) {
    let mut at = 4;
    while let Some(&[head, a, b, c]) = file.get(at..).and_then(|rest| rest.first_chunk()) {
        found.push(Field { place: at..at + 1, kind: Kind::Big });
        found.push(Field { place: at + 1..at + 4, kind: Kind::Big });
        let size = u32::from_be_bytes([0, a, b, c]) as usize;
        let numbers = (at + 4..at + 4 + size.min(40)).step_by(2);
        found.extend(numbers.map(|at| Field { place: at..at + 2, kind: Kind::Big }));
        at += 4 + size;
        if head & 0x80 != 0 {
            // The header of the first frame.
            found.extend((at..at + 6).map(|at| Field { place: at..at + 1, kind: Kind::Big }));
            return;
        }
    }
}

fn id3(file: &[u8], found: &mut Vec<Field>) {
    found.push(Field { place: 6..10, kind: Kind::SynchSafe });
    let tag = 10 + number(&file.iter().map(|byte| byte & 0x7f).collect::<Vec<_>>(), 8..10);
    let mut at = 10;
    while at + 10 <= tag.min(file.len()) && file[at] != 0 {
        found.push(Field { place: at + 4..at + 8, kind: Kind::Big });
        found.push(Field { place: at + 8..at + 10, kind: Kind::Big });
        at += 10 + number(file, at + 4..at + 8);
    }
    // The first frame, and the table that encoders of variable rate put into it.
    found.extend((tag..tag + 4).map(|at| Field { place: at..at + 1, kind: Kind::Big }));
    found.extend((tag + 36..tag + 56).step_by(4).map(|at| Field { place: at..at + 4, kind: Kind::Big }));
}

/// Flags, position, number and table of every page, and the first numbers of the three Opus and Vorbis headers.
fn ogg(file: &[u8], found: &mut Vec<Field>) {
    let mut at = 0;
    for page in 0..6 {
        let Some(&segments) = file.get(at + 26) else { return };
        let table = at + 27..at + 27 + usize::from(segments);
        for (place, length) in [(4, 1), (5, 1), (6, 8), (14, 4), (18, 4), (26, 1)] {
            let kind = if length == 1 { Kind::Big } else { Kind::Little };
            found.push(Field { place: at + place..at + place + length, kind });
        }
        found.extend(table.clone().take(3).map(|at| Field { place: at..at + 1, kind: Kind::Big }));
        if page < 2 {
            let head = (table.end + 7..table.end + 31).step_by(2);
            found.extend(head.map(|at| Field { place: at..at + 2, kind: Kind::Little }));
            found.push(Field { place: table.end + 8..table.end + 12, kind: Kind::Little });
        }
        let body: usize = file.get(table.clone()).unwrap_or_default().iter().map(|&length| usize::from(length)).sum();
        at = table.end + body;
    }
}
