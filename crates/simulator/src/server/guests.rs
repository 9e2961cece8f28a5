//! Calls of the bot as a guest: users name it in chats that it is not in, as a reply to a recording. The bot answers once, and edits its
//! answer by `inline_message_id`. Such chats are not among [`State::chats`], since the bot cannot address them.

use std::time::Duration;

use serde_json::{Value, json};
use stenobot_domain::{ChatId, MessageId};

use super::chat::{ChatKind, Content, Edit};
use super::entities::Decoration;
use super::inbound::UserInfo;
use super::methods::{MAX_TEXT, Refused};
use super::params::Params;
use super::press::Press;
use super::refusal::Refusal;
use super::state::State;
use super::{BotApi, Shared, keyboard};

/// How long a call can be answered. <https://core.telegram.org/bots/api#answerguestquery> names no time; this is about that of
/// queries of other kinds.
const LIFETIME: Duration = Duration::from_secs(30);

/// A call of the bot.
#[derive(Debug, Clone)]
pub struct GuestCall {
    /// Who called.
    pub caller: UserInfo,
    /// Where.
    pub chat: ChatId,
    /// The bot's answer there.
    pub answer: Option<GuestMessage>,
    /// Time after which it cannot be answered, from the server's start.
    until: Duration,
}

/// A message that the bot has posted as a guest.
#[derive(Debug, Clone)]
pub struct GuestMessage {
    /// `inline_message_id`
    pub id: String,
    /// Text after all edits.
    pub text: String,
    /// Its entities.
    pub decoration: Decoration,
    /// `reply_markup` as sent by the bot.
    pub markup: Option<Value>,
    /// Edits, oldest first.
    pub edits: Vec<Edit>,
    /// Whether a member of the chat has deleted it.
    pub is_deleted: bool,
}

impl BotApi {
    /// Calls the bot in a chat that it is not in, as a reply to `recording` if there is one; gives the query's id. Nothing is sent
    /// to a bot whose owner has not allowed it.
    pub fn call_as_guest(&self, chat: ChatId, caller: &UserInfo, recording: Option<&Content>) -> String {
        self.shared.change(|state| {
            let id = format!("{}", 6_000_000_000_001_u64 + state.guests.len() as u64);
            let until = self.shared.now() + LIFETIME;
            state.guests.insert(id.clone(), GuestCall { caller: caller.clone(), chat, answer: None, until });
            self.shared.announce_call(state, &id, recording);
            id
        })
    }

    /// Queues another update for a call, as Telegram sometimes does.
    pub fn repeat_call(&self, query: &str, recording: Option<&Content>) {
        self.shared.change(|state| self.shared.announce_call(state, query, recording));
    }

    /// Ends the time in which a call can be answered.
    pub fn expire_call(&self, query: &str) {
        self.shared.change(|state| {
            if let Some(call) = state.guests.get_mut(query) {
                call.until = Duration::ZERO;
            }
        });
    }

    /// Deletes the bot's answer to a call.
    pub fn delete_guest_message(&self, query: &str) {
        self.shared.change(|state| {
            if let Some(answer) = state.guests.get_mut(query).and_then(|call| call.answer.as_mut()) {
                answer.is_deleted = true;
            }
        });
    }

    /// Sends a callback query with any data under the answer to a call, whether or not such a button exists. Returns the query's id.
    pub fn press_as_guest(&self, call: &str, from: &UserInfo, data: &str) -> Option<String> {
        self.shared.change(|state| {
            let GuestCall { chat, answer, .. } = state.guests.get(call)?;
            let (chat, message) = (*chat, answer.as_ref()?.id.clone());
            let id = format!("{}", 4_000_000_000_001_u64 + state.presses.len() as u64);
            let query = json!({
                "id": id,
                "from": from.to_json(),
                "inline_message_id": message,
                "chat_instance": chat.to_string(),
                "data": data,
            });
            let press = Press { chat, message: MessageId(0), by: from.id, at: self.shared.now(), answer: None };
            state.presses.insert(id.clone(), press);
            state.queue("callback_query", query);
            Some(id)
        })
    }
}

impl Shared {
    /// <https://core.telegram.org/bots/api#update>: `guest_message`
    fn announce_call(&self, state: &mut State, query: &str, recording: Option<&Content>) {
        let Some(call) = state.guests.get(query).filter(|_| self.settings.guest_mode) else { return };
        let chat = match call.chat.0 {
            id @ ..0 => json!({ "id": id, "type": "supergroup", "title": "Elsewhere" }),
            id => json!({ "id": id, "type": "private", "first_name": "Elsewhere" }),
        };
        let text = format!("@{}", self.settings.username);
        let mut message = json!({
            "message_id": 20,
            "date": self.date(),
            "chat": chat,
            "from": call.caller.to_json(),
            "guest_query_id": query,
            "entities": [{ "type": "mention", "offset": 0, "length": text.encode_utf16().count() }],
            "text": text,
        });
        if let Some(Content::Attachment(attachment)) = recording {
            let file = attachment.to_json(state.files.get(&attachment.file_id));
            message["reply_to_message"] = json!({ "message_id": 10, "date": self.date(), "chat": chat });
            message["reply_to_message"][attachment.media.field()] = file;
        }
        state.queue("guest_message", message);
    }
}

/// `answerGuestQuery`
pub(super) fn answer(shared: &Shared, state: &mut State, params: &Params) -> Result<Value, Refused> {
    let query = params.text("guest_query_id").unwrap_or_default().to_owned();
    let now = shared.now();
    let call = state.guests.get(&query).filter(|call| call.answer.is_none() && now < call.until);
    let chat = call.ok_or(Refusal::QUERY_TOO_OLD)?.chat;
    let result = params.json("result").ok_or(Refusal::NO_RESULT)?;
    let content = &result["input_message_content"];
    if result["type"] != "article" || result["id"].as_str().is_none_or(str::is_empty) || result["title"].is_null() {
        return Err(Refusal::Bad("the simulator knows articles with id and title only").into());
    }
    let text = content["message_text"].as_str().unwrap_or_default().trim();
    check_text(text, Refusal::TEXT_TOO_LONG)?;
    let markup = keyboard::of(&result["reply_markup"])?;
    let decoration = Decoration::read(content.get("entities"), text)?;
    state.flood.admit(chat, kind(chat), now)?;
    let id = format!("AgAAA{query}");
    let (text, edits) = (text.to_owned(), Vec::new());
    let message = GuestMessage { id: id.clone(), text, decoration, markup, edits, is_deleted: false };
    if let Some(call) = state.guests.get_mut(&query) {
        call.answer = Some(message);
    }
    Ok(json!({ "inline_message_id": id }))
}

/// `editMessageText` with an `inline_message_id`.
pub(super) fn edit(shared: &Shared, state: &mut State, params: &Params, id: &str) -> Result<Value, Refused> {
    let text = params.text("text").unwrap_or_default().trim();
    check_text(text, Refusal::EDIT_TOO_LONG)?;
    let markup = keyboard::read_inline(params)?;
    let decoration = Decoration::read(params.json("entities").as_ref(), text)?;
    let answer = |call: &GuestCall| call.answer.as_ref().is_some_and(|answer| answer.id == id && !answer.is_deleted);
    let call = state.guests.values_mut().find(|call| answer(call)).ok_or(Refusal::MESSAGE_ID_INVALID)?;
    // An edit that changes nothing still counts for the flood limits.
    state.flood.admit(call.chat, kind(call.chat), shared.now())?;
    let message = call.answer.as_mut().ok_or(Refusal::MESSAGE_ID_INVALID)?;
    if message.text == text && message.markup == markup && message.decoration == decoration {
        return Err(Refusal::NOT_MODIFIED.into());
    }
    message.edits.push(Edit { at: shared.now(), before: std::mem::replace(&mut message.text, text.to_owned()) });
    (message.markup, message.decoration) = (markup, decoration);
    Ok(json!(true))
}

fn check_text(text: &str, too_long: Refusal) -> Result<(), Refusal> {
    match text.encode_utf16().count() {
        0 => Err(Refusal::TEXT_EMPTY),
        units if units > MAX_TEXT => Err(too_long),
        _ => Ok(()),
    }
}

const fn kind(chat: ChatId) -> ChatKind {
    if chat.0 < 0 { ChatKind::Group } else { ChatKind::Private }
}
