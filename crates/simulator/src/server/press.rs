//! Button presses (callback queries) and the bot's answers to them.

use std::time::Duration;

use serde_json::json;
use stenobot_domain::{ChatId, MessageId, UserId};

use super::BotApi;
use super::inbound::UserInfo;
use super::keyboard;
use super::params::Params;
use super::refusal::Refusal;
use super::state::State;

/// Maximum length of an answer in UTF-16 units.
const MAX_ANSWER: usize = 200;

/// A press of a button.
#[derive(Debug, Clone)]
pub struct Press {
    /// Chat of the message.
    pub chat: ChatId,
    /// The message with the button.
    pub message: MessageId,
    /// The user who pressed it.
    pub by: UserId,
    /// Time from the server's start.
    pub at: Duration,
    /// The bot's answer, if there is one yet.
    pub answer: Option<CallbackAnswer>,
}

/// The bot's answer to a button press.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackAnswer {
    /// Shown to the user unless empty.
    pub text: String,
    /// Shown in a dialog that the user must close, instead of a short notice.
    pub alert: bool,
}

impl BotApi {
    /// Presses the button with `data` under a message of the bot. Returns the query's id; `None` without such a button.
    pub fn press(&self, chat: ChatId, from: &UserInfo, message: MessageId, data: &str) -> Option<String> {
        let is_there = self.read(|state| {
            let message = state.chats.get(&chat)?.existing_message(message)?;
            let rows = keyboard::rows(message.markup.as_ref()?);
            rows.iter().flatten().any(|button| !data.is_empty() && button.data == data).then_some(())
        });
        is_there.map(|()| self.send_callback(chat, from, message, data))
    }

    /// Sends a callback query with any data, whether or not such a button exists.
    pub(crate) fn send_callback(&self, chat: ChatId, from: &UserInfo, message: MessageId, data: &str) -> String {
        self.shared.change(|state| {
            let id = format!("{}", 4_000_000_000_001_u64 + state.presses.len() as u64);
            let json = state.chats.get(&chat).and_then(|chat_state| {
                let message = chat_state.existing_message(message)?;
                Some(state.to_json(chat_state, message, &self.shared.settings.username))
            });
            let json = json.unwrap_or_else(|| {
                let chat = state.chats.get(&chat).map(super::chat::Chat::to_json);
                json!({ "chat": chat, "message_id": message, "date": 0 })
            });
            let query = json!({
                "id": id,
                "from": from.to_json(),
                "message": json,
                "chat_instance": chat.to_string(),
                "data": data,
            });
            let press = Press { chat, message, by: from.id, at: self.shared.now(), answer: None };
            state.presses.insert(id.clone(), press);
            state.queue("callback_query", query);
            id
        })
    }

    /// Whether the bot has answered a callback query.
    pub fn is_answered(&self, query: &str) -> bool {
        self.read(|state| state.presses.get(query).is_some_and(|press| press.answer.is_some()))
    }
}

impl State {
    /// `answerCallbackQuery`.
    pub(super) fn answer_press(&mut self, params: &Params) -> Result<(), Refusal> {
        let id = params.text("callback_query_id").unwrap_or_default();
        let press = self.presses.get_mut(id).filter(|press| press.answer.is_none());
        let press = press.ok_or(Refusal::QUERY_TOO_OLD)?;
        let text = params.text("text").unwrap_or_default();
        if text.encode_utf16().count() > MAX_ANSWER {
            return Err(Refusal::EDIT_TOO_LONG);
        }
        let alert = params.json("show_alert") == Some(json!(true));
        press.answer = Some(CallbackAnswer { text: text.to_owned(), alert });
        Ok(())
    }
}
