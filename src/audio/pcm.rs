use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::packet::{Packet, PacketRef};

use super::AudioError;
use super::output::Output;
use super::resample::Resampler;
use super::trim::Trim;

/// More channels than a cinema has are a damaged or hostile header.
pub const MAX_CHANNELS: usize = 8;

/// A track of any codec that symphonia decodes itself: decoded at its own rate, mixed down, resampled.
pub(super) struct PcmTrack {
    decoder: Box<dyn AudioDecoder>,
    trim: Trim,
    resampler: Option<Resampler>,
    interleaved: Vec<f32>,
    mono: Vec<f32>,
}

impl PcmTrack {
    /// `priming` frames at the track's own rate are dropped from its start.
    pub(super) fn new(params: &AudioCodecParameters, priming: usize) -> Result<Self, AudioError> {
        check_channels(params.channels.as_ref().map_or(1, |channels| channels.count()))?;
        let decoder = symphonia::default::get_codecs().make_audio_decoder(params, &AudioDecoderOptions::default())?;
        Ok(Self { decoder, trim: Trim::new(priming), resampler: None, interleaved: Vec::new(), mono: Vec::new() })
    }

    /// Decodes one packet. `Ok(false)` means that it was damaged and left out.
    pub(super) fn packet(&mut self, packet: &Packet, out: &mut Output<'_>) -> Result<bool, AudioError> {
        let untrimmed = PacketRef::new(packet.track_id, packet.pts, packet.dur, &packet.data);
        let Ok(buffer) = self.decoder.decode_ref(&untrimmed) else { return Ok(false) };
        let (rate, channels) = (buffer.spec().rate(), buffer.spec().channels().count());
        check_channels(channels)?;
        buffer.copy_to_vec_interleaved(&mut self.interleaved);
        mix_down(&self.interleaved, channels, &mut self.mono);
        out.decoded(self.mono.len(), rate)?;

        let [start, end] = [packet.trim_start, packet.trim_end].map(|d| usize::try_from(d.get()).unwrap_or(usize::MAX));
        let sound = self.trim.sound(self.mono.len(), start, end);
        // A stream may change its rate on the way, as glued MP3 files do.
        let resampler = match self.resampler.take() {
            Some(same) if same.rate() == rate => same,
            Some(other) => {
                other.finish(out)?;
                Resampler::new(rate)?
            }
            None => Resampler::new(rate)?,
        };
        self.resampler.insert(resampler).push(&self.mono[sound], out)?;
        Ok(true)
    }

    pub(super) fn finish(self, out: &mut Output<'_>) -> Result<(), AudioError> {
        self.resampler.map_or(Ok(()), |resampler| resampler.finish(out))
    }
}

fn check_channels(channels: usize) -> Result<(), AudioError> {
    match channels {
        1..=MAX_CHANNELS => Ok(()),
        _ => Err(AudioError::Codec { name: format!("{channels} ch") }),
    }
}

/// One channel as the mean of all.
fn mix_down(interleaved: &[f32], channels: usize, mono: &mut Vec<f32>) {
    mono.clear();
    let share = 1.0 / channels as f32;
    mono.extend(interleaved.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() * share));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_averaged() {
        let mut mono = vec![9.0];
        mix_down(&[0.5, -0.5, 1.0, 0.0], 2, &mut mono);
        assert_eq!(mono, [0.0, 0.5]);
    }
}
