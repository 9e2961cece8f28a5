//! Opus, decoded by libopus straight to 16 kHz: no resampling.
//!
//! Trimming is not left to the adapter around libopus, which would cut 48 kHz figures from 16 kHz samples; nor is mixing,
//! since libopus would take the mean of channels that cancel each other.

use stenobot_domain::SAMPLE_RATE;
use symphonia::core::audio::Channels;
use symphonia::core::audio::layouts::{CHANNEL_LAYOUT_MONO, CHANNEL_LAYOUT_STEREO};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::RegisterableAudioDecoder;
use symphonia::core::packet::{Packet, PacketRef};
use symphonia_adapter_libopus::OpusDecoder;

use super::AudioError;
use super::surround::SurroundDecoder;
use super::track::{Frames, MAX_CHANNELS, PacketDecoder, Track};

/// Opus counts its delay and padding at 48 kHz whatever the decoder's rate.
const OPUS_RATE: u32 = 48_000;

/// What the identification header says, as far as decoding depends on it.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    /// Samples at 48 kHz to drop from the start.
    pre_skip: u16,
    streams: Streams,
}

/// The Opus streams in each packet.
#[derive(Debug, PartialEq, Eq)]
enum Streams {
    One {
        is_stereo: bool,
    },
    /// `count` streams, of which the first `coupled` have two channels.
    Several {
        count: usize,
        coupled: usize,
    },
}

impl Head {
    /// Reads an `OpusHead`; MP4 keeps the same fields in big-endian order and shows that by version 0.
    fn parse(bytes: &[u8]) -> Result<Self, AudioError> {
        let fields: &[u8; 11] = bytes
            .strip_prefix(b"OpusHead")
            .and_then(|rest| rest.first_chunk())
            .ok_or_else(|| AudioError::Damaged { what: "opus: bad identification header".to_owned() })?;
        let [version, channels, skip_a, skip_b, .., family] = *fields;
        let skip = [skip_a, skip_b];
        let pre_skip = if version == 0 { u16::from_be_bytes(skip) } else { u16::from_le_bytes(skip) };
        let one = Streams::One { is_stereo: channels == 2 };
        let refused = AudioError::Codec { name: format!("Opus ({channels} ch)") };
        let streams = match (family, bytes.get(19), bytes.get(20)) {
            (0, ..) if matches!(channels, 1 | 2) => one,
            (0, ..) => return Err(refused),
            (_, Some(1), _) => one,
            (_, Some(&count), Some(&coupled)) => {
                let (count, coupled) = (usize::from(count), usize::from(coupled));
                if coupled > count || count + coupled > MAX_CHANNELS || count == 0 {
                    return Err(refused);
                }
                Streams::Several { count, coupled }
            }
            (_, _, _) => return Err(refused),
        };
        Ok(Self { pre_skip, streams })
    }
}

/// An Opus track of one stream or several.
pub(super) fn open(params: &AudioCodecParameters) -> Result<Track, AudioError> {
    let head = Head::parse(params.extra_data.as_deref().unwrap_or_default())?;
    let delay = at_our_rate(u64::from(head.pre_skip));
    Ok(match head.streams {
        Streams::One { is_stereo } => {
            let (channels, layout) = if is_stereo { (2, CHANNEL_LAYOUT_STEREO) } else { (1, CHANNEL_LAYOUT_MONO) };
            Track::new(StreamDecoder { decoder: libopus(params, layout)?, channels }, delay)
        }
        Streams::Several { count, coupled } => {
            let decoder = || libopus(params, CHANNEL_LAYOUT_MONO);
            let decoders = (0..count).map(|_| decoder()).collect::<Result<_, _>>()?;
            Track::new(SurroundDecoder::new(decoders, coupled), delay)
        }
    })
}

/// A decoder of one stream to 16 kHz.
fn libopus(params: &AudioCodecParameters, layout: Channels) -> Result<Box<dyn AudioDecoder>, AudioError> {
    let mut ours = params.clone();
    ours.sample_rate = Some(SAMPLE_RATE);
    ours.channels = Some(layout);
    ours.extra_data = None;
    Ok(OpusDecoder::try_registry_new(&ours, &AudioDecoderOptions::default())?)
}

/// Decodes packets of a single stream.
struct StreamDecoder {
    decoder: Box<dyn AudioDecoder>,
    channels: usize,
}

impl PacketDecoder for StreamDecoder {
    fn decode(&mut self, packet: &Packet, samples: &mut Vec<f32>) -> Result<Option<Frames>, AudioError> {
        // libopus would take no bytes for a lost packet and invent as much sound as the buffer holds.
        if packet.data.is_empty() {
            return Ok(None);
        }
        let untrimmed = PacketRef::new(packet.track_id, packet.pts, packet.dur, &packet.data);
        let Ok(buffer) = self.decoder.decode_ref(&untrimmed) else { return Ok(None) };
        buffer.copy_to_vec_interleaved(samples);
        Ok(Some(frames(packet, self.channels)))
    }
}

/// The form of a decoded Opus packet.
pub(super) fn frames(packet: &Packet, channels: usize) -> Frames {
    Frames { rate: SAMPLE_RATE, channels, trim_start: 0, trim_end: at_our_rate(packet.trim_end.get()) }
}

/// A number of samples at 48 kHz as the nearest number at 16 kHz.
fn at_our_rate(samples: u64) -> usize {
    let ratio = u64::from(OPUS_RATE / SAMPLE_RATE);
    usize::try_from((samples / ratio) + u64::from(samples % ratio * 2 > ratio)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(version: u8, channels: u8, pre_skip: [u8; 2], family: &[u8]) -> Vec<u8> {
        [b"OpusHead", &[version, channels][..], &pre_skip, &[0x80, 0xbb, 0, 0, 0, 0], family].concat()
    }

    #[test]
    fn both_byte_orders_of_the_header_are_read() {
        assert_eq!(
            Head::parse(&head(1, 1, [0x38, 0x01], &[0])),
            Ok(Head { pre_skip: 312, streams: Streams::One { is_stereo: false } })
        );
        assert_eq!(
            Head::parse(&head(0, 2, [0x01, 0x38], &[0])),
            Ok(Head { pre_skip: 312, streams: Streams::One { is_stereo: true } })
        );
    }

    #[test]
    fn the_streams_of_a_packet_are_read_and_impossible_ones_refused() {
        let streams =
            |channels, family: &[u8]| Head::parse(&head(1, channels, [0, 0], family)).map(|head| head.streams);
        assert_eq!(streams(6, &[1, 4, 2, 0, 4, 1, 2, 3, 5]), Ok(Streams::Several { count: 4, coupled: 2 }));
        assert_eq!(streams(2, &[1, 1, 1, 0, 1]), Ok(Streams::One { is_stereo: true }));
        for (channels, family) in
            [(3, &[0][..]), (6, &[1]), (6, &[1, 4]), (6, &[1, 0, 0]), (6, &[1, 2, 3]), (9, &[1, 8, 1])]
        {
            assert!(matches!(streams(channels, family), Err(AudioError::Codec { .. })), "{family:?}");
        }
        assert!(matches!(Head::parse(b"OpusHead"), Err(AudioError::Damaged { .. })));
    }

    #[test]
    fn figures_at_48_khz_are_rounded_to_ours() {
        assert_eq!([0, 1, 2, 312, 313, 314].map(at_our_rate), [0, 0, 1, 104, 104, 105]);
    }
}
