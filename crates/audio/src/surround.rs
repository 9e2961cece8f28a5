//! Opus with more than two channels: several Opus streams in each packet, decoded one by one and mixed down.
//!
//! All streams of a packet but the last have their length written into them (RFC 6716, appendix B). Without it they are
//! ordinary packets, each for a decoder of its own.

use std::time::Duration;

use stenobot_domain::SAMPLE_RATE;
use symphonia::core::audio::layouts::CHANNEL_LAYOUT_MONO;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::RegisterableAudioDecoder;
use symphonia::core::packet::{Packet, PacketRef};
use symphonia_adapter_libopus::OpusDecoder;

use super::AudioError;
use super::mixer::{Mixer, length};
use super::opus::at_our_rate;
use super::output::Output;
use super::pcm::MAX_CHANNELS;
use super::timeline::Place;
use super::trim::Trim;

/// An Opus track of several streams, as the mean of its channels.
pub(super) struct SurroundTrack {
    decoders: Vec<Box<dyn AudioDecoder>>,
    /// How many of the streams, from the first, have two channels.
    coupled: usize,
    trim: Trim,
    mixer: Mixer,
    samples: Vec<f32>,
    mixed: Vec<f32>,
}

impl SurroundTrack {
    /// `None` for a track of a single stream, which needs none of this.
    pub(super) fn new(params: &AudioCodecParameters) -> Result<Option<Self>, AudioError> {
        let head = params.extra_data.as_deref().unwrap_or_default();
        let Some(&[version, channels, skip_a, skip_b, .., family, streams, coupled]) =
            head.strip_prefix(b"OpusHead").and_then(<[u8]>::first_chunk::<13>)
        else {
            return Ok(None);
        };
        let (streams, coupled) = (usize::from(streams), usize::from(coupled));
        if family == 0 || streams == 1 {
            return Ok(None);
        }
        if coupled > streams || streams + coupled > MAX_CHANNELS || streams == 0 {
            return Err(AudioError::Codec { name: format!("Opus ({channels} ch)") });
        }
        // MP4 keeps the same fields in big-endian order and tells so by version 0.
        let skip = [skip_a, skip_b];
        let pre_skip = if version == 0 { u16::from_be_bytes(skip) } else { u16::from_le_bytes(skip) };
        let mut mono = params.clone();
        mono.sample_rate = Some(SAMPLE_RATE);
        mono.channels = Some(CHANNEL_LAYOUT_MONO);
        mono.extra_data = None;
        let decoder = || OpusDecoder::try_registry_new(&mono, &AudioDecoderOptions::default());
        let decoders = (0..streams).map(|_| decoder()).collect::<Result<_, _>>()?;
        let trim = Trim::new(at_our_rate(u64::from(pre_skip)));
        let mixer = Mixer::new(SAMPLE_RATE, 1)?;
        Ok(Some(Self { decoders, coupled, trim, mixer, samples: Vec::new(), mixed: Vec::new() }))
    }

    /// Decodes one packet and puts it in its place. Gives the length that was decoded, `None` if the packet was damaged
    /// and is left out.
    pub(super) fn packet(
        &mut self,
        packet: &Packet,
        place: Place,
        out: &mut Output<'_>,
    ) -> Result<Option<Duration>, AudioError> {
        let Some(streams) = split(&packet.data, self.decoders.len()) else { return Ok(None) };
        let channels = (self.decoders.len() + self.coupled) as f32;
        self.mixed.clear();
        for (index, (stream, decoder)) in streams.iter().zip(&mut self.decoders).enumerate() {
            let stream = PacketRef::new(packet.track_id, packet.pts, packet.dur, stream);
            let Ok(buffer) = decoder.decode_ref(&stream) else { return Ok(None) };
            buffer.copy_to_vec_interleaved(&mut self.samples);
            // The mean of two channels stands for both.
            let weight = if index < self.coupled { 2.0 } else { 1.0 } / channels;
            if index == 0 {
                self.mixed.resize(self.samples.len(), 0.0);
            }
            if self.samples.len() != self.mixed.len() {
                return Ok(None);
            }
            self.mixed.iter_mut().zip(&self.samples).for_each(|(mixed, sample)| *mixed += weight * sample);
        }
        let decoded = self.mixed.len();
        out.decoded(decoded, SAMPLE_RATE)?;
        let skipped = place.skipped(SAMPLE_RATE);
        let sound = self.trim.sound(decoded, skipped, at_our_rate(packet.trim_end.get()));
        let sound = place.presented(sound, SAMPLE_RATE);
        self.mixer.silence(place.silence(), out)?;
        self.mixer.push(&self.mixed[sound], out)?;
        Ok(Some(length(decoded, SAMPLE_RATE)))
    }

    pub(super) fn finish(self, out: &mut Output<'_>) -> Result<(), AudioError> {
        self.mixer.finish(out)
    }
}

/// The Opus packets of the streams in a packet; `None` when it is damaged.
fn split(mut packet: &[u8], streams: usize) -> Option<Vec<Vec<u8>>> {
    let mut split = Vec::new();
    for _ in 1..streams {
        let (stream, rest) = delimited(packet)?;
        split.push(stream);
        packet = rest;
    }
    // libopus would take no bytes for a lost packet and invent as much sound as the buffer holds.
    let last = Some(packet.to_vec()).filter(|last| !last.is_empty())?;
    split.push(last);
    Some(split)
}

/// The packet that begins with its own length, as a packet without it, and what follows.
fn delimited(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (&table, rest) = bytes.split_first()?;
    let mut head = vec![table];
    let (sound, rest) = match table & 3 {
        0 => {
            let (length, rest) = frame_length(rest)?;
            rest.split_at_checked(length)?
        }
        1 => {
            let (length, rest) = frame_length(rest)?;
            rest.split_at_checked(2 * length)?
        }
        2 => {
            let (first, after) = frame_length(rest)?;
            head.extend(&rest[..rest.len() - after.len()]);
            let (second, rest) = frame_length(after)?;
            rest.split_at_checked(first + second)?
        }
        _ => {
            let (&count, mut rest) = rest.split_first()?;
            head.push(count);
            let (has_varying_lengths, has_padding, frames) = (count & 0x80 != 0, count & 0x40 != 0, count & 0x3f);
            let (mut padding, mut has_more) = (0, has_padding);
            while has_more {
                let (&byte, after) = rest.split_first()?;
                (padding, rest) = (padding + usize::from(byte.min(254)), after);
                head.push(byte);
                has_more = byte == 255;
            }
            let mut sound = 0;
            if has_varying_lengths {
                for frame in 0..frames {
                    let (length, after) = frame_length(rest)?;
                    sound += length;
                    // Only the last frame's length is what is added.
                    if frame + 1 < frames {
                        head.extend(&rest[..rest.len() - after.len()]);
                    }
                    rest = after;
                }
            } else {
                let (length, after) = frame_length(rest)?;
                (sound, rest) = (length * usize::from(frames), after);
            }
            rest.split_at_checked(sound + padding)?
        }
    };
    head.extend(sound);
    Some((head, rest))
}

/// A frame's length, of one byte or two, and what follows.
fn frame_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [first @ 0..=251, rest @ ..] => Some((usize::from(*first), rest)),
        [first, second, rest @ ..] => Some((4 * usize::from(*second) + usize::from(*first), rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_delimited_packet_is_read() {
        let next = [9, 9];
        let long: Vec<u8> = [&[0x08, 252, 1][..], &[7; 256]].concat();
        let forms: [(&[u8], &[u8]); 8] = [
            (&[0x08, 2, 1, 2], &[0x08, 1, 2]),
            (&long, &[&[0x08][..], &[7; 256]].concat()),
            (&[0x09, 2, 1, 2, 3, 4], &[0x09, 1, 2, 3, 4]),
            (&[0x0a, 1, 2, 1, 2, 3], &[0x0a, 1, 1, 2, 3]),
            (&[0x0b, 0x03, 1, 1, 2, 3], &[0x0b, 0x03, 1, 2, 3]),
            (&[0x0b, 0x83, 1, 2, 1, 1, 2, 3, 4], &[0x0b, 0x83, 1, 2, 1, 2, 3, 4]),
            (&[0x0b, 0x41, 2, 1, 5, 0, 0], &[0x0b, 0x41, 2, 5, 0, 0]),
            (&[0x08, 0], &[0x08]),
        ];
        for (delimited_form, plain) in forms {
            let (stream, rest) = delimited(&[delimited_form, &next].concat()).map(|(a, b)| (a, b.to_vec())).unwrap();
            assert_eq!((&stream[..], &rest[..]), (plain, &next[..]));
            for end in 0..delimited_form.len() {
                assert_eq!(delimited(&delimited_form[..end]), None, "{delimited_form:?} cut at {end}");
            }
        }
    }

    #[test]
    fn the_last_stream_has_no_length() {
        let packet = [&[0x08, 1, 1][..], &[0x0a, 1, 0, 2], &[0x08, 3, 3, 3]].concat();
        let streams = [vec![0x08, 1], vec![0x0a, 1, 2], vec![0x08, 3, 3, 3]];
        assert_eq!(split(&packet, 3).unwrap(), streams);
        assert_eq!(split(&packet[..7], 3), None);
        assert_eq!(split(&[], 1), None);
    }
}
