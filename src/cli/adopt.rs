use std::process::ExitCode;

use stenobot_domain::Clock;
use stenobot_store::Store;

use crate::config::Config;
use crate::doctor;
use crate::lifecycle::{DataDirLock, DatabaseLock};

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

impl Args {
    /// Ends the requests that waited: their chats and files are the other bot's.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let bot = doctor::token(config)?.bot();
        let _data = DataDirLock::acquire(&config.storage.data_dir).await?;
        let _database = DatabaseLock::acquire(&config.storage.database).await?;
        let store = Store::open(&config.storage.database, Clock::System).await?;
        let adopted = store.adopt(bot).await;
        store.close().await;
        let adopted = adopted?;
        match adopted.before {
            Some(before) if before != bot => println!("the store was the bot {before}'s and is now the bot {bot}'s"),
            Some(_) | None => println!("the store is the bot {bot}'s"),
        }
        println!("requests that waited and have been ended: {}", adopted.ended);
        Ok(ExitCode::SUCCESS)
    }
}
