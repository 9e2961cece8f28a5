//! The parent's side of `bench-engine`, and the busy neighbours beside it.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, bail};
use stenobot_domain::ModelFacts;
use stenobot_engine::ENVIRONMENT;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use super::engine::{Pass, Step};
use super::figures::Figures;

/// Threads that spin beside the engine.
pub(super) const NEIGHBOURS: usize = 2;

/// How a model is run.
#[derive(Debug, Clone, Copy)]
pub(super) struct EngineCommand<'a> {
    /// This program.
    pub(super) program: &'a Path,
    pub(super) model: &'a Path,
    /// ONNX Runtime's; without it whisper.cpp runs the model.
    pub(super) library: Option<&'a Path>,
    pub(super) repetitions: Option<u32>,
}

impl EngineCommand<'_> {
    /// Times a model in a process of its own. `on_step` is called after every step.
    pub(super) async fn measure(
        self,
        pass: Pass,
        threads: usize,
        mut on_step: impl FnMut(),
    ) -> anyhow::Result<(Figures, ModelFacts)> {
        let mut command = Command::new(self.program);
        command.arg("bench-engine").arg(std::path::absolute(self.model)?).arg(threads.to_string());
        command.args(["--pass", pass.name()]);
        if let Some(library) = self.library {
            command.arg("--onnx-library").arg(std::path::absolute(library)?);
        }
        if let Some(repetitions) = self.repetitions {
            command.args(["--repetitions", &repetitions.to_string()]);
        }
        command
            .env_clear()
            .envs(std::env::var_os("LD_LIBRARY_PATH").map(|path| ("LD_LIBRARY_PATH", path)))
            .envs(ENVIRONMENT)
            .env("OMP_NUM_THREADS", threads.to_string())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().context("the process that measures cannot be started")?;
        let (Some(output), Some(mut errors)) = (child.stdout.take(), child.stderr.take()) else {
            bail!("the process that measures has no pipes");
        };
        let mut said = String::new();
        let mut lines = BufReader::new(output).lines();
        let steps = async {
            let (mut figures, mut facts) = (Figures { threads, ..Figures::default() }, None);
            let mut is_complete = false;
            while let Some(line) = lines.next_line().await? {
                match serde_json::from_str(&line).context("the process that measures said something else")? {
                    Step::Loaded { seconds, facts: loaded } => {
                        figures.load_seconds = seconds;
                        facts = Some(loaded);
                    }
                    Step::Encoded { window, seconds } => _ = figures.encode_seconds.insert(window, seconds),
                    Step::Decoded { prompt_seconds, token_seconds } => {
                        figures.prompt_seconds = prompt_seconds;
                        figures.token_seconds = token_seconds;
                    }
                    Step::Ended { peak_bytes } => {
                        figures.peak_bytes = peak_bytes;
                        is_complete = true;
                    }
                }
                on_step();
            }
            anyhow::Ok(facts.filter(|_| is_complete).map(|facts| (figures, facts)))
        };
        let (measured, _) = tokio::join!(steps, errors.read_to_string(&mut said));
        let status = child.wait().await?;
        match measured? {
            Some(measured) if status.success() => Ok(measured),
            Some(_) | None => match said.lines().last().map(|line| line.trim_start_matches("stenobot: ")) {
                Some(reason) if status.code().is_some() => bail!("{reason}"),
                Some(_) | None => bail!("the process that measures ended early: {status}"),
            },
        }
    }
}

/// Threads that use the processor until this is dropped.
pub(super) struct Neighbours {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Neighbours {
    pub(super) fn start() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let spin = || {
            let is_over = Arc::clone(&is_over);
            std::thread::spawn(move || {
                let mut number = 1u64;
                while !is_over.load(Ordering::Relaxed) {
                    for _ in 0..1000 {
                        number = std::hint::black_box(number.wrapping_mul(3).wrapping_add(1));
                    }
                }
            })
        };
        let threads = std::iter::repeat_with(spin).take(NEIGHBOURS).collect();
        Self { is_over, threads }
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // They do not panic.
            let _ = thread.join();
        }
    }
}
