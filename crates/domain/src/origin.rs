//! Where a request's recording comes from, and with that where its answer goes.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{ChatId, MessageId, Timestamp};

/// Where the recording of a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The chat in which it is answered: a message there, or a button.
    Chat,
    /// A message that the requester received on their own account. The answer goes to their private chat with the bot.
    Business(BusinessMessage),
    /// A message in a chat that the bot is not in, to which the requester called it. The answer goes there; what does not fit into
    /// one message, or cannot be shown there, goes to their private chat with the bot.
    Guest(GuestCall),
}

/// A call of the bot as a guest in a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestCall {
    /// By which the call can be answered.
    pub query: GuestQueryId,
    /// The bot's answer in that chat, once it is known.
    pub message: Option<InlineMessageId>,
}

/// Telegram's id of a guest query. It can be answered once, and not for long.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GuestQueryId(pub String);

/// Telegram's id of a message that the bot has posted in a chat which it is not in. It can be edited by this id alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InlineMessageId(pub String);

/// A message that a user received on their own account, which the bot is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusinessMessage {
    /// Identifies the message.
    pub key: BusinessKey,
    /// Who sent it; known while the request is open, and not of a second transcription.
    pub author: Option<PersonName>,
    /// When it was sent, by Telegram's clock.
    pub sent_at: Timestamp,
}

/// Identifies a message of a connected account: SHA-256 of connection, chat and message. What is stored of the message names
/// neither its chat nor its author; the connection's id, which is secret, keeps the hash from being computed by others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BusinessKey([u8; 32]);

impl BusinessKey {
    /// The key of a message.
    pub fn of(connection: &str, chat: ChatId, message: MessageId) -> Self {
        let hash = Sha256::new().chain_update(connection).chain_update(format!("\0{chat}\0{message}"));
        Self(hash.finalize().into())
    }

    /// The hash as it is stored.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A stored hash; `None` of anything but 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// Name of a person, on one line and without control characters. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonName(String);

/// Longest name that is shown, in characters.
const MAX_NAME_LENGTH: usize = 64;

impl PersonName {
    /// `None` of a text without visible characters.
    pub fn new(text: &str) -> Option<Self> {
        let is_hidden = |character: char| {
            character.is_control()
                || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        };
        let words = text.split_whitespace().map(|word| word.replace(is_hidden, "")).filter(|word| !word.is_empty());
        let name: String = words.collect::<Vec<_>>().join(" ").chars().take(MAX_NAME_LENGTH).collect();
        Some(Self(name)).filter(|name| !name.0.is_empty())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<name>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_differs_by_connection_chat_and_message_and_survives_storage() {
        let key = |connection, chat, message| BusinessKey::of(connection, ChatId(chat), MessageId(message));
        let keys = [key("a", 1, 2), key("b", 1, 2), key("a", 11, 2), key("a", 1, 12), key("a1", 1, 2)];
        for (index, one) in keys.iter().enumerate() {
            assert_eq!(BusinessKey::from_bytes(one.as_bytes()), Some(*one));
            assert!(keys[index + 1..].iter().all(|other| other != one));
        }
        assert_eq!(BusinessKey::from_bytes(b"short"), None);
    }

    #[test]
    fn a_name_is_one_line_and_is_not_shown_by_debug() {
        let name = |text| PersonName::new(text).map(|name| name.as_str().to_owned());
        assert_eq!(name(" Bea\n\u{202e}Maria  Lem\u{7} "), Some("Bea Maria Lem".to_owned()));
        assert_eq!(name(" \u{200b}\n"), None);
        assert_eq!(name(&"ab".repeat(100)).map(|name| name.len()), Some(MAX_NAME_LENGTH));
        assert_eq!(format!("{:?}", PersonName::new("Bea")), "Some(<name>)");
    }
}
