use std::path::PathBuf;
use std::process::ExitCode;

use stenobot_store::backup::{Contents, backup};

use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to write the copy.
    file: PathBuf,
    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
}

impl Args {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let Contents { people, requests, under_way } = backup(&config.storage.database, &self.file, self.force).await?;
        let bytes = self.file.metadata()?.len();
        println!(
            "{}: people: {people}, requests: {requests}, under way: {under_way}; {} KiB, verified",
            self.file.display(),
            bytes.div_ceil(1024)
        );
        Ok(ExitCode::SUCCESS)
    }
}
