//! What can go wrong between the bot and its engine.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use stenobot_audio::AudioError;

/// Why a job ended without a transcript. No variant carries a path or text of the job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The file could not be turned into samples; trying again is in vain.
    #[error(transparent)]
    Audio(AudioError),
    /// The model does not know the language that was asked for.
    #[error("the model does not know the language `{0}`: choose another or `auto`")]
    UnknownLanguage(String),
    /// The engine itself reported a failure and goes on.
    #[error("the engine failed: {0}")]
    Inference(String),
    /// The job ran for too long and was stopped.
    #[error("the transcription was stopped after {} s", after.as_secs())]
    Deadline {
        /// What the job was granted.
        after: Duration,
    },
    /// The caller cancelled the job, and the engine has stopped working on it.
    #[error("the transcription was cancelled")]
    Cancelled,
    /// The engine's process died or spoke nonsense while it had this job.
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

/// How an engine's process came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It ended by itself with this status.
    Code(i32),
    /// A signal ended it: 9 is also what the kernel's out-of-memory killer sends.
    Signal(i32),
    /// It sent something that is no frame of the protocol, and was killed.
    ProtocolError,
    /// It stopped talking, and was killed.
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
