use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use stenobot_audio::{ProbeOutcome, probe};
use stenobot_engine::confine;

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
        confine::probe(&self.file, limit)?;
        // A decoder's panic is an outcome and is printed as one; its message would add only source paths.
        std::panic::set_hook(Box::new(|_| {}));
        let outcome = ProbeOutcome::from(probe(&self.file, limit));
        println!("{}", serde_json::to_string(&outcome)?);
        Ok(ExitCode::SUCCESS)
    }
}
