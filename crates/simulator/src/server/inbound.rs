//! What people do, seen from the server: messages, button presses, blocks. Each becomes an update.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use stenobot_domain::{ChatId, MessageId, UserId};

use super::chat::{Author, Chat, ChatKind, Content, Message, Post, Rank};
use super::show::entities;
use super::state::{State, StoredFile};
use super::{BotApi, Shared};

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
    /// The words below it.
    pub caption: String,
    /// The album it belongs to.
    pub(crate) album: Option<String>,
    /// The server's id of the file, set when it is sent.
    pub(super) file_id: String,
}

impl Attachment {
    /// A voice message as Telegram's apps record it.
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

    /// With words below it.
    #[must_use]
    pub fn captioned(mut self, caption: &str) -> Self {
        self.caption = caption.into();
        self
    }

    /// As one of several that were sent together.
    #[must_use]
    pub(crate) fn in_album(mut self, album: &str) -> Self {
        self.album = Some(album.into());
        self
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
            state.chats.entry(id).or_insert_with(|| Chat::new(id, kind, title));
        });
    }

    /// Brings a file to Telegram; `claimed_size` is what Telegram says of its size when that is not the truth. The
    /// content may be sent more than once: it is the same file then.
    pub fn upload(&self, mut attachment: Attachment, bytes: Bytes, claimed_size: Option<u64>) -> Content {
        let media = attachment.media;
        attachment.file_id =
            self.shared.change(|state| state.store(media.field(), media.extension(), bytes, claimed_size));
        Content::Attachment(attachment)
    }

    /// A message comes into a chat, whoever wrote it.
    pub fn receive(&self, chat: ChatId, post: Post) -> MessageId {
        self.shared.change(|state| self.shared.receive(state, chat, post))
    }

    /// A person sends a file; `claimed_size` as in [`BotApi::upload`].
    pub fn receive_file(
        &self,
        chat: ChatId,
        from: &Caller,
        attachment: Attachment,
        bytes: Bytes,
        claimed_size: Option<u64>,
    ) -> MessageId {
        let content = self.upload(attachment, bytes, claimed_size);
        self.receive(chat, Post::new(Author::Person(from.clone()), content))
    }

    /// A person writes.
    pub fn receive_text(&self, chat: ChatId, from: &Caller, text: &str, reply_to: Option<MessageId>) -> MessageId {
        let post = Post::new(Author::Person(from.clone()), Content::Text(text.into()));
        self.receive(chat, Post { reply_to, ..post })
    }

    /// Offers a message once more as a new update, which Telegram does at times. Returns the update's id.
    pub fn repeat(&self, chat: ChatId, message: MessageId) -> Option<i64> {
        self.shared.change(|state| self.shared.announce(state, chat, message))
    }
}

impl Shared {
    fn receive(&self, state: &mut State, chat: ChatId, post: Post) -> MessageId {
        self.place(state, chat, post, true)
    }

    /// Puts a message into a chat; the bot is told only if `announce` says so.
    pub(super) fn place(&self, state: &mut State, chat: ChatId, post: Post, announce: bool) -> MessageId {
        let title = match &post.author {
            Author::Person(person) => person.name.as_str(),
            Author::Bot | Author::Anonymous | Author::Channel(_) | Author::LinkedChannel(_) => "",
        };
        let place = state.chats.entry(chat).or_insert_with(|| Chat::new(chat, ChatKind::Private, title));
        let id = place.next_message();
        place.messages.insert(id, Message::of(post, id, self.now(), self.date()));
        if announce {
            self.announce(state, chat, id);
        }
        id
    }

    fn announce(&self, state: &mut State, chat: ChatId, message: MessageId) -> Option<i64> {
        let place = state.chats.get(&chat)?;
        let message = place.messages.get(&message)?;
        let kind = match place.kind {
            ChatKind::Private => "message",
            ChatKind::Group if self.overhears(place, message) => "message",
            ChatKind::Group => return None,
            ChatKind::Channel => "channel_post",
        };
        let shown = state.show(place, message, &self.settings.username);
        Some(state.queue(kind, shown))
    }

    /// Whether a bot in a group gets to see a message: all of them as an administrator or without privacy mode, else
    /// commands, mentions and answers to its own messages only.
    fn overhears(&self, group: &Chat, message: &Message) -> bool {
        if group.blocked || group.bot == Rank::Left {
            return false;
        }
        if !self.settings.privacy_mode || matches!(group.bot, Rank::Owner | Rank::Administrator) {
            return true;
        }
        // Service messages are for every bot.
        if let Content::Other(fields) = &message.content
            && ["migrate_to_chat_id", "migrate_from_chat_id"].iter().any(|field| fields.get(field).is_some())
        {
            return true;
        }
        let name = &self.settings.username;
        let replied = message.reply_to.and_then(|id| group.messages.get(&id));
        let is_meant = entities(message.content.words()).iter().any(|entity| match entity.text.split_once('@') {
            Some((_, named)) => named.eq_ignore_ascii_case(name),
            None => true,
        });
        is_meant || replied.is_some_and(|replied| replied.author == Author::Bot)
    }
}
