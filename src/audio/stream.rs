use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_OPUS};
use symphonia::core::codecs::audio::{AudioCodecParameters, CODEC_ID_NULL_AUDIO};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known::FORMAT_ID_ISOMP4;
use symphonia::core::formats::{FormatOptions, FormatReader, Track as ContainerTrack};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

use super::AudioError;
use super::edits::Movie;
use super::error::is_the_machine_s;
use super::kind;
use super::marks::unmarked;
use super::opus::OpusTrack;
use super::output::Output;
use super::pcm::PcmTrack;
use super::timeline::{Place, Timeline};

/// Links of a chained Ogg that are followed. A player makes a handful; each costs the set-up of a decoder.
const MAX_LINKS: usize = 16;

/// Sound tracks that are tried until one is not silent.
const MAX_TRACKS: usize = 4;

/// Packets in a row that may be damaged: 20 s of Opus. Decoders warn about each, and a file of nothing else would fill the log.
const MAX_DAMAGED: usize = 1_000;

/// Frames that every AAC-LC encoder in use puts before the sound at least; for MP4 files without an edit list, which says so.
const AAC_PRIMING: usize = 1024;

/// Decodes the first sound track of the file into `out`, and turns a panic of a third-party decoder into an error.
pub(super) fn stream(path: &Path, out: &mut Output<'_>) -> Result<(), AudioError> {
    let mut file = File::open(path)?;
    match file.metadata()? {
        // Folders can be opened, and what cannot be read at all looks like an unknown format to the reader.
        metadata if !metadata.is_file() => return Err(AudioError::Io { kind: "not a regular file".to_owned() }),
        metadata if metadata.len() == 0 => return Err(AudioError::Empty),
        _ => {}
    }
    let mut head = Vec::with_capacity(kind::HEAD);
    file.by_ref().take(kind::HEAD as u64).read_to_end(&mut head)?;
    if let Some(error) = kind::foreign(&head) {
        return Err(error);
    }
    // Unwind safety: after a panic nothing of the reader or the decoder is used again, and an `Output` only counts.
    catch_unwind(AssertUnwindSafe(|| decode_file(&file, out)))
        .unwrap_or_else(|_| Err(AudioError::Damaged { what: "the decoder broke down over it".to_owned() }))
}

/// Decodes the first track that is not silent; if all are, gives silence as long as the longest.
fn decode_file(file: &File, out: &mut Output<'_>) -> Result<(), AudioError> {
    let (movie, unmarked) = (Movie::read(file), unmarked(file));
    let mut opened = Some(open(file)?);
    let candidates = opened.as_deref().map_or(Ok(Vec::new()), |format| candidates(format, &movie, &unmarked))?;
    let (mut silence, mut failure) = (None, None);
    for &id in &candidates {
        out.restart();
        let format = opened.take().map_or_else(|| open(file), Ok)?;
        match decode_track(file, format, id, &movie, out) {
            Ok(()) if candidates.len() == 1 || !out.is_silent() => return Ok(()),
            Ok(()) => silence = silence.max(Some(out.kept())),
            Err(error @ (AudioError::TooLong { .. } | AudioError::Io { .. })) => return Err(error),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    out.restart();
    silence.map_or_else(|| Err(failure.unwrap_or(AudioError::NoAudio)), |samples| out.push_silence(samples))
}

/// A reader at the start of the file. Its position is shared with all others of the same file.
fn open(mut file: &File) -> Result<Box<dyn FormatReader>, AudioError> {
    file.rewind()?;
    let source = MediaSourceStream::new(Box::new(file.try_clone()?), MediaSourceStreamOptions::default());
    // No hint: the name and the claimed type are the sender's words, the bytes are the facts.
    let hint = Hint::new();
    Ok(symphonia::default::get_probe().probe(&hint, source, FormatOptions::default(), MetadataOptions::default())?)
}

/// The sound tracks that can be decoded, by their numbers in the container: those that it marks for playing first.
fn candidates(format: &dyn FormatReader, movie: &Movie, unmarked: &[u32]) -> Result<Vec<u32>, AudioError> {
    let is_marked = |track: &ContainerTrack| match movie.track(track.id) {
        Some(track) => track.is_enabled,
        None => !unmarked.contains(&track.id),
    };
    let mut tracks: Vec<_> = format.tracks().iter().collect();
    tracks.sort_by_key(|track| !is_marked(track));
    let (mut candidates, mut failure) = (Vec::new(), None);
    for track in tracks {
        let Some(params) = track.codec_params.as_ref().and_then(audio_params) else { continue };
        match Track::open(format, params, false) {
            Ok(_) => candidates.push(track.id),
            Err(error) => failure = failure.or(Some(error)),
        }
        if candidates.len() == MAX_TRACKS {
            break;
        }
    }
    if candidates.is_empty() { Err(failure.unwrap_or(AudioError::NoAudio)) } else { Ok(candidates) }
}

/// Decodes one track, and what is chained behind it.
fn decode_track(
    file: &File,
    mut format: Box<dyn FormatReader>,
    mut id: u32,
    movie: &Movie,
    out: &mut Output<'_>,
) -> Result<(), AudioError> {
    let mut damaged = false;
    for link in 0..MAX_LINKS {
        if link > 0 {
            match candidates(&*format, movie, &[]) {
                Ok(tracks) => id = tracks.first().copied().unwrap_or(id),
                // What the links before gave is a recording all the same.
                Err(_) if out.kept() > 0 => break,
                Err(error) => return Err(error),
            }
        }
        let track = format.tracks().iter().find(|track| track.id == id).ok_or(AudioError::NoAudio)?;
        let mut timeline = Timeline::new(format.format_info().format, track, movie, out.limit());
        let mut end = decode_run(&mut *format, id, &mut timeline, out)?;
        while timeline.next_run() {
            format = open(file)?;
            end = decode_run(&mut *format, id, &mut timeline, out)?;
        }
        if timeline.has_edits() && out.kept() == 0 {
            // A list that presents nothing is damaged.
            format = open(file)?;
            end = decode_run(&mut *format, id, &mut timeline.without_edits(), out)?;
        }
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

/// Reads a track once, from where the reader is.
fn decode_run(
    format: &mut dyn FormatReader,
    id: u32,
    timeline: &mut Timeline,
    out: &mut Output<'_>,
) -> Result<End, AudioError> {
    let track = format.tracks().iter().find(|track| track.id == id);
    let params = track.and_then(|track| track.codec_params.as_ref()).and_then(audio_params);
    Track::open(format, params.ok_or(AudioError::NoAudio)?, timeline.has_edits())?.decode(id, format, timeline, out)
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
    Pcm(Box<PcmTrack>),
}

impl Track {
    /// `has_edits`: the container says itself where the sound begins.
    fn open(format: &dyn FormatReader, params: &AudioCodecParameters, has_edits: bool) -> Result<Self, AudioError> {
        Ok(match params.codec {
            CODEC_ID_NULL_AUDIO => return Err(AudioError::Unsupported { what: "an unknown sound codec".to_owned() }),
            CODEC_ID_OPUS => Self::Opus(OpusTrack::new(params)?),
            CODEC_ID_AAC if format.format_info().format == FORMAT_ID_ISOMP4 && !has_edits => {
                Self::Pcm(Box::new(PcmTrack::new(params, AAC_PRIMING)?))
            }
            _ => Self::Pcm(Box::new(PcmTrack::new(params, 0)?)),
        })
    }

    /// Decodes to the track's end, or to where a truncated or damaged container stops being readable.
    fn decode(
        mut self,
        id: u32,
        format: &mut dyn FormatReader,
        timeline: &mut Timeline,
        out: &mut Output<'_>,
    ) -> Result<End, AudioError> {
        let mut end = End { damaged: false, another_link: false };
        let mut damaged_in_a_row = 0;
        while damaged_in_a_row < MAX_DAMAGED {
            match format.next_packet() {
                Ok(Some(packet)) if packet.track_id != id => timeline.note_other(format, &packet),
                Ok(Some(packet)) => {
                    let Some(place) = timeline.place(&packet) else { continue };
                    match self.packet(&packet, place, out)? {
                        Some(decoded) => {
                            timeline.put(place, decoded);
                            damaged_in_a_row = 0;
                        }
                        None => {
                            damaged_in_a_row += 1;
                            end.damaged = true;
                        }
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
            Self::Opus(track) => track.finish(out)?,
            Self::Pcm(track) => track.finish(out)?,
        }
        Ok(end)
    }

    fn packet(&mut self, packet: &Packet, place: Place, out: &mut Output<'_>) -> Result<Option<Duration>, AudioError> {
        match self {
            Self::Opus(track) => track.packet(packet, place, out),
            Self::Pcm(track) => track.packet(packet, place, out),
        }
    }
}

fn audio_params(params: &CodecParameters) -> Option<&AudioCodecParameters> {
    match params {
        CodecParameters::Audio(params) => Some(params),
        _ => None,
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
