//! People who use the bot, and what they wait for.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;

use super::answers::{Answer, Trail, trail};
use super::server::{Attachment, Author, BotApi, Caller, ChatKind};
use super::voices::Voice;
use crate::model::{ChatId, MessageId, UserId};

/// A person in their private chat with the bot.
#[derive(Clone)]
pub struct Person {
    api: BotApi,
    caller: Caller,
    chat: ChatId,
}

impl Person {
    /// Somebody new, whose chat with the bot is open. In a private chat the chat's id is the person's.
    pub fn new(api: &BotApi, id: UserId, name: &str, language_code: &str) -> Self {
        let chat = ChatId(id.0);
        api.open_chat(chat, ChatKind::Private, name);
        let caller = Caller { id, name: name.into(), language_code: Some(language_code.into()) };
        Self { api: api.clone(), caller, chat }
    }

    /// Their chat with the bot.
    pub fn chat(&self) -> ChatId {
        self.chat
    }

    /// How Telegram introduces them.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Sends a recording as a voice message.
    pub fn sends_voice(&self, voice: &Voice) -> Sent {
        self.sends_file(Attachment::voice(voice.duration), voice.bytes.clone())
    }

    /// Sends any bytes with any claims.
    pub fn sends_file(&self, attachment: Attachment, bytes: impl Into<Bytes>) -> Sent {
        let message = self.api.receive_file(self.chat, &self.caller, attachment, bytes.into(), None);
        Sent { api: self.api.clone(), chat: self.chat, message }
    }

    /// Writes.
    pub fn writes(&self, text: &str) -> Sent {
        let message = self.api.receive_text(self.chat, &self.caller, text, None);
        Sent { api: self.api.clone(), chat: self.chat, message }
    }

    /// Presses a button of a message of the bot. Returns the query's id, `None` when there is no such button.
    pub fn presses(&self, message: MessageId, data: &str) -> Option<String> {
        self.api.press(self.chat, &self.caller, message, data)
    }

    /// Blocks the bot.
    pub fn blocks(&self) {
        self.api.set_blocked(self.chat, true);
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
                };
                let shown = message.texts();
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
