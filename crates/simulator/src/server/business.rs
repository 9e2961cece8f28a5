//! Users' own accounts to which the bot is connected ("business" in the Bot API). Their chats are not the bot's: message numbers
//! there are of another space, and a chat with a user may exist beside the bot's own chat with the same user.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stenobot_domain::{ChatId, MessageId};

use super::chat::{Author, Chat, ChatKind, Content, Message, Post};
use super::inbound::UserInfo;
use super::state::State;
use super::{BotApi, Shared};

/// A user's own account with a connected bot.
#[derive(Debug)]
pub struct Account {
    /// Whose account it is.
    pub owner: UserInfo,
    /// False when the connection has ended.
    pub is_enabled: bool,
    /// Private chats of the owner with others, by the id of the other user.
    pub chats: BTreeMap<ChatId, Chat>,
    date: i64,
}

impl BotApi {
    /// Connects the bot to a user's own account, with a `business_connection` update. Gives the connection's id.
    pub fn connect_account(&self, owner: &UserInfo) -> String {
        self.shared.change(|state| {
            let id = format!("BizConn{:08}", state.accounts.len() + 1);
            let date = self.shared.date();
            let account = Account { owner: owner.clone(), is_enabled: true, chats: BTreeMap::new(), date };
            state.accounts.insert(id.clone(), account);
            announce_connection(state, &id);
            id
        })
    }

    /// Ends a connection or begins it anew, with an update.
    pub fn set_account_connected(&self, connection: &str, is_enabled: bool) {
        self.shared.change(|state| {
            if let Some(account) = state.accounts.get_mut(connection) {
                account.is_enabled = is_enabled;
                announce_connection(state, connection);
            }
        });
    }

    /// Adds a message to the owner's chat with `partner`, written by one of the two. Telegram sends an update, also while the
    /// connection ends.
    pub fn receive_on_account(
        &self,
        connection: &str,
        partner: &UserInfo,
        author: &UserInfo,
        content: Content,
    ) -> MessageId {
        self.shared.change(|state| self.shared.receive_on_account(state, connection, partner, author, content))
    }

    /// Queues another update for a message, as Telegram sometimes does.
    pub fn repeat_on_account(&self, connection: &str, chat: ChatId, message: MessageId) {
        self.shared.change(|state| self.shared.announce_on_account(state, connection, chat, message));
    }

    /// Deletes messages of a chat of the owner, with a `deleted_business_messages` update. Gives the update's id.
    pub fn delete_on_account(&self, connection: &str, chat: ChatId, messages: &[MessageId]) -> Option<i64> {
        self.shared.change(|state| {
            let now = self.shared.now();
            let chat_state = state.accounts.get_mut(connection)?.chats.get_mut(&chat)?;
            for id in messages {
                if let Some(message) = chat_state.messages.get_mut(id) {
                    message.deleted = Some(now);
                }
            }
            let deleted = json!({
                "business_connection_id": connection,
                "chat": chat_state.to_json(),
                "message_ids": messages,
            });
            Some(state.queue("deleted_business_messages", deleted))
        })
    }
}

impl Shared {
    fn receive_on_account(
        &self,
        state: &mut State,
        connection: &str,
        partner: &UserInfo,
        author: &UserInfo,
        content: Content,
    ) -> MessageId {
        let chat = ChatId(partner.id.0);
        let Some(account) = state.accounts.get_mut(connection) else { return MessageId(0) };
        let entry = account.chats.entry(chat);
        let chat_state = entry.or_insert_with(|| Chat::new(chat, ChatKind::Private, &partner.name));
        let id = chat_state.next_message();
        let post = Post::new(Author::User(author.clone()), content);
        chat_state.messages.insert(id, Message::of(post, id, self.now(), self.date()));
        self.announce_on_account(state, connection, chat, id);
        id
    }

    fn announce_on_account(&self, state: &mut State, connection: &str, chat: ChatId, message: MessageId) {
        let message = state.accounts.get(connection).and_then(|account| {
            let chat = account.chats.get(&chat)?;
            let mut json = state.to_json(chat, chat.messages.get(&message)?, &self.settings.username);
            json["business_connection_id"] = json!(connection);
            Some(json)
        });
        if let Some(message) = message {
            state.queue("business_message", message);
        }
    }
}

impl Account {
    /// <https://core.telegram.org/bots/api#businessconnection>
    pub(super) fn to_json(&self, id: &str) -> Value {
        json!({
            "id": id,
            "user": self.owner.to_json(),
            "user_chat_id": self.owner.id,
            "date": self.date,
            "rights": {},
            "is_enabled": self.is_enabled,
        })
    }
}

fn announce_connection(state: &mut State, id: &str) {
    if let Some(account) = state.accounts.get(id) {
        let json = account.to_json(id);
        state.queue("business_connection", json);
    }
}
