//! The lock of a database, which may lie outside the data folder.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::{is_locked, lock};

/// Links that are followed to a database that is not there yet.
const MAX_LINKS: usize = 8;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseLockError {
    /// Another process works on it.
    #[error(
        "another stenobot, with another data folder, uses this database: stop it, or give this one a database_url of its own"
    )]
    InUse,
    /// The lock's file cannot be made.
    #[error("the database cannot be locked: {0}; its folder must exist and be writable for this user")]
    Unusable(io::Error),
}

/// Proof that this process alone works on a database; ends with the process. SQLite's own locks let several processes
/// write in turns, and each would take requests of the others.
#[derive(Debug)]
pub(crate) struct DatabaseLock(#[expect(dead_code, reason = "held for its lock")] File);

impl DatabaseLock {
    /// Locks the file `NAME.lock` beside the database, which need not be there yet. Other names of the same database, by
    /// links or by another way to its folder, have the same lock.
    pub(crate) async fn take(database: &Path) -> Result<Self, DatabaseLockError> {
        match lock(&lock_file(database).map_err(DatabaseLockError::Unusable)?).await {
            Ok(file) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(DatabaseLockError::InUse),
            Err(TryLockError::Error(error)) => Err(DatabaseLockError::Unusable(error)),
        }
    }

    /// Whether a process holds it. Changes nothing.
    ///
    /// # Errors
    /// When the lock's file may not be read.
    pub(crate) fn is_held(database: &Path) -> io::Result<bool> {
        match lock_file(database) {
            Ok(file) => is_locked(&file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The lock's file, beside the file that the database's name leads to.
fn lock_file(database: &Path) -> io::Result<PathBuf> {
    let mut place = std::path::absolute(database)?;
    for _ in 0..MAX_LINKS {
        let folder = place.parent().unwrap_or(Path::new("/")).canonicalize()?;
        let name = place.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        place = folder.join(name);
        match place.read_link() {
            Ok(target) => place = folder.join(target),
            Err(_) => {
                place.as_mut_os_string().push(".lock");
                return Ok(place);
            }
        }
    }
    Err(rustix::io::Errno::LOOP.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_name_of_a_database_has_the_same_lock() {
        let place = tempfile::tempdir().unwrap();
        let (real, other) = (place.path().join("real"), place.path().join("other"));
        std::fs::create_dir(&real).unwrap();
        symlink(&real, &other).unwrap();
        symlink("real/bot.db", place.path().join("link.db")).unwrap();
        symlink("link.db", place.path().join("second.db")).unwrap();
        let database = real.join("bot.db");
        assert!(!DatabaseLock::is_held(&database).unwrap());
        let held = DatabaseLock::take(&database).await.unwrap();
        for name in ["real/bot.db", "real/../real/./bot.db", "other/bot.db", "link.db", "second.db"] {
            for _ in 0..2 {
                let taken = DatabaseLock::take(&place.path().join(name)).await;
                assert!(matches!(taken, Err(DatabaseLockError::InUse)), "{name}: {taken:?}");
                assert!(DatabaseLock::is_held(&place.path().join(name)).unwrap());
            }
            // Once more when the database is there.
            std::fs::write(&database, "").unwrap();
        }
        assert!(DatabaseLock::take(&real.join("other.db")).await.is_ok());
        drop(held);
        assert!(DatabaseLock::take(&place.path().join("second.db")).await.is_ok());
        let nowhere = DatabaseLock::take(&place.path().join("nowhere/bot.db")).await;
        assert!(matches!(nowhere, Err(DatabaseLockError::Unusable(_))), "{nowhere:?}");
    }
}
