//! The flags of settings: each command shows and takes those of the settings that it reads.

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, CommandFactory};

use super::Cli;
use crate::config::{self, Overrides, SETTINGS, Setting};

/// Keys of settings, in groups that commands share.
type Keys = &'static [&'static [&'static str]];

/// Settings of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    /// All, and the help lists them.
    All,
    /// All; the help refers to that of `run`.
    AllUnlisted,
    /// All but these; the help refers to that of `run`.
    AllUnlistedBut(Keys),
    /// These.
    Only(Keys),
}

impl Reads {
    fn has(self, key: &str) -> bool {
        match self {
            Self::All | Self::AllUnlisted => true,
            Self::AllUnlistedBut(others) => !contains(others, key),
            Self::Only(keys) => contains(keys, key),
        }
    }

    fn lists(self, key: &str) -> bool {
        match self {
            Self::All | Self::Only(_) => self.has(key),
            Self::AllUnlisted | Self::AllUnlistedBut(_) => false,
        }
    }
}

fn contains(keys: Keys, key: &str) -> bool {
    keys.iter().any(|group| group.contains(&key))
}

const STORE: &[&str] = &["data_dir", "database_url"];

/// What an engine needs that runs without a bot.
const ENGINE: &[&str] = &[
    "data_dir",
    "model",
    "engine",
    "onnx_library",
    "voice_activity",
    "language",
    "languages",
    "default_locale",
    "max_concurrent_workers",
    "threads",
    "log_level",
];

/// What a simulation sets itself.
const SIMULATED: &[&str] =
    &["telegram_api_url", "proxy_url", "webhook_url", "webhook_addr", "role", "metrics_addr", "log_format"];

/// The commands that read the configuration. The others ignore it.
const COMMANDS: &[(&str, Reads)] = &[
    ("run", Reads::All),
    ("doctor", Reads::AllUnlisted),
    ("config", Reads::AllUnlisted),
    ("health", Reads::Only(&[&["metrics_addr"]])),
    ("transcribe", Reads::Only(&[ENGINE])),
    ("bench", Reads::Only(&[ENGINE, &["model_base_url"]])),
    ("model", Reads::Only(&[&["data_dir", "model_base_url", "proxy_url", "engine", "onnx_library"]])),
    ("stats", Reads::Only(&[STORE])),
    ("backup", Reads::Only(&[STORE])),
    ("restore", Reads::Only(&[STORE])),
    ("migrate", Reads::Only(&[&["data_dir"]])),
    ("adopt", Reads::Only(&[STORE])),
    ("import-legacy", Reads::Only(&[STORE])),
    ("simulate", Reads::AllUnlistedBut(&[SIMULATED])),
    ("playground", Reads::AllUnlistedBut(&[SIMULATED, &["database_url"]])),
];

const REFERENCE: &str = "Takes the flags of the settings too, as `stenobot run` does: see `stenobot run --help`.";
const REFERENCE_BUT: &str = "Takes the flags of the settings too, as `stenobot run` does: see `stenobot run --help`. Not \
                             those of what is simulated (Telegram, proxy, webhook, role, metrics) and of the log's form: \
                             the bot's log goes to a file, which is kept if something goes wrong.";

/// The command line.
pub(super) fn command() -> clap::Command {
    build(Cli::command())
}

/// The command line for completions and manual pages. It lacks the flags that each command takes only so that they may stand
/// before its name.
pub(super) fn documented() -> clap::Command {
    let mut all = command();
    let subcommands: Vec<clap::Command> = all
        .get_subcommands_mut()
        .map(|command| std::mem::take(command).mut_args(|arg| arg.hide_short_help(false)))
        .collect();
    clap::Command::new("stenobot")
        .about(all.get_about().cloned().unwrap_or_default())
        .version(super::VERSION)
        .propagate_version(true)
        .after_help(super::EXIT_STATUS)
        .args(all.get_arguments().filter(|arg| !is_setting(arg)).cloned())
        .subcommands(subcommands.into_iter().filter(|subcommand| !subcommand.is_hide_set()))
}

fn is_setting(arg: &Arg) -> bool {
    SETTINGS.iter().any(|setting| setting.key == arg.get_id().as_str())
}

/// Adds the flags of its settings to each command.
fn build(root: clap::Command) -> clap::Command {
    let flags: Vec<Arg> = config::defaults()
        .filter_map(|(setting, default)| {
            let flag = root.get_arguments().find(|arg| arg.get_id() == setting.key)?;
            Some(
                flag.clone()
                    .hide(false)
                    .hide_short_help(false)
                    .help(help(setting, &default))
                    .hide_possible_values(true),
            )
        })
        .collect();
    COMMANDS.iter().fold(root, |root, (name, reads)| {
        root.mut_subcommand(name, |command| {
            let own = flags.iter().filter(|flag| reads.lists(flag.get_id().as_str())).cloned();
            match reads {
                // All of them are no short help.
                Reads::All => command.args(own.map(|flag| flag.hide_short_help(true))),
                Reads::Only(_) => command.args(own),
                Reads::AllUnlisted => command.after_help(REFERENCE),
                Reads::AllUnlistedBut(_) => command.after_help(REFERENCE_BUT),
            }
        })
    })
}

fn help(setting: &Setting, default: &str) -> String {
    let Setting { help, allowed, .. } = setting;
    let default = if default.is_empty() { "empty" } else { default };
    format!("{help} Allowed: {allowed} [default: {default}] [env: {}]", setting.variable())
}

/// An error if the command line has the flag of a setting that the command does not read.
pub(super) fn refuse_unused(
    command: &mut clap::Command,
    matches: &ArgMatches,
    overrides: &Overrides,
) -> Result<(), clap::Error> {
    let Some(name) = matches.subcommand_name() else { return Ok(()) };
    let Some((_, reads)) = COMMANDS.iter().find(|(named, _)| *named == name) else { return Ok(()) };
    let given = serde_json::to_value(overrides).unwrap_or_default();
    let unused = SETTINGS.iter().find(|setting| given.get(setting.key).is_some() && !reads.has(setting.key));
    match unused {
        Some(setting) => {
            let sentence = format!("--{} has no effect on `stenobot {name}`: leave it out", setting.flag());
            Err(command.error(ErrorKind::UnknownArgument, sentence))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_key_of_the_table_exists() {
        let root = Cli::command();
        for (name, reads) in COMMANDS {
            assert!(root.find_subcommand(name).is_some(), "{name}");
            let keys: Keys = match reads {
                Reads::All | Reads::AllUnlisted => &[],
                Reads::AllUnlistedBut(keys) | Reads::Only(keys) => keys,
            };
            for key in keys.iter().copied().flatten() {
                assert!(SETTINGS.iter().any(|setting| setting.key == *key), "{name}: {key}");
            }
        }
        command().debug_assert();
        documented().debug_assert();
    }

    fn help_of(name: &str, width: usize) -> String {
        let mut root = command().term_width(width);
        root.build();
        root.find_subcommand_mut(name).unwrap().render_long_help().to_string()
    }

    #[test]
    fn help_shows_a_command_s_own_settings_with_default_and_variable_within_the_width() {
        for width in [80, 120] {
            let run = help_of("run", width);
            let words = run.split_whitespace().collect::<Vec<_>>().join(" ");
            for setting in SETTINGS {
                assert!(words.contains(&format!("--{} ", setting.flag())), "{}", setting.key);
                assert!(words.contains(&format!("[env: {}]", setting.variable())), "{}", setting.key);
            }
            assert!(words.contains("[default: 50] [env: STENOBOT_MAX_QUEUE_SIZE]"), "{words}");
            let longest = run.lines().filter(|line| line.trim().contains(' ')).map(|line| line.chars().count()).max();
            assert!(longest.unwrap() <= width, "{run}");
        }
        let stats = help_of("stats", 80);
        assert!(stats.contains("--database-url") && !stats.contains("--max-queue-size"), "{stats}");
    }

    #[test]
    fn a_flag_that_a_command_does_not_read_is_refused() {
        let refused = |arguments: &[&str]| {
            use clap::FromArgMatches;
            let mut command = command();
            let matches = command.try_get_matches_from_mut(arguments).unwrap();
            let cli = Cli::from_arg_matches(&matches).unwrap();
            refuse_unused(&mut command, &matches, &cli.overrides).err().map(|error| error.to_string())
        };
        let said = refused(&["stenobot", "simulate", "--log-format", "json"]).unwrap();
        assert!(said.starts_with("error: --log-format has no effect on `stenobot simulate`: leave it out"), "{said}");
        assert!(refused(&["stenobot", "--max-queue-size", "3", "model", "list"]).is_some());
        assert_eq!(refused(&["stenobot", "--data-dir", "d", "model", "list"]), None);
        assert_eq!(refused(&["stenobot", "model", "list", "--data-dir", "d"]), None);
        assert_eq!(refused(&["stenobot", "simulate", "--threads", "1"]), None);
        assert_eq!(refused(&["stenobot", "run", "--log-format", "json"]), None);
    }
}
