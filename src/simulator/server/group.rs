//! Who is in a chat: members and administrators, the bot among them, and a group's topics.

use serde_json::{Value, json};

use super::chat::{Author, Chat, ChatKind, Content, Member, Message, Post, Rank};
use super::inbound::Caller;
use super::state::State;
use super::{BotApi, Shared};
use crate::model::{ChatId, MessageId, UserId};

impl BotApi {
    /// Blocks the bot in a chat, or lets it back in. The bot is told by `my_chat_member`.
    pub fn set_blocked(&self, chat: ChatId, blocked: bool) {
        self.shared.change(|state| self.shared.change_bot(state, chat, |chat| chat.blocked = blocked));
    }

    /// Gives the bot another rank in a group. The bot is told by `my_chat_member`.
    pub fn set_bot_rank(&self, chat: ChatId, rank: Rank) {
        self.shared.change(|state| self.shared.change_bot(state, chat, |chat| chat.bot = rank));
    }

    /// Lets somebody into a group, or gives them another rank.
    pub fn set_member(&self, chat: ChatId, caller: &Caller, rank: Rank) {
        self.shared.change(|state| {
            if let Some(chat) = state.chats.get_mut(&chat) {
                chat.members.insert(caller.id, Member { caller: caller.clone(), rank });
            }
        });
    }

    /// Opens a topic in a group, which makes the group a forum. Returns its id.
    pub fn open_topic(&self, chat: ChatId, by: &Caller, title: &str) -> Option<MessageId> {
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
        let standing = |place: &Chat| Chat::show_member(bot.clone(), place.bot, place.blocked);
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
