//! Start and stop: the locks that make a data folder and a database one process's own, the folder of recordings, the two
//! steps of a shutdown, and the signs of life in between.

mod database;
mod heartbeat;
mod recordings;

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

pub(crate) use database::{DatabaseLock, DatabaseLockError};
pub(crate) use heartbeat::Heartbeats;
pub(crate) use recordings::RecordingsFolder;

/// Signals closer together than this are one: `timeout`, a terminal and some service managers signal a whole group, and
/// a parent in it passes the signal on.
const SAME: Duration = Duration::from_millis(250);

/// From putting everything back to the end, whatever still hangs: engines have their grace in it, and a store that
/// another process has locked would take longer.
const LAST: Duration = Duration::from_secs(3);

/// Asks the service to stop, in two steps.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Cancelled first: take nothing new, finish what is held.
    pub(crate) soft: CancellationToken,
    /// Cancelled when the time for that is over: put everything back.
    pub(crate) hard: CancellationToken,
    failed: Arc<AtomicBool>,
}

impl Shutdown {
    /// Begins the first step.
    pub fn begin(&self) {
        self.soft.cancel();
    }

    /// Stops the service because to go on would lose something. True for whoever says so first.
    pub(crate) fn fail(&self) -> bool {
        let first = !self.failed.swap(true, Ordering::Relaxed);
        self.soft.cancel();
        first
    }

    /// Whether it was stopped so.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Waits for SIGTERM, SIGINT or [`Shutdown::fail`], then gives running work `patience`. A further signal ends the
    /// patience. Signals are caught from this call on, not from the first poll of what it returns.
    ///
    /// # Errors
    /// The system refuses to tell of signals.
    pub(crate) fn on_signals(self, patience: Duration) -> std::io::Result<impl Future<Output = ()> + Send> {
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
            tracing::info!(signal = first, patience_seconds = patience.as_secs(), "stopping: finishing what is held");
            self.soft.cancel();
            let second = async {
                loop {
                    let signal = next().await;
                    if since.elapsed() >= SAME {
                        return signal;
                    }
                }
            };
            tokio::select! {
                second = second => tracing::warn!(signal = second, "stopping at once"),
                () = sleep(patience) => tracing::warn!("the time for finishing is over"),
            }
            self.hard.cancel();
        })
    }

    /// Over when everything should have been put back by now. Who stops then leaves the store as a loss of power does:
    /// the next start goes on from it.
    pub(crate) async fn overdue(&self) {
        self.hard.cancelled().await;
        sleep(LAST).await;
    }
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    /// Another process works in it.
    #[error("another stenobot uses this data folder: stop it, or give this one a data_dir of its own")]
    InUse,
    /// It cannot be made or written.
    #[error("the data folder cannot be used: {0}; make it writable for this user or set another data_dir")]
    Unusable(std::io::Error),
}

/// Proof that this process alone works in a data folder; ends with the process.
#[derive(Debug)]
pub(crate) struct DataDirLock(#[expect(dead_code, reason = "held for its lock")] File);

/// How long a lock is waited for. A process that is killed while it starts a child leaves its lock to that child, until
/// the child has become its own program: whoever restarts the bot at once would find the folder in use.
const LEFT_BEHIND: Duration = Duration::from_secs(2);
/// Between two tries.
const TRY_AGAIN: Duration = Duration::from_millis(50);

impl DataDirLock {
    /// Makes the folder, private to this user, if it is not there, and locks it.
    pub(crate) async fn take(data_dir: &Path) -> Result<Self, DataDirError> {
        make_private(data_dir).map_err(DataDirError::Unusable)?;
        match lock(&data_dir.join("lock")).await {
            Ok(file) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse),
            Err(TryLockError::Error(error)) => Err(DataDirError::Unusable(error)),
        }
    }
}

/// Makes the file if it is not there, and locks it.
async fn lock(path: &Path) -> Result<File, TryLockError> {
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(TryLockError::Error)?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if started.elapsed() < LEFT_BEHIND => sleep(TRY_AGAIN).await,
            Err(error) => return Err(error),
        }
    }
}

/// Whether another process holds the lock of a file, which is not made.
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

/// What a data folder is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataDirState {
    /// Not there yet, but it can be made.
    Absent,
    /// Nobody works in it.
    Free,
    /// A process works in it.
    InUse,
}

impl DataDirState {
    /// Looks at the folder and changes nothing.
    ///
    /// # Errors
    /// [`DataDirError::Unusable`] when [`DataDirLock::take`] would fail for that reason.
    pub(crate) fn look(data_dir: &Path) -> Result<Self, DataDirError> {
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

/// From now on nobody else can read the files that this process makes. For every command, first.
pub(crate) fn keep_private() {
    use rustix::fs::Mode;
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// Makes a folder that only this user can read; one that exists is left as it is.
pub(crate) fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_data_folder_belongs_to_one_process_and_one_user() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        assert_eq!(DataDirState::look(&folder).unwrap(), DataDirState::Absent);
        let lock = DataDirLock::take(&folder).await.unwrap();
        assert_eq!(DataDirState::look(&folder).unwrap(), DataDirState::InUse);
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(DataDirLock::take(&folder).await, Err(DataDirError::InUse)));
        drop(lock);
        assert_eq!(DataDirState::look(&folder).unwrap(), DataDirState::Free);
        assert!(DataDirLock::take(&folder).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_that_is_about_to_go_is_waited_for() {
        let parent = tempfile::tempdir().unwrap();
        let dying = DataDirLock::take(parent.path()).await.unwrap();
        let gone = async {
            sleep(LEFT_BEHIND / 2).await;
            drop(dying);
        };
        let (taken, ()) = tokio::join!(DataDirLock::take(parent.path()), gone);
        assert!(taken.is_ok());
    }
}
