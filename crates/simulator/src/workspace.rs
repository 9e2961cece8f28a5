//! A private temporary folder for one simulation.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Removed with its content when dropped, unless kept.
#[derive(Debug)]
pub struct Workspace {
    path: PathBuf,
    keep: bool,
}

impl Workspace {
    /// Creates a folder below the system's temporary folder, accessible to this user only.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("stenobot-simulation-{}", uuid::Uuid::now_v7().simple()));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path, keep: false })
    }

    /// Absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it in place for inspection.
    pub fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if !self.keep {
            // The rest is left to the system, which clears its temporary folder.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
