//! Chats, members and messages.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use stenobot_domain::{ChatId, MessageId, UserId};

use super::entities::Decoration;
use super::inbound::{Attachment, UserInfo};
use super::refusal::Refusal;

/// A chat.
#[derive(Debug)]
pub struct Chat {
    /// Chat id.
    pub id: ChatId,
    /// Private chat, group or channel.
    pub kind: ChatKind,
    /// Name of the user or title of the group.
    pub title: String,
    /// The bot was blocked or banned and may not send here.
    pub blocked: bool,
    /// The bot's status.
    pub bot: MemberStatus,
    /// Members of a group.
    pub members: BTreeMap<UserId, Member>,
    /// A basic group, no supergroup.
    pub basic: bool,
    /// The supergroup to which it was upgraded.
    pub(crate) upgraded_to: Option<ChatId>,
    /// The bot is restricted from sending messages, and was informed by `my_chat_member`.
    pub restricted: bool,
    /// Refusal of every message of the bot, without an update about it.
    pub forced_refusal: Option<Refusal>,
    /// The bot, as an administrator of a channel, may edit posts of others.
    pub(crate) may_edit_posts: bool,
    /// A chat of a channel's direct messages.
    pub(crate) is_direct: bool,
    /// Reactions that members may set; `None` for all.
    pub(crate) allowed_reactions: Option<Vec<String>>,
    /// Topics in which only administrators may send.
    pub(crate) closed_topics: BTreeSet<MessageId>,
    /// Titles of topics by the message that opened each.
    pub topics: BTreeMap<MessageId, String>,
    /// Messages by id, including deleted ones.
    pub messages: BTreeMap<MessageId, Message>,
}

/// Kind of a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatKind {
    /// Private chat with one user.
    Private,
    /// A supergroup.
    Group,
    /// A channel.
    Channel,
}

/// A message with its history.
#[derive(Debug, Clone)]
pub struct Message {
    /// Id in the chat.
    pub id: MessageId,
    /// Its author.
    pub author: Author,
    /// Content after all edits.
    pub content: Content,
    /// The message it replies to.
    pub reply_to: Option<MessageId>,
    /// The message of another chat or topic it replies to.
    pub(crate) reply_elsewhere: Option<(ChatId, MessageId)>,
    /// Its topic, identified by the message that opened it.
    pub topic: Option<MessageId>,
    /// Origin of a forwarded message.
    pub forwarded: Option<Origin>,
    /// Entities of a text.
    pub decoration: Decoration,
    /// `reply_markup` as sent by the bot.
    pub markup: Option<Value>,
    /// Its topic of a channel's direct messages.
    pub direct_topic: Option<i64>,
    /// Sent by the bot with `disable_notification`.
    pub is_silent: bool,
    /// Time of sending, from the server's start.
    pub sent: Duration,
    /// Time of sending as Unix time in seconds.
    pub date: i64,
    /// Edits, oldest first.
    pub edits: Vec<Edit>,
    /// Time of deletion, from the server's start.
    pub deleted: Option<Duration>,
    /// The bot's reactions, oldest first, each with its time; empty where it was removed.
    pub reactions: Vec<(Duration, String)>,
}

/// Author of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// The bot under test.
    Bot,
    /// A user.
    User(UserInfo),
    /// An anonymous administrator, in the name of the group.
    Anonymous,
    /// A user in the name of a channel.
    Channel(Channel),
    /// The automatic forward of a post of the group's linked channel.
    LinkedChannel(Channel),
}

/// A channel as shown to the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Chat id.
    pub id: ChatId,
    /// Shown title.
    pub title: String,
}

/// Origin of a forwarded message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A user with a visible account.
    User(UserInfo),
    /// A user of whom only the name is visible.
    Hidden(String),
    /// A channel, with the id of the post.
    Channel(Channel, MessageId),
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The user.
    pub user: UserInfo,
    /// Their status.
    pub status: MemberStatus,
}

/// Status of a member, as in `ChatMember`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberStatus {
    /// Creator of the group.
    Owner,
    /// Administrator; a bot with this status sees every message.
    Administrator,
    /// Any other member.
    Member,
    /// No longer a member.
    Left,
}

/// A message to be placed in a chat.
#[derive(Debug, Clone)]
pub struct Post {
    /// Its author.
    pub author: Author,
    /// Its content.
    pub content: Content,
    /// The message it replies to.
    pub reply_to: Option<MessageId>,
    /// The message of another chat or topic it replies to.
    pub(crate) reply_elsewhere: Option<(ChatId, MessageId)>,
    /// Its topic of a channel's direct messages.
    pub direct_topic: Option<i64>,
    /// Its topic.
    pub topic: Option<MessageId>,
    /// Origin of a forwarded message.
    pub forwarded: Option<Origin>,
}

impl Post {
    /// A message outside of topics, neither reply nor forward.
    pub fn new(author: Author, content: Content) -> Self {
        Self {
            author,
            content,
            reply_to: None,
            reply_elsewhere: None,
            direct_topic: None,
            topic: None,
            forwarded: None,
        }
    }
}

/// Content of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A text.
    Text(String),
    /// A file that the bot sent.
    Document {
        /// File name given by the bot.
        file_name: String,
        /// The whole file.
        bytes: Bytes,
        /// Caption.
        caption: String,
    },
    /// A file that a user sent.
    Attachment(Attachment),
    /// The fields of any other message, such as `photo`.
    Other(Value),
}

impl Content {
    /// The text of a text message.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Document { .. } | Self::Attachment(_) | Self::Other(_) => None,
        }
    }

    /// The text, or the caption of a file.
    pub(super) fn text_or_caption(&self) -> &str {
        match self {
            Self::Text(words) | Self::Document { caption: words, .. } => words,
            Self::Attachment(attachment) => &attachment.caption,
            Self::Other(fields) => fields["caption"].as_str().unwrap_or_default(),
        }
    }
}

/// One edit of a text or file.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Time, from the server's start.
    pub at: Duration,
    /// The text that was replaced; empty for a file.
    pub before: String,
}

impl Message {
    /// The bot's reaction; empty where there is none.
    pub fn reaction(&self) -> &str {
        self.reactions.last().map_or("", |(_, emoji)| emoji)
    }

    /// All versions of the text with the time of each, oldest first.
    pub fn texts(&self) -> Vec<(Duration, &str)> {
        let starts = std::iter::once(self.sent).chain(self.edits.iter().map(|edit| edit.at));
        let texts = self.edits.iter().map(|edit| edit.before.as_str()).chain(self.content.text());
        starts.zip(texts).collect()
    }

    /// As [`Message::texts`], with the caption of a file if it has one.
    pub fn texts_or_caption(&self) -> Vec<(Duration, &str)> {
        let mut texts = self.texts();
        let caption = self.content.text_or_caption();
        if self.content.text().is_none() && !caption.is_empty() {
            texts.push((self.edits.last().map_or(self.sent, |edit| edit.at), caption));
        }
        texts
    }
}

impl Chat {
    pub(super) fn new(id: ChatId, kind: ChatKind, title: &str) -> Self {
        Self {
            id,
            kind,
            title: title.to_owned(),
            blocked: false,
            bot: MemberStatus::Member,
            basic: false,
            upgraded_to: None,
            restricted: false,
            forced_refusal: None,
            may_edit_posts: true,
            is_direct: false,
            allowed_reactions: None,
            closed_topics: BTreeSet::new(),
            members: BTreeMap::new(),
            topics: BTreeMap::new(),
            messages: BTreeMap::new(),
        }
    }

    pub(super) fn next_message(&self) -> MessageId {
        MessageId(self.messages.keys().next_back().map_or(0, |last| last.0) + 1)
    }

    /// Why the bot may not send to a topic, or to the chat itself.
    pub(super) fn refusal(&self, topic: Option<MessageId>) -> Option<Refusal> {
        match self.kind {
            ChatKind::Private if self.blocked => Some(Refusal::BLOCKED),
            ChatKind::Channel if self.blocked => Some(Refusal::KICKED_FROM_CHANNEL),
            ChatKind::Group if self.blocked => Some(Refusal::KICKED),
            ChatKind::Group if self.bot == MemberStatus::Left => Some(Refusal::NOT_A_MEMBER),
            ChatKind::Private | ChatKind::Group | ChatKind::Channel => {
                let closed = topic.is_some_and(|topic| self.closed_topics.contains(&topic));
                let manages = matches!(self.bot, MemberStatus::Owner | MemberStatus::Administrator);
                let restricted = self.restricted.then_some(Refusal::RESTRICTED);
                let refused = self.forced_refusal.clone().or(restricted);
                refused.or((closed && !manages).then_some(Refusal::TOPIC_CLOSED))
            }
        }
    }

    /// Why the bot may not react in the chat. The right to send texts is not asked for.
    pub(super) fn reaction_refusal(&self) -> Option<Refusal> {
        self.refusal(None).filter(|refusal| *refusal != Refusal::NO_RIGHTS)
    }

    /// A message that was not deleted.
    pub(super) fn existing_message(&self, id: MessageId) -> Option<&Message> {
        self.messages.get(&id).filter(|message| message.deleted.is_none())
    }
}

impl Message {
    pub(super) fn of(post: Post, id: MessageId, sent: Duration, date: i64) -> Self {
        let Post { author, content, reply_to, reply_elsewhere, direct_topic, topic, forwarded } = post;
        Self {
            id,
            author,
            content,
            reply_to,
            reply_elsewhere,
            topic,
            forwarded,
            decoration: Decoration::default(),
            markup: None,
            direct_topic,
            is_silent: false,
            sent,
            date,
            edits: Vec::new(),
            deleted: None,
            reactions: Vec::new(),
        }
    }
}
