//! `stenobot playground`: a chat with the bot in the browser.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Context, bail};
use stenobot_simulator::harness::Simulation;
use stenobot_simulator::voices::Voices;
use stenobot_simulator::workspace::Workspace;
use tokio::signal::unix::{SignalKind, signal};

use super::simulate::{setup, stop_limit};
use crate::config::{Config, TOKEN_FILE_VARIABLE, TOKEN_VARIABLES};
use crate::playground::{OWNER, Playground, PlaygroundSettings};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Port of 127.0.0.1 for the page; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Show the page in this machine's browser.
    #[arg(long)]
    open: bool,
    /// Folder of sample voices to choose from.
    #[arg(long, default_value = "samples", value_name = "DIR")]
    samples: PathBuf,
    /// Another program in place of the bot's engine: the tests bring one that misbehaves on demand
    #[arg(long, hide = true, value_name = "PROGRAM")]
    engine_program: Option<PathBuf>,
}

impl Args {
    /// Serves until Ctrl-C or SIGTERM, or until the bot ends early, which is an error.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        // Installed first, so that an early signal also stops everything in order.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut stop = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let mut setup = setup(config, std::env::current_exe()?).await?;
        setup = setup.with("owner_accounts", OWNER.to_string());
        if let Some(engine) = &self.engine_program {
            setup.arguments.extend(["--engine-program".into(), std::path::absolute(engine)?.into()]);
        }
        let voices = voices(&self.samples).await?;
        eprintln!("Starting the bot with {}", config.engine.model);
        let mut simulation = tokio::select! {
            simulation = Simulation::start(setup) => simulation?,
            () = stop() => return Ok(ExitCode::SUCCESS),
        };
        let settings = PlaygroundSettings { port: self.port, voices, file_bytes: config.limits.file_bytes };
        let port = self.port;
        let playground = Playground::start(simulation.api().clone(), settings)
            .await
            .with_context(|| format!("the page cannot be served on 127.0.0.1:{port}: choose another --port"))?;
        println!("{}", playground.url());
        eprintln!("Open this address in a browser on this machine. Ctrl-C ends it; nothing is kept.");
        let _page = match self.open.then(|| open(playground.url())).transpose() {
            Ok(page) => page,
            Err(error) => {
                eprintln!("No browser could be started from here: {error}");
                None
            }
        };
        let ended = match simulation.process() {
            Some(bot) => tokio::select! {
                ended = bot.wait_for_exit() => Some(ended?),
                () = stop() => None,
            },
            None => None,
        };
        playground.stop().await;
        if let Some(status) = ended {
            bail!("the bot ended with {status}; its log ends with:\n{}", simulation.log_tail());
        }
        // A second signal ends the wait.
        tokio::select! {
            status = simulation.terminate(stop_limit(config)) => drop(status?),
            () = stop() => {}
        }
        simulation.api().stop().await;
        Ok(ExitCode::SUCCESS)
    }
}

/// The sample recordings; without them the page has microphone and files only.
async fn voices(folder: &Path) -> anyhow::Result<Option<Voices>> {
    let folder = folder.to_owned();
    match tokio::task::spawn_blocking(move || Voices::open(&folder)).await? {
        Ok(voices) => Ok(Some(voices)),
        Err(error) => {
            eprintln!("{error}");
            Ok(None)
        }
    }
}

/// Opens the page in this machine's browser. The address contains a secret and the arguments of processes are public, so
/// the browser gets a private file that redirects. The file is removed when the result is dropped.
fn open(url: &str) -> std::io::Result<Workspace> {
    let folder = Workspace::create()?;
    let file = folder.path().join("playground.html");
    // The address needs no escaping: it has digits, letters and separators only.
    let page = format!(
        "<!doctype html><meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\">\
         <meta http-equiv=\"refresh\" content=\"0; url={url}\"><title>Stenobot playground</title>\
         <a href=\"{url}\">Stenobot playground</a>\n"
    );
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)?.write_all(page.as_bytes())?;
    let mut browser = std::process::Command::new("xdg-open");
    for variable in TOKEN_VARIABLES.into_iter().chain([TOKEN_FILE_VARIABLE]) {
        browser.env_remove(variable);
    }
    browser.arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    Ok(folder)
}
