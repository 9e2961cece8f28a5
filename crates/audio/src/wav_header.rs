//! WAV files under a header that says how much sound there is.
//!
//! symphonia-format-riff 0.6 believes every size in a header: it finds no data behind a RIFF size that is too small, no
//! sound behind a data size of zero, and reads no RF64. Recorders that were stopped by a crash, a full card or a pipe
//! leave such sizes behind, and every player plays them. The header is replaced by one of ours.

use std::io;

use super::AudioError;
use super::codec;
use super::source::Source;
use super::wave_format::{A_LAW, FLOAT, MP2, MP3, MU_LAW, PCM, WaveFormat};

/// Chunks that are looked at before the sound.
const MAX_CHUNKS: usize = 1_000;

/// Longest description of a format that is kept as it is, in bytes: Microsoft's ADPCM has 50.
const MAX_FORMAT: u32 = 128;

/// Size of a chunk or a file that was not known when it was written.
const OPEN: u32 = u32::MAX;

const ADPCM_MICROSOFT: u16 = 2;
const ADPCM_IMA: u16 = 0x11;

/// Chunks that a boundary may be recognised by.
const KNOWN: [&[u8; 4]; 10] =
    [b"data", b"fmt ", b"LIST", b"fact", b"bext", b"id3 ", b"cue ", b"smpl", b"iXML", b"JUNK"];

/// Whether the file that begins with `head` is one of these.
pub(super) fn is_wav(head: &[u8]) -> bool {
    let starts = [&b"RIFF"[..], b"RF64", b"BW64"].into_iter().any(|kind| head.starts_with(kind));
    starts && head.get(8..12) == Some(b"WAVE")
}

/// Replaces the header, or leaves the bare frames of a codec that has its own. What cannot be understood is left to the
/// reader.
pub(super) fn normalise(source: &mut Source) -> Result<(), AudioError> {
    let Some(found) = find(source)? else { return Ok(()) };
    let Some(format) = WaveFormat::parse(&found.format) else { return Ok(()) };
    let (from, length) = (found.data, found.length);
    let description = match format.tag {
        PCM | FLOAT => match format.sample_bytes() {
            Some(bytes @ 1..=8) => plain(format, bytes * 8),
            _ => return Ok(()),
        },
        A_LAW | MU_LAW => {
            let mut description = plain(format, 8);
            description.extend([0, 0]);
            description
        }
        ADPCM_MICROSOFT | ADPCM_IMA => found.format,
        MP2 | MP3 => {
            source.keep(Vec::new(), from, length);
            return Ok(());
        }
        tag => return Err(AudioError::Codec { name: codec::wave_name(tag).into_owned() }),
    };
    let mut header = b"WAVEfmt ".to_vec();
    header.extend(u32::try_from(description.len()).unwrap_or_default().to_le_bytes());
    header.extend(description);
    header.extend(b"data");
    header.extend(u32::try_from(length).unwrap_or(OPEN).to_le_bytes());
    let whole = u32::try_from(length.saturating_add(header.len() as u64)).unwrap_or(OPEN);
    source.keep([b"RIFF", &whole.to_le_bytes()[..], &header].concat(), from, length);
    Ok(())
}

/// The basic description of a format.
fn plain(format: WaveFormat, bits: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(format.tag.to_le_bytes());
    bytes.extend(format.channels.to_le_bytes());
    bytes.extend(format.rate.to_le_bytes());
    bytes.extend(format.rate.saturating_mul(u32::from(format.block)).to_le_bytes());
    bytes.extend(format.block.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes
}

/// Where the sound is.
struct Found {
    format: Vec<u8>,
    data: u64,
    length: u64,
}

fn find(source: &Source) -> io::Result<Option<Found>> {
    let Some([_, _, _, _, riff @ ..]) = source.array_at::<8>(0)? else { return Ok(None) };
    let riff = u32::from_le_bytes(riff);
    let (mut at, mut format, mut long) = (12, Vec::new(), None);
    for _ in 0..MAX_CHUNKS {
        let Some([a, b, c, d, size @ ..]) = source.array_at::<8>(at)? else { return Ok(None) };
        let size = u32::from_le_bytes(size);
        let content = at + 8;
        match &[a, b, c, d] {
            b"fmt " if size <= MAX_FORMAT => format = source.bytes_at(content, size as usize)?,
            // The true sizes of RF64: of the file, then of the sound.
            b"ds64" => long = source.array_at(content + 8)?.map(u64::from_le_bytes),
            b"data" if format.is_empty() => return Ok(None),
            b"data" => {
                let length = data_length(source, riff, content, size, long)?;
                return Ok(Some(Found { format, data: content, length }));
            }
            _ => {}
        }
        at = behind(source, content + u64::from(size))?;
    }
    Ok(None)
}

/// How many bytes of sound there are from `data` on.
fn data_length(source: &Source, riff: u32, data: u64, size: u32, long: Option<u64>) -> io::Result<u64> {
    let left = source.length().saturating_sub(data);
    let declared = match size {
        OPEN => long.unwrap_or(left),
        size => u64::from(size),
    };
    let end = data.saturating_add(declared);
    if declared >= left {
        return Ok(left);
    }
    // The sound reaches to the end where the header was never completed: a size of zero, or less than the whole file claims.
    let riff_end = if riff == OPEN || riff == 0 { u64::MAX } else { 8 + u64::from(riff) };
    let is_unfinished = declared == 0 || riff_end > end.saturating_add(8);
    let ends = is_chunk(source, end)? || is_chunk(source, end + 1)?;
    Ok(if is_unfinished && !ends { left } else { declared })
}

/// Where the chunk behind one that ends at `end` begins. Chunks begin at even offsets, but some writers forget it.
fn behind(source: &Source, end: u64) -> io::Result<u64> {
    if end.is_multiple_of(2) {
        return Ok(end);
    }
    let known = |at| Ok::<_, io::Error>(source.array_at::<4>(at)?.is_some_and(|name| KNOWN.contains(&&name)));
    Ok(if !known(end + 1)? && known(end)? { end } else { end + 1 })
}

/// Whether what stands at `at` looks like a chunk: a name that can be read, and a size that fits into the file.
fn is_chunk(source: &Source, at: u64) -> io::Result<bool> {
    let Some([a, b, c, d, size @ ..]) = source.array_at::<8>(at)? else { return Ok(false) };
    let name = [a, b, c, d];
    let fits = at + 8 + u64::from(u32::from_le_bytes(size)) <= source.length();
    let is_tag = name.starts_with(b"ID3") || name.starts_with(b"TAG");
    Ok(is_tag || (fits && name.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ')))
}
