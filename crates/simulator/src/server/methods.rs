//! The effect of each method on the state, and its refusals.

use std::time::Duration;

use serde_json::{Value, json};
use stenobot_domain::{ChatId, MessageId, UserId};

use super::chat::{Author, Chat, Content, Edit, MemberStatus, Message, Post};
use super::entities::Decoration;
use super::flood::TooFast;
use super::params::{Params, Upload};
use super::refusal::Refusal;
use super::state::{Link, Method, State};
use super::{Settings, Shared};
use super::{channel, guests, keyboard, reaction};

/// Maximum length of a text in UTF-16 units.
pub(super) const MAX_TEXT: usize = 4096;
/// Maximum length of a caption in UTF-16 units.
pub(super) const MAX_CAPTION: usize = 1024;
/// Maximum size of an upload in bytes.
const MAX_UPLOAD: usize = 50 * 1024 * 1024;
/// Minimum lifetime of a download link.
const MIN_LINK_LIFETIME: Duration = Duration::from_secs(3600);

/// A call without a result.
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    /// The call came within an earlier retry-after.
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

/// Executes a method. `getUpdates` and downloads are in `http`.
pub(super) fn execute(shared: &Shared, state: &mut State, method: Method, params: &Params) -> Result<Value, Refused> {
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
                units if units > MAX_TEXT => return Err(Refusal::TEXT_TOO_LONG.into()),
                _ => {}
            }
            send(shared, state, chat, params, Content::Text(text.to_owned()))
        }
        Method::SendDocument => {
            let chat = writable(state, params)?;
            let Some(upload) = params.upload("document") else {
                return Err(Refusal::Bad("there is no document in the request").into());
            };
            let content = document(upload, params.text("caption").unwrap_or_default())?;
            send(shared, state, chat, params, content)
        }
        Method::EditMessageText if let Some(inline) = params.text("inline_message_id") => {
            guests::edit(shared, state, params, inline)
        }
        Method::EditMessageText => {
            let text = params.text("text").unwrap_or_default().trim();
            match text.encode_utf16().count() {
                0 => return Err(Refusal::TEXT_EMPTY.into()),
                units if units > MAX_TEXT => return Err(Refusal::EDIT_TOO_LONG.into()),
                _ => {}
            }
            edit(shared, state, params, Some(Content::Text(text.to_owned())))
        }
        Method::EditMessageMedia => {
            let media = params.json("media").ok_or(Refusal::NO_MEDIA)?;
            let attached = media["media"].as_str().and_then(|media| media.strip_prefix("attach://"));
            if media["type"] != "document" {
                return Err(Refusal::Bad("the simulator knows documents only").into());
            }
            let upload = attached.and_then(|name| params.attached(name)).ok_or(Refusal::NO_MEDIA)?;
            let content = document(upload, media["caption"].as_str().unwrap_or_default())?;
            edit(shared, state, params, Some(content))
        }
        Method::EditMessageReplyMarkup => edit(shared, state, params, None),
        Method::EditMessageCaption => channel::edit_caption(shared, state, params),
        Method::SetMessageReaction => reaction::set(shared, state, params),
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
            let json = json!({
                "file_id": id,
                "file_unique_id": file.unique_id,
                "file_size": file.claimed_size,
                "file_path": file.path,
            });
            let link = Link { file: id.to_owned(), expires: now + MIN_LINK_LIFETIME };
            state.links.insert(file.path.clone(), link);
            Ok(json)
        }
        Method::SendChatAction => {
            writable(state, params)?;
            Ok(json!(true))
        }
        Method::SetMyCommands => {
            state.set_menu(params)?;
            Ok(json!(true))
        }
        Method::AnswerCallbackQuery => {
            state.answer_press(params)?;
            Ok(json!(true))
        }
        Method::AnswerGuestQuery => guests::answer(shared, state, params),
        Method::SetWebhook => {
            state.set_webhook(params)?;
            Ok(json!(true))
        }
        Method::DeleteWebhook => {
            state.delete_webhook(params);
            Ok(json!(true))
        }
        Method::GetWebhookInfo => Ok(state.webhook_info()),
        Method::GetChat => {
            let chat = existing_chat(state, params.chat())?;
            let mut json = chat.to_json();
            json["accent_color_id"] = json!(0);
            json["max_reaction_count"] = json!(11);
            Ok(json)
        }
        Method::GetBusinessConnection => {
            let id = params.text("business_connection_id").unwrap_or_default();
            let account = state.accounts.get(id).ok_or(Refusal::CONNECTION_NOT_FOUND)?;
            Ok(account.to_json(id))
        }
        Method::GetChatMember => {
            let chat = existing_chat(state, params.chat())?;
            let user = params.integer("user_id").ok_or(Refusal::Bad("invalid user_id specified"))?;
            member(state, chat, UserId(user), &shared.settings.username)
        }
        Method::GetUpdates | Method::Download => Err(Refusal::NotFound.into()),
    }
}

fn me(state: &State, settings: &Settings) -> Value {
    let mut json = state.bot_json(&settings.username);
    for (name, value) in [
        ("can_join_groups", true),
        ("can_read_all_group_messages", !settings.privacy_mode),
        ("supports_inline_queries", false),
        ("can_connect_to_business", settings.business_mode),
        ("supports_guest_queries", settings.guest_mode),
        ("has_main_web_app", false),
    ] {
        json[name] = json!(value);
    }
    json
}

/// The chat of the call, if the bot may send to it.
fn writable(state: &State, params: &Params) -> Result<ChatId, Refusal> {
    let id = params.chat().ok_or(Refusal::Bad("chat_id is empty"))?;
    let chat = existing_chat(state, Some(id))?;
    match chat.refusal(None) {
        Some(refusal) => Err(refusal),
        None => Ok(id),
    }
}

/// A chat that exists under its id.
pub(super) fn existing_chat(state: &State, id: Option<ChatId>) -> Result<&Chat, Refusal> {
    let chat = id.and_then(|id| state.chats.get(&id)).ok_or(Refusal::CHAT_NOT_FOUND)?;
    match chat.upgraded_to {
        Some(to) => Err(Refusal::Upgraded(to)),
        None => Ok(chat),
    }
}

fn send(shared: &Shared, state: &mut State, chat: ChatId, params: &Params, content: Content) -> Result<Value, Refused> {
    let chat_state = state.chats.get(&chat).ok_or(Refusal::CHAT_NOT_FOUND)?;
    let (reply_to, topic) = reply_and_topic(chat_state, params)?;
    if let Some(refusal) = chat_state.refusal(topic) {
        return Err(refusal.into());
    }
    let markup = keyboard::read(params)?;
    let decoration = content
        .text()
        .map(|text| Decoration::read(params.json("entities").as_ref(), text))
        .transpose()?
        .unwrap_or_default();
    let kind = chat_state.kind;
    state.flood.admit(chat, kind, shared.now())?;
    let chat_state = state.chats.get_mut(&chat).ok_or(Refusal::CHAT_NOT_FOUND)?;
    let id = chat_state.next_message();
    let post = Post { reply_to, topic, ..Post::new(Author::Bot, content) };
    let is_silent = params.json("disable_notification") == Some(json!(true));
    let direct_topic = params.integer("direct_messages_topic_id");
    let message =
        Message { markup, decoration, is_silent, direct_topic, ..Message::of(post, id, shared.now(), shared.date()) };
    chat_state.messages.insert(id, message);
    message_result(state, shared, chat, id)
}

/// An uploaded file as the content of a message.
fn document(upload: &Upload, caption: &str) -> Result<Content, Refusal> {
    let caption = caption.trim();
    if upload.bytes.is_empty() {
        return Err(Refusal::Bad("file must be non-empty"));
    }
    if upload.bytes.len() > MAX_UPLOAD {
        return Err(Refusal::TooLarge);
    }
    if caption.encode_utf16().count() > MAX_CAPTION {
        return Err(Refusal::Bad("message caption is too long"));
    }
    let (file_name, bytes) = (upload.file_name.clone(), upload.bytes.clone());
    Ok(Content::Document { file_name, bytes, caption: caption.to_owned() })
}

/// Replaces the keyboard, and the content if one is given. A text can become a file, but no file a text.
fn edit(shared: &Shared, state: &mut State, params: &Params, content: Option<Content>) -> Result<Value, Refused> {
    let chat = writable(state, params)?;
    let id = params.message("message_id").ok_or(Refusal::Bad("message identifier is not specified"))?;
    let markup = keyboard::read_inline(params)?;
    let chat_state = state.chats.get(&chat).ok_or(Refusal::CHAT_NOT_FOUND)?;
    let message = chat_state.existing_message(id).ok_or(Refusal::EDIT_NOT_FOUND)?;
    if let Some(refusal) = chat_state.refusal(message.topic) {
        return Err(refusal.into());
    }
    if message.author != Author::Bot {
        return Err(Refusal::CANNOT_EDIT.into());
    }
    if content.as_ref().and_then(Content::text).is_some() && message.content.text().is_none() {
        return Err(Refusal::NO_TEXT_TO_EDIT.into());
    }
    let decoration = match &content {
        Some(content) => content
            .text()
            .map(|text| Decoration::read(params.json("entities").as_ref(), text))
            .transpose()?
            .unwrap_or_default(),
        None => message.decoration.clone(),
    };
    let other = content.filter(|content| message.content != *content);
    let unchanged = other.is_none() && message.markup == markup && message.decoration == decoration;
    // An edit that changes nothing still counts for the flood limits.
    state.flood.admit(chat, chat_state.kind, shared.now())?;
    if unchanged {
        return Err(Refusal::NOT_MODIFIED.into());
    }
    let chat_state: &mut Chat = state.chats.get_mut(&chat).ok_or(Refusal::CHAT_NOT_FOUND)?;
    let message = chat_state.messages.get_mut(&id).ok_or(Refusal::EDIT_NOT_FOUND)?;
    if let Some(content) = other {
        let before = message.content.text().unwrap_or_default().to_owned();
        message.edits.push(Edit { at: shared.now(), before });
        message.content = content;
    }
    message.markup = markup;
    message.decoration = decoration;
    message_result(state, shared, chat, id)
}

/// `getChatMember`.
fn member(state: &State, chat: &Chat, user: UserId, bot_name: &str) -> Result<Value, Refused> {
    if user == state.bot {
        return Ok(chat.bot_json(state.bot_json(bot_name)));
    }
    let writes = |message: &Message| match &message.author {
        Author::User(author) if author.id == user => Some(author.to_json()),
        Author::User(_) | Author::Bot | Author::Anonymous | Author::Channel(_) | Author::LinkedChannel(_) => None,
    };
    match chat.members.get(&user) {
        Some(member) => Ok(Chat::member_json(member.user.to_json(), member.status, false)),
        None => {
            let user = chat.messages.values().find_map(writes).ok_or(Refusal::Bad("user not found"))?;
            Ok(Chat::member_json(user, MemberStatus::Member, false))
        }
    }
}

pub(super) fn message_result(state: &State, shared: &Shared, chat: ChatId, id: MessageId) -> Result<Value, Refused> {
    let chat_state = state.chats.get(&chat).ok_or(Refusal::CHAT_NOT_FOUND)?;
    let message = chat_state.messages.get(&id).ok_or(Refusal::EDIT_NOT_FOUND)?;
    Ok(state.to_json(chat_state, message, &shared.settings.username))
}

/// The message replied to (`reply_parameters`, or the older `reply_to_message_id`), and the topic: as given, else that of
/// the message replied to.
fn reply_and_topic(chat_state: &Chat, params: &Params) -> Result<(Option<MessageId>, Option<MessageId>), Refusal> {
    let topic = params.message("message_thread_id");
    if chat_state.is_direct && params.integer("direct_messages_topic_id").is_none() {
        return Err(Refusal::DIRECT_TOPIC_REQUIRED);
    }
    if topic.is_some_and(|topic| !chat_state.topics.contains_key(&topic)) {
        return Err(Refusal::TOPIC_NOT_FOUND);
    }
    let given = params.json("reply_parameters");
    let wanted = match &given {
        Some(reply) => reply["message_id"].as_i64().and_then(|id| i32::try_from(id).ok()).map(MessageId),
        None => params.message("reply_to_message_id"),
    };
    let lenient = given.is_some_and(|reply| reply["allow_sending_without_reply"] == json!(true))
        || params.json("allow_sending_without_reply") == Some(json!(true));
    let Some(wanted) = wanted else { return Ok((None, topic)) };
    match chat_state.existing_message(wanted).filter(|replied| topic.is_none() || replied.topic == topic) {
        Some(replied) => Ok((Some(wanted), replied.topic)),
        None if lenient => Ok((None, topic)),
        None => Err(Refusal::REPLY_NOT_FOUND),
    }
}
