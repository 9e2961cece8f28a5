//! Wires the parts together and runs them until they are told to stop.

mod gauges;
mod ready;
mod reload;

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use metrics::{counter, gauge, histogram};
use stenobot_domain::{Clock, Timestamp, UserId};
use stenobot_engine::probe::Probes;
use stenobot_engine::{EngineEvent, EnginePool, EngineSettings, PoolStatus};
use stenobot_models::{DETECTOR, Download, ModelStore};
use stenobot_store::Store;
use stenobot_telegram::{
    Call, CallOutcome, Client, MAX_PAUSE, Method, Pace, Redactor, StatusEditor, TelegramError, UpdateKind,
};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::config::{Config, Sources, Storage, VoiceActivity};
use crate::doctor;
use crate::lifecycle::{self, DataDirLock, DatabaseLock, Heartbeats, RecordingsFolder, Shutdown};
use crate::metrics as names;
use crate::pipeline::{self, Context, Flow, download, enqueue, menu, notify, poll, replies, retention, transcribe};
use crate::request;
use crate::service_manager::ServiceManager;
use crate::telemetry;

/// Age of the last successful poll above which the service is not ready.
const STALE_POLL: Duration = Duration::from_secs(120);

/// How long it is taken for granted that the store can be written, or cannot, after this was tried.
const WRITABLE_AGE: Duration = Duration::from_secs(2);

/// Runs the bot until SIGTERM or SIGINT. `engine_program` takes the place of this program's own engine.
/// `sources` are read again at SIGHUP. What makes it stop by itself is in the log, and in the exit status.
pub(crate) async fn run(config: Config, sources: Sources, engine_program: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let token = doctor::token(&config)?.clone();
    doctor::processor()?;
    let redactor = Redactor::new(token.expose()).hiding(config.passwords());
    let log = telemetry::start_log(&config.telemetry, redactor.wrap(std::io::stderr))?;
    telemetry::log_panics();
    let manager = ServiceManager::from_environment();
    let shutdown = Shutdown::default();
    let signals = tokio::spawn(shutdown.clone().on_signals(config.timing.shutdown)?);
    let _lock = DataDirLock::take(&config.storage.data_dir).await?;
    let _database = DatabaseLock::take(&config.storage.database).await?;
    let has_journal = config.storage.database.exists();
    let recordings = RecordingsFolder::prepare(&config.storage.audio(), Storage::is_audio_file, has_journal)?;
    lifecycle::make_private(&config.storage.models()).with_context(|| "the data folder cannot be written")?;
    let metrics =
        names::install(&method_labels(), &UpdateKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>())?;
    let listener = doctor::listen(config.telemetry.addr).await?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), metrics = %listener.local_addr()?, "starting");
    for proxy in config.proxies.all() {
        tracing::info!(%proxy, "servers are reached through a proxy");
    }

    if let Some(warning) = doctor::file_limit(&config) {
        tracing::warn!("{warning}");
    }
    let (live, settings) = watch::channel(reload::live(config.clone())?);
    let reloads = tokio::spawn(reload::Reloader { sources, live, log, manager: manager.clone() }.on_hangup());
    let worker: Arc<str> = uuid::Uuid::now_v7().to_string().into();
    let Some(store) = shutdown.soft.run_until_cancelled(open(&config, token.bot(), &recordings, &worker)).await else {
        return Ok(ExitCode::SUCCESS);
    };
    let store = store?.retrying_until(shutdown.hard.clone(), request::observe_retried);
    let client =
        Client::through(&config.proxies, config.telegram.api_url.clone(), token.expose(), Arc::new(count_call))?;
    let client = match &config.telegram.local_dir {
        Some(folder) => client.with_local_files(folder.clone()),
        None => client,
    };
    let (status, engine_status) = watch::channel(None);
    let polled = watch::Sender::new(None);
    let ready = readiness(store.clone(), polled.subscribe(), engine_status);
    let pages = tokio::spawn(telemetry::serve(listener, metrics, ready.clone(), shutdown.hard.clone()));
    let readiness = tokio::spawn(gauges::readiness(ready, manager.clone()));

    let start = start(&config, engine_program, &client, &status, &manager);
    let Some(started) = shutdown.soft.run_until_cancelled(start).await else { return Ok(ExitCode::SUCCESS) };
    let (model, engine) = started?;
    let heartbeats = Heartbeats::default();
    // Telegram may be out of reach: whether the bot can be used is what /readyz says.
    manager.ready();
    let watchdog = {
        let (heartbeats, shutdown) = (heartbeats.clone(), shutdown.clone());
        tokio::spawn(async move { manager.watch(&heartbeats, &shutdown).await })
    };
    let end = shutdown.clone();
    let (admin_presses, waiting_presses) = mpsc::channel(replies::MAX_PRESSES);
    let context = Context {
        desk: StatusEditor::start(client.clone(), Pace { per_message: Duration::from_secs(1), ..Pace::default() }),
        live: settings,
        cancels: pipeline::cancels::Cancels::default(),
        flow: watch::Sender::new(Flow::default()),
        erasures: pipeline::erasure::Erasures::default(),
        drafts: pipeline::broadcast::Drafts::default(),
        replies: replies::Replies::default(),
        outbox: pipeline::outbox::Outbox::default(),
        admin_presses,
        room: watch::Sender::new(true),
        troubles: pipeline::trouble::Troubles::default(),
        probes: Probes::new(&std::env::current_exe()?),
        tasks: TaskTracker::new(),
        store,
        client,
        polled,
        model,
        worker,
        shutdown,
        heartbeats,
    };
    let work = async {
        tokio::join!(
            poll::run(&context, waiting_presses),
            ready::announce(&context, engine.status()),
            replies::send(&context),
            menu::register(&context),
            download::run(&context),
            enqueue::show_positions(&context),
            transcribe::run(&context, engine.service()),
            notify::run(&context),
            retention::run(&context),
            gauges::refresh(&context, engine.status()),
        );
        drain(context, engine).await;
    };
    tokio::select! {
        () = work => tracing::info!("stopped"),
        () = end.overdue() => tracing::warn!("stopped in the middle of something: the next start goes on with it"),
    }
    for task in [pages, signals, readiness, watchdog] {
        task.abort();
    }
    reloads.abort();
    Ok(if end.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The store of this bot, without claims of former processes on it.
async fn open(config: &Config, bot: UserId, recordings: &RecordingsFolder, worker: &str) -> anyhow::Result<Store> {
    let store = Store::open(&config.storage.database, Clock::System).await?;
    store.belongs_to(bot).await?;
    recover(&store, config, recordings, worker).await?;
    Ok(store)
}

/// Waits for what is held, puts the rest back, ends the children and closes the store.
async fn drain(context: Context, engine: EnginePool) {
    context.tasks.close();
    context.tasks.wait().await;
    context.shutdown.hard.cancel();
    engine.shutdown().await;
    context.store.close().await;
}

/// The model, verified and loaded by the first engine, and a client whose token is known to work.
async fn start(
    config: &Config,
    engine_program: Option<PathBuf>,
    client: &Client,
    status: &watch::Sender<Option<watch::Receiver<PoolStatus>>>,
    manager: &ServiceManager,
) -> anyhow::Result<(Arc<str>, EnginePool)> {
    match client.me().await {
        Ok(me) => tracing::info!(bot = me.username, "Telegram knows this bot"),
        Err(error @ TelegramError::Unauthorized) => return Err(error.into()),
        // The poll goes on trying; what waits in the store can be worked on meanwhile.
        Err(error) => tracing::warn!(%error, "Telegram cannot be asked now"),
    }
    let store = ModelStore::new(config.storage.models(), config.engine.model_base_url.clone())
        .with_proxies(config.proxies.clone());
    let model = store.ensure(&config.engine.model, download_log(manager)).await?;
    if let Some(warning) = doctor::too_large(&model, config.engine.workers)? {
        tracing::warn!("{warning}");
    }
    tracing::info!(model = model.name, bytes = model.bytes, "model verified");
    let name: Arc<str> = model.name.as_str().into();
    let mut settings = EngineSettings::of_this_program(&model, config.engine.workers, config.engine.threads)?
        .logging(&config.telemetry.level)
        .reading_only(&config.storage.audio());
    settings.command = engine_program.unwrap_or(settings.command);
    match config.engine.voice_activity {
        VoiceActivity::On => {
            // Without it noise becomes sentences that nobody said, so there is no silent way round it.
            let detector = store.ensure(DETECTOR, download_log(manager)).await;
            settings = settings
                .with_detector(&detector.context(
                    "the voice activity detector is missing; set voice_activity = \"off\" to go without it",
                )?);
        }
        VoiceActivity::Off => {}
    }
    let engine = EnginePool::start(settings, count_engine);
    status.send_replace(Some(engine.status()));
    gauge!(names::WORKERS).set(gauges::count(config.engine.workers));
    gauge!(names::QUEUE_LIMIT).set(f64::from(config.limits.queue));
    Ok((name, engine))
}

/// Between two words to the service manager about a start that goes on.
const EXTENSION_INTERVAL: Duration = Duration::from_secs(10);
/// Longest time that the service manager then waits for the next.
const EXTENSION: Duration = Duration::from_secs(120);

/// Logs a model's download at every tenth: the first start of a large model takes minutes. The service manager is told
/// that it goes on.
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

/// How far a model is on its way, in a few words.
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

/// This process holds the locks of data folder and database: what other processes held is free. Recordings of requests
/// that have ended meanwhile are removed.
async fn recover(store: &Store, config: &Config, recordings: &RecordingsFolder, worker: &str) -> anyhow::Result<()> {
    let freed = store.queue.expire_other_leases(worker).await?;
    if freed > 0 {
        tracing::info!(requests = freed, "taking over what a former process held");
    }
    store.queue.drop_other_days().await?;
    let kept: Vec<PathBuf> =
        store.audio.ids_in_use().await?.into_iter().map(|id| config.storage.audio_file(id)).collect();
    let is_kept = |name: &OsStr| kept.iter().any(|file| file.file_name() == Some(name));
    recordings.sweep(is_kept).context("recordings of ended requests cannot be removed")
}

fn readiness(
    store: Store,
    polled: watch::Receiver<Option<Timestamp>>,
    engine: watch::Receiver<Option<watch::Receiver<PoolStatus>>>,
) -> telemetry::Readiness {
    let clock = store.clock().clone();
    // The one part that costs something: a write to the disk.
    let write: telemetry::Readiness = Arc::new(move || {
        let store = store.clone();
        Box::pin(async move { store.writable().await.map_err(|error| error.to_string()) })
    });
    let writable = telemetry::cached(write, WRITABLE_AGE);
    let look = move || {
        let (clock, writable, polled, engine) = (clock.clone(), writable.clone(), polled.clone(), engine.clone());
        async move {
            engine.borrow().as_ref().map_or_else(|| Err(NOT_LOADED.to_owned()), |status| can_hear(&status.borrow()))?;
            let age = polled.borrow().map(|poll| clock.now().since(poll));
            match age {
                None => return Err("Telegram has not been polled yet".to_owned()),
                Some(age) if age > STALE_POLL => return Err(format!("no poll for {} s", age.as_secs())),
                Some(_) => {}
            }
            writable().await
        }
    };
    // The page and the gauge say the same.
    Arc::new(move || {
        let look = look();
        Box::pin(async move {
            let outcome: Result<(), String> = look.await;
            gauge!(names::READY).set(if outcome.is_ok() { 1.0 } else { 0.0 });
            outcome
        })
    })
}

const NOT_LOADED: &str = "the model is not loaded";

/// Whether an engine can hear anything now; else why not.
fn can_hear(engines: &PoolStatus) -> Result<(), String> {
    match engines.outage() {
        Some(reason) => Err(format!("the engine does not start: {reason}")),
        None if engines.warm() == 0 => Err(NOT_LOADED.to_owned()),
        None => Ok(()),
    }
}

// === Metrics of the parts that know none ===

fn method_labels() -> Vec<(&'static str, &'static str)> {
    Method::ALL
        .iter()
        .flat_map(|method| CallOutcome::ALL.iter().map(|outcome| (method.as_str(), outcome.as_str())))
        .collect()
}

fn count_call(call: &Call) {
    let method = call.method.as_str();
    counter!(names::TELEGRAM_REQUESTS, "method" => method, "outcome" => call.outcome.as_str()).increment(1);
    histogram!(names::TELEGRAM_DURATION, "method" => method).record(call.took);
    if let Some(pause) = call.retry_after {
        histogram!(names::TELEGRAM_RETRY_AFTER).record(pause);
        if pause >= MAX_PAUSE {
            counter!(names::TELEGRAM_LONG_PAUSES).increment(1);
        }
    }
}

fn count_engine(event: &EngineEvent) {
    match event {
        EngineEvent::Started { load, .. } => gauge!(names::MODEL_LOAD).set(load.as_secs_f64()),
        EngineEvent::Crashed { .. } | EngineEvent::Killed { .. } => counter!(names::ENGINE_RESTARTS).increment(1),
        EngineEvent::StartFailed { .. } | EngineEvent::Restarting { .. } => {}
    }
}
