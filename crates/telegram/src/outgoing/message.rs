//! Content of a message of the bot: text and buttons.

use serde::{Serialize, Serializer};
use stenobot_domain::{ChatId, InlineMessageId, MessageId, Origin};

use crate::action::Action;

/// A text of at most 4096 UTF-16 units with the buttons under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// Plain text.
    pub text: String,
    /// The part of it that is shown as a quotation of a few lines, which a touch opens. Neither end is white space, which Telegram
    /// removes at the ends of a message.
    pub folded: Option<TextPart>,
    /// The part of it in place of which the reader sees a time in their own time zone.
    pub time: Option<LocalTime>,
    /// The parts of it that are underlined, in their order.
    pub underlined: Vec<TextPart>,
    /// Without rows there are no buttons.
    pub keyboard: Keyboard,
}

/// A message of the bot that can be edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BotMessage {
    /// In a chat of the bot.
    InChat {
        /// The chat.
        chat: ChatId,
        /// The message.
        message: MessageId,
    },
    /// Posted in a chat that the bot is not in.
    AsGuest {
        /// The private chat with the user who called the bot. Edits take turns with messages there, since the other chat is not known.
        caller: ChatId,
        /// The message.
        message: InlineMessageId,
    },
}

impl BotMessage {
    /// The message that shows the state of a request of this origin, which is answered in `chat`; `status` is its message there.
    pub fn of_request(origin: &Origin, chat: ChatId, status: Option<MessageId>) -> Option<Self> {
        match origin {
            Origin::Chat | Origin::Business(_) => status.map(|message| Self::InChat { chat, message }),
            Origin::Guest(call) => call.message.clone().map(|message| Self::AsGuest { caller: chat, message }),
        }
    }

    /// The chat with whose messages its edits take turns.
    pub fn turn(&self) -> ChatId {
        match self {
            Self::InChat { chat, .. } | Self::AsGuest { caller: chat, .. } => *chat,
        }
    }
}

impl From<String> for OutgoingMessage {
    fn from(text: String) -> Self {
        Self { text, folded: None, time: None, underlined: Vec::new(), keyboard: Keyboard::default() }
    }
}

impl OutgoingMessage {
    /// Whether there is anything that a server may refuse without refusing the text.
    pub fn is_decorated(&self) -> bool {
        self.folded.is_some()
            || self.time.is_some()
            || !self.underlined.is_empty()
            || self.keyboard.0.iter().flatten().any(Button::copies)
    }

    /// The text alone with the buttons that every server takes.
    #[must_use]
    pub fn undecorated(mut self) -> Self {
        self.folded = None;
        self.time = None;
        self.underlined.clear();
        for row in &mut self.keyboard.0 {
            row.retain(|button| !button.copies());
        }
        self.keyboard.0.retain(|row| !row.is_empty());
        self
    }
}

/// A part of a text, in UTF-16 units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextPart {
    /// From the start of the text.
    pub offset: usize,
    /// Never 0.
    pub length: usize,
}

/// A part of a text, in UTF-16 units, in place of which clients show a time in the reader's time zone and format. Clients before Bot
/// API 9.5 show the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// From the start of the text.
    pub offset: usize,
    /// Never 0.
    pub length: usize,
    /// Seconds since the Unix epoch; Telegram refuses a text with any other than 1 to `i32::MAX`.
    pub unix_time: i32,
}

/// Rows of buttons.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keyboard(pub Vec<Vec<Button>>);

/// One button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    /// Text of the button.
    pub label: String,
    /// Effect of a press.
    pub effect: Effect,
}

/// Effect of a pressed button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The bot learns of the press.
    Act(Action),
    /// The client copies this text, of 1 to 256 characters.
    Copy(String),
}

impl Button {
    /// A button of which the bot learns.
    pub fn acting(label: String, action: Action) -> Self {
        Self { label, effect: Effect::Act(action) }
    }

    fn copies(&self) -> bool {
        match self.effect {
            Effect::Copy(_) => true,
            Effect::Act(_) => false,
        }
    }
}

impl Keyboard {
    /// A keyboard of one button.
    pub fn single(label: String, action: Action) -> Self {
        Self(vec![vec![Button::acting(label, action)]])
    }

    /// `None` without buttons: Telegram treats an absent keyboard as none.
    pub(crate) fn shown(&self) -> Option<&Self> {
        Some(self).filter(|keyboard| !keyboard.0.is_empty())
    }
}

impl Serialize for Keyboard {
    /// As the Bot API's `InlineKeyboardMarkup`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Markup {
            inline_keyboard: Vec<Vec<Inline>>,
        }
        #[derive(Serialize)]
        struct Inline {
            text: String,
            #[serde(flatten)]
            effect: InlineEffect,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "snake_case")]
        enum InlineEffect {
            CallbackData(String),
            CopyText { text: String },
        }
        let inline = |button: &'_ Button| Inline {
            text: button.label.clone(),
            effect: match &button.effect {
                Effect::Act(action) => InlineEffect::CallbackData(action.encode()),
                Effect::Copy(text) => InlineEffect::CopyText { text: text.clone() },
            },
        };
        let inline_keyboard = self.0.iter().map(|row| row.iter().map(inline).collect()).collect();
        Markup { inline_keyboard }.serialize(serializer)
    }
}
