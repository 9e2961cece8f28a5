//! The state of the server, with the time of each change.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use stenobot_domain::{ChatId, MessageId, UserId};

use super::Settings;
use super::business::Account;
use super::chat::{Author, Chat, Message};
use super::flood::Flood;
use super::guests::GuestCall;
use super::menu::MenuEntry;
use super::params::Params;
use super::press::Press;
use super::refusal::Refusal;
use super::webhook::{Webhook, WebhookDelivery};

/// A method of the Bot API, parsed without regard to case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, strum::EnumString)]
#[strum(serialize_all = "camelCase", ascii_case_insensitive)]
pub enum Method {
    /// About the bot.
    GetMe,
    /// Long poll.
    GetUpdates,
    /// Sends a text.
    SendMessage,
    /// Replaces the text of a message.
    EditMessageText,
    /// Puts a file in place of a message.
    EditMessageMedia,
    /// Replaces the caption of a message.
    EditMessageCaption,
    /// Sets or removes a reaction.
    SetMessageReaction,
    /// Deletes a message.
    DeleteMessage,
    /// Gives a download link.
    GetFile,
    /// Shows "typing...".
    SendChatAction,
    /// Sets a command menu.
    SetMyCommands,
    /// Replaces the buttons of a message.
    EditMessageReplyMarkup,
    /// Answers a button press.
    AnswerCallbackQuery,
    /// Answers a call in a chat that the bot is not in.
    AnswerGuestQuery,
    /// Sends a file.
    SendDocument,
    /// Sends updates to a URL instead of polling.
    SetWebhook,
    /// Returns to polling.
    DeleteWebhook,
    /// Whether updates go to a webhook.
    GetWebhookInfo,
    /// About a chat.
    GetChat,
    /// About a connection to a user's own account.
    GetBusinessConnection,
    /// About a user in a chat.
    GetChatMember,
    /// Bytes of a file, from `/file/bot.../`: no method of the Bot API, but recorded like one.
    #[strum(disabled)]
    Download,
}

/// The state of the server. Times count from its start.
#[derive(Debug)]
pub struct State {
    /// The bot's own id, the number before the token's colon.
    pub bot: UserId,
    /// Chats by id.
    pub chats: HashMap<ChatId, Chat>,
    /// Users' own accounts with the bot, by connection.
    pub accounts: BTreeMap<String, Account>,
    /// Calls of the bot as a guest, by query id.
    pub guests: BTreeMap<String, GuestCall>,
    /// All calls in the order of their responses.
    pub calls: Vec<CallRecord>,
    /// Updates not yet confirmed by the bot.
    pub pending: VecDeque<UpdateRecord>,
    /// Updates confirmed by the bot.
    pub confirmed: Vec<UpdateRecord>,
    /// Command menus by scope and language code (empty for all languages).
    pub(crate) menus: BTreeMap<(String, String), Vec<MenuEntry>>,
    /// Button presses by query id.
    pub presses: BTreeMap<String, Press>,
    /// Where updates are sent; without one they are polled.
    pub webhook: Option<Webhook>,
    /// Attempts to deliver updates to a webhook, in the order of their ends.
    pub deliveries: Vec<WebhookDelivery>,
    /// Calls of `setWebhook`.
    pub(super) registrations: u64,
    pub(super) files: HashMap<String, StoredFile>,
    pub(super) links: HashMap<String, Link>,
    pub(super) flood: Flood,
    pub(super) allowed_updates: Option<HashSet<String>>,
    /// Number of the newest poll; older ones end with a conflict.
    pub(super) poll: u64,
    next_update: i64,
    next_file: u64,
}

/// An update and its delivery.
#[derive(Debug, Clone)]
pub struct UpdateRecord {
    /// Update id.
    pub id: i64,
    /// Kind and content as in the Bot API, without the id.
    pub content: Value,
    /// Time of each poll response or request to the webhook that carried it.
    pub delivered: Vec<Duration>,
    /// Time of the offset, or of the webhook's answer, that confirmed it.
    pub confirmed: Option<Duration>,
}

/// A call and how it ended.
#[derive(Debug, Clone)]
pub struct CallRecord {
    /// The called method.
    pub method: Method,
    /// Its `chat_id`.
    pub chat: Option<ChatId>,
    /// Time of the request.
    pub came: Duration,
    /// Time of the response.
    pub at: Duration,
    /// Name of the injected effect; `pass` without one.
    pub fault: &'static str,
    /// How it ended.
    pub outcome: CallOutcome,
    /// It came within an earlier retry-after.
    pub impatient: bool,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// Telegram accepted the call.
    Accepted,
    /// Telegram accepted the call, but the response was lost.
    AcceptedResponseLost,
    /// Telegram refused the call.
    Refused(Refusal),
    /// A fault prevented the call from reaching Telegram.
    Intercepted,
}

#[derive(Debug, Clone)]
pub(super) struct StoredFile {
    pub(super) bytes: Bytes,
    pub(super) unique_id: String,
    pub(super) path: String,
    /// Size as stated by `getFile`; wrong where a test requires it.
    pub(super) claimed_size: u64,
}

/// A download link given by `getFile`.
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
            accounts: BTreeMap::new(),
            guests: BTreeMap::new(),
            calls: Vec::new(),
            pending: VecDeque::new(),
            confirmed: Vec::new(),
            menus: BTreeMap::new(),
            presses: BTreeMap::new(),
            webhook: None,
            deliveries: Vec::new(),
            registrations: 0,
            files: HashMap::new(),
            links: HashMap::new(),
            flood: Flood::new(settings.flood),
            allowed_updates: None,
            poll: 0,
            next_update: 100_000_001,
            next_file: 1,
        }
    }

    /// Number of polls received and webhooks set so far: one more means that the bot is ready for updates.
    pub fn requests_for_updates(&self) -> u64 {
        self.poll + self.registrations
    }

    /// Number of polls received so far.
    pub fn polls(&self) -> u64 {
        self.poll
    }

    /// A message, also if deleted.
    pub fn message(&self, chat: ChatId, message: MessageId) -> Option<&Message> {
        self.chats.get(&chat)?.messages.get(&message)
    }

    /// The content of a file sent by a user.
    pub fn bytes(&self, attachment: &super::Attachment) -> Option<Bytes> {
        self.files.get(&attachment.file_id).map(|file| file.bytes.clone())
    }

    /// When a poll first delivered a message to the bot.
    pub fn first_delivery(&self, chat: ChatId, message: MessageId) -> Option<Duration> {
        let carries = |update: &&UpdateRecord| {
            ["message", "channel_post"].iter().any(|kind| {
                let shown = &update.content[kind];
                shown["message_id"] == message.0 && shown["chat"]["id"] == chat.0
            })
        };
        let update = self.confirmed.iter().chain(&self.pending).find(carries)?;
        update.delivered.first().copied()
    }

    /// The bot's replies to `message`, oldest first, without deleted ones.
    pub fn replies(&self, chat: ChatId, message: MessageId) -> impl Iterator<Item = &Message> {
        self.chats
            .get(&chat)
            .into_iter()
            .flat_map(|chat| chat.messages.values())
            .filter(move |reply| reply.author == Author::Bot && reply.reply_to == Some(message))
            .filter(|reply| reply.deleted.is_none())
    }

    /// Follows `allowed_updates`, if they are given; an empty list allows all.
    pub(super) fn allow(&mut self, params: &Params) {
        if let Some(kinds) = params.json("allowed_updates").and_then(|kinds| kinds.as_array().cloned()) {
            let kinds = kinds.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            self.allowed_updates = Some(kinds).filter(|kinds: &HashSet<_>| !kinds.is_empty());
        }
    }

    pub(super) fn queue(&mut self, kind: &str, content: Value) -> i64 {
        let id = self.next_update;
        self.next_update += 1;
        if self.allowed_updates.as_ref().is_none_or(|allowed| allowed.contains(kind)) {
            let content = json!({ kind: content });
            self.pending.push_back(UpdateRecord { id, content, delivered: Vec::new(), confirmed: None });
        }
        id
    }

    /// Stores a file and returns its id.
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
