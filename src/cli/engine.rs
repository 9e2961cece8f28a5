use std::io::IsTerminal;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use stenobot_engine::confine::{self, Readable};
use stenobot_speech::Runtime;
use tracing_subscriber::EnvFilter;

use crate::telemetry::{OneLine, has_colours};

/// A model and what runs it.
#[derive(Debug, clap::Args)]
pub(super) struct Network {
    /// The model's file
    #[arg(value_name = "FILE")]
    pub(super) model_file: PathBuf,

    /// Threads to compute with
    #[arg(value_name = "THREADS")]
    pub(super) engine_threads: usize,

    /// ONNX Runtime's library; then the model's file is a weights file
    #[arg(long, value_name = "FILE")]
    onnx_library: Option<PathBuf>,
}

impl Network {
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        [Some(&self.model_file), self.onnx_library.as_ref()].into_iter().flatten().map(PathBuf::as_path)
    }

    pub(super) fn runtime(&self) -> Runtime<'_> {
        match &self.onnx_library {
            Some(library) => Runtime::Onnx { library },
            None => Runtime::WhisperCpp,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    network: Network,

    /// The voice activity detector's file; without it everything is taken for speech
    #[arg(long, value_name = "FILE")]
    detector: Option<PathBuf>,

    /// The folder of recordings, besides which no file of the user is read; without it any file may be named
    #[arg(long, value_name = "FOLDER")]
    recordings: Option<PathBuf>,

    /// Recognises nothing: waits for the length of a recording times this factor, and answers a text that says so
    #[arg(long, value_name = "FACTOR")]
    stand_in: Option<f64>,
}

impl Args {
    /// Serves the parent until it closes this process's standard input.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match &self.recordings {
            Some(recordings) => {
                let others = self.detector.iter().chain([recordings]).map(PathBuf::as_path);
                let readable: Vec<&Path> = self.network.files().chain(others).collect();
                confine::engine(Readable::Only(&readable))?;
            }
            None => confine::engine(Readable::Everything)?,
        }
        log_to_stderr();
        let events = claim_stdout().context("the standard output cannot be taken over")?;
        let events = std::fs::File::from(events);
        if let Some(real_time_factor) = self.stand_in {
            stenobot_engine::serve_stand_in(real_time_factor, std::io::stdin(), events)
                .context("the parent cannot be reached")?;
            return Ok(ExitCode::SUCCESS);
        }
        let Network { model_file, engine_threads, .. } = &self.network;
        let (runtime, detector) = (self.network.runtime(), self.detector.as_deref());
        stenobot_engine::serve(runtime, model_file, detector, *engine_threads, std::io::stdin(), events)
            .context("the parent cannot be reached")?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Keeps the pipe for the protocol alone: what native code prints goes to the standard error instead.
pub(super) fn claim_stdout() -> rustix::io::Result<OwnedFd> {
    let events = rustix::io::dup(rustix::stdio::stdout())?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    Ok(events)
}

pub(super) fn log_to_stderr() {
    let chosen = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    // A decoder's error is in the job's failure; whisper.cpp logs each buffer that it allocates.
    let quiet = ["whisper_rs=warn", "symphonia=off"];
    let filter = quiet.iter().filter_map(|directive| directive.parse().ok()).fold(chosen, EnvFilter::add_directive);
    let ansi = std::io::stderr().is_terminal() && has_colours();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(ansi).with_writer(OneLine::of(std::io::stderr)).init();
    // The usual message of a panic may quote transcribed text.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "the engine panicked");
    }));
}
