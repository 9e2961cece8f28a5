use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use stenobot_audio::AudioError;

/// Why a job ended without a transcript. No variant carries a path or text of the job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The file could not be decoded; another attempt would fail as well.
    #[error(transparent)]
    Audio(AudioError),
    /// The model does not know the language that was asked for.
    #[error("the model does not know the language `{0}`: choose another or `auto`")]
    UnknownLanguage(String),
    /// The child reported a failure and continues.
    #[error("the engine failed: {0}")]
    Inference(String),
    /// The job exceeded its deadline and was stopped.
    #[error("the transcription was stopped after {} s", after.as_secs())]
    Deadline {
        /// The deadline.
        after: Duration,
    },
    /// By the caller; the engine has stopped the job.
    #[error("the transcription was cancelled")]
    Cancelled,
    /// The child ended or broke the protocol during this job.
    #[error("the engine process crashed ({0})")]
    Crashed(Exit),
    /// No engine can be started.
    #[error("no engine is available: {reason}")]
    Unavailable {
        /// Of the latest failure to start.
        reason: String,
    },
    /// The pool has been shut down.
    #[error("the engine has been shut down")]
    ShutDown,
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It ended by itself with this status.
    Code(i32),
    /// A signal ended it: 9 is also what the kernel's out-of-memory killer sends.
    Signal(i32),
    /// It broke the protocol and was killed.
    ProtocolError,
    /// It closed its output without ending, and was killed.
    Unresponsive,
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => Self::Unresponsive,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(6) => {
                f.write_str("signal 6: it gave up, which is how it ends when its memory is at its limit")
            }
            Self::Signal(9) => {
                f.write_str("signal 9: it was killed, which is what the kernel does when memory is short")
            }
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::ProtocolError => f.write_str("it broke the protocol"),
            Self::Unresponsive => f.write_str("it stopped answering"),
        }
    }
}
