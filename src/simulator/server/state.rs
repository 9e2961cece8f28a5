//! Everything the server remembers, with the time of each change.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::Settings;
use super::flood::Flood;
use super::inbound::{Attachment, Caller};
use super::refusal::Refusal;
use crate::model::{ChatId, MessageId, UserId};

macro_rules! methods {
    ($($(#[$meta:meta])* $variant:ident = $name:literal,)*) => {
        /// What a bot can ask for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Method { $($(#[$meta])* $variant,)* }

        impl Method {
            /// The name in the Bot API.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }

        impl FromStr for Method {
            type Err = Refusal;

            /// Telegram does not tell capitals from small letters here.
            fn from_str(name: &str) -> Result<Self, Refusal> {
                $(if name.eq_ignore_ascii_case($name) { return Ok(Self::$variant); })*
                Err(Refusal::NotFound)
            }
        }
    };
}

methods! {
    /// Who the bot is.
    GetMe = "getMe",
    /// Long poll.
    GetUpdates = "getUpdates",
    /// A new text.
    SendMessage = "sendMessage",
    /// Another text in the place of one sent before.
    EditMessageText = "editMessageText",
    /// Removal of a message.
    DeleteMessage = "deleteMessage",
    /// A link to a file.
    GetFile = "getFile",
    /// "typing..."
    SendChatAction = "sendChatAction",
    /// The menu of commands.
    SetMyCommands = "setMyCommands",
    /// The answer to a button press.
    AnswerCallbackQuery = "answerCallbackQuery",
    /// A file with a caption.
    SendDocument = "sendDocument",
    /// Back to polling.
    DeleteWebhook = "deleteWebhook",
    /// Whether updates go to a webhook.
    GetWebhookInfo = "getWebhookInfo",
    /// About a chat.
    GetChat = "getChat",
    /// About a person in a chat.
    GetChatMember = "getChatMember",
    /// Bytes of a file, from `/file/bot.../`. No method of the Bot API, but a call like the others.
    Download = "(download)",
}

/// Everything the server remembers. Times count from the server's start.
#[derive(Debug)]
pub struct State {
    /// The bot's own id, the number before the token's colon.
    pub bot: UserId,
    /// Chats by id.
    pub chats: HashMap<ChatId, Chat>,
    /// Every answered call, in order. Polls are logged when they end.
    pub calls: Vec<CallRecord>,
    /// Updates that the bot has not confirmed.
    pub pending: VecDeque<Offer>,
    /// Updates that the bot has confirmed.
    pub confirmed: Vec<Offer>,
    /// The menu that the bot has set.
    pub commands: Option<Value>,
    /// The URL that updates are said to go to; set by tests.
    pub webhook: Option<String>,
    pub(super) files: HashMap<String, StoredFile>,
    pub(super) links: HashMap<String, Link>,
    pub(super) flood: Flood,
    pub(super) allowed_updates: Option<HashSet<String>>,
    pub(super) open_queries: HashSet<String>,
    /// Number of the poll that may answer; a newer one turns the older away.
    pub(super) poll: u64,
    next_update: i64,
    next_file: u64,
}

/// One chat.
#[derive(Debug)]
pub struct Chat {
    /// Its id.
    pub id: ChatId,
    /// Private or not.
    pub kind: ChatKind,
    /// Name of the person or the group.
    pub title: String,
    /// The bot was blocked or removed: it may not write here.
    pub blocked: bool,
    /// Messages by id, deleted ones too.
    pub messages: BTreeMap<MessageId, Message>,
}

/// Kinds of chats that differ for a bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatKind {
    /// With one person.
    Private,
    /// A supergroup.
    Group,
    /// A channel.
    Channel,
}

/// A message with its history.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its id in the chat.
    pub id: MessageId,
    /// Who wrote it.
    pub author: Author,
    /// What it holds, after all edits.
    pub content: Content,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
    /// Buttons, as the bot gave them.
    pub markup: Option<Value>,
    /// When it was sent.
    pub sent: Duration,
    /// Unix time in seconds of the same.
    pub date: i64,
    /// Every change that was made, oldest first.
    pub edits: Vec<Edit>,
    /// When it was deleted.
    pub deleted: Option<Duration>,
}

/// Who wrote a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// The bot under test.
    Bot,
    /// A person.
    Person(Caller),
}

/// What a message holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Words.
    Text(String),
    /// A file that the bot sent.
    Document {
        /// As the bot named it.
        file_name: String,
        /// Its content.
        bytes: Bytes,
        /// The words below it.
        caption: String,
    },
    /// A file that a person sent.
    Attachment(Attachment),
    /// The fields of any other message, such as `photo`.
    Other(Value),
}

impl Content {
    /// The words of a text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Document { .. } | Self::Attachment(_) | Self::Other(_) => None,
        }
    }
}

/// One edit of a text.
#[derive(Debug, Clone)]
pub struct Edit {
    /// When Telegram took it.
    pub at: Duration,
    /// The text that was replaced.
    pub before: String,
}

impl Message {
    /// Every text it has shown with the time from which it showed, oldest first.
    pub fn texts(&self) -> Vec<(Duration, &str)> {
        let starts = std::iter::once(self.sent).chain(self.edits.iter().map(|edit| edit.at));
        let texts = self.edits.iter().map(|edit| edit.before.as_str()).chain(self.content.text());
        starts.zip(texts).collect()
    }
}

/// An update and what became of it.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The update's id.
    pub id: i64,
    /// Kind and content, as in the Bot API.
    pub update: Value,
    /// When each poll's answer carried it.
    pub offered: Vec<Duration>,
    /// When a later offset confirmed it.
    pub confirmed: Option<Duration>,
}

/// A call and its outcome.
#[derive(Debug, Clone)]
pub struct CallRecord {
    /// What was asked.
    pub method: Method,
    /// In which chat.
    pub chat: Option<ChatId>,
    /// When it was answered.
    pub at: Duration,
    /// How.
    pub outcome: Outcome,
    /// It came although the client had been told to wait longer.
    pub impatient: bool,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Telegram took it.
    Taken,
    /// Telegram took it, but the client could not know: the connection broke.
    TakenUnheard,
    /// Telegram refused it.
    Refused(Refusal),
    /// A fault struck before Telegram took it.
    Struck,
}

#[derive(Debug, Clone)]
pub(super) struct StoredFile {
    pub(super) bytes: Bytes,
    pub(super) unique_id: String,
    pub(super) path: String,
    /// The size `getFile` tells; a lie where a test wants one.
    pub(super) claimed_size: u64,
}

/// What `getFile` promised.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) file: String,
    pub(super) expires: Duration,
}

impl State {
    pub(super) fn new(settings: &Settings) -> Self {
        let bot = settings.token.split(':').next().and_then(|id| id.parse().ok()).unwrap_or_default();
        Self {
            bot: UserId(bot),
            chats: HashMap::new(),
            calls: Vec::new(),
            pending: VecDeque::new(),
            confirmed: Vec::new(),
            commands: None,
            webhook: None,
            files: HashMap::new(),
            links: HashMap::new(),
            flood: Flood::new(settings.flood),
            allowed_updates: None,
            open_queries: HashSet::new(),
            poll: 0,
            next_update: 100_000_001,
            next_file: 1,
        }
    }

    /// How often the bot has asked for updates; counted when the question comes.
    pub fn polls(&self) -> u64 {
        self.poll
    }

    /// One message.
    pub fn message(&self, chat: ChatId, message: MessageId) -> Option<&Message> {
        self.chats.get(&chat)?.messages.get(&message)
    }

    /// The file that a person sent.
    pub fn bytes(&self, attachment: &Attachment) -> Option<Bytes> {
        self.files.get(&attachment.file_id).map(|file| file.bytes.clone())
    }

    /// When a poll first carried a message to the bot.
    pub fn offered(&self, chat: ChatId, message: MessageId) -> Option<Duration> {
        let carries = |offer: &&Offer| {
            ["message", "channel_post"].iter().any(|kind| {
                let content = &offer.update[kind];
                content["message_id"] == message.0 && content["chat"]["id"] == chat.0
            })
        };
        let offer = self.confirmed.iter().chain(&self.pending).find(carries)?;
        offer.offered.first().copied()
    }

    /// What the bot wrote in answer to `message`, oldest first, without what it deleted.
    pub fn replies(&self, chat: ChatId, message: MessageId) -> impl Iterator<Item = &Message> {
        self.chats
            .get(&chat)
            .into_iter()
            .flat_map(|chat| chat.messages.values())
            .filter(move |reply| reply.author == Author::Bot && reply.reply_to == Some(message))
            .filter(|reply| reply.deleted.is_none())
    }

    pub(super) fn log(
        &mut self,
        at: Duration,
        method: Method,
        chat: Option<ChatId>,
        outcome: Outcome,
        impatient: bool,
    ) {
        self.calls.push(CallRecord { method, chat, at, outcome, impatient });
    }

    pub(super) fn queue(&mut self, kind: &str, content: Value) -> i64 {
        let id = self.next_update;
        self.next_update += 1;
        if self.allowed_updates.as_ref().is_none_or(|allowed| allowed.contains(kind)) {
            let update = json!({ kind: content });
            self.pending.push_back(Offer { id, update, offered: Vec::new(), confirmed: None });
        }
        id
    }

    /// Keeps a file and returns its id.
    pub(super) fn store(&mut self, folder: &str, extension: &str, bytes: Bytes, claimed_size: Option<u64>) -> String {
        let number = self.next_file;
        self.next_file += 1;
        let id = format!("AwACAgIAAxkBAAI{number:08}");
        let file = StoredFile {
            claimed_size: claimed_size.unwrap_or(bytes.len() as u64),
            bytes,
            unique_id: format!("AgAD{number:06}"),
            path: format!("{folder}/file_{number}.{extension}"),
        };
        self.files.insert(id.clone(), file);
        id
    }

    /// The message as the Bot API shows it.
    pub(super) fn show(&self, chat: &Chat, message: &Message, username: &str) -> Value {
        let mut shown = json!({
            "message_id": message.id,
            "date": message.date,
            "chat": chat.show(),
            "from": match &message.author {
                Author::Bot => self.show_bot(username),
                Author::Person(person) => person.show(),
            },
        });
        match &message.content {
            Content::Text(text) => shown["text"] = json!(text),
            Content::Document { file_name, bytes, caption } => {
                shown["document"] = json!({
                    "file_id": format!("BQACAgIAAxkD{}", message.id),
                    "file_unique_id": format!("AgADd{}", message.id),
                    "file_name": file_name,
                    "file_size": bytes.len(),
                });
                if !caption.is_empty() {
                    shown["caption"] = json!(caption);
                }
            }
            Content::Attachment(attachment) => {
                shown[attachment.media.field()] = attachment.show(self.files.get(&attachment.file_id));
            }
            Content::Other(Value::Object(fields)) => {
                for (name, value) in fields {
                    shown[name] = value.clone();
                }
            }
            Content::Other(_) => {}
        }
        if !message.edits.is_empty() {
            shown["edit_date"] = json!(message.date);
        }
        if let Some(markup) = &message.markup {
            shown["reply_markup"] = markup.clone();
        }
        if let Some(replied) = message.reply_to.and_then(|id| chat.messages.get(&id)) {
            let bare = Message { reply_to: None, ..replied.clone() };
            shown["reply_to_message"] = self.show(chat, &bare, username);
        }
        shown
    }

    pub(super) fn show_bot(&self, username: &str) -> Value {
        json!({ "id": self.bot, "is_bot": true, "first_name": "Stenobot", "username": username })
    }
}

impl Chat {
    pub(super) fn show(&self) -> Value {
        match self.kind {
            ChatKind::Private => json!({ "id": self.id, "type": "private", "first_name": self.title }),
            ChatKind::Group => json!({ "id": self.id, "type": "supergroup", "title": self.title }),
            ChatKind::Channel => json!({ "id": self.id, "type": "channel", "title": self.title }),
        }
    }

    pub(super) fn next_message(&self) -> MessageId {
        MessageId(self.messages.keys().next_back().map_or(0, |last| last.0) + 1)
    }
}
