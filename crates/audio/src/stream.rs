use std::borrow::Cow;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_OPUS};
use symphonia::core::codecs::audio::{AudioCodecParameters, CODEC_ID_NULL_AUDIO};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known::{FORMAT_ID_CAF, FORMAT_ID_ISOMP4};
use symphonia::core::formats::{FormatOptions, FormatReader, Track as ContainerTrack};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

use super::codec::{self, SoundTrack};
use super::edits::Movie;
use super::error::is_the_machine_s;
use super::marks::unmarked;
use super::opus::OpusTrack;
use super::output::Output;
use super::packing::Packing;
use super::pcm::PcmTrack;
use super::source::Source;
use super::surround::SurroundTrack;
use super::timeline::{Place, Timeline};
use super::{AudioError, aac, container};

/// Links of a chained Ogg that are followed. A player makes a handful; each costs the set-up of a decoder.
const MAX_LINKS: usize = 16;

/// Sound tracks that are tried until one is not silent.
const MAX_TRACKS: usize = 4;

/// Packets in a row that may be damaged: 20 s of Opus. Decoders warn about each, and a file of nothing else would fill the log.
const MAX_DAMAGED: usize = 1_000;

/// Largest number of frames that a header may claim for each packet: decoders reserve room for so many.
const MAX_FRAMES: u64 = 1 << 18;

/// Frames that every AAC-LC encoder in use puts before the sound at least; for MP4 files without an edit list, which says so.
const AAC_PRIMING: usize = 1024;

/// Decodes the first sound track of the file that is not silent into `out`, and turns a panic of a third-party decoder into
/// an error.
pub(super) fn stream(path: &Path, out: &mut Output<'_>) -> Result<(), AudioError> {
    let source = Source::open(path)?;
    if source.length() == 0 {
        return Err(AudioError::Empty);
    }
    // Unwind safety: after a panic nothing of the reader or the decoder is used again, and an `Output` only counts.
    catch_unwind(AssertUnwindSafe(|| Container::of(source)?.decode(out)))
        .unwrap_or_else(|_| Err(AudioError::Damaged { what: "the decoder broke down over it".to_owned() }))
}

/// A file, and what symphonia's reader does not say about it.
struct Container {
    source: Source,
    sound: Vec<SoundTrack>,
    movie: Movie,
    /// Tracks that are marked as not to be played by default.
    unmarked: Vec<u32>,
}

impl Container {
    fn of(mut source: Source) -> Result<Self, AudioError> {
        let sound = container::prepare(&mut source)?;
        let (movie, unmarked) = (Movie::read(source.reopen()?), unmarked(&source));
        Ok(Self { source, sound, movie, unmarked })
    }

    /// A reader at the start of the file.
    fn open(&self) -> Result<Box<dyn FormatReader>, AudioError> {
        let source = MediaSourceStream::new(Box::new(self.source.reopen()?), MediaSourceStreamOptions::default());
        // No hint: the name and the claimed type are the sender's words, the bytes are the facts.
        let hint = Hint::new();
        let probe = symphonia::default::get_probe();
        probe.probe(&hint, source, FormatOptions::default(), MetadataOptions::default()).map_err(of_container)
    }

    /// Decodes the first track that is not silent; if all are, gives silence as long as the longest.
    fn decode(&self, out: &mut Output<'_>) -> Result<(), AudioError> {
        let format = self.open()?;
        let candidates = self.candidates(&*format)?;
        let mut opened = Some(format);
        let (mut silence, mut failure) = (None, None);
        for &id in &candidates {
            out.restart();
            let format = opened.take().map_or_else(|| self.open(), Ok)?;
            match self.decode_track(format, id, out) {
                Ok(()) if candidates.len() == 1 || !out.is_silent() => return Ok(()),
                Ok(()) => silence = silence.max(Some(out.kept())),
                Err(error @ (AudioError::TooLong { .. } | AudioError::Io { .. })) => return Err(error),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        out.restart();
        silence.map_or_else(|| Err(failure.unwrap_or(AudioError::NoAudio)), |samples| out.push_silence(samples))
    }

    /// The sound tracks that can be decoded, by their numbers in the container: those that it marks for playing first.
    fn candidates(&self, format: &dyn FormatReader) -> Result<Vec<u32>, AudioError> {
        let is_marked = |track: &ContainerTrack| match self.movie.track(track.id) {
            Some(track) => track.is_enabled,
            None => !self.unmarked.contains(&track.id),
        };
        let mut tracks: Vec<_> = format.tracks().iter().collect();
        tracks.sort_by_key(|track| !is_marked(track));
        let (mut candidates, mut failure) = (Vec::new(), None);
        for track in tracks {
            match self.open_track(format, track, false) {
                None => {}
                Some(Ok(_)) => candidates.push(track.id),
                Some(Err(error)) => failure = failure.or(Some(error)),
            }
            if candidates.len() == MAX_TRACKS {
                break;
            }
        }
        if !candidates.is_empty() {
            return Ok(candidates);
        }
        // The reader leaves out a track whose description is cut off.
        let lost = || AudioError::Damaged { what: "its sound track cannot be read".to_owned() };
        Err(failure.unwrap_or_else(|| if self.sound.is_empty() { AudioError::NoAudio } else { lost() }))
    }

    /// A track's decoder; `None` if it is no sound track. `has_edits`: the container says itself where the sound begins.
    fn open_track(
        &self,
        format: &dyn FormatReader,
        track: &ContainerTrack,
        has_edits: bool,
    ) -> Option<Result<Track, AudioError>> {
        let described = self.described(track.id);
        let params = described.and_then(|described| described.params.as_ref());
        Some(match (described, params.or(track.codec_params.as_ref().and_then(audio_params))) {
            (None, None) => return None,
            (Some(SoundTrack { packing: Packing::Unsupported(name), .. }), _) => {
                Err(AudioError::Codec { name: (*name).to_owned() })
            }
            (Some(described), None) => Err(AudioError::Codec { name: described.name.to_string() }),
            (described, Some(params)) => Track::open(format, track, params, has_edits).map_err(|error| match error {
                AudioError::Unsupported { .. } => {
                    let name = described.map_or(codec::name(params.codec), |described| &described.name);
                    AudioError::Codec { name: name.to_owned() }
                }
                other => other,
            }),
        })
    }

    fn described(&self, id: u32) -> Option<&SoundTrack> {
        self.sound.iter().find(|track| track.id == id)
    }

    /// Decodes one track, and what is chained behind it.
    fn decode_track(
        &self,
        mut format: Box<dyn FormatReader>,
        mut id: u32,
        out: &mut Output<'_>,
    ) -> Result<(), AudioError> {
        let mut damaged = false;
        for link in 0..MAX_LINKS {
            if link > 0 {
                match self.candidates(&*format) {
                    Ok(tracks) => id = tracks.first().copied().unwrap_or(id),
                    // What the links before gave is a recording all the same.
                    Err(_) if out.kept() > 0 => break,
                    Err(error) => return Err(error),
                }
            }
            let track = format.tracks().iter().find(|track| track.id == id).ok_or(AudioError::NoAudio)?;
            let mut timeline = Timeline::new(format.format_info().format, track, &self.movie, out.limit());
            let mut end = self.decode_run(&mut *format, id, &mut timeline, out)?;
            while timeline.next_run() {
                format = self.open()?;
                end = self.decode_run(&mut *format, id, &mut timeline, out)?;
            }
            if timeline.has_edits() && out.kept() == 0 {
                // A list that presents nothing is damaged.
                format = self.open()?;
                end = self.decode_run(&mut *format, id, &mut timeline.without_edits(), out)?;
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
        &self,
        format: &mut dyn FormatReader,
        id: u32,
        timeline: &mut Timeline,
        out: &mut Output<'_>,
    ) -> Result<End, AudioError> {
        let track = format.tracks().iter().find(|track| track.id == id).ok_or(AudioError::NoAudio)?;
        let track = self.open_track(format, track, timeline.has_edits()).unwrap_or(Err(AudioError::NoAudio))?;
        let packing = self.described(id).map_or(&Packing::Plain, |track| &track.packing);
        track.decode(id, packing, format, timeline, out)
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
    /// `has_edits`: the container says itself where the sound begins.
    fn open(
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
        Ok(match params.codec {
            CODEC_ID_NULL_AUDIO => return Err(AudioError::Unsupported { what: "an unknown sound codec".to_owned() }),
            CODEC_ID_OPUS => match SurroundTrack::new(params)? {
                Some(track) => Self::Surround(track),
                None => Self::Opus(OpusTrack::new(params)?),
            },
            CODEC_ID_AAC => {
                let priming = if kind == FORMAT_ID_ISOMP4 && !has_edits { AAC_PRIMING } else { 0 };
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
        timeline: &mut Timeline,
        out: &mut Output<'_>,
    ) -> Result<End, AudioError> {
        let mut end = End { damaged: false, another_link: false };
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
            Self::Surround(track) => track.finish(out)?,
            Self::Pcm(track) => track.finish(out)?,
        }
        Ok(end)
    }

    fn packet(&mut self, packet: &Packet, place: Place, out: &mut Output<'_>) -> Result<Option<Duration>, AudioError> {
        match self {
            Self::Opus(track) => track.packet(packet, place, out),
            Self::Surround(track) => track.packet(packet, place, out),
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
