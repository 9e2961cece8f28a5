//! A group with people and the bot in it.

use bytes::Bytes;
use stenobot_domain::{ChatId, MessageId};

use super::people::Person;
use super::server::{Attachment, Author, BotApi, Channel, ChatKind, Content, Origin, Post, Rank, Refusal};

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

    /// A new group that is no supergroup yet.
    pub fn basic(api: &BotApi, id: ChatId, title: &str) -> Self {
        let group = Self::new(api, id, title);
        api.make_basic(id);
        group
    }

    /// It becomes a supergroup, which takes its place; the bot is told by service messages.
    #[must_use]
    pub fn becomes_supergroup(&self, id: ChatId) -> Self {
        self.api.upgrade(self.chat, id, true);
        Self { api: self.api.clone(), chat: id }
    }

    /// The same, and the bot learns of it only when it writes to the group.
    #[must_use]
    pub fn becomes_supergroup_silently(&self, id: ChatId) -> Self {
        self.api.upgrade(self.chat, id, false);
        Self { api: self.api.clone(), chat: id }
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

    /// Forbids the bot to write, or lets it write again.
    pub fn silences_bot(&self, silenced: bool) {
        self.api.set_silenced(self.chat, silenced);
    }

    /// Refuses what the bot writes, or takes it again, without telling the bot.
    pub fn refuses(&self, refusal: Option<Refusal>) {
        self.api.set_refusal(self.chat, refusal);
    }

    /// Closes a topic, or opens it again.
    pub fn closes_topic(&self, topic: MessageId, closed: bool) {
        self.api.set_topic_closed(self.chat, topic, closed);
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
