//! Times of an MP4 or MOV file that symphonia skips: edit lists, start times of fragments, and enabled tracks.
//!
//! The input is hostile: boxes are visited up to a bound, nothing is allocated by a size that the file claims, and what
//! cannot be read counts as absent, since the reader of the container reports damage.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use super::timeline::nanos;

/// Boxes that are visited in one file: 20 minutes in fragments of 100 ms have half as many.
const MAX_BOXES: u32 = 120_000;

/// Tracks whose times are read.
const MAX_TRACKS: usize = 32;

/// Entries of one edit list that are read.
const MAX_EDITS: u64 = 256;

/// Boxes within boxes: a sample table is the fourth.
const MAX_DEPTH: u32 = 8;

/// The tracks of a file; none if it is no MP4.
#[derive(Debug, Default)]
pub(super) struct Movie {
    tracks: Vec<MovieTrack>,
}

/// One track's times, in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct MovieTrack {
    id: u32,
    pub(super) is_enabled: bool,
    /// The parts of the media that are presented, in order of presentation. Empty: all of it, from the start.
    pub(super) edits: Vec<Edit>,
    /// The start times of the fragments, in order of their packets.
    pub(super) fragments: Vec<Fragment>,
}

/// A part of the media and the time at which it is presented.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Edit {
    /// Start in the presentation.
    pub(super) at: i64,
    /// Start in the media.
    pub(super) media: i64,
    /// `None` reaches to the end of the media.
    pub(super) length: Option<i64>,
}

/// The media time of the first packet of a fragment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fragment {
    /// Number of the packet within its track, from 0.
    pub(super) packet: u64,
    pub(super) media: i64,
}

impl Movie {
    /// Reads what a file says, as far as it can be read. The position in the file is lost.
    pub(super) fn read(file: impl Read + Seek) -> Self {
        let mut raw = RawMovie::default();
        // What was read before an error is used.
        let _ = raw.read(file);
        raw.resolve()
    }

    pub(super) fn track(&self, id: u32) -> Option<&MovieTrack> {
        self.tracks.iter().find(|track| track.id == id)
    }

    /// The earliest media time at which any other track with fragments begins.
    pub(super) fn earliest_fragment_beside(&self, id: u32) -> Option<i64> {
        let others = self.tracks.iter().filter(|track| track.id != id);
        others.filter_map(|track| track.fragments.first()).map(|fragment| fragment.media).min()
    }
}

type Kind = [u8; 4];

#[derive(Default)]
struct RawMovie {
    timescale: u32,
    tracks: Vec<RawTrack>,
}

#[derive(Default)]
struct RawTrack {
    id: u32,
    is_enabled: bool,
    timescale: u32,
    /// Packets that the movie box itself describes.
    packets: u64,
    /// Length in ticks of the movie, start in ticks of the media unless nothing is to be played.
    edits: Vec<(u64, Option<u64>)>,
    /// Number of the first packet, start in ticks of the media.
    fragments: Vec<(u64, u64)>,
}

impl RawMovie {
    fn read(&mut self, mut file: impl Read + Seek) -> io::Result<()> {
        let end = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        let mut boxes = Boxes { reader: BufReader::new(file), position: 0, left: MAX_BOXES, depth: 0 };
        let mut is_mp4 = false;
        boxes.each(0..end, &mut |boxes, kind, content| match &kind {
            b"ftyp" => {
                is_mp4 = true;
                Ok(())
            }
            b"free" | b"skip" | b"wide" => Ok(()),
            _ if !is_mp4 => Err(io::ErrorKind::InvalidData.into()),
            b"moov" if self.tracks.is_empty() => self.movie(boxes, content),
            b"moof" => self.fragment(boxes, content),
            _ => Ok(()),
        })
    }

    fn movie<R: Read + Seek>(&mut self, boxes: &mut Boxes<R>, content: Range<u64>) -> io::Result<()> {
        boxes.each(content, &mut |boxes, kind, content| {
            match &kind {
                b"mvhd" => self.timescale = boxes.timescale()?,
                b"trak" if self.tracks.len() < MAX_TRACKS => {
                    let mut track = RawTrack::default();
                    let result = track.read(boxes, content);
                    self.tracks.push(track);
                    result?;
                }
                _ => {}
            }
            Ok(())
        })
    }

    fn fragment<R: Read + Seek>(&mut self, boxes: &mut Boxes<R>, content: Range<u64>) -> io::Result<()> {
        boxes.each(content, &mut |boxes, kind, content| {
            if &kind != b"traf" {
                return Ok(());
            }
            let (mut id, mut start, mut packets) = (0, None, 0u64);
            boxes.each(content, &mut |boxes, kind, _| {
                match &kind {
                    b"tfhd" => {
                        boxes.version_and_flags()?;
                        id = boxes.u32()?;
                    }
                    b"tfdt" => {
                        let (version, _) = boxes.version_and_flags()?;
                        start = Some(boxes.word(version)?);
                    }
                    b"trun" => {
                        boxes.version_and_flags()?;
                        packets = packets.saturating_add(boxes.u32()?.into());
                    }
                    _ => {}
                }
                Ok(())
            })?;
            if let Some(track) = self.tracks.iter_mut().find(|track| track.id == id) {
                track.fragments.extend(start.map(|start| (track.packets, start)));
                track.packets = track.packets.saturating_add(packets);
            }
            Ok(())
        })
    }

    fn resolve(self) -> Movie {
        let movie = self.timescale;
        Movie { tracks: self.tracks.into_iter().map(|track| track.resolve(movie)).collect() }
    }
}

impl RawTrack {
    fn read<R: Read + Seek>(&mut self, boxes: &mut Boxes<R>, content: Range<u64>) -> io::Result<()> {
        boxes.each(content, &mut |boxes, kind, content| {
            match &kind {
                b"tkhd" => {
                    let (version, flags) = boxes.version_and_flags()?;
                    self.is_enabled = flags & 1 != 0;
                    // Times of creation and modification.
                    boxes.word(version)?;
                    boxes.word(version)?;
                    self.id = boxes.u32()?;
                }
                b"mdhd" => self.timescale = boxes.timescale()?,
                b"stsz" => {
                    boxes.version_and_flags()?;
                    // The size that all packets have, if they have the same.
                    boxes.u32()?;
                    self.packets = boxes.u32()?.into();
                }
                b"elst" => self.edits = boxes.edits(content.end)?,
                b"edts" | b"mdia" | b"minf" | b"stbl" => self.read(boxes, content)?,
                _ => {}
            }
            Ok(())
        })
    }

    fn resolve(self, movie: u32) -> MovieTrack {
        let media_time = |ticks: i128| nanos(ticks, 1, self.timescale);
        let (mut edits, mut at) = (Vec::new(), 0i64);
        for &(length, media) in &self.edits {
            let length = nanos(length.into(), 1, movie);
            if let Some(media) = media {
                edits.push(Edit { at, media: media_time(media.into()), length: (length > 0).then_some(length) });
                // Written so by what does not know the length yet, as files in fragments are.
                if length == 0 {
                    break;
                }
            }
            at = at.saturating_add(length);
        }
        let fragment = |&(packet, start): &(u64, u64)| Fragment { packet, media: media_time(start.into()) };
        let fragments = self.fragments.iter().map(fragment).collect();
        MovieTrack { id: self.id, is_enabled: self.is_enabled, edits, fragments }
    }
}

/// Receives a box: its kind, and where its content is.
type Visit<'a, R> = dyn FnMut(&mut Boxes<R>, Kind, Range<u64>) -> io::Result<()> + 'a;

/// A walk over boxes, and over their fields in big-endian order.
struct Boxes<R> {
    reader: BufReader<R>,
    position: u64,
    /// Boxes that may still be visited.
    left: u32,
    depth: u32,
}

impl<R: Read + Seek> Boxes<R> {
    /// Visits the boxes in a part of the file, with the reader at the start of their content.
    fn each(&mut self, within: Range<u64>, visit: &mut Visit<'_, R>) -> io::Result<()> {
        if self.depth == MAX_DEPTH {
            return Ok(());
        }
        self.depth += 1;
        let mut start = within.start;
        while start + 8 <= within.end {
            self.left = self.left.checked_sub(1).ok_or(io::ErrorKind::OutOfMemory)?;
            self.go_to(start)?;
            let size = self.u32()?;
            let kind = self.bytes()?;
            let size = match size {
                0 => within.end - start,
                1 => self.u64()?,
                _ => size.into(),
            };
            let content = self.position..start.saturating_add(size).min(within.end);
            if content.end < content.start {
                return Err(io::ErrorKind::InvalidData.into());
            }
            start = content.end;
            visit(self, kind, content)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn go_to(&mut self, position: u64) -> io::Result<()> {
        let offset = i128::from(position) - i128::from(self.position);
        self.reader.seek_relative(i64::try_from(offset).map_err(io::Error::other)?)?;
        self.position = position;
        Ok(())
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        self.position += N as u64;
        Ok(bytes)
    }

    fn u32(&mut self) -> io::Result<u32> {
        self.bytes().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> io::Result<u64> {
        self.bytes().map(u64::from_be_bytes)
    }

    fn version_and_flags(&mut self) -> io::Result<(u8, u32)> {
        let word = self.u32()?;
        Ok(((word >> 24) as u8, word & 0x00ff_ffff))
    }

    /// A field of 64 bits in boxes of version 1, of 32 bits before.
    fn word(&mut self, version: u8) -> io::Result<u64> {
        if version == 0 { self.u32().map(u64::from) } else { self.u64() }
    }

    /// Ticks a second, as the headers of the movie and of media have them in the same place.
    fn timescale(&mut self) -> io::Result<u32> {
        let (version, _) = self.version_and_flags()?;
        // Times of creation and modification.
        self.word(version)?;
        self.word(version)?;
        self.u32()
    }

    /// The entries of an edit list that ends at `end`: length, and start in the media unless nothing is to be played.
    fn edits(&mut self, end: u64) -> io::Result<Vec<(u64, Option<u64>)>> {
        let (version, _) = self.version_and_flags()?;
        let count = u64::from(self.u32()?);
        let size = if version == 0 { 12 } else { 20 };
        let count = count.min(end.saturating_sub(self.position) / size).min(MAX_EDITS);
        let mut edits = Vec::new();
        for _ in 0..count {
            let length = self.word(version)?;
            let media = self.word(version)?;
            let media = if version == 0 { i64::from(media as u32 as i32) } else { media as i64 };
            // At rate zero one picture stands still.
            let rate = self.u32()?;
            edits.push((length, u64::try_from(media).ok().filter(|_| rate != 0)));
        }
        Ok(edits)
    }
}
