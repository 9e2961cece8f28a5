//! Tracks that a Matroska file marks as not to be played by default. symphonia does not
//! distinguish them from tracks without a mark, which are to be played.

use super::source::Source;

/// How much of a file is searched for its list of tracks, which stands before the sound.
const HEAD: usize = 64 * 1024;

const HEADER: u32 = 0x1a45_dfa3;
const SEGMENT: u32 = 0x1853_8067;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK: u32 = 0xae;
const TRACK_NUMBER: u32 = 0xd7;
const FLAG_DEFAULT: u32 = 0x88;

/// Numbers of the tracks that are marked so; none if the file is no Matroska or cannot be read.
pub(super) fn unmarked(source: &Source) -> Vec<u32> {
    source.bytes_at(0, HEAD).map_or_else(|_| Vec::new(), |head| unmarked_in(&head))
}

fn unmarked_in(head: &[u8]) -> Vec<u32> {
    if elements(head).next().is_none_or(|(id, _)| id != HEADER) {
        return Vec::new();
    }
    let inside = |id: u32| move |&(other, _): &(u32, &[u8])| other == id;
    let segments = elements(head).filter(inside(SEGMENT));
    let lists = segments.flat_map(|(_, segment)| elements(segment)).filter(inside(TRACKS));
    let tracks = lists.flat_map(|(_, tracks)| elements(tracks)).filter(inside(TRACK));
    let number = |track, id| elements(track).find(inside(id)).map(|(_, bytes)| integer(bytes));
    let unmarked = tracks.filter(|(_, track)| number(track, FLAG_DEFAULT) == Some(0));
    unmarked.filter_map(|(_, track)| u32::try_from(number(track, TRACK_NUMBER)?).ok()).collect()
}

/// The elements at the start of some bytes, with what is there of their content.
fn elements(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let id_length = bytes.first()?.leading_zeros() as usize + 1;
        let id = bytes.get(..id_length.min(4))?;
        let rest = &bytes[id.len()..];
        let size_length = rest.first()?.leading_zeros() as usize + 1;
        let size = integer(rest.get(..size_length.min(8))?);
        let mask = (1u64 << (7 * size_length.min(8))) - 1;
        let content = &rest[size_length.min(8)..];
        // All ones: the size is not known.
        let length = if size & mask == mask { content.len() as u64 } else { size & mask };
        let length = usize::try_from(length).map_or(content.len(), |length| length.min(content.len()));
        bytes = &content[length..];
        Some((integer(id) as u32, &content[..length]))
    })
}

fn integer(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_explicit_mark_counts() {
        let tracks = b"\xae\x86\xd7\x81\x01\x88\x81\x00\xae\x83\xd7\x81\x02\xae\x86\xd7\x81\x03\x88\x81\x01";
        let list = [&b"\x16\x54\xae\x6b"[..], &[0x80 | tracks.len() as u8], tracks].concat();
        for size in [vec![0x80 | list.len() as u8], vec![0xff]] {
            let file = [&b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67"[..], &size, &list].concat();
            assert_eq!(unmarked_in(&file), [1]);
            for end in 0..file.len() {
                unmarked_in(&file[..end]);
            }
        }
        assert!(unmarked_in(&[0; 100]).is_empty());
        assert!(unmarked_in(&[0xff; 100]).is_empty());
    }
}
