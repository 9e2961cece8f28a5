//! Chats, who is in them, and their messages.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use stenobot_domain::{ChatId, MessageId, UserId};

use super::inbound::{Attachment, Caller};
use super::refusal::Refusal;

/// One chat.
#[derive(Debug)]
pub struct Chat {
    /// Its id.
    pub id: ChatId,
    /// Private or not.
    pub kind: ChatKind,
    /// Name of the person or the group.
    pub title: String,
    /// The bot was blocked or removed: it may not write here.
    pub blocked: bool,
    /// What the bot may do here.
    pub bot: Rank,
    /// Who is here, in a group.
    pub members: BTreeMap<UserId, Member>,
    /// A group that is no supergroup.
    pub basic: bool,
    /// The supergroup that the group became.
    pub(crate) upgraded_to: Option<ChatId>,
    /// The bot was forbidden to write here; it is told so by `my_chat_member`.
    pub silenced: bool,
    /// What Telegram answers to messages of the bot here; nothing tells the bot beforehand.
    pub refuses: Option<Refusal>,
    /// Topics in which only administrators write.
    pub(crate) closed_topics: BTreeSet<MessageId>,
    /// Titles of topics by the message that opened each.
    pub topics: BTreeMap<MessageId, String>,
    /// Messages by id, deleted ones too.
    pub messages: BTreeMap<MessageId, Message>,
}

/// Kinds of chats that differ for a bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatKind {
    /// With one person.
    Private,
    /// A supergroup.
    Group,
    /// A channel.
    Channel,
}

/// A message with its history.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its id in the chat.
    pub id: MessageId,
    /// Who wrote it.
    pub author: Author,
    /// What it holds, after all edits.
    pub content: Content,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
    /// The message of another chat or topic that it answers.
    pub(crate) reply_elsewhere: Option<(ChatId, MessageId)>,
    /// The topic it is in, by the message that opened it.
    pub topic: Option<MessageId>,
    /// Where it was forwarded from.
    pub forwarded: Option<Origin>,
    /// Buttons, as the bot gave them.
    pub markup: Option<Value>,
    /// When it was sent.
    pub sent: Duration,
    /// Unix time in seconds of the same.
    pub date: i64,
    /// Every change that was made, oldest first.
    pub edits: Vec<Edit>,
    /// When it was deleted.
    pub deleted: Option<Duration>,
}

/// Who wrote a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// The bot under test.
    Bot,
    /// A person.
    Person(Caller),
    /// An administrator who speaks as the group itself.
    Anonymous,
    /// Somebody who speaks as a channel.
    Channel(Channel),
    /// Telegram, carrying over what the group's channel has posted.
    LinkedChannel(Channel),
}

/// A channel as it introduces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its id.
    pub id: ChatId,
    /// Its title.
    pub title: String,
}

/// Who first wrote what was forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A person whose account is told.
    Person(Caller),
    /// A person of whom only the name is told.
    Hidden(String),
    /// A channel, with the post's id there.
    Channel(Channel, MessageId),
}

/// Somebody in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub caller: Caller,
    /// What they may do.
    pub rank: Rank,
}

/// What somebody may do in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// Who made the group.
    Owner,
    /// Who manages it; a bot sees every message then.
    Administrator,
    /// Anybody else in it.
    Member,
    /// Was in it.
    Left,
}

/// A message on its way into a chat.
#[derive(Debug, Clone)]
pub struct Post {
    /// Who writes it.
    pub author: Author,
    /// What it holds.
    pub content: Content,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
    /// The message of another chat or topic that it answers.
    pub(crate) reply_elsewhere: Option<(ChatId, MessageId)>,
    /// The topic it goes to.
    pub topic: Option<MessageId>,
    /// Where it was forwarded from.
    pub forwarded: Option<Origin>,
}

impl Post {
    /// Neither a reply nor forwarded, in no topic.
    pub fn new(author: Author, content: Content) -> Self {
        Self { author, content, reply_to: None, reply_elsewhere: None, topic: None, forwarded: None }
    }
}

/// What a message holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Words.
    Text(String),
    /// A file that the bot sent.
    Document {
        /// As the bot named it.
        file_name: String,
        /// Its content.
        bytes: Bytes,
        /// The words below it.
        caption: String,
    },
    /// A file that a person sent.
    Attachment(Attachment),
    /// The fields of any other message, such as `photo`.
    Other(Value),
}

impl Content {
    /// The words of a text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Document { .. } | Self::Attachment(_) | Self::Other(_) => None,
        }
    }

    /// The words of a text, or those below a file.
    pub(super) fn words(&self) -> &str {
        match self {
            Self::Text(words) | Self::Document { caption: words, .. } => words,
            Self::Attachment(attachment) => &attachment.caption,
            Self::Other(fields) => fields["caption"].as_str().unwrap_or_default(),
        }
    }
}

/// One edit of a text.
#[derive(Debug, Clone)]
pub struct Edit {
    /// When Telegram took it.
    pub at: Duration,
    /// The text that was replaced.
    pub before: String,
}

impl Message {
    /// Every text it has shown with the time from which it showed, oldest first.
    pub fn texts(&self) -> Vec<(Duration, &str)> {
        let starts = std::iter::once(self.sent).chain(self.edits.iter().map(|edit| edit.at));
        let texts = self.edits.iter().map(|edit| edit.before.as_str()).chain(self.content.text());
        starts.zip(texts).collect()
    }

    /// As [`Message::texts`], or the words below a file.
    pub fn words(&self) -> Vec<(Duration, &str)> {
        match self.content.text() {
            Some(_) => self.texts(),
            None => Some(self.content.words())
                .filter(|words| !words.is_empty())
                .map(|words| (self.sent, words))
                .into_iter()
                .collect(),
        }
    }
}

impl Chat {
    pub(super) fn new(id: ChatId, kind: ChatKind, title: &str) -> Self {
        Self {
            id,
            kind,
            title: title.to_owned(),
            blocked: false,
            bot: Rank::Member,
            basic: false,
            upgraded_to: None,
            silenced: false,
            refuses: None,
            closed_topics: BTreeSet::new(),
            members: BTreeMap::new(),
            topics: BTreeMap::new(),
            messages: BTreeMap::new(),
        }
    }

    pub(super) fn next_message(&self) -> MessageId {
        MessageId(self.messages.keys().next_back().map_or(0, |last| last.0) + 1)
    }

    /// Why the bot may not write to a topic, or to the chat itself.
    pub(super) fn refusal(&self, topic: Option<MessageId>) -> Option<Refusal> {
        match self.kind {
            ChatKind::Private if self.blocked => Some(Refusal::BLOCKED),
            ChatKind::Group if self.blocked => Some(Refusal::KICKED),
            ChatKind::Group if self.bot == Rank::Left => Some(Refusal::NOT_A_MEMBER),
            ChatKind::Private | ChatKind::Group | ChatKind::Channel => {
                let closed = topic.is_some_and(|topic| self.closed_topics.contains(&topic));
                let manages = matches!(self.bot, Rank::Owner | Rank::Administrator);
                let silenced = self.silenced.then_some(Refusal::RESTRICTED);
                let refused = self.refuses.clone().or(silenced);
                refused.or((closed && !manages).then_some(Refusal::TOPIC_CLOSED))
            }
        }
    }

    /// A message that is still there.
    pub(super) fn standing(&self, id: MessageId) -> Option<&Message> {
        self.messages.get(&id).filter(|message| message.deleted.is_none())
    }
}

impl Message {
    pub(super) fn of(post: Post, id: MessageId, sent: Duration, date: i64) -> Self {
        let Post { author, content, reply_to, reply_elsewhere, topic, forwarded } = post;
        Self {
            id,
            author,
            content,
            reply_to,
            reply_elsewhere,
            topic,
            forwarded,
            markup: None,
            sent,
            date,
            edits: Vec::new(),
            deleted: None,
        }
    }
}
