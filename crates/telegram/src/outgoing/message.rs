//! Content of a message of the bot: text and buttons.

use serde::{Serialize, Serializer};

use crate::action::Action;

/// A text of at most 4096 UTF-16 units with the buttons under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// Plain text.
    pub text: String,
    /// Without rows there are no buttons.
    pub keyboard: Keyboard,
}

impl From<String> for OutgoingMessage {
    fn from(text: String) -> Self {
        Self { text, keyboard: Keyboard::default() }
    }
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
    pub action: Action,
}

impl Keyboard {
    /// A keyboard of one button.
    pub fn single(label: String, action: Action) -> Self {
        Self(vec![vec![Button { label, action }]])
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
            callback_data: String,
        }
        let inline = |button: &'_ Button| Inline { text: button.label.clone(), callback_data: button.action.encode() };
        let inline_keyboard = self.0.iter().map(|row| row.iter().map(inline).collect()).collect();
        Markup { inline_keyboard }.serialize(serializer)
    }
}
