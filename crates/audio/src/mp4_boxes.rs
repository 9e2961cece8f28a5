//! Hides everything of an MP4 file but its sound tracks from symphonia's reader.
//!
//! The reader refuses a whole file over a picture track that it need not read: over an `hvcC` or `avcC` box of more
//! than 1 KiB (`MAX_HVCC_ATOM_SIZE`, `MAX_AVCC_ATOM_SIZE` in symphonia-format-isomp4 0.6, constants without a
//! setting), which x265 exceeds by default, and over more than one sample description. It also leaves out sound tracks
//! in codecs that it does not know without naming them.

use std::borrow::Cow;
use std::io;

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, well_known};

use super::AudioError;
use super::codec::{self, SoundTrack};
use super::packing::Packing;
use super::source::Source;

/// Most boxes that are visited in one file: a fragmented file of hours has thousands at its top.
const MAX_BOXES: usize = 50_000;

/// Most boxes that are hidden in one file: each makes the source's list of parts longer.
const MAX_HIDDEN: usize = 200;

/// A box and where its content is.
#[derive(Debug, Clone, Copy)]
struct Mp4Box {
    kind: [u8; 4],
    start: u64,
    content: u64,
    end: u64,
}

/// Counts the visited boxes.
struct Walk<'a> {
    source: &'a mut Source,
    boxes: usize,
    hidden: usize,
}

/// What is known of a track.
#[derive(Default)]
struct Track {
    id: Option<u32>,
    handler: Option<[u8; 4]>,
    /// The box of sample descriptions.
    descriptions: Option<Mp4Box>,
    /// Where in the file its first packet is.
    first_packet: Option<u64>,
}

/// Hides all tracks but those with sound from the reader and gives those; `None` when the file's index is not found.
pub(super) fn prepare(source: &mut Source) -> Result<Option<Vec<SoundTrack>>, AudioError> {
    let whole = Mp4Box { kind: *b"file", start: 0, content: 0, end: source.length() };
    let mut walk = Walk { source, boxes: 0, hidden: 0 };
    let Some(index) = walk.find(whole, *b"moov")? else { return Ok(None) };
    let (mut sound, mut hidden_ids, mut extensions, mut all_known) = (Vec::new(), Vec::new(), None, true);
    let mut at = index.content;
    while let Some(child) = walk.next(at, index)? {
        at = child.end;
        match &child.kind {
            b"trak" => {
                let track = walk.track(child)?;
                match (track.handler, track.id) {
                    (Some(handler), Some(id)) if handler == *b"soun" && sound.len() < codec::MAX_TRACKS => {
                        let (name, params) = walk.sound(&track)?;
                        sound.push(SoundTrack { id, name, params, packing: Packing::Plain });
                    }
                    (Some(handler), Some(id)) if handler != *b"soun" && walk.hide(child) => hidden_ids.push(id),
                    _ => all_known = false,
                }
            }
            // Titles and covers are not needed, and can be broken as well.
            b"udta" | b"meta" => drop(walk.hide(child)),
            b"mvex" => extensions = Some(child),
            _ => {}
        }
    }
    if let Some(extensions) = extensions {
        // The reader wants as many defaults of fragments as there are tracks, in the same order.
        let mut at = extensions.content;
        while let Some(child) = walk.next(at, extensions)? {
            at = child.end;
            if child.kind == *b"trex"
                && let Some(id) = walk.number_at(child.content + 4)?
                && hidden_ids.contains(&id)
            {
                walk.hide(child);
            }
        }
    }
    if sound.is_empty() && all_known { Err(AudioError::NoAudio) } else { Ok(Some(sound)) }
}

impl Walk<'_> {
    /// The box at `at` within `parent`, cut off at the parent's end; `None` at the end and where no box can be.
    fn next(&mut self, at: u64, parent: Mp4Box) -> io::Result<Option<Mp4Box>> {
        self.boxes += 1;
        if self.boxes > MAX_BOXES || at.saturating_add(8) > parent.end {
            return Ok(None);
        }
        let Some([a, b, c, d, kind @ ..]) = self.source.array_at::<8>(at)? else { return Ok(None) };
        let (header, size) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (8, parent.end - at),
            1 => match self.source.array_at(at + 8)? {
                Some(size) => (16, u64::from_be_bytes(size)),
                None => return Ok(None),
            },
            size => (8, u64::from(size)),
        };
        if size < header {
            return Ok(None);
        }
        let end = at.saturating_add(size).min(parent.end);
        Ok(Some(Mp4Box { kind, start: at, content: (at + header).min(end), end }))
    }

    /// The first child of this kind.
    fn find(&mut self, parent: Mp4Box, kind: [u8; 4]) -> io::Result<Option<Mp4Box>> {
        let mut at = parent.content;
        while let Some(child) = self.next(at, parent)? {
            if child.kind == kind {
                return Ok(Some(child));
            }
            at = child.end;
        }
        Ok(None)
    }

    fn track(&mut self, trak: Mp4Box) -> io::Result<Track> {
        let mut track = Track::default();
        if let Some(header) = self.find(trak, *b"tkhd")? {
            let version = self.source.array_at::<1>(header.content)?;
            let to_id = if version == Some([1]) { 20 } else { 12 };
            track.id = self.number_at(header.content + to_id)?;
        }
        let Some(media) = self.find(trak, *b"mdia")? else { return Ok(track) };
        if let Some(handler) = self.find(media, *b"hdlr")? {
            track.handler = self.source.array_at(handler.content + 8)?;
        }
        let Some(information) = self.find(media, *b"minf")? else { return Ok(track) };
        let Some(table) = self.find(information, *b"stbl")? else { return Ok(track) };
        track.descriptions = self.find(table, *b"stsd")?;
        track.first_packet = match (self.find(table, *b"stco")?, self.find(table, *b"co64")?) {
            (Some(offsets), _) => self.number_at(offsets.content + 8)?.map(u64::from),
            (None, Some(offsets)) => self.source.array_at(offsets.content + 8)?.map(u64::from_be_bytes),
            (None, None) => None,
        };
        Ok(track)
    }

    /// Name of a sound track's codec, and what the reader does not say or says wrongly about it. Only the first of its
    /// sample descriptions is shown to the reader.
    fn sound(&mut self, track: &Track) -> io::Result<(Cow<'static, str>, Option<AudioCodecParameters>)> {
        let unknown = (Cow::Borrowed("?"), None);
        let Some(descriptions) = track.descriptions else { return Ok(unknown) };
        if self.number_at(descriptions.content + 4)?.is_some_and(|count| count > 1) && self.hidden < MAX_HIDDEN {
            self.hidden += 1;
            self.source.replace(descriptions.content + 4, &1_u32.to_be_bytes());
        }
        let first = Mp4Box { content: descriptions.content + 8, ..descriptions };
        let Some(entry) = self.next(first.content, first)? else { return Ok(unknown) };
        let name = codec::sample_entry_name(entry.kind);
        // The fields of a sound description before the boxes in it, by its version.
        let fields = match self.source.array_at(entry.content + 8)? {
            Some([0, 1]) => 44,
            Some([0, 2]) => 64,
            _ => 28,
        };
        let inside = Mp4Box { content: entry.content + fields, ..entry };
        if entry.kind != *b"mp4a" {
            return Ok((name, self.samples(entry, inside)?));
        }
        let Some(stream) = self.find_within_wave(inside, *b"esds")? else { return Ok((name, None)) };
        let bytes = self.source.bytes_at(stream.content, 64)?;
        match object_type(&bytes) {
            // One object type stands for all layers of MPEG audio; symphonia takes it for the third.
            Some(0x69 | 0x6b) => {
                let packet = track.first_packet.map_or(Ok(None), |at| self.source.array_at::<2>(at))?;
                let (name, id) = match packet {
                    Some([0xff, flags]) if flags & 0xe6 == 0xe4 => ("MP2", well_known::CODEC_ID_MP2),
                    Some([0xff, flags]) if flags & 0xe6 == 0xe6 => ("MP1", well_known::CODEC_ID_MP1),
                    _ => return Ok((Cow::Borrowed("MP3"), None)),
                };
                Ok((Cow::Borrowed(name), self.parameters(entry, id)?))
            }
            other => Ok((other.and_then(codec::object_type_name).map_or(name, Cow::Borrowed), None)),
        }
    }

    /// QuickTime's samples of which symphonia knows no codec, or not the order of the bytes: little-endian only where a
    /// box says so.
    fn samples(&mut self, entry: Mp4Box, inside: Mp4Box) -> io::Result<Option<AudioCodecParameters>> {
        let [little_endian, big_endian] = match &entry.kind {
            b".mp2" => [well_known::CODEC_ID_MP2; 2],
            b"ulaw" => [well_known::CODEC_ID_PCM_MULAW; 2],
            b"alaw" => [well_known::CODEC_ID_PCM_ALAW; 2],
            b"in24" => [well_known::CODEC_ID_PCM_S24LE, well_known::CODEC_ID_PCM_S24BE],
            b"in32" => [well_known::CODEC_ID_PCM_S32LE, well_known::CODEC_ID_PCM_S32BE],
            b"fl32" => [well_known::CODEC_ID_PCM_F32LE, well_known::CODEC_ID_PCM_F32BE],
            b"fl64" => [well_known::CODEC_ID_PCM_F64LE, well_known::CODEC_ID_PCM_F64BE],
            _ => return Ok(None),
        };
        let order = match self.find_within_wave(inside, *b"enda")? {
            Some(order) => self.source.array_at(order.content)?.map(u16::from_be_bytes),
            None => None,
        };
        self.parameters(entry, if order == Some(1) { little_endian } else { big_endian })
    }

    /// What a sample description says in the fields that all codecs have.
    fn parameters(&mut self, entry: Mp4Box, id: AudioCodecId) -> io::Result<Option<AudioCodecParameters>> {
        let channels = self.source.array_at(entry.content + 16)?.map_or(0, u16::from_be_bytes);
        let rate = self.source.array_at(entry.content + 24)?.map_or(0, u16::from_be_bytes);
        let mut params = AudioCodecParameters::new();
        params.for_codec(id).with_sample_rate(u32::from(rate)).with_channels(Channels::Discrete(channels));
        Ok((channels > 0).then_some(params))
    }

    /// A box of a sample description, which QuickTime puts into another one.
    fn find_within_wave(&mut self, description: Mp4Box, kind: [u8; 4]) -> io::Result<Option<Mp4Box>> {
        if let Some(found) = self.find(description, kind)? {
            return Ok(Some(found));
        }
        match self.find(description, *b"wave")? {
            Some(wave) => self.find(wave, kind),
            None => Ok(None),
        }
    }

    fn number_at(&self, at: u64) -> io::Result<Option<u32>> {
        Ok(self.source.array_at(at)?.map(u32::from_be_bytes))
    }

    /// Makes the reader take a box for free space. `false` when too many are hidden already.
    fn hide(&mut self, hidden: Mp4Box) -> bool {
        if self.hidden == MAX_HIDDEN {
            return false;
        }
        self.hidden += 1;
        self.source.replace(hidden.start + 4, b"free");
        true
    }
}

/// The object type that the content of an `esds` box names.
fn object_type(bytes: &[u8]) -> Option<u8> {
    let rest = descriptor(bytes.get(4..)?, 3)?;
    let flags = *rest.get(2)?;
    let mut at = 3;
    if flags & 0x80 != 0 {
        at += 2;
    }
    if flags & 0x40 != 0 {
        at += 1 + usize::from(*rest.get(at)?);
    }
    if flags & 0x20 != 0 {
        at += 2;
    }
    descriptor(rest.get(at..)?, 4)?.first().copied()
}

/// What follows the tag and the length of a descriptor.
fn descriptor(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(&[tag])?;
    let length = rest.iter().take(4).position(|byte| byte & 0x80 == 0)? + 1;
    rest.get(length..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_type_is_found_behind_optional_fields() {
        let plain = [0, 0, 0, 0, 3, 0x80, 0x80, 0x80, 25, 0, 1, 0, 4, 17, 0xe1];
        assert_eq!(object_type(&plain), Some(0xe1));
        let full = [0, 0, 0, 0, 3, 25, 0, 1, 0xe0, 9, 9, 2, b'u', b'r', 9, 9, 4, 0x80, 17, 0x6b];
        assert_eq!(object_type(&full), Some(0x6b));
        for end in 0..full.len() {
            assert_eq!(object_type(&full[..end]), None);
        }
    }
}
