use std::path::{Path, PathBuf};
use std::process::ExitCode;

use stenobot_domain::Clock;
use stenobot_store::{Contents, ReadOnlyStore};

use crate::config::Config;
use crate::lifecycle::BackupRecord;

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
        if let Some(store) = config.storage.database.file() {
            anyhow::ensure!(
                store.exists(),
                "there is no store yet, so nothing to copy: the bot's first start makes it"
            );
            let is_same = |copy: &Path| Ok::<_, std::io::Error>(copy.canonicalize()? == store.canonicalize()?);
            anyhow::ensure!(!is_same(&self.file).unwrap_or(false), "that file is the store itself: give another name");
        }
        let begun = Clock::System.now();
        let store = ReadOnlyStore::open(&config.storage.database).await?;
        let Contents { users, requests, open } = store.backup(&self.file, self.force).await?;
        store.close().await;
        let bytes = self.file.metadata()?.len();
        println!(
            "{}: people: {users}, requests: {requests}, under way: {open}; {} KiB, verified",
            self.file.display(),
            bytes.div_ceil(1024)
        );
        let record = config.storage.backup_record();
        if let Err(error) = BackupRecord::at(record.clone()).save(begun) {
            eprintln!("the metric of the last backup stays as it was: {} cannot be written: {error}", record.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}
