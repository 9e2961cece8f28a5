//! The bot as a value: built from a configuration, run until its shutdown. Nothing in here concerns the process (signals,
//! umask, log, metrics recorder, panic hook), so that a test can run several in its own process.
//!
//! Its role says which loops run: `bot` has those of a bot, `worker` those of a worker, `all` both.

mod bot;
mod common;
mod data_folder;
mod engine;
mod gauges;
mod machine;
mod open_store;
mod pauses;
mod readiness;
mod worker;

use std::sync::Arc;

use futures::future::OptionFuture;
use metrics::{counter, gauge, histogram};
use stenobot_domain::{Clock, Role};
use stenobot_engine::probe::Probes;
use stenobot_store::Leadership;
use stenobot_telegram::{Call, Client, MAX_PAUSE, TelegramError};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

pub use data_folder::DataFolder;
pub use engine::{Engine, StartEngine};
pub use pauses::SharedPauses;

use self::bot::BotRole;
use self::common::{Common, Parts};
use self::gauges::{EngineGauges, Gauges};
use self::machine::ThisMachine;
use self::worker::{StartedWorker, WorkerRole};
use crate::commands::COMMANDS;
use crate::config::Config;
use crate::doctor;
use crate::lifecycle::{Heartbeats, Shutdown};
use crate::metrics as names;
use crate::pipeline::cancels::CancelRegistry;
use crate::pipeline::failures::StoreFailures;
use crate::pipeline::worker::Worker;
use crate::request;
use crate::settings::{RuntimeConfig, Settings};
use crate::telemetry::Readiness;

/// Dependencies that the caller of [`App::build`] provides.
pub struct Dependencies {
    /// Locked for this configuration.
    pub folder: DataFolder,
    /// Versions of what may change while the bot runs.
    pub settings: watch::Receiver<RuntimeConfig>,
    /// For leases, limits per day and retention.
    pub clock: Clock,
    /// Measure recordings.
    pub probes: Probes,
    /// Gives the engine when the app runs, if its role needs one.
    pub engine: StartEngine,
    /// Stops the app in two steps.
    pub shutdown: Shutdown,
}

/// A bot that is ready to run.
pub struct App {
    /// Also held for its locks.
    folder: DataFolder,
    parts: Parts,
    role: Role,
    bot: Option<BotRole>,
    worker: Option<WorkerRole>,
}

impl App {
    /// Opens the store, for this bot's account only, and takes over what former processes held.
    ///
    /// # Errors
    /// The token is missing, the store cannot be used, or the webhook's address is taken.
    pub async fn build(config: &Config, dependencies: Dependencies) -> anyhow::Result<Self> {
        let Dependencies { folder, settings, clock, probes, engine, shutdown } = dependencies;
        let token = doctor::token(config)?;
        let id: Arc<str> = uuid::Uuid::now_v7().to_string().into();
        let store = open_store::open(&config.storage, clock).await?;
        store.belongs_to(token.bot()).await?;
        folder.recover(&store, config, &id).await?;
        let store = store
            .retrying_until(shutdown.hard.clone(), request::observe_retried)
            .reporting_recovery(request::observe_recovery);
        let client =
            Client::through(&config.proxies, config.telegram.api_url.clone(), token.expose(), Arc::new(count_call))?;
        let client =
            client.with_rate(config.telegram.rate).with_commands(COMMANDS.iter().map(|command| command.name).collect());
        let client = match &config.telegram.local_dir {
            Some(folder) => client.with_local_files(folder.clone()),
            None => client,
        };
        let failures = StoreFailures::new(shutdown.clone());
        let parts = Parts {
            settings: Settings::new(settings),
            client,
            worker: Worker { store, id, failures, shutdown, tasks: TaskTracker::new() },
            heartbeats: Heartbeats::default(),
        };
        let bot = match config.role.has_bot() {
            true => Some(BotRole::prepare(config).await?),
            false => None,
        };
        let worker = config.role.has_worker().then(|| WorkerRole::new(probes, engine));
        Ok(Self { folder, parts, role: config.role, bot, worker })
    }

    /// Answers whether this process can do its work now.
    pub(crate) fn readiness(&self) -> Readiness {
        let contact = self.bot.as_ref().map(|bot| bot.contact.subscribe());
        let engine = self.worker.as_ref().map(|worker| worker.status.subscribe());
        readiness::readiness(self.parts.worker.store.clone(), contact, engine)
    }

    pub(crate) fn heartbeats(&self) -> Heartbeats {
        self.parts.heartbeats.clone()
    }

    /// Runs until the shutdown that the app was built with; `on_started` is called when everything runs. Work that is still
    /// under way some time after the hard shutdown is abandoned: the next start continues it.
    ///
    /// # Errors
    /// The token is refused, or the engine cannot be started.
    pub async fn run(self, on_started: impl FnOnce()) -> anyhow::Result<()> {
        let Self { folder, parts, role, bot, worker } = self;
        let shutdown = parts.worker.shutdown.clone();
        let Some(started) = shutdown.soft.run_until_cancelled(start(&parts, worker)).await else { return Ok(()) };
        let worker = started?;
        on_started();
        let (tasks, store) = (parts.worker.tasks.clone(), parts.worker.store.clone());
        let config = parts.settings.config();
        let slots = worker.as_ref().map_or(0, |_| u32::try_from(config.engine.workers).unwrap_or(u32::MAX));
        let machine = ThisMachine::new(parts.worker.clone(), role, slots, config.storage.is_shared());
        let cancels = CancelRegistry::default();
        let pauses = SharedPauses::new(store.clone(), parts.client.clone(), shutdown.clone());
        let _pauses = OptionFuture::from(config.storage.is_shared().then(|| pauses.start())).await;
        let (candidacy, client) = (machine.candidacy(), parts.client.clone());
        let heartbeats = machine.run(&client, candidacy.clone());
        let work = async {
            let bot = bot.zip(candidacy);
            Box::pin(run_roles(&folder, parts, (&machine, &cancels), bot, worker.as_ref())).await;
            // Waits for work under way, releases the rest, ends the engine and closes the store.
            tasks.close();
            tasks.wait().await;
            shutdown.hard.cancel();
            if let Some(worker) = worker {
                worker.engine.backing.shut_down().await;
            }
        };
        let stop = async {
            tokio::select! {
                () = work => {}
                // Also for what is finished after the soft shutdown.
                never = machine.follow_cancellations(&cancels) => match never {},
                never = heartbeats => match never {},
            }
            if let Err(error) = machine.leave().await {
                tracing::warn!(%error, "this machine could not be taken off the list: it is silent there for a while");
            }
            store.close().await;
        };
        tokio::select! {
            () = stop => tracing::info!("stopped"),
            () = shutdown.grace_expired() => {
                tracing::warn!("stopped in the middle of something: the next start goes on with it");
            }
        }
        Ok(())
    }
}

/// Asks Telegram for the bot's account and starts the engine of a worker.
async fn start(parts: &Parts, worker: Option<WorkerRole>) -> anyhow::Result<Option<StartedWorker>> {
    match parts.client.me().await {
        Ok(me) => tracing::info!(bot = me.username, "Telegram knows this bot"),
        Err(error @ TelegramError::Unauthorized) => return Err(error.into()),
        // Polling and webhook retry; requests in the store can be processed meanwhile.
        Err(error) => tracing::warn!(%error, "Telegram cannot be asked now"),
    }
    let started = match worker {
        Some(worker) => Some(worker.start(&parts.settings).await?),
        None => None,
    };
    gauge!(names::QUEUE_LIMIT).set(f64::from(parts.settings.config().limits.queue));
    Ok(started)
}

/// Runs the loops of the roles until the soft shutdown.
async fn run_roles(
    folder: &DataFolder,
    parts: Parts,
    (machine, cancels): (&ThisMachine, &CancelRegistry),
    bot: Option<(BotRole, Leadership)>,
    worker: Option<&StartedWorker>,
) {
    let model = match worker {
        Some(worker) => worker.engine.model.clone(),
        None => parts.settings.config().engine.model.as_str().into(),
    };
    let common = Common::new(parts.clone(), model, machine, cancels.clone());
    let contact = bot.as_ref().map(|(bot, _)| bot.contact.subscribe());
    let lead_log = bot.as_ref().map(|(_, leadership)| machine.log_lead(leadership.clone()));
    let engine = worker.map(|worker| worker.engine.status.clone());
    let ready = readiness::announce(parts.client, contact, engine, parts.worker.shutdown.soft.clone());
    let gauges = Gauges {
        worker: parts.worker,
        settings: parts.settings,
        heartbeats: parts.heartbeats,
        engine: worker
            .map(|worker| EngineGauges { model: worker.engine.model.clone(), status: worker.engine.status.clone() }),
    };
    tokio::join!(
        ready,
        gauges.run(),
        OptionFuture::from(lead_log),
        common.service.follow(&common.parts.worker),
        // Boxed: together the loops of a role are more than a thread's stack is meant for.
        OptionFuture::from(bot.map(|(bot, leadership)| Box::pin(bot.run(&common, leadership)))),
        OptionFuture::from(worker.map(|worker| Box::pin(worker.run(&common, folder)))),
    );
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
