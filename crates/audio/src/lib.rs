//! Audio and video files of any kind, decoded to 16 kHz mono samples. Runs in child processes only: third-party decoders
//! over hostile input.
//!
//! [`decode`] keeps the samples, [`probe`] only counts them; both stream. A file takes this way:
//!
//! 1. `source`: the file as a view in which ranges are skipped or replaced. `container` decides which, from the first bytes:
//!    `kind` refuses what is no recording; `id3`, `wav_header`, `mp4_boxes`, `matroska` and `aac` deal with what symphonia's
//!    readers refuse or do not say; `codec` and `wave_format` name codecs.
//! 2. `stream`: opens symphonia's reader on the view, chooses the track (`marks`, `edits`), follows chained streams.
//! 3. `track`: decodes each packet (`packing`, then `opus`, `surround` or `pcm`), trims it (`trim`), puts it at its time
//!    (`timeline`, `edits`).
//! 4. `mixer` and `resample`: to one channel at 16 kHz. `output` bounds the length and passes samples on.
//!
//! The bytes decide what a file is, never its name; decoded samples and the times of packets decide how long it is, never a
//! header.

mod aac;
mod codec;
mod container;
mod edits;
mod error;
mod id3;
mod kind;
mod marks;
mod matroska;
mod mixer;
mod mp4_boxes;
mod opus;
mod output;
mod packing;
mod pcm;
mod resample;
mod source;
mod stream;
mod surround;
mod timeline;
mod track;
mod trim;
mod wav_header;
mod wave_format;

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use error::AudioError;
use output::{Discard, Output};

use stenobot_domain::duration_of_samples;

/// A whole recording: mono samples at [`SAMPLE_RATE`](stenobot_domain::SAMPLE_RATE), finite, in [-1, 1], at least one.
#[derive(Clone, PartialEq)]
pub struct Decoded {
    /// The samples in order.
    pub samples: Vec<f32>,
}

impl Decoded {
    /// The length, counted from the samples.
    pub fn duration(&self) -> Duration {
        duration_of_samples(self.samples.len())
    }
}

impl std::fmt::Debug for Decoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{} samples>", self.samples.len())
    }
}

/// Decodes the first sound track of a file that can be decoded and is not silent, with silence where the container has a late
/// start or a pause. Blocks; takes memory for `limit` and one second of samples at most.
///
/// A truncated file gives what can be read of it.
///
/// # Errors
/// See [`AudioError`]; `TooLong` as soon as more than `limit` and one second has been decoded.
pub fn decode(path: &Path, limit: Duration) -> Result<Decoded, AudioError> {
    let mut samples = Vec::new();
    stream::stream(path, &mut Output::new(&mut samples, limit))?;
    Ok(Decoded { samples })
}

/// The length that [`decode`] would give, by the same decoding in constant memory. Blocks.
///
/// # Errors
/// The same as [`decode`].
pub fn probe(path: &Path, limit: Duration) -> Result<Duration, AudioError> {
    let mut discard = Discard;
    let mut output = Output::new(&mut discard, limit);
    stream::stream(path, &mut output)?;
    Ok(duration_of_samples(output.kept()))
}

/// What `stenobot probe` prints as one line of JSON and its parent reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ProbeOutcome {
    /// `{"length_ms":1234}`: the file can be decoded.
    Length {
        /// The real length in milliseconds, rounded down.
        length_ms: u64,
    },
    /// `{"error":...}`: it cannot.
    Failed {
        /// Why not.
        error: AudioError,
    },
}

impl From<Result<Duration, AudioError>> for ProbeOutcome {
    fn from(result: Result<Duration, AudioError>) -> Self {
        match result {
            Ok(length) => Self::Length { length_ms: u64::try_from(length.as_millis()).unwrap_or(u64::MAX) },
            Err(error) => Self::Failed { error },
        }
    }
}

impl From<ProbeOutcome> for Result<Duration, AudioError> {
    fn from(outcome: ProbeOutcome) -> Self {
        match outcome {
            ProbeOutcome::Length { length_ms } => Ok(Duration::from_millis(length_ms)),
            ProbeOutcome::Failed { error } => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_the_same_after_json() {
        let errors = [
            AudioError::NoAudio,
            AudioError::Codec { name: "AMR".to_owned() },
            AudioError::Unsupported { what: "a picture".to_owned() },
            AudioError::Damaged { what: "half of it".to_owned() },
            AudioError::Empty,
            AudioError::TooLong { limit: Duration::from_millis(1_500) },
            AudioError::Io { kind: "permission denied".to_owned() },
        ];
        let results = errors.into_iter().map(Err).chain([Ok(Duration::from_millis(1_234))]);
        for result in results {
            let line = serde_json::to_string(&ProbeOutcome::from(result.clone())).unwrap();
            let back: ProbeOutcome = serde_json::from_str(&line).unwrap();
            assert_eq!(Result::from(back), result, "{line}");
        }
    }
}
