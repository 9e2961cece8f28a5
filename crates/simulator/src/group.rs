//! Simulated groups.

use bytes::Bytes;
use stenobot_domain::{ChatId, MessageId};

use super::server::{Attachment, Author, BotApi, Channel, ChatKind, Content, MemberStatus, Origin, Post, Refusal};
use super::users::User;

/// A supergroup. The bot starts as an ordinary member, which sees only messages addressed to it (privacy mode).
#[derive(Clone)]
pub struct Group {
    api: BotApi,
    chat: ChatId,
}

impl Group {
    /// Opens a group with the bot in it; ids of groups are negative.
    pub fn new(api: &BotApi, id: ChatId, title: &str) -> Self {
        api.open_chat(id, ChatKind::Group, title);
        Self { api: api.clone(), chat: id }
    }

    /// Opens a basic group, which can become a supergroup.
    pub fn basic(api: &BotApi, id: ChatId, title: &str) -> Self {
        let group = Self::new(api, id, title);
        api.make_basic(id);
        group
    }

    /// Upgrades to a supergroup with another id; service messages inform the bot.
    #[must_use]
    pub fn upgrade_to_supergroup(&self, id: ChatId) -> Self {
        self.api.upgrade(self.chat, id, true);
        Self { api: self.api.clone(), chat: id }
    }

    /// Upgrades without service messages: only a refusal of its next call informs the bot.
    #[must_use]
    pub fn upgrade_to_supergroup_silently(&self, id: ChatId) -> Self {
        self.api.upgrade(self.chat, id, false);
        Self { api: self.api.clone(), chat: id }
    }

    /// Its chat id.
    pub fn chat(&self) -> ChatId {
        self.chat
    }

    /// Adds a member. Returns the same user, writing in the group.
    pub fn add_member(&self, user: &User) -> User {
        self.add_member_as(user, MemberStatus::Member)
    }

    /// Adds a member, or changes their status. Returns the same user, writing in the group.
    pub fn add_member_as(&self, user: &User, status: MemberStatus) -> User {
        self.api.set_member(self.chat, user.info(), status);
        user.in_chat(self.chat)
    }

    /// Changes the bot's status; as [`MemberStatus::Administrator`] it sees every message.
    pub fn set_bot_status(&self, status: MemberStatus) {
        self.api.set_bot_status(self.chat, status);
    }

    /// Bans or unbans the bot.
    pub fn set_bot_banned(&self, banned: bool) {
        self.api.set_blocked(self.chat, banned);
    }

    /// Restricts the bot from sending messages, or lifts the restriction.
    pub fn set_bot_restricted(&self, restricted: bool) {
        self.api.set_restricted(self.chat, restricted);
    }

    /// Refuses messages of the bot, or accepts them again, without an update about it.
    pub fn set_refusal(&self, refusal: Option<Refusal>) {
        self.api.set_refusal(self.chat, refusal);
    }

    /// Limits the reactions that members may set.
    pub fn allow_reactions(&self, allowed: &[&str]) {
        self.api.set_reactions(self.chat, Some(allowed.iter().map(|emoji| (*emoji).to_owned()).collect()));
    }

    /// Closes or reopens a topic.
    pub fn set_topic_closed(&self, topic: MessageId, closed: bool) {
        self.api.set_topic_closed(self.chat, topic, closed);
    }

    /// Deletes a message, of which Telegram says nothing to bots.
    pub fn delete_message(&self, message: MessageId) {
        self.api.delete_message(self.chat, message);
    }

    /// Deletes a topic with its messages.
    pub fn delete_topic(&self, topic: MessageId) {
        self.api.delete_topic(self.chat, topic);
    }

    /// Makes it a chat of a channel's direct messages.
    pub fn make_direct(&self) {
        self.api.make_direct(self.chat);
    }

    /// Opens a topic. Returns its id, for [`User::in_topic`].
    pub fn open_topic(&self, by: &User, title: &str) -> Option<MessageId> {
        self.api.open_topic(self.chat, by.info(), title)
    }

    /// Posts a text in the group's linked channel, which Telegram forwards to the group.
    pub fn auto_forward_text(&self, channel: Channel, text: &str) -> MessageId {
        self.auto_forward(channel, Content::Text(text.into()))
    }

    /// Posts a file in the group's linked channel, which Telegram forwards to the group.
    pub fn auto_forward_file(&self, channel: Channel, attachment: Attachment, bytes: impl Into<Bytes>) -> MessageId {
        let content = self.api.upload(attachment, bytes.into(), None);
        self.auto_forward(channel, content)
    }

    fn auto_forward(&self, channel: Channel, content: Content) -> MessageId {
        // No test depends on the id of the post in the channel.
        self.forward_post(channel, MessageId(1), content)
    }

    /// Adds the copy of a post of the linked channel.
    pub(crate) fn forward_post(&self, channel: Channel, post: MessageId, content: Content) -> MessageId {
        let forwarded = Some(Origin::Channel(channel.clone(), post));
        let post = Post { forwarded, ..Post::new(Author::LinkedChannel(channel), content) };
        self.api.receive(self.chat, post)
    }
}
