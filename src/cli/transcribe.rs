use std::process::ExitCode;

use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

impl Args {
    pub(super) async fn run(self, _config: &Config) -> anyhow::Result<ExitCode> {
        anyhow::bail!("not built yet")
    }
}
