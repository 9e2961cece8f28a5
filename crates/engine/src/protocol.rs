//! What parent and child say to each other: JSON values in frames with a length of four bytes.
//!
//! The parent speaks over the child's standard input, the child over its standard output. A child has one job
//! at a time; job numbers grow, so that a word about an earlier job is told apart from one about this.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stenobot_audio::AudioError;
use stenobot_domain::{LikelyLanguage, ModelFacts, Progress, SpeechLanguage, Transcript};
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

/// Largest frame in bytes. Hours of speech stay far below; a child that sends more has lost its mind.
pub const MAX_FRAME: usize = 16 * 1024 * 1024;

/// Numbers the jobs of one child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobNumber(pub u64);

/// From the parent to the child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Transcribe a file. Answered by exactly one of `Finished`, `Failed`, `Cancelled`.
    Transcribe {
        /// Greater than any before.
        job: JobNumber,
        /// The audio file. Names need not be UTF-8.
        #[serde(with = "file_name")]
        path: PathBuf,
        /// Given or to be detected.
        language: SpeechLanguage,
        /// What the sender is likely to speak: the prior of the detection.
        likely: Vec<LikelyLanguage>,
        /// Longest audio that is decoded.
        limit: Duration,
    },
    /// Stop that job soon. Ignored when it has ended already.
    Cancel {
        /// The job.
        job: JobNumber,
    },
}

/// A path in JSON: a string, or its bytes where it is not UTF-8, which JSON's strings cannot hold.
mod file_name {
    use std::borrow::Cow;
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Name<'a> {
        Text(Cow<'a, str>),
        Bytes(Cow<'a, [u8]>),
    }

    pub(super) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        let name = match path.to_str() {
            Some(text) => Name::Text(text.into()),
            None => Name::Bytes(path.as_os_str().as_bytes().into()),
        };
        name.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        Ok(match Name::deserialize(from)? {
            Name::Text(text) => text.into_owned().into(),
            Name::Bytes(bytes) => OsString::from_vec(bytes.into_owned()).into(),
        })
    }
}

/// From the child to the parent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The first word: the model is loaded.
    Ready {
        /// What was loaded.
        model: ModelFacts,
        /// Time it took.
        load: Duration,
    },
    /// In place of `Ready`: the model cannot be loaded, the child ends.
    LoadFailed {
        /// One sentence.
        reason: String,
    },
    /// How far a job has come.
    Progress {
        /// The job.
        job: JobNumber,
        /// Measured.
        progress: Progress,
    },
    /// A job is done.
    Finished {
        /// The job.
        job: JobNumber,
        /// What was heard.
        transcript: Transcript,
    },
    /// A job failed; the child is ready for the next.
    Failed {
        /// The job.
        job: JobNumber,
        /// Why.
        failure: JobFailure,
    },
    /// A job was stopped as ordered.
    Cancelled {
        /// The job.
        job: JobNumber,
    },
}

/// Why a job failed in the child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobFailure {
    /// The file could not be turned into samples.
    Audio(AudioError),
    /// The model does not know this language.
    UnknownLanguage(String),
    /// Anything else, in one sentence without a path or a word of the text.
    Inference(String),
}

/// The framing of both directions.
pub fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME).new_codec()
}

/// One value as the content of a frame.
pub fn encode(value: &impl Serialize) -> io::Result<Bytes> {
    Ok(serde_json::to_vec(value)?.into())
}

/// The content of a frame as a value.
pub fn decode<T: DeserializeOwned>(frame: &[u8]) -> io::Result<T> {
    Ok(serde_json::from_slice(frame)?)
}

/// Reads frames from a blocking source: the child's side.
#[derive(Debug)]
pub struct BlockingReader<R> {
    source: R,
    codec: LengthDelimitedCodec,
    buffer: BytesMut,
}

impl<R: Read> BlockingReader<R> {
    /// Reads from `source`.
    pub fn new(source: R) -> Self {
        Self { source, codec: codec(), buffer: BytesMut::new() }
    }

    /// The next value; `None` at the end of the stream.
    pub fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let mut chunk = [0; 8192];
        loop {
            if let Some(frame) = self.codec.decode(&mut self.buffer)? {
                return decode(&frame).map(Some);
            }
            match self.source.read(&mut chunk) {
                Ok(0) => return Ok(None),
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Writes frames to a blocking sink, each flushed: the child's side.
#[derive(Debug)]
pub struct BlockingWriter<W> {
    sink: W,
    codec: LengthDelimitedCodec,
}

impl<W: Write> BlockingWriter<W> {
    /// Writes to `sink`.
    pub fn new(sink: W) -> Self {
        Self { sink, codec: codec() }
    }

    /// Sends one value.
    pub fn send(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut frame = BytesMut::new();
        self.codec.encode(encode(value)?, &mut frame)?;
        self.sink.write_all(&frame)?;
        self.sink.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn values_survive_a_stream_that_comes_byte_by_byte() {
        struct Trickle(std::vec::IntoIter<u8>);
        impl Read for Trickle {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                Ok(self.0.next().map_or(0, |byte| {
                    into[0] = byte;
                    1
                }))
            }
        }
        let transcribe = |path: &dyn AsRef<OsStr>| Command::Transcribe {
            job: JobNumber(8),
            path: path.as_ref().into(),
            language: SpeechLanguage::Auto,
            likely: vec![LikelyLanguage { code: "ru".to_owned(), weight: 0.5 }],
            limit: Duration::from_millis(1500),
        };
        let commands = [
            Command::Cancel { job: JobNumber(7) },
            transcribe(&"a b.ogg"),
            transcribe(&OsStr::from_bytes(b"caf\xe9.ogg")),
        ];
        let mut wire = Vec::new();
        let mut writer = BlockingWriter::new(&mut wire);
        for command in &commands {
            writer.send(command).unwrap();
        }
        let mut reader = BlockingReader::new(Trickle(wire.into_iter()));
        for command in commands {
            assert_eq!(reader.receive::<Command>().unwrap(), Some(command));
        }
        assert_eq!(reader.receive::<Command>().unwrap(), None);
    }

    #[test]
    fn an_oversized_frame_and_garbage_are_errors() {
        let huge = u32::try_from(MAX_FRAME + 1).unwrap().to_be_bytes();
        assert!(BlockingReader::new(huge.as_slice()).receive::<Command>().is_err());
        let mut wire = vec![0, 0, 0, 5];
        wire.extend_from_slice(b"hello");
        assert!(BlockingReader::new(wire.as_slice()).receive::<Command>().is_err());
    }
}
