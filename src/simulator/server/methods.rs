//! What each method does to the state, and when Telegram refuses it.

use std::time::Duration;

use serde_json::{Value, json};

use super::flood::TooFast;
use super::inbound::buttons;
use super::params::Params;
use super::refusal::Refusal;
use super::state::{Author, Chat, Content, Edit, Link, Message, Method, State};
use super::{Settings, Shared};
use crate::model::{ChatId, MessageId, UserId};

/// Telegram counts a text's length in UTF-16 units.
const TEXT_LIMIT: usize = 4096;
/// The longest caption, in the same units.
const CAPTION_LIMIT: usize = 1024;
/// A link to a file works for this long at least.
const LINK_LIFETIME: Duration = Duration::from_secs(3600);

/// Why a call has no result.
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    /// The client had been told to wait longer.
    pub(super) impatient: bool,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, impatient: false }
    }
}

impl From<TooFast> for Refused {
    fn from(TooFast { retry_after, impatient }: TooFast) -> Self {
        Self { refusal: Refusal::TooMany(retry_after), impatient }
    }
}

/// Carries out every method that needs no waiting; `getUpdates` and downloads are in `http`.
pub(super) fn carry_out(shared: &Shared, state: &mut State, method: Method, params: &Params) -> Result<Value, Refused> {
    let now = shared.now();
    match method {
        Method::GetMe => Ok(me(state, &shared.settings)),
        Method::SendMessage => {
            let text = params.text("text").unwrap_or_default().trim();
            if params.text("parse_mode").is_some() {
                return Err(Refusal::Bad("the simulator knows plain texts only: leave parse_mode out").into());
            }
            let chat = writable(state, params)?;
            match text.encode_utf16().count() {
                0 => return Err(Refusal::TEXT_EMPTY.into()),
                units if units > TEXT_LIMIT => return Err(Refusal::TEXT_TOO_LONG.into()),
                _ => {}
            }
            send(shared, state, chat, params, Content::Text(text.to_owned()))
        }
        Method::SendDocument => {
            let caption = params.text("caption").unwrap_or_default().trim().to_owned();
            let chat = writable(state, params)?;
            let Some(upload) = params.upload("document") else {
                return Err(Refusal::Bad("there is no document in the request").into());
            };
            if upload.bytes.is_empty() {
                return Err(Refusal::Bad("file must be non-empty").into());
            }
            if caption.encode_utf16().count() > CAPTION_LIMIT {
                return Err(Refusal::Bad("message caption is too long").into());
            }
            let content =
                Content::Document { file_name: upload.file_name.clone(), bytes: upload.bytes.clone(), caption };
            send(shared, state, chat, params, content)
        }
        Method::EditMessageText => edit(shared, state, params),
        Method::EditMessageReplyMarkup => edit_buttons(shared, state, params),
        Method::DeleteMessage => {
            let chat = writable(state, params)?;
            let id = params.message("message_id").ok_or(Refusal::Bad("message identifier is not specified"))?;
            match state.chats.get_mut(&chat).and_then(|chat| chat.messages.get_mut(&id)) {
                Some(message) if message.deleted.is_none() => message.deleted = Some(now),
                _ => return Err(Refusal::DELETE_NOT_FOUND.into()),
            }
            Ok(json!(true))
        }
        Method::GetFile => {
            let id = params.text("file_id").unwrap_or_default();
            let file = state.files.get(id).ok_or(Refusal::FILE_NOT_FOUND)?;
            if file.bytes.len() as u64 > shared.settings.file_limit {
                return Err(Refusal::FILE_TOO_BIG.into());
            }
            let shown = json!({
                "file_id": id,
                "file_unique_id": file.unique_id,
                "file_size": file.claimed_size,
                "file_path": file.path,
            });
            let link = Link { file: id.to_owned(), expires: now + LINK_LIFETIME };
            state.links.insert(file.path.clone(), link);
            Ok(shown)
        }
        Method::SendChatAction => {
            writable(state, params)?;
            Ok(json!(true))
        }
        Method::SetMyCommands => {
            state.commands = params.json("commands");
            Ok(json!(true))
        }
        Method::AnswerCallbackQuery => {
            let id = params.text("callback_query_id").unwrap_or_default();
            if state.open_queries.remove(id) { Ok(json!(true)) } else { Err(Refusal::QUERY_TOO_OLD.into()) }
        }
        Method::DeleteWebhook => {
            if params.json("drop_pending_updates") == Some(json!(true)) {
                state.pending.clear();
            }
            state.webhook = None;
            Ok(json!(true))
        }
        Method::GetWebhookInfo => Ok(json!({
            "url": state.webhook.as_deref().unwrap_or_default(),
            "has_custom_certificate": false,
            "pending_update_count": state.pending.len(),
        })),
        Method::GetChat => {
            let chat = params.chat().and_then(|id| state.chats.get(&id)).ok_or(Refusal::CHAT_NOT_FOUND)?;
            let mut shown = chat.show();
            shown["accent_color_id"] = json!(0);
            shown["max_reaction_count"] = json!(11);
            Ok(shown)
        }
        Method::GetChatMember => {
            let chat = params.chat().and_then(|id| state.chats.get(&id)).ok_or(Refusal::CHAT_NOT_FOUND)?;
            let user = params.integer("user_id");
            let member = chat.messages.values().find_map(|message| match &message.author {
                Author::Person(person) if Some(person.id.0) == user => Some(person.show()),
                Author::Person(_) | Author::Bot => None,
            });
            let member = member.ok_or(Refusal::Bad("user not found"))?;
            let administers = user.is_some_and(|user| state.administrators.contains(&(chat.id, UserId(user))));
            let status = if administers { "administrator" } else { "member" };
            Ok(json!({ "status": status, "user": member }))
        }
        Method::GetUpdates | Method::Download => Err(Refusal::NotFound.into()),
    }
}

fn me(state: &State, settings: &Settings) -> Value {
    let mut shown = state.show_bot(&settings.username);
    for (name, value) in [
        ("can_join_groups", true),
        ("can_read_all_group_messages", false),
        ("supports_inline_queries", false),
        ("can_connect_to_business", false),
        ("has_main_web_app", false),
    ] {
        shown[name] = json!(value);
    }
    shown
}

/// The chat that the call is about, when the bot may write there.
fn writable(state: &State, params: &Params) -> Result<ChatId, Refusal> {
    let id = params.chat().ok_or(Refusal::Bad("chat_id is empty"))?;
    let chat = state.chats.get(&id).ok_or(Refusal::CHAT_NOT_FOUND)?;
    if chat.blocked { Err(Refusal::BLOCKED) } else { Ok(id) }
}

fn send(shared: &Shared, state: &mut State, chat: ChatId, params: &Params, content: Content) -> Result<Value, Refused> {
    let reply_to = reply_target(state, chat, params)?;
    let markup = markup(params)?;
    let kind = state.chats.get(&chat).ok_or(Refusal::CHAT_NOT_FOUND)?.kind;
    state.flood.admit(chat, kind, shared.now())?;
    let place = state.chats.get_mut(&chat).ok_or(Refusal::CHAT_NOT_FOUND)?;
    let id = place.next_message();
    let message = Message {
        id,
        author: Author::Bot,
        content,
        reply_to,
        markup,
        sent: shared.now(),
        date: shared.date(),
        edits: Vec::new(),
        deleted: None,
    };
    place.messages.insert(id, message);
    shown(state, shared, chat, id)
}

fn edit(shared: &Shared, state: &mut State, params: &Params) -> Result<Value, Refused> {
    let chat = writable(state, params)?;
    let id = params.message("message_id").ok_or(Refusal::Bad("message identifier is not specified"))?;
    let text = params.text("text").unwrap_or_default().trim();
    let markup = markup(params)?;
    match text.encode_utf16().count() {
        0 => return Err(Refusal::TEXT_EMPTY.into()),
        units if units > TEXT_LIMIT => return Err(Refusal::EDIT_TOO_LONG.into()),
        _ => {}
    }
    let place = state.chats.get(&chat).ok_or(Refusal::CHAT_NOT_FOUND)?;
    let message = place.messages.get(&id).filter(|message| message.deleted.is_none());
    let message = message.ok_or(Refusal::EDIT_NOT_FOUND)?;
    let Some(before) = message.content.text().filter(|_| message.author == Author::Bot).map(str::to_owned) else {
        return Err(Refusal::CANNOT_EDIT.into());
    };
    let unchanged = before == text && message.markup == markup;
    // An edit that changes nothing still counts for the flood limits.
    state.flood.admit(chat, place.kind, shared.now())?;
    if unchanged {
        return Err(Refusal::NOT_MODIFIED.into());
    }
    let place: &mut Chat = state.chats.get_mut(&chat).ok_or(Refusal::CHAT_NOT_FOUND)?;
    let message = place.messages.get_mut(&id).ok_or(Refusal::EDIT_NOT_FOUND)?;
    message.edits.push(Edit { at: shared.now(), before });
    message.content = Content::Text(text.to_owned());
    message.markup = markup;
    shown(state, shared, chat, id)
}

fn edit_buttons(shared: &Shared, state: &mut State, params: &Params) -> Result<Value, Refused> {
    let chat = writable(state, params)?;
    let id = params.message("message_id").ok_or(Refusal::Bad("message identifier is not specified"))?;
    let markup = markup(params)?;
    let place = state.chats.get(&chat).ok_or(Refusal::CHAT_NOT_FOUND)?;
    let message = place.messages.get(&id).filter(|message| message.deleted.is_none());
    let message = message.ok_or(Refusal::EDIT_NOT_FOUND)?;
    if message.author != Author::Bot {
        return Err(Refusal::CANNOT_EDIT.into());
    }
    let unchanged = message.markup == markup;
    state.flood.admit(chat, place.kind, shared.now())?;
    if unchanged {
        return Err(Refusal::NOT_MODIFIED.into());
    }
    let place: &mut Chat = state.chats.get_mut(&chat).ok_or(Refusal::CHAT_NOT_FOUND)?;
    place.messages.get_mut(&id).ok_or(Refusal::EDIT_NOT_FOUND)?.markup = markup;
    shown(state, shared, chat, id)
}

fn shown(state: &State, shared: &Shared, chat: ChatId, id: MessageId) -> Result<Value, Refused> {
    let place = state.chats.get(&chat).ok_or(Refusal::CHAT_NOT_FOUND)?;
    let message = place.messages.get(&id).ok_or(Refusal::EDIT_NOT_FOUND)?;
    Ok(state.show(place, message, &shared.settings.username))
}

/// The message that is replied to: `reply_parameters`, or the older `reply_to_message_id`.
fn reply_target(state: &State, chat: ChatId, params: &Params) -> Result<Option<MessageId>, Refusal> {
    let given = params.json("reply_parameters");
    let wanted = match &given {
        Some(reply) => reply["message_id"].as_i64().and_then(|id| i32::try_from(id).ok()).map(MessageId),
        None => params.message("reply_to_message_id"),
    };
    let lenient = given.is_some_and(|reply| reply["allow_sending_without_reply"] == json!(true))
        || params.json("allow_sending_without_reply") == Some(json!(true));
    match wanted {
        None => Ok(None),
        Some(id) if state.message(chat, id).is_some_and(|message| message.deleted.is_none()) => Ok(Some(id)),
        Some(_) if lenient => Ok(None),
        Some(_) => Err(Refusal::REPLY_NOT_FOUND),
    }
}

/// The buttons; an empty keyboard is none.
fn markup(params: &Params) -> Result<Option<Value>, Refusal> {
    let Some(markup) = params.json("reply_markup") else { return Ok(None) };
    let has_bad_button = buttons(&markup).any(|button| {
        let data = button["callback_data"].as_str().map_or(0, str::len);
        button["url"].is_null() && !(1..=64).contains(&data)
    });
    if has_bad_button {
        return Err(Refusal::BUTTON_DATA);
    }
    let has_buttons = buttons(&markup).next().is_some();
    Ok(has_buttons.then_some(markup))
}
