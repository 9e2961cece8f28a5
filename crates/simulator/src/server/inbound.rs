//! Messages of users. Each becomes an update.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use stenobot_domain::{ChatId, MessageId, UserId};

use super::chat::{Author, Chat, ChatKind, Content, MemberStatus, Message, Post};
use super::show::entities;
use super::state::{State, StoredFile};
use super::{BotApi, Shared};

/// A user as shown to the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfo {
    /// User id.
    pub id: UserId,
    /// First name.
    pub name: String,
    /// Language of the app, such as `ru` or `en-GB`.
    pub language_code: Option<String>,
}

impl UserInfo {
    pub(super) fn to_json(&self) -> Value {
        let mut json = json!({ "id": self.id, "is_bot": false, "first_name": self.name });
        if let Some(code) = &self.language_code {
            json["language_code"] = json!(code);
        }
        json
    }
}

/// Kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Media {
    /// Voice message.
    Voice,
    /// Audio file.
    Audio,
    /// Video note (round video).
    VideoNote,
    /// A video.
    Video,
    /// Any other file.
    Document,
}

impl Media {
    /// Name of its field in a message, such as `video_note`.
    pub fn field(self) -> &'static str {
        self.into()
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

/// A file sent by a user, with its properties as claimed by the sender.
#[derive(Debug, Clone, PartialEq)]
pub struct Attachment {
    /// Kind.
    pub media: Media,
    /// Claimed duration.
    pub duration: Duration,
    /// Claimed MIME type.
    pub mime_type: String,
    /// Claimed name; voice messages have none.
    pub file_name: Option<String>,
    /// Caption, or empty.
    pub caption: String,
    /// Id of its album.
    pub(crate) album: Option<String>,
    /// `file_id`, set by [`BotApi::upload`].
    pub(super) file_id: String,
}

impl Attachment {
    /// A voice message.
    pub fn voice(duration: Duration) -> Self {
        Self::of(Media::Voice, duration, "audio/ogg", None)
    }

    /// A round video.
    pub fn video_note(duration: Duration) -> Self {
        Self::of(Media::VideoNote, duration, "video/mp4", None)
    }

    /// Any other file.
    pub fn file(media: Media, duration: Duration, mime_type: &str, file_name: &str) -> Self {
        Self::of(media, duration, mime_type, Some(file_name.into()))
    }

    fn of(media: Media, duration: Duration, mime_type: &str, file_name: Option<String>) -> Self {
        let (caption, file_id) = (String::new(), String::new());
        Self { media, duration, mime_type: mime_type.into(), file_name, caption, album: None, file_id }
    }

    /// With a caption.
    #[must_use]
    pub fn captioned(mut self, caption: &str) -> Self {
        self.caption = caption.into();
        self
    }

    /// As a part of an album.
    #[must_use]
    pub(crate) fn in_album(mut self, album: &str) -> Self {
        self.album = Some(album.into());
        self
    }

    pub(super) fn to_json(&self, file: Option<&StoredFile>) -> Value {
        let mut json = json!({
            "file_id": self.file_id,
            "file_unique_id": file.map_or("", |file| file.unique_id.as_str()),
            "file_size": file.map_or(0, |file| file.claimed_size),
        });
        match self.media {
            Media::Voice | Media::Audio => {
                json["duration"] = json!(self.duration.as_secs());
                json["mime_type"] = json!(self.mime_type);
            }
            Media::VideoNote => {
                json["duration"] = json!(self.duration.as_secs());
                json["length"] = json!(240);
            }
            Media::Video => {
                json["duration"] = json!(self.duration.as_secs());
                json["width"] = json!(640);
                json["height"] = json!(360);
                json["mime_type"] = json!(self.mime_type);
            }
            Media::Document => json["mime_type"] = json!(self.mime_type),
        }
        if let Some(name) = &self.file_name {
            json["file_name"] = json!(name);
        }
        json
    }
}

impl BotApi {
    /// Opens a chat unless it is open.
    pub fn open_chat(&self, id: ChatId, kind: ChatKind, title: &str) {
        self.shared.change(|state| {
            state.chats.entry(id).or_insert_with(|| Chat::new(id, kind, title));
        });
    }

    /// Stores a file; `claimed_size` is its size as stated to the bot, if not the true one. The returned content may be sent
    /// several times, as the same file.
    pub fn upload(&self, mut attachment: Attachment, bytes: Bytes, claimed_size: Option<u64>) -> Content {
        let media = attachment.media;
        attachment.file_id =
            self.shared.change(|state| state.store(media.field(), media.extension(), bytes, claimed_size));
        Content::Attachment(attachment)
    }

    /// Adds a message to a chat.
    pub fn receive(&self, chat: ChatId, post: Post) -> MessageId {
        self.shared.change(|state| self.shared.receive(state, chat, post))
    }

    /// Adds a message with a file; `claimed_size` as in [`BotApi::upload`].
    pub fn receive_file(
        &self,
        chat: ChatId,
        from: &UserInfo,
        attachment: Attachment,
        bytes: Bytes,
        claimed_size: Option<u64>,
    ) -> MessageId {
        let content = self.upload(attachment, bytes, claimed_size);
        self.receive(chat, Post::new(Author::User(from.clone()), content))
    }

    /// Adds a text message.
    pub fn receive_text(&self, chat: ChatId, from: &UserInfo, text: &str, reply_to: Option<MessageId>) -> MessageId {
        let post = Post::new(Author::User(from.clone()), Content::Text(text.into()));
        self.receive(chat, Post { reply_to, ..post })
    }

    /// Queues another update for a message, as Telegram sometimes does. Returns the update's id.
    pub fn repeat(&self, chat: ChatId, message: MessageId) -> Option<i64> {
        self.shared.change(|state| self.shared.announce(state, chat, message))
    }
}

impl Shared {
    fn receive(&self, state: &mut State, chat: ChatId, post: Post) -> MessageId {
        self.add_message(state, chat, post, true)
    }

    /// Adds a message to a chat; with `announce` also an update.
    pub(super) fn add_message(&self, state: &mut State, chat: ChatId, post: Post, announce: bool) -> MessageId {
        let title = match &post.author {
            Author::User(user) => user.name.as_str(),
            Author::Bot | Author::Anonymous | Author::Channel(_) | Author::LinkedChannel(_) => "",
        };
        let chat_state = state.chats.entry(chat).or_insert_with(|| Chat::new(chat, ChatKind::Private, title));
        let id = chat_state.next_message();
        chat_state.messages.insert(id, Message::of(post, id, self.now(), self.date()));
        if announce {
            self.announce(state, chat, id);
        }
        id
    }

    fn announce(&self, state: &mut State, chat: ChatId, message: MessageId) -> Option<i64> {
        let chat_state = state.chats.get(&chat)?;
        let message = chat_state.messages.get(&message)?;
        let kind = match chat_state.kind {
            ChatKind::Private => "message",
            ChatKind::Group if self.is_visible_to_bot(chat_state, message) => "message",
            ChatKind::Group => return None,
            ChatKind::Channel => "channel_post",
        };
        let json = state.to_json(chat_state, message, &self.settings.username);
        Some(state.queue(kind, json))
    }

    /// Whether the bot gets an update for a message of a group: always as an administrator or without privacy mode, else only
    /// for commands, mentions and replies to its own messages.
    fn is_visible_to_bot(&self, group: &Chat, message: &Message) -> bool {
        if group.blocked || group.bot == MemberStatus::Left {
            return false;
        }
        if !self.settings.privacy_mode || matches!(group.bot, MemberStatus::Owner | MemberStatus::Administrator) {
            return true;
        }
        // Privacy mode does not hide service messages.
        if let Content::Other(fields) = &message.content
            && ["migrate_to_chat_id", "migrate_from_chat_id"].iter().any(|field| fields.get(field).is_some())
        {
            return true;
        }
        let name = &self.settings.username;
        let replied = message.reply_to.and_then(|id| group.messages.get(&id));
        let is_meant =
            entities(message.content.text_or_caption()).iter().any(|entity| match entity.text.split_once('@') {
                Some((_, named)) => named.eq_ignore_ascii_case(name),
                None => true,
            });
        is_meant || replied.is_some_and(|replied| replied.author == Author::Bot)
    }
}
