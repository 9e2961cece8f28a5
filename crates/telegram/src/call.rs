//! What one call to the Bot API came to, for whoever counts calls.

use std::sync::Arc;
use std::time::Duration;

use super::error::TelegramError;

/// Called once for each call that ran to its end. A call whose future is dropped is not reported.
pub(crate) type Observer = Arc<dyn Fn(&Call) + Send + Sync>;

/// One finished call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// What was called.
    pub method: Method,
    /// What came of it.
    pub outcome: CallOutcome,
    /// Wall time from sending to the whole answer.
    pub took: Duration,
    /// How long Telegram wants to be left alone; only with [`CallOutcome::TooMany`].
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
    /// The calls the bot makes.
    Method {
        /// Who am I?
        GetMe = "getMe",
        /// The long poll.
        GetUpdates = "getUpdates",
        /// A new message.
        SendMessage = "sendMessage",
        /// New text for a message that is there.
        EditMessageText = "editMessageText",
        /// New buttons for a message that is there.
        EditMessageReplyMarkup = "editMessageReplyMarkup",
        /// A file of ours, as a message.
        SendDocument = "sendDocument",
        /// A pressed button is dealt with.
        AnswerCallbackQuery = "answerCallbackQuery",
        /// The menu of commands.
        SetMyCommands = "setMyCommands",
        /// Somebody's rank in a group.
        GetChatMember = "getChatMember",
        /// Where a file can be fetched.
        GetFile = "getFile",
        /// The bytes of a file.
        Download = "download",
    }
}

labels! {
    /// What a call came to.
    CallOutcome {
        /// Done, or already so.
        Ok = "ok",
        /// Refused for now, with a time to come back.
        TooMany = "429",
        /// Refused.
        Client4xx = "4xx",
        /// The server failed, or its answer was no answer.
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
