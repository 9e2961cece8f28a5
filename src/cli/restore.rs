use std::path::PathBuf;
use std::process::ExitCode;

use stenobot_engine::confine;
use stenobot_store::{AfterRestore, NotAFile, Restored, restore};

use crate::config::Config;
use crate::lifecycle::{DataDirLock, DatabaseLock, Leftovers};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The copy that `stenobot backup` made.
    file: PathBuf,
    /// End the requests that waited when the copy was made, instead of going on with them.
    #[arg(long)]
    drop_waiting: bool,
}

impl Args {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let store = config.storage.database.file().ok_or(NotAFile)?;
        confine::foreign_file()?;
        let leftovers = Leftovers::of_locks(&config.storage.data_dir, [&config.storage.database]);
        // A running bot has the store open.
        let _lock = DataDirLock::acquire(&config.storage.data_dir).await?;
        let _database = DatabaseLock::acquire(&config.storage.database).await?;
        // Dropped before the locks.
        let leftovers = leftovers;
        let open = if self.drop_waiting { AfterRestore::Drop } else { AfterRestore::Continue };
        let Restored { contents, before } = restore(&self.file, store, open).await?;
        leftovers.keep();
        println!("restored: people: {}, requests: {}", contents.users, contents.requests);
        match open {
            AfterRestore::Continue if contents.open > 0 => {
                println!("requests that waited then and go on when the bot starts: {}", contents.open);
            }
            AfterRestore::Drop => println!("requests that waited then and have been ended: {}", contents.open),
            AfterRestore::Continue => {}
        }
        if let Some(before) = before {
            println!("the store before is kept as {}", before.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}
