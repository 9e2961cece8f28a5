//! Calls that send: messages, edits, files, answers to buttons, the menu.

use reqwest::multipart::{Form, Part};
use serde::{Deserialize, Serialize};
use stenobot_domain::{ChatId, MessageId, ThreadId, UserId};
use teloxide::payloads;
use teloxide::requests::Payload;
use teloxide::types::{BotCommand, BotCommandScope, CallbackQueryId, LinkPreviewOptions, ReplyParameters};

use super::call::Method;
use super::client::{CALL, Client, Notification};
use super::entities::{Entity, entities};
use super::error::TelegramError;
use super::outgoing::{BotMessage, Keyboard, OutgoingMessage};

/// The used field of a sent or edited message.
#[derive(Deserialize)]
pub(super) struct SentMessage {
    message_id: i32,
}

/// A call's parameters with a keyboard, which teloxide's types would need as a copy of their own, and with entities, of which
/// teloxide (Bot API 9.1) does not know all. Never `parse_mode`: a transcript may hold any character.
#[derive(Serialize)]
struct Decorated<'a, P> {
    #[serde(flatten)]
    payload: &'a P,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entities: Vec<Entity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_markup: Option<&'a Keyboard>,
}

/// A message's parameters with the topic of a channel's direct messages, which teloxide's types (Bot API 9.1) do not have. There it
/// is required: <https://core.telegram.org/bots/api#sendmessage>.
#[derive(Serialize)]
struct InDirectMessages<'a, P> {
    #[serde(flatten)]
    payload: &'a P,
    #[serde(skip_serializing_if = "Option::is_none")]
    direct_messages_topic_id: Option<i64>,
}

impl<P: Payload> Payload for InDirectMessages<'_, P> {
    type Output = P::Output;
    const NAME: &'static str = P::NAME;
}

impl<P: Payload> Payload for Decorated<'_, P> {
    type Output = P::Output;
    const NAME: &'static str = P::NAME;
}

/// A file to send as a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its name, without path separators and control characters.
    pub name: String,
    /// Its media type.
    pub media_type: &'static str,
    /// Text under it, at most 1024 UTF-16 units.
    pub caption: Option<String>,
    /// Content.
    pub bytes: Vec<u8>,
}

/// Extent of a menu of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MenuScope {
    /// Private chats.
    Private,
    /// Groups.
    Groups,
    /// One chat.
    Chat(ChatId),
}

impl Client {
    /// Sends a message, as a reply to `reply_to` if that still exists. Link previews are off.
    ///
    /// # Errors
    /// Any [`TelegramError`]. After `Timeout`, `Network` or `Server` the message may have been sent.
    pub async fn send(
        &self,
        chat: ChatId,
        thread: Option<ThreadId>,
        reply_to: Option<MessageId>,
        content: &OutgoingMessage,
    ) -> Result<MessageId, TelegramError> {
        let mut message = payloads::SendMessage::new(teloxide::types::ChatId(chat.0), content.text.as_str());
        message.message_thread_id = thread.and_then(ThreadId::topic).map(topic);
        message.link_preview_options = Some(no_preview());
        message.reply_parameters = reply_to.map(answering);
        message.disable_notification = self.is_quiet().then_some(true);
        let direct = thread.and_then(ThreadId::direct);
        let decorated =
            Decorated { payload: &message, entities: entities(content), reply_markup: content.keyboard.shown() };
        let call = InDirectMessages { payload: &decorated, direct_messages_topic_id: direct };
        let sent = self.write::<_, SentMessage>(chat, Method::SendMessage, &call).await;
        self.write_permissions().record_sent(chat, thread, &sent);
        Ok(MessageId(sent?.message_id))
    }

    /// Replaces text and buttons of a message of the bot. An edit that changes nothing succeeds, so that it can be
    /// repeated after any failure.
    ///
    /// # Errors
    /// Any [`TelegramError`].
    pub async fn edit(&self, chat: ChatId, message: MessageId, content: &OutgoingMessage) -> Result<(), TelegramError> {
        self.edit_message(&BotMessage::InChat { chat, message }, content).await
    }

    /// As [`Client::edit`], wherever the message is.
    ///
    /// # Errors
    /// Any [`TelegramError`].
    pub async fn edit_message(&self, message: &BotMessage, content: &OutgoingMessage) -> Result<(), TelegramError> {
        self.edit_if(message, content, std::future::ready(true)).await
    }

    /// As [`Client::edit_message`]; does nothing if `allowed`, which is waited for when the call has its slot, is false.
    pub(crate) async fn edit_if(
        &self,
        message: &BotMessage,
        content: &OutgoingMessage,
        allowed: impl Future<Output = bool>,
    ) -> Result<(), TelegramError> {
        let (chat, message) = match message {
            BotMessage::InChat { chat, message } => (*chat, *message),
            BotMessage::AsGuest { caller, message } => {
                return self.edit_as_guest(*caller, message, content, allowed).await;
            }
        };
        let mut edit = payloads::EditMessageText::new(
            teloxide::types::ChatId(chat.0),
            teloxide::types::MessageId(message.0),
            content.text.as_str(),
        );
        edit.link_preview_options = Some(no_preview());
        let call = Decorated { payload: &edit, entities: entities(content), reply_markup: content.keyboard.shown() };
        match self.write_if(chat, Method::EditMessageText, &call, allowed).await.transpose() {
            Some(edited) => self.record_edit(chat, edited),
            None => Ok(()),
        }
    }

    /// Puts a file in place of a message of the bot, without buttons. An edit that changes nothing succeeds.
    ///
    /// # Errors
    /// Any [`TelegramError`]; `Refused` by a server that puts no file in place of a text (before Bot API 7.11).
    pub async fn edit_to_document(
        &self,
        chat: ChatId,
        message: MessageId,
        document: &Document,
    ) -> Result<(), TelegramError> {
        let mut media = serde_json::json!({ "type": "document", "media": format!("attach://{DOCUMENT}") });
        if let Some(caption) = &document.caption {
            media["caption"] = caption.as_str().into();
        }
        let form = form(chat, document)?.text("message_id", message.0.to_string()).text("media", media.to_string());
        let name = payloads::EditMessageMedia::NAME;
        self.record_edit(chat, self.upload(chat, Method::EditMessageMedia, name, form).await)
    }

    /// Deletes a message of the bot. Of one that is deleted already, [`TelegramError::MessageGone`].
    ///
    /// # Errors
    /// Any [`TelegramError`].
    pub async fn delete(&self, chat: ChatId, message: MessageId) -> Result<(), TelegramError> {
        let delete =
            payloads::DeleteMessage::new(teloxide::types::ChatId(chat.0), teloxide::types::MessageId(message.0));
        self.write::<_, bool>(chat, Method::DeleteMessage, &delete).await.map(drop)
    }

    /// Replaces the buttons under a message of the bot. An edit that changes nothing succeeds.
    ///
    /// # Errors
    /// Any [`TelegramError`].
    pub async fn edit_keyboard(
        &self,
        chat: ChatId,
        message: MessageId,
        keyboard: &Keyboard,
    ) -> Result<(), TelegramError> {
        let edit = payloads::EditMessageReplyMarkup::new(
            teloxide::types::ChatId(chat.0),
            teloxide::types::MessageId(message.0),
        );
        let call = Decorated { payload: &edit, entities: Vec::new(), reply_markup: keyboard.shown() };
        self.record_edit(chat, self.write(chat, Method::EditMessageReplyMarkup, &call).await)
    }

    fn record_edit(&self, chat: ChatId, edited: Result<SentMessage, TelegramError>) -> Result<(), TelegramError> {
        match edited {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_modified() => Ok(()),
            Err(error) => {
                self.write_permissions().record_error(chat, &error);
                Err(error)
            }
        }
    }

    /// Sends a file from memory, as a reply to `reply_to` if that still exists.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_document(
        &self,
        chat: ChatId,
        thread: Option<ThreadId>,
        reply_to: Option<MessageId>,
        document: &Document,
    ) -> Result<MessageId, TelegramError> {
        let mut form = form(chat, document)?;
        if let Some(caption) = &document.caption {
            form = form.text("caption", caption.clone());
        }
        form = match thread {
            Some(ThreadId::Topic(topic)) => form.text("message_thread_id", topic.to_string()),
            Some(ThreadId::Direct(topic)) => form.text("direct_messages_topic_id", topic.to_string()),
            None => form,
        };
        if let Some(MessageId(message)) = reply_to {
            let reply = serde_json::json!({ "message_id": message, "allow_sending_without_reply": true });
            form = form.text("reply_parameters", reply.to_string());
        }
        if self.is_quiet() {
            form = form.text("disable_notification", "true");
        }
        let sent = self.upload::<SentMessage>(chat, Method::SendDocument, payloads::SendDocument::NAME, form).await;
        self.write_permissions().record_sent(chat, thread, &sent);
        Ok(MessageId(sent?.message_id))
    }

    fn is_quiet(&self) -> bool {
        self.notification() == Notification::Off
    }

    /// Acknowledges a pressed button, with a short text above the chat (at most 200 characters). A press that has expired at
    /// Telegram is no error.
    ///
    /// # Errors
    /// Any [`TelegramError`].
    pub async fn answer_callback(&self, callback: &str, words: Option<&str>) -> Result<(), TelegramError> {
        let mut answer = payloads::AnswerCallbackQuery::new(CallbackQueryId(callback.to_owned()));
        answer.text = words.map(str::to_owned);
        match self.call::<_, bool>(Method::AnswerCallbackQuery, &answer, CALL).await {
            Ok(_) => Ok(()),
            Err(TelegramError::Refused(why)) if why.to_lowercase().contains("query is too old") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Sets the menu of commands for one language (two letters; empty for all others): words and descriptions.
    ///
    /// # Errors
    /// Any [`TelegramError`].
    pub async fn set_commands(
        &self,
        scope: MenuScope,
        language: &str,
        commands: &[(&str, String)],
    ) -> Result<(), TelegramError> {
        let commands = commands.iter().map(|(word, meaning)| BotCommand::new(*word, meaning));
        let mut menu = payloads::SetMyCommands::new(commands);
        menu.scope = Some(match scope {
            MenuScope::Private => BotCommandScope::AllPrivateChats,
            MenuScope::Groups => BotCommandScope::AllGroupChats,
            MenuScope::Chat(chat) => {
                BotCommandScope::Chat { chat_id: teloxide::types::Recipient::Id(teloxide::types::ChatId(chat.0)) }
            }
        });
        menu.language_code = Some(language.to_owned()).filter(|language| !language.is_empty());
        self.call::<_, bool>(Method::SetMyCommands, &menu, CALL).await.map(drop)
    }

    /// Whether a user is an administrator of a group, as Telegram said within the last minute.
    ///
    /// # Errors
    /// Any [`TelegramError`].
    pub async fn is_administrator(&self, chat: ChatId, user: UserId) -> Result<bool, TelegramError> {
        #[derive(Deserialize)]
        struct Member {
            status: String,
        }
        if let Some(known) = self.administrators().get(chat, user) {
            return Ok(known);
        }
        let id = teloxide::types::UserId(u64::try_from(user.0).unwrap_or(0));
        let question = payloads::GetChatMember::new(teloxide::types::ChatId(chat.0), id);
        let member: Member = self.call(Method::GetChatMember, &question, CALL).await?;
        let is_administrator = matches!(member.status.as_str(), "creator" | "administrator");
        self.administrators().set(chat, user, is_administrator);
        Ok(is_administrator)
    }
}

/// Part of a form that holds the file.
const DOCUMENT: &str = "document";

/// A form with chat and file.
fn form(chat: ChatId, document: &Document) -> Result<Form, TelegramError> {
    // From memory, so that the length of the body is known and it is not sent in chunks.
    let file = Part::bytes(document.bytes.clone()).file_name(document.name.clone()).mime_str(document.media_type);
    let file = file.map_err(|error| TelegramError::from_transport(&error))?;
    // The Bot API reads names as UTF-8 and does not know `filename*`.
    Ok(Form::new().percent_encode_noop().text("chat_id", chat.0.to_string()).part(DOCUMENT, file))
}

fn topic(topic: i32) -> teloxide::types::ThreadId {
    teloxide::types::ThreadId(teloxide::types::MessageId(topic))
}

fn answering(message: MessageId) -> ReplyParameters {
    ReplyParameters::new(teloxide::types::MessageId(message.0)).allow_sending_without_reply()
}

pub(super) fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}
