//! One sound track, packet by packet: decoded, trimmed, put in its place, mixed to 16 kHz mono.

use std::borrow::Cow;
use std::time::Duration;

use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_OPUS};
use symphonia::core::codecs::audio::{AudioCodecParameters, CODEC_ID_NULL_AUDIO};
use symphonia::core::errors::Error;
use symphonia::core::formats::well_known::{FORMAT_ID_CAF, FORMAT_ID_ISOMP4};
use symphonia::core::formats::{FormatReader, Track as ContainerTrack};
use symphonia::core::packet::Packet;

use super::error::is_system_error;
use super::mixer::{Mixer, length};
use super::output::Output;
use super::packing::Packing;
use super::pcm::PcmDecoder;
use super::timeline::{Place, Timeline};
use super::trim::Trim;
use super::{AudioError, aac, codec, opus};

/// More channels than a cinema has are a damaged or hostile header.
pub(super) const MAX_CHANNELS: usize = 8;

/// Packets in a row that may be damaged: 20 s of Opus. Decoders warn about each, and a file of nothing else would fill the log.
const MAX_DAMAGED: usize = 1_000;

/// Largest number of frames that a header may claim for each packet: decoders allocate for so many.
const MAX_FRAMES: u64 = 1 << 18;

/// Fewest frames that the AAC-LC encoders in use put before the sound; for MP4 files without an edit list, which says so.
const AAC_PRIMING: usize = 1024;

/// Decodes the packets of one codec.
pub(super) trait PacketDecoder {
    /// Decodes one packet into interleaved `samples`; `None` if it is damaged and skipped. The trimming that the packet
    /// asks for is not applied yet.
    fn decode(&mut self, packet: &Packet, samples: &mut Vec<f32>) -> Result<Option<Frames>, AudioError>;
}

/// Form of the samples of one packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frames {
    pub(super) rate: u32,
    pub(super) channels: usize,
    /// Frames that the container wants dropped from the start.
    pub(super) trim_start: usize,
    /// Frames that the container wants dropped from the end.
    pub(super) trim_end: usize,
}

/// What ended a track.
pub(super) struct End {
    /// A part of it could not be read.
    pub(super) is_damaged: bool,
    /// Another stream is chained behind it.
    pub(super) has_another_link: bool,
}

/// A track with its decoder.
pub(super) struct Track {
    decoder: Box<dyn PacketDecoder>,
    trim: Trim,
    /// Of the rate and channels of the latest packet.
    mixer: Option<Mixer>,
    /// Scratch.
    samples: Vec<f32>,
}

impl Track {
    /// `delay` frames at the decoder's rate are dropped from the start of the track.
    pub(super) fn new(decoder: impl PacketDecoder + 'static, delay: usize) -> Self {
        Self { decoder: Box::new(decoder), trim: Trim::new(delay), mixer: None, samples: Vec::new() }
    }

    /// `has_edits`: the container says itself where the sound begins.
    pub(super) fn open(
        format: &dyn FormatReader,
        track: &ContainerTrack,
        params: &AudioCodecParameters,
        has_edits: bool,
    ) -> Result<Self, AudioError> {
        let kind = format.format_info().format;
        let params = &*match kind {
            FORMAT_ID_CAF => codec::caf_params(params, track.delay),
            _ => Cow::Borrowed(params),
        };
        if params.max_frames_per_packet.is_some_and(|frames| frames > MAX_FRAMES) {
            return Err(AudioError::Damaged { what: "its packets claim to be too long".to_owned() });
        }
        match params.codec {
            CODEC_ID_NULL_AUDIO => Err(AudioError::Unsupported { what: "an unknown sound codec".to_owned() }),
            CODEC_ID_OPUS => opus::open(params),
            CODEC_ID_AAC => {
                let priming = if kind == FORMAT_ID_ISOMP4 && !has_edits { AAC_PRIMING } else { 0 };
                Ok(Self::new(PcmDecoder::new(&*aac::lc_params(params)?)?, priming))
            }
            _ => Ok(Self::new(PcmDecoder::new(params)?, 0)),
        }
    }

    /// Decodes to the track's end, or to where a truncated or damaged container stops being readable.
    pub(super) fn decode(
        mut self,
        id: u32,
        packing: &Packing,
        format: &mut dyn FormatReader,
        timeline: &mut Timeline,
        out: &mut Output<'_>,
    ) -> Result<End, AudioError> {
        let mut end = End { is_damaged: false, has_another_link: false };
        let mut damaged_in_a_row = 0;
        while damaged_in_a_row < MAX_DAMAGED {
            match format.next_packet() {
                Ok(Some(packet)) if packet.track_id != id => timeline.note_other(format, &packet),
                Ok(Some(mut packet)) => {
                    let Some(place) = timeline.place(&packet) else { continue };
                    let decoded = if packing.unpack(&mut packet) { self.packet(&packet, place, out)? } else { None };
                    match decoded {
                        Some(decoded) => {
                            timeline.put(place, decoded);
                            damaged_in_a_row = 0;
                        }
                        None => {
                            damaged_in_a_row += 1;
                            end.is_damaged = true;
                        }
                    }
                }
                Ok(None) => break,
                Err(Error::ResetRequired) => {
                    end.has_another_link = true;
                    break;
                }
                Err(Error::IoError(error)) if is_system_error(&error) => return Err(error.into()),
                Err(_) => {
                    end.is_damaged = true;
                    break;
                }
            }
        }
        self.mixer.map_or(Ok(()), |mixer| mixer.finish(out))?;
        Ok(end)
    }

    /// Decodes one packet and puts it in its place. Gives the length that was decoded, `None` if the packet is damaged and
    /// skipped.
    fn packet(&mut self, packet: &Packet, place: Place, out: &mut Output<'_>) -> Result<Option<Duration>, AudioError> {
        let Some(Frames { rate, channels, trim_start, trim_end }) = self.decoder.decode(packet, &mut self.samples)?
        else {
            return Ok(None);
        };
        let decoded = self.samples.len() / channels;
        out.decoded(decoded, rate)?;
        let sound = self.trim.sound(decoded, trim_start.max(place.skipped(rate)), trim_end);
        let sound = place.presented(sound, rate);
        // A stream may change its rate, as glued MP3 files do.
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
        mixer.push(&self.samples[sound.start * channels..sound.end * channels], out)?;
        Ok(Some(length(decoded, rate)))
    }
}
