//! `stenobot simulate`: the real bot under simulated people, and a report.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use stenobot_domain::SpeechLanguage;
use stenobot_models::{DETECTOR, ModelStore};
use stenobot_simulator::harness::Setup;
use stenobot_simulator::simulate::{Arrival, Plan, Screen, simulate};
use stenobot_simulator::terminal::{Lines, Table};
use stenobot_simulator::voices::{Voice, Voices};

use crate::config::{Config, VoiceActivity};
use crate::engine_setup::{LibrarySearch, find_library};

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
    /// When they are sent: `at-once`, or a number of messages per minute.
    #[arg(long, default_value_t = Arrival::AtOnce)]
    arrival: Arrival,
    /// Folder of the sample voices.
    #[arg(long, default_value = "samples", value_name = "DIR")]
    samples: PathBuf,
    /// Longest time for all answers, in seconds; by default a minute and three times the length of all recordings.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Program whose `run` is the bot, for comparing builds; by default this one.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    bot: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Exits with status 1 when anything was lost or answered twice.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let language = match &config.engine.language {
            SpeechLanguage::Auto => None,
            SpeechLanguage::Code(code) => Some(code.as_str()),
        };
        let folder = self.samples.clone();
        let voices = tokio::task::spawn_blocking(move || Voices::open(&folder)).await??;
        let voices = voices.about(Duration::from_secs(self.duration), language)?;
        let plan = self.plan(voices, config);
        let program = self.bot.clone().map_or_else(std::env::current_exe, std::path::absolute)?;
        let setup = setup(config, program).await?;
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
            Arrival::PerMinute(rate) => Duration::from_secs(60) * self.users * self.messages / rate.get(),
        };
        let limit = self.timeout.map_or(Duration::from_secs(60) + arriving + audio * 3, Duration::from_secs);
        Plan { users, per_user, voices, arrival: self.arrival, limit, stop_limit: stop_limit(config) }
    }

    fn screen(&self, config: &Config) -> Box<dyn Screen + Send> {
        if self.json {
            Box::new(Lines::new(std::io::stderr()))
        } else if std::io::stdout().is_terminal() {
            let people = if self.users == 1 { "1 person".to_owned() } else { format!("{} people", self.users) };
            Box::new(Table::new(format!("{people}, model {}", config.engine.model)))
        } else {
            Box::new(Lines::new(std::io::stdout()))
        }
    }
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
