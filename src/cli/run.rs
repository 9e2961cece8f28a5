//! `stenobot run`: the bot, and everything that concerns its process.

mod readiness;
mod reload;

use std::path::PathBuf;
use std::process::ExitCode;

use stenobot_domain::Clock;
use stenobot_engine::probe::Probes;
use stenobot_telegram::Redactor;
use tokio::sync::watch;

use crate::app::{App, DataFolder, Dependencies, Engine};
use crate::config::{Config, Sources};
use crate::doctor;
use crate::lifecycle::Shutdown;
use crate::metrics as names;
use crate::service_manager::ServiceManager;
use crate::settings::RuntimeConfig;
use crate::telemetry;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Another program in place of this one's engine: the tests bring one that misbehaves on demand
    #[arg(long, hide = true, value_name = "PROGRAM")]
    engine_program: Option<PathBuf>,
}

impl Args {
    /// Runs the bot until SIGTERM or SIGINT; `sources` are read again at SIGHUP. The reason for any other end is in the log and in
    /// the exit status.
    pub(super) async fn run(self, config: Config, sources: Sources) -> anyhow::Result<ExitCode> {
        let token = doctor::token(&config)?.clone();
        if config.role.has_worker() {
            doctor::processor()?;
        }
        let redactor = Redactor::new(token.expose()).hiding(config.passwords());
        let log = telemetry::start_log(&config.telemetry, redactor.wrap(std::io::stderr))?;
        telemetry::log_panics();
        let manager = ServiceManager::from_environment();
        let shutdown = Shutdown::default();
        let signals = tokio::spawn(shutdown.clone().on_signals(config.timing.shutdown)?);
        let folder = DataFolder::claim(&config).await?;
        let metrics = names::install()?;
        let listener = doctor::Listener::Metrics.bind(config.telemetry.addr).await?;
        tracing::info!(version = env!("CARGO_PKG_VERSION"), metrics = %listener.local_addr()?, "starting");
        for proxy in config.proxies.all() {
            tracing::info!(%proxy, "servers are reached through a proxy");
        }
        if let Some(warning) = doctor::file_limit(&config) {
            tracing::warn!("{warning}");
        }
        let (versions, settings) = watch::channel(RuntimeConfig::load(config.clone())?);
        let reloader = reload::Reloader { sources, versions, log, manager: manager.clone() };
        let reloads = tokio::spawn(reloader.on_hangup());
        let dependencies = Dependencies {
            folder,
            settings,
            clock: Clock::System,
            probes: Probes::new(&std::env::current_exe()?),
            engine: {
                let (config, manager) = (config.clone(), manager.clone());
                Box::pin(async move { Engine::start(&config, self.engine_program, &manager).await })
            },
            shutdown: shutdown.clone(),
        };
        let Some(app) = shutdown.soft.run_until_cancelled(App::build(&config, dependencies)).await else {
            return Ok(ExitCode::SUCCESS);
        };
        let app = app?;
        let ready = app.readiness();
        let pages = tokio::spawn(telemetry::serve(listener, metrics, ready.clone(), shutdown.hard.clone()));
        let readiness = tokio::spawn(readiness::report(ready, manager.clone()));
        let (heartbeats, stop) = (app.heartbeats(), shutdown.clone());
        let mut watchdog = None;
        let outcome = app
            .run(|| {
                // Telegram may be out of reach: whether the bot can be used is what /readyz says.
                manager.ready();
                let manager = manager.clone();
                watchdog = Some(tokio::spawn(async move { manager.watch(&heartbeats, &stop).await }));
            })
            .await;
        for task in [pages, signals, readiness].into_iter().chain(watchdog) {
            task.abort();
        }
        reloads.abort();
        outcome?;
        Ok(if shutdown.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
