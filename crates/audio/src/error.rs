use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a file gave no samples. Crosses a process boundary, so it holds texts only: never a path, never a transcript.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum AudioError {
    /// The container was understood and carries no sound, as a silent video does.
    #[error("the file has no sound track: send a recording or a video with sound")]
    NoAudio,
    /// Sound in a codec or a form for which there is no decoder here.
    #[error("sound in this form cannot be decoded ({name}): send Ogg, WebM, MP4, MP3, FLAC or WAV")]
    Codec {
        /// The codec's or the format's name as people know it, short and the same in all languages.
        name: String,
    },
    /// No recording: a picture, a text, an archive.
    #[error("the file is of a kind that cannot be read ({what}): send Ogg, WebM, MP4, MP3, FLAC or WAV")]
    Unsupported {
        /// What exactly, as the reader names it.
        what: String,
    },
    /// The beginnings of a known format, but nothing that can be decoded.
    #[error("the file is damaged ({what}): send it again or in another format")]
    Damaged {
        /// What exactly, as the decoder names it.
        what: String,
    },
    /// No byte, or no sample once the encoder's own delay and padding are gone.
    #[error("the recording is empty: send one with sound in it")]
    Empty,
    /// More audio was decoded than `limit` and one second of grace.
    #[error("the recording is longer than {} s: send a shorter one", limit.as_secs())]
    TooLong {
        /// The limit that was given, without the grace.
        limit: Duration,
    },
    /// The file could not be opened or read.
    #[error("the file could not be read ({kind}): try again")]
    Io {
        /// The kind of the I/O error, in words.
        kind: String,
    },
}

impl From<io::Error> for AudioError {
    fn from(error: io::Error) -> Self {
        let what = match error.kind() {
            kind if is_system_error(&error) => return Self::Io { kind: kind.to_string() },
            io::ErrorKind::OutOfMemory => "it asks for more memory than a recording needs",
            _ => "it points to places that it does not have",
        };
        Self::Damaged { what: what.to_owned() }
    }
}

/// Whether reading itself failed. Readers use the same errors for impossible requests of a file: an offset before its
/// beginning, more memory than the limit of this process.
pub(super) fn is_system_error(error: &io::Error) -> bool {
    let is_requested = matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::OutOfMemory);
    error.raw_os_error().is_some() && !is_requested
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_requests_of_a_file_are_damage_and_no_system_errors() {
        let (input_output, no_memory, invalid) = (5, 12, 22);
        let of = |number| AudioError::from(io::Error::from_raw_os_error(number));
        assert!(matches!(of(input_output), AudioError::Io { .. }));
        for theirs in [of(no_memory), of(invalid), io::Error::other("lost").into()] {
            assert!(matches!(theirs, AudioError::Damaged { .. }), "{theirs}");
        }
    }
}
