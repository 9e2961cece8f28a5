//! Output of the commands about failures, without the secrets of environment and configuration.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::OnceLock;

use stenobot_telegram::Redactor;

use crate::config::{Config, TOKEN_VARIABLES};
use crate::telemetry::has_colours;

/// Values of the variables for a token, known before the configuration is read.
static VARIABLES: OnceLock<Vec<Redactor>> = OnceLock::new();
/// Hides the secrets of the configuration, once that is read.
static SECRETS: OnceLock<Redactor> = OnceLock::new();

/// Shorter values of the variables are no tokens, and would be found in half of all sentences.
const MIN_TOKEN: usize = 8;

/// Hides the tokens of the environment from now on.
pub(super) fn hide_tokens_of_environment() {
    let values = TOKEN_VARIABLES.iter().filter_map(std::env::var_os).filter(|value| value.len() >= MIN_TOKEN);
    let redactors = values.map(|value| Redactor::new(&value.to_string_lossy())).collect();
    let _ = VARIABLES.set(redactors);
}

/// Hides the secrets of this configuration from now on.
pub(super) fn hide_secrets_of(config: &Config) {
    let token = config.telegram.token.as_ref().map_or_else(Redactor::default, |token| Redactor::new(token.expose()));
    // A command reads its configuration once.
    let _ = SECRETS.set(token.hiding(config.passwords()));
}

/// The text without secrets: those that are known, and tokens by their form.
pub(super) fn clean(text: &str) -> String {
    let unknown = Redactor::default();
    let known = VARIABLES.get().into_iter().flatten().chain(SECRETS.get()).chain([&unknown]);
    known.fold(text.to_owned(), |text, redactor| String::from_utf8_lossy(&redactor.clean(text.as_bytes())).into_owned())
}

/// Prints a failure.
pub(super) fn report(sentence: &str) {
    eprintln!("stenobot: {}", clean(sentence));
}

/// Prints why the command fails.
pub(super) fn fail(error: &anyhow::Error) -> ExitCode {
    report(&format!("{error:#}"));
    ExitCode::FAILURE
}

/// Prints why the command line cannot be parsed.
pub(super) fn explain_usage(error: &clap::Error) {
    let text = error.render();
    let text =
        if std::io::stderr().is_terminal() && has_colours() { text.ansi().to_string() } else { text.to_string() };
    eprint!("{}", clean(&text));
}
