//! The Bot API's JSON, read into what it means.
//!
//! Only the fields that are used are read: a Bot API that grows new ones must not cost anybody a message.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::command::{self, CommandName, Spoken};
use super::{
    Access, AskedBy, ChatKind, Command, Content, Ignored, Incoming, Membership, OtherKind, Place, Press, Sender,
    ThreadId, VoiceMessage,
};
use crate::model::{AudioSource, ChatId, MessageId, UserId};
use crate::telegram::action::Action;
use crate::telegram::client::Me;

#[derive(Deserialize)]
struct Message {
    message_id: i32,
    message_thread_id: Option<i32>,
    #[serde(default)]
    is_topic_message: bool,
    #[serde(default)]
    is_automatic_forward: bool,
    chat: Chat,
    from: Option<User>,
    sender_chat: Option<Chat>,
    /// Read only when it matters: a flaw in it must not cost the message that answers it.
    reply_to_message: Option<serde_json::Value>,
    /// What is answered when that is in another chat or topic; read as leniently.
    external_reply: Option<serde_json::Value>,
    text: Option<String>,
    caption: Option<String>,
    /// The commands and mentions in the caption; read as leniently.
    caption_entities: Option<serde_json::Value>,
    voice: Option<File>,
    audio: Option<File>,
    video_note: Option<File>,
    video: Option<File>,
    document: Option<File>,
    migrate_to_chat_id: Option<i64>,
    migrate_from_chat_id: Option<i64>,
    #[serde(flatten)]
    rest: HashMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
struct Chat {
    id: i64,
    r#type: String,
    title: Option<String>,
    username: Option<String>,
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
    duration: Option<i64>,
    file_size: Option<i64>,
    file_name: Option<String>,
    mime_type: Option<String>,
}

/// The files of a message, whether it came or is answered.
#[derive(Deserialize)]
struct Media {
    voice: Option<File>,
    audio: Option<File>,
    video_note: Option<File>,
    video: Option<File>,
    document: Option<File>,
    animation: Option<IgnoredAny>,
}

/// A marked part of a text, in UTF-16 units.
#[derive(Deserialize)]
struct Entity {
    r#type: String,
    offset: usize,
    length: usize,
}

#[derive(Deserialize)]
struct CallbackQuery {
    id: String,
    from: User,
    /// With nothing but chat and number when it is too old.
    message: Option<Pressed>,
    data: Option<String>,
}

#[derive(Deserialize)]
struct Pressed {
    message_id: i32,
    message_thread_id: Option<i32>,
    #[serde(default)]
    is_topic_message: bool,
    chat: Chat,
}

#[derive(Deserialize)]
struct MemberUpdated {
    chat: Chat,
    new_chat_member: Member,
}

#[derive(Deserialize)]
struct Member {
    status: String,
    /// Of a restricted member.
    can_send_messages: Option<bool>,
}

/// Fields of a message that a person filled, other than text and what has sound.
const SENT_BY_PEOPLE: [&str; 14] = [
    "animation",
    "checklist",
    "contact",
    "dice",
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
];

/// Beginnings of media types that hold no sound. Everything else is told by its bytes: what a sender's program calls
/// a file is only a claim.
const SOUNDLESS: [&str; 9] = [
    "image/",
    "text/",
    "font/",
    "application/pdf",
    "application/zip",
    "application/vnd.openxmlformats",
    "application/vnd.ms-",
    "application/msword",
    "application/json",
];

/// Name endings that speak for sound, whatever the media type says.
const SOUND_ENDINGS: [&str; 18] = [
    "3gp", "aac", "avi", "flac", "m4a", "m4b", "m4v", "mka", "mkv", "mov", "mp3", "mp4", "oga", "ogg", "opus", "wav",
    "webm", "weba",
];

/// Longest argument of a command that is kept, in characters.
const LONGEST_ARGUMENT: usize = 4096;

impl Incoming {
    /// An update from its JSON; `me` is the bot itself once it is known. `None` when the update has no number, so that
    /// it can be neither handled nor acknowledged. Any JSON will do, the update is not trusted.
    pub fn from_json(update: serde_json::Value, me: Option<&Me>) -> Option<Self> {
        let serde_json::Value::Object(mut fields) = update else { return None };
        let update_id = fields.remove("update_id")?.as_i64().filter(|id| *id >= 0)?;
        let has = |names: &[&str]| names.iter().any(|name| fields.contains_key(*name));
        let content = if has(&["edited_message", "edited_channel_post", "edited_business_message"]) {
            Content::Ignored(Ignored::Edited)
        } else if has(&["channel_post"]) {
            Content::Ignored(Ignored::Channel)
        } else if let Some(message) = fields.remove("message") {
            readable(message, |message: Message| message.into_content(me))
        } else if let Some(query) = fields.remove("callback_query") {
            readable(query, CallbackQuery::into_content)
        } else if let Some(member) = fields.remove("my_chat_member") {
            readable(member, MemberUpdated::into_content)
        } else {
            Content::Ignored(Ignored::Unexpected)
        };
        Some(Self { update_id, content })
    }
}

fn readable<T: serde::de::DeserializeOwned>(json: serde_json::Value, into: impl FnOnce(T) -> Content) -> Content {
    serde_json::from_value(json).map_or(Content::Ignored(Ignored::Unreadable), into)
}

impl Chat {
    fn kind(&self) -> Result<ChatKind, Ignored> {
        match self.r#type.as_str() {
            "private" => Ok(ChatKind::Private),
            "group" | "supergroup" => Ok(ChatKind::Group),
            "channel" => Err(Ignored::Channel),
            _ => Err(Ignored::Unexpected),
        }
    }
}

impl From<User> for Sender {
    fn from(user: User) -> Self {
        Self {
            id: UserId(user.id),
            username: user.username,
            first_name: user.first_name,
            last_name: user.last_name,
            language_code: user.language_code,
            anonymous_admin: false,
        }
    }
}

/// The file to transcribe, before it is known who asks for it.
struct Sound {
    file: File,
    source: AudioSource,
    message: MessageId,
}

impl Message {
    fn into_content(mut self, me: Option<&Me>) -> Content {
        let kind = match self.chat.kind() {
            Ok(kind) => kind,
            Err(why) => return Content::Ignored(why),
        };
        if let Some(moved) = self.moved() {
            return moved;
        }
        let from = match self.sender(kind) {
            Ok(from) => from,
            Err(why) => return Content::Ignored(why),
        };
        let thread = self.message_thread_id.filter(|_| self.is_topic_message).map(ThreadId);
        let place = Place { chat: ChatId(self.chat.id), kind, thread };
        let asked = MessageId(self.message_id);
        let named = me.is_some_and(|me| {
            [&self.text, &self.caption].into_iter().flatten().any(|text| mentions(text, &me.username))
        }) || self.caption_asks(kind, me);
        let asking = |Sound { file, source, message }, from, asked_by| {
            Content::Voice(Box::new(VoiceMessage {
                place,
                asked,
                message,
                from,
                file_id: file.file_id,
                file_unique_id: file.file_unique_id,
                claimed_duration: file.duration.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
                claimed_size: file.file_size.and_then(|size| u64::try_from(size).ok()),
                source,
                asked_by,
            }))
        };
        let replied = self.reply_to_message.take();
        let replied = replied.and_then(|json| serde_json::from_value::<Self>(json).ok()?.sound(kind));
        let elsewhere = self.external_reply.take();
        let replied = replied.or_else(|| {
            let (file, source) = serde_json::from_value::<Media>(elsewhere?).ok()?.sound(kind)?;
            // A message of another chat or topic cannot be answered here: the answer goes under the request.
            Some(Sound { file, source, message: asked })
        });
        let is_file = self.document.is_some();
        let people_sent = SENT_BY_PEOPLE.iter().any(|field| self.rest.contains_key(*field));
        let (automatic, text) = (self.is_automatic_forward, self.text.take());
        if let Some(sound) = self.sound(kind) {
            return match (kind, named) {
                (ChatKind::Private, _) | (ChatKind::Group, true) => asking(sound, from, AskedBy::Somebody),
                // What a channel publishes lands in its group by itself.
                (ChatKind::Group, false) if automatic => Content::Ignored(Ignored::Group),
                (ChatKind::Group, false) => asking(sound, from, AskedBy::Itself),
            };
        }
        if let Some(text) = text {
            if let Some(spoken) = command::parse(&text) {
                if !is_ours(&spoken, kind, me) {
                    return Content::Ignored(Ignored::Group);
                }
                if spoken.name == CommandName::Transcribe
                    && let Some(sound) = replied
                {
                    return asking(sound, from, AskedBy::Somebody);
                }
                let argument = spoken.argument.chars().take(LONGEST_ARGUMENT).collect();
                let name = spoken.name;
                return Content::Command(Box::new(Command { place, message: asked, from, name, argument }));
            }
            if named && let Some(sound) = replied {
                return asking(sound, from, AskedBy::Somebody);
            }
            return other(place, asked, from, false);
        }
        if people_sent || is_file { other(place, asked, from, is_file) } else { Content::Ignored(Ignored::Service) }
    }

    /// A service message that says that a group became a supergroup.
    fn moved(&self) -> Option<Content> {
        let (from, to) = match (self.migrate_to_chat_id, self.migrate_from_chat_id) {
            (Some(to), _) => (self.chat.id, to),
            (None, Some(from)) => (from, self.chat.id),
            (None, None) => return None,
        };
        Some(Content::Moved { from: ChatId(from), to: ChatId(to) })
    }

    /// Who speaks. A group's administrators may speak as the group, and people as a channel of theirs.
    fn sender(&mut self, kind: ChatKind) -> Result<Sender, Ignored> {
        match (kind, self.sender_chat.take(), self.from.take()) {
            (ChatKind::Group, Some(chat), from) => Ok(Sender {
                id: UserId(chat.id),
                username: chat.username,
                first_name: chat.title.unwrap_or_default(),
                last_name: None,
                language_code: from.and_then(|from| from.language_code),
                anonymous_admin: chat.id == self.chat.id,
            }),
            (_, _, Some(from)) if from.is_bot => Err(Ignored::Bot),
            (_, _, Some(from)) => Ok(from.into()),
            (_, _, None) => Err(Ignored::Unreadable),
        }
    }

    /// Whether the caption of a recording holds `/transcribe`, meant for this bot.
    fn caption_asks(&self, kind: ChatKind, me: Option<&Me>) -> bool {
        let Some(caption) = &self.caption else { return false };
        let asks = |words: &str| {
            command::parse(words)
                .is_some_and(|spoken| spoken.name == CommandName::Transcribe && is_ours(&spoken, kind, me))
        };
        let entities = self.caption_entities.as_ref().and_then(|json| Vec::<Entity>::deserialize(json).ok());
        let mut commands = entities.iter().flatten().filter(|entity| entity.r#type == "bot_command");
        asks(caption) || commands.any(|entity| covered(caption, entity).is_some_and(|command| asks(&command)))
    }

    /// The sound in this message.
    fn sound(self, kind: ChatKind) -> Option<Sound> {
        let message = MessageId(self.message_id);
        let Self { voice, audio, video_note, video, document, mut rest, .. } = self;
        let animation = rest.remove("animation");
        let (file, source) = Media { voice, audio, video_note, video, document, animation }.sound(kind)?;
        Some(Sound { file, source, message })
    }
}

impl Media {
    /// The file with sound. In a group a document counts only if it says that it is sound.
    fn sound(self, kind: ChatKind) -> Option<(File, AudioSource)> {
        let document = self.document.filter(|file| match kind {
            ChatKind::Private => file.may_have_sound(),
            ChatKind::Group => file.claims_sound(),
        });
        // A video note or an animation comes with a document of the same file for old programs.
        match (self.voice, self.audio, self.video_note, self.video, document) {
            (Some(file), ..) => Some((file, AudioSource::Voice)),
            (_, Some(file), ..) => Some((file, AudioSource::Audio)),
            (_, _, Some(file), ..) => Some((file, AudioSource::VideoNote)),
            (_, _, _, Some(file), _) => Some((file, AudioSource::Video)),
            (_, _, _, _, Some(file)) if self.animation.is_none() => Some((file, AudioSource::Document)),
            _ => None,
        }
    }
}

impl File {
    fn claims_sound(&self) -> bool {
        let ending = self.file_name.as_deref().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
        let by_name = ending.is_some_and(|ending| SOUND_ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending)));
        let by_type = self
            .mime_type
            .as_deref()
            .is_some_and(|kind| ["audio/", "video/", "application/ogg"].iter().any(|start| kind.starts_with(start)));
        by_name || by_type
    }

    fn may_have_sound(&self) -> bool {
        let soundless =
            self.mime_type.as_deref().is_some_and(|kind| SOUNDLESS.iter().any(|start| kind.starts_with(start)));
        self.claims_sound() || !soundless
    }
}

fn other(place: Place, message: MessageId, from: Sender, file: bool) -> Content {
    match place.kind {
        ChatKind::Private => Content::Other(OtherKind { place, message, from, file }),
        ChatKind::Group => Content::Ignored(Ignored::Group),
    }
}

/// Whether a command is for this bot. One without a bot's name is for every bot of a group; an unknown one is not.
fn is_ours(spoken: &Spoken<'_>, kind: ChatKind, me: Option<&Me>) -> bool {
    match (spoken.bot, me) {
        (Some(bot), Some(me)) => bot.eq_ignore_ascii_case(&me.username),
        (Some(_), None) => kind == ChatKind::Private,
        (None, _) => kind == ChatKind::Private || spoken.name != CommandName::Unknown,
    }
}

/// The part of a text that an entity marks, `None` where it does not fit the text.
fn covered(text: &str, entity: &Entity) -> Option<String> {
    let units: Vec<u16> = text.encode_utf16().collect();
    String::from_utf16(units.get(entity.offset..entity.offset.checked_add(entity.length)?)?).ok()
}

/// Whether a text names `@username`, and not only the beginning of a longer name.
fn mentions(text: &str, username: &str) -> bool {
    text.split('@').skip(1).any(|after| {
        after.get(..username.len()).is_some_and(|name| name.eq_ignore_ascii_case(username))
            && !after[username.len()..].starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')
    })
}

impl CallbackQuery {
    fn into_content(self) -> Content {
        let action = self.data.as_deref().and_then(Action::parse);
        let message = self.message.as_ref().map(|message| MessageId(message.message_id));
        let place = self.message.and_then(|message| {
            let thread = message.message_thread_id.filter(|_| message.is_topic_message).map(ThreadId);
            Some(Place { chat: ChatId(message.chat.id), kind: message.chat.kind().ok()?, thread })
        });
        Content::Press(Box::new(Press { callback: self.id, from: self.from.into(), place, message, action }))
    }
}

impl MemberUpdated {
    fn into_content(self) -> Content {
        match self.chat.kind() {
            Ok(kind) => {
                let member = self.new_chat_member;
                let access = match (member.status.as_str(), member.can_send_messages) {
                    ("left" | "kicked", _) => Access::Gone,
                    ("restricted", Some(false)) => Access::Silenced,
                    _ => Access::Writes,
                };
                Content::Membership(Membership { chat: ChatId(self.chat.id), kind, access })
            }
            Err(why) => Content::Ignored(why),
        }
    }
}
