//! One child process on the parent's side.

use std::io;
use std::process::Stdio;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use tokio::process::{self, Child, ChildStdin, ChildStdout};
use tokio::time::timeout;
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

use super::error::Exit;
use super::job::absolute;
use super::protocol::{self, Command, Event};
use super::settings::EngineSettings;

/// The variables a child inherits. The bot's token, wherever it is kept, is not among them.
const INHERITED: [&str; 5] = ["LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ", "RUST_BACKTRACE"];

/// The child's PATH, whatever the bot's own is. The engine itself starts no programs.
const PATH: (&str, &str) = ("PATH", "/usr/bin:/bin");

/// On an abort ggml would otherwise start gdb or lldb, attached to the process.
const NO_BACKTRACE: (&str, &str) = ("GGML_NO_BACKTRACE", "1");

/// How long libgomp's threads spin before they sleep. Its default collapses beside a busy neighbour, sleeping
/// at once triples the time per token on a quiet machine.
const SPIN_COUNT: (&str, &str) = ("GOMP_SPINCOUNT", "1000");

/// ONNX Runtime from 1.29 on sends telemetry unless this is set before it is loaded.
pub(super) const NO_TELEMETRY: (&str, &str) = ("ORT_DISABLE_TELEMETRY", "1");

/// Variables of every engine process, beside those that it inherits.
pub const ENVIRONMENT: [(&str, &str); 4] = [PATH, NO_BACKTRACE, SPIN_COUNT, NO_TELEMETRY];

/// A child process. Dropping it kills the process.
#[derive(Debug)]
pub(super) struct EngineProcess {
    child: Child,
    commands: FramedWrite<ChildStdin, LengthDelimitedCodec>,
    events: FramedRead<ChildStdout, LengthDelimitedCodec>,
}

/// Why a child sends nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// It closed its output, most likely because it died.
    Closed,
    /// It sent something that is no event.
    ProtocolError,
}

impl EngineProcess {
    pub(super) fn spawn(settings: &EngineSettings) -> io::Result<Self> {
        let mut command = process::Command::new(absolute(&settings.command));
        command
            .args(&settings.arguments)
            .env_clear()
            .envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .envs(ENVIRONMENT)
            .envs(settings.environment.iter().map(|(name, value)| (name, value)))
            // Neither reads nor leaves files where the bot was started.
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A group of its own: Ctrl-C on the terminal goes to the parent only, which then ends its jobs.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let missing = || io::Error::other("the child has no pipe");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        Ok(Self {
            child,
            commands: FramedWrite::new(input, protocol::codec()),
            events: FramedRead::new(output, protocol::codec()),
        })
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Commands are far smaller than a pipe's buffer: this does not wait for a child that does not read.
    pub(super) async fn send(&mut self, command: &Command) -> io::Result<()> {
        let frame: Bytes = protocol::encode(command)?;
        self.commands.send(frame).await
    }

    /// The next event. Cancel safe: no bytes are lost when the future is dropped.
    pub(super) async fn receive(&mut self) -> Result<Event, Lost> {
        match self.events.next().await {
            None => Err(Lost::Closed),
            Some(Err(_)) => Err(Lost::ProtocolError),
            Some(Ok(frame)) => protocol::decode(&frame).map_err(|_| Lost::ProtocolError),
        }
    }

    /// Ends the process if it has not ended, and gives its exit.
    pub(super) async fn reap(mut self, lost: Lost, settings: &EngineSettings) -> Exit {
        match lost {
            Lost::ProtocolError => {
                self.kill().await;
                Exit::ProtocolError
            }
            Lost::Closed => match timeout(settings.cancel_grace, self.child.wait()).await {
                Ok(Ok(status)) => status.into(),
                Ok(Err(_)) | Err(_) => {
                    self.kill().await;
                    Exit::Unresponsive
                }
            },
        }
    }

    /// Kills the process and waits for its end.
    pub(super) async fn kill(&mut self) {
        // Fails only when the process is gone already.
        let _ = self.child.kill().await;
    }

    /// Closes its input, upon which an engine ends; kills it when it takes longer than the grace.
    pub(super) async fn stop(mut self, settings: &EngineSettings) {
        drop(self.commands);
        if timeout(settings.cancel_grace, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}
