use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap_complete::Shell;

use super::flags;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut flags::documented(), "stenobot", &mut script);
        std::io::stdout().write_all(&script).context("the script cannot be printed")?;
        Ok(ExitCode::SUCCESS)
    }
}
