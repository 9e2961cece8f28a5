use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stenobot_domain::{LikelyLanguage, LiveText, Progress, SpeechLanguage};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What is transcribed, and how: the same value from the caller to the child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TranscribeJob {
    /// The audio file; it must stay until the job has ended. Absolute, since a child works in another folder. Need not be
    /// UTF-8.
    #[serde(with = "file_name")]
    path: PathBuf,
    /// Given, to be detected, or to be detected among several.
    pub language: SpeechLanguage,
    /// The prior of the detection: what the sender is likely to speak. Weights sum to at most 1. Its candidates give way to
    /// those that `language` gives.
    pub likely: Vec<LikelyLanguage>,
    /// Longest audio that is decoded.
    pub limit: Duration,
}

impl TranscribeJob {
    /// A job without a prior.
    pub fn new(path: &Path, language: SpeechLanguage, limit: Duration) -> Self {
        Self { path: absolute(path), language, likely: Vec::new(), limit }
    }

    /// The same job with a prior.
    #[must_use]
    pub fn with_likely(self, likely: Vec<LikelyLanguage>) -> Self {
        Self { likely, ..self }
    }

    /// The audio file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A job for the pool, with what stays on the parent's side.
#[derive(Debug)]
pub struct EngineJob {
    /// What the child gets.
    pub job: TranscribeJob,
    /// Longest time the engine may work on it, counted from the moment a slot takes it.
    pub deadline: Duration,
    /// Receives how far the work has come.
    pub progress: watch::Sender<Progress>,
    /// Receives the text so far.
    pub text: watch::Sender<LiveText>,
    /// Cancels the job, which then ends as [`EngineError::Cancelled`](super::EngineError::Cancelled) once the engine has
    /// stopped.
    pub cancel: CancellationToken,
}

impl EngineJob {
    /// A job without a prior, which is not observed.
    pub fn new(path: &Path, language: SpeechLanguage, limit: Duration, deadline: Duration) -> Self {
        let (progress, text) = (watch::Sender::default(), watch::Sender::default());
        let job = TranscribeJob::new(path, language, limit);
        Self { job, deadline, progress, text, cancel: CancellationToken::new() }
    }
}

/// The path as a child sees it, whose working directory is another; left as it is when this process's own is unknown.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
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
