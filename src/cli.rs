//! The subcommands. Each lives in a file of its own below `cli/`.

mod adopt;
mod backup;
mod bench;
mod completions;
mod config;
mod doctor;
mod engine;
mod flags;
mod health;
mod import_legacy;
mod man;
mod migrate;
mod model;
mod onnx_version;
#[cfg(feature = "simulator")]
mod playground;
mod probe;
mod restore;
mod run;
#[cfg(feature = "simulator")]
mod simulate;
mod stats;
mod terminal;
mod transcribe;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{FromArgMatches, Parser, Subcommand};
use stenobot_domain::secrets;
use stenobot_engine::confine;

use crate::config::{Config, ConfigError, Overrides, Sources};
use crate::{lifecycle, telemetry};

/// How long the process waits for blocking calls after the bot has stopped.
const BLOCKING_SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(500);

/// The package's version and, of a release build, the commit: see build.rs.
pub(crate) const VERSION: &str = match option_env!("BUILD_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

/// Turns Telegram voice messages into text on this machine.
#[derive(Debug, Parser)]
#[command(version = VERSION, propagate_version = true, after_help = EXIT_STATUS)]
pub(crate) struct Cli {
    /// Configuration file; without it stenobot.toml is read if present
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    overrides: Overrides,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the bot
    Run(run::Args),
    /// Transcribe audio files on the terminal
    Transcribe(transcribe::Args),
    /// Look for what keeps the bot from working here
    Doctor(doctor::Args),
    /// Ask the running bot whether it is ready
    Health(health::Args),
    /// Measure the models on this machine, and say which it bears
    Bench(bench::Args),
    /// List, download, import and quantise models
    Model(model::Args),
    /// Show what the bot has done: answers, waiting times, speed, failures
    Stats(stats::Args),
    /// Copy the store to a file, also while the bot runs
    Backup(backup::Args),
    /// Put a copy of the store back
    Restore(restore::Args),
    /// Copy the store from SQLite to PostgreSQL, or back
    Migrate(migrate::Args),
    /// Let the bot of this token take over the store of another bot
    Adopt(adopt::Args),
    /// Bring along people and usage from a predecessor's database
    ImportLegacy(import_legacy::Args),
    /// Show the settings that are in effect, and where each comes from
    Config(config::Args),
    /// Print a script for the completion of commands and options in a shell
    Completions(completions::Args),
    /// Write the manual pages into a folder, or print that of the program
    Man(man::Args),
    /// Run the real bot against a local Bot API server with simulated people
    #[cfg(feature = "simulator")]
    Simulate(simulate::Args),
    /// Talk to the real bot in the browser, without Telegram
    #[cfg(feature = "simulator")]
    Playground(playground::Args),
    /// Serve transcriptions over standard input and output (started by the bot)
    #[command(hide = true)]
    Engine(engine::Args),
    /// Time the steps of a model (started by `bench`)
    #[command(hide = true)]
    BenchEngine(bench::EngineArgs),
    /// Tell the version of an ONNX Runtime library (started by the bot)
    #[command(hide = true)]
    OnnxVersion(onnx_version::Args),
    /// Tell the length of an audio file (started by the bot)
    #[command(hide = true)]
    Probe(probe::Args),
}

/// Exit status of a command line that cannot be parsed, as clap has it.
const USAGE: u8 = 2;

/// The end of the help.
const EXIT_STATUS: &str = "\
Settings are flags of the commands that use them, too: `stenobot run --help` lists all.

Exit status:
  0  the command did its work; of `run`: it was stopped by a signal
  1  it failed, and says why on standard error. Also: `doctor` found a failure,
     `health` a bot that is not ready, `transcribe` a file without a result,
     `simulate` a request that was not answered exactly once
  2  the command line cannot be used";

/// The whole program: parses the command line, runs the command, turns its outcome into an exit status.
///
/// Every command creates files for its user alone, keeps its memory and environment unreadable to other processes of that
/// user, and hides secrets in the failures that it prints.
pub fn main() -> ExitCode {
    // Before anything is read that may hold a secret.
    lifecycle::set_private_umask();
    telemetry::print_panics();
    if let Err(error) = confine::every_process() {
        return terminal::fail(&error.into());
    }
    terminal::hide_tokens_of_environment();
    if std::env::args_os().any(|argument| secrets::find_token(argument.as_encoded_bytes()).is_some()) {
        let sentence = "an argument holds a bot token, and every user of this machine can see the arguments of a process: \
                        put the token into .env as TELEGRAM_BOT_TOKEN, and have @BotFather revoke this one";
        return terminal::fail(&anyhow::anyhow!(sentence));
    }
    let mut command = flags::command();
    let parsed = command.try_get_matches_from_mut(std::env::args_os()).and_then(|matches| {
        let cli = Cli::from_arg_matches(&matches)?;
        flags::refuse_unused(&mut command, &matches, &cli.overrides)?;
        Ok(cli)
    });
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            terminal::explain_usage(&error);
            return ExitCode::from(USAGE);
        }
        // Help or the version, which are no secrets.
        Err(help) => help.exit(),
    };
    cli.run().unwrap_or_else(|error| terminal::fail(&error))
}

impl Cli {
    fn run(self) -> anyhow::Result<ExitCode> {
        let sources = Sources { file: self.config, overrides: self.overrides };
        match self.command {
            Command::Run(args) => {
                let runtime = async_runtime()?;
                let outcome = runtime.block_on(args.run(load(&sources)?, sources));
                // A model that is being read, or a disk that hangs, does not delay the exit.
                runtime.shutdown_timeout(BLOCKING_SHUTDOWN_TIMEOUT);
                outcome
            }
            Command::Transcribe(args) => async_runtime()?.block_on(args.run(&load(&sources)?)),
            Command::Doctor(args) => async_runtime()?.block_on(args.run(load(&sources))),
            Command::Health(args) => async_runtime()?.block_on(args.run(load(&sources))),
            Command::Bench(args) => async_runtime()?.block_on(args.run(&load(&sources)?)),
            Command::Model(args) => async_runtime()?.block_on(args.run(&load(&sources)?)),
            Command::Stats(args) => async_runtime()?.block_on(args.run(&load(&sources)?)),
            Command::Backup(args) => async_runtime()?.block_on(args.run(&load(&sources)?)),
            Command::Restore(args) => async_runtime()?.block_on(args.run(&load(&sources)?)),
            Command::Migrate(args) => async_runtime()?.block_on(args.run(&load(&sources)?)),
            Command::Adopt(args) => async_runtime()?.block_on(args.run(&load(&sources)?)),
            Command::Config(args) => args.run(&sources),
            Command::Completions(args) => args.run(),
            Command::Man(args) => args.run(),
            Command::ImportLegacy(args) => async_runtime()?.block_on(args.run(&load(&sources)?)),
            #[cfg(feature = "simulator")]
            Command::Simulate(args) => {
                // That of a file or of the environment is the operator's.
                let database = sources.overrides.database_url.as_deref();
                async_runtime()?.block_on(args.run(&load(&sources)?, database))
            }
            #[cfg(feature = "simulator")]
            Command::Playground(args) => async_runtime()?.block_on(args.run(&load(&sources)?)),
            Command::Engine(args) => args.run(),
            Command::BenchEngine(args) => args.run(),
            Command::OnnxVersion(args) => args.run(),
            Command::Probe(args) => args.run(),
        }
    }
}

/// Reads the configuration and registers its secrets to be hidden in the failures that this process prints.
fn load(sources: &Sources) -> Result<Config, ConfigError> {
    let config = Config::load(sources)?;
    terminal::hide_secrets_of(&config);
    Ok(config)
}

fn async_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
