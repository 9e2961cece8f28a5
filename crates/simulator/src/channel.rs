//! Simulated channels, with the groups that are linked to them.

use stenobot_domain::{ChatId, MessageId};

use super::group::Group;
use super::server::{Author, BotApi, Channel, ChatKind, Content, MemberStatus, Post};
use super::users::User;

/// A channel with the bot as an administrator who may edit posts.
#[derive(Clone)]
pub struct Publisher {
    api: BotApi,
    channel: Channel,
    /// Where posts can be commented on.
    linked: Option<Group>,
}

impl Publisher {
    /// Opens a channel; its id is negative.
    pub fn new(api: &BotApi, id: ChatId, title: &str) -> Self {
        api.open_chat(id, ChatKind::Channel, title);
        api.set_bot_status(id, MemberStatus::Administrator);
        Self { api: api.clone(), channel: Channel { id, title: title.to_owned() }, linked: None }
    }

    /// Links a group, to which Telegram forwards every post.
    #[must_use]
    pub fn linked_to(self, group: &Group) -> Self {
        Self { linked: Some(group.clone()), ..self }
    }

    /// Its chat id.
    pub fn chat(&self) -> ChatId {
        self.channel.id
    }

    /// Gives the bot the right to edit posts, or takes it.
    pub fn set_bot_may_edit(&self, may: bool) {
        self.api.set_may_edit_posts(self.channel.id, may);
    }

    /// Removes the bot from the channel.
    pub fn remove_bot(&self) {
        self.api.set_blocked(self.channel.id, true);
    }

    /// Posts a text. Returns the post.
    pub fn post_text(&self, author: &User, text: &str) -> MessageId {
        self.post(author, Content::Text(text.to_owned())).0
    }

    /// Posts what [`BotApi::upload`] gave. Returns the post and its copy in the linked group.
    pub fn post(&self, author: &User, content: Content) -> (MessageId, Option<MessageId>) {
        let post = Post::new(Author::User(author.info().clone()), content.clone());
        let post = self.api.receive(self.channel.id, post);
        let copy = self.linked.as_ref().map(|group| group.forward_post(self.channel.clone(), post, content));
        (post, copy)
    }
}
