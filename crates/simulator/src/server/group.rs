//! Who is in a chat: members and administrators, the bot among them, and a group's topics.

use serde_json::{Value, json};
use stenobot_domain::{ChatId, MessageId, UserId};

use super::chat::{Author, Chat, ChatKind, Content, Member, Message, Post, Rank};
use super::inbound::Caller;
use super::refusal::Refusal;
use super::state::State;
use super::{BotApi, Shared};

impl BotApi {
    /// Blocks the bot in a chat, or lets it back in. The bot is told by `my_chat_member`.
    pub fn set_blocked(&self, chat: ChatId, blocked: bool) {
        self.shared.change(|state| self.shared.change_bot(state, chat, |chat| chat.blocked = blocked));
    }

    /// Gives the bot another rank in a group. The bot is told by `my_chat_member`.
    pub(crate) fn set_bot_rank(&self, chat: ChatId, rank: Rank) {
        self.shared.change(|state| self.shared.change_bot(state, chat, |chat| chat.bot = rank));
    }

    /// Lets somebody into a group, or gives them another rank.
    pub(crate) fn set_member(&self, chat: ChatId, caller: &Caller, rank: Rank) {
        self.shared.change(|state| {
            if let Some(chat) = state.chats.get_mut(&chat) {
                chat.members.insert(caller.id, Member { caller: caller.clone(), rank });
            }
        });
    }

    /// Forbids the bot to write in a group, or lets it write again. The bot is told by `my_chat_member`.
    pub(crate) fn set_silenced(&self, chat: ChatId, silenced: bool) {
        self.shared.change(|state| self.shared.change_bot(state, chat, |chat| chat.silenced = silenced));
    }

    /// Refuses what the bot writes in a chat from now on, or takes it again. The bot is told nothing, as when the rights
    /// of all members change.
    pub(crate) fn set_refusal(&self, chat: ChatId, refusal: Option<Refusal>) {
        self.change_chat(chat, |chat| chat.refuses = refusal);
    }

    /// Closes a topic, or opens it again.
    pub(crate) fn set_topic_closed(&self, chat: ChatId, topic: MessageId, closed: bool) {
        self.change_chat(chat, |chat| {
            if closed {
                chat.closed_topics.insert(topic)
            } else {
                chat.closed_topics.remove(&topic)
            };
        });
    }

    /// Makes an open group one that is no supergroup.
    pub(crate) fn make_basic(&self, chat: ChatId) {
        self.change_chat(chat, |chat| chat.basic = true);
    }

    /// Makes a group a supergroup with another id, where messages are counted from 1 again. `announce` tells the bot by the
    /// service messages in both.
    pub fn upgrade(&self, from: ChatId, to: ChatId, announce: bool) {
        self.shared.change(|state| {
            let Some(old) = state.chats.get_mut(&from) else { return };
            old.upgraded_to = Some(to);
            let owner =
                old.members.values().find(|member| member.rank == Rank::Owner).map(|owner| owner.caller.clone());
            let mut new = Chat::new(to, ChatKind::Group, &old.title);
            (new.bot, new.members) = (old.bot, old.members.clone());
            state.chats.insert(to, new);
            let author = owner.map_or(Author::Anonymous, Author::Person);
            for (chat, field, other) in [(from, "migrate_to_chat_id", to), (to, "migrate_from_chat_id", from)] {
                let post = Post::new(author.clone(), Content::Other(json!({ field: other })));
                self.shared.place(state, chat, post, announce);
            }
        });
    }

    fn change_chat(&self, chat: ChatId, change: impl FnOnce(&mut Chat)) {
        self.shared.change(|state| state.chats.get_mut(&chat).map(change));
    }

    /// Opens a topic in a group, which makes the group a forum. Returns its id.
    pub(crate) fn open_topic(&self, chat: ChatId, by: &Caller, title: &str) -> Option<MessageId> {
        self.shared.change(|state| {
            let place = state.chats.get_mut(&chat).filter(|place| place.kind == ChatKind::Group)?;
            let id = place.next_message();
            let content = Content::Other(json!({
                "forum_topic_created": { "name": title, "icon_color": 7_322_096 },
            }));
            let post = Post { topic: Some(id), ..Post::new(Author::Person(by.clone()), content) };
            place.topics.insert(id, title.to_owned());
            place.messages.insert(id, Message::of(post, id, self.shared.now(), self.shared.date()));
            Some(id)
        })
    }
}

impl Shared {
    fn change_bot(&self, state: &mut State, chat: ChatId, change: impl FnOnce(&mut Chat)) {
        let bot = state.show_bot(&self.settings.username);
        let Some(place) = state.chats.get_mut(&chat) else { return };
        let standing = |place: &Chat| place.show_bot(bot.clone());
        let before = standing(place);
        change(place);
        let after = standing(place);
        if before == after {
            return;
        }
        let update = json!({
            "chat": place.show(),
            "from": who_decides(place),
            "date": self.date(),
            "old_chat_member": before,
            "new_chat_member": after,
        });
        state.queue("my_chat_member", update);
    }
}

/// The person of a private chat, or the one who runs the group.
fn who_decides(place: &Chat) -> Value {
    let runs = |member: &&Member| matches!(member.rank, Rank::Owner | Rank::Administrator);
    match place.members.values().find(runs) {
        Some(member) => member.caller.show(),
        None => {
            let id = UserId(if place.kind == ChatKind::Private { place.id.0 } else { 1 });
            Caller { id, name: place.title.clone(), language_code: None }.show()
        }
    }
}
