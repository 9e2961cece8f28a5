use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap_mangen::Man;

use super::flags;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder for all pages, one for each command; without it the program's page is printed
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.folder {
            Some(folder) => {
                let written = std::fs::create_dir_all(&folder)
                    .and_then(|()| clap_mangen::generate_to(flags::documented(), &folder));
                written.with_context(|| format!("the pages cannot be written into {}", folder.display()))?;
            }
            None => {
                let mut page = Vec::new();
                Man::new(flags::documented()).render(&mut page)?;
                std::io::stdout().write_all(&page).context("the page cannot be printed")?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
