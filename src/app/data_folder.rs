//! The data folder, locked by one process.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use stenobot_store::{Store, StoreUrl};

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
        let has_store = config.storage.database.file().is_some_and(Path::exists);
        let recordings = RecordingsFolder::prepare(&config.storage.audio(), Storage::is_audio_file, has_store)?;
        lifecycle::create_private(&config.storage.models()).with_context(|| "the data folder cannot be written")?;
        Ok(Self { recordings, _lock: lock, _database: database })
    }

    /// Takes over what former processes held, as far as they are known to be gone. Recordings of requests that have ended
    /// meanwhile are removed.
    pub(super) async fn recover(&self, store: &Store, config: &Config, owner: &str) -> anyhow::Result<()> {
        let expired = match &config.storage.database {
            // This process holds the lock of the file: all others have ended.
            StoreUrl::Sqlite(_) => store.queue.expire_other_leases(owner).await?,
            // Other machines may be at work.
            StoreUrl::Postgres(_) => 0,
        };
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
