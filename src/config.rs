//! Configuration: defaults < `stenobot.toml` < `.env` and environment < flags, parsed into types that hold
//! only allowed values: a [`Config`] needs no further check.

mod environment;
mod examples;
mod ids;
mod layers;
mod parse;
mod sections;
mod shown;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;

pub use examples::{dotenv_example, toml_example};
pub(crate) use ids::IdList;
pub(crate) use sections::{AnswerStyle, Limits, Storage, Telemetry, Timing, UpdateSource, Webhook};
pub use sections::{Engine, People, Privacy, Telegram};
pub(crate) use shown::{Shown, ShownToken};
pub use stenobot_domain::Role;
pub use token::BotToken;

use layers::Layers;
use serde::{Deserialize, Serialize};
use stenobot_domain::{LanguageList, SpeechLanguage};
use stenobot_network::{Proxies, ProxyError, ProxyUrl};
use stenobot_telegram::{DEFAULT_RATE, Locale};

/// Prefix of the environment variables: `STENOBOT_MAX_QUEUE_SIZE` sets `max_queue_size`.
pub(crate) const ENV_PREFIX: &str = "STENOBOT_";
/// The variables that may hold the token, the first that is set wins.
pub(crate) const TOKEN_VARIABLES: [&str; 2] = ["TELEGRAM_BOT_TOKEN", "TELOXIDE_TOKEN"];
/// Names a file that holds the token, in place of them.
pub(crate) const TOKEN_FILE_VARIABLE: &str = "TELEGRAM_BOT_TOKEN_FILE";
/// Read from the working directory when no other file is named.
pub(crate) const DEFAULT_FILE: &str = "stenobot.toml";
/// Variables of the working directory, which those of the environment outrank.
pub(crate) const DOTENV_FILE: &str = ".env";

/// Declares every key once: its type, default, allowed values and meaning. From it come the flags, the
/// file's and the environment's keys, and the table in the README.
macro_rules! settings {
    ($($key:ident: $reload:ident $type:ty = $default:expr, $allowed:expr, $help:literal;)*) => {
        /// The keys as they come in, before they are parsed.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Raw { $($key: $type,)* }

        impl Raw {
            /// These values, but of those that a running bot cannot change, `running`'s; and the keys that differ.
            fn over(mut self, running: &Self) -> (Self, Vec<Change>) {
                let mut changes = Vec::new();
                $(
                    if self.$key != running.$key {
                        let reload = Reload::$reload;
                        changes.push(Change { key: stringify!($key), reload });
                        if reload == Reload::fixed {
                            self.$key = running.$key.clone();
                        }
                    }
                )*
                (self, changes)
            }
        }

        impl Default for Raw {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        /// Values from the command line, which outrank all others.
        #[derive(Debug, Clone, Default, Serialize, clap::Args)]
        #[command(next_help_heading = "Settings")]
        pub(crate) struct Overrides {
            $(
                #[doc = $help]
                // Shown in the help of those commands that read the setting.
                #[arg(long, global = true, hide = true, value_name = "VALUE")]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $key: Option<$type>,
            )*
        }

        /// Every key: name, allowed values, meaning.
        pub const SETTINGS: &[Setting] = &[$(
            Setting { key: stringify!($key), reload: Reload::$reload, allowed: $allowed, help: $help },
        )*];
    };
}

/// A key with its documentation.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Name in the file; with `STENOBOT_` before it and in capitals, in the environment.
    pub key: &'static str,
    /// Whether SIGHUP applies it.
    pub reload: Reload,
    /// The range or the form of allowed values.
    pub allowed: &'static str,
    /// Meaning, for the README and `--help`.
    pub help: &'static str,
}

/// Whether a running bot can apply another value of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(non_camel_case_types, reason = "spelt as in the list of settings")]
pub enum Reload {
    /// At SIGHUP.
    live,
    /// When it starts again.
    fixed,
}

/// A setting whose value is another than the running bot's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    /// Its key.
    pub key: &'static str,
    /// Whether the running bot applies it.
    pub reload: Reload,
}

settings! {
    telegram_api_url: fixed String = "https://api.telegram.org".into(), "http or https URL", "The Bot API server, Telegram's own or a local one.";
    proxy_url: fixed ProxyUrl = ProxyUrl::default(), "empty, or a URL such as socks5h://USER:PASSWORD@HOST:PORT or http://HOST:PORT", "Proxy for the way to Telegram and to the models; empty means that of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY.";
    telegram_messages_per_second: fixed u32 = DEFAULT_RATE.get(), "1 to 1000", "Messages and edits a second that Telegram takes from this bot, all machines together; more than 28 only if Telegram has raised its limit of about 30.";
    telegram_local_dir: fixed PathBuf = PathBuf::new(), "empty, or a folder", "Where a Bot API server started with --local keeps its files on this machine.";
    webhook_url: fixed String = String::new(), "empty, or an https URL without user and query; http on this machine", "Where Telegram sends updates; empty means that the bot polls for them.";
    webhook_addr: fixed SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8443)), "address:port", "With `webhook_url`: where those updates are received, as plain HTTP from the reverse proxy that `webhook_url` leads to.";
    role: fixed Role = Role::All, "all, bot or worker", "What this process does: a bot takes messages in and shows their states, a worker transcribes and answers; bot and worker need a PostgreSQL store.";
    data_dir: fixed PathBuf = "data".into(), "a folder", "Where the store, the models and audio in flight are kept.";
    database_url: fixed String = String::new(), "empty, sqlite://FILE or postgres://USER@HOST/DATABASE", "The store's database; empty means stenobot.db in data_dir.";
    model: fixed String = "base-q8_0".into(), "a name from `stenobot model list`, or a path", "The Whisper model.";
    model_base_url: fixed String = "https://huggingface.co/ggerganov/whisper.cpp/resolve/main".into(), "http or https URL", "Where models are downloaded from.";
    engine: fixed EngineChoice = EngineChoice::Auto, "auto, onnx or whisper.cpp", "What runs the model: ONNX Runtime, several times faster, or the built-in whisper.cpp; auto takes ONNX Runtime where its library is found.";
    onnx_library: fixed PathBuf = PathBuf::new(), "empty, or a path", "ONNX Runtime's library; when empty it is looked for beside the program, in `lib` below data_dir and in the system's folders.";
    voice_activity: fixed VoiceActivity = VoiceActivity::On, "on or off", "Whether only those parts of a recording are transcribed in which the voice activity detector finds speech.";
    language: live SpeechLanguage = SpeechLanguage::Auto, "auto, or a code such as ru", "The language people speak in their messages.";
    languages: live LanguageList = LanguageList::default(), "empty, or up to eight codes such as ru, uk, en", "The languages people are likely to speak, beside those of their own recordings and Telegram: others are considered only when none of these is plausible; empty adds none.";
    default_locale: live String = "ru".into(), Locale::CODES, "The language of the bot's own texts for people whose language it does not speak; what is taken for likely when the language of a short recording is detected.";
    max_queue_size: live u32 = 50, "1 to 100000", "Requests that may wait at once; further ones are refused.";
    max_concurrent_workers: fixed u32 = 1, "1 to 64", "Transcriptions that run at once, each in its own engine process.";
    threads: fixed u32 = 0, "0 to 256", "Threads of each engine; 0 shares the usable cores among the workers.";
    max_voice_duration_seconds: live u64 = 120, "1 to 14400", "Longest message that is accepted.";
    max_file_size_bytes: live u64 = 20 * 1024 * 1024, "1024 to 2147483648", "Largest file that is accepted; without `telegram_local_dir` never more than 20 MiB.";
    progress_update_interval_seconds: live u64 = 5, "1 to 300", "Time between two progress edits of one message.";
    transcription_timeout_seconds: live u64 = 120, "5 to 14400", "Longest time the engine may work on one message.";
    download_timeout_seconds: live u64 = 60, "5 to 3600", "Longest time one download may take.";
    max_waiting_per_user: live u32 = 10, "1 to 10000", "Messages of one person that may wait at once.";
    daily_audio_minutes_per_user: live u64 = 0, "0 to 1440", "Audio that one person may send a day (UTC); 0 for any amount.";
    max_answer_messages: live u32 = 4, "1 to 50", "Longest text that is sent as messages; a longer one is sent as a file.";
    answer_style: live AnswerStyle = AnswerStyle::Marked, "marked or bare", "Whether a text comes under a heading that says it is done, or alone.";
    audio_retention_seconds: live u64 = 300, "0 to 86400", "How long a recording stays on this machine after its answer, for the buttons under it; 0 removes it at once.";
    allowed_users: live IdList = IdList::default(), "empty, or numbers of people and groups such as 1234567, -1009876543", "Who is served, beside those who came by `/invite`; empty serves everybody.";
    owner_accounts: live IdList = IdList::default(), "empty, or numbers of people", "Whose own Telegram accounts may be connected to the bot: recordings that they receive are transcribed for them; empty means none.";
    admin_users: live IdList = IdList::default(), "empty, or numbers of people", "Who may use /stats, /pause, /drain, /ban and /broadcast, in a private chat with the bot.";
    guest_mode: live GuestMode = GuestMode::Off, "on or off", "Whether people may call the bot in chats that it is not in, by its name in reply to a recording: the text goes there.";
    user_requests_per_minute: live u32 = 20, "1 to 600", "Messages, commands and pressed buttons of one person per minute that are answered.";
    shutdown_timeout_seconds: fixed u64 = 20, "1 to 600", "How long running work may finish after SIGTERM.";
    metrics_addr: fixed SocketAddr = SocketAddr::from(([127, 0, 0, 1], 9464)), "address:port", "Where /metrics, /healthz and /readyz are served.";
    dashboard_url: live String = String::new(), "empty, or an http or https URL without user", "Address of the Grafana dashboard as operators reach it, shown under /stats.";
    texts_dir: live PathBuf = PathBuf::new(), "empty, or a folder", "Locale files whose messages take the place of the bot's own, as `ru/main.ftl` in it.";
    log_format: fixed LogFormat = LogFormat::Pretty, "pretty or json", "Form of the log on standard error.";
    log_level: live String = "info".into(), "a tracing filter such as info or stenobot=debug", "What is logged; debug alone means that of this program.";
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// What runs the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum EngineChoice {
    /// ONNX Runtime where its library is found, else whisper.cpp.
    Auto,
    /// ONNX Runtime.
    Onnx,
    /// Built in.
    #[serde(rename = "whisper.cpp")]
    #[value(name = "whisper.cpp")]
    WhisperCpp,
}

/// Whether the bot can be called in chats that it is not in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GuestMode {
    /// By those whom it serves.
    On,
    /// By no one.
    Off,
}

/// Whether speech is looked for before it is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum VoiceActivity {
    /// Only speech is transcribed.
    On,
    /// Everything is.
    Off,
}

/// A parsed configuration: every value is allowed.
#[derive(Debug, Clone)]
pub struct Config {
    /// The values by key.
    raw: Raw,
    pub(crate) role: Role,
    pub(crate) proxies: Proxies,
    pub(crate) telegram: Telegram,
    pub(crate) storage: Storage,
    pub(crate) engine: Engine,
    pub(crate) limits: Limits,
    pub(crate) people: People,
    pub(crate) privacy: Privacy,
    pub(crate) timing: Timing,
    pub(crate) telemetry: Telemetry,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key that is no setting.
    #[error(
        "{name} ({origin}) is no setting{}",
        similar.map_or("; `stenobot run --help` lists them".to_owned(), |key| format!(": did you mean `{key}`?"))
    )]
    Unknown {
        /// The key as it was given.
        name: String,
        /// The file or variable that gives it.
        origin: String,
        /// The setting with the most similar name.
        similar: Option<&'static str>,
    },
    /// A value out of its range.
    #[error("{key} = {value} is not allowed: give {allowed}")]
    Refused {
        /// The key.
        key: &'static str,
        /// The refused value.
        value: String,
        /// The range or the form of allowed values.
        allowed: &'static str,
    },
    /// A value of the wrong type, or a file that cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The token is malformed. The value is not repeated.
    #[error("{variable} does not look like a bot token: @BotFather gives tokens of the form 123456789:AAE...")]
    Token {
        /// What holds it: a variable, a file by the variable that names it, or a credential.
        variable: &'static str,
    },
    /// The file with the token cannot be read.
    #[error("the bot's token cannot be read from {path}: {error}")]
    TokenFile {
        /// Its path.
        path: String,
        /// The system's reason.
        error: std::io::Error,
    },
    /// Which of two tokens counts would depend on rules that an operator does not have in mind.
    #[error("the bot's token is given twice, by {first} and by {second}: take one of them out")]
    TwoTokens {
        /// A variable.
        first: &'static str,
        /// Another one, or a credential.
        second: &'static str,
    },
    /// A token in a setting, where it would be shown. The value is not repeated.
    #[error(
        "{key} holds a bot token: take it out there and set {} instead; settings are shown in logs and sentences",
        TOKEN_VARIABLES[0]
    )]
    Misplaced {
        /// The key.
        key: &'static str,
    },
    /// A variable of ours whose value is no text. It is not repeated.
    #[error("the environment variable {variable} is not valid UTF-8: set it again")]
    NotText {
        /// Its name.
        variable: String,
    },
    /// A role for one of several processes, of which an SQLite file has one only.
    #[error(
        "role = {role} needs a PostgreSQL store, since several processes cannot share an SQLite file: set database_url to \
         it, or role to all"
    )]
    UnsharedStore {
        /// The role.
        role: Role,
    },
    /// A proxy that cannot be used. Its address is not repeated.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
}

/// Sources of the values besides `.env` and environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// The file named on the command line; it must exist. Without it [`DEFAULT_FILE`] is read if present.
    pub file: Option<PathBuf>,
    /// Values from the command line.
    pub(crate) overrides: Overrides,
}

impl Config {
    /// Reads all sources from the working directory and the environment.
    pub(crate) fn load(sources: &Sources) -> Result<Self, ConfigError> {
        Layers::read(sources)?.into_config()
    }

    /// A configuration from values by key, as in the file, and a token: nothing is read from files or the environment.
    ///
    /// # Errors
    /// A key or a value is not allowed, or the token is malformed.
    pub fn from_settings(
        token: &str,
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let variable = |(key, value): (String, String)| (format!("{ENV_PREFIX}{}", key.to_ascii_uppercase()), value);
        let mut environment: Vec<_> = settings.into_iter().map(variable).collect();
        environment.push((TOKEN_VARIABLES[0].to_owned(), token.to_owned()));
        Layers::of_variables(environment).merge(&[])
    }

    /// Secrets besides the token: the passwords of proxies and of the servers' addresses.
    pub(crate) fn passwords(&self) -> impl Iterator<Item = &str> {
        let servers = [&self.telegram.api_url, &self.engine.model_base_url];
        let servers = servers.into_iter().filter_map(|server| server.password());
        self.proxies.passwords().chain(servers).chain(parse::password(&self.raw.database_url))
    }

    /// Reads all sources again for a bot that runs with this configuration. The new one has the changes that a running bot can
    /// apply; all changes are listed. The token stays.
    pub(crate) fn reload(&self, sources: &Sources) -> Result<(Self, Vec<Change>), ConfigError> {
        let fresh = Self::load(sources)?;
        let (raw, changes) = fresh.raw.over(&self.raw);
        Ok((raw.parse(self.telegram.token.clone(), self.proxies.clone())?, changes))
    }

    /// Every key with its value as it would be given in the environment.
    #[cfg(feature = "simulator")]
    pub(crate) fn values(&self) -> std::collections::BTreeMap<&'static str, String> {
        self.raw.texts().map(|(setting, text)| (setting.key, text)).collect()
    }
}

impl ConfigError {
    /// Replaces these tokens where the error quotes them.
    fn without(self, tokens: &[&str]) -> Self {
        let hide = |text| layers::without(tokens, text);
        match self {
            Self::Refused { key, value, allowed } => Self::Refused { key, value: hide(value), allowed },
            Self::Unknown { name, origin, similar } => {
                Self::Unknown { name: hide(name), origin: hide(origin), similar }
            }
            Self::Unreadable(text) => Self::Unreadable(hide(text)),
            Self::NotText { variable } => Self::NotText { variable: hide(variable) },
            Self::Token { .. }
            | Self::TokenFile { .. }
            | Self::TwoTokens { .. }
            | Self::Misplaced { .. }
            | Self::UnsharedStore { .. }
            | Self::Proxy(_) => self,
        }
    }
}

impl Setting {
    /// Name of the environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("{ENV_PREFIX}{}", self.key.to_ascii_uppercase())
    }

    /// Name of the flag, without the dashes before it.
    pub(crate) fn flag(&self) -> String {
        self.key.replace('_', "-")
    }
}

impl Raw {
    /// Each setting with its value as it would be given in the environment.
    fn texts(&self) -> impl Iterator<Item = (&'static Setting, String)> + use<> {
        let values = serde_json::to_value(self).unwrap_or_default();
        let text = move |key: &str| match &values[key] {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        SETTINGS.iter().map(move |setting| (setting, text(setting.key)))
    }
}

/// The default of each key as it would be given in the environment.
pub(crate) fn defaults() -> impl Iterator<Item = (&'static Setting, String)> {
    Raw::default().texts()
}

/// The README's table of settings.
pub fn table() -> String {
    let mut table = String::from("| key | default | allowed | meaning | SIGHUP |\n| --- | --- | --- | --- | --- |\n");
    for (Setting { key, reload, allowed, help }, default) in defaults() {
        let reload = match reload {
            Reload::live => "yes",
            Reload::fixed => "",
        };
        let default = if default.is_empty() { default } else { format!("`{default}`") };
        table.push_str(&format!("| `{key}` | {default} | {allowed} | {help} | {reload} |\n"));
    }
    table
}

#[cfg(test)]
mod tests;
