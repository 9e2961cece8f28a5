//! Inline keyboards.

use serde_json::Value;

use super::params::Params;
use super::refusal::Refusal;

/// Maximum length of callback data in bytes.
const MAX_DATA: usize = 64;
/// Maximum length of a text that a button copies, in characters.
const MAX_COPIED: usize = 256;

/// A button of an inline keyboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    /// Its text.
    pub label: String,
    /// Callback data; empty for a button that opens a web page or copies a text.
    pub data: String,
    /// The text that it copies.
    pub copies: Option<String>,
}

/// The buttons of a keyboard by row.
pub fn rows(markup: &Value) -> Vec<Vec<Button>> {
    let text = |button: &Value, field: &str| button[field].as_str().unwrap_or_default().to_owned();
    let row = |row: &Value| {
        let buttons = row.as_array().into_iter().flatten();
        let button = |button| Button {
            label: text(button, "text"),
            data: text(button, "callback_data"),
            copies: button["copy_text"]["text"].as_str().map(str::to_owned),
        };
        buttons.map(button).collect()
    };
    markup["inline_keyboard"].as_array().into_iter().flatten().map(row).collect()
}

/// Reads `reply_markup`; `None` for an empty keyboard.
pub(super) fn read(params: &Params) -> Result<Option<Value>, Refusal> {
    of(&params.json("reply_markup").unwrap_or_default())
}

/// As [`read`], of a keyboard.
pub(super) fn of(markup: &Value) -> Result<Option<Value>, Refusal> {
    if markup.is_null() {
        return Ok(None);
    }
    let Some(keyboard) = markup.get("inline_keyboard") else { return Ok(Some(markup.clone())) };
    let keyboard = keyboard.as_array().ok_or(Refusal::Bad("field \"inline_keyboard\" must be of type Array"))?;
    let mut is_empty = true;
    for row in keyboard {
        let row = row.as_array().ok_or(Refusal::KEYBOARD_ROW)?;
        for button in row {
            is_empty = false;
            check(button)?;
        }
    }
    Ok((!is_empty).then(|| markup.clone()))
}

/// Reads `reply_markup` of an edit, which accepts inline keyboards only.
pub(super) fn read_inline(params: &Params) -> Result<Option<Value>, Refusal> {
    match read(params)? {
        Some(markup) if markup.get("inline_keyboard").is_none() => Err(Refusal::Bad("inline keyboard expected")),
        markup => Ok(markup),
    }
}

fn check(button: &Value) -> Result<(), Refusal> {
    match button["text"].as_str() {
        None => return Err(Refusal::BUTTON_WITHOUT_TEXT),
        Some(text) if text.trim().is_empty() => return Err(Refusal::BUTTON_TEXT_EMPTY),
        Some(_) => {}
    }
    if let Some(copied) = button.get("copy_text") {
        let length = copied["text"].as_str().map_or(0, |text| text.chars().count());
        return if (1..=MAX_COPIED).contains(&length) { Ok(()) } else { Err(Refusal::BUTTON_COPY) };
    }
    match button["callback_data"].as_str().map(str::len) {
        Some(1..=MAX_DATA) => Ok(()),
        Some(length) if length > MAX_DATA => Err(Refusal::BUTTON_DATA),
        Some(_) | None if button["url"].is_string() => Ok(()),
        Some(_) | None => Err(Refusal::BUTTON_WITHOUT_ACTION),
    }
}
