//! One simulation: a Bot API server, the real bot against it, people. For the tests and for `stenobot simulate`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use stenobot_domain::UserId;

use super::bot_process::{BotCommand, BotProcess};
use super::metrics_page::MetricsPage;
use super::people::Person;
use super::server::{BotApi, Settings};
use super::workspace::Workspace;

/// Longest time from the bot's start to its first poll: a large model loads slowly from a slow disk.
const START_LIMIT: Duration = Duration::from_secs(120);
/// Longest answer of the metrics page.
const METRICS_LIMIT: Duration = Duration::from_secs(10);

/// Variable with the bot's token.
const TOKEN_VARIABLE: &str = "TELEGRAM_BOT_TOKEN";

/// What to simulate.
#[derive(Debug, Clone)]
pub struct Setup {
    /// How the server behaves.
    pub server: Settings,
    /// The bot's program.
    pub program: PathBuf,
    /// Its arguments; `run` by default.
    pub arguments: Vec<OsString>,
    /// The folder of models that the bot uses instead of an empty one of its own; absolute.
    pub models: Option<PathBuf>,
    /// The bot's data folder, which is there and stays; one of the simulation's own if `None`. Absolute.
    pub data: Option<PathBuf>,
    /// Settings of the bot by key, as in `stenobot.toml`; they outrank those that the simulation gives.
    pub bot: BTreeMap<String, OsString>,
}

impl Setup {
    /// A program's `run` with the default settings.
    pub fn of(program: PathBuf) -> Self {
        let arguments = vec!["run".into()];
        Self { server: Settings::default(), program, arguments, models: None, data: None, bot: BTreeMap::new() }
    }

    /// One more setting of the bot.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<OsString>) -> Self {
        self.bot.insert(key.to_owned(), value.into());
        self
    }
}

/// Why a simulation cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// A folder, a port or the program itself.
    #[error("the simulation cannot start: {0}")]
    Start(#[from] std::io::Error),
    /// It ended before it asked for updates.
    #[error("the bot ended with {status} before it asked for updates; its log ends with:\n{log}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// Its last lines.
        log: String,
    },
    /// It runs, but asks for nothing.
    #[error("the bot has not asked for updates within {} s; its log ends with:\n{log}", START_LIMIT.as_secs())]
    Silent {
        /// Its last lines.
        log: String,
    },
    /// It was killed or terminated before.
    #[error("the bot is not running")]
    NotRunning,
    /// The metrics page does not answer.
    #[error("the bot's metrics cannot be read: {0}")]
    Metrics(String),
}

/// A server, a bot and people, in one temporary folder.
pub struct Simulation {
    api: BotApi,
    command: BotCommand,
    // Before the folder, so that the bot is gone when the folder goes.
    bot: Option<BotProcess>,
    folder: Workspace,
    data: PathBuf,
    next_user: AtomicI64,
}

impl Simulation {
    /// Starts the server and the bot, and waits for the bot's first poll.
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
    /// When there is no folder or no port.
    pub async fn prepare(setup: Setup) -> Result<Self, SimulationError> {
        let folder = Workspace::create()?;
        let api = BotApi::start(setup.server).await?;
        let metrics = free_address()?;
        let data = match setup.data {
            Some(data) => data,
            None => {
                let data = folder.path().join("data");
                std::fs::create_dir(&data)?;
                data
            }
        };
        if let Some(models) = setup.models {
            std::os::unix::fs::symlink(models, data.join("models"))?;
        }
        let mut keys: BTreeMap<String, OsString> = BTreeMap::from([
            ("telegram_api_url".into(), api.url().as_str().into()),
            ("data_dir".into(), data.clone().into()),
            ("metrics_addr".into(), metrics.to_string().into()),
        ]);
        keys.extend(setup.bot);
        let variable = |(key, value): (String, OsString)| (variable_of(&key), value);
        let mut environment: BTreeMap<String, OsString> = keys.into_iter().map(variable).collect();
        environment.insert(TOKEN_VARIABLE.into(), api.token().into());
        let command = BotCommand {
            program: setup.program,
            arguments: setup.arguments,
            environment,
            directory: folder.path().to_owned(),
            log: folder.path().join("bot.log"),
            metrics,
        };
        Ok(Self { api, command, bot: None, folder, data, next_user: AtomicI64::new(600_001) })
    }

    /// Telegram's side.
    pub fn api(&self) -> &BotApi {
        &self.api
    }

    /// Somebody new, in a private chat with the bot. `language` is the code of their app.
    pub fn person(&self, name: &str, language: &str) -> Person {
        let id = UserId(self.next_user.fetch_add(1, Ordering::Relaxed));
        Person::new(&self.api, id, name, language)
    }

    /// The running bot, `None` after it was stopped.
    pub fn bot(&mut self) -> Option<&mut BotProcess> {
        self.bot.as_mut()
    }

    /// Kills the bot as a loss of power would.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn kill_bot(&mut self) -> Result<ExitStatus, SimulationError> {
        Ok(self.bot.take().ok_or(SimulationError::NotRunning)?.kill().await?)
    }

    /// Sends SIGTERM and waits; after `limit` the bot is killed.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn terminate_bot(&mut self, limit: Duration) -> Result<ExitStatus, SimulationError> {
        Ok(self.bot.take().ok_or(SimulationError::NotRunning)?.terminate(limit).await?)
    }

    /// Waits until the bot ends by itself, or as it was told by a signal; after `limit` it is killed.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn bot_ended(&mut self, limit: Duration) -> Result<ExitStatus, SimulationError> {
        let mut bot = self.bot.take().ok_or(SimulationError::NotRunning)?;
        match tokio::time::timeout(limit, bot.ended()).await {
            Ok(ended) => Ok(ended?),
            Err(_) => Ok(bot.kill().await?),
        }
    }

    /// Starts the bot over the data of the one before, which is killed if it still runs, and waits for its first poll.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&mut self) -> Result<(), SimulationError> {
        if let Some(old) = self.bot.take() {
            old.kill().await?;
        }
        let polls_before = self.api.read(|state| state.polls());
        let bot = self.bot.insert(BotProcess::start(&self.command)?);
        let first_poll = self.api.until(|state| (state.polls() > polls_before).then_some(()));
        tokio::select! {
            ended = bot.ended() => {
                let status = ended?;
                self.bot = None;
                Err(SimulationError::Ended { status, log: self.log_tail() })
            }
            polled = tokio::time::timeout(START_LIMIT, first_poll) => match polled {
                Ok(()) => Ok(()),
                Err(_) => Err(SimulationError::Silent { log: self.log_tail() }),
            },
        }
    }

    /// Other settings for the next start of the bot.
    pub fn set(&mut self, key: &str, value: impl Into<OsString>) {
        self.command.environment.insert(variable_of(key), value.into());
    }

    /// A variable of the next start's environment that is no setting; `None` takes it away.
    pub fn set_variable(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.command.environment.insert(name.to_owned(), value.into()),
            None => self.command.environment.remove(name),
        };
    }

    /// The bot's figures now.
    ///
    /// # Errors
    /// When its metrics page does not answer.
    pub async fn metrics(&self) -> Result<MetricsPage, SimulationError> {
        let url = format!("http://{}/metrics", self.command.metrics);
        // Without the URL, which is no help, the sentence is shorter.
        let failed = |error: reqwest::Error| SimulationError::Metrics(error.without_url().to_string());
        let request =
            reqwest::Client::builder().no_proxy().build().map_err(failed)?.get(url).timeout(METRICS_LIMIT).send();
        let page = request.await.and_then(reqwest::Response::error_for_status).map_err(failed)?;
        let page = page.text().await.map_err(failed)?;
        Ok(MetricsPage::parse(&page))
    }

    /// Where the bot serves `/metrics`, `/healthz` and `/readyz`.
    pub fn metrics_addr(&self) -> SocketAddr {
        self.command.metrics
    }

    /// The bot's data folder.
    pub fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// The store's SQLite file.
    pub fn store(&self) -> PathBuf {
        self.data().join("stenobot.db")
    }

    /// The bot's log.
    pub fn log(&self) -> &Path {
        &self.command.log
    }

    /// The last lines of the bot's log.
    pub fn log_tail(&self) -> String {
        const LINES: usize = 20;
        let log = std::fs::read(&self.command.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// Leaves the folder with data and log for somebody to look at.
    pub fn keep(&mut self) -> &Path {
        self.folder.keep();
        self.folder.path()
    }
}

/// An address of loopback that nobody listens on now.
fn free_address() -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// The environment variable that sets `key` of the bot's configuration.
fn variable_of(key: &str) -> String {
    format!("STENOBOT_{}", key.to_ascii_uppercase())
}
