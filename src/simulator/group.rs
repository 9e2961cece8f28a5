//! A group with people and the bot in it.

use bytes::Bytes;

use super::people::Person;
use super::server::{Attachment, Author, BotApi, Channel, ChatKind, Content, Origin, Post, Rank};
use crate::model::{ChatId, MessageId};

/// A supergroup. The bot is an ordinary member until it is made an administrator: it sees only what is meant for it.
#[derive(Clone)]
pub struct Group {
    api: BotApi,
    chat: ChatId,
}

impl Group {
    /// A new group with the bot in it; the ids of groups are negative.
    pub fn new(api: &BotApi, id: ChatId, title: &str) -> Self {
        api.open_chat(id, ChatKind::Group, title);
        Self { api: api.clone(), chat: id }
    }

    /// Its chat.
    pub fn chat(&self) -> ChatId {
        self.chat
    }

    /// Somebody comes in. The result is the same person, speaking here.
    pub fn joins(&self, person: &Person) -> Person {
        self.joins_as(person, Rank::Member)
    }

    /// Somebody comes in, or gets another rank. The result is the same person, speaking here.
    pub fn joins_as(&self, person: &Person, rank: Rank) -> Person {
        self.api.set_member(self.chat, person.caller(), rank);
        person.speaking_in(self.chat)
    }

    /// Gives the bot another rank; as [`Rank::Administrator`] it sees every message.
    pub fn makes_bot(&self, rank: Rank) {
        self.api.set_bot_rank(self.chat, rank);
    }

    /// Turns the bot away, or lets it back in.
    pub fn bans_bot(&self, banned: bool) {
        self.api.set_blocked(self.chat, banned);
    }

    /// Somebody opens a topic. Returns its id, for [`Person::in_topic`].
    pub fn opens_topic(&self, by: &Person, title: &str) -> Option<MessageId> {
        self.api.open_topic(self.chat, by.caller(), title)
    }

    /// The group's channel posts a text, which Telegram carries over.
    pub fn carries_over_text(&self, channel: Channel, text: &str) -> MessageId {
        self.carries_over(channel, Content::Text(text.into()))
    }

    /// The group's channel posts a file, which Telegram carries over.
    pub fn carries_over_file(&self, channel: Channel, attachment: Attachment, bytes: impl Into<Bytes>) -> MessageId {
        let content = self.api.upload(attachment, bytes.into(), None);
        self.carries_over(channel, content)
    }

    fn carries_over(&self, channel: Channel, content: Content) -> MessageId {
        // The id that the post has in the channel is of no matter here.
        let forwarded = Some(Origin::Channel(channel.clone(), MessageId(1)));
        let post = Post { forwarded, ..Post::new(Author::LinkedChannel(channel), content) };
        self.api.receive(self.chat, post)
    }
}
