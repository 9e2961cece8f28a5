use std::process::ExitCode;

use crate::app;
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

impl Args {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        app::run(config).await?;
        Ok(ExitCode::SUCCESS)
    }
}
