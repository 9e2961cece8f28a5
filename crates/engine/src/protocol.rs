//! The protocol between parent and child: JSON values in frames with a length of four bytes.
//!
//! Commands go over the child's standard input, events over its standard output. The child begins with [`Event::Hello`],
//! then says whether its model is loaded. It has one job at a time; job numbers grow, so that an event of an earlier job
//! is recognised.

use std::io::{self, Read, Write};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stenobot_audio::AudioError;
use stenobot_domain::{ModelFacts, Progress, Segment, Transcript};
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

use super::job::TranscribeJob;

/// Version of the protocol: raised with every change of a command's or an event's form. Parent and child must have the
/// same.
pub const VERSION: u32 = 4;

/// Largest frame in bytes. Hours of speech stay far below.
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
        number: JobNumber,
        /// What and how.
        job: TranscribeJob,
    },
    /// Stop that job soon. Ignored when it has ended already.
    Cancel {
        /// Of the job.
        number: JobNumber,
    },
}

/// From the child to the parent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The first event, before the model is loaded. Its form stays the same in every version.
    Hello {
        /// [`VERSION`] of the child.
        version: u32,
    },
    /// The model is loaded.
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
        /// Of the job.
        number: JobNumber,
        /// Position in the audio.
        progress: Progress,
    },
    /// Segments of a job's text that are finished; all of them are in the transcript too.
    Segments {
        /// Of the job.
        number: JobNumber,
        /// In order of time; a stretch that was missed at first comes after later ones.
        segments: Vec<Segment>,
        /// The code of the language that was given or has most speech so far.
        language: String,
    },
    /// A job is done.
    Finished {
        /// Of the job.
        number: JobNumber,
        /// Its result.
        transcript: Transcript,
    },
    /// A job failed; the child is ready for the next.
    Failed {
        /// Of the job.
        number: JobNumber,
        /// Why.
        failure: JobFailure,
    },
    /// A job was cancelled as commanded.
    Cancelled {
        /// Of the job.
        number: JobNumber,
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
pub(crate) fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME).new_codec()
}

/// One value as the content of a frame.
pub fn encode(value: &impl Serialize) -> io::Result<Bytes> {
    Ok(serde_json::to_vec(value)?.into())
}

/// The content of a frame as a value.
pub(crate) fn decode<T: DeserializeOwned>(frame: &[u8]) -> io::Result<T> {
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
    use std::path::Path;

    use stenobot_domain::{LikelyLanguage, SpeechLanguage};

    use super::*;

    #[test]
    fn values_are_read_from_a_stream_that_comes_byte_by_byte() {
        struct Trickle(std::vec::IntoIter<u8>);
        impl Read for Trickle {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                Ok(self.0.next().map_or(0, |byte| {
                    into[0] = byte;
                    1
                }))
            }
        }
        let transcribe = |path: &OsStr| {
            let job = TranscribeJob::new(Path::new(path), SpeechLanguage::Auto, Duration::from_millis(1500));
            let likely = vec![LikelyLanguage { code: "ru".to_owned(), weight: 0.5, is_candidate: true }];
            Command::Transcribe { number: JobNumber(8), job: job.with_likely(likely) }
        };
        let commands = [
            Command::Cancel { number: JobNumber(7) },
            transcribe(OsStr::new("/a b.ogg")),
            transcribe(OsStr::from_bytes(b"/caf\xe9.ogg")),
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
    fn the_hello_of_any_version_is_understood() {
        let of_later_version = br#"{"Hello":{"version":7,"capabilities":["batch"]}}"#;
        assert_eq!(decode::<Event>(of_later_version).unwrap(), Event::Hello { version: 7 });
    }

    #[test]
    fn an_oversized_frame_and_malformed_json_are_errors() {
        let huge = u32::try_from(MAX_FRAME + 1).unwrap().to_be_bytes();
        assert!(BlockingReader::new(huge.as_slice()).receive::<Command>().is_err());
        let mut wire = vec![0, 0, 0, 5];
        wire.extend_from_slice(b"hello");
        assert!(BlockingReader::new(wire.as_slice()).receive::<Command>().is_err());
    }
}
