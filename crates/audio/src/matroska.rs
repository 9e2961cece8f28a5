//! What symphonia's Matroska reader leaves out about sound tracks: codecs that it does not know, and how packets are
//! packed (it returns the packets of a compressed track as they are).

use std::borrow::Cow;
use std::io;

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_PCM_U8;

use super::AudioError;
use super::codec::{self, SoundTrack};
use super::packing::Packing;
use super::source::Source;
use super::wave_format::WaveFormat;

/// Most elements that are searched for the list of tracks.
const MAX_ELEMENTS: usize = 10_000;

/// Largest list of tracks in bytes that is read. Headers of pictures make up most of it.
const MAX_TRACKS: u64 = 1 << 20;

const SEGMENT: u32 = 0x1853_8067;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK_ENTRY: u32 = 0xae;
const TRACK_NUMBER: u32 = 0xd7;
const TRACK_TYPE: u32 = 0x83;
const CODEC_ID: u32 = 0x86;
const CODEC_PRIVATE: u32 = 0x63a2;
const AUDIO: u32 = 0xe1;
const SAMPLING_FREQUENCY: u32 = 0xb5;
const CHANNELS: u32 = 0x9f;
const BIT_DEPTH: u32 = 0x6264;
const CONTENT_ENCODINGS: u32 = 0x6d80;
const CONTENT_ENCODING: u32 = 0x6240;
const ENCODING_SCOPE: u32 = 0x5032;
const ENCODING_TYPE: u32 = 0x5033;
const COMPRESSION: u32 = 0x5034;
const COMPRESSION_ALGORITHM: u32 = 0x4254;
const COMPRESSION_SETTINGS: u32 = 0x4255;

/// [`TRACK_TYPE`] of sound.
const TYPE_SOUND: u64 = 2;

/// The sound tracks of a file; `None` when its list of tracks is not found.
pub(super) fn sound_tracks(source: &Source) -> Result<Option<Vec<SoundTrack>>, AudioError> {
    let Some(tracks) = find_tracks(source)? else { return Ok(None) };
    let entries = || elements(&tracks).filter(|(id, _)| *id == TRACK_ENTRY);
    let sound: Vec<SoundTrack> =
        entries().filter_map(|(_, entry)| sound_track(entry)).take(codec::MAX_TRACKS).collect();
    let has_any = entries().next().is_some();
    if sound.is_empty() && has_any { Err(AudioError::NoAudio) } else { Ok(Some(sound)) }
}

/// The content of the list of tracks.
fn find_tracks(source: &Source) -> io::Result<Option<Vec<u8>>> {
    let mut at = 0;
    for _ in 0..MAX_ELEMENTS {
        let head = source.bytes_at(at, 12)?;
        let Some((id, size, length)) = header(&head) else { return Ok(None) };
        let content = at + length as u64;
        match (id, size) {
            // Its children follow. Recorders leave its size open.
            (SEGMENT, _) => at = content,
            (TRACKS, Some(size @ ..=MAX_TRACKS)) => {
                return source.bytes_at(content, usize::try_from(size).unwrap_or_default()).map(Some);
            }
            (_, Some(size)) => match content.checked_add(size) {
                Some(next) => at = next,
                None => return Ok(None),
            },
            (_, None) => return Ok(None),
        }
    }
    Ok(None)
}

fn sound_track(entry: &[u8]) -> Option<SoundTrack> {
    let field = |id| elements(entry).find(|(of, _)| *of == id).map(|(_, content)| content);
    if number(field(TRACK_TYPE)?) != TYPE_SOUND {
        return None;
    }
    let id = u32::try_from(number(field(TRACK_NUMBER)?)).ok()?;
    let codec = field(CODEC_ID).unwrap_or_default();
    let codec = codec.split(|&byte| byte == 0).next().unwrap_or_default();
    let private = field(CODEC_PRIVATE).unwrap_or_default();
    let audio = field(AUDIO).unwrap_or_default();
    let packing = field(CONTENT_ENCODINGS).map(packing).unwrap_or_default();
    let (name, params) = match codec {
        b"A_MS/ACM" => match WaveFormat::parse(private) {
            Some(format) => (codec::wave_name(format.tag), format.packet_params()),
            None => (codec::matroska_name(codec), None),
        },
        // The one depth that symphonia does not map.
        b"A_PCM/INT/LIT" | b"A_PCM/INT/BIG" => (Cow::Borrowed("PCM"), unsigned_bytes(audio)),
        _ => (codec::matroska_name(codec), None),
    };
    let name = if let Packing::Unsupported(what) = packing { Cow::Borrowed(what) } else { name };
    Some(SoundTrack { id, name, params, packing })
}

fn unsigned_bytes(audio: &[u8]) -> Option<AudioCodecParameters> {
    let field = |id| elements(audio).find(|(of, _)| *of == id).map(|(_, content)| content);
    if number(field(BIT_DEPTH)?) != 8 {
        return None;
    }
    let rate = field(SAMPLING_FREQUENCY).map_or(8_000.0, float);
    let channels = field(CHANNELS).map_or(1, number);
    let mut params = AudioCodecParameters::new();
    params.for_codec(CODEC_ID_PCM_U8).with_sample_rate(rate as u32);
    params.with_channels(Channels::Discrete(u16::try_from(channels).ok().filter(|&count| count > 0)?));
    Some(params)
}

fn packing(encodings: &[u8]) -> Packing {
    let mut encodings = elements(encodings).filter(|(id, _)| *id == CONTENT_ENCODING).map(|(_, content)| content);
    let Some(encoding) = encodings.next() else { return Packing::Plain };
    if encodings.next().is_some() {
        return Packing::Unsupported("Matroska");
    }
    let field = |of: &'static [u32]| {
        of.iter().try_fold(encoding, |within, id| elements(within).find(|(of, _)| of == id).map(|(_, content)| content))
    };
    if field(&[ENCODING_TYPE]).map_or(0, number) != 0 {
        return Packing::Unsupported("DRM");
    }
    let packets = 1;
    if field(&[ENCODING_SCOPE]).map_or(packets, number) & packets == 0 {
        return Packing::Plain;
    }
    match field(&[COMPRESSION, COMPRESSION_ALGORITHM]).map_or(0, number) {
        0 => Packing::Zlib,
        1 => Packing::Unsupported("bzip2"),
        2 => Packing::Unsupported("LZO"),
        3 => Packing::Stripped(field(&[COMPRESSION, COMPRESSION_SETTINGS]).unwrap_or_default().into()),
        _ => Packing::Unsupported("Matroska"),
    }
}

// === EBML ===

/// Id, size and own length of the element that begins with `bytes`. An open size is `None`.
fn header(bytes: &[u8]) -> Option<(u32, Option<u64>, usize)> {
    let id_length = bytes.first()?.leading_zeros() as usize + 1;
    let id = bytes.get(..id_length).filter(|_| id_length <= 4)?;
    let id = id.iter().fold(0, |id, &byte| (id << 8) | u32::from(byte));
    let first = *bytes.get(id_length)?;
    let size_length = first.leading_zeros() as usize + 1;
    let rest = bytes.get(id_length + 1..id_length + size_length).filter(|_| size_length <= 8)?;
    let value = rest.iter().fold(u64::from(first), |size, &byte| (size << 8) | u64::from(byte));
    let mask = (1 << (7 * size_length)) - 1;
    let size = value & mask;
    Some((id, (size != mask).then_some(size), id_length + size_length))
}

/// The elements that stand one behind the other in `bytes`, as far as they are whole.
fn elements(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let (id, size, length) = header(bytes)?;
        let end = length.checked_add(usize::try_from(size?).ok()?)?;
        let content = bytes.get(length..end)?;
        bytes = &bytes[end..];
        Some((id, content))
    })
}

fn number(content: &[u8]) -> u64 {
    content.iter().take(8).fold(0, |number, &byte| (number << 8) | u64::from(byte))
}

fn float(content: &[u8]) -> f64 {
    match (content.as_array(), content.as_array()) {
        (Some(four), _) => f64::from(f32::from_be_bytes(*four)),
        (_, Some(eight)) => f64::from_be_bytes(*eight),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
        [id, &[0x40 | u8::try_from(content.len() >> 8).unwrap(), content.len() as u8], content].concat()
    }

    #[test]
    fn headers_of_all_lengths_are_read() {
        assert_eq!(header(&[0xae, 0x82]), Some((0xae, Some(2), 2)));
        assert_eq!(header(&[0x63, 0xa2, 0x40, 0x03]), Some((0x63a2, Some(3), 4)));
        assert_eq!(header(&[0xae, 0xff]), Some((0xae, None, 2)));
        assert_eq!(header(&[0xae, 1, 0, 0, 0, 0, 0, 0, 9]), Some((0xae, Some(9), 9)));
        for broken in [&[][..], &[0xae], &[0x63, 0xa2], &[0, 0x81], &[0xae, 0, 1], &[0xae, 1, 0]] {
            assert_eq!(header(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn the_packing_of_a_track_is_read() {
        let encodings = |encoding: &[u8]| packing(&element(&[0x62, 0x40], encoding));
        let compression = |content: &[u8]| element(&[0x50, 0x34], content);
        assert_eq!(encodings(&[]), Packing::Zlib);
        assert_eq!(encodings(&compression(&element(&[0x42, 0x54], &[0]))), Packing::Zlib);
        let stripped = [element(&[0x42, 0x54], &[3]), element(&[0x42, 0x55], b"ab")].concat();
        assert_eq!(encodings(&compression(&stripped)), Packing::Stripped((*b"ab").into()));
        assert_eq!(encodings(&compression(&element(&[0x42, 0x54], &[1]))), Packing::Unsupported("bzip2"));
        assert_eq!(encodings(&element(&[0x50, 0x33], &[1])), Packing::Unsupported("DRM"));
        // Only the codec's own header is compressed.
        assert_eq!(encodings(&element(&[0x50, 0x32], &[2])), Packing::Plain);
        assert_eq!(packing(&[]), Packing::Plain);
    }

    #[test]
    fn only_sound_tracks_are_listed() {
        let entry = |kind: u8, codec: &[u8]| {
            [element(&[0xd7], &[5]), element(&[0x83], &[kind]), element(&[0x86], codec)].concat()
        };
        let track = sound_track(&entry(2, b"A_DTS\0\0")).unwrap();
        assert_eq!((track.id, &*track.name, track.packing), (5, "DTS", Packing::Plain));
        assert!(sound_track(&entry(1, b"V_VP8")).is_none());
        assert!(sound_track(&[]).is_none());
    }
}
