//! `stenobot simulate`: the real bot under simulated people, and a report.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use stenobot_domain::{Role, SpeechLanguage};
use stenobot_models::{DETECTOR, ModelStore};
use stenobot_simulator::harness::Setup;
use stenobot_simulator::postgres::{PostgresOptions, PrivatePostgres};
use stenobot_simulator::server::Rate;
use stenobot_simulator::simulate::{Arrival, Plan, Screen, simulate};
use stenobot_simulator::terminal::{Lines, Table};
use stenobot_simulator::voices::{Voice, Voices};
use stenobot_store::MAX_CONNECTIONS;

use crate::config::{Config, VoiceActivity};
use crate::engine_setup::{LibrarySearch, find_library};
use crate::telemetry::{has_colours, is_dumb_terminal};

/// For what is not a machine, such as the creation of the database.
const SPARE_CONNECTIONS: u32 = 20;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Users who use the bot.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    users: u32,
    /// Length of each recording in seconds; the sample voices nearest to it are sent.
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=14_400))]
    duration: u64,
    /// Recordings that each user sends.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    messages: u32,
    /// When they are sent: `at-once`, a number of messages per minute, evenly spaced, or `random:` and that number, as messages of
    /// many people come.
    #[arg(long, default_value_t = Arrival::AtOnce)]
    arrival: Arrival,
    /// Folder of the sample voices.
    #[arg(long, default_value = "samples", value_name = "DIR")]
    samples: PathBuf,
    /// Longest time for all answers, in seconds; by default a minute and three times the length of all recordings.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Processes of the bot with the role `worker`, beside those with the role `bot`, over a PostgreSQL database that they share.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=64))]
    workers: u32,
    /// Processes of the bot with the role `bot`; one if there are workers. Without either, one process does everything.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=64))]
    bots: u32,
    /// Kill one of the bot's processes by chance in this interval, and start it again.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    kill_every: Option<u64>,
    /// Recognise no speech: a stand-in for the engine waits for the length of each recording times this factor, which shows more
    /// machines at work than this one has cores for.
    #[arg(long, value_name = "FACTOR", value_parser = real_time_factor)]
    real_time_factor: Option<f64>,
    /// Program whose `run` is the bot, for comparing builds; by default this one.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    bot: Option<PathBuf>,
    /// Messages and edits that the simulated Telegram takes in a second; by default about 30, as Telegram does.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1000))]
    messages_per_second: Option<u32>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Exits with status 1 when not everything was answered exactly once. `database` is the one that the command line names.
    pub(super) async fn run(self, config: &Config, database: Option<&str>) -> anyhow::Result<ExitCode> {
        let language = match &config.engine.language {
            SpeechLanguage::Auto | SpeechLanguage::Several(_) => None,
            SpeechLanguage::Code(code) => Some(code.as_str()),
        };
        let folder = self.samples.clone();
        let voices = tokio::task::spawn_blocking(move || Voices::open(&folder)).await??;
        let voices = voices.about(Duration::from_secs(self.duration), language)?;
        let plan = self.plan(voices, config);
        let program = self.bot.clone().map_or_else(std::env::current_exe, std::path::absolute)?;
        let mut setup = setup(config, program).await?;
        if let Some(rate) = self.messages_per_second {
            setup.server.flood.overall = Rate { burst: rate, every: Duration::from_secs(1) / rate };
            // With the room that the bot's own default leaves.
            setup = setup.with("telegram_messages_per_second", (rate * 28 / 30).max(1).to_string());
        }
        let _engine;
        if let Some(factor) = self.real_time_factor {
            let engine = stand_in(&setup.program, factor)?;
            setup.arguments.extend(["--engine-program".into(), engine.as_os_str().to_owned()]);
            _engine = engine;
        }
        let _server;
        if let Some(url) = database.filter(|url| is_postgres(url)) {
            setup = setup.with("database_url", url);
        } else if plan.machines.len() > 1 {
            // Durable, as an operator's is: its speed is a part of what is measured.
            let machines = u32::try_from(plan.machines.len()).unwrap_or(u32::MAX);
            let connections = machines.saturating_mul(MAX_CONNECTIONS).saturating_add(SPARE_CONNECTIONS);
            let configuration = vec![format!("max_connections = {connections}")];
            let options = PostgresOptions { is_durable: true, configuration, ..Default::default() };
            let server = PrivatePostgres::start(options).await;
            let server = server.context("several processes share a PostgreSQL database: name one by --database-url")?;
            setup = setup.with("database_url", server.create_database("stenobot").await?);
            _server = server;
        }
        let mut screen = self.screen(config);
        let report = simulate(setup, &plan, &mut *screen).await?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            println!("\n{report}");
        }
        Ok(if report.is_exactly_once() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn plan(&self, voices: Vec<Voice>, config: &Config) -> Plan {
        let (users, per_user) = (self.users as usize, self.messages as usize);
        let audio: Duration = voices.iter().cycle().take(users * per_user).map(|voice| voice.duration).sum();
        let arriving = match self.arrival {
            Arrival::AtOnce => Duration::ZERO,
            Arrival::PerMinute(rate) | Arrival::Random(rate) => {
                Duration::from_secs(60) * self.users * self.messages / rate.get()
            }
        };
        let limit = self.timeout.map_or(Duration::from_secs(60) + arriving + audio * 3, Duration::from_secs);
        Plan {
            users,
            per_user,
            voices,
            arrival: self.arrival,
            limit,
            is_limit_chosen: self.timeout.is_some(),
            stop_limit: stop_limit(config),
            machines: self.machines(),
            kill_interval: self.kill_every.map(Duration::from_secs),
            stand_in: self.real_time_factor,
        }
    }

    fn machines(&self) -> Vec<Role> {
        let (bots, workers) = match (self.bots, self.workers) {
            (0, 0) => return vec![Role::All],
            (0, workers) => (1, workers),
            // What bots admit, workers transcribe.
            (bots, 0) => (bots, 1),
            both => both,
        };
        let of = |role, count| std::iter::repeat_n(role, count as usize);
        of(Role::Bot, bots).chain(of(Role::Worker, workers)).collect()
    }

    fn screen(&self, config: &Config) -> Box<dyn Screen + Send> {
        if self.json {
            Box::new(Lines::new(std::io::stderr()))
        } else if std::io::stdout().is_terminal() && !is_dumb_terminal() {
            let people = if self.users == 1 { "1 person".to_owned() } else { format!("{} people", self.users) };
            let engine = match self.real_time_factor {
                Some(factor) => format!("STAND-IN of real-time factor {factor}, no speech recognition"),
                None => format!("model {}", config.engine.model),
            };
            let machines = match self.machines().len() {
                1 => String::new(),
                count => format!(", {count} processes"),
            };
            Box::new(Table::new(format!("{people}, {engine}{machines}"), has_colours()))
        } else {
            Box::new(Lines::new(std::io::stdout()))
        }
    }
}

fn is_postgres(url: &str) -> bool {
    ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme))
}

/// At most 100 times the length.
fn real_time_factor(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok().filter(|factor| (0.0..=100.0).contains(factor));
    factor.ok_or_else(|| "give a number from 0 to 100".to_owned())
}

/// A program that takes the place of the engine's: called as that, it starts the stand-in of `program`.
fn stand_in(program: &Path, factor: f64) -> anyhow::Result<tempfile::TempPath> {
    let quoted = program.to_str().context("the program's path is not UTF-8")?.replace('\'', r"'\''");
    let mut file = tempfile::Builder::new()
        .prefix("stenobot-stand-in-")
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempfile()?;
    write!(file, "#!/bin/sh\nshift\nexec '{quoted}' engine --stand-in {factor} \"$@\"\n")?;
    // Closed, because the system executes no file that is open for writing.
    Ok(file.into_temp_path())
}

/// Maximum time from SIGTERM to the bot's end: its own limit, and some time for the system.
pub(super) fn stop_limit(config: &Config) -> Duration {
    config.timing.shutdown + Duration::from_secs(10)
}

/// A bot with the program, this configuration and its model.
pub(super) async fn setup(config: &Config, program: PathBuf) -> anyhow::Result<Setup> {
    let mut bot = settings(config, model(config).await?)?;
    match find_library(config, &program).await {
        // The simulated bot has a data folder of its own.
        LibrarySearch::Found(library) => {
            bot.insert("onnx_library".to_owned(), std::path::absolute(library.path)?.into());
        }
        LibrarySearch::Missing { .. } | LibrarySearch::NotWanted => {}
    }
    let models = Some(std::path::absolute(config.storage.models())?);
    Ok(Setup { bot, models, ..Setup::of(program) })
}

/// Settings that the simulation makes itself.
const SIMULATION_SETTINGS: [&str; 8] = [
    "telegram_api_url",
    "proxy_url",
    "webhook_url",
    "webhook_addr",
    "data_dir",
    "database_url",
    "metrics_addr",
    "log_format",
];

/// The settings of the simulated bot.
fn settings(config: &Config, model: OsString) -> std::io::Result<BTreeMap<String, OsString>> {
    let mut settings: BTreeMap<String, OsString> = config
        .values()
        .into_iter()
        .filter(|(key, _)| !SIMULATION_SETTINGS.contains(key))
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect();
    settings.insert("model".to_owned(), model);
    if let Some(folder) = &config.telegram.texts {
        // The bot runs in another working directory.
        settings.insert("texts_dir".to_owned(), std::path::absolute(folder)?.into());
    }
    Ok(settings)
}

/// The model setting of the simulated bot: a name for a model in the shared model folder, else an absolute path. Checks that
/// model and voice activity detector exist and are intact.
async fn model(config: &Config) -> anyhow::Result<OsString> {
    let models = config.storage.models();
    let spec = &config.engine.model;
    let store = ModelStore::new(models.clone(), config.engine.model_base_url.clone());
    match config.engine.voice_activity {
        VoiceActivity::On => drop(store.find(DETECTOR).await?),
        VoiceActivity::Off => {}
    }
    let file = store.find(spec).await?.path;
    if file == models.join(format!("ggml-{spec}.bin")) {
        Ok(spec.into())
    } else {
        Ok(std::path::absolute(file)?.into_os_string())
    }
}
