//! The bot as a child process, configured by its environment alone.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::usage::UsageSampler;

/// The only variables that the child inherits, so that it never gets the token of a real bot.
const INHERITED: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ"];

/// How the bot is started.
#[derive(Debug, Clone)]
pub(crate) struct BotCommand {
    /// Path of the executable.
    pub(crate) program: PathBuf,
    /// Arguments without the program.
    pub(crate) arguments: Vec<OsString>,
    /// Environment, besides a few inherited variables such as `PATH`.
    pub(crate) environment: BTreeMap<String, OsString>,
    /// Working directory.
    pub(crate) directory: PathBuf,
    /// File to which standard output and error are appended.
    pub(crate) log: PathBuf,
    /// Address of its metrics page.
    pub(crate) metrics: SocketAddr,
}

/// A running bot. Dropping it kills it.
#[derive(Debug)]
pub struct BotProcess {
    child: Child,
    pid: u32,
    meter: UsageSampler,
}

impl BotProcess {
    /// # Errors
    /// When the program cannot be started or the log cannot be opened.
    pub(crate) fn start(command: &BotCommand) -> std::io::Result<Self> {
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
        Ok(Self { child, pid, meter: UsageSampler::start(pid) })
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Resource usage of the bot and its child processes.
    pub(crate) fn meter(&self) -> &UsageSampler {
        &self.meter
    }

    /// Waits until the process ends. Cancel safe.
    ///
    /// # Errors
    /// When its status cannot be read.
    pub async fn wait_for_exit(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Sends SIGKILL, as abrupt as a loss of power, and waits.
    ///
    /// # Errors
    /// When its status cannot be read.
    pub(crate) async fn kill(mut self) -> std::io::Result<ExitStatus> {
        self.child.start_kill()?;
        self.child.wait().await
    }

    /// Sends SIGTERM, and SIGKILL if the process has not ended within `limit`.
    ///
    /// # Errors
    /// When its status cannot be read.
    pub(crate) async fn terminate(mut self, limit: Duration) -> std::io::Result<ExitStatus> {
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
