//! The lock of a database, which may lie outside the data folder.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use stenobot_domain::with_suffix;
use stenobot_store::StoreUrl;

use super::{is_locked, lock};

/// Symbolic links that are followed to a database that does not exist yet.
const MAX_LINKS: usize = 8;

/// Why a database cannot be locked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseLockError {
    /// Another process has locked it.
    #[error(
        "another stenobot, with another data folder, uses this database: stop it, or give this one a database_url of its own"
    )]
    InUse,
    /// The lock file cannot be created.
    #[error("the database cannot be locked: {0}; its folder must exist and be writable for this user")]
    Unusable(io::Error),
}

/// Proof that this process alone works on a database; ends with the process. SQLite's own locks let several processes
/// write in turns, and each would take requests of the others. A PostgreSQL database has no such lock: any number of machines
/// work on it.
#[derive(Debug)]
pub(crate) struct DatabaseLock(#[expect(dead_code, reason = "held for its lock")] Option<File>);

impl DatabaseLock {
    /// Locks the file `NAME.lock` beside the database, which need not exist yet. All paths to one database, also by
    /// symbolic links, have one lock.
    pub(crate) async fn acquire(database: &StoreUrl) -> Result<Self, DatabaseLockError> {
        let Some(file) = database.file() else { return Ok(Self(None)) };
        match lock(&lock_file(file).map_err(DatabaseLockError::Unusable)?).await {
            Ok(file) => Ok(Self(Some(file))),
            Err(TryLockError::WouldBlock) => Err(DatabaseLockError::InUse),
            Err(TryLockError::Error(error)) => Err(DatabaseLockError::Unusable(error)),
        }
    }

    /// Whether a process holds it. Changes nothing.
    ///
    /// # Errors
    /// When the lock file may not be read.
    pub(crate) fn is_held(database: &StoreUrl) -> io::Result<bool> {
        let Some(file) = database.file() else { return Ok(false) };
        match lock_file(file) {
            Ok(file) => is_locked(&file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The lock file, beside the file to which the database's path leads.
fn lock_file(database: &Path) -> io::Result<PathBuf> {
    let mut path = std::path::absolute(database)?;
    for _ in 0..MAX_LINKS {
        let folder = path.parent().unwrap_or(Path::new("/")).canonicalize()?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        path = folder.join(name);
        match path.read_link() {
            Ok(target) => path = folder.join(target),
            Err(_) => {
                return Ok(with_suffix(&path, ".lock"));
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
    async fn all_paths_to_a_database_share_one_lock() {
        let folder = tempfile::tempdir().unwrap();
        let (real, other) = (folder.path().join("real"), folder.path().join("other"));
        std::fs::create_dir(&real).unwrap();
        symlink(&real, &other).unwrap();
        symlink("real/bot.db", folder.path().join("link.db")).unwrap();
        symlink("link.db", folder.path().join("second.db")).unwrap();
        let database = real.join("bot.db");
        let url = |name: &str| StoreUrl::sqlite(folder.path().join(name));
        assert!(!DatabaseLock::is_held(&url("real/bot.db")).unwrap());
        let held = DatabaseLock::acquire(&url("real/bot.db")).await.unwrap();
        for name in ["real/bot.db", "real/../real/./bot.db", "other/bot.db", "link.db", "second.db"] {
            for _ in 0..2 {
                let acquired = DatabaseLock::acquire(&url(name)).await;
                assert!(matches!(acquired, Err(DatabaseLockError::InUse)), "{name}: {acquired:?}");
                assert!(DatabaseLock::is_held(&url(name)).unwrap());
            }
            // Once more when the database exists.
            std::fs::write(&database, "").unwrap();
        }
        assert!(DatabaseLock::acquire(&url("real/other.db")).await.is_ok());
        drop(held);
        assert!(DatabaseLock::acquire(&url("second.db")).await.is_ok());
        let nowhere = DatabaseLock::acquire(&url("nowhere/bot.db")).await;
        assert!(matches!(nowhere, Err(DatabaseLockError::Unusable(_))), "{nowhere:?}");
    }
}
