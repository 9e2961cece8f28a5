//! Telegram's error responses, word for word, because clients distinguish them by their descriptions.

use std::time::Duration;

use serde_json::{Value, json};
use stenobot_domain::ChatId;

/// A refused call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400; the text follows `Bad Request: `.
    #[error("Bad Request: {0}")]
    Bad(&'static str),
    /// 400: the group was upgraded to the supergroup with this id.
    #[error("Bad Request: group chat was upgraded to a supergroup chat")]
    Upgraded(ChatId),
    /// 401: wrong token.
    #[error("Unauthorized")]
    Unauthorized,
    /// 403: blocked or banned; the text follows `Forbidden: `.
    #[error("Forbidden: {0}")]
    Forbidden(&'static str),
    /// 404: unknown method or file.
    #[error("Not Found")]
    NotFound,
    /// 409: another consumer polls.
    #[error("Conflict: terminated by other getUpdates request; make sure that only one bot instance is running")]
    Conflict,
    /// 409: updates go to a webhook.
    #[error(
        "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
    )]
    WebhookActive,
    /// 413: a file over 50 MB.
    #[error("Request Entity Too Large")]
    TooLarge,
    /// 429, with a retry-after.
    #[error("Too Many Requests: retry after {}", .0.as_secs())]
    TooMany(Duration),
    /// 503, with a retry-after.
    #[error("Service Unavailable: retry after {}", .0.as_secs())]
    Overloaded(Duration),
    /// Any other 5xx.
    #[error("{description}")]
    Server {
        /// 500 to 599.
        code: u16,
        /// Such as `Internal Server Error`.
        description: &'static str,
    },
}

impl Refusal {
    /// A chat the bot was never in.
    pub(crate) const CHAT_NOT_FOUND: Self = Self::Bad("chat not found");
    /// A connection to an account that the bot never had.
    pub(crate) const CONNECTION_NOT_FOUND: Self = Self::Bad("business connection not found");
    /// A user who has blocked the bot.
    pub(crate) const BLOCKED: Self = Self::Forbidden("bot was blocked by the user");
    /// A text of white space only.
    pub(crate) const TEXT_EMPTY: Self = Self::Bad("message text is empty");
    /// A new message over 4096 UTF-16 units.
    pub(crate) const TEXT_TOO_LONG: Self = Self::Bad("message is too long");
    /// An edit over 4096 UTF-16 units, which has another description.
    pub(crate) const EDIT_TOO_LONG: Self = Self::Bad("MESSAGE_TOO_LONG");
    /// A reply to nothing.
    pub(crate) const REPLY_NOT_FOUND: Self = Self::Bad("message to be replied not found");
    /// An edit of a message that the bot has posted as a guest, and that is deleted.
    pub(crate) const MESSAGE_ID_INVALID: Self = Self::Bad("MESSAGE_ID_INVALID");
    /// An answer to a call without a result.
    pub(crate) const NO_RESULT: Self = Self::Bad("can't parse InlineQueryResult: result isn't specified");
    /// An edit of nothing.
    pub const EDIT_NOT_FOUND: Self = Self::Bad("message to edit not found");
    /// A button that copies nothing or too much.
    pub(crate) const BUTTON_COPY: Self = Self::Bad("BUTTON_COPY_TEXT_INVALID");
    /// An entity that is no object with type, offset and length.
    pub(crate) const ENTITY_UNREADABLE: Self = Self::Bad("can't parse entities");
    /// An entity of a type that the server does not know.
    pub const ENTITY_UNSUPPORTED: Self = Self::Bad("can't parse MessageEntity: Unsupported type specified");
    /// A time whose format has other letters.
    pub(crate) const ENTITY_TIME_FORMAT: Self =
        Self::Bad("can't parse MessageEntity: Invalid date-time format specified");
    /// A time before 1970.
    pub(crate) const ENTITY_TIME: Self = Self::Bad("invalid date specified");
    /// An entity outside of the text.
    pub(crate) const ENTITY_OUTSIDE: Self = Self::Bad("entity ends after the end of the text");
    /// An entity that cuts a character in two.
    pub(crate) const ENTITY_IN_CHARACTER: Self =
        Self::Bad("entity beginning or ending in the middle of a UTF-16 symbol");
    /// An edit of a message that is not the bot's.
    pub(crate) const CANNOT_EDIT: Self = Self::Bad("message can't be edited");
    /// An edit that changes nothing.
    pub const NOT_MODIFIED: Self = Self::Bad(
        "message is not modified: specified new message content and reply markup are exactly the same as a current \
         content and reply markup of the message",
    );
    /// A deletion of nothing.
    pub(crate) const DELETE_NOT_FOUND: Self = Self::Bad("message to delete not found");
    /// A group that has banned the bot.
    pub const KICKED: Self = Self::Forbidden("bot was kicked from the supergroup chat");
    /// A channel that has removed the bot.
    pub(crate) const KICKED_FROM_CHANNEL: Self = Self::Forbidden("bot was kicked from the channel chat");
    /// A group that the bot has left.
    pub(crate) const NOT_A_MEMBER: Self = Self::Forbidden("bot is not a member of the supergroup chat");
    /// A group whose members may not send.
    pub const NO_RIGHTS: Self = Self::Bad("not enough rights to send text messages to the chat");
    /// A group in which the bot is restricted.
    pub const RESTRICTED: Self = Self::Bad("CHAT_RESTRICTED");
    /// A group in which members may not send.
    pub const WRITE_FORBIDDEN: Self = Self::Bad("CHAT_WRITE_FORBIDDEN");
    /// A closed topic, in which only administrators may send.
    pub const TOPIC_CLOSED: Self = Self::Bad("TOPIC_CLOSED");
    /// A reaction that the chat does not allow, or that does not exist.
    pub const REACTION_INVALID: Self = Self::Bad("REACTION_INVALID");
    /// A reaction on nothing.
    pub(crate) const REACT_NOT_FOUND: Self = Self::Bad("message to react not found");
    /// A message to a chat of direct messages without a topic. Telegram's words are not documented; any 400 has the same effect.
    pub(crate) const DIRECT_TOPIC_REQUIRED: Self = Self::Bad("direct messages topic must be specified");
    /// A caption over 1024 UTF-16 units.
    pub(crate) const CAPTION_TOO_LONG: Self = Self::Bad("MEDIA_CAPTION_TOO_LONG");
    /// An edit in a channel of which the bot is no administrator.
    pub const NEEDS_ADMIN: Self = Self::Bad("need administrator rights in the channel chat");
    /// A missing topic, or a thread of replies.
    pub(crate) const TOPIC_NOT_FOUND: Self = Self::Bad("message thread not found");
    /// A file in place of a message, but no file in the request.
    pub(crate) const NO_MEDIA: Self = Self::Bad("can't parse InputMedia: media not found");
    /// A file in place of a text, on a server before Bot API 7.11.
    pub const NO_MEDIA_TO_EDIT: Self = Self::Bad("there is no media in the message to edit");
    /// A text edit of a message without text.
    pub(crate) const NO_TEXT_TO_EDIT: Self = Self::Bad("there is no text in the message to edit");
    /// A malformed row of buttons.
    pub(crate) const KEYBOARD_ROW: Self = Self::Bad("can't parse inline keyboard button: expected an Object");
    /// A button without text.
    pub(crate) const BUTTON_WITHOUT_TEXT: Self =
        Self::Bad("can't parse inline keyboard button: Can't find field \"text\"");
    /// A button with an empty text.
    pub(crate) const BUTTON_TEXT_EMPTY: Self = Self::Bad("BUTTON_TEXT_INVALID");
    /// A button without action.
    pub(crate) const BUTTON_WITHOUT_ACTION: Self =
        Self::Bad("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard");
    /// A button with more than 64 bytes of data.
    pub(crate) const BUTTON_DATA: Self = Self::Bad("BUTTON_DATA_INVALID");
    /// A file over the download limit.
    pub(crate) const FILE_TOO_BIG: Self = Self::Bad("file is too big");
    /// An unknown or temporarily unavailable file.
    pub const FILE_NOT_FOUND: Self = Self::Bad("wrong file_id or the file is temporarily unavailable");
    /// A malformed file id.
    pub const FILE_INVALID: Self = Self::Bad("invalid file_id");
    /// An unknown or already answered callback query.
    pub const QUERY_TOO_OLD: Self = Self::Bad("query is too old and response timeout expired or query ID is invalid");
    /// A malformed body, or one of another type than JSON, form and multipart.
    pub(crate) const UNREADABLE: Self = Self::Bad("can't parse the request");

    /// Error code and HTTP status.
    pub(super) fn code(&self) -> u16 {
        match self {
            Self::Bad(_) | Self::Upgraded(_) => 400,
            Self::Unauthorized => 401,
            Self::Forbidden(_) => 403,
            Self::NotFound => 404,
            Self::Conflict | Self::WebhookActive => 409,
            Self::TooLarge => 413,
            Self::TooMany(_) => 429,
            Self::Overloaded(_) => 503,
            Self::Server { code, .. } => *code,
        }
    }

    /// The retry-after.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooMany(wait) | Self::Overloaded(wait) => Some(*wait),
            Self::Bad(_)
            | Self::Upgraded(_)
            | Self::Unauthorized
            | Self::Forbidden(_)
            | Self::NotFound
            | Self::Conflict
            | Self::WebhookActive
            | Self::TooLarge
            | Self::Server { .. } => None,
        }
    }

    /// The response body.
    pub(super) fn body(&self) -> Value {
        let mut body = json!({ "ok": false, "error_code": self.code(), "description": self.to_string() });
        if let Some(wait) = self.retry_after() {
            body["parameters"] = json!({ "retry_after": wait.as_secs() });
        }
        if let Self::Upgraded(to) = self {
            body["parameters"] = json!({ "migrate_to_chat_id": to });
        }
        body
    }
}
