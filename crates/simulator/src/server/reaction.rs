//! `setMessageReaction`.

use serde_json::{Value, json};

use super::Shared;
use super::chat::ChatKind;
use super::methods::{Refused, existing_chat};
use super::params::Params;
use super::refusal::Refusal;
use super::state::State;

/// What Telegram lets users and bots react with, as far as this bot uses it, and a few more.
const EMOJI: [&str; 12] = ["👍", "👎", "❤", "🔥", "🎉", "😢", "🙏", "👌", "👀", "🙈", "🤷", "🙊"];

/// Sets the bot's reaction on a message, or removes it. Reading a chat is enough for that; a restricted member may not.
pub(super) fn set(shared: &Shared, state: &mut State, params: &Params) -> Result<Value, Refused> {
    let chat = existing_chat(state, params.chat())?;
    if let Some(refusal) = chat.reaction_refusal() {
        return Err(refusal.into());
    }
    let id = params.message("message_id").ok_or(Refusal::Bad("message identifier is not specified"))?;
    let message = chat.existing_message(id).ok_or(Refusal::REACT_NOT_FOUND)?;
    let list = params.json("reaction").and_then(|list| list.as_array().cloned()).unwrap_or_default();
    if list.len() > 1 {
        return Err(Refusal::Bad("REACTIONS_TOO_MANY").into());
    }
    let emoji = list.first().map_or("", |reaction| reaction["emoji"].as_str().unwrap_or("?")).to_owned();
    let is_allowed = chat.allowed_reactions.as_ref().is_none_or(|allowed| allowed.contains(&emoji));
    if !emoji.is_empty() && (!EMOJI.contains(&emoji.as_str()) || !is_allowed && chat.kind != ChatKind::Private) {
        return Err(Refusal::REACTION_INVALID.into());
    }
    let (chat, is_unchanged) = (chat.id, message.reaction() == emoji);
    if !is_unchanged && let Some(message) = state.chats.get_mut(&chat).and_then(|chat| chat.messages.get_mut(&id)) {
        message.reactions.push((shared.now(), emoji));
    }
    Ok(json!(true))
}
