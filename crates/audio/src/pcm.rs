use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::packet::{Packet, PacketRef};

use super::AudioError;
use super::track::{Frames, MAX_CHANNELS, PacketDecoder};

/// Any codec that symphonia decodes itself, at the rate and with the channels of the track.
pub(super) struct PcmDecoder(Box<dyn AudioDecoder>);

impl PcmDecoder {
    pub(super) fn new(params: &AudioCodecParameters) -> Result<Self, AudioError> {
        check_channels(params.channels.as_ref().map_or(1, |channels| channels.count()))?;
        Ok(Self(symphonia::default::get_codecs().make_audio_decoder(params, &AudioDecoderOptions::default())?))
    }
}

impl PacketDecoder for PcmDecoder {
    fn decode(&mut self, packet: &Packet, samples: &mut Vec<f32>) -> Result<Option<Frames>, AudioError> {
        let untrimmed = PacketRef::new(packet.track_id, packet.pts, packet.dur, &packet.data);
        let Ok(buffer) = self.0.decode_ref(&untrimmed) else { return Ok(None) };
        let (rate, channels) = (buffer.spec().rate(), buffer.spec().channels().count());
        check_channels(channels)?;
        buffer.copy_to_vec_interleaved(samples);
        let [trim_start, trim_end] =
            [packet.trim_start, packet.trim_end].map(|d| usize::try_from(d.get()).unwrap_or(usize::MAX));
        Ok(Some(Frames { rate, channels, trim_start, trim_end }))
    }
}

fn check_channels(channels: usize) -> Result<(), AudioError> {
    match channels {
        1..=MAX_CHANNELS => Ok(()),
        _ => Err(AudioError::Codec { name: format!("{channels} ch") }),
    }
}
