//! Outcome of one call to the Bot API, for metrics.

use std::sync::Arc;
use std::time::Duration;

use super::error::TelegramError;

/// Called once for each call that ran to its end. A call whose future is dropped is not reported.
pub(crate) type Observer = Arc<dyn Fn(&Call) + Send + Sync>;

/// One finished call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Bot API method.
    pub method: Method,
    /// Result class.
    pub outcome: CallOutcome,
    /// Wall time from sending to the whole answer.
    pub took: Duration,
    /// Pause that Telegram demands; only with [`CallOutcome::TooMany`].
    pub retry_after: Option<Duration>,
}

macro_rules! labels {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $label:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_meta])* $variant,)* }

        impl $name {
            /// Every value, so that a counter can start at zero for each.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value of a metric's label.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }
        }
    };
}
pub(super) use labels;

labels! {
    /// Calls that the bot makes.
    Method {
        /// The bot's own account.
        GetMe = "getMe",
        /// The long poll.
        GetUpdates = "getUpdates",
        /// Updates are sent to us from now on.
        SetWebhook = "setWebhook",
        /// Updates are polled from now on.
        DeleteWebhook = "deleteWebhook",
        /// How the deliveries to the webhook go.
        GetWebhookInfo = "getWebhookInfo",
        /// A new message.
        SendMessage = "sendMessage",
        /// New text for a message that is there.
        EditMessageText = "editMessageText",
        /// A file in place of a message that is there.
        EditMessageMedia = "editMessageMedia",
        /// New buttons for a message that is there.
        EditMessageReplyMarkup = "editMessageReplyMarkup",
        /// New caption for a post of a channel.
        EditMessageCaption = "editMessageCaption",
        /// A reaction on a message.
        SetMessageReaction = "setMessageReaction",
        /// Deletion of a message.
        DeleteMessage = "deleteMessage",
        /// A file, as a message.
        SendDocument = "sendDocument",
        /// Acknowledgement of a pressed button.
        AnswerCallbackQuery = "answerCallbackQuery",
        /// The menu of commands.
        SetMyCommands = "setMyCommands",
        /// Status of a user in a group.
        GetChatMember = "getChatMember",
        /// A user's own account to which the bot is connected.
        GetBusinessConnection = "getBusinessConnection",
        /// The answer to a call in a chat that the bot is not in.
        AnswerGuestQuery = "answerGuestQuery",
        /// Where a file can be fetched.
        GetFile = "getFile",
        /// The bytes of a file.
        Download = "download",
    }
}

labels! {
    /// Result class of a call.
    CallOutcome {
        /// Success, or nothing to change.
        Ok = "ok",
        /// Refused with a `retry_after`.
        TooMany = "429",
        /// Refused.
        Client4xx = "4xx",
        /// The server failed, or its answer is not the Bot API's JSON.
        Server5xx = "5xx",
        /// No answer in time; the call may have had its effect.
        Timeout = "timeout",
        /// The connection could not be made or broke; the call may have had its effect.
        Network = "network",
    }
}

impl CallOutcome {
    pub(super) fn of(error: Option<&TelegramError>) -> Self {
        let Some(error) = error else { return Self::Ok };
        match error {
            refused if refused.is_not_modified() => Self::Ok,
            TelegramError::RetryAfter(_) => Self::TooMany,
            TelegramError::MessageGone
            | TelegramError::ChatGone
            | TelegramError::ChatMoved(_)
            | TelegramError::WriteForbidden(_)
            | TelegramError::Conflict
            | TelegramError::Unauthorized
            | TelegramError::Refused(_) => Self::Client4xx,
            TelegramError::Server => Self::Server5xx,
            TelegramError::Timeout => Self::Timeout,
            TelegramError::NoConnection | TelegramError::Network(_) => Self::Network,
        }
    }
}
