//! `stenobot bench-engine`: the process that loads one model and times its steps, so that its memory is the engine's alone.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use stenobot_domain::{ModelFacts, quantile};
use stenobot_engine::confine::{self, Readable};
use stenobot_host::ProcessUsage;
use stenobot_speech::{Measured, RecognizerError};
use tokio::time::Instant;

use super::super::engine::{Network, claim_stdout, log_to_stderr};

/// Tokens that are decoded to time one.
const TOKENS: u16 = 40;
/// Length of the window that they follow, in seconds.
pub(super) const DECODED_WINDOW: u32 = 10;
/// Lengths of the windows that are encoded, in seconds; the last is the one that tokens follow.
const WINDOWS: [u32; 4] = [5, 15, 30, DECODED_WINDOW];
/// A step that takes longer is slow.
const SLOW: Duration = Duration::from_secs(2);
/// A step is not repeated after this time.
const MAX_STEP_TIME: Duration = Duration::from_secs(20);

/// Steps that are timed, and how often each is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Pass {
    /// All, five times, slow ones three times.
    Full,
    /// All, three times, slow ones once.
    Brief,
    /// Those of a message of 10 s, as often as in a full pass.
    Message,
}

impl Pass {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Brief => "brief",
            Self::Message => "message",
        }
    }

    fn windows(self) -> &'static [u32] {
        match self {
            Self::Full | Self::Brief => &WINDOWS,
            Self::Message => &[DECODED_WINDOW],
        }
    }

    /// Lines that the process writes.
    pub(super) fn steps(self) -> u64 {
        self.windows().len() as u64 + 3
    }

    /// Of a step that took so long the first time.
    fn repetitions(self, first: Duration) -> u32 {
        match (self, first > SLOW) {
            (Self::Full | Self::Message, false) => 5,
            (Self::Full | Self::Message, true) | (Self::Brief, false) => 3,
            (Self::Brief, true) => 1,
        }
    }
}

/// A finished step: one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(super) enum Step {
    Loaded {
        seconds: f64,
        facts: ModelFacts,
    },
    Encoded {
        window: u32,
        seconds: f64,
    },
    Decoded {
        prompt_seconds: f64,
        token_seconds: f64,
    },
    /// `peak_bytes`: maximum of the resident memory.
    Ended {
        peak_bytes: u64,
    },
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct EngineArgs {
    #[command(flatten)]
    network: Network,

    /// What is timed
    #[arg(long, value_enum, default_value_t = Pass::Full)]
    pass: Pass,

    /// Most repetitions of a step
    #[arg(long, value_name = "N")]
    repetitions: Option<u32>,
}

impl EngineArgs {
    /// Prints one [`Step`] a line.
    pub(in crate::cli) fn run(self) -> anyhow::Result<ExitCode> {
        let readable: Vec<&Path> = self.network.files().collect();
        confine::engine(Readable::Only(&readable))?;
        log_to_stderr();
        let output = claim_stdout().context("the standard output cannot be taken over")?;
        let mut output = File::from(output);
        let mut report = |step: &Step| {
            let line = serde_json::to_string(step)? + "\n";
            output.write_all(line.as_bytes()).context("the parent cannot be reached")
        };
        let started = Instant::now();
        let mut model = Measured::load(self.network.runtime(), &self.network.model_file, self.network.engine_threads)?;
        report(&Step::Loaded { seconds: started.elapsed().as_secs_f64(), facts: model.facts() })?;

        // Starts the threads and reads the weights once.
        model.encode(seconds(self.pass.windows()[0]))?;
        model.prompt()?;
        for &window in self.pass.windows() {
            let [seconds] = self.medians(|| Ok([timed(|| model.encode(seconds(window)))?]))?;
            report(&Step::Encoded { window, seconds })?;
        }
        let [prompt_seconds, tokens] =
            self.medians(|| Ok([timed(|| model.prompt())?, timed(|| model.decode(TOKENS))?]))?;
        report(&Step::Decoded { prompt_seconds, token_seconds: tokens / f64::from(TOKENS) })?;

        let usage = ProcessUsage::of(std::process::id()).context("/proc cannot be read")?;
        report(&Step::Ended { peak_bytes: usage.peak_bytes })?;
        Ok(ExitCode::SUCCESS)
    }

    /// Repeats a step and gives the medians of its times, in seconds.
    fn medians<const N: usize>(
        &self,
        mut step: impl FnMut() -> Result<[Duration; N], RecognizerError>,
    ) -> anyhow::Result<[f64; N]> {
        let first = step()?;
        let wanted = self.pass.repetitions(first.iter().sum());
        let wanted = self.repetitions.map_or(wanted, |most| wanted.min(most));
        let mut spent: Duration = first.iter().sum();
        let mut times = vec![first];
        while times.len() < wanted as usize && spent < MAX_STEP_TIME {
            let again = step()?;
            spent += again.iter().sum::<Duration>();
            times.push(again);
        }
        Ok(std::array::from_fn(|part| {
            let mut sorted: Vec<f64> = times.iter().map(|times| times[part].as_secs_f64()).collect();
            sorted.sort_by(f64::total_cmp);
            quantile::nearest_rank(&sorted, 50).unwrap_or(0.0)
        }))
    }
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(number.into())
}

fn timed(step: impl FnOnce() -> Result<(), RecognizerError>) -> Result<Duration, RecognizerError> {
    let started = Instant::now();
    step()?;
    Ok(started.elapsed())
}
