//! Parses the values by key into a [`Config`].

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use reqwest::Url;
use stenobot_domain::{PUBLIC_FILE_LIMIT, SpeechLanguage, secrets};
use stenobot_store::StoreUrl;
use stenobot_telegram::Locale;

use super::{
    BotToken, Config, ConfigError, Engine, GuestMode, Limits, People, Privacy, Proxies, Raw, Role, SETTINGS, Storage,
    Telegram, Telemetry, Timing, UpdateSource, Webhook,
};

/// Telegram's own Bot API server.
const TELEGRAM_HOST: &str = "api.telegram.org";

impl Config {
    /// `max_file_size_bytes`, where the Bot API server gives no files of that size; [`Limits::file_bytes`] is the effective limit.
    pub(crate) fn unreachable_file_size(&self) -> Option<u64> {
        Some(self.raw.max_file_size_bytes).filter(|bytes| *bytes > self.limits.file_bytes)
    }
}

impl Raw {
    /// Refuses a setting that holds a token. A proxy's address is a secret as a whole, and its password may look like one.
    pub(super) fn refuse_tokens(&self, tokens: &[&str]) -> Result<(), ConfigError> {
        let values = serde_json::to_value(self).unwrap_or_default();
        let holds_token = |key: &str| {
            let value = values[key].as_str().unwrap_or_default();
            secrets::find_token(value.as_bytes()).is_some() || tokens.iter().any(|token| value.contains(token))
        };
        let found = SETTINGS.iter().find(|setting| setting.key != "proxy_url" && holds_token(setting.key));
        found.map_or(Ok(()), |setting| Err(ConfigError::Misplaced { key: setting.key }))
    }

    pub(super) fn parse(self, token: Option<BotToken>, proxies: Proxies) -> Result<Config, ConfigError> {
        let workers = bounded("max_concurrent_workers", self.max_concurrent_workers, 1, 64)? as usize;
        let threads = match bounded("threads", self.threads, 0, 256)? as usize {
            0 => (usable_cores() / workers).max(1),
            threads => threads,
        };
        let seconds = |key, value, low, high| bounded(key, value, low, high).map(Duration::from_secs);
        let raw = self.clone();
        let api_url = url("telegram_api_url", &self.telegram_api_url)?;
        let local_dir = Some(self.telegram_local_dir).filter(|folder| !folder.as_os_str().is_empty());
        // Only a server that was started with --local gives larger files, and those by their paths in this folder.
        let server_limit = match &local_dir {
            Some(_) if api_url.host_str() != Some(TELEGRAM_HOST) => u64::MAX,
            Some(_) | None => PUBLIC_FILE_LIMIT,
        };
        let storage = Storage { database: database(&self.database_url, &self.data_dir)?, data_dir: self.data_dir };
        if self.role != Role::All && !storage.is_shared() {
            return Err(ConfigError::UnsharedStore { role: self.role });
        }
        Ok(Config {
            raw,
            role: self.role,
            proxies,
            telegram: Telegram {
                token,
                api_url,
                updates: update_source(&self.webhook_url, self.webhook_addr)?,
                default_locale: Locale::from_code(&self.default_locale)
                    .ok_or_else(|| refused("default_locale", &self.default_locale))?,
                answer_style: self.answer_style,
                rate: positive("telegram_messages_per_second", self.telegram_messages_per_second, 1000)?,
                local_dir,
                texts: Some(self.texts_dir).filter(|folder| !folder.as_os_str().is_empty()),
            },
            storage,
            engine: Engine {
                model: self.model,
                model_base_url: url("model_base_url", &self.model_base_url)?,
                choice: self.engine,
                onnx_library: Some(self.onnx_library).filter(|path| !path.as_os_str().is_empty()),
                voice_activity: self.voice_activity,
                language: match self.language {
                    SpeechLanguage::Several(list) => return Err(refused("language", list)),
                    one @ (SpeechLanguage::Auto | SpeechLanguage::Code(_)) => one,
                },
                languages: self.languages,
                workers,
                threads,
            },
            limits: Limits {
                queue: bounded("max_queue_size", self.max_queue_size, 1, 100_000)?,
                voice: seconds("max_voice_duration_seconds", self.max_voice_duration_seconds, 1, 14_400)?,
                file_bytes: bounded("max_file_size_bytes", self.max_file_size_bytes, 1024, 1 << 31)?.min(server_limit),
                waiting_per_user: bounded("max_waiting_per_user", self.max_waiting_per_user, 1, 10_000)?,
                daily_audio: match bounded("daily_audio_minutes_per_user", self.daily_audio_minutes_per_user, 0, 1440)?
                {
                    0 => None,
                    minutes => Some(Duration::from_secs(minutes * 60)),
                },
                answer_messages: std::num::NonZeroUsize::new(bounded(
                    "max_answer_messages",
                    self.max_answer_messages,
                    1,
                    50,
                )? as usize)
                .unwrap_or(std::num::NonZeroUsize::MIN),
                user_per_minute: positive("user_requests_per_minute", self.user_requests_per_minute, 600)?,
            },
            people: People {
                allowed: self.allowed_users,
                operators: self.admin_users,
                owners: self.owner_accounts,
                has_guests: self.guest_mode == GuestMode::On,
            },
            privacy: Privacy {
                audio_retention: seconds("audio_retention_seconds", self.audio_retention_seconds, 0, 86_400)?,
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
                dashboard: dashboard(&self.dashboard_url)?,
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
    ConfigError::Refused { key, value: secrets::hide(&value.to_string()), allowed }
}

fn bounded<T: PartialOrd + fmt::Display + Copy>(
    key: &'static str,
    value: T,
    low: T,
    high: T,
) -> Result<T, ConfigError> {
    if value < low || value > high { Err(refused(key, value)) } else { Ok(value) }
}

/// From 1 to `high`.
fn positive(key: &'static str, value: u32, high: u32) -> Result<NonZeroU32, ConfigError> {
    NonZeroU32::new(bounded(key, value, 1, high)?).ok_or_else(|| refused(key, value))
}

fn url(key: &'static str, value: &str) -> Result<Url, ConfigError> {
    match Url::parse(value) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err(refused(key, value)),
    }
}

fn update_source(value: &str, addr: SocketAddr) -> Result<UpdateSource, ConfigError> {
    if value.is_empty() {
        return Ok(UpdateSource::Polling);
    }
    let is_plain = |url: &Url| {
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none()
    };
    // Without TLS the secret and what users write would cross the network in clear.
    let is_protected = |url: &Url| match url.scheme() {
        "https" => true,
        "http" => url.host_str().is_some_and(is_this_machine),
        _ => false,
    };
    match Url::parse(value) {
        Ok(url) if url.has_host() && is_plain(&url) && is_protected(&url) => {
            Ok(UpdateSource::Webhook(Webhook { url, addr }))
        }
        _ => Err(refused("webhook_url", value)),
    }
}

/// `None` of an empty value. A password would be shown to every operator.
fn dashboard(value: &str) -> Result<Option<Url>, ConfigError> {
    if value.is_empty() {
        return Ok(None);
    }
    let url = url("dashboard_url", value)?;
    match url.username().is_empty() && url.password().is_none() {
        true => Ok(Some(url)),
        false => Err(refused("dashboard_url", value)),
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn filter(key: &'static str, value: String) -> Result<String, ConfigError> {
    match tracing_subscriber::EnvFilter::builder().parse(&value) {
        // Of this program: what libraries do then, such as every statement to the store, would hide it.
        Ok(_) if ["debug", "trace"].iter().any(|level| value.eq_ignore_ascii_case(level)) => {
            Ok(format!("info,stenobot={}", value.to_ascii_lowercase()))
        }
        Ok(_) => Ok(value),
        Err(_) => Err(refused(key, value)),
    }
}

fn database(value: &str, data_dir: &Path) -> Result<StoreUrl, ConfigError> {
    match value {
        "" => Ok(StoreUrl::sqlite(data_dir.join("stenobot.db"))),
        url => url.parse().map_err(|_| refused("database_url", value)),
    }
}

/// The password in a URL, as it is written there.
pub(super) fn password(url: &str) -> Option<&str> {
    let (user, _) = url.split_once("://")?.1.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password)
}
