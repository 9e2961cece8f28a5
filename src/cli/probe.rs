use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::audio::{ProbeOutcome, probe};

/// Address space of the process in bytes: decoding needs a few megabytes, a hostile header asks for more than there is.
const ADDRESS_SPACE: u64 = 1 << 30;

/// Processor time in seconds after which the kernel ends the process, beside that for the audio itself.
const PROCESSOR_SECONDS: u64 = 30;

/// Slowest decoding that is waited for, in times real time: less than a tenth of what old machines do.
const SLOWEST: u64 = 20;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Longest audio that is accepted, in milliseconds
    #[arg(long, value_name = "N")]
    limit_ms: u64,

    /// The file whose length is asked for
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Args {
    /// Prints one [`ProbeOutcome`] as JSON; any other end of the process means that the decoder was killed or crashed.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let limit = Duration::from_millis(self.limit_ms);
        confine(limit).context("cannot limit this process; the file was not opened")?;
        // A decoder's panic is an outcome and is printed as one; its message would add only source paths.
        std::panic::set_hook(Box::new(|_| {}));
        let outcome = ProbeOutcome::from(probe(&self.file, limit));
        println!("{}", serde_json::to_string(&outcome)?);
        Ok(ExitCode::SUCCESS)
    }
}

/// Takes from this process what a decoder gone wrong could abuse.
fn confine(limit: Duration) -> rustix::io::Result<()> {
    let processor = PROCESSOR_SECONDS + limit.as_secs() / SLOWEST;
    for (resource, most) in [(Resource::As, ADDRESS_SPACE), (Resource::Cpu, processor), (Resource::Core, 0)] {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}
