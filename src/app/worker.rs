//! The role of a worker: downloads, transcribes and answers.

use metrics::gauge;
use stenobot_engine::PoolStatus;
use stenobot_engine::probe::Probes;
use tokio::sync::watch;

use super::common::{Common, Parts};
use super::data_folder::DataFolder;
use super::engine::{Engine, StartEngine};
use super::gauges;
use crate::metrics as names;
use crate::pipeline::download::Downloader;
use crate::pipeline::fetch::Fetchers;
use crate::pipeline::transcribe::Transcriber;
use crate::settings::Settings;

/// A worker without its engine.
pub(super) struct WorkerRole {
    probes: Probes,
    engine: StartEngine,
    /// Status of the engine once it is started.
    pub(super) status: watch::Sender<Option<watch::Receiver<PoolStatus>>>,
}

/// A worker that can work.
pub(super) struct StartedWorker {
    probes: Probes,
    pub(super) engine: Engine,
}

impl WorkerRole {
    pub(super) fn new(probes: Probes, engine: StartEngine) -> Self {
        Self { probes, engine, status: watch::Sender::new(None) }
    }

    /// Starts the engine.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) async fn start(self, settings: &Settings) -> anyhow::Result<StartedWorker> {
        let engine = self.engine.await?;
        self.status.send_replace(Some(engine.status.clone()));
        gauge!(names::WORKERS).set(gauges::count(settings.config().engine.workers));
        Ok(StartedWorker { probes: self.probes, engine })
    }
}

impl StartedWorker {
    /// Wires the stages and runs them until the soft shutdown.
    pub(super) async fn run(&self, common: &Common, folder: &DataFolder) {
        let Common { parts, service, chats, status, recordings, cancels, estimates, .. } = common;
        let Parts { settings, client, worker, .. } = parts;
        let fetchers = Fetchers::new(settings.clone(), client.clone(), recordings.clone());
        let downloader = Downloader {
            worker: worker.clone(),
            settings: settings.clone(),
            fetchers: fetchers.clone(),
            status: status.clone(),
            positions: common.positions.clone(),
            recordings: recordings.clone(),
            cancels: cancels.clone(),
            probes: self.probes.clone(),
            disk_has_space: common.download_space.own.clone(),
        };
        let transcriber = Transcriber {
            worker: worker.clone(),
            settings: settings.clone(),
            service: service.clone(),
            status: status.clone(),
            chats: chats.clone(),
            recordings: recordings.clone(),
            fetchers,
            cancels: cancels.clone(),
            estimates: estimates.clone(),
            model: self.engine.model.clone(),
            backlog: common.backlog.clone(),
            deliverer: common.deliverer.clone(),
        };
        // Where no other process ends requests, each part of the pipeline removes the recording of what it ends.
        let sweeps = async {
            if settings.config().storage.is_shared() {
                folder.run_sweeps(worker, settings).await;
            }
        };
        tokio::join!(downloader.run(), transcriber.run(self.engine.service.clone()), sweeps);
    }
}
