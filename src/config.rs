//! Configuration: defaults < `stenobot.toml` < `.env` and environment < flags, parsed into types that hold
//! only what can work. Whoever has a [`Config`] need not check it again.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::model::SpeechLanguage;

/// Prefix of the environment variables: `STENOBOT_MAX_QUEUE_SIZE` sets `max_queue_size`.
pub const ENV_PREFIX: &str = "STENOBOT_";
/// The variables that may hold the token, the first that is set wins.
pub const TOKEN_VARIABLES: [&str; 2] = ["TELEGRAM_BOT_TOKEN", "TELOXIDE_TOKEN"];
/// Read from the working directory when no other file is named.
pub const DEFAULT_FILE: &str = "stenobot.toml";

/// Declares every key once: its type, default, allowed values and meaning. From it come the flags, the
/// file's and the environment's keys, and the table in the README.
macro_rules! settings {
    ($($key:ident: $type:ty = $default:expr, $allowed:literal, $help:literal;)*) => {
        /// The keys as they come in, before they are parsed.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Raw { $($key: $type,)* }

        impl Default for Raw {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        /// Values from the command line, which outrank all others.
        #[derive(Debug, Clone, Default, Serialize, clap::Args)]
        #[command(next_help_heading = "Settings")]
        pub struct Overrides {
            $(
                #[doc = $help]
                #[arg(long, global = true, hide_short_help = true, value_name = "VALUE")]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $key: Option<$type>,
            )*
        }

        /// Every key: name, allowed values, meaning.
        pub const SETTINGS: &[Setting] = &[$(Setting { key: stringify!($key), allowed: $allowed, help: $help },)*];
    };
}

/// One key as the README's table shows it.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Name in the file; with [`ENV_PREFIX`] and in capitals, in the environment.
    pub key: &'static str,
    /// The range or the form of allowed values.
    pub allowed: &'static str,
    /// What it is for.
    pub help: &'static str,
}

settings! {
    telegram_api_url: String = "https://api.telegram.org".into(), "http or https URL", "The Bot API server, Telegram's own or a local one.";
    data_dir: PathBuf = "data".into(), "a folder", "Where the journal, the models and audio in flight are kept.";
    database_url: String = String::new(), "empty, or sqlite://FILE", "The journal's database; empty means stenobot.db in data_dir.";
    model: String = "base-q8_0".into(), "a name from `stenobot model list`, or a path", "The Whisper model.";
    model_base_url: String = "https://huggingface.co/ggerganov/whisper.cpp/resolve/main".into(), "http or https URL", "Where models are downloaded from.";
    language: SpeechLanguage = SpeechLanguage::Auto, "auto, or a code such as ru", "The language people speak in their messages.";
    default_locale: String = "ru".into(), "ru or en", "The language of the bot's own texts for people whose language it does not speak.";
    max_queue_size: u32 = 50, "1 to 10000", "Requests that may wait at once; further ones are refused.";
    max_concurrent_workers: u32 = 1, "1 to 64", "Transcriptions that run at once, each in its own engine process.";
    threads: u32 = 0, "0 to 256", "Threads of each engine; 0 shares the usable cores among the workers.";
    max_voice_duration_seconds: u64 = 120, "1 to 14400", "Longest message that is accepted.";
    max_file_size_bytes: u64 = 20 * 1024 * 1024, "1024 to 2147483648", "Largest file that is accepted.";
    progress_update_interval_seconds: u64 = 5, "1 to 300", "Time between two progress edits of one message.";
    transcription_timeout_seconds: u64 = 120, "5 to 14400", "Longest time the engine may work on one message.";
    download_timeout_seconds: u64 = 60, "5 to 3600", "Longest time one download may take.";
    user_requests_per_minute: u32 = 20, "1 to 600", "Messages one person may send per minute.";
    shutdown_timeout_seconds: u64 = 20, "1 to 600", "How long running work may finish after SIGTERM.";
    metrics_addr: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 9464)), "address:port", "Where /metrics, /healthz and /readyz are served.";
    log_format: LogFormat = LogFormat::Pretty, "pretty or json", "Form of the log on standard error.";
    log_level: String = "info".into(), "a tracing filter such as info or stenobot=debug", "What is logged.";
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// A configuration that can work.
#[derive(Debug, Clone)]
pub struct Config {
    /// Telegram's side.
    pub telegram: Telegram,
    /// Files.
    pub storage: Storage,
    /// The model and how it runs.
    pub engine: Engine,
    /// What is accepted.
    pub limits: Limits,
    /// Deadlines and intervals.
    pub timing: Timing,
    /// Logs and metrics.
    pub telemetry: Telemetry,
}

/// How to reach Telegram.
#[derive(Debug, Clone)]
pub struct Telegram {
    /// `None` when no token is set.
    pub token: Option<BotToken>,
    /// Root of the Bot API.
    pub api_url: reqwest::Url,
    /// Locale of texts for people whose own is not among the locale files.
    pub default_locale: String,
}

/// Where things are kept.
#[derive(Debug, Clone)]
pub struct Storage {
    /// Private to this user.
    pub data_dir: PathBuf,
    /// The journal's SQLite file.
    pub database: PathBuf,
}

impl Storage {
    /// Model files.
    pub fn models(&self) -> PathBuf {
        self.data_dir.join("models")
    }

    /// Audio of requests under way.
    pub fn audio(&self) -> PathBuf {
        self.data_dir.join("audio")
    }
}

/// The model and how it runs.
#[derive(Debug, Clone)]
pub struct Engine {
    /// A catalogue name or a path, as the operator wrote it.
    pub model: String,
    /// Where catalogue models are downloaded from.
    pub model_base_url: reqwest::Url,
    /// Default speech language.
    pub language: SpeechLanguage,
    /// Engine processes.
    pub workers: usize,
    /// Threads per engine process.
    pub threads: usize,
}

/// What is accepted.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests waiting at once.
    pub queue: u32,
    /// Length of one message.
    pub voice: Duration,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Messages per minute and person.
    pub user_per_minute: std::num::NonZeroU32,
}

/// Deadlines and intervals.
#[derive(Debug, Clone)]
pub struct Timing {
    /// Between progress edits.
    pub progress_interval: Duration,
    /// Cap of a transcription's deadline.
    pub transcription: Duration,
    /// Of one download.
    pub download: Duration,
    /// From SIGTERM to exit.
    pub shutdown: Duration,
}

/// Logs and metrics.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// Of the metrics and health server.
    pub addr: SocketAddr,
    /// Form of the log.
    pub format: LogFormat,
    /// Filter of the log.
    pub level: String,
}

/// The bot's token. Cannot be printed.
#[derive(Clone)]
pub struct BotToken(SecretString);

impl BotToken {
    /// The token in clear, for the one client that sends it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for BotToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BotToken(hidden)")
    }
}

/// Why a configuration cannot work.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value out of its range.
    #[error("{key} = {value} is not allowed: give {allowed}")]
    Refused {
        /// The key.
        key: &'static str,
        /// What was given.
        value: String,
        /// What may be given.
        allowed: &'static str,
    },
    /// An unknown key or a value of the wrong type.
    #[error("{0}")]
    Unreadable(String),
    /// The token has not the form of one. The value is not repeated.
    #[error("{variable} does not look like a bot token: @BotFather gives tokens of the form 123456789:AAE...")]
    Token {
        /// The variable that holds it.
        variable: &'static str,
    },
}

/// Where the values come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file named on the command line; it must exist. Without it [`DEFAULT_FILE`] is read if present.
    pub file: Option<PathBuf>,
    /// Values from the command line.
    pub overrides: Overrides,
}

impl Config {
    /// Reads all sources from the working directory and the environment.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let dotenv = read_dotenv(Path::new(".env"))?;
        let environment: Vec<(String, String)> = std::env::vars().collect();
        Self::assemble(sources, &dotenv, &environment)
    }

    fn assemble(
        sources: &Sources,
        dotenv: &[(String, String)],
        environment: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let file = match &sources.file {
            Some(path) if !path.is_file() => {
                return Err(ConfigError::Unreadable(format!("configuration file {} does not exist", path.display())));
            }
            Some(path) => Toml::file_exact(path),
            None => Toml::file(DEFAULT_FILE),
        };
        let raw: Raw = Figment::from(Serialized::defaults(Raw::default()))
            .merge(file)
            .merge(prefixed(dotenv))
            .merge(prefixed(environment))
            .merge(Serialized::defaults(&sources.overrides))
            .extract()
            .map_err(|error| ConfigError::Unreadable(explain(error)))?;
        let token = find_token(environment, dotenv)?;
        raw.parse(token)
    }
}

/// The variables with our prefix as one layer of keys. Values are typed as TOML reads them.
fn prefixed(variables: &[(String, String)]) -> Serialized<std::collections::BTreeMap<String, figment::value::Value>> {
    let pairs = variables.iter().filter_map(|(name, value)| {
        let key = name.strip_prefix(ENV_PREFIX)?.to_ascii_lowercase();
        let value = value.parse().unwrap_or_else(|never: std::convert::Infallible| match never {});
        Some((key, value))
    });
    Serialized::defaults(pairs.collect())
}

fn read_dotenv(path: &Path) -> Result<Vec<(String, String)>, ConfigError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    // dotenvy's errors quote the line, which may hold the token: say only where to look.
    let unreadable = || ConfigError::Unreadable(".env cannot be read: each line must be NAME=value".into());
    let lines = dotenvy::from_path_iter(path).map_err(|_| unreadable())?;
    lines.collect::<Result<_, _>>().map_err(|_| unreadable())
}

fn find_token(environment: &[(String, String)], dotenv: &[(String, String)]) -> Result<Option<BotToken>, ConfigError> {
    for variables in [environment, dotenv] {
        for variable in TOKEN_VARIABLES {
            let Some((_, value)) = variables.iter().find(|(name, value)| name == variable && !value.is_empty()) else {
                continue;
            };
            let well_formed = value.split_once(':').is_some_and(|(id, secret)| {
                !id.is_empty()
                    && id.bytes().all(|b| b.is_ascii_digit())
                    && secret.len() >= 20
                    && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            });
            if !well_formed {
                return Err(ConfigError::Token { variable });
            }
            return Ok(Some(BotToken(SecretString::from(value.clone()))));
        }
    }
    Ok(None)
}

/// One sentence with the key, the value and what is allowed.
fn explain(error: figment::Error) -> String {
    use figment::error::Kind;
    let key = error.path.join(".");
    let allowed = SETTINGS.iter().find(|setting| setting.key == key).map(|setting| setting.allowed);
    match (&error.kind, allowed) {
        (Kind::UnknownField(name, _), _) => {
            format!("{name} is no setting; `stenobot --help` lists them")
        }
        (Kind::InvalidType(found, _) | Kind::InvalidValue(found, _), Some(allowed)) => {
            format!("{key} = {} is not allowed: give {allowed}", Found(found))
        }
        (_, Some(allowed)) => format!("{key} is not allowed: {}; give {allowed}", error.kind),
        (_, None) => format!("configuration cannot be read: {error}"),
    }
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

impl Raw {
    fn parse(self, token: Option<BotToken>) -> Result<Config, ConfigError> {
        let workers = bounded("max_concurrent_workers", self.max_concurrent_workers, 1, 64)? as usize;
        let threads = match bounded("threads", self.threads, 0, 256)? as usize {
            0 => (usable_cores() / workers).max(1),
            threads => threads,
        };
        let seconds = |key, value, low, high| bounded(key, value, low, high).map(Duration::from_secs);
        Ok(Config {
            telegram: Telegram {
                token,
                api_url: url("telegram_api_url", &self.telegram_api_url)?,
                default_locale: one_of("default_locale", self.default_locale, &["ru", "en"])?,
            },
            storage: Storage { database: database(&self.database_url, &self.data_dir)?, data_dir: self.data_dir },
            engine: Engine {
                model: self.model,
                model_base_url: url("model_base_url", &self.model_base_url)?,
                language: self.language,
                workers,
                threads,
            },
            limits: Limits {
                queue: bounded("max_queue_size", self.max_queue_size, 1, 10_000)?,
                voice: seconds("max_voice_duration_seconds", self.max_voice_duration_seconds, 1, 14_400)?,
                file_bytes: bounded("max_file_size_bytes", self.max_file_size_bytes, 1024, 1 << 31)?,
                user_per_minute: std::num::NonZeroU32::new(bounded(
                    "user_requests_per_minute",
                    self.user_requests_per_minute,
                    1,
                    600,
                )?)
                .unwrap_or(std::num::NonZeroU32::MIN),
            },
            timing: Timing {
                progress_interval: seconds(
                    "progress_update_interval_seconds",
                    self.progress_update_interval_seconds,
                    1,
                    300,
                )?,
                transcription: seconds("transcription_timeout_seconds", self.transcription_timeout_seconds, 5, 14_400)?,
                download: seconds("download_timeout_seconds", self.download_timeout_seconds, 5, 3600)?,
                shutdown: seconds("shutdown_timeout_seconds", self.shutdown_timeout_seconds, 1, 600)?,
            },
            telemetry: Telemetry {
                addr: self.metrics_addr,
                format: self.log_format,
                level: filter("log_level", self.log_level)?,
            },
        })
    }
}

/// Cores this process may use: affinity and cgroup quota included.
fn usable_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn refused(key: &'static str, value: impl fmt::Display) -> ConfigError {
    let allowed = SETTINGS.iter().find(|setting| setting.key == key).map_or("", |setting| setting.allowed);
    ConfigError::Refused { key, value: value.to_string(), allowed }
}

fn bounded<T: PartialOrd + fmt::Display + Copy>(
    key: &'static str,
    value: T,
    low: T,
    high: T,
) -> Result<T, ConfigError> {
    if value < low || value > high { Err(refused(key, value)) } else { Ok(value) }
}

fn one_of(key: &'static str, value: String, allowed: &[&str]) -> Result<String, ConfigError> {
    if allowed.contains(&value.as_str()) { Ok(value) } else { Err(refused(key, value)) }
}

fn url(key: &'static str, value: &str) -> Result<reqwest::Url, ConfigError> {
    match reqwest::Url::parse(value) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(refused(key, value)),
    }
}

fn filter(key: &'static str, value: String) -> Result<String, ConfigError> {
    match tracing_subscriber::EnvFilter::builder().parse(&value) {
        Ok(_) => Ok(value),
        Err(_) => Err(refused(key, value)),
    }
}

fn database(value: &str, data_dir: &Path) -> Result<PathBuf, ConfigError> {
    match value {
        "" => Ok(data_dir.join("stenobot.db")),
        url => match url.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest)) {
            Some(path) if !path.is_empty() && !path.contains(['?', '#']) && path != ":memory:" => Ok(path.into()),
            _ => Err(refused("database_url", value)),
        },
    }
}

/// The README's table of settings.
pub fn table() -> String {
    let defaults = serde_json::to_value(Raw::default()).unwrap_or_default();
    let mut table = String::from("| key | default | allowed | meaning |\n| --- | --- | --- | --- |\n");
    for Setting { key, allowed, help } in SETTINGS {
        let default = match &defaults[key] {
            serde_json::Value::String(text) if text.is_empty() => String::new(),
            serde_json::Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        table.push_str(&format!("| `{key}` | {default} | {allowed} | {help} |\n"));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn from_env(list: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::assemble(&Sources::default(), &[], &pairs(list))
    }

    #[test]
    fn the_defaults_are_the_plan_s() {
        let config = from_env(&[]).unwrap();
        assert_eq!(config.limits.queue, 50);
        assert_eq!(config.engine.workers, 1);
        assert_eq!(config.limits.voice, Duration::from_secs(120));
        assert_eq!(config.limits.file_bytes, 20 * 1024 * 1024);
        assert_eq!(config.timing.progress_interval, Duration::from_secs(5));
        assert_eq!(config.timing.transcription, Duration::from_secs(120));
        assert_eq!(config.telemetry.addr.to_string(), "127.0.0.1:9464");
        assert_eq!(config.storage.database, Path::new("data/stenobot.db"));
        assert!(config.telegram.token.is_none());
    }

    #[test]
    fn flags_outrank_environment_outranks_dotenv_outranks_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("my.toml");
        std::fs::write(
            &file,
            "max_queue_size = 1\nmax_concurrent_workers = 2\nmax_voice_duration_seconds = 3\nthreads = 4\n",
        )
        .unwrap();
        let overrides = Overrides { max_queue_size: Some(40), ..Overrides::default() };
        let config = Config::assemble(
            &Sources { file: Some(file), overrides },
            &pairs(&[
                ("STENOBOT_MAX_QUEUE_SIZE", "20"),
                ("STENOBOT_MAX_CONCURRENT_WORKERS", "20"),
                ("STENOBOT_MAX_VOICE_DURATION_SECONDS", "20"),
            ]),
            &pairs(&[("STENOBOT_MAX_QUEUE_SIZE", "30"), ("STENOBOT_MAX_CONCURRENT_WORKERS", "30")]),
        )
        .unwrap();
        assert_eq!(config.limits.queue, 40);
        assert_eq!(config.engine.workers, 30);
        assert_eq!(config.limits.voice, Duration::from_secs(20));
        assert_eq!(config.engine.threads, 4);
    }

    #[test]
    fn absurd_values_are_refused_with_key_value_and_range() {
        for (name, value, wanted) in [
            ("STENOBOT_MAX_QUEUE_SIZE", "0", "max_queue_size = 0 is not allowed: give 1 to 10000"),
            ("STENOBOT_MAX_QUEUE_SIZE", "-3", "max_queue_size = -3 is not allowed: give 1 to 10000"),
            ("STENOBOT_MAX_QUEUE_SIZE", "many", "max_queue_size = many is not allowed: give 1 to 10000"),
            ("STENOBOT_MAX_CONCURRENT_WORKERS", "65", "max_concurrent_workers = 65 is not allowed: give 1 to 64"),
            (
                "STENOBOT_TELEGRAM_API_URL",
                "ftp://x",
                "telegram_api_url = ftp://x is not allowed: give http or https URL",
            ),
            (
                "STENOBOT_DATABASE_URL",
                "mysql://x",
                "database_url = mysql://x is not allowed: give empty, or sqlite://FILE",
            ),
            ("STENOBOT_DEFAULT_LOCALE", "xx", "default_locale = xx is not allowed: give ru or en"),
            (
                "STENOBOT_LOG_LEVEL",
                "a=b=c",
                "log_level = a=b=c is not allowed: give a tracing filter such as info or stenobot=debug",
            ),
        ] {
            assert_eq!(from_env(&[(name, value)]).unwrap_err().to_string(), wanted);
        }
        let message = from_env(&[("STENOBOT_METRICS_ADDR", "nowhere")]).unwrap_err().to_string();
        assert!(message.contains("metrics_addr") && message.contains("address:port"), "{message}");
        let message = from_env(&[("STENOBOT_LANGUAGE", "Klingon")]).unwrap_err().to_string();
        assert!(message.contains("language") && message.contains("Klingon"), "{message}");
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let message = from_env(&[("STENOBOT_MAX_QUEU_SIZE", "5")]).unwrap_err().to_string();
        assert_eq!(message, "max_queu_size is no setting; `stenobot --help` lists them");
    }

    #[test]
    fn a_token_is_found_and_never_printed() {
        let secret = "123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc";
        let config = from_env(&[("TELOXIDE_TOKEN", secret)]).unwrap();
        assert_eq!(config.telegram.token.as_ref().map(BotToken::expose), Some(secret));
        assert!(!format!("{config:?}").contains("AAEhBO"));

        let message = from_env(&[("TELEGRAM_BOT_TOKEN", "my secret word")]).unwrap_err().to_string();
        assert!(message.starts_with("TELEGRAM_BOT_TOKEN does not look like"));
        assert!(!message.contains("secret word"));
    }

    #[test]
    fn the_table_names_every_key_with_its_default() {
        let table = table();
        assert!(table.contains("| `max_queue_size` | `50` | 1 to 10000 |"));
        assert_eq!(table.lines().count(), SETTINGS.len() + 2);
    }
}
