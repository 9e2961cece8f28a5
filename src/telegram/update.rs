//! Updates, parsed into what they mean to the bot.
//!
//! Only the fields that are used are read: a Bot API that grows new ones must not cost anybody a message.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::call::labels;
use crate::model::{ChatId, MessageId, Timestamp, UserId};

/// One update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Telegram's number; asking for this plus one acknowledges the update.
    pub update_id: i64,
    /// What it is.
    pub content: Content,
}

/// What an update means to the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Something to transcribe.
    Voice(VoiceMessage),
    /// `/something` in a private chat.
    Command(Command),
    /// Anything else a person sends in a private chat.
    Other(OtherKind),
    /// Nothing to do, and nobody to answer.
    Ignored(Ignored),
}

/// A voice or audio message from a private chat. Durations and sizes are the sender's claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoiceMessage {
    /// Where it was sent.
    pub chat: ChatId,
    /// Its number there.
    pub message: MessageId,
    /// The topic of the chat, where there are topics.
    pub thread: Option<ThreadId>,
    /// Who sent (or forwarded) it.
    pub from: Sender,
    /// Where to download it from; valid for this bot only.
    pub file_id: String,
    /// The same for the same file, whoever sends it.
    pub file_unique_id: String,
    /// What the sender's program says of its length, in whole seconds.
    pub claimed_duration: Duration,
    /// What the sender's program says of its size, in bytes.
    pub claimed_size: Option<u64>,
    /// How it was sent.
    pub source: VoiceSource,
    /// When it was sent, to the second.
    pub sent_at: Timestamp,
}

/// A command from a private chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Where it was sent.
    pub chat: ChatId,
    /// Its number there.
    pub message: MessageId,
    /// The topic of the chat, where there are topics.
    pub thread: Option<ThreadId>,
    /// Who sent it.
    pub from: Sender,
    /// Which one.
    pub name: CommandName,
}

/// A message from a private chat that the bot cannot use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherKind {
    /// Where it was sent.
    pub chat: ChatId,
    /// Its number there.
    pub message: MessageId,
    /// The topic of the chat, where there are topics.
    pub thread: Option<ThreadId>,
    /// Who sent it.
    pub from: Sender,
}

/// A person, as Telegram tells of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Never changes.
    pub id: UserId,
    /// Without `@`; many have none.
    pub username: Option<String>,
    /// Never absent in Telegram, at times empty.
    pub first_name: String,
    /// Many have none.
    pub last_name: Option<String>,
    /// The language of their Telegram, such as `ru` or `pt-BR`.
    pub language_code: Option<String>,
}

/// A topic within a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ThreadId(pub i32);

/// How a voice was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VoiceSource {
    /// Recorded in Telegram.
    Voice,
    /// A music or audio file.
    Audio,
}

/// The commands the bot knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommandName {
    /// `/start`, which Telegram sends when somebody first opens the chat.
    Start,
    /// `/help`.
    Help,
    /// Any other.
    Unknown,
}

/// Why an update is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// A message in a group.
    Group,
    /// A post in a channel.
    Channel,
    /// A new version of a message.
    Edited,
    /// A message about the chat itself, such as a pinned message.
    Service,
    /// A message from a bot.
    Bot,
    /// A pressed button.
    Callback,
    /// A kind of update that nobody asked for.
    Unexpected,
    /// An update that cannot be read.
    Unreadable,
}

labels! {
    /// The kind of an update, as a metric's label.
    UpdateKind {
        /// [`VoiceSource::Voice`]
        Voice = "voice",
        /// [`VoiceSource::Audio`]
        Audio = "audio",
        /// [`Content::Command`]
        Command = "command",
        /// [`Content::Other`]
        Other = "other",
        /// [`Ignored::Group`]
        Group = "group",
        /// [`Ignored::Channel`]
        Channel = "channel",
        /// [`Ignored::Edited`]
        Edited = "edited",
        /// [`Ignored::Service`]
        Service = "service",
        /// [`Ignored::Bot`]
        Bot = "bot",
        /// [`Ignored::Callback`]
        Callback = "callback",
        /// [`Ignored::Unexpected`]
        Unexpected = "unexpected",
        /// [`Ignored::Unreadable`]
        Unreadable = "unreadable",
    }
}

impl Content {
    /// The label under which this is counted.
    pub fn kind(&self) -> UpdateKind {
        match self {
            Self::Voice(VoiceMessage { source: VoiceSource::Voice, .. }) => UpdateKind::Voice,
            Self::Voice(VoiceMessage { source: VoiceSource::Audio, .. }) => UpdateKind::Audio,
            Self::Command(_) => UpdateKind::Command,
            Self::Other(_) => UpdateKind::Other,
            Self::Ignored(why) => match why {
                Ignored::Group => UpdateKind::Group,
                Ignored::Channel => UpdateKind::Channel,
                Ignored::Edited => UpdateKind::Edited,
                Ignored::Service => UpdateKind::Service,
                Ignored::Bot => UpdateKind::Bot,
                Ignored::Callback => UpdateKind::Callback,
                Ignored::Unexpected => UpdateKind::Unexpected,
                Ignored::Unreadable => UpdateKind::Unreadable,
            },
        }
    }
}

// === The Bot API's JSON ===

#[derive(Deserialize)]
struct Message {
    message_id: i32,
    message_thread_id: Option<i32>,
    date: i64,
    chat: Chat,
    from: Option<User>,
    text: Option<String>,
    voice: Option<File>,
    audio: Option<File>,
    #[serde(flatten)]
    rest: HashMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
struct Chat {
    id: i64,
    r#type: String,
}

#[derive(Deserialize)]
struct User {
    id: i64,
    #[serde(default)]
    is_bot: bool,
    #[serde(default)]
    first_name: String,
    last_name: Option<String>,
    username: Option<String>,
    language_code: Option<String>,
}

#[derive(Deserialize)]
struct File {
    file_id: String,
    file_unique_id: String,
    #[serde(default)]
    duration: i64,
    file_size: Option<i64>,
}

/// Fields of a message that a person filled, other than text, voice and audio.
const SENT_BY_PEOPLE: [&str; 17] = [
    "animation",
    "checklist",
    "contact",
    "dice",
    "document",
    "game",
    "giveaway",
    "invoice",
    "location",
    "paid_media",
    "photo",
    "poll",
    "sticker",
    "story",
    "venue",
    "video",
    "video_note",
];

impl Incoming {
    /// An update from its JSON. `None` when it has no number, so that it can be neither handled nor acknowledged.
    pub(super) fn from_json(update: serde_json::Value) -> Option<Self> {
        let serde_json::Value::Object(mut fields) = update else { return None };
        let update_id = fields.remove("update_id")?.as_i64().filter(|id| *id >= 0)?;
        let has = |names: &[&str]| names.iter().any(|name| fields.contains_key(*name));
        let content = if has(&["message"]) {
            match fields.remove("message").map(serde_json::from_value::<Message>) {
                Some(Ok(message)) => message.into_content(),
                Some(Err(_)) | None => Content::Ignored(Ignored::Unreadable),
            }
        } else if has(&["edited_message", "edited_channel_post", "edited_business_message"]) {
            Content::Ignored(Ignored::Edited)
        } else if has(&["channel_post"]) {
            Content::Ignored(Ignored::Channel)
        } else if has(&["callback_query"]) {
            Content::Ignored(Ignored::Callback)
        } else {
            Content::Ignored(Ignored::Unexpected)
        };
        Some(Self { update_id, content })
    }
}

impl Message {
    fn into_content(self) -> Content {
        match self.chat.r#type.as_str() {
            "private" => {}
            "group" | "supergroup" => return Content::Ignored(Ignored::Group),
            "channel" => return Content::Ignored(Ignored::Channel),
            _ => return Content::Ignored(Ignored::Unexpected),
        }
        let Some(from) = self.from else { return Content::Ignored(Ignored::Unreadable) };
        if from.is_bot {
            return Content::Ignored(Ignored::Bot);
        }
        let (chat, message) = (ChatId(self.chat.id), MessageId(self.message_id));
        let thread = self.message_thread_id.map(ThreadId);
        let from = Sender {
            id: UserId(from.id),
            username: from.username,
            first_name: from.first_name,
            last_name: from.last_name,
            language_code: from.language_code,
        };
        let (file, source) = match (self.voice, self.audio, self.text) {
            (Some(file), _, _) => (file, VoiceSource::Voice),
            (None, Some(file), _) => (file, VoiceSource::Audio),
            (None, None, Some(text)) => {
                return match command(&text) {
                    Some(name) => Content::Command(Command { chat, message, thread, from, name }),
                    None => Content::Other(OtherKind { chat, message, thread, from }),
                };
            }
            (None, None, None) if SENT_BY_PEOPLE.iter().any(|field| self.rest.contains_key(*field)) => {
                return Content::Other(OtherKind { chat, message, thread, from });
            }
            (None, None, None) => return Content::Ignored(Ignored::Service),
        };
        Content::Voice(VoiceMessage {
            chat,
            message,
            thread,
            from,
            file_id: file.file_id,
            file_unique_id: file.file_unique_id,
            claimed_duration: Duration::from_secs(u64::try_from(file.duration).unwrap_or(0)),
            claimed_size: file.file_size.and_then(|size| u64::try_from(size).ok()),
            source,
            sent_at: Timestamp(self.date.saturating_mul(1000)),
        })
    }
}

/// The command a text begins with, such as `/start`, `/start payload`, `/help@our_bot`.
fn command(text: &str) -> Option<CommandName> {
    let word = text.strip_prefix('/')?.split_whitespace().next().unwrap_or("");
    let name = word.split_once('@').map_or(word, |(name, _bot)| name);
    Some(match name.to_ascii_lowercase().as_str() {
        "start" => CommandName::Start,
        "help" => CommandName::Help,
        _ => CommandName::Unknown,
    })
}
