//! `stenobot config show`: the settings that are in effect, with the origin of each.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use crate::config::{Config, Shown, ShownToken, Sources};
use crate::telemetry::escape_controls;

/// Column of the origins; a longer value moves its own to the right.
const ORIGIN_COLUMN: usize = 44;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Print every setting in the form of the configuration file, with its origin; secrets are masked
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl Args {
    pub(super) fn run(self, sources: &Sources) -> anyhow::Result<ExitCode> {
        let Action::Show { json } = self.action;
        let (settings, token) = Config::show(sources)?;
        let text = match json {
            true => serde_json::to_string_pretty(&json!({ "settings": settings, "token": token }))? + "\n",
            false => listed(&settings, &token),
        };
        std::io::stdout().write_all(text.as_bytes()).context("the settings cannot be printed")?;
        Ok(ExitCode::SUCCESS)
    }
}

fn listed(settings: &[Shown], token: &ShownToken) -> String {
    let mut text = match &token.origin {
        Some(origin) => format!("# the token is set: {origin}\n"),
        None => "# no token is set\n".to_owned(),
    };
    for Shown { key, value, origin } in settings {
        // A basic string of TOML has the form of one of JSON.
        let setting = escape_controls(&format!("{key} = {value}")).into_owned();
        let origin = escape_controls(&origin.to_string()).into_owned();
        text.push_str(&format!("{setting:<ORIGIN_COLUMN$} # {origin}\n"));
    }
    text
}
