//! What the bot does in channels, where it is an administrator.

use serde::Deserialize;
use stenobot_domain::{ChatId, MessageId};
use teloxide::payloads;

use super::call::Method;
use super::client::{CALL, Client};
use super::error::TelegramError;
use super::messages::SentMessage;

/// Longest caption, in UTF-16 units.
pub const CAPTION_UNITS: usize = 1024;

/// The used fields of the bot's own `ChatMember`.
#[derive(Deserialize)]
pub(super) struct OwnRights {
    pub(super) status: String,
    #[serde(default)]
    pub(super) can_edit_messages: bool,
}

impl OwnRights {
    /// Whether the bot may edit posts of others.
    pub(super) fn may_edit_posts(&self) -> bool {
        self.status == "creator" || self.status == "administrator" && self.can_edit_messages
    }
}

impl Client {
    /// Replaces the caption of a post. An edit that changes nothing succeeds. Buttons of the post are removed.
    ///
    /// # Errors
    /// Any [`TelegramError`]; `MessageGone` also where the bot may not edit the post.
    pub async fn edit_caption(&self, chat: ChatId, post: MessageId, caption: &str) -> Result<(), TelegramError> {
        let mut edit =
            payloads::EditMessageCaption::new(teloxide::types::ChatId(chat.0), teloxide::types::MessageId(post.0));
        edit.caption = Some(caption.to_owned());
        match self.write::<_, SentMessage>(chat, Method::EditMessageCaption, &edit).await {
            Err(error) if error.is_not_modified() => Ok(()),
            edited => edited.map(drop),
        }
    }

    /// Whether the bot may edit posts of a channel.
    ///
    /// # Errors
    /// Any [`TelegramError`].
    pub async fn may_edit_posts(&self, channel: ChatId) -> Result<bool, TelegramError> {
        let Some(me) = self.known() else { return Ok(false) };
        let id = teloxide::types::UserId(u64::try_from(me.id.0).unwrap_or(0));
        let question = payloads::GetChatMember::new(teloxide::types::ChatId(channel.0), id);
        let own: OwnRights = self.call(Method::GetChatMember, &question, CALL).await?;
        Ok(own.may_edit_posts())
    }
}
