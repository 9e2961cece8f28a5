//! What people do, seen from the server: messages, button presses, blocks. Each becomes an update.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::state::{Author, Chat, ChatKind, Content, Message, State, StoredFile};
use super::{BotApi, Shared};
use crate::model::{ChatId, MessageId, UserId};

/// A person as Telegram introduces them to a bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Their id.
    pub id: UserId,
    /// First name.
    pub name: String,
    /// Language of their app, such as `ru` or `en-GB`.
    pub language_code: Option<String>,
}

impl Caller {
    pub(super) fn show(&self) -> Value {
        let mut shown = json!({ "id": self.id, "is_bot": false, "first_name": self.name });
        if let Some(code) = &self.language_code {
            shown["language_code"] = json!(code);
        }
        shown
    }
}

/// How a recording was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// Held and spoken.
    Voice,
    /// A file of music or speech.
    Audio,
    /// A round video.
    VideoNote,
    /// A video.
    Video,
    /// Any file.
    Document,
}

impl Media {
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::Audio => "audio",
            Self::VideoNote => "video_note",
            Self::Video => "video",
            Self::Document => "document",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Voice => "oga",
            Self::Audio => "mp3",
            Self::VideoNote | Self::Video => "mp4",
            Self::Document => "bin",
        }
    }
}

/// A file that a person sends. All but the bytes is a claim, as in Telegram.
#[derive(Debug, Clone, PartialEq)]
pub struct Attachment {
    /// How it is sent.
    pub media: Media,
    /// Claimed length.
    pub duration: Duration,
    /// Claimed type.
    pub mime_type: String,
    /// Claimed name; voices have none.
    pub file_name: Option<String>,
    /// The server's id of the file, set when it is sent.
    pub(super) file_id: String,
}

impl Attachment {
    /// A voice message as Telegram's apps record it.
    pub fn voice(duration: Duration) -> Self {
        Self { media: Media::Voice, duration, mime_type: "audio/ogg".into(), file_name: None, file_id: String::new() }
    }

    /// Any other file.
    pub fn file(media: Media, duration: Duration, mime_type: &str, file_name: &str) -> Self {
        Self { media, duration, mime_type: mime_type.into(), file_name: Some(file_name.into()), file_id: String::new() }
    }

    pub(super) fn show(&self, file: Option<&StoredFile>) -> Value {
        let mut shown = json!({
            "file_id": self.file_id,
            "file_unique_id": file.map_or("", |file| file.unique_id.as_str()),
            "file_size": file.map_or(0, |file| file.claimed_size),
        });
        match self.media {
            Media::Voice | Media::Audio => {
                shown["duration"] = json!(self.duration.as_secs());
                shown["mime_type"] = json!(self.mime_type);
            }
            Media::VideoNote => {
                shown["duration"] = json!(self.duration.as_secs());
                shown["length"] = json!(240);
            }
            Media::Video => {
                shown["duration"] = json!(self.duration.as_secs());
                shown["width"] = json!(640);
                shown["height"] = json!(360);
                shown["mime_type"] = json!(self.mime_type);
            }
            Media::Document => shown["mime_type"] = json!(self.mime_type),
        }
        if let Some(name) = &self.file_name {
            shown["file_name"] = json!(name);
        }
        shown
    }
}

impl BotApi {
    /// Opens a chat, or does nothing when it is open.
    pub fn open_chat(&self, id: ChatId, kind: ChatKind, title: &str) {
        self.shared.change(|state| {
            let fresh = || Chat { id, kind, title: title.into(), blocked: false, messages: Default::default() };
            state.chats.entry(id).or_insert_with(fresh);
        });
    }

    /// Blocks the bot in a chat, or lets it back in.
    pub fn set_blocked(&self, chat: ChatId, blocked: bool) {
        self.shared.change(|state| {
            if let Some(chat) = state.chats.get_mut(&chat) {
                chat.blocked = blocked;
            }
        });
    }

    /// A person sends a recording; `claimed_size` is what Telegram says of its size when that is not the truth.
    pub fn receive_file(
        &self,
        chat: ChatId,
        from: &Caller,
        mut attachment: Attachment,
        bytes: Bytes,
        claimed_size: Option<u64>,
    ) -> MessageId {
        self.shared.change(|state| {
            let media = attachment.media;
            attachment.file_id = state.store(media.field(), media.extension(), bytes, claimed_size);
            let content = Content::Attachment(attachment);
            self.shared.receive(state, chat, from, content, None)
        })
    }

    /// Makes somebody an administrator of a group.
    pub fn administrate(&self, chat: ChatId, user: UserId) {
        self.shared.change(|state| state.administrators.insert((chat, user)));
    }

    /// A person forwards a file that somebody has sent: Telegram knows it for the same.
    pub fn forward(&self, chat: ChatId, from: &Caller, attachment: Attachment) -> MessageId {
        let content = Content::Attachment(attachment);
        self.shared.change(|state| self.shared.receive(state, chat, from, content, None))
    }

    /// A person writes.
    pub fn receive_text(&self, chat: ChatId, from: &Caller, text: &str, reply_to: Option<MessageId>) -> MessageId {
        self.shared.change(|state| self.shared.receive(state, chat, from, Content::Text(text.into()), reply_to))
    }

    /// A person sends something else: `fields` as in the Bot API, such as `{"photo": [...]}`.
    pub fn receive_other(&self, chat: ChatId, from: &Caller, fields: Value) -> MessageId {
        self.shared.change(|state| self.shared.receive(state, chat, from, Content::Other(fields), None))
    }

    /// Any update at all: `kind` and `content` as in the Bot API. Returns its id.
    pub fn receive_raw(&self, kind: &str, content: Value) -> i64 {
        self.shared.change(|state| state.queue(kind, content))
    }

    /// Offers a message once more as a new update, which Telegram does at times. Returns the update's id.
    pub fn repeat(&self, chat: ChatId, message: MessageId) -> Option<i64> {
        self.shared.change(|state| self.shared.announce(state, chat, message))
    }

    /// A person presses the button with `data` under the bot's message. Returns the query's id, `None` when there is no such button.
    pub fn press(&self, chat: ChatId, from: &Caller, message: MessageId, data: &str) -> Option<String> {
        self.shared.change(|state| {
            let place = state.chats.get(&chat)?;
            let shown = place.messages.get(&message).filter(|message| message.deleted.is_none())?;
            buttons(shown.markup.as_ref()?).find(|button| button["callback_data"] == data)?;
            let shown = state.show(place, shown, &self.shared.settings.username);
            let query =
                json!({ "from": from.show(), "message": shown, "chat_instance": chat.to_string(), "data": data });
            let id =
                format!("{}", 4_000_000_000_u64 + state.calls.len() as u64 * 1000 + state.open_queries.len() as u64);
            let mut query = query;
            query["id"] = json!(id);
            state.open_queries.insert(id.clone());
            state.queue("callback_query", query);
            Some(id)
        })
    }

    /// Whether the bot has answered a button press.
    pub fn is_answered(&self, query: &str) -> bool {
        self.read(|state| !state.open_queries.contains(query))
    }
}

/// Every button of an inline keyboard.
pub(super) fn buttons(markup: &Value) -> impl Iterator<Item = &Value> {
    let rows = markup["inline_keyboard"].as_array().into_iter().flatten();
    rows.flat_map(|row| row.as_array().into_iter().flatten())
}

impl Shared {
    fn receive(
        &self,
        state: &mut State,
        chat: ChatId,
        from: &Caller,
        content: Content,
        reply_to: Option<MessageId>,
    ) -> MessageId {
        let place = state.chats.entry(chat).or_insert_with(|| Chat {
            id: chat,
            kind: ChatKind::Private,
            title: from.name.clone(),
            blocked: false,
            messages: Default::default(),
        });
        let id = place.next_message();
        let message = Message {
            id,
            author: Author::Person(from.clone()),
            content,
            reply_to,
            markup: None,
            sent: self.now(),
            date: self.date(),
            edits: Vec::new(),
            deleted: None,
        };
        place.messages.insert(id, message);
        self.announce(state, chat, id);
        id
    }

    fn announce(&self, state: &mut State, chat: ChatId, message: MessageId) -> Option<i64> {
        let place = state.chats.get(&chat)?;
        let kind = match place.kind {
            ChatKind::Private | ChatKind::Group => "message",
            ChatKind::Channel => "channel_post",
        };
        let shown = state.show(place, place.messages.get(&message)?, &self.settings.username);
        Some(state.queue(kind, shown))
    }
}
