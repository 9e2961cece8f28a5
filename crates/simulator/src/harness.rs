//! What runs a bot in front of simulated users.
//!
//! [`Environment`] is all but the bot, and does not depend on how the bot runs. [`Simulation`] adds a bot that is a child
//! process, [`Machines`] several of them.

mod environment;
mod machines;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use super::bot_process::BotCommand;
use super::metrics_page::MetricsPage;
use super::server::{BotApi, Settings};
use super::users::User;

pub use super::bot_process::BotProcess;
pub use environment::Environment;
pub use machines::{MachineReport, Machines, Work};

/// From the bot's start to its first poll or its webhook: a large model loads slowly from a slow disk.
const START_TIMEOUT: Duration = Duration::from_secs(120);
const METRICS_TIMEOUT: Duration = Duration::from_secs(10);

const TOKEN_VARIABLE: &str = "TELEGRAM_BOT_TOKEN";

/// A server and a bot to simulate.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Configuration of the server.
    pub server: Settings,
    /// Path of the bot's executable.
    pub program: PathBuf,
    /// Arguments of the bot; `run` by default.
    pub arguments: Vec<OsString>,
    /// Absolute path of the models that the bot shares; `None` leaves its model folder empty.
    pub models: Option<PathBuf>,
    /// Absolute path of an existing data folder, which is kept; `None` creates a temporary one.
    pub data: Option<PathBuf>,
    /// Settings of the bot by key, as in `stenobot.toml`; they override those of the simulation.
    pub bot: BTreeMap<String, OsString>,
}

impl Setup {
    /// `run` of a program with default settings.
    pub fn of(program: PathBuf) -> Self {
        let arguments = vec!["run".into()];
        Self { server: Settings::default(), program, arguments, models: None, data: None, bot: BTreeMap::new() }
    }

    /// Adds a setting of the bot.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<OsString>) -> Self {
        self.bot.insert(key.to_owned(), value.into());
        self
    }
}

/// A failure of the simulation itself.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// A folder, a port or the program is missing.
    #[error("the simulation cannot start: {0}")]
    Start(#[from] std::io::Error),
    /// The bot ended before it asked for updates.
    #[error("the bot ended with {status} before it asked for updates; its log ends with:\n{log}")]
    Ended {
        /// Exit status.
        status: ExitStatus,
        /// Last lines of its log.
        log: String,
    },
    /// The bot runs, but neither polls nor sets a webhook.
    #[error("the bot has not asked for updates within {} s; its log ends with:\n{log}", START_TIMEOUT.as_secs())]
    Silent {
        /// Last lines of its log.
        log: String,
    },
    /// The bot was killed or terminated before.
    #[error("the bot is not running")]
    NotRunning,
    /// The metrics page does not respond.
    #[error("the bot's metrics cannot be read: {0}")]
    Metrics(String),
}

/// A bot as a child process in its [`Environment`].
pub struct Simulation {
    command: BotCommand,
    // Dropped before the environment, so that the bot has ended when its folder is removed.
    bot: Option<BotProcess>,
    environment: Environment,
}

impl Simulation {
    /// Starts the server and the bot, and waits until the bot asks for updates.
    ///
    /// # Errors
    /// When either does not start.
    pub async fn start(setup: Setup) -> Result<Self, SimulationError> {
        let mut simulation = Self::prepare(setup).await?;
        simulation.restart().await?;
        Ok(simulation)
    }

    /// Starts the server only; [`Simulation::restart`] starts the bot.
    ///
    /// # Errors
    /// When no folder or no port is available.
    pub async fn prepare(setup: Setup) -> Result<Self, SimulationError> {
        let environment = Environment::start(setup.server.clone(), setup.data.clone()).await?;
        let command = bot_command(&environment, &setup, environment.folder(), environment.data())?;
        Ok(Self { command, bot: None, environment })
    }

    /// Server, users and data of the bot.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The Bot API server.
    pub fn api(&self) -> &BotApi {
        self.environment.api()
    }

    /// A new user with a private chat. `language` is the code of their app's language.
    pub fn new_user(&self, name: &str, language: &str) -> User {
        self.environment.new_user(name, language)
    }

    /// The running bot; `None` after it was stopped.
    pub fn process(&mut self) -> Option<&mut BotProcess> {
        self.bot.as_mut()
    }

    /// Kills the bot with SIGKILL.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn kill(&mut self) -> Result<ExitStatus, SimulationError> {
        Ok(self.bot.take().ok_or(SimulationError::NotRunning)?.kill().await?)
    }

    /// Sends SIGTERM and waits; kills the bot after `limit`.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn terminate(&mut self, limit: Duration) -> Result<ExitStatus, SimulationError> {
        Ok(self.bot.take().ok_or(SimulationError::NotRunning)?.terminate(limit).await?)
    }

    /// Waits until the bot ends; kills it after `limit`.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn wait_for_exit(&mut self, limit: Duration) -> Result<ExitStatus, SimulationError> {
        let mut bot = self.bot.take().ok_or(SimulationError::NotRunning)?;
        match tokio::time::timeout(limit, bot.wait_for_exit()).await {
            Ok(ended) => Ok(ended?),
            Err(_) => Ok(bot.kill().await?),
        }
    }

    /// Starts the bot with the data of its predecessor, which is killed if it still runs, and waits until the
    /// bot asks for updates: polls, or sets a webhook.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&mut self) -> Result<(), SimulationError> {
        if let Some(old) = self.bot.take() {
            old.kill().await?;
        }
        let api = self.environment.api().clone();
        let before = api.read(|state| state.requests_for_updates());
        let bot = self.bot.insert(BotProcess::start(&self.command)?);
        let asked = api.wait_for(|state| (state.requests_for_updates() > before).then_some(()));
        tokio::select! {
            ended = bot.wait_for_exit() => {
                let status = ended?;
                self.bot = None;
                Err(SimulationError::Ended { status, log: self.log_tail() })
            }
            asked = tokio::time::timeout(START_TIMEOUT, asked) => match asked {
                Ok(()) => Ok(()),
                Err(_) => Err(SimulationError::Silent { log: self.log_tail() }),
            },
        }
    }

    /// Changes a setting for the next start of the bot.
    pub fn set(&mut self, key: &str, value: impl Into<OsString>) {
        self.command.environment.insert(variable_of(key), value.into());
    }

    /// Sets a variable other than a setting for the next start; `None` removes it.
    pub fn set_variable(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.command.environment.insert(name.to_owned(), value.into()),
            None => self.command.environment.remove(name),
        };
    }

    /// Scrapes the bot's metrics.
    ///
    /// # Errors
    /// When its metrics page does not respond.
    pub async fn metrics(&self) -> Result<MetricsPage, SimulationError> {
        scrape(self.command.metrics).await
    }

    /// Address of `/metrics`, `/healthz` and `/readyz`.
    pub fn metrics_addr(&self) -> SocketAddr {
        self.command.metrics
    }

    /// The bot's data folder.
    pub fn data(&self) -> PathBuf {
        self.environment.data().to_owned()
    }

    /// The SQLite file of the bot's store.
    pub fn store(&self) -> PathBuf {
        self.environment.store()
    }

    /// Path of the bot's log.
    pub fn log(&self) -> &Path {
        &self.command.log
    }

    /// Last lines of the bot's log.
    pub fn log_tail(&self) -> String {
        tail(&self.command.log)
    }

    /// Keeps the folder with data and log for inspection.
    pub fn keep(&mut self) -> &Path {
        self.environment.keep()
    }
}

/// A bot with this data folder, that works in `folder` and logs there to `bot.log`.
fn bot_command(environment: &Environment, setup: &Setup, folder: &Path, data: &Path) -> std::io::Result<BotCommand> {
    let metrics = free_address()?;
    if let Some(models) = &setup.models {
        std::os::unix::fs::symlink(models, data.join("models"))?;
    }
    let mut settings = environment.settings();
    settings.insert("data_dir".into(), data.into());
    settings.insert("metrics_addr".into(), metrics.to_string().into());
    settings.extend(setup.bot.clone());
    let variable = |(key, value): (String, OsString)| (variable_of(&key), value);
    let mut variables: BTreeMap<String, OsString> = settings.into_iter().map(variable).collect();
    variables.insert(TOKEN_VARIABLE.into(), environment.api().token().into());
    Ok(BotCommand {
        program: setup.program.clone(),
        arguments: setup.arguments.clone(),
        environment: variables,
        directory: folder.to_owned(),
        log: folder.join("bot.log"),
        metrics,
    })
}

async fn scrape(address: SocketAddr) -> Result<MetricsPage, SimulationError> {
    let url = format!("http://{address}/metrics");
    let failed = |error: reqwest::Error| SimulationError::Metrics(error.without_url().to_string());
    let request =
        reqwest::Client::builder().no_proxy().build().map_err(failed)?.get(url).timeout(METRICS_TIMEOUT).send();
    let page = request.await.and_then(reqwest::Response::error_for_status).map_err(failed)?;
    Ok(MetricsPage::parse(&page.text().await.map_err(failed)?))
}

/// Last lines of a log.
fn tail(log: &Path) -> String {
    const LINES: usize = 20;
    let log = std::fs::read(log).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// A loopback address without a listener.
fn free_address() -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// The environment variable that sets `key` of the bot's configuration.
fn variable_of(key: &str) -> String {
    format!("STENOBOT_{}", key.to_ascii_uppercase())
}
