use std::path::PathBuf;
use std::process::ExitCode;

use crate::app;
use crate::config::{Config, Sources};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Another program in place of this one's engine: the tests bring one that misbehaves on demand
    #[arg(long, hide = true, value_name = "PROGRAM")]
    engine_program: Option<PathBuf>,
}

impl Args {
    pub(super) async fn run(self, config: Config, sources: Sources) -> anyhow::Result<ExitCode> {
        app::run(config, sources, self.engine_program).await
    }
}
