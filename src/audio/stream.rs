use std::borrow::Cow;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_OPUS};
use symphonia::core::codecs::audio::{AudioCodecParameters, CODEC_ID_NULL_AUDIO};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known::{FORMAT_ID_CAF, FORMAT_ID_ISOMP4};
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

use super::codec::{self, SoundTrack};
use super::error::is_the_machine_s;
use super::opus::OpusTrack;
use super::output::Output;
use super::packing::Packing;
use super::pcm::PcmTrack;
use super::source::Source;
use super::surround::SurroundTrack;
use super::{AudioError, aac, container};

/// Links of a chained Ogg that are followed. A player makes a handful; each costs the set-up of a decoder.
const MAX_LINKS: usize = 16;

/// Packets in a row that may be damaged: 20 s of Opus. Decoders warn about each, and a file of nothing else would fill the log.
const MAX_DAMAGED: usize = 1_000;

/// Largest number of frames that a header may claim for each packet: decoders reserve room for so many.
const MAX_FRAMES: u64 = 1 << 18;

/// Frames that every AAC-LC encoder in use puts before the sound at least; MP4 says so in an edit list that symphonia does not read.
const AAC_PRIMING: usize = 1024;

/// Decodes the first sound track of the file into `out`, and turns a panic of a third-party decoder into an error.
pub(super) fn stream(path: &Path, out: &mut Output<'_>) -> Result<(), AudioError> {
    let mut source = Source::open(path)?;
    if source.length() == 0 {
        return Err(AudioError::Empty);
    }
    // Unwind safety: after a panic nothing of the reader or the decoder is used again, and an `Output` only counts.
    catch_unwind(AssertUnwindSafe(|| {
        let sound = container::prepare(&mut source)?;
        decode_file(source, &sound, out)
    }))
    .unwrap_or_else(|_| Err(AudioError::Damaged { what: "the decoder broke down over it".to_owned() }))
}

fn decode_file(source: Source, sound: &[SoundTrack], out: &mut Output<'_>) -> Result<(), AudioError> {
    let source = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
    // No hint: the name and the claimed type are the sender's words, the bytes are the facts.
    let mut format = symphonia::default::get_probe()
        .probe(&Hint::new(), source, FormatOptions::default(), MetadataOptions::default())
        .map_err(of_container)?;
    let mut damaged = false;
    for link in 0..MAX_LINKS {
        let (track, id) = match Track::choose(&*format, sound) {
            Ok(chosen) => chosen,
            // What the links before gave is a recording all the same.
            Err(_) if link > 0 && out.kept() > 0 => break,
            Err(error) => return Err(error),
        };
        let packing = sound.iter().find(|track| track.id == id).map_or(&Packing::Plain, |track| &track.packing);
        let end = track.decode(id, packing, &mut *format, out)?;
        damaged |= end.damaged;
        if !end.another_link {
            break;
        }
    }
    match (out.kept(), damaged) {
        (0, true) => Err(AudioError::Damaged { what: "nothing in it could be decoded".to_owned() }),
        (0, false) => Err(AudioError::Empty),
        _ => Ok(()),
    }
}

/// How a track came to its end.
struct End {
    /// Something in it could not be read.
    damaged: bool,
    /// Another stream is chained behind it.
    another_link: bool,
}

enum Track {
    Opus(OpusTrack),
    Surround(SurroundTrack),
    Pcm(Box<PcmTrack>),
}

impl Track {
    /// The default sound track with its decoder and its number in the container; when that cannot be decoded, the
    /// first one that can.
    fn choose(format: &dyn FormatReader, sound: &[SoundTrack]) -> Result<(Self, u32), AudioError> {
        let mut first_error = None;
        for track in format.default_track(TrackType::Audio).into_iter().chain(format.tracks()) {
            let described = sound.iter().find(|described| described.id == track.id);
            let params = described.and_then(|described| described.params.as_ref());
            let opened = match (described, params.or(track.codec_params.as_ref().and_then(audio_params))) {
                (None, None) => continue,
                (Some(SoundTrack { packing: Packing::Unsupported(name), .. }), _) => {
                    Err(AudioError::Codec { name: (*name).to_owned() })
                }
                (Some(described), None) => Err(AudioError::Codec { name: described.name.to_string() }),
                (described, Some(params)) => Self::open(format, track, params).map_err(|error| match error {
                    AudioError::Unsupported { .. } => {
                        let name = described.map_or(codec::name(params.codec), |described| &described.name);
                        AudioError::Codec { name: name.to_owned() }
                    }
                    other => other,
                }),
            };
            match opened {
                Ok(decoder) => return Ok((decoder, track.id)),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        // The reader leaves out a track whose description is cut off.
        let lost = || AudioError::Damaged { what: "its sound track cannot be read".to_owned() };
        Err(first_error.unwrap_or_else(|| if sound.is_empty() { AudioError::NoAudio } else { lost() }))
    }

    fn open(
        format: &dyn FormatReader,
        track: &symphonia::core::formats::Track,
        params: &AudioCodecParameters,
    ) -> Result<Self, AudioError> {
        let params = &*match format.format_info().format {
            FORMAT_ID_CAF => codec::caf_params(params, track.delay),
            _ => Cow::Borrowed(params),
        };
        if params.max_frames_per_packet.is_some_and(|frames| frames > MAX_FRAMES) {
            return Err(AudioError::Damaged { what: "its packets claim to be too long".to_owned() });
        }
        Ok(match params.codec {
            CODEC_ID_NULL_AUDIO => return Err(AudioError::Unsupported { what: "an unknown sound codec".to_owned() }),
            CODEC_ID_OPUS => match SurroundTrack::new(params)? {
                Some(track) => Self::Surround(track),
                None => Self::Opus(OpusTrack::new(params)?),
            },
            CODEC_ID_AAC => {
                let is_mp4 = format.format_info().format == FORMAT_ID_ISOMP4;
                let priming = if is_mp4 { AAC_PRIMING } else { 0 };
                let params = aac::lc_params(params)?;
                Self::Pcm(Box::new(PcmTrack::new(&params, priming)?))
            }
            _ => Self::Pcm(Box::new(PcmTrack::new(params, 0)?)),
        })
    }

    /// Decodes to the track's end, or to where a truncated or damaged container stops being readable.
    fn decode(
        mut self,
        id: u32,
        packing: &Packing,
        format: &mut dyn FormatReader,
        out: &mut Output<'_>,
    ) -> Result<End, AudioError> {
        let mut end = End { damaged: false, another_link: false };
        let mut damaged_in_a_row = 0;
        while damaged_in_a_row < MAX_DAMAGED {
            match format.next_packet() {
                Ok(Some(packet)) if packet.track_id != id => {}
                Ok(Some(mut packet)) => {
                    if packing.unpack(&mut packet) && self.packet(&packet, out)? {
                        damaged_in_a_row = 0;
                    } else {
                        damaged_in_a_row += 1;
                        end.damaged = true;
                    }
                }
                Ok(None) => break,
                Err(Error::ResetRequired) => {
                    end.another_link = true;
                    break;
                }
                Err(Error::IoError(error)) if is_the_machine_s(&error) => return Err(error.into()),
                Err(_) => {
                    end.damaged = true;
                    break;
                }
            }
        }
        match self {
            Self::Opus(_) | Self::Surround(_) => {}
            Self::Pcm(track) => track.finish(out)?,
        }
        Ok(end)
    }

    fn packet(&mut self, packet: &Packet, out: &mut Output<'_>) -> Result<bool, AudioError> {
        match self {
            Self::Opus(track) => track.packet(packet, out),
            Self::Surround(track) => track.packet(packet, out),
            Self::Pcm(track) => track.packet(packet, out),
        }
    }
}

fn audio_params(params: &CodecParameters) -> Option<&AudioCodecParameters> {
    match params {
        CodecParameters::Audio(params) => Some(params),
        _ => None,
    }
}

/// A container that was recognised and is not read is no unknown kind of file.
fn of_container(error: Error) -> AudioError {
    match error {
        Error::Unsupported(what) if what.contains("missing") => AudioError::Damaged { what: what.to_owned() },
        Error::Unsupported(what) => match codec::container_name(what) {
            Some(name) => AudioError::Codec { name: name.to_owned() },
            None => AudioError::Unsupported { what: what.to_owned() },
        },
        other => other.into(),
    }
}

impl From<Error> for AudioError {
    fn from(error: Error) -> Self {
        match error {
            Error::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Self::Damaged { what: "it ends before any sound that can be read".to_owned() }
            }
            Error::IoError(error) => error.into(),
            Error::Unsupported(what) => Self::Unsupported { what: what.to_owned() },
            other => Self::Damaged { what: other.to_string() },
        }
    }
}
