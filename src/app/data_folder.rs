//! The data folder, locked by one process.

use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::Context as _;
use stenobot_store::Store;

use crate::config::{Config, Storage};
use crate::lifecycle::{self, DataDirLock, DatabaseLock, RecordingsFolder};

/// A data folder and a database, locked until this is dropped.
pub struct DataFolder {
    recordings: RecordingsFolder,
    _lock: DataDirLock,
    _database: DatabaseLock,
}

impl DataFolder {
    /// Creates missing folders and acquires the locks.
    ///
    /// # Errors
    /// Another process holds a lock, or the folder cannot be used.
    pub async fn claim(config: &Config) -> anyhow::Result<Self> {
        let lock = DataDirLock::acquire(&config.storage.data_dir).await?;
        let database = DatabaseLock::acquire(&config.storage.database).await?;
        let has_store = config.storage.database.exists();
        let recordings = RecordingsFolder::prepare(&config.storage.audio(), Storage::is_audio_file, has_store)?;
        lifecycle::create_private(&config.storage.models()).with_context(|| "the data folder cannot be written")?;
        Ok(Self { recordings, _lock: lock, _database: database })
    }

    /// Expires the leases of other owners, which are former processes, since this one holds the locks. Recordings of requests
    /// that have ended meanwhile are removed.
    pub(super) async fn recover(&self, store: &Store, config: &Config, owner: &str) -> anyhow::Result<()> {
        let expired = store.queue.expire_other_leases(owner).await?;
        if expired > 0 {
            tracing::info!(requests = expired, "taking over what a former process held");
        }
        store.queue.drop_other_days().await?;
        let under_way = store.audio.ids_in_use().await?;
        let kept: Vec<PathBuf> = under_way.into_iter().map(|id| config.storage.audio_file(id)).collect();
        let is_kept = |name: &OsStr| kept.iter().any(|file| file.file_name() == Some(name));
        self.recordings.sweep(is_kept).context("recordings of ended requests cannot be removed")
    }
}
