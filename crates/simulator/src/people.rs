//! People who use the bot, and what they wait for.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use stenobot_domain::{ChatId, MessageId, UserId};

use super::answers::{Answer, Document, Trail, trail};
use super::server::{
    Attachment, Author, BotApi, Button, Caller, Channel, ChatKind, Content, Media, MenuEntry, Origin, Post, Toast,
    keyboard,
};
use super::voices::Voice;

/// A person where they speak: in their private chat with the bot, or in a group (see [`super::group::Group`]).
#[derive(Clone)]
pub struct Person {
    api: BotApi,
    caller: Caller,
    chat: ChatId,
    author: Author,
    topic: Option<MessageId>,
    reply_to: Option<MessageId>,
    reply_elsewhere: Option<(ChatId, MessageId)>,
    forwarded: Option<Origin>,
}

impl Person {
    /// Somebody new, whose chat with the bot is open. In a private chat the chat's id is the person's.
    pub fn new(api: &BotApi, id: UserId, name: &str, language_code: &str) -> Self {
        let chat = ChatId(id.0);
        api.open_chat(chat, ChatKind::Private, name);
        let caller = Caller { id, name: name.into(), language_code: Some(language_code.into()) };
        let author = Author::Person(caller.clone());
        Self {
            api: api.clone(),
            caller,
            chat,
            author,
            topic: None,
            reply_to: None,
            reply_elsewhere: None,
            forwarded: None,
        }
    }

    /// Where they speak.
    pub fn chat(&self) -> ChatId {
        self.chat
    }

    /// How Telegram introduces them.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    // === How they speak ===

    pub(super) fn speaking_in(&self, chat: ChatId) -> Self {
        let author = Author::Person(self.caller.clone());
        Self { chat, author, topic: None, reply_to: None, reply_elsewhere: None, forwarded: None, ..self.clone() }
    }

    /// The same person in a topic of the group.
    #[must_use]
    pub fn in_topic(&self, topic: MessageId) -> Self {
        Self { topic: Some(topic), ..self.clone() }
    }

    /// The same person, answering a message.
    #[must_use]
    pub fn replying_to(&self, message: MessageId) -> Self {
        Self { reply_to: Some(message), ..self.clone() }
    }

    /// The same person, answering a message of another chat, or of another topic of this one.
    #[must_use]
    pub fn replying_elsewhere(&self, sent: &Sent) -> Self {
        Self { reply_elsewhere: Some((sent.chat, sent.message)), ..self.clone() }
    }

    /// The same person, forwarding what somebody else has sent.
    #[must_use]
    pub fn forwarding(&self, origin: Origin) -> Self {
        Self { forwarded: Some(origin), ..self.clone() }
    }

    /// The same person as an administrator who speaks as the group.
    #[must_use]
    pub fn anonymously(&self) -> Self {
        Self { author: Author::Anonymous, ..self.clone() }
    }

    /// The same person, speaking as a channel.
    #[must_use]
    pub fn as_channel(&self, channel: Channel) -> Self {
        Self { author: Author::Channel(channel), ..self.clone() }
    }

    // === What they send ===

    /// Sends a recording as a voice message.
    pub fn sends_voice(&self, voice: &Voice) -> Sent {
        self.sends_file(Attachment::voice(voice.duration), voice.bytes.clone())
    }

    /// Sends a recording as a file of music or speech.
    pub fn sends_audio(&self, duration: Duration, mime_type: &str, name: &str, bytes: impl Into<Bytes>) -> Sent {
        self.sends_file(Attachment::file(Media::Audio, duration, mime_type, name), bytes)
    }

    /// Sends a round video.
    pub fn sends_video_note(&self, duration: Duration, bytes: impl Into<Bytes>) -> Sent {
        self.sends_file(Attachment::video_note(duration), bytes)
    }

    /// Sends a video.
    pub fn sends_video(&self, duration: Duration, mime_type: &str, name: &str, bytes: impl Into<Bytes>) -> Sent {
        self.sends_file(Attachment::file(Media::Video, duration, mime_type, name), bytes)
    }

    /// Sends any file as a document, of which Telegram tells no length.
    pub fn sends_document(&self, mime_type: &str, name: &str, bytes: impl Into<Bytes>) -> Sent {
        self.sends_file(Attachment::file(Media::Document, Duration::ZERO, mime_type, name), bytes)
    }

    /// Sends any bytes with any claims.
    pub fn sends_file(&self, attachment: Attachment, bytes: impl Into<Bytes>) -> Sent {
        let content = self.api.upload(attachment, bytes.into(), None);
        self.sends(content)
    }

    /// Sends several files at once.
    pub fn sends_album(&self, files: impl IntoIterator<Item = (Attachment, Bytes)>) -> Vec<Sent> {
        let album = uuid::Uuid::now_v7().as_u128() as u64;
        let send = |(file, bytes): (Attachment, Bytes)| self.sends_file(file.in_album(&album.to_string()), bytes);
        files.into_iter().map(send).collect()
    }

    /// Sends on what is in a message of this or another chat: the same file. Nothing when the message is not there.
    pub fn forwards(&self, sent: &Sent) -> Option<Sent> {
        let (content, author) = self.api.read(|state| {
            state.message(sent.chat, sent.message).map(|message| (message.content.clone(), message.author.clone()))
        })?;
        let origin = match author {
            Author::Person(caller) => Origin::Person(caller),
            Author::Channel(channel) | Author::LinkedChannel(channel) => Origin::Channel(channel, sent.message),
            Author::Bot | Author::Anonymous => Origin::Hidden("Stenobot".into()),
        };
        Some(self.forwarding(origin).sends(content))
    }

    /// Writes. Commands and mentions are marked as Telegram's apps do.
    pub fn sends_text(&self, text: &str) -> Sent {
        self.sends(Content::Text(text.into()))
    }

    /// Sends a command, such as `help` or `language@some_bot de`.
    pub fn sends_command(&self, command: &str) -> Sent {
        self.sends_text(&format!("/{command}"))
    }

    /// Sends a picture.
    pub fn sends_photo(&self) -> Sent {
        self.sends_other(json!({ "photo": [
            { "file_id": "AgACphoto", "file_unique_id": "AQADphoto", "width": 90, "height": 60, "file_size": 1200 },
        ] }))
    }

    /// Sends a sticker.
    pub fn sends_sticker(&self) -> Sent {
        self.sends_other(json!({ "sticker": {
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

    /// Sends anything: `fields` as in the Bot API.
    pub fn sends_other(&self, fields: Value) -> Sent {
        self.sends(Content::Other(fields))
    }

    fn sends(&self, content: Content) -> Sent {
        let post = Post {
            author: self.author.clone(),
            content,
            reply_to: self.reply_to,
            reply_elsewhere: self.reply_elsewhere,
            topic: self.topic,
            forwarded: self.forwarded.clone(),
        };
        let message = self.api.receive(self.chat, post);
        Sent { api: self.api.clone(), chat: self.chat, message }
    }

    // === Buttons ===

    /// The buttons under a message of the bot, row by row.
    pub fn keyboard(&self, message: MessageId) -> Vec<Vec<Button>> {
        self.api.read(|state| {
            let markup = state.message(self.chat, message).and_then(|message| message.markup.as_ref());
            markup.map(keyboard::rows).unwrap_or_default()
        })
    }

    /// Presses the button on which `label` stands, `None` when there is none.
    pub fn presses(&self, message: MessageId, label: &str) -> Option<Pressed> {
        let rows = self.keyboard(message);
        let button = rows.iter().flatten().find(|button| button.label == label)?;
        let query = self.api.press(self.chat, &self.caller, message, &button.data)?;
        Some(Pressed { api: self.api.clone(), query })
    }

    /// Sends a press with any data, of a button that is gone or never was.
    pub fn presses_anyway(&self, message: MessageId, data: &str) -> Pressed {
        let query = self.api.press_anyway(self.chat, &self.caller, message, data);
        Pressed { api: self.api.clone(), query }
    }

    // === What they see ===

    /// Every file that the bot has sent to the chat.
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

    /// What was shown after this person's presses, oldest first, without what showed nothing.
    pub fn toasts(&self) -> Vec<Toast> {
        self.api.read(|state| {
            let own = state.presses.values().filter(|press| press.by == self.caller.id);
            own.filter_map(|press| press.toast.clone()).filter(|toast| !toast.text.is_empty()).collect()
        })
    }

    /// The menu of commands in their private chat.
    pub fn menu(&self) -> Vec<MenuEntry> {
        let language = self.caller.language_code.as_deref().unwrap_or_default();
        self.api.read(|state| state.menu(ChatId(self.caller.id.0), language).to_vec())
    }

    // === The bot's welcome ===

    /// Blocks the bot.
    pub fn blocks(&self) {
        self.api.set_blocked(ChatId(self.caller.id.0), true);
    }

    /// Lets the bot back in.
    pub fn unblocks(&self) {
        self.api.set_blocked(ChatId(self.caller.id.0), false);
    }
}

/// A button that was pressed.
#[derive(Clone)]
pub struct Pressed {
    api: BotApi,
    query: String,
}

impl Pressed {
    /// The query's id.
    pub fn id(&self) -> &str {
        &self.query
    }

    /// What the bot has answered by now.
    pub fn toast(&self) -> Option<Toast> {
        self.api.read(|state| state.presses.get(&self.query)?.toast.clone())
    }

    /// Waits until the bot answers; set a deadline around it.
    pub async fn answered(&self) -> Toast {
        self.api.until(|state| state.presses.get(&self.query)?.toast.clone()).await
    }
}

/// A message that a person sent, and what came of it.
#[derive(Clone)]
pub struct Sent {
    api: BotApi,
    chat: ChatId,
    message: MessageId,
}

/// Something did not happen in time.
#[derive(Debug, thiserror::Error)]
#[error("{what} did not happen within {} s; this did:\n{history}", .limit.as_secs_f64())]
pub struct NotInTime {
    what: String,
    limit: Duration,
    history: String,
}

impl Sent {
    /// The message's id in the chat.
    pub fn id(&self) -> MessageId {
        self.message
    }

    /// The chat.
    pub fn chat(&self) -> ChatId {
        self.chat
    }

    /// What the bot has said to it so far.
    pub fn trail(&self) -> Trail {
        self.api.read(|state| trail(state, self.chat, self.message))
    }

    /// Every text that the bot's first reply has shown, oldest first.
    pub fn texts(&self) -> Vec<String> {
        self.api.read(|state| {
            let status = state.replies(self.chat, self.message).next();
            status
                .map(|status| status.texts().into_iter().map(|(_, text)| text.to_owned()).collect())
                .unwrap_or_default()
        })
    }

    /// The id of the bot's first reply.
    pub fn status(&self) -> Option<MessageId> {
        self.api.read(|state| state.replies(self.chat, self.message).next().map(|status| status.id))
    }

    /// Waits until `look` finds something in what the bot said; `what` names it in the error.
    ///
    /// # Errors
    /// After `limit`, with everything that was said in the chat.
    pub async fn until<T>(
        &self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut(&Trail) -> Option<T>,
    ) -> Result<T, NotInTime> {
        let found = self.api.until(|state| look(&trail(state, self.chat, self.message)));
        tokio::time::timeout(limit, found).await.map_err(|_| NotInTime {
            what: what.to_owned(),
            limit,
            history: self.history(),
        })
    }

    /// Waits for the final answer.
    ///
    /// # Errors
    /// After `limit`, with everything that was said in the chat.
    pub async fn final_answer(&self, limit: Duration) -> Result<Answer, NotInTime> {
        self.until("a final answer", limit, |trail| trail.answer().cloned()).await
    }

    /// The whole chat as text, with times from the server's start: for the messages of failing tests.
    pub fn history(&self) -> String {
        self.api.read(|state| {
            let mut lines = String::new();
            for message in state.chats.get(&self.chat).into_iter().flat_map(|chat| chat.messages.values()) {
                let who = match &message.author {
                    Author::Bot => "bot",
                    Author::Person(person) => person.name.as_str(),
                    Author::Anonymous => "an administrator",
                    Author::Channel(_) | Author::LinkedChannel(_) => "a channel",
                };
                let shown = message.words();
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
