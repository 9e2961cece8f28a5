//! The webhook: Telegram sends updates instead of being polled for them.
//!
//! Parameters and answers are our own types: teloxide's list of kinds of updates is closed.

use std::fmt;
use std::time::Duration;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stenobot_domain::Timestamp;

use super::call::Method;
use super::client::{CALL, Client};
use super::error::{TelegramError, clean};
use super::update::Incoming;

/// Updates that Telegram may send at once. They are ingested one after the other; more would only wait here.
pub const MAX_WEBHOOK_CONNECTIONS: u8 = 4;

/// Telegram tries again at least once a minute.
const MAX_ERROR_AGE: Duration = Duration::from_secs(180);

/// The secret by which Telegram's requests are recognised. Cannot be printed.
#[derive(Clone)]
pub struct WebhookSecret(SecretString);

impl WebhookSecret {
    /// The secret of the bot with this token, at this address: the same on all machines that Telegram's requests may reach,
    /// and told by nothing that is sent. A hash of both; the token cannot be computed from it.
    pub fn of(token: &str, url: &Url) -> Self {
        let digest =
            Sha256::new().chain_update("webhook\0").chain_update(token).chain_update("\0").chain_update(url.as_str());
        Self(SecretString::from(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
    }

    /// Whether this is the secret. The time that it takes does not depend on where the two differ.
    pub fn matches(&self, given: &[u8]) -> bool {
        let secret = self.0.expose_secret().as_bytes();
        let pairs = secret.iter().zip(given);
        // Without the barrier the compiler may leave the loop at the first difference.
        let differences = pairs.fold(0, |differences, (one, other)| std::hint::black_box(differences | (one ^ other)));
        given.len() == secret.len() && differences == 0
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(hidden)")
    }
}

/// What Telegram says about the webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookInfo {
    /// Empty when none is set, and the updates can be polled.
    pub url: String,
    /// Updates that wait for their delivery.
    pub pending: u64,
    /// The latest failed delivery.
    pub last_error: Option<WebhookError>,
}

/// A delivery that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookError {
    /// By Telegram's clock, whole seconds.
    pub at: Timestamp,
    /// Telegram's description, without links.
    pub message: String,
}

impl WebhookInfo {
    /// The latest failed delivery, if updates wait since and Telegram would have tried again after an older one.
    pub fn trouble(&self, now: Timestamp) -> Option<&WebhookError> {
        self.last_error.as_ref().filter(|error| self.pending > 0 && now.since(error.at) <= MAX_ERROR_AGE)
    }
}

#[derive(Serialize)]
struct SetWebhook<'a> {
    url: &'a str,
    secret_token: &'a str,
    max_connections: u8,
    allowed_updates: Vec<&'static str>,
    drop_pending_updates: bool,
}

#[derive(Serialize)]
struct DeleteWebhook {
    drop_pending_updates: bool,
}

#[derive(Serialize)]
struct GetWebhookInfo {}

#[derive(Deserialize)]
struct Answer {
    url: String,
    #[serde(default)]
    pending_update_count: u64,
    last_error_date: Option<i64>,
    #[serde(default)]
    last_error_message: String,
}

impl Client {
    /// Has updates sent to `url`, those that wait already included, with this secret in the header
    /// `X-Telegram-Bot-Api-Secret-Token`. Replaces any other webhook.
    ///
    /// # Errors
    /// Any [`TelegramError`].
    pub async fn set_webhook(&self, url: &Url, secret: &WebhookSecret) -> Result<(), TelegramError> {
        let payload = SetWebhook {
            url: url.as_str(),
            secret_token: secret.0.expose_secret(),
            max_connections: MAX_WEBHOOK_CONNECTIONS,
            allowed_updates: self.update_kinds(),
            drop_pending_updates: false,
        };
        let _set: bool = self.call_method(Method::SetWebhook, &payload, CALL).await?;
        Ok(())
    }

    /// Returns to polling. Updates that wait stay.
    ///
    /// # Errors
    /// Any [`TelegramError`].
    pub async fn delete_webhook(&self) -> Result<(), TelegramError> {
        let payload = DeleteWebhook { drop_pending_updates: false };
        let _deleted: bool = self.call_method(Method::DeleteWebhook, &payload, CALL).await?;
        Ok(())
    }

    /// The webhook that is set, and how its deliveries go.
    ///
    /// # Errors
    /// Any [`TelegramError`].
    pub async fn webhook(&self) -> Result<WebhookInfo, TelegramError> {
        let answer: Answer = self.call_method(Method::GetWebhookInfo, &GetWebhookInfo {}, CALL).await?;
        let error = |date: i64| WebhookError {
            at: Timestamp(0).after(Duration::from_secs(date.max(0).unsigned_abs())),
            message: clean(&answer.last_error_message, self.redactor()),
        };
        let last_error = answer.last_error_date.map(error);
        Ok(WebhookInfo { url: answer.url, pending: answer.pending_update_count, last_error })
    }

    /// The update in the body of a request to the webhook; `None` where it is none.
    pub fn read_update(&self, body: &[u8]) -> Option<Incoming> {
        Incoming::from_json(body, self.identity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_itself_only() {
        let url = Url::parse("https://bot.example/hook").unwrap();
        let (secret, other) = (WebhookSecret::of("1:a", &url), WebhookSecret::of("2:a", &url));
        let text = secret.0.expose_secret().to_owned();
        assert_eq!(text.len(), 64);
        assert!(secret.matches(text.as_bytes()));
        assert!(!other.matches(text.as_bytes()));
        for wrong in ["", &text[1..], &format!("{text}0"), &text.replace(|c: char| c.is_ascii_digit(), "g")] {
            assert!(!secret.matches(wrong.as_bytes()), "{wrong}");
        }
        assert!(!format!("{secret:?}").contains(&text));
    }
}
