//! The real bot as a child process, told by its environment alone what to do.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::usage::Meter;

/// Variables that a child gets from this process; no other, so that no token of a real bot comes along.
const INHERITED: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ"];

/// How to start the bot.
#[derive(Debug, Clone)]
pub struct BotCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its whole environment but for a few harmless variables of this process such as `PATH`.
    pub environment: BTreeMap<String, OsString>,
    /// Its working directory.
    pub directory: PathBuf,
    /// Where its standard output and error go, appended.
    pub log: PathBuf,
    /// Where it will serve its metrics.
    pub metrics: SocketAddr,
}

/// A running bot. Dropping it kills it.
#[derive(Debug)]
pub struct BotProcess {
    child: Child,
    pid: u32,
    meter: Meter,
}

impl BotProcess {
    /// Starts it.
    ///
    /// # Errors
    /// When the program cannot be started or the log not be opened.
    pub fn start(command: &BotCommand) -> std::io::Result<Self> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&command.log)?;
        let inherited = INHERITED.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
        let child = Command::new(&command.program)
            .args(&command.arguments)
            .env_clear()
            .envs(inherited)
            .envs(&command.environment)
            .current_dir(&command.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C in the terminal is for the simulation, which then ends the bot in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().ok_or_else(|| std::io::Error::other("the bot ended at once"))?;
        Ok(Self { child, pid, meter: Meter::start(pid) })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it and its child processes have used.
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Waits until it ends by itself. Safe to cancel.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// SIGKILL: as if the machine lost its power.
    ///
    /// # Errors
    /// When the system cannot tell how it ended.
    pub async fn kill(mut self) -> std::io::Result<ExitStatus> {
        self.child.start_kill()?;
        self.child.wait().await
    }

    /// SIGTERM, then SIGKILL if it has not ended within `limit`.
    ///
    /// # Errors
    /// When the system cannot tell how it ended.
    pub async fn terminate(mut self, limit: Duration) -> std::io::Result<ExitStatus> {
        if self.child.try_wait()?.is_none()
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
        {
            kill_process(pid, Signal::TERM)?;
        }
        match tokio::time::timeout(limit, self.child.wait()).await {
            Ok(ended) => ended,
            Err(_) => self.kill().await,
        }
    }
}
