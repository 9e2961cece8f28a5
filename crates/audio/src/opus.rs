use std::time::Duration;

use stenobot_domain::SAMPLE_RATE;
use symphonia::core::audio::layouts::{CHANNEL_LAYOUT_MONO, CHANNEL_LAYOUT_STEREO};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::RegisterableAudioDecoder;
use symphonia::core::packet::{Packet, PacketRef};
use symphonia_adapter_libopus::OpusDecoder;

use super::AudioError;
use super::mixer::{Mixer, length};
use super::output::Output;
use super::timeline::Place;
use super::trim::Trim;

/// Opus counts its delay and padding at 48 kHz whatever the decoder's rate.
const OPUS_RATE: u32 = 48_000;

/// What the identification header says, as far as decoding depends on it.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    /// Samples at 48 kHz to drop from the start.
    pre_skip: u16,
    is_stereo: bool,
}

impl Head {
    /// Reads an `OpusHead`; MP4 keeps the same fields in big-endian order and tells so by version 0.
    fn parse(bytes: &[u8]) -> Result<Self, AudioError> {
        let fields: &[u8; 11] = bytes
            .strip_prefix(b"OpusHead")
            .and_then(|rest| rest.first_chunk())
            .ok_or_else(|| AudioError::Damaged { what: "opus: bad identification header".to_owned() })?;
        let [version, channels, skip_a, skip_b, .., family] = *fields;
        let pre_skip =
            if version == 0 { u16::from_be_bytes([skip_a, skip_b]) } else { u16::from_le_bytes([skip_a, skip_b]) };
        // Only a packet that holds a single Opus stream can be given to a single decoder.
        let single_stream = match family {
            0 => matches!(channels, 1 | 2),
            _ => bytes.get(19) == Some(&1),
        };
        if single_stream {
            Ok(Self { pre_skip, is_stereo: channels == 2 })
        } else {
            Err(AudioError::Codec { name: format!("Opus ({channels} ch)") })
        }
    }
}

/// An Opus track, decoded by libopus straight to 16 kHz: no resampling. Stereo is mixed down here, since libopus would take
/// the mean of channels that cancel each other.
///
/// The trimming is done here: the adapter around libopus would cut 48 kHz figures from 16 kHz samples.
pub(super) struct OpusTrack {
    decoder: Box<dyn AudioDecoder>,
    channels: usize,
    trim: Trim,
    mixer: Mixer,
    samples: Vec<f32>,
}

impl OpusTrack {
    pub(super) fn new(params: &AudioCodecParameters) -> Result<Self, AudioError> {
        let head = Head::parse(params.extra_data.as_deref().unwrap_or_default())?;
        let (channels, layout) = if head.is_stereo { (2, CHANNEL_LAYOUT_STEREO) } else { (1, CHANNEL_LAYOUT_MONO) };
        let mut ours = params.clone();
        ours.sample_rate = Some(SAMPLE_RATE);
        ours.channels = Some(layout);
        ours.extra_data = None;
        let decoder = OpusDecoder::try_registry_new(&ours, &AudioDecoderOptions::default())?;
        let trim = Trim::new(at_our_rate(u64::from(head.pre_skip)));
        Ok(Self { decoder, channels, trim, mixer: Mixer::new(SAMPLE_RATE, channels)?, samples: Vec::new() })
    }

    /// Decodes one packet and puts it in its place. Gives the length that was decoded, `None` if the packet was damaged
    /// and is left out.
    pub(super) fn packet(
        &mut self,
        packet: &Packet,
        place: Place,
        out: &mut Output<'_>,
    ) -> Result<Option<Duration>, AudioError> {
        // libopus would take no bytes for a lost packet and invent as much sound as the buffer holds.
        if packet.data.is_empty() {
            return Ok(None);
        }
        let untrimmed = PacketRef::new(packet.track_id, packet.pts, packet.dur, &packet.data);
        let Ok(buffer) = self.decoder.decode_ref(&untrimmed) else { return Ok(None) };
        buffer.copy_to_vec_interleaved(&mut self.samples);
        let decoded = self.samples.len() / self.channels;
        out.decoded(decoded, SAMPLE_RATE)?;

        let skipped = place.skipped(SAMPLE_RATE);
        let sound = self.trim.sound(decoded, skipped, at_our_rate(packet.trim_end.get()));
        let sound = place.presented(sound, SAMPLE_RATE);
        self.mixer.silence(place.silence(), out)?;
        self.mixer.push(&self.samples[sound.start * self.channels..sound.end * self.channels], out)?;
        Ok(Some(length(decoded, SAMPLE_RATE)))
    }

    pub(super) fn finish(self, out: &mut Output<'_>) -> Result<(), AudioError> {
        self.mixer.finish(out)
    }
}

/// A number of samples at 48 kHz as the nearest number at 16 kHz.
pub(super) fn at_our_rate(samples: u64) -> usize {
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
        assert_eq!(Head::parse(&head(1, 1, [0x38, 0x01], &[0])), Ok(Head { pre_skip: 312, is_stereo: false }));
        assert_eq!(Head::parse(&head(0, 2, [0x01, 0x38], &[0])), Ok(Head { pre_skip: 312, is_stereo: true }));
    }

    #[test]
    fn several_streams_in_a_packet_are_refused() {
        let surround = [1, 4, 2, 0, 4, 1, 2, 3, 5];
        assert!(matches!(Head::parse(&head(1, 6, [0, 0], &surround)), Err(AudioError::Codec { .. })));
        assert!(matches!(Head::parse(&head(1, 3, [0, 0], &[0])), Err(AudioError::Codec { .. })));
        assert_eq!(Head::parse(&head(1, 2, [0, 0], &[1, 1, 1, 0, 1])), Ok(Head { pre_skip: 0, is_stereo: true }));
        assert!(matches!(Head::parse(b"OpusHead"), Err(AudioError::Damaged { .. })));
    }

    #[test]
    fn figures_at_48_khz_are_rounded_to_ours() {
        assert_eq!([0, 1, 2, 312, 313, 314].map(at_our_rate), [0, 0, 1, 104, 104, 105]);
    }
}
