use std::process::ExitCode;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use stenobot_store::{MigrateError, Migrated, MigrationPhase, MigrationProgress, StoreUrl, migrate};

use crate::config::Config;
use crate::lifecycle::{DataDirLock, DatabaseLock, Leftovers};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The store, as sqlite://FILE or postgres://USER@HOST/DATABASE; its rows stay as they are.
    from: String,
    /// Where its copy is made, in the same form; no store may be there yet.
    to: String,
}

impl Args {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        // Texts that may hold a password: they are not repeated.
        let from: StoreUrl = self.from.parse().context("the first argument cannot be used")?;
        let to: StoreUrl = self.to.parse().context("the second argument cannot be used")?;
        if from.file().is_some() == to.file().is_some() {
            return Err(MigrateError::SameKind.into());
        }
        if from.file().is_some_and(|file| !file.exists()) {
            return Err(MigrateError::NoStore(from.to_string()).into());
        }
        let leftovers = Leftovers::of_locks(&config.storage.data_dir, [&from, &to]);
        // A running bot has the store open.
        let _data = DataDirLock::acquire(&config.storage.data_dir).await?;
        let _from = DatabaseLock::acquire(&from).await?;
        let _to = DatabaseLock::acquire(&to).await?;
        // Dropped before the locks.
        let leftovers = leftovers;
        // Silent where there is no terminal.
        let bar = ProgressBar::no_length();
        bar.set_style(ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}")?);
        let migrated = migrate(&from, &to, |progress| show(&bar, progress)).await;
        bar.finish_and_clear();
        let Migrated { users, requests, open, rows, resumed } = migrated?;
        leftovers.keep();
        println!("copied and verified: people: {users}, requests: {requests}, under way: {open}; {rows} rows in all");
        if resumed > 0 {
            println!("rows among them that an interrupted run had copied: {resumed}");
        }
        if open > 0 {
            println!("requests under way go on, with the same messages, when the bot starts with the copy");
        }
        println!("{from} is as it was: no bot may run with it from now on");
        println!("to go on, set database_url to the second argument of this command ({to}) and start the bot");
        Ok(ExitCode::SUCCESS)
    }
}

fn show(bar: &ProgressBar, MigrationProgress { phase, done, total }: MigrationProgress) {
    if done == 0 {
        bar.set_message(match phase {
            MigrationPhase::Reading => "reading",
            MigrationPhase::Copying => "copying",
            MigrationPhase::Verifying => "verifying",
        });
        bar.set_length(total);
        bar.set_position(0);
        bar.reset_eta();
    }
    bar.set_position(done);
}
