use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track as ContainerTrack};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use super::codec::{self, SoundTrack};
use super::edits::Movie;
use super::marks::unmarked;
use super::output::Output;
use super::packing::Packing;
use super::source::Source;
use super::timeline::Timeline;
use super::track::{End, Track};
use super::{AudioError, container};

/// Links of a chained Ogg that are followed, each of which costs the set-up of a decoder.
const MAX_LINKS: usize = 16;

/// Sound tracks that are tried until one is not silent.
const MAX_TRACKS: usize = 4;

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
        // No hint: the bytes decide, not the name or the type that the sender claims.
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
        let mut is_damaged = false;
        for link in 0..MAX_LINKS {
            if link > 0 {
                match self.candidates(&*format) {
                    Ok(tracks) => id = tracks.first().copied().unwrap_or(id),
                    // The links before are a recording nevertheless.
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
            is_damaged |= end.is_damaged;
            if !end.has_another_link {
                break;
            }
        }
        match (out.kept(), is_damaged) {
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

fn audio_params(params: &CodecParameters) -> Option<&AudioCodecParameters> {
    match params {
        CodecParameters::Audio(params) => Some(params),
        _ => None,
    }
}

/// A container that was recognised but cannot be read is not an unknown kind of file.
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
