//! Calls about messages that the bot posts in chats which it is not in.
//!
//! The documentation (<https://core.telegram.org/bots/api#answerguestquery>) says neither for how long a query can be answered nor how
//! often such a message can be edited. So a query is answered as soon as its request is claimed, and edits are paced as those of a
//! private chat.

use serde::{Deserialize, Serialize};
use stenobot_domain::{ChatId, GuestQueryId, InlineMessageId};
use teloxide::requests::Payload;
use teloxide::types::LinkPreviewOptions;

use super::call::Method;
use super::client::Client;
use super::entities::{Entity, entities};
use super::error::TelegramError;
use super::messages::no_preview;
use super::outgoing::{Keyboard, OutgoingMessage};

/// Parameters of `answerGuestQuery`, which teloxide (Bot API 9.1) does not have.
#[derive(Serialize)]
struct AnswerGuestQuery<'a> {
    guest_query_id: &'a str,
    result: Article<'a>,
}

impl Payload for AnswerGuestQuery<'_> {
    type Output = SentGuestMessage;
    const NAME: &'static str = "AnswerGuestQuery";
}

/// <https://core.telegram.org/bots/api#inlinequeryresultarticle>
#[derive(Serialize)]
struct Article<'a> {
    r#type: &'static str,
    id: &'static str,
    /// Required, and shown nowhere: the result is posted at once.
    title: &'static str,
    input_message_content: TextContent<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_markup: Option<&'a Keyboard>,
}

#[derive(Serialize)]
struct TextContent<'a> {
    message_text: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entities: Vec<Entity>,
    link_preview_options: LinkPreviewOptions,
}

/// Parameters of `editMessageText` with a message's id of this kind, of which teloxide's type has no link preview.
#[derive(Serialize)]
struct EditGuestMessage<'a> {
    inline_message_id: &'a str,
    text: &'a str,
    link_preview_options: LinkPreviewOptions,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entities: Vec<Entity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_markup: Option<&'a Keyboard>,
}

impl Payload for EditGuestMessage<'_> {
    type Output = bool;
    const NAME: &'static str = "EditMessageText";
}

/// The used field of the answer.
#[derive(Deserialize)]
struct SentGuestMessage {
    inline_message_id: String,
}

impl Client {
    /// Answers a call by a message, and gives that message. A query can be answered once. `caller` is the private chat with the user
    /// who called, with whose messages this takes turns.
    ///
    /// # Errors
    /// Any [`TelegramError`]: `Refused` if it was answered before, or is too old. After `Timeout`, `Network` or `Server` the message
    /// may have been posted.
    pub async fn answer_guest(
        &self,
        caller: ChatId,
        query: &GuestQueryId,
        content: &OutgoingMessage,
    ) -> Result<InlineMessageId, TelegramError> {
        let answer = AnswerGuestQuery {
            guest_query_id: &query.0,
            result: Article {
                r#type: "article",
                id: "1",
                title: "Stenobot",
                input_message_content: TextContent {
                    message_text: &content.text,
                    entities: entities(content),
                    link_preview_options: no_preview(),
                },
                reply_markup: content.keyboard.shown(),
            },
        };
        let sent: SentGuestMessage = self.write(caller, Method::AnswerGuestQuery, &answer).await?;
        Ok(InlineMessageId(sent.inline_message_id))
    }

    /// Replaces text and buttons of such a message. What is refused says nothing about the private chat.
    pub(super) async fn edit_as_guest(
        &self,
        caller: ChatId,
        message: &InlineMessageId,
        content: &OutgoingMessage,
        allowed: impl Future<Output = bool>,
    ) -> Result<(), TelegramError> {
        let edit = EditGuestMessage {
            inline_message_id: &message.0,
            text: &content.text,
            link_preview_options: no_preview(),
            entities: entities(content),
            reply_markup: content.keyboard.shown(),
        };
        match self.write_if::<_, bool>(caller, Method::EditMessageText, &edit, allowed).await {
            Err(error) if !error.is_not_modified() => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}
