//! The parent's side of `stenobot probe`, a process that measures the real length of an audio file, since decoders of
//! hostile files must not run in the bot.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use stenobot_audio::{AudioError, ProbeOutcome};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::job::absolute;
pub use crate::confine::MAX_PROBES;

/// Longest time one probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(15);

/// Why a file's length is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The file cannot be transcribed.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// The process took too long and was killed.
    #[error("the file could not be read within {} s", PROBE_TIMEOUT.as_secs())]
    TimedOut,
    /// The process ended without an answer.
    #[error("the process that reads the file crashed")]
    Crashed,
    /// The process could not be started.
    #[error("the process that reads files cannot be started: {0}")]
    Spawn(std::io::ErrorKind),
}

/// Runs probes, never more than [`MAX_PROBES`] at once. Clones share the bound.
#[derive(Debug, Clone)]
pub struct Probes {
    command: Arc<Path>,
    permits: Arc<Semaphore>,
}

impl Probes {
    /// `command` is this program.
    pub fn new(command: &Path) -> Self {
        Self { command: command.into(), permits: Arc::new(Semaphore::new(MAX_PROBES)) }
    }

    /// [`probe`], as soon as fewer than [`MAX_PROBES`] run, in the order of arrival. The wait does not count against
    /// its timeout.
    ///
    /// # Errors
    /// Any [`ProbeError`].
    pub async fn measure(&self, file: &Path, limit: Duration) -> Result<Duration, ProbeError> {
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await.ok();
        probe(&self.command, file, limit).await
    }
}

/// The real length of `file`'s sound, found by decoding it in a process of `command` (this program). Dropping the future
/// kills the process.
///
/// # Errors
/// Any [`ProbeError`]; audio longer than `limit` is [`AudioError::TooLong`].
pub async fn probe(command: &Path, file: &Path, limit: Duration) -> Result<Duration, ProbeError> {
    let mut child = Command::new(absolute(command))
        .arg("probe")
        .arg("--limit-ms")
        .arg(limit.as_millis().to_string())
        .arg(absolute(file))
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| ProbeError::Spawn(error.kind()))?;
    let mut output = Vec::new();
    let reading = async {
        if let Some(stdout) = child.stdout.take() {
            // Bounds the memory that the output takes: an outcome is one short line.
            stdout.take(64 * 1024).read_to_end(&mut output).await?;
        }
        child.wait().await
    };
    match timeout(PROBE_TIMEOUT, reading).await {
        Ok(Ok(status)) if status.success() => {}
        Ok(Ok(_) | Err(_)) => return Err(ProbeError::Crashed),
        Err(_) => {
            // Fails only when the process is gone already.
            let _ = child.kill().await;
            return Err(ProbeError::TimedOut);
        }
    }
    let outcome: ProbeOutcome = serde_json::from_slice(&output).map_err(|_| ProbeError::Crashed)?;
    Ok(Result::from(outcome)?)
}
