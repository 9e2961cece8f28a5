//! Everything the server remembers, with the time of each change.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use stenobot_domain::{ChatId, MessageId, UserId};

use super::Settings;
use super::chat::{Author, Chat, Message};
use super::flood::Flood;
use super::menu::MenuEntry;
use super::press::Press;
use super::refusal::Refusal;

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
    /// Other buttons under a message sent before.
    EditMessageReplyMarkup = "editMessageReplyMarkup",
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
    /// The menus that the bot has set, by scope and language code (empty for all languages).
    pub(crate) menus: BTreeMap<(String, String), Vec<MenuEntry>>,
    /// Every press of a button, by the query's id.
    pub presses: BTreeMap<String, Press>,
    /// The URL that updates are said to go to; set by tests.
    pub webhook: Option<String>,
    pub(super) files: HashMap<String, StoredFile>,
    pub(super) links: HashMap<String, Link>,
    pub(super) flood: Flood,
    pub(super) allowed_updates: Option<HashSet<String>>,
    /// Number of the poll that may answer; a newer one turns the older away.
    pub(super) poll: u64,
    next_update: i64,
    next_file: u64,
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
    /// When it came.
    pub came: Duration,
    /// When it was answered.
    pub at: Duration,
    /// What a fault did to it, by its name; `pass` when nothing.
    pub fault: &'static str,
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
            menus: BTreeMap::new(),
            presses: BTreeMap::new(),
            webhook: None,
            files: HashMap::new(),
            links: HashMap::new(),
            flood: Flood::new(settings.flood),
            allowed_updates: None,
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
    pub fn bytes(&self, attachment: &super::Attachment) -> Option<Bytes> {
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
}
