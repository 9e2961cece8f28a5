//! The engine that the app uses: this machine's pool of engine processes with a verified model, or a stand-in of a test.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use metrics::{counter, gauge};
use stenobot_domain::Transcript;
use stenobot_engine::{EngineError, EngineEvent, EngineJob, EnginePool, PoolStatus};
use stenobot_models::Download;
use tokio::sync::watch;
use tokio::time::Instant;
use tower::Service;
use tower::util::BoxCloneService;

use crate::config::Config;
use crate::doctor::{self, Footprint};
use crate::engine_setup::{EngineSetup, MissingModel};
use crate::metrics as names;
use crate::pipeline::transcribe::EngineService;
use crate::service_manager::ServiceManager;

/// A started engine.
pub struct Engine {
    /// Name of the model, as the store keeps it.
    pub(super) model: Arc<str>,
    pub(super) service: EngineService,
    pub(super) status: watch::Receiver<PoolStatus>,
    pub(super) backing: Backing,
}

/// Owner of the processes behind an engine.
pub(super) enum Backing {
    Pool(EnginePool),
    /// Receivers of the status wait for changes that never come.
    Scripted(#[expect(dead_code, reason = "held for its receivers")] watch::Sender<PoolStatus>),
}

impl Backing {
    /// Ends the engine's processes, if there are any.
    pub(super) async fn shut_down(self) {
        match self {
            Self::Pool(pool) => pool.shutdown().await,
            Self::Scripted(_) => {}
        }
    }
}

/// Starts an engine. Awaited after the bot's account is known, while the health pages are served.
pub type StartEngine = BoxFuture<'static, anyhow::Result<Engine>>;

impl Engine {
    /// An engine without processes: `service` transcribes, and is always ready.
    pub fn scripted<S>(model: &str, service: S) -> Self
    where
        S: Service<EngineJob, Response = Transcript, Error = EngineError, Future: Send + 'static>
            + Clone
            + Send
            + 'static,
    {
        let (sender, status) = watch::channel(PoolStatus::idle(1));
        let backing = Backing::Scripted(sender);
        Self { model: model.into(), service: BoxCloneService::new(service), status, backing }
    }

    /// This machine's engine, with the configured model verified, or downloaded first. `program` replaces this program's own
    /// engine processes.
    pub(crate) async fn start(
        config: &Config,
        program: Option<PathBuf>,
        manager: &ServiceManager,
    ) -> anyhow::Result<Self> {
        let this = std::env::current_exe()?;
        let setup = EngineSetup::prepare(config, this, MissingModel::Obtain, download_log(manager)).await?;
        if let Some(warning) = doctor::too_large(Footprint::of(&setup)?, config.engine.workers)? {
            tracing::warn!("{warning}");
        }
        let EngineSetup { model, runtime, mut settings } = setup;
        settings.command = program.unwrap_or(settings.command);
        tracing::info!(model = model.name, bytes = model.bytes, engine = runtime.describe(), "model verified");
        let pool = EnginePool::start(settings.reading_only(&config.storage.audio()), count_event);
        Ok(Self {
            model: model.name.as_str().into(),
            service: BoxCloneService::new(pool.service()),
            status: pool.status(),
            backing: Backing::Pool(pool),
        })
    }
}

fn count_event(event: &EngineEvent) {
    match event {
        EngineEvent::Started { load, .. } => gauge!(names::MODEL_LOAD).set(load.as_secs_f64()),
        EngineEvent::Crashed { .. } | EngineEvent::Killed { .. } => counter!(names::ENGINE_RESTARTS).increment(1),
        EngineEvent::StartFailed { .. } | EngineEvent::Restarting { .. } => {}
    }
}

/// Interval in which the service manager is informed that the start goes on.
const EXTENSION_INTERVAL: Duration = Duration::from_secs(10);
/// How long the service manager then waits for the next.
const EXTENSION: Duration = Duration::from_secs(120);

/// Logs a model's download at every tenth, and has the service manager wait: the first start with a large model takes minutes.
fn download_log(manager: &ServiceManager) -> impl FnMut(Download) {
    let mut tenths = 0;
    let mut extended: Option<Instant> = None;
    move |event| {
        if extended.is_none_or(|at| at.elapsed() >= EXTENSION_INTERVAL) {
            manager.extend_start(EXTENSION, &progress(&event));
            extended = Some(Instant::now());
        }
        log_download(event, &mut tenths);
    }
}

/// The progress of a model, for the service manager.
fn progress(event: &Download) -> String {
    match event {
        Download::Receiving { name, done, total } => {
            format!("downloading the model {name}: {} %", done * 100 / (*total).max(1))
        }
        Download::Waiting { name, wait } => {
            format!("the download of the model {name} was interrupted; again in {} s", wait.as_secs())
        }
        Download::Converting { name, .. } => format!("making the model {name}"),
        Download::Verifying { name } => format!("verifying the model {name}"),
    }
}

fn log_download(event: Download, tenths: &mut u64) {
    match event {
        Download::Receiving { name, done, total } => {
            let reached = done * 10 / total.max(1);
            if reached > *tenths {
                *tenths = reached;
                tracing::info!(model = name, percent = reached * 10, "downloading the model");
            }
        }
        Download::Waiting { name, wait } => {
            tracing::warn!(
                model = name,
                again_in_seconds = wait.as_secs(),
                "the download of the model was interrupted"
            );
        }
        Download::Converting { .. } | Download::Verifying { .. } => {}
    }
}
