//! Members of chats, the bot's rights in them, and topics of groups.

use serde_json::{Value, json};
use stenobot_domain::{ChatId, MessageId, UserId};

use super::chat::{Author, Chat, ChatKind, Content, Member, MemberStatus, Message, Post};
use super::inbound::UserInfo;
use super::refusal::Refusal;
use super::state::State;
use super::{BotApi, Shared};

impl BotApi {
    /// Blocks or unblocks the bot in a chat, with a `my_chat_member` update.
    pub fn set_blocked(&self, chat: ChatId, blocked: bool) {
        self.shared.change(|state| self.shared.change_bot(state, chat, |chat| chat.blocked = blocked));
    }

    /// Changes the bot's status in a group, with a `my_chat_member` update.
    pub(crate) fn set_bot_status(&self, chat: ChatId, status: MemberStatus) {
        self.shared.change(|state| self.shared.change_bot(state, chat, |chat| chat.bot = status));
    }

    /// Adds a user to a group, or changes their status.
    pub(crate) fn set_member(&self, chat: ChatId, user: &UserInfo, status: MemberStatus) {
        self.shared.change(|state| {
            if let Some(chat) = state.chats.get_mut(&chat) {
                chat.members.insert(user.id, Member { user: user.clone(), status });
            }
        });
    }

    /// Restricts the bot in a group, or lifts the restriction, with a `my_chat_member` update.
    pub(crate) fn set_restricted(&self, chat: ChatId, restricted: bool) {
        self.shared.change(|state| self.shared.change_bot(state, chat, |chat| chat.restricted = restricted));
    }

    /// Refuses messages of the bot in a chat, or accepts them again. No update informs the bot, as when the rights of all
    /// members change.
    pub(crate) fn set_refusal(&self, chat: ChatId, refusal: Option<Refusal>) {
        self.change_chat(chat, |chat| chat.forced_refusal = refusal);
    }

    /// Limits the reactions in a chat; `None` allows all.
    pub(crate) fn set_reactions(&self, chat: ChatId, allowed: Option<Vec<String>>) {
        self.change_chat(chat, |chat| chat.allowed_reactions = allowed);
    }

    /// Closes or reopens a topic.
    pub(crate) fn set_topic_closed(&self, chat: ChatId, topic: MessageId, closed: bool) {
        self.change_chat(chat, |chat| {
            if closed {
                chat.closed_topics.insert(topic)
            } else {
                chat.closed_topics.remove(&topic)
            };
        });
    }

    /// Deletes a message, of which Telegram says nothing to bots.
    pub(crate) fn delete_message(&self, chat: ChatId, message: MessageId) {
        let now = self.shared.now();
        self.change_chat(chat, |chat| {
            if let Some(message) = chat.messages.get_mut(&message) {
                message.deleted.get_or_insert(now);
            }
        });
    }

    /// Deletes a topic with its messages.
    pub(crate) fn delete_topic(&self, chat: ChatId, topic: MessageId) {
        let now = self.shared.now();
        self.change_chat(chat, |chat| {
            chat.topics.remove(&topic);
            for message in chat.messages.values_mut().filter(|message| message.topic == Some(topic)) {
                message.deleted.get_or_insert(now);
            }
        });
    }

    /// Makes an open group a chat of a channel's direct messages.
    pub(crate) fn make_direct(&self, chat: ChatId) {
        self.change_chat(chat, |chat| chat.is_direct = true);
    }

    /// Makes an open group a basic group.
    pub(crate) fn make_basic(&self, chat: ChatId) {
        self.change_chat(chat, |chat| chat.basic = true);
    }

    /// Upgrades a group to a supergroup with another id, where message ids start from 1 again. With `announce` the bot gets
    /// the service messages of both.
    pub fn upgrade(&self, from: ChatId, to: ChatId, announce: bool) {
        self.shared.change(|state| {
            let Some(old) = state.chats.get_mut(&from) else { return };
            old.upgraded_to = Some(to);
            let owner = old
                .members
                .values()
                .find(|member| member.status == MemberStatus::Owner)
                .map(|owner| owner.user.clone());
            let mut new = Chat::new(to, ChatKind::Group, &old.title);
            (new.bot, new.members) = (old.bot, old.members.clone());
            state.chats.insert(to, new);
            let author = owner.map_or(Author::Anonymous, Author::User);
            for (chat, field, other) in [(from, "migrate_to_chat_id", to), (to, "migrate_from_chat_id", from)] {
                let post = Post::new(author.clone(), Content::Other(json!({ field: other })));
                self.shared.add_message(state, chat, post, announce);
            }
        });
    }

    fn change_chat(&self, chat: ChatId, change: impl FnOnce(&mut Chat)) {
        self.shared.change(|state| state.chats.get_mut(&chat).map(change));
    }

    /// Opens a topic in a group, which makes the group a forum. Returns its id.
    pub(crate) fn open_topic(&self, chat: ChatId, by: &UserInfo, title: &str) -> Option<MessageId> {
        self.shared.change(|state| {
            let chat_state = state.chats.get_mut(&chat).filter(|chat_state| chat_state.kind == ChatKind::Group)?;
            let id = chat_state.next_message();
            let content = Content::Other(json!({
                "forum_topic_created": { "name": title, "icon_color": 7_322_096 },
            }));
            let post = Post { topic: Some(id), ..Post::new(Author::User(by.clone()), content) };
            chat_state.topics.insert(id, title.to_owned());
            chat_state.messages.insert(id, Message::of(post, id, self.shared.now(), self.shared.date()));
            Some(id)
        })
    }
}

impl Shared {
    pub(super) fn change_bot(&self, state: &mut State, chat: ChatId, change: impl FnOnce(&mut Chat)) {
        let bot = state.bot_json(&self.settings.username);
        let Some(chat_state) = state.chats.get_mut(&chat) else { return };
        let member = |chat_state: &Chat| chat_state.bot_json(bot.clone());
        let before = member(chat_state);
        change(chat_state);
        let after = member(chat_state);
        if before == after {
            return;
        }
        let update = json!({
            "chat": chat_state.to_json(),
            "from": acting_user(chat_state),
            "date": self.date(),
            "old_chat_member": before,
            "new_chat_member": after,
        });
        state.queue("my_chat_member", update);
    }
}

/// `from` of a `my_chat_member` update: the user of a private chat, or an administrator of the group.
fn acting_user(chat_state: &Chat) -> Value {
    let runs = |member: &&Member| matches!(member.status, MemberStatus::Owner | MemberStatus::Administrator);
    match chat_state.members.values().find(runs) {
        Some(member) => member.user.to_json(),
        None => {
            let id = UserId(if chat_state.kind == ChatKind::Private { chat_state.id.0 } else { 1 });
            UserInfo { id, name: chat_state.title.clone(), language_code: None }.to_json()
        }
    }
}
