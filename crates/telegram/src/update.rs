//! What an update means to the bot.

mod business;
mod command;
mod guest;
mod json;
mod press;
pub(super) mod raw;

use std::time::Duration;

pub(super) use business::ConnectionJson;
pub use command::{Identity, TRANSCRIBE};

use stenobot_domain::{AudioSource, ChatId, GuestQueryId, InlineMessageId, MessageId, ThreadId, Timestamp, UserId};

use super::action::Action;
use super::call::labels;

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
    /// Something to transcribe, or in a group something that may be.
    Voice(Box<VoiceMessage>),
    /// `/something`, in a group only if it is meant for us.
    Command(Box<Command>),
    /// A button of the bot was pressed.
    Press(Box<Press>),
    /// The bot's membership in a chat has changed.
    Membership(Membership),
    /// A group became a supergroup, which has another id. Said once in each of the two.
    Moved {
        /// The group's id.
        from: ChatId,
        /// The supergroup's id.
        to: ChatId,
    },
    /// The bot was connected to a user's own account, or a connection has changed or ended.
    BusinessConnection(Box<BusinessConnection>),
    /// A recording in a chat of such an account.
    BusinessAudio(Box<BusinessAudio>),
    /// Messages in a chat of such an account were deleted.
    BusinessDeletion(BusinessDeletion),
    /// The bot was called in a chat that it is not in.
    Guest(Box<GuestQuery>),
    /// The copy of a channel's recording in the linked group, under which it is commented on.
    Discussion(Discussion),
    /// Anything else a person sends in a private chat.
    Other(OtherKind),
    /// No action and no answer.
    Ignored(Ignored),
}

/// Chat and topic of a message, where its answer goes as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// The chat.
    pub chat: ChatId,
    /// What kind of chat it is.
    pub kind: ChatKind,
    /// The topic, where there are topics.
    pub thread: Option<ThreadId>,
}

/// Kinds of chats that the bot serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChatKind {
    /// Chat with one user.
    Private,
    /// A group, with or without topics.
    Group,
    /// A channel, of which the bot is an administrator.
    Channel,
}

/// A message with sound. Lengths, sizes and kinds are claims of the sender's client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoiceMessage {
    /// Where it was sent.
    pub location: Location,
    /// The message that requests the text: the voice message itself, or a reply to it.
    pub asked: MessageId,
    /// The message with the sound.
    pub message: MessageId,
    /// The requester: the sender of the voice message unless another user asked for it.
    pub from: Sender,
    /// Where to download it from; valid for this bot only.
    pub file_id: String,
    /// Identifies the file's content: the same for every sender and every bot.
    pub file_unique_id: String,
    /// Its length in whole seconds; documents do not say.
    pub claimed_duration: Option<Duration>,
    /// Its size in bytes.
    pub claimed_size: Option<u64>,
    /// How it was sent.
    pub source: AudioSource,
    /// Name of the file, where the sender's client gives one.
    pub file_name: Option<String>,
    /// How the bot was asked for it.
    pub asked_by: AskedBy,
    /// Of a channel's post: whether its caption can take the text.
    pub has_free_caption: bool,
}

/// How a text was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AskedBy {
    /// The message alone, without a request.
    Itself,
    /// A user replied with `/transcribe` or a mention of the bot.
    User,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Where it was sent.
    pub location: Location,
    /// Its number there.
    pub message: MessageId,
    /// Who sent it.
    pub from: Sender,
    /// One of the commands that the client was given, or `None` for any other.
    pub name: Option<&'static str>,
    /// What follows it, trimmed.
    pub argument: String,
}

/// A pressed button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Press {
    /// Id for the answer.
    pub callback: String,
    /// The user who pressed; in a group, any member.
    pub from: Sender,
    /// Where the message with the button is; `None` when Telegram no longer gives it.
    pub location: Option<Location>,
    /// The message with the button.
    pub message: Option<MessageId>,
    /// That message, if the bot has posted it as a guest; then neither of the two above is known.
    pub inline: Option<InlineMessageId>,
    /// What the buttons are for that Telegram's server knows under the message: what is pressed is only a claim of the
    /// program that sent it. Empty when Telegram no longer gives the message.
    pub buttons: Vec<Action>,
    /// What the button is for; `None` for one that this version does not know.
    pub action: Option<Action>,
    /// The message to which the one with the button replies.
    pub replied: Option<Replied>,
}

/// What is known of a message that was replied to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replied {
    /// When it was sent.
    pub date: Timestamp,
    /// Name of its file, if there is one.
    pub file_name: Option<String>,
}

/// The bot's membership in a chat has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// The chat.
    pub chat: ChatId,
    /// What kind of chat it is.
    pub kind: ChatKind,
    /// What the bot may do there now.
    pub access: Access,
}

/// A connection of the bot to a user's own account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusinessConnection {
    /// Telegram's id of it.
    pub id: String,
    /// Whose account it is.
    pub user: Sender,
    /// The user's private chat with the bot.
    pub chat: ChatId,
    /// False when it has ended.
    pub is_enabled: bool,
}

/// A recording in a private chat of a connected account. In `voice`, location and sender are of that chat, in which the bot is
/// not; the sender may be the user of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusinessAudio {
    /// Id of the connection.
    pub connection: String,
    /// By Telegram's clock.
    pub sent_at: Timestamp,
    /// The message.
    pub voice: VoiceMessage,
}

/// Messages that were deleted in a private chat of a connected account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusinessDeletion {
    /// Id of the connection.
    pub connection: String,
    /// The chat.
    pub chat: ChatId,
    /// The messages.
    pub messages: Vec<MessageId>,
}

/// A call of the bot in a chat that it is not in. Nothing about that chat is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestQuery {
    /// By which it is answered.
    pub query: GuestQueryId,
    /// Who called.
    pub from: Sender,
    /// The recording to which the bot was called, if there is one. Its location is the caller's private chat with the bot, which may
    /// not exist.
    pub voice: Option<VoiceMessage>,
}

/// What the bot may do in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// It may write, unless all members may not.
    Writes,
    /// It is in the chat, and was forbidden to write.
    Silenced,
    /// It was blocked or removed, or has left.
    Gone,
}

/// The copy of a channel's post in the group that is linked to the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discussion {
    /// The channel.
    pub channel: ChatId,
    /// The post there.
    pub post: MessageId,
    /// The linked group.
    pub group: ChatId,
    /// The copy there.
    pub message: MessageId,
}

/// A message from a private chat that the bot cannot use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherKind {
    /// Where it was sent.
    pub location: Location,
    /// Its number there.
    pub message: MessageId,
    /// Who sent it.
    pub from: Sender,
    /// It is a file, of a kind without sound.
    pub file: bool,
}

/// A user, or the group or channel in whose name a message was sent (then `id` is that chat's).
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
    /// An administrator writing in the name of the group.
    pub anonymous_admin: bool,
}

/// Why an update is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// A group message not addressed to the bot.
    Group,
    /// A post in a channel.
    Channel,
    /// A new version of a message.
    Edited,
    /// A message about the chat itself, such as a pinned message.
    Service,
    /// A message from a bot.
    Bot,
    /// A message without a recording in a chat of a connected account.
    Business,
    /// A kind of update that was not requested.
    Unexpected,
    /// An update that cannot be read.
    Unreadable,
}

labels! {
    /// The kind of an update, as a metric's label.
    UpdateKind {
        /// [`AudioSource::Voice`]
        Voice = "voice",
        /// [`AudioSource::Audio`]
        Audio = "audio",
        /// [`AudioSource::VideoNote`]
        VideoNote = "video_note",
        /// [`AudioSource::Video`]
        Video = "video",
        /// [`AudioSource::Document`]
        Document = "document",
        /// [`Content::Command`]
        Command = "command",
        /// [`Content::Press`]
        Button = "button",
        /// [`Content::Membership`]
        Membership = "membership",
        /// [`Content::Moved`]
        Migration = "migration",
        /// [`Content::BusinessConnection`]
        BusinessConnection = "business_connection",
        /// [`Content::BusinessAudio`]
        BusinessAudio = "business_audio",
        /// [`Content::BusinessDeletion`]
        BusinessDeletion = "business_deletion",
        /// [`Ignored::Business`]
        BusinessOther = "business_other",
        /// [`Content::Guest`]
        Guest = "guest",
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
            Self::Voice(voice) => match voice.source {
                AudioSource::Voice => UpdateKind::Voice,
                AudioSource::Audio => UpdateKind::Audio,
                AudioSource::VideoNote => UpdateKind::VideoNote,
                AudioSource::Video => UpdateKind::Video,
                AudioSource::Document => UpdateKind::Document,
            },
            Self::Command(_) => UpdateKind::Command,
            Self::Press(_) => UpdateKind::Button,
            Self::Membership(_) => UpdateKind::Membership,
            Self::Moved { .. } => UpdateKind::Migration,
            Self::BusinessConnection(_) => UpdateKind::BusinessConnection,
            Self::BusinessAudio(_) => UpdateKind::BusinessAudio,
            Self::BusinessDeletion(_) => UpdateKind::BusinessDeletion,
            Self::Guest(_) => UpdateKind::Guest,
            Self::Discussion(_) => UpdateKind::Group,
            Self::Other(_) => UpdateKind::Other,
            Self::Ignored(why) => match why {
                Ignored::Group => UpdateKind::Group,
                Ignored::Channel => UpdateKind::Channel,
                Ignored::Edited => UpdateKind::Edited,
                Ignored::Service => UpdateKind::Service,
                Ignored::Bot => UpdateKind::Bot,
                Ignored::Business => UpdateKind::BusinessOther,
                Ignored::Unexpected => UpdateKind::Unexpected,
                Ignored::Unreadable => UpdateKind::Unreadable,
            },
        }
    }
}
