//! Opus with more than two channels: several Opus streams in each packet, decoded one by one and mixed down.
//!
//! All streams of a packet but the last have their length written into them (RFC 6716, appendix B). Without it they are
//! ordinary packets, each for a decoder of its own.

use symphonia::core::codecs::audio::AudioDecoder;
use symphonia::core::packet::{Packet, PacketRef};

use super::track::{Frames, PacketDecoder};
use super::{AudioError, opus};

/// Decodes packets of several streams to the mean of their channels.
pub(super) struct SurroundDecoder {
    /// One for each stream, to mono.
    decoders: Vec<Box<dyn AudioDecoder>>,
    /// How many of the streams, from the first, have two channels.
    coupled: usize,
    /// Scratch: the samples of one stream.
    stream: Vec<f32>,
}

impl SurroundDecoder {
    pub(super) fn new(decoders: Vec<Box<dyn AudioDecoder>>, coupled: usize) -> Self {
        Self { decoders, coupled, stream: Vec::new() }
    }
}

impl PacketDecoder for SurroundDecoder {
    fn decode(&mut self, packet: &Packet, samples: &mut Vec<f32>) -> Result<Option<Frames>, AudioError> {
        let Some(streams) = split(&packet.data, self.decoders.len()) else { return Ok(None) };
        let channels = (self.decoders.len() + self.coupled) as f32;
        samples.clear();
        for (index, (stream, decoder)) in streams.iter().zip(&mut self.decoders).enumerate() {
            let stream = PacketRef::new(packet.track_id, packet.pts, packet.dur, stream);
            let Ok(buffer) = decoder.decode_ref(&stream) else { return Ok(None) };
            buffer.copy_to_vec_interleaved(&mut self.stream);
            // The mean of two channels stands for both.
            let weight = if index < self.coupled { 2.0 } else { 1.0 } / channels;
            if index == 0 {
                samples.resize(self.stream.len(), 0.0);
            }
            if self.stream.len() != samples.len() {
                return Ok(None);
            }
            samples.iter_mut().zip(&self.stream).for_each(|(mixed, sample)| *mixed += weight * sample);
        }
        Ok(Some(opus::frames(packet, 1)))
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
