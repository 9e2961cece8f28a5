use std::path::PathBuf;
use std::process::ExitCode;

use stenobot_engine::confine::{self, Readable};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// ONNX Runtime's library
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Args {
    /// Prints the library's version.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        confine::engine(Readable::Only(&[&self.file]))?;
        println!("{}", stenobot_speech::onnx_runtime_version(&self.file)?);
        Ok(ExitCode::SUCCESS)
    }
}
