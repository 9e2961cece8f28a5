//! The sections of a parsed [`Config`](super::Config).

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stenobot_domain::{LanguageList, RequestId, SpeechLanguage};
use stenobot_store::StoreUrl;
use stenobot_telegram::Locale;

use super::{BotToken, EngineChoice, IdList, LogFormat, VoiceActivity};

/// Access to Telegram.
#[derive(Debug, Clone)]
pub struct Telegram {
    /// `None` when no token is set.
    pub token: Option<BotToken>,
    /// Root of the Bot API.
    pub api_url: reqwest::Url,
    /// How updates come in.
    pub(crate) updates: UpdateSource,
    /// Locale of users whose language is none of the locales.
    pub(crate) default_locale: Locale,
    /// How answers begin.
    pub(crate) answer_style: AnswerStyle,
    /// Folder of locale files that outrank the bot's own.
    pub texts: Option<PathBuf>,
    /// Messages and edits a second, of all machines together.
    pub(crate) rate: std::num::NonZeroU32,
    /// Folder of a local Bot API server's files.
    pub(crate) local_dir: Option<PathBuf>,
}

/// How an answer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AnswerStyle {
    /// With a heading.
    Marked,
    /// With the text, or with remarks on it.
    Bare,
}

/// How updates come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UpdateSource {
    /// The bot asks Telegram for them.
    Polling,
    /// Telegram sends them.
    Webhook(Webhook),
}

/// Where Telegram sends updates, and where they arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Webhook {
    /// For Telegram.
    pub(crate) url: reqwest::Url,
    /// Of our listener.
    pub(crate) addr: SocketAddr,
}

const AUDIO_EXTENSION: &str = ".audio";
/// Of a recording that is being downloaded.
const PARTIAL_EXTENSION: &str = ".partial";

/// Files of the bot.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    /// Private to this user.
    pub data_dir: PathBuf,
    /// Location of the store.
    pub database: StoreUrl,
}

impl Storage {
    /// Whether several processes can work on the store at once.
    pub(crate) fn is_shared(&self) -> bool {
        match &self.database {
            StoreUrl::Sqlite(_) => false,
            StoreUrl::Postgres(_) => true,
        }
    }

    /// Model files.
    pub(crate) fn models(&self) -> PathBuf {
        self.data_dir.join("models")
    }

    /// Holds the URL of the webhook that this bot has set, while there is one.
    pub(crate) fn webhook_record(&self) -> PathBuf {
        self.data_dir.join("webhook")
    }

    /// Holds the time of the last backup.
    pub(crate) fn backup_record(&self) -> PathBuf {
        self.data_dir.join("last-backup")
    }

    /// Audio of requests under way.
    pub(crate) fn audio(&self) -> PathBuf {
        self.data_dir.join("audio")
    }

    /// One request's audio. The name is the request's id: no text of a sender becomes part of a path.
    pub(crate) fn audio_file(&self, id: RequestId) -> PathBuf {
        self.audio().join(format!("{id}{AUDIO_EXTENSION}"))
    }

    /// One request's audio while it is downloaded.
    pub(crate) fn partial_audio_file(&self, id: RequestId) -> PathBuf {
        self.audio().join(format!("{id}{PARTIAL_EXTENSION}"))
    }

    /// The request for which [`Storage::audio_file`] or [`Storage::partial_audio_file`] gives this name.
    pub(crate) fn request_of(name: &OsStr) -> Option<RequestId> {
        let name = name.to_str()?;
        let id = name.strip_suffix(AUDIO_EXTENSION).or_else(|| name.strip_suffix(PARTIAL_EXTENSION))?;
        let number = id.parse::<i64>().ok().filter(|number| *number > 0 && *id == number.to_string())?;
        Some(RequestId(number))
    }

    /// Whether a name is one of those.
    pub(crate) fn is_audio_file(name: &OsStr) -> bool {
        Self::request_of(name).is_some()
    }
}

/// The model and how it runs.
#[derive(Debug, Clone)]
pub struct Engine {
    /// A catalogue name or a path, as the operator wrote it.
    pub model: String,
    /// Base URL of the downloads of catalogue models.
    pub model_base_url: reqwest::Url,
    /// What runs it.
    pub choice: EngineChoice,
    /// ONNX Runtime's library; `None` to look for it.
    pub onnx_library: Option<PathBuf>,
    /// Whether speech is detected first.
    pub voice_activity: VoiceActivity,
    /// Default speech language.
    pub language: SpeechLanguage,
    /// Languages that are likely spoken where the language is detected.
    pub languages: LanguageList,
    /// Engine processes.
    pub workers: usize,
    /// Threads per engine process.
    pub threads: usize,
}

/// Limits of requests.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Requests waiting at once.
    pub queue: u32,
    /// Length of one message.
    pub voice: Duration,
    /// Bytes of one file; never more than the Bot API server gives.
    pub file_bytes: u64,
    /// Requests of one person waiting at once.
    pub(crate) waiting_per_user: u32,
    /// Audio of one person a day; `None` for any amount.
    pub(crate) daily_audio: Option<Duration>,
    /// Messages of one answer.
    pub(crate) answer_messages: std::num::NonZeroUsize,
    /// Messages per minute and person.
    pub(crate) user_per_minute: std::num::NonZeroU32,
}

/// Allowed users and operators.
#[derive(Debug, Clone)]
pub struct People {
    /// Numbers of people and groups; empty for everybody.
    pub allowed: IdList,
    /// Numbers of the bot's administrators.
    pub(crate) operators: IdList,
    /// Numbers of people whose own accounts may be connected; empty for none.
    pub(crate) owners: IdList,
    /// Whether they may call the bot in chats that it is not in.
    pub(crate) has_guests: bool,
}

/// Retention.
#[derive(Debug, Clone)]
pub struct Privacy {
    /// Of a recording, after its answer; zero removes it at once.
    pub(crate) audio_retention: Duration,
}

/// Deadlines and intervals.
#[derive(Debug, Clone)]
pub(crate) struct Timing {
    /// Between progress edits.
    pub(crate) progress_interval: Duration,
    /// Cap of a transcription's deadline.
    pub transcription: Duration,
    /// Of one download.
    pub download: Duration,
    /// From SIGTERM to exit.
    pub shutdown: Duration,
}

/// Logs and metrics.
#[derive(Debug, Clone)]
pub(crate) struct Telemetry {
    /// Address of the metrics and health server.
    pub addr: SocketAddr,
    /// Address of the dashboard, for operators.
    pub(crate) dashboard: Option<reqwest::Url>,
    /// Form of the log.
    pub format: LogFormat,
    /// Filter of the log.
    pub level: String,
}
