use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use stenobot_domain::Clock;
use stenobot_engine::confine;
use stenobot_store::{ImportError, Store};

use crate::config::Config;
use crate::lifecycle::create_private;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// SQLite file of the predecessor; it is only read.
    file: PathBuf,
}

impl Args {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let file = self.file.display();
        if config.storage.database.file().is_none() {
            return Err(ImportError::NotSqlite.into());
        }
        confine::foreign_file()?;
        let folder = &config.storage.data_dir;
        create_private(folder).with_context(|| format!("cannot make the data folder {}", folder.display()))?;
        let store = Store::open(&config.storage.database, Clock::System).await?;
        let imported = store.import_legacy(&self.file).await;
        store.close().await;
        let imported = imported.with_context(|| format!("cannot import {file}"))?;
        println!("people: {}, rows: {}, already known: {}", imported.users, imported.usage, imported.known);
        if imported.orphans > 0 {
            eprintln!("left out {} usage rows whose user is missing in {file}", imported.orphans);
        }
        Ok(ExitCode::SUCCESS)
    }
}
