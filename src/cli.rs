//! The subcommands. Each lives in a file of its own below `cli/`.

mod backup;
mod doctor;
mod engine;
mod health;
mod import_legacy;
mod model;
mod playground;
mod probe;
mod restore;
mod run;
mod simulate;
mod stats;
mod transcribe;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::config::{Config, Overrides, Sources};

/// How long blocking calls may take on after the bot has stopped.
const LAST_READS: Duration = Duration::from_millis(500);

/// Turns Telegram voice messages into text on this machine.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub struct Cli {
    /// Configuration file; without it stenobot.toml is read if present.
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
    /// List, download, import and quantise models
    Model(model::Args),
    /// Show what the bot has done: answers, waiting times, speed, failures
    Stats(stats::Args),
    /// Copy the journal to a file, also while the bot runs
    Backup(backup::Args),
    /// Put a copy of the journal back
    Restore(restore::Args),
    /// Bring along people and usage from a predecessor's database
    ImportLegacy(import_legacy::Args),
    /// Run the real bot against a local Bot API server with simulated people
    Simulate(simulate::Args),
    /// Talk to the real bot in the browser, without Telegram
    Playground(playground::Args),
    /// Serve transcriptions over standard input and output (started by the bot)
    #[command(hide = true)]
    Engine(engine::Args),
    /// Tell the length of an audio file (started by the bot)
    #[command(hide = true)]
    Probe(probe::Args),
}

impl Cli {
    /// Runs the command to its end.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let sources = Sources { file: self.config, overrides: self.overrides };
        match self.command {
            Command::Run(args) => {
                let runtime = async_runtime()?;
                let outcome = runtime.block_on(args.run(Config::load(&sources)?, sources));
                // A model that is being read, or a disk that hangs, does not keep the process.
                runtime.shutdown_timeout(LAST_READS);
                outcome
            }
            Command::Transcribe(args) => async_runtime()?.block_on(args.run(&Config::load(&sources)?)),
            Command::Doctor(args) => async_runtime()?.block_on(args.run(Config::load(&sources))),
            Command::Health(args) => async_runtime()?.block_on(args.run(Config::load(&sources))),
            Command::Model(args) => async_runtime()?.block_on(args.run(&Config::load(&sources)?)),
            Command::Stats(args) => async_runtime()?.block_on(args.run(&Config::load(&sources)?)),
            Command::Backup(args) => async_runtime()?.block_on(args.run(&Config::load(&sources)?)),
            Command::Restore(args) => async_runtime()?.block_on(args.run(&Config::load(&sources)?)),
            Command::ImportLegacy(args) => async_runtime()?.block_on(args.run(&Config::load(&sources)?)),
            Command::Simulate(args) => async_runtime()?.block_on(args.run(&Config::load(&sources)?)),
            Command::Playground(args) => async_runtime()?.block_on(args.run(&Config::load(&sources)?)),
            Command::Engine(args) => args.run(),
            Command::Probe(args) => args.run(),
        }
    }
}

fn async_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
