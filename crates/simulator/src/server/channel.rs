//! Channels: the bot's right to edit posts, and `editMessageCaption`.

use serde_json::Value;
use stenobot_domain::ChatId;

use super::chat::{Author, ChatKind, Content, Edit, MemberStatus};
use super::methods::{MAX_CAPTION, Refused, existing_chat, message_result};
use super::params::Params;
use super::refusal::Refusal;
use super::state::State;
use super::{BotApi, Shared};

impl BotApi {
    /// Gives the bot the right to edit posts of a channel, or takes it, with a `my_chat_member` update.
    pub(crate) fn set_may_edit_posts(&self, channel: ChatId, may: bool) {
        self.shared.change(|state| self.shared.change_bot(state, channel, |chat| chat.may_edit_posts = may));
    }
}

/// Replaces the caption of a file. In a channel, of others' posts as well, with the right to edit; forwarded posts stay as they
/// are.
pub(super) fn edit_caption(shared: &Shared, state: &mut State, params: &Params) -> Result<Value, Refused> {
    let chat = existing_chat(state, params.chat())?;
    let (id, kind) = (chat.id, chat.kind);
    if kind == ChatKind::Channel && chat.bot != MemberStatus::Administrator {
        return Err(Refusal::NEEDS_ADMIN.into());
    }
    if let Some(refusal) = chat.refusal(None) {
        return Err(refusal.into());
    }
    let message = params.message("message_id").ok_or(Refusal::Bad("message identifier is not specified"))?;
    let post = chat.existing_message(message).ok_or(Refusal::EDIT_NOT_FOUND)?;
    let is_own = post.author == Author::Bot;
    let may_edit = kind == ChatKind::Channel && chat.may_edit_posts && post.forwarded.is_none();
    let Content::Attachment(attachment) = &post.content else {
        return Err(Refusal::Bad("there is no caption in the message to edit").into());
    };
    if !is_own && !may_edit {
        return Err(Refusal::CANNOT_EDIT.into());
    }
    let caption = params.text("caption").unwrap_or_default().trim().to_owned();
    if caption.encode_utf16().count() > MAX_CAPTION {
        return Err(Refusal::CAPTION_TOO_LONG.into());
    }
    let before = attachment.caption.clone();
    state.flood.admit(id, kind, shared.now())?;
    if before == caption {
        return Err(Refusal::NOT_MODIFIED.into());
    }
    if let Some(post) = state.chats.get_mut(&id).and_then(|chat| chat.messages.get_mut(&message)) {
        post.edits.push(Edit { at: shared.now(), before });
        if let Content::Attachment(attachment) = &mut post.content {
            attachment.caption = caption;
        }
    }
    message_result(state, shared, id, message)
}
