//! Presses of buttons, and what the bot answers to them.

use std::time::Duration;

use serde_json::json;
use stenobot_domain::{ChatId, MessageId, UserId};

use super::BotApi;
use super::inbound::Caller;
use super::keyboard;
use super::params::Params;
use super::refusal::Refusal;
use super::state::State;

/// Longest answer to a press, in UTF-16 units.
const TOAST_LIMIT: usize = 200;

/// A press of a button.
#[derive(Debug, Clone)]
pub struct Press {
    /// In which chat.
    pub chat: ChatId,
    /// Under which message.
    pub message: MessageId,
    /// By whom.
    pub by: UserId,
    /// When, from the server's start.
    pub at: Duration,
    /// What the bot answered; `None` while the button still turns.
    pub toast: Option<Toast>,
}

/// The answer to a press.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// What is shown; nothing when empty.
    pub text: String,
    /// In a window that must be closed, rather than for a moment.
    pub alert: bool,
}

impl BotApi {
    /// A person presses the button with `data` under the bot's message. Returns the query's id, `None` when there is
    /// no such button.
    pub fn press(&self, chat: ChatId, from: &Caller, message: MessageId, data: &str) -> Option<String> {
        let is_there = self.read(|state| {
            let shown = state.chats.get(&chat)?.standing(message)?;
            let rows = keyboard::rows(shown.markup.as_ref()?);
            rows.iter().flatten().any(|button| !data.is_empty() && button.data == data).then_some(())
        });
        is_there.map(|()| self.press_anyway(chat, from, message, data))
    }

    /// A press that no honest app would send: of a button that is gone or never was, with any data.
    pub(crate) fn press_anyway(&self, chat: ChatId, from: &Caller, message: MessageId, data: &str) -> String {
        self.shared.change(|state| {
            let id = format!("{}", 4_000_000_000_001_u64 + state.presses.len() as u64);
            let shown = state.chats.get(&chat).and_then(|place| {
                let message = place.standing(message)?;
                Some(state.show(place, message, &self.shared.settings.username))
            });
            let shown = shown.unwrap_or_else(|| {
                let place = state.chats.get(&chat).map(super::chat::Chat::show);
                json!({ "chat": place, "message_id": message, "date": 0 })
            });
            let query = json!({
                "id": id,
                "from": from.show(),
                "message": shown,
                "chat_instance": chat.to_string(),
                "data": data,
            });
            let press = Press { chat, message, by: from.id, at: self.shared.now(), toast: None };
            state.presses.insert(id.clone(), press);
            state.queue("callback_query", query);
            id
        })
    }

    /// Whether the bot has answered a button press.
    pub fn is_answered(&self, query: &str) -> bool {
        self.read(|state| state.presses.get(query).is_some_and(|press| press.toast.is_some()))
    }
}

impl State {
    /// `answerCallbackQuery`.
    pub(super) fn answer_press(&mut self, params: &Params) -> Result<(), Refusal> {
        let id = params.text("callback_query_id").unwrap_or_default();
        let press = self.presses.get_mut(id).filter(|press| press.toast.is_none());
        let press = press.ok_or(Refusal::QUERY_TOO_OLD)?;
        let text = params.text("text").unwrap_or_default();
        if text.encode_utf16().count() > TOAST_LIMIT {
            return Err(Refusal::EDIT_TOO_LONG);
        }
        let alert = params.json("show_alert") == Some(json!(true));
        press.toast = Some(Toast { text: text.to_owned(), alert });
        Ok(())
    }
}
