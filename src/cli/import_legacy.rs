use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use stenobot_domain::Clock;
use stenobot_engine::confine;
use stenobot_store::{ImportError, Store};

use crate::config::Config;
use crate::lifecycle::{DataDirLock, DatabaseLock, Leftovers, create_private};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// SQLite file of the predecessor; it is only read.
    file: PathBuf,
}

impl Args {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let file = self.file.display();
        let database = &config.storage.database;
        let Some(store) = database.file() else { return Err(ImportError::NotSqlite.into()) };
        confine::foreign_file()?;
        let folder = &config.storage.data_dir;
        // A store that is new is this process's own until the rows are in it. Beside an existing one a bot may run.
        let new = match store.exists() {
            true => None,
            false => {
                let leftovers = Leftovers::of_new_store(folder, database);
                Some((leftovers, DataDirLock::acquire(folder).await?, DatabaseLock::acquire(database).await?))
            }
        };
        create_private(folder).with_context(|| format!("cannot make the data folder {}", folder.display()))?;
        let store = Store::open(&config.storage.database, Clock::System).await?;
        let imported = store.import_legacy(&self.file).await;
        store.close().await;
        let imported = imported.with_context(|| format!("cannot import {file}"))?;
        if let Some((leftovers, ..)) = new {
            leftovers.keep();
        }
        println!("people: {}, rows: {}, already known: {}", imported.users, imported.usage, imported.known);
        if imported.orphans > 0 {
            eprintln!("left out {} usage rows whose user is missing in {file}", imported.orphans);
        }
        Ok(ExitCode::SUCCESS)
    }
}
