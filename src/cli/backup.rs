use std::path::PathBuf;
use std::process::ExitCode;

use stenobot_store::{Contents, ReadOnlyStore};

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
        let store = ReadOnlyStore::open(&config.storage.database).await?;
        let Contents { users, requests, open } = store.backup(&self.file, self.force).await?;
        store.close().await;
        let bytes = self.file.metadata()?.len();
        println!(
            "{}: people: {users}, requests: {requests}, under way: {open}; {} KiB, verified",
            self.file.display(),
            bytes.div_ceil(1024)
        );
        Ok(ExitCode::SUCCESS)
    }
}
