use std::time::Duration;

use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::packet::{Packet, PacketRef};

use super::AudioError;
use super::mixer::{Mixer, length};
use super::output::Output;
use super::timeline::Place;
use super::trim::Trim;

/// More channels than a cinema has are a damaged or hostile header.
pub(crate) const MAX_CHANNELS: usize = 8;

/// A track of any codec that symphonia decodes itself: decoded at its own rate, mixed down, resampled.
pub(super) struct PcmTrack {
    decoder: Box<dyn AudioDecoder>,
    trim: Trim,
    mixer: Option<Mixer>,
    interleaved: Vec<f32>,
}

impl PcmTrack {
    /// `priming` frames at the track's own rate are dropped from its start.
    pub(super) fn new(params: &AudioCodecParameters, priming: usize) -> Result<Self, AudioError> {
        check_channels(params.channels.as_ref().map_or(1, |channels| channels.count()))?;
        let decoder = symphonia::default::get_codecs().make_audio_decoder(params, &AudioDecoderOptions::default())?;
        Ok(Self { decoder, trim: Trim::new(priming), mixer: None, interleaved: Vec::new() })
    }

    /// Decodes one packet and puts it in its place. Gives the length that was decoded, `None` if the packet was damaged
    /// and is left out.
    pub(super) fn packet(
        &mut self,
        packet: &Packet,
        place: Place,
        out: &mut Output<'_>,
    ) -> Result<Option<Duration>, AudioError> {
        let untrimmed = PacketRef::new(packet.track_id, packet.pts, packet.dur, &packet.data);
        let Ok(buffer) = self.decoder.decode_ref(&untrimmed) else { return Ok(None) };
        let (rate, channels) = (buffer.spec().rate(), buffer.spec().channels().count());
        check_channels(channels)?;
        buffer.copy_to_vec_interleaved(&mut self.interleaved);
        let decoded = self.interleaved.len() / channels;
        out.decoded(decoded, rate)?;

        let [start, end] = [packet.trim_start, packet.trim_end].map(|d| usize::try_from(d.get()).unwrap_or(usize::MAX));
        let sound = self.trim.sound(decoded, start.max(place.skipped(rate)), end);
        let sound = place.presented(sound, rate);
        // A stream may change its rate on the way, as glued MP3 files do.
        let mixer = match self.mixer.take() {
            Some(same) if same.takes(rate, channels) => same,
            Some(other) => {
                other.finish(out)?;
                Mixer::new(rate, channels)?
            }
            None => Mixer::new(rate, channels)?,
        };
        let mixer = self.mixer.insert(mixer);
        mixer.silence(place.silence(), out)?;
        mixer.push(&self.interleaved[sound.start * channels..sound.end * channels], out)?;
        Ok(Some(length(decoded, rate)))
    }

    pub(super) fn finish(self, out: &mut Output<'_>) -> Result<(), AudioError> {
        self.mixer.map_or(Ok(()), |mixer| mixer.finish(out))
    }
}

fn check_channels(channels: usize) -> Result<(), AudioError> {
    match channels {
        1..=MAX_CHANNELS => Ok(()),
        _ => Err(AudioError::Codec { name: format!("{channels} ch") }),
    }
}
