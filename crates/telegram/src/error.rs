//! Why a call failed, and what the caller can do about it.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use stenobot_domain::ChatId;

use super::redact::Redactor;

/// Why a call to the Bot API failed. Neither `Display` nor `Debug` holds the token or a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TelegramError {
    /// Telegram's `retry_after`: no call to this chat, or of this method, before the time has passed.
    #[error("Telegram wants {} s of silence", .0.as_secs())]
    RetryAfter(Duration),
    /// The message to edit or to answer is not there any more, or can be edited no longer.
    #[error("the message is gone")]
    MessageGone,
    /// The user blocked the bot or left, or the chat does not exist.
    #[error("the chat is closed to the bot")]
    ChatGone,
    /// The group became a supergroup, which has another id. Message ids of the group mean nothing there.
    #[error("the group has become a supergroup")]
    ChatMoved(ChatId),
    /// The bot is in the chat and may not write there.
    #[error("the bot may not write to the {0}")]
    WriteForbidden(Extent),
    /// Another program polls with the same token, or a webhook is set.
    #[error("another program receives this bot's updates: stop it, or remove its webhook")]
    Conflict,
    /// The token is wrong or was revoked.
    #[error("Telegram does not accept the token: take the current one from @BotFather")]
    Unauthorized,
    /// Any other refusal, with Telegram's description.
    #[error("Telegram refused: {0}")]
    Refused(String),
    /// HTTP 5xx, or a body that is not the Bot API's JSON.
    #[error("the Bot API server failed")]
    Server,
    /// No answer in time. The call may have had its effect.
    #[error("the Bot API server did not answer in time")]
    Timeout,
    /// No connection could be made: the call had no effect.
    #[error("the Bot API server cannot be reached: no connection")]
    NoConnection,
    /// The connection failed. The call may have had its effect.
    #[error("the Bot API server cannot be reached: {0}")]
    Network(String),
}

/// How far a refusal to let the bot write reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The whole chat.
    Chat,
    /// One topic of it.
    Topic,
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chat => "chat",
            Self::Topic => "topic",
        })
    }
}

/// What a failure means for the caller: the one classification of [`TelegramError`], on which all decisions about retries,
/// pauses and chats are based.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Telegram demands this pause, which is exact; the call was not carried out.
    ServerRequested(Duration),
    /// Transient: worth a retry, not before this time has passed. Callers lengthen the pause with each failure.
    Retry {
        /// Shortest pause.
        after: Duration,
    },
    /// Every call fails until the operator acts: the token is not accepted, or another program takes the updates.
    OperatorNeeded {
        /// Shortest pause.
        after: Duration,
    },
    /// The group is a supergroup with this id now.
    ChatMoved(ChatId),
    /// The bot cannot write to the chat.
    ChatUnreachable(Unreachable),
    /// The message to edit or to reply to does not exist any more.
    MessageGone,
    /// A retry gives the same result.
    Final,
}

/// Why the bot cannot write to a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// The chat is gone, or the user blocked the bot.
    ChatGone,
    /// The bot lacks the right to write.
    WriteForbidden(Extent),
}

impl TelegramError {
    /// What the failure means for the caller.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::RetryAfter(pause) => Disposition::ServerRequested(*pause),
            Self::Server | Self::Timeout | Self::NoConnection | Self::Network(_) => {
                Disposition::Retry { after: Duration::from_secs(1) }
            }
            // The call is not at fault: it waits for a token that is accepted, or for the other program to stop.
            Self::Conflict | Self::Unauthorized => Disposition::OperatorNeeded { after: Duration::from_secs(5) },
            Self::ChatMoved(to) => Disposition::ChatMoved(*to),
            Self::ChatGone => Disposition::ChatUnreachable(Unreachable::ChatGone),
            Self::WriteForbidden(extent) => Disposition::ChatUnreachable(Unreachable::WriteForbidden(*extent)),
            Self::MessageGone => Disposition::MessageGone,
            Self::Refused(_) => Disposition::Final,
        }
    }

    /// The pause before the call is made again: this one, or the longer one that Telegram demands.
    #[must_use]
    pub fn pause_of_at_least(&self, pause: Duration) -> Duration {
        match self.disposition() {
            Disposition::ServerRequested(requested) => requested.max(pause),
            Disposition::Retry { .. }
            | Disposition::OperatorNeeded { .. }
            | Disposition::ChatMoved(_)
            | Disposition::ChatUnreachable(_)
            | Disposition::MessageGone
            | Disposition::Final => pause,
        }
    }

    /// Whether the effect of the call is unknown. Repeating an edit is harmless, repeating a new message may show it twice.
    pub fn may_have_worked(&self) -> bool {
        match self {
            Self::Server | Self::Timeout | Self::Network(_) => true,
            Self::RetryAfter(_)
            | Self::MessageGone
            | Self::ChatGone
            | Self::ChatMoved(_)
            | Self::WriteForbidden(_)
            | Self::Conflict
            | Self::Unauthorized
            | Self::Refused(_)
            | Self::NoConnection => false,
        }
    }

    /// The edit would change nothing: for us, success.
    pub(super) fn is_not_modified(&self) -> bool {
        matches!(self, Self::Refused(description) if NOT_MODIFIED.iter().any(|part| description.contains(part)))
    }

    /// Whether a server refuses entities or a kind of button that it does not know, rather than the text.
    pub fn is_about_decoration(&self) -> bool {
        let about = |description: &str| {
            ["entity", "entities", "button", "keyboard"].iter().any(|what| description.contains(what))
        };
        matches!(self, Self::Refused(description) if about(&description.to_lowercase()))
    }

    /// From a failed exchange of bytes; reqwest's own text may hold the URL and with it the token.
    pub(super) fn from_transport(error: &reqwest::Error) -> Self {
        if error.is_connect() {
            return Self::NoConnection;
        }
        if error.is_timeout() {
            return Self::Timeout;
        }
        let what = if error.is_redirect() {
            "it redirects elsewhere"
        } else if error.is_builder() {
            "its address cannot be used"
        } else {
            "the connection broke"
        };
        Self::Network(what.to_owned())
    }
}

/// The Bot API's error response.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Refusal {
    #[serde(default)]
    pub(super) error_code: u16,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) parameters: Parameters,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Parameters {
    pub(super) retry_after: Option<u64>,
    pub(super) migrate_to_chat_id: Option<i64>,
}

/// The wait after a 429 that names none.
const DEFAULT_RETRY_AFTER: u64 = 5;

/// Descriptions (lower case) that mean the chat is closed for good. Any 403 means that too.
const CHAT_GONE: [&str; 7] = [
    "chat not found",
    "user not found",
    "user is deactivated",
    "group is deactivated",
    "group chat was deleted",
    "bot was kicked",
    "peer_id_invalid",
];

/// Descriptions (lower case) that mean the bot may not write to the chat, until its rights or the chat's change.
const WRITE_FORBIDDEN: [&str; 8] = [
    "not enough rights to send text messages",
    "have no rights to send a message",
    "need administrator rights in the channel chat",
    "chat_write_forbidden",
    "chat_restricted",
    "chat_send_plain_forbidden",
    "chat_guest_send_forbidden",
    "user_banned_in_channel",
];

/// Descriptions (lower case) that mean the bot may not write to one topic.
const TOPIC_CLOSED: [&str; 3] = ["topic_closed", "topic_deleted", "message thread not found"];

/// Descriptions of calls that would change nothing: of an edit, of a reaction.
const NOT_MODIFIED: [&str; 2] = ["message is not modified", "MESSAGE_NOT_MODIFIED"];

/// Descriptions (lower case) that mean the message is gone for good, or never takes a text again.
const MESSAGE_GONE: [&str; 9] = [
    "message to react not found",
    "message to edit not found",
    // A file took the place of its text.
    "there is no text in the message to edit",
    "message to delete not found",
    "message can't be edited",
    "message_id_invalid",
    "message to be replied not found",
    "message to reply not found",
    "replied message not found",
];

impl Refusal {
    /// The meaning of this answer; `status` counts where the body names no code. A description that quotes the request
    /// is cleaned of the token.
    pub(super) fn into_error(self, status: u16, redactor: &Redactor) -> TelegramError {
        let code = if self.error_code == 0 { status } else { self.error_code };
        let description = self.description.to_lowercase();
        let means = |known: &[&str]| known.iter().any(|part| description.contains(part));
        if code == 429 || self.parameters.retry_after.is_some() {
            let named = description.rsplit_once("retry after ").and_then(|(_, seconds)| seconds.trim().parse().ok());
            let seconds = self.parameters.retry_after.or(named).unwrap_or(DEFAULT_RETRY_AFTER);
            return TelegramError::RetryAfter(Duration::from_secs(seconds));
        }
        if let Some(to) = self.parameters.migrate_to_chat_id {
            return TelegramError::ChatMoved(ChatId(to));
        }
        match code {
            // Some old 401s are about the chat, not the token.
            401 if description.contains("bot") => TelegramError::ChatGone,
            // The whole answer to a token that is no token is `Not Found`.
            401 => TelegramError::Unauthorized,
            404 if description == "not found" => TelegramError::Unauthorized,
            400..=499 if means(&WRITE_FORBIDDEN) => TelegramError::WriteForbidden(Extent::Chat),
            400..=499 if means(&TOPIC_CLOSED) => TelegramError::WriteForbidden(Extent::Topic),
            403 => TelegramError::ChatGone,
            409 => TelegramError::Conflict,
            _ if means(&MESSAGE_GONE) => TelegramError::MessageGone,
            _ if means(&CHAT_GONE) => TelegramError::ChatGone,
            400..=499 => TelegramError::Refused(clean(&self.description, redactor)),
            _ => TelegramError::Server,
        }
    }
}

/// A description short enough for a log line, without links and without the token.
pub(super) fn clean(description: &str, redactor: &Redactor) -> String {
    let clean = redactor.clean(description.as_bytes());
    let clean = String::from_utf8_lossy(&clean);
    let words = clean.split_whitespace().map(|word| if word.contains("://") { "<link>" } else { word });
    words.collect::<Vec<_>>().join(" ").chars().take(200).collect()
}
