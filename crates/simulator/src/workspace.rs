//! A private folder for one simulation.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Removed with everything in it when dropped, unless it is kept.
#[derive(Debug)]
pub struct Workspace {
    path: PathBuf,
    keep: bool,
}

impl Workspace {
    /// A new folder below the system's folder for temporary files, readable by this user only.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("stenobot-simulation-{}", uuid::Uuid::now_v7().simple()));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path, keep: false })
    }

    /// Where it is; absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it for somebody to look at.
    pub fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed now is in the system's folder for temporary files, which the system clears.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
