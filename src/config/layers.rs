//! The sources of the configuration as layers, each of which outranks those before it, and which of them a value comes from.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};

use figment::providers::{Data, Format, Serialized, Toml};
use figment::{Figment, Provider};
use serde::Serialize;
use stenobot_domain::secrets;
use stenobot_network::Proxies;

use super::token::TokenFile;
use super::{
    Config, ConfigError, DEFAULT_FILE, DOTENV_FILE, ENV_PREFIX, Overrides, Raw, SETTINGS, Sources, TOKEN_VARIABLES,
    environment, token,
};

/// Similarity (Jaro-Winkler, 0 to 1) from which on a setting is suggested for an unknown key.
const MIN_SIMILARITY: f64 = 0.8;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Origin {
    /// No source gives one.
    Default,
    /// A configuration file.
    File {
        /// Its path.
        file: PathBuf,
        /// From 1; `None` where the key begins no line.
        line: Option<usize>,
    },
    /// A line of `.env`.
    Dotenv {
        /// Name of the variable.
        variable: String,
    },
    /// The environment.
    Environment {
        /// Name of the variable.
        variable: String,
    },
    /// A credential of systemd.
    Credential {
        /// Its name.
        credential: &'static str,
    },
    /// The command line.
    Flag {
        /// With its dashes.
        flag: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line: Some(line) } => write!(f, "{}:{line}", file.display()),
            Self::File { file, line: None } => write!(f, "{}", file.display()),
            Self::Dotenv { variable } => write!(f, "{variable} in {DOTENV_FILE}"),
            Self::Environment { variable } => write!(f, "{variable} in the environment"),
            Self::Credential { credential } => write!(f, "systemd's credential {credential}"),
            Self::Flag { flag } => f.write_str(flag),
        }
    }
}

/// All sources, read and not yet parsed.
pub(super) struct Layers {
    file: Data<Toml>,
    dotenv: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    overrides: Overrides,
    token_file: Option<TokenFile>,
}

impl Layers {
    /// Reads all sources from the working directory and the environment.
    pub(super) fn read(sources: &Sources) -> Result<Self, ConfigError> {
        let dotenv = environment::of_file(Path::new(DOTENV_FILE))?;
        let environment = environment::of_process(std::env::vars_os())?;
        Self::assemble(sources, dotenv, environment)
    }

    /// The sources besides the variables are read.
    pub(super) fn assemble(
        sources: &Sources,
        dotenv: Vec<(String, String)>,
        environment: Vec<(String, String)>,
    ) -> Result<Self, ConfigError> {
        let token_file = TokenFile::read(&environment, &dotenv)?;
        let file = match &sources.file {
            Some(path) if !path.is_file() => {
                let path = path.display().to_string();
                let path = without(&environment::token_values([&environment, &dotenv], token_file.as_ref()), path);
                return Err(ConfigError::Unreadable(format!("configuration file {path} does not exist")));
            }
            Some(path) => Toml::file_exact(path),
            None => Toml::file(DEFAULT_FILE),
        };
        Ok(Self { file, dotenv, environment, overrides: sources.overrides.clone(), token_file })
    }

    /// Nothing but these variables.
    pub(super) fn of_variables(environment: Vec<(String, String)>) -> Self {
        let (file, overrides) = (Toml::string(""), Overrides::default());
        Self { file, dotenv: Vec::new(), environment, overrides, token_file: None }
    }

    /// Errors do not quote the tokens of the variables.
    pub(super) fn into_config(self) -> Result<Config, ConfigError> {
        let tokens = environment::token_values([&self.environment, &self.dotenv], self.token_file.as_ref());
        self.merge(&tokens).map_err(|error| error.without(&tokens))
    }

    /// `tokens` are those that no setting may hold.
    pub(super) fn merge(&self, tokens: &[&str]) -> Result<Config, ConfigError> {
        if let Some(unknown) = self.unknown() {
            return Err(unknown);
        }
        let raw: Raw = Figment::from(Serialized::defaults(Raw::default()))
            .merge(&self.file)
            .merge(prefixed(&self.dotenv))
            .merge(prefixed(&self.environment))
            .merge(Serialized::defaults(&self.overrides))
            .extract()
            .map_err(|error| ConfigError::Unreadable(explain(error)))?;
        raw.refuse_tokens(tokens)?;
        let token = token::find(&self.environment, &self.dotenv, self.token_file.as_ref())?;
        let proxies = Proxies::resolve(&raw.proxy_url, |name| {
            let mut layers = self.environment.iter().chain(&self.dotenv);
            layers.find(|(variable, value)| variable == name && !value.is_empty()).map(|(_, value)| value.as_str())
        })?;
        raw.parse(token, proxies)
    }

    /// Where each key's value comes from.
    pub(super) fn origins(&self) -> BTreeMap<&'static str, Origin> {
        let flags = serde_json::to_value(&self.overrides).unwrap_or_default();
        let file = self.keys_of_file();
        let origin = |key: &str| {
            if flags.get(key).is_some() {
                return Origin::Flag { flag: format!("--{}", key.replace('_', "-")) };
            }
            let named =
                |variables: &[(String, String)]| keys(variables).find(|(_, named)| named == key).map(|(v, _)| v);
            if let Some(variable) = named(&self.environment) {
                return Origin::Environment { variable };
            }
            if let Some(variable) = named(&self.dotenv) {
                return Origin::Dotenv { variable };
            }
            file.iter().find(|(named, _)| named == key).map_or(Origin::Default, |(_, origin)| origin.clone())
        };
        SETTINGS.iter().map(|setting| (setting.key, origin(setting.key))).collect()
    }

    /// Where the token comes from.
    pub(super) fn origin_of_token(&self) -> Option<Origin> {
        let first = |variables: &[(String, String)]| {
            let is_set =
                |name: &&&str| variables.iter().any(|(variable, value)| variable == **name && !value.is_empty());
            TOKEN_VARIABLES.iter().find(is_set).map(|name| (*name).to_owned())
        };
        first(&self.environment)
            .map(|variable| Origin::Environment { variable })
            .or_else(|| first(&self.dotenv).map(|variable| Origin::Dotenv { variable }))
            .or_else(|| self.token_file.as_ref().map(TokenFile::origin))
    }

    /// The keys of the file; none of a file that cannot be read, which [`Layers::merge`] reports.
    fn keys_of_file(&self) -> Vec<(String, Origin)> {
        let Some(path) = self.file.metadata().source.and_then(|source| source.file_path().map(Path::to_owned)) else {
            return Vec::new();
        };
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let here = std::env::current_dir().unwrap_or_default();
        let shown = path.strip_prefix(here).unwrap_or(&path);
        let keys = self.file.data().ok().into_iter().flat_map(|profiles| profiles.into_values()).flatten();
        let origin = |key: &str| Origin::File { file: shown.to_owned(), line: line_of(&text, key) };
        keys.map(|(key, _)| (key.clone(), origin(&key))).collect()
    }

    /// The first key of any layer that is no setting.
    fn unknown(&self) -> Option<ConfigError> {
        let dotenv = keys(&self.dotenv).map(|(variable, key)| (key, Origin::Dotenv { variable }));
        let environment = keys(&self.environment).map(|(variable, key)| (key, Origin::Environment { variable }));
        let given = self.keys_of_file().into_iter().chain(dotenv).chain(environment);
        let (name, origin) = given.into_iter().find(|(key, _)| !SETTINGS.iter().any(|setting| setting.key == key))?;
        let similar = similar(&name);
        Some(ConfigError::Unknown { name: secrets::hide(&name), origin: secrets::hide(&origin.to_string()), similar })
    }
}

/// The setting that is meant by a mistyped key.
fn similar(name: &str) -> Option<&'static str> {
    let likeness = |setting: &super::Setting| strsim::jaro_winkler(setting.key, name);
    let best = SETTINGS.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    (likeness(best) >= MIN_SIMILARITY).then_some(best.key)
}

/// The line, from 1, that begins with this key or the table of this name.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let begins = |line: &str| {
        let line = line.trim_start().trim_start_matches(['[', '"', '\'']);
        let rest = line.strip_prefix(key)?.trim_start_matches(['"', '\'']).trim_start();
        rest.starts_with(['=', '.', ']']).then_some(())
    };
    text.lines().position(|line| begins(line).is_some()).map(|index| index + 1)
}

/// The variables with our prefix, each with its key.
fn keys(variables: &[(String, String)]) -> impl Iterator<Item = (String, String)> {
    variables.iter().filter_map(|(name, _)| Some((name.clone(), name.strip_prefix(ENV_PREFIX)?.to_ascii_lowercase())))
}

/// The variables with our prefix as one layer of keys. Values are typed as TOML reads them.
fn prefixed(variables: &[(String, String)]) -> Serialized<BTreeMap<String, figment::value::Value>> {
    let pairs = variables.iter().filter_map(|(name, value)| {
        let key = name.strip_prefix(ENV_PREFIX)?.to_ascii_lowercase();
        let value = value.parse().unwrap_or_else(|never: Infallible| match never {});
        Some((key, value))
    });
    Serialized::defaults(pairs.collect())
}

/// The text with each of these tokens replaced.
pub(super) fn without(tokens: &[&str], text: String) -> String {
    tokens.iter().fold(text, |text, token| text.replace(token, secrets::TOKEN_MARK))
}

/// One sentence with the key, the value and the allowed values. Secrets in the value are hidden.
fn explain(error: figment::Error) -> String {
    use figment::error::Kind;
    let key = error.path.join(".");
    let allowed = SETTINGS.iter().find(|setting| setting.key == key).map(|setting| setting.allowed);
    secrets::hide(&match (&error.kind, allowed) {
        (Kind::InvalidType(found, _) | Kind::InvalidValue(found, _), Some(allowed)) => {
            format!("{key} = {} is not allowed: give {allowed}", Found(found))
        }
        (_, Some(allowed)) => format!("{key} is not allowed: {}; give {allowed}", error.kind),
        (_, None) => format!("configuration cannot be read: {}", without_excerpt(&error.to_string())),
    })
}

/// A message of the TOML parser without the lines of the file that it quotes: they may hold a password.
fn without_excerpt(message: &str) -> String {
    let quoted =
        |line: &&str| line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().starts_with('|');
    message.lines().filter(|line| !quoted(line) && !line.trim().is_empty()).collect::<Vec<_>>().join(": ")
}

/// A value as the operator wrote it.
struct Found<'a>(&'a figment::error::Actual);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use figment::error::Actual;
        match self.0 {
            Actual::Bool(value) => value.fmt(f),
            Actual::Unsigned(value) => value.fmt(f),
            Actual::Signed(value) => value.fmt(f),
            Actual::Float(value) => value.fmt(f),
            Actual::Str(value) => value.fmt(f),
            other => other.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_key_is_recognised_and_another_word_is_not() {
        for (given, wanted) in [
            ("max_queu_size", Some("max_queue_size")),
            ("logformat", Some("log_format")),
            ("max_concurrent_worker", Some("max_concurrent_workers")),
            ("zzz", None),
        ] {
            assert_eq!(similar(given), wanted, "{given}");
        }
    }

    #[test]
    fn a_key_is_found_by_its_line() {
        let text = "# threads = 1\n\n  threads = 2\n\"model\" = 'x'\n[table]\na.b = 1\n";
        let lines = ["threads", "model", "table", "a", "thread"].map(|key| line_of(text, key));
        assert_eq!(lines, [Some(3), Some(4), Some(5), Some(6), None]);
    }
}
