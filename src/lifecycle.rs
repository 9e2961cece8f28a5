//! Start and stop: the locks that make a data folder and a database one process's own, the folder of recordings, the records of the webhook and
//! of the last backup, the two steps of a shutdown, and the heartbeats in between.

mod backup_record;
mod database;
mod heartbeat;
mod leftovers;
mod recordings;
mod webhook_record;

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

pub(crate) use backup_record::BackupRecord;
pub(crate) use database::{DatabaseLock, DatabaseLockError};
pub(crate) use heartbeat::Heartbeats;
pub(crate) use leftovers::Leftovers;
pub(crate) use recordings::RecordingsFolder;
pub(crate) use webhook_record::WebhookRecord;

/// Signals closer together than this are one: `timeout`, a terminal and some service managers signal a whole group, and
/// a parent in it passes the signal on.
const DUPLICATE_SIGNAL_INTERVAL: Duration = Duration::from_millis(250);

/// From the hard shutdown to the end of the process, whatever still hangs. The grace of the engines lies within it; a store
/// that another process has locked would take longer.
const HARD_SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// Asks the service to stop, in two steps.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Cancelled first: claim nothing new, finish requests under way.
    pub(crate) soft: CancellationToken,
    /// Cancelled when the time for that is over: release every lease.
    pub(crate) hard: CancellationToken,
    failed: Arc<AtomicBool>,
}

impl Shutdown {
    /// Begins the soft shutdown.
    pub fn begin(&self) {
        self.soft.cancel();
    }

    /// Begins the soft shutdown because to go on would lose data. True for the first call.
    pub(crate) fn fail(&self) -> bool {
        let first = !self.failed.swap(true, Ordering::Relaxed);
        self.soft.cancel();
        first
    }

    /// Whether [`Shutdown::fail`] was called.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Waits for SIGTERM, SIGINT or [`Shutdown::fail`], then gives running work `timeout`. A further signal ends the
    /// wait. Signals are caught from this call on, not from the first poll of the future.
    ///
    /// # Errors
    /// The handlers cannot be installed.
    pub(crate) fn on_signals(self, timeout: Duration) -> std::io::Result<impl Future<Output = ()> + Send> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        Ok(async move {
            let mut next = async || {
                tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                }
            };
            let first = tokio::select! {
                signal = next() => Some(signal),
                () = self.soft.cancelled() => None,
            };
            let since = Instant::now();
            tracing::info!(signal = first, patience_seconds = timeout.as_secs(), "stopping: finishing what is held");
            self.soft.cancel();
            let second = async {
                loop {
                    let signal = next().await;
                    if since.elapsed() >= DUPLICATE_SIGNAL_INTERVAL {
                        return signal;
                    }
                }
            };
            tokio::select! {
                second = second => tracing::warn!(signal = second, "stopping at once"),
                () = sleep(timeout) => tracing::warn!("the time for finishing is over"),
            }
            self.hard.cancel();
        })
    }

    /// Completes [`HARD_SHUTDOWN_GRACE`] after the hard shutdown. Work that is abandoned then is continued by the next start, as
    /// after a loss of power.
    pub(crate) async fn grace_expired(&self) {
        self.hard.cancelled().await;
        sleep(HARD_SHUTDOWN_GRACE).await;
    }
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    /// Another process has locked it.
    #[error("another stenobot uses this data folder: stop it, or give this one a data_dir of its own")]
    InUse,
    /// It cannot be created or written.
    #[error("the data folder cannot be used: {0}; make it writable for this user or set another data_dir")]
    Unusable(std::io::Error),
}

/// Proof that this process alone works in a data folder; ends with the process.
#[derive(Debug)]
pub(crate) struct DataDirLock(#[expect(dead_code, reason = "held for its lock")] File);

/// How long a lock is waited for. A process that is killed while it starts a child leaves its lock to that child until the
/// child's exec: a restart at once would find the folder in use.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
const LOCK_RETRY_INTERVAL: Duration = Duration::from_millis(50);

impl DataDirLock {
    /// Creates the folder, private to this user, if it is not there, and locks it.
    pub(crate) async fn acquire(data_dir: &Path) -> Result<Self, DataDirError> {
        create_private(data_dir).map_err(DataDirError::Unusable)?;
        match lock(&data_dir.join("lock")).await {
            Ok(file) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse),
            Err(TryLockError::Error(error)) => Err(DataDirError::Unusable(error)),
        }
    }
}

/// Creates the file if it is not there, and locks it.
async fn lock(path: &Path) -> Result<File, TryLockError> {
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(TryLockError::Error)?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_TIMEOUT => sleep(LOCK_RETRY_INTERVAL).await,
            Err(error) => return Err(error),
        }
    }
}

/// Whether another process holds the lock of a file, which is not created.
fn is_locked(path: &Path) -> std::io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// State of a data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataDirState {
    /// Not there yet, but it can be created.
    Absent,
    /// No process has locked it.
    Free,
    /// A process has locked it.
    InUse,
}

impl DataDirState {
    /// Inspects the folder and changes nothing.
    ///
    /// # Errors
    /// [`DataDirError::Unusable`] when [`DataDirLock::acquire`] would fail for that reason.
    pub(crate) fn inspect(data_dir: &Path) -> Result<Self, DataDirError> {
        use rustix::fs::{Access, access};
        let unusable = |error: rustix::io::Errno| DataDirError::Unusable(error.into());
        let may_write = |folder: &Path| access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(unusable);
        match data_dir.metadata() {
            Ok(metadata) if !metadata.is_dir() => return Err(unusable(rustix::io::Errno::EXIST)),
            Ok(_) => may_write(data_dir)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let absolute = std::path::absolute(data_dir).map_err(DataDirError::Unusable)?;
                let nearest = absolute.ancestors().find(|folder| folder.exists());
                may_write(nearest.unwrap_or(Path::new("/")))?;
                return Ok(Self::Absent);
            }
            Err(error) => return Err(DataDirError::Unusable(error)),
        }
        match is_locked(&data_dir.join("lock")) {
            Ok(false) => Ok(Self::Free),
            Ok(true) => Ok(Self::InUse),
            Err(error) => Err(DataDirError::Unusable(error)),
        }
    }
}

/// Makes the files that this process creates private to its user. Called first by every command.
pub(crate) fn set_private_umask() {
    use rustix::fs::Mode;
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// Creates a folder that only this user can read; an existing one is left as it is.
pub(crate) fn create_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Writes a file, durably, in place of another. A reader sees the old text or the new one.
fn write_durably(path: &Path, text: &str) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_data_folder_belongs_to_one_process_and_one_user() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        assert_eq!(DataDirState::inspect(&folder).unwrap(), DataDirState::Absent);
        let lock = DataDirLock::acquire(&folder).await.unwrap();
        assert_eq!(DataDirState::inspect(&folder).unwrap(), DataDirState::InUse);
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(DataDirLock::acquire(&folder).await, Err(DataDirError::InUse)));
        drop(lock);
        assert_eq!(DataDirState::inspect(&folder).unwrap(), DataDirState::Free);
        assert!(DataDirLock::acquire(&folder).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_that_is_released_within_the_timeout_is_acquired() {
        let parent = tempfile::tempdir().unwrap();
        let held = DataDirLock::acquire(parent.path()).await.unwrap();
        let release = async {
            sleep(LOCK_TIMEOUT / 2).await;
            drop(held);
        };
        let (acquired, ()) = tokio::join!(DataDirLock::acquire(parent.path()), release);
        assert!(acquired.is_ok());
    }
}
