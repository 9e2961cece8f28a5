//! The Bot API's JSON, read into what it means.
//!
//! Only the fields that are used are read, and nothing else is built in memory: a Bot API that grows new fields must not
//! cost a message, nor a hostile one the memory of the machine.

mod file;
mod post;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use stenobot_domain::{AudioSource, ChatId, MessageId, UserId};

pub(super) use file::File;

use super::business::{ConnectionJson, DeletionJson, MessageJson};
use super::command::{Identity, Spoken, TRANSCRIBE};
use super::guest::GuestJson;
use super::press::CallbackQuery;
use super::raw;
use super::{
    Access, AskedBy, ChatKind, Command, Content, Ignored, Incoming, Location, Membership, OtherKind, Sender,
    VoiceMessage,
};
use crate::client::Me;

#[derive(Deserialize)]
struct Message<'a> {
    message_id: i32,
    message_thread_id: Option<i32>,
    #[serde(default)]
    is_topic_message: bool,
    /// In a chat of a channel's direct messages; read as leniently.
    #[serde(borrow)]
    direct_messages_topic: Option<&'a RawValue>,
    #[serde(default)]
    is_automatic_forward: bool,
    chat: Chat,
    from: Option<User>,
    sender_chat: Option<Chat>,
    /// Read only when it matters: a flaw in it must not cost the message that answers it.
    #[serde(borrow)]
    reply_to_message: Option<&'a RawValue>,
    /// What is answered when that is in another chat or topic; read as leniently.
    #[serde(borrow)]
    external_reply: Option<&'a RawValue>,
    #[serde(borrow)]
    forward_origin: Option<&'a RawValue>,
    /// What servers of before Bot API 7.0 give in its place.
    forward_date: Option<IgnoredAny>,
    via_bot: Option<IgnoredAny>,
    text: Option<String>,
    caption: Option<String>,
    /// The commands and mentions in the caption; read as leniently.
    #[serde(borrow)]
    caption_entities: Option<&'a RawValue>,
    voice: Option<File>,
    audio: Option<File>,
    video_note: Option<File>,
    video: Option<File>,
    document: Option<File>,
    animation: Option<IgnoredAny>,
    migrate_to_chat_id: Option<i64>,
    migrate_from_chat_id: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct Chat {
    pub(super) id: i64,
    r#type: String,
    title: Option<String>,
    username: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct User {
    id: i64,
    #[serde(default)]
    pub(super) is_bot: bool,
    #[serde(default)]
    first_name: String,
    last_name: Option<String>,
    username: Option<String>,
    language_code: Option<String>,
}

/// The files of a message, whether it came or is answered.
#[derive(Deserialize)]
pub(super) struct Media {
    /// Absent in what is answered in another chat.
    message_id: Option<i32>,
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
struct MemberUpdated {
    chat: Chat,
    new_chat_member: Member,
}

#[derive(Deserialize)]
struct Member {
    status: String,
    /// Of a restricted member.
    can_send_messages: Option<bool>,
    /// Of an administrator of a channel.
    can_edit_messages: Option<bool>,
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

/// Longest argument of a command that is kept, in characters.
const MAX_ARGUMENT_LENGTH: usize = 4096;
/// Marked parts of a caption that are looked at; Telegram gives no more.
const MAX_ENTITIES: usize = 100;

impl Incoming {
    /// An update from its JSON. `None` when the update has no number, so that
    /// it can be neither handled nor acknowledged. Any bytes will do, the update is not trusted.
    pub fn from_json(update: &[u8], bot: Identity<'_>) -> Option<Self> {
        let names = [
            "update_id",
            "edited_message",
            "edited_channel_post",
            "edited_business_message",
            "channel_post",
            "message",
            "callback_query",
            "my_chat_member",
            "business_message",
            "business_connection",
            "deleted_business_messages",
            "guest_message",
        ];
        let Some(
            [
                id,
                edited,
                edited_post,
                edited_business,
                post,
                message,
                query,
                member,
                business,
                connection,
                deleted,
                guest,
            ],
        ) = raw::members(update, names)
        else {
            return raw::update_id(update).map(Self::unreadable);
        };
        let update_id = raw::number(id?)?;
        let content = if edited.or(edited_post).or(edited_business).is_some() {
            Content::Ignored(Ignored::Edited)
        } else if let Some(post) = post {
            readable(post, |json| Ok(serde_json::from_slice::<Message<'_>>(json)?.into_post(bot)))
        } else if let Some(message) = message {
            readable(message, |json| Ok(serde_json::from_slice::<Message<'_>>(json)?.into_content(json, bot)))
        } else if let Some(query) = query {
            readable(query, |json| Ok(serde_json::from_slice::<CallbackQuery<'_>>(json)?.into_content()))
        } else if let Some(member) = member {
            readable(member, |json| Ok(serde_json::from_slice::<MemberUpdated>(json)?.into_content()))
        } else if let Some(message) = business {
            readable(message, |json| Ok(serde_json::from_slice::<MessageJson>(json)?.into_content()))
        } else if let Some(connection) = connection {
            let read = |json: &[u8]| Ok(serde_json::from_slice::<ConnectionJson>(json)?.into());
            readable(connection, |json| Ok(Content::BusinessConnection(Box::new(read(json)?))))
        } else if let Some(deleted) = deleted {
            readable(deleted, |json| Ok(serde_json::from_slice::<DeletionJson>(json)?.into_content()))
        } else if let Some(guest) = guest {
            readable(guest, |json| Ok(serde_json::from_slice::<GuestJson<'_>>(json)?.into_content(json)))
        } else {
            Content::Ignored(Ignored::Unexpected)
        };
        Some(Self { update_id, content })
    }

    /// An update of which nothing but its number is known.
    pub(crate) fn unreadable(update_id: i64) -> Self {
        Self { update_id, content: Content::Ignored(Ignored::Unreadable) }
    }
}

/// Reads JSON; where that fails, once more without what no string can hold.
fn readable(json: &[u8], read: impl Fn(&[u8]) -> serde_json::Result<Content>) -> Content {
    let read = read(json).or_else(|_| read(raw::repaired(json).as_bytes()));
    read.unwrap_or(Content::Ignored(Ignored::Unreadable))
}

impl Chat {
    pub(super) fn kind(&self) -> Result<ChatKind, Ignored> {
        match self.r#type.as_str() {
            "private" => Ok(ChatKind::Private),
            "group" | "supergroup" => Ok(ChatKind::Group),
            "channel" => Ok(ChatKind::Channel),
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

impl Message<'_> {
    /// `json` is the message itself.
    fn into_content(mut self, json: &[u8], bot: Identity<'_>) -> Content {
        let kind = match self.chat.kind() {
            Ok(ChatKind::Channel) => return Content::Ignored(Ignored::Channel),
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
        let thread = self.thread();
        let location = Location { chat: ChatId(self.chat.id), kind, thread };
        let asked = MessageId(self.message_id);
        let own_words = self.has_own_words();
        let named = own_words
            && (bot.me.is_some_and(|me| {
                [&self.text, &self.caption].into_iter().flatten().any(|text| mentions(text, &me.username))
            }) || self.caption_asks(kind, bot));
        let asking = |Sound { file, source, message }, from, asked_by| {
            let voice = file.into_voice(source, location, message, from);
            Content::Voice(Box::new(VoiceMessage { asked, asked_by, ..voice }))
        };
        let sound_in = |answered: Option<&RawValue>| serde_json::from_str::<Media>(answered?.get()).ok()?.sound(kind);
        let replied = sound_in(self.reply_to_message)
            .and_then(|(file, source, message)| Some(Sound { file, source, message: MessageId(message?) }));
        let replied = replied.or_else(|| {
            let (file, source, _) = sound_in(self.external_reply)?;
            // A message of another chat or topic cannot be answered here: the answer goes under the request.
            Some(Sound { file, source, message: asked })
        });
        let is_file = self.document.is_some();
        let (automatic, text, discussion) = (self.is_automatic_forward, self.text.take(), self.discussion());
        if let Some(sound) = self.sound(kind) {
            return match (kind, named) {
                (ChatKind::Private, _) | (ChatKind::Group | ChatKind::Channel, true) => {
                    asking(sound, from, AskedBy::User)
                }
                // What a channel publishes lands in its group by itself.
                (ChatKind::Group | ChatKind::Channel, false) if automatic => {
                    discussion.map_or(Content::Ignored(Ignored::Group), Content::Discussion)
                }
                (ChatKind::Group | ChatKind::Channel, false) => asking(sound, from, AskedBy::Itself),
            };
        }
        if let Some(text) = text {
            if let Some(spoken) = bot.parse(&text).filter(|_| own_words) {
                if !is_ours(&spoken, kind, bot.me) {
                    return Content::Ignored(Ignored::Group);
                }
                if spoken.name == Some(TRANSCRIBE)
                    && let Some(sound) = replied
                {
                    return asking(sound, from, AskedBy::User);
                }
                let argument = spoken.argument.chars().take(MAX_ARGUMENT_LENGTH).collect();
                let name = spoken.name;
                return Content::Command(Box::new(Command { location, message: asked, from, name, argument }));
            }
            if named && let Some(sound) = replied {
                return asking(sound, from, AskedBy::User);
            }
            return other(location, asked, from, false);
        }
        let people_sent = || raw::members(json, SENT_BY_PEOPLE).is_some_and(|found| found.iter().any(Option::is_some));
        if is_file || people_sent() {
            other(location, asked, from, is_file)
        } else {
            Content::Ignored(Ignored::Service)
        }
    }

    /// Whether the sender wrote the words of the message. Those that are forwarded, or come through an inline bot, are
    /// another's: they are no command. Telegram itself carries over what a group's channel publishes.
    fn has_own_words(&self) -> bool {
        let forwarded = self.forward_origin.is_some() || self.forward_date.is_some();
        self.via_bot.is_none() && (!forwarded || self.is_automatic_forward)
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

    /// The sender. Administrators may write in the name of their group, and users in the name of a channel of theirs.
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
    fn caption_asks(&self, kind: ChatKind, bot: Identity<'_>) -> bool {
        let Some(caption) = &self.caption else { return false };
        let asks = |words: &str| {
            bot.parse(words).is_some_and(|spoken| spoken.name == Some(TRANSCRIBE) && is_ours(&spoken, kind, bot.me))
        };
        let entities = self.caption_entities.map(|json| raw::elements(json.get().as_bytes(), MAX_ENTITIES).whole);
        let entities = entities.iter().flatten().filter_map(|json| serde_json::from_slice::<Entity>(json).ok());
        let mut commands = entities.filter(|entity| entity.r#type == "bot_command");
        asks(caption) || commands.any(|entity| covered(caption, &entity).is_some_and(|command| asks(&command)))
    }

    /// The sound in this message.
    fn sound(self, kind: ChatKind) -> Option<Sound> {
        let message = MessageId(self.message_id);
        let Self { voice, audio, video_note, video, document, animation, .. } = self;
        let media = Media { message_id: None, voice, audio, video_note, video, document, animation };
        let (file, source, _) = media.sound(kind)?;
        Some(Sound { file, source, message })
    }
}

impl Media {
    /// The file with sound, and the number of its message. In a group a document counts only if it says that it is sound.
    pub(super) fn sound(self, kind: ChatKind) -> Option<(File, AudioSource, Option<i32>)> {
        let document = self.document.filter(|file| match kind {
            ChatKind::Private => file.may_have_sound(),
            ChatKind::Group | ChatKind::Channel => file.claims_sound(),
        });
        // A video note or an animation comes with a document of the same file for old programs.
        let (file, source) = match (self.voice, self.audio, self.video_note, self.video, document) {
            (Some(file), ..) => (file, AudioSource::Voice),
            (_, Some(file), ..) => (file, AudioSource::Audio),
            (_, _, Some(file), ..) => (file, AudioSource::VideoNote),
            (_, _, _, Some(file), _) => (file, AudioSource::Video),
            (_, _, _, _, Some(file)) if self.animation.is_none() => (file, AudioSource::Document),
            _ => return None,
        };
        Some((file, source, self.message_id))
    }
}

fn other(location: Location, message: MessageId, from: Sender, file: bool) -> Content {
    match location.kind {
        ChatKind::Private => Content::Other(OtherKind { location, message, from, file }),
        ChatKind::Group => Content::Ignored(Ignored::Group),
        ChatKind::Channel => Content::Ignored(Ignored::Channel),
    }
}

/// Whether a command is for this bot. One without a bot's name is for every bot of a group; an unknown one is not.
fn is_ours(spoken: &Spoken<'_>, kind: ChatKind, me: Option<&Me>) -> bool {
    match (spoken.bot, me) {
        (Some(bot), Some(me)) => bot.eq_ignore_ascii_case(&me.username),
        (Some(_), None) => kind == ChatKind::Private,
        (None, _) => kind == ChatKind::Private || spoken.name.is_some(),
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

impl MemberUpdated {
    fn into_content(self) -> Content {
        match self.chat.kind() {
            Ok(kind) => {
                let member = self.new_chat_member;
                let may_edit = member.can_edit_messages == Some(true);
                let access = match (member.status.as_str(), member.can_send_messages) {
                    ("left" | "kicked", _) => Access::Gone,
                    ("administrator", _) if kind == ChatKind::Channel && !may_edit => Access::Silenced,
                    ("restricted", Some(false)) => Access::Silenced,
                    _ => Access::Writes,
                };
                Content::Membership(Membership { chat: ChatId(self.chat.id), kind, access })
            }
            Err(why) => Content::Ignored(why),
        }
    }
}
