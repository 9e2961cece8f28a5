//! Simulated users: what they send, press and see.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use stenobot_domain::{ChatId, MessageId, UserId};

use super::answers::{Answer, Document, Trail, trail};
use super::server::{
    Attachment, Author, BotApi, Button, CallbackAnswer, Channel, ChatKind, Content, Media, MenuEntry, Origin, Post,
    UserInfo, keyboard,
};
use super::voices::Voice;

/// A user in one chat: the private chat with the bot, or a group (see [`super::group::Group`]).
#[derive(Clone)]
pub struct User {
    api: BotApi,
    info: UserInfo,
    chat: ChatId,
    author: Author,
    topic: Option<MessageId>,
    reply_to: Option<MessageId>,
    reply_elsewhere: Option<(ChatId, MessageId)>,
    forwarded: Option<Origin>,
}

impl User {
    /// Creates a user with an open private chat, whose id is the user's.
    pub fn new(api: &BotApi, id: UserId, name: &str, language_code: &str) -> Self {
        let chat = ChatId(id.0);
        api.open_chat(chat, ChatKind::Private, name);
        let info = UserInfo { id, name: name.into(), language_code: Some(language_code.into()) };
        let author = Author::User(info.clone());
        Self {
            api: api.clone(),
            info,
            chat,
            author,
            topic: None,
            reply_to: None,
            reply_elsewhere: None,
            forwarded: None,
        }
    }

    /// The chat in which the user writes.
    pub fn chat(&self) -> ChatId {
        self.chat
    }

    /// The user as shown to the bot.
    pub fn info(&self) -> &UserInfo {
        &self.info
    }

    // === Where and as whom the user writes ===

    pub(super) fn in_chat(&self, chat: ChatId) -> Self {
        let author = Author::User(self.info.clone());
        Self { chat, author, topic: None, reply_to: None, reply_elsewhere: None, forwarded: None, ..self.clone() }
    }

    /// The user in a topic of the group.
    #[must_use]
    pub fn in_topic(&self, topic: MessageId) -> Self {
        Self { topic: Some(topic), ..self.clone() }
    }

    /// The user, replying to a message of this chat and topic.
    #[must_use]
    pub fn replying_to(&self, message: MessageId) -> Self {
        Self { reply_to: Some(message), ..self.clone() }
    }

    /// The user, replying to a message of another chat or topic.
    #[must_use]
    pub fn replying_across_chats(&self, sent: &SentMessage) -> Self {
        Self { reply_elsewhere: Some((sent.chat, sent.message)), ..self.clone() }
    }

    /// The user, forwarding messages of `origin`.
    #[must_use]
    pub fn forwarding(&self, origin: Origin) -> Self {
        Self { forwarded: Some(origin), ..self.clone() }
    }

    /// The user as an anonymous administrator, who writes in the name of the group.
    #[must_use]
    pub fn anonymously(&self) -> Self {
        Self { author: Author::Anonymous, ..self.clone() }
    }

    /// The user, writing in the name of a channel.
    #[must_use]
    pub fn as_channel(&self, channel: Channel) -> Self {
        Self { author: Author::Channel(channel), ..self.clone() }
    }

    // === Messages ===

    /// Sends a recording as a voice message.
    pub fn send_voice(&self, voice: &Voice) -> SentMessage {
        self.send_file(Attachment::voice(voice.duration), voice.bytes.clone())
    }

    /// Sends a recording as an audio file.
    pub fn send_audio(&self, duration: Duration, mime_type: &str, name: &str, bytes: impl Into<Bytes>) -> SentMessage {
        self.send_file(Attachment::file(Media::Audio, duration, mime_type, name), bytes)
    }

    /// Sends a video note (round video).
    pub fn send_video_note(&self, duration: Duration, bytes: impl Into<Bytes>) -> SentMessage {
        self.send_file(Attachment::video_note(duration), bytes)
    }

    /// Sends a video.
    pub fn send_video(&self, duration: Duration, mime_type: &str, name: &str, bytes: impl Into<Bytes>) -> SentMessage {
        self.send_file(Attachment::file(Media::Video, duration, mime_type, name), bytes)
    }

    /// Sends a document, for which Telegram states no duration.
    pub fn send_document(&self, mime_type: &str, name: &str, bytes: impl Into<Bytes>) -> SentMessage {
        self.send_file(Attachment::file(Media::Document, Duration::ZERO, mime_type, name), bytes)
    }

    /// Sends any bytes with any stated properties.
    pub fn send_file(&self, attachment: Attachment, bytes: impl Into<Bytes>) -> SentMessage {
        let content = self.api.upload(attachment, bytes.into(), None);
        self.send(content)
    }

    /// Sends several files as an album.
    pub fn send_album(&self, files: impl IntoIterator<Item = (Attachment, Bytes)>) -> Vec<SentMessage> {
        let album = uuid::Uuid::now_v7().as_u128() as u64;
        let send = |(file, bytes): (Attachment, Bytes)| self.send_file(file.in_album(&album.to_string()), bytes);
        files.into_iter().map(send).collect()
    }

    /// Forwards a message of this or another chat, with the same file; `None` when it does not exist.
    pub fn forward(&self, sent: &SentMessage) -> Option<SentMessage> {
        let (content, author) = self.api.read(|state| {
            state.message(sent.chat, sent.message).map(|message| (message.content.clone(), message.author.clone()))
        })?;
        let origin = match author {
            Author::User(info) => Origin::User(info),
            Author::Channel(channel) | Author::LinkedChannel(channel) => Origin::Channel(channel, sent.message),
            Author::Bot | Author::Anonymous => Origin::Hidden("Stenobot".into()),
        };
        Some(self.forwarding(origin).send(content))
    }

    /// Sends a text. Commands and mentions get entities, as from Telegram's apps.
    pub fn send_text(&self, text: &str) -> SentMessage {
        self.send(Content::Text(text.into()))
    }

    /// Sends a command, such as `help` or `language@some_bot de`.
    pub fn send_command(&self, command: &str) -> SentMessage {
        self.send_text(&format!("/{command}"))
    }

    /// Sends a photo.
    pub fn send_photo(&self) -> SentMessage {
        self.send_other(json!({ "photo": [
            { "file_id": "AgACphoto", "file_unique_id": "AQADphoto", "width": 90, "height": 60, "file_size": 1200 },
        ] }))
    }

    /// Sends a sticker.
    pub fn send_sticker(&self) -> SentMessage {
        self.send_other(json!({ "sticker": {
            "file_id": "CAACsticker",
            "file_unique_id": "AgADsticker",
            "type": "regular",
            "width": 512,
            "height": 512,
            "is_animated": false,
            "is_video": false,
            "file_size": 20_000,
        } }))
    }

    /// Sends a message with any `fields` of the Bot API.
    pub fn send_other(&self, fields: Value) -> SentMessage {
        self.send(Content::Other(fields))
    }

    fn send(&self, content: Content) -> SentMessage {
        let post = Post {
            author: self.author.clone(),
            content,
            reply_to: self.reply_to,
            reply_elsewhere: self.reply_elsewhere,
            direct_topic: None,
            topic: self.topic,
            forwarded: self.forwarded.clone(),
        };
        let message = self.api.receive(self.chat, post);
        SentMessage { api: self.api.clone(), chat: self.chat, message }
    }

    // === Buttons ===

    /// The inline keyboard of a message, by row.
    pub fn keyboard(&self, message: MessageId) -> Vec<Vec<Button>> {
        self.api.read(|state| {
            let markup = state.message(self.chat, message).and_then(|message| message.markup.as_ref());
            markup.map(keyboard::rows).unwrap_or_default()
        })
    }

    /// Presses the button with `label`; `None` when there is none.
    pub fn press_button(&self, message: MessageId, label: &str) -> Option<SentCallback> {
        let rows = self.keyboard(message);
        let button = rows.iter().flatten().find(|button| button.label == label)?;
        let query = self.api.press(self.chat, &self.info, message, &button.data)?;
        Some(SentCallback { api: self.api.clone(), query })
    }

    /// Sends a callback query with any data, whether or not such a button exists.
    pub fn send_callback(&self, message: MessageId, data: &str) -> SentCallback {
        let query = self.api.send_callback(self.chat, &self.info, message, data);
        SentCallback { api: self.api.clone(), query }
    }

    // === What the user sees ===

    /// Files that the bot sent to the chat and did not delete.
    pub fn documents(&self) -> Vec<Document> {
        self.api.read(|state| {
            let messages = state.chats.get(&self.chat).into_iter().flat_map(|chat| chat.messages.values());
            let documents = messages.filter_map(|message| match &message.content {
                Content::Document { file_name, bytes, .. } if message.deleted.is_none() => {
                    Some(Document { name: file_name.clone(), bytes: bytes.clone(), message: message.id })
                }
                Content::Document { .. } | Content::Text(_) | Content::Attachment(_) | Content::Other(_) => None,
            });
            documents.collect()
        })
    }

    /// Non-empty answers to this user's button presses, oldest first.
    pub fn callback_answers(&self) -> Vec<CallbackAnswer> {
        self.api.read(|state| {
            let own = state.presses.values().filter(|press| press.by == self.info.id);
            own.filter_map(|press| press.answer.clone()).filter(|toast| !toast.text.is_empty()).collect()
        })
    }

    /// The command menu of the private chat.
    pub fn menu(&self) -> Vec<MenuEntry> {
        let language = self.info.language_code.as_deref().unwrap_or_default();
        self.api.read(|state| state.menu(ChatId(self.info.id.0), language).to_vec())
    }

    // === Blocking ===

    /// Blocks the bot.
    pub fn block_bot(&self) {
        self.api.set_blocked(ChatId(self.info.id.0), true);
    }

    /// Unblocks the bot.
    pub fn unblock_bot(&self) {
        self.api.set_blocked(ChatId(self.info.id.0), false);
    }
}

/// A callback query that was sent.
#[derive(Clone)]
pub struct SentCallback {
    api: BotApi,
    query: String,
}

impl SentCallback {
    /// Id of the query.
    pub fn id(&self) -> &str {
        &self.query
    }

    /// The bot's answer, if there is one yet.
    pub fn answer(&self) -> Option<CallbackAnswer> {
        self.api.read(|state| state.presses.get(&self.query)?.answer.clone())
    }

    /// Waits for the bot's answer, without a timeout.
    pub async fn wait_for_answer(&self) -> CallbackAnswer {
        self.api.wait_for(|state| state.presses.get(&self.query)?.answer.clone()).await
    }
}

/// A message that a user sent.
#[derive(Clone)]
pub struct SentMessage {
    api: BotApi,
    chat: ChatId,
    message: MessageId,
}

/// What was waited for did not happen in time.
#[derive(Debug, thiserror::Error)]
#[error("{what} did not happen within {} s; this did:\n{history}", .limit.as_secs_f64())]
pub struct WaitTimeout {
    what: String,
    limit: Duration,
    history: String,
}

impl SentMessage {
    /// Id of the message in its chat.
    pub fn id(&self) -> MessageId {
        self.message
    }

    /// Chat of the message.
    pub fn chat(&self) -> ChatId {
        self.chat
    }

    /// What the bot has written about it so far.
    pub fn trail(&self) -> Trail {
        self.api.read(|state| trail(state, self.chat, self.message))
    }

    /// All versions of the bot's first reply, oldest first.
    pub fn texts(&self) -> Vec<String> {
        self.api.read(|state| {
            let status = state.replies(self.chat, self.message).next();
            status
                .map(|status| status.texts().into_iter().map(|(_, text)| text.to_owned()).collect())
                .unwrap_or_default()
        })
    }

    /// Id of the bot's first reply.
    pub fn status(&self) -> Option<MessageId> {
        self.api.read(|state| state.replies(self.chat, self.message).next().map(|status| status.id))
    }

    /// Waits until `find` returns a value; `what` names it in the error.
    ///
    /// # Errors
    /// After `limit`, with the history of the chat.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        limit: Duration,
        mut find: impl FnMut(&Trail) -> Option<T>,
    ) -> Result<T, WaitTimeout> {
        let found = self.api.wait_for(|state| find(&trail(state, self.chat, self.message)));
        tokio::time::timeout(limit, found).await.map_err(|_| WaitTimeout {
            what: what.to_owned(),
            limit,
            history: self.history(),
        })
    }

    /// Waits for the final answer.
    ///
    /// # Errors
    /// After `limit`, with the history of the chat.
    pub async fn final_answer(&self, limit: Duration) -> Result<Answer, WaitTimeout> {
        self.wait_for("a final answer", limit, |trail| trail.answer().cloned()).await
    }

    /// The chat as text, with times from the server's start, for the messages of failing tests.
    pub fn history(&self) -> String {
        self.api.read(|state| {
            let mut lines = String::new();
            for message in state.chats.get(&self.chat).into_iter().flat_map(|chat| chat.messages.values()) {
                let who = match &message.author {
                    Author::Bot => "bot",
                    Author::User(user) => user.name.as_str(),
                    Author::Anonymous => "an administrator",
                    Author::Channel(_) | Author::LinkedChannel(_) => "a channel",
                };
                let shown = message.texts_or_caption();
                if shown.is_empty() {
                    let _ = writeln!(lines, "{:>8.2} s  #{} {who}: (a file)", message.sent.as_secs_f64(), message.id);
                }
                for (at, text) in shown {
                    let _ = writeln!(lines, "{:>8.2} s  #{} {who}: {text:?}", at.as_secs_f64(), message.id);
                }
                if let Some(at) = message.deleted {
                    let _ = writeln!(lines, "{:>8.2} s  #{} deleted", at.as_secs_f64(), message.id);
                }
            }
            lines
        })
    }
}
