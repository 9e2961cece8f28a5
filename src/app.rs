//! The bot as a value: built from a configuration, run until its shutdown. Nothing in here concerns the process (signals,
//! umask, log, metrics recorder, panic hook), so that a test can run several in its own process.

mod data_folder;
mod engine;
mod gauges;
mod readiness;

use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge, histogram};
use stenobot_domain::Clock;
use stenobot_engine::PoolStatus;
use stenobot_engine::probe::Probes;
use stenobot_store::Store;
use stenobot_telegram::{Call, Client, MAX_PAUSE, StatusEditor, TelegramError, WebhookSecret};
use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;

pub use data_folder::DataFolder;
pub use engine::{Engine, StartEngine};

use crate::commands::{COMMANDS, Commands};
use crate::config::{Config, UpdateSource};
use crate::doctor;
use crate::ingest::{Contact, Inbox, InboxParts, Intake, MAX_ADMIN_PRESSES, Presses, Transport, WebhookListener};
use crate::lifecycle::{Heartbeats, Shutdown, WebhookRecord};
use crate::metrics as names;
use crate::pipeline::admit::{Admitter, AdmitterParts};
use crate::pipeline::backlog::Backlog;
use crate::pipeline::broadcast::Broadcasts;
use crate::pipeline::cancels::CancelRegistry;
use crate::pipeline::chats::Chats;
use crate::pipeline::deliver::Deliverer;
use crate::pipeline::download::Downloader;
use crate::pipeline::erasure::Erasures;
use crate::pipeline::estimate::Estimates;
use crate::pipeline::failures::StoreFailures;
use crate::pipeline::fetch::Fetchers;
use crate::pipeline::menu::CommandMenu;
use crate::pipeline::notify::Notifier;
use crate::pipeline::positions::PositionDisplay;
use crate::pipeline::recordings::Recordings;
use crate::pipeline::replies::{Replies, ReplySender};
use crate::pipeline::retention::Retention;
use crate::pipeline::service_mode::ServiceControl;
use crate::pipeline::status::StatusMessages;
use crate::pipeline::transcribe::{EngineService, Transcriber};
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
    /// Gives the engine when the app runs.
    pub engine: StartEngine,
    /// Stops the app in two steps.
    pub shutdown: Shutdown,
}

/// A bot that is ready to run.
pub struct App {
    /// Held for its locks.
    _folder: DataFolder,
    parts: Parts,
    engine: StartEngine,
    engine_status: watch::Sender<Option<watch::Receiver<PoolStatus>>>,
}

/// Parts that the stages share.
struct Parts {
    settings: Settings,
    client: Client,
    worker: Worker,
    probes: Probes,
    transport: Transport,
    contact: watch::Sender<Contact>,
    heartbeats: Heartbeats,
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
        let store = Store::open(&config.storage.database, clock).await?;
        store.belongs_to(token.bot()).await?;
        folder.recover(&store, config, &id).await?;
        let store = store.retrying_until(shutdown.hard.clone(), request::observe_retried);
        let client =
            Client::through(&config.proxies, config.telegram.api_url.clone(), token.expose(), Arc::new(count_call))?;
        let client = client.with_commands(COMMANDS.iter().map(|command| command.name).collect());
        let client = match &config.telegram.local_dir {
            Some(folder) => client.with_local_files(folder.clone()),
            None => client,
        };
        let failures = StoreFailures::new(shutdown.clone());
        let parts = Parts {
            settings: Settings::new(settings),
            client,
            worker: Worker { store, id, failures, shutdown, tasks: TaskTracker::new() },
            probes,
            transport: transport(config).await?,
            contact: watch::Sender::default(),
            heartbeats: Heartbeats::default(),
        };
        Ok(Self { _folder: folder, parts, engine, engine_status: watch::Sender::new(None) })
    }

    /// Answers whether the bot can do its work now.
    pub(crate) fn readiness(&self) -> Readiness {
        let (contact, engine) = (self.parts.contact.subscribe(), self.engine_status.subscribe());
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
    pub async fn run(mut self, on_started: impl FnOnce()) -> anyhow::Result<()> {
        let shutdown = self.parts.worker.shutdown.clone();
        let Some(started) = shutdown.soft.run_until_cancelled(self.start_engine()).await else { return Ok(()) };
        let Engine { model, service, status, backing } = started?;
        on_started();
        let (tasks, store) = (self.parts.worker.tasks.clone(), self.parts.worker.store.clone());
        let stages = self.parts.run(model, service, status);
        let work = async {
            stages.await;
            // Waits for work under way, releases the rest, ends the engine and closes the store.
            tasks.close();
            tasks.wait().await;
            shutdown.hard.cancel();
            backing.shut_down().await;
            store.close().await;
        };
        tokio::select! {
            () = work => tracing::info!("stopped"),
            () = shutdown.grace_expired() => {
                tracing::warn!("stopped in the middle of something: the next start goes on with it");
            }
        }
        Ok(())
    }

    async fn start_engine(&mut self) -> anyhow::Result<Engine> {
        match self.parts.client.me().await {
            Ok(me) => tracing::info!(bot = me.username, "Telegram knows this bot"),
            Err(error @ TelegramError::Unauthorized) => return Err(error.into()),
            // Polling and webhook retry; requests in the store can be processed meanwhile.
            Err(error) => tracing::warn!(%error, "Telegram cannot be asked now"),
        }
        let engine = (&mut self.engine).await?;
        self.engine_status.send_replace(Some(engine.status.clone()));
        let config = self.parts.settings.config();
        gauge!(names::WORKERS).set(gauges::count(config.engine.workers));
        gauge!(names::QUEUE_LIMIT).set(f64::from(config.limits.queue));
        Ok(engine)
    }
}

impl Parts {
    /// Wires the stages and runs them until the soft shutdown.
    async fn run(self, model: Arc<str>, engine: EngineService, engine_status: watch::Receiver<PoolStatus>) {
        let (worker, settings, client) = (self.worker.clone(), self.settings.clone(), self.client.clone());
        let (store, failures, shutdown) = (worker.store.clone(), worker.failures.clone(), worker.shutdown.clone());
        let editor = StatusEditor::start(client.clone(), Duration::from_secs(1));
        let service = ServiceControl::default();
        let disk_has_space = watch::Sender::new(true);
        let (cancels, erasures, backlog) = (CancelRegistry::default(), Erasures::default(), Backlog::default());
        let (replies, recordings) = (Replies::default(), Recordings::new(settings.clone()));
        let (admin_presses, waiting_presses) = mpsc::channel(MAX_ADMIN_PRESSES);

        let chats = Chats {
            store: store.clone(),
            client: client.clone(),
            settings: settings.clone(),
            failures: failures.clone(),
        };
        let status = StatusMessages::new(client.clone(), editor.clone(), settings.clone(), chats.clone());
        let estimates = Estimates { store: store.clone(), failures, model: model.clone() };
        let positions = PositionDisplay {
            worker: worker.clone(),
            settings: settings.clone(),
            service: service.clone(),
            status: status.clone(),
            estimates: estimates.clone(),
        };
        let admitter = Admitter::new(AdmitterParts {
            store,
            settings: settings.clone(),
            client: client.clone(),
            backlog: backlog.clone(),
            service: service.clone(),
            positions: positions.clone(),
        });
        let fetchers = Fetchers::new(settings.clone(), client.clone(), recordings.clone());
        let downloader = Downloader {
            worker: worker.clone(),
            settings: settings.clone(),
            status: status.clone(),
            fetchers: fetchers.clone(),
            recordings: recordings.clone(),
            cancels: cancels.clone(),
            probes: self.probes.clone(),
            disk_has_space: disk_has_space.clone(),
        };
        let deliverer = Deliverer {
            worker: worker.clone(),
            settings: settings.clone(),
            client: client.clone(),
            editor: editor.clone(),
            chats: chats.clone(),
            recordings: recordings.clone(),
        };
        let transcriber = Transcriber {
            worker: worker.clone(),
            settings: settings.clone(),
            service: service.clone(),
            status,
            chats: chats.clone(),
            recordings: recordings.clone(),
            fetchers: fetchers.clone(),
            cancels: cancels.clone(),
            estimates: estimates.clone(),
            model: model.clone(),
            backlog,
            deliverer: deliverer.clone(),
        };
        let notifier = Notifier {
            worker: worker.clone(),
            settings: settings.clone(),
            client: client.clone(),
            editor,
            chats: chats.clone(),
            recordings: recordings.clone(),
            deliverer,
        };
        let broadcasts = Broadcasts::new(worker.clone(), settings.clone(), client.clone(), replies.clone());
        let retention = Retention {
            worker: worker.clone(),
            settings: settings.clone(),
            recordings: recordings.clone(),
            replies: replies.clone(),
            erasures: erasures.clone(),
        };
        let commands = Commands {
            worker: worker.clone(),
            settings: settings.clone(),
            client: client.clone(),
            replies: replies.clone(),
            cancels: cancels.clone(),
            recordings,
            service,
            erasures,
            broadcasts: broadcasts.clone(),
            estimates,
        };
        let presses = Presses {
            worker: worker.clone(),
            settings: settings.clone(),
            replies: replies.clone(),
            cancels,
            broadcasts,
            commands: commands.clone(),
        };
        let reply_sender = ReplySender {
            worker: worker.clone(),
            settings: settings.clone(),
            client: client.clone(),
            chats: chats.clone(),
            replies: replies.clone(),
            commands: commands.clone(),
            admin_presses,
        };
        let menu = CommandMenu { settings: settings.clone(), client: client.clone(), shutdown: shutdown.clone() };
        let inbox = Inbox::new(InboxParts {
            worker: worker.clone(),
            settings: settings.clone(),
            client: client.clone(),
            chats: chats.clone(),
            replies,
            admitter,
            commands,
            presses,
            disk_has_space: disk_has_space.subscribe(),
            heartbeats: self.heartbeats.clone(),
        });
        let intake = Intake {
            client: client.clone(),
            clock: worker.store.clock().clone(),
            inbox,
            admin_presses: waiting_presses,
            contact: self.contact.clone(),
            shutdown: shutdown.clone(),
            heartbeats: self.heartbeats.clone(),
        };
        let contact = self.contact.subscribe();
        let ready = readiness::announce(client, contact, engine_status.clone(), shutdown.soft.clone());
        let gauges =
            gauges::Gauges { worker, settings, heartbeats: self.heartbeats.clone(), model, engine: engine_status };
        chats.warn_of_old_numbers().await;
        tokio::join!(
            intake.run(self.transport),
            ready,
            reply_sender.run(),
            menu.register(),
            downloader.run(),
            positions.run(),
            transcriber.run(engine),
            notifier.run(),
            retention.run(),
            gauges.run(),
        );
    }
}

/// How updates come in; with a webhook, its listener is bound.
async fn transport(config: &Config) -> anyhow::Result<Transport> {
    let record = WebhookRecord::at(config.storage.webhook_record());
    Ok(match &config.telegram.updates {
        UpdateSource::Polling => Transport::Polling(record),
        UpdateSource::Webhook(webhook) => Transport::Webhook(WebhookListener {
            listener: doctor::Listener::Webhook.bind(webhook.addr).await?,
            url: webhook.url.clone(),
            secret: WebhookSecret::generate()?,
            record,
        }),
    })
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
