//! The data folder, locked by one process.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use stenobot_domain::RequestId;
use stenobot_store::Store;

use crate::config::{Config, Storage};
use crate::lifecycle::{self, DataDirLock, DatabaseLock, RecordingsFolder};
use crate::pipeline::worker::Worker;
use crate::settings::Settings;

/// Of the removal of recordings whose requests other processes end.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

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

    /// Expires the leases of other owners where these are former processes, since no other process shares the store. Recordings of
    /// requests that have ended meanwhile are removed.
    pub(super) async fn recover(&self, store: &Store, config: &Config, owner: &str) -> anyhow::Result<()> {
        if !config.storage.is_shared() {
            let expired = store.queue.expire_other_leases(owner).await?;
            if expired > 0 {
                tracing::info!(requests = expired, "taking over what a former process held");
            }
        }
        store.queue.drop_other_days().await?;
        // Of recordings that a former process did not finish, nothing is needed.
        let files = |id| vec![config.storage.audio_file(id)];
        self.sweep(store, files).await.context("recordings of ended requests cannot be removed")
    }

    /// Removes the recordings of requests that other processes end, until the soft shutdown.
    pub(super) async fn run_sweeps(&self, worker: &Worker, settings: &Settings) {
        let mut interval = tokio::time::interval(SWEEP_INTERVAL);
        while worker.shutdown.soft.run_until_cancelled(interval.tick()).await.is_some() {
            let config = settings.config();
            let files = |id| vec![config.storage.audio_file(id), config.storage.partial_audio_file(id)];
            if let Err(error) = self.sweep(&worker.store, files).await {
                tracing::warn!(%error, "recordings of ended requests could not be removed");
            }
        }
    }

    /// Removes recordings, but for those `files` that belong to a request whose recording is in use.
    async fn sweep(&self, store: &Store, files: impl Fn(RequestId) -> Vec<PathBuf>) -> anyhow::Result<()> {
        // Listed before the store is asked: a recording that comes meanwhile belongs to a request that it does not list.
        let found = self.recordings.list()?;
        if found.is_empty() {
            return Ok(());
        }
        let requests: Vec<RequestId> = found.iter().filter_map(|name| Storage::request_of(name)).collect();
        let in_use = store.audio.in_use(&requests).await?;
        let kept: Vec<PathBuf> = in_use.into_iter().flat_map(files).collect();
        let is_kept = |name: &OsString| kept.iter().any(|file| file.file_name() == Some(name.as_os_str()));
        for name in found.iter().filter(|name| !is_kept(name)) {
            self.recordings.remove(name)?;
        }
        Ok(())
    }
}
