//! Entities that the bot gives with a text.

use std::ops::Range;

use serde_json::Value;

use super::refusal::Refusal;

/// Reads `entities`, of which the simulator shows the folded quotation only; gives its place in the text, in bytes. The checks are those
/// of <https://github.com/tdlib/td/blob/master/td/telegram/MessageEntity.cpp>, which counts before it trims the text.
pub(super) fn folded(entities: &Value, text: &str) -> Result<Option<Range<usize>>, Refusal> {
    if entities.is_null() {
        return Ok(None);
    }
    let mut folded = None;
    for entity in entities.as_array().ok_or(Refusal::ENTITY_UNREADABLE)? {
        let number = |field: &str| entity[field].as_u64().and_then(|number| usize::try_from(number).ok());
        let (Some(offset), Some(length), Some(kind)) = (number("offset"), number("length"), entity["type"].as_str())
        else {
            return Err(Refusal::ENTITY_UNREADABLE);
        };
        let range = bytes(text, offset)?..bytes(text, offset.saturating_add(length))?;
        if kind == "expandable_blockquote" && !range.is_empty() {
            folded = Some(range);
        }
    }
    Ok(folded)
}

/// The byte at which a UTF-16 unit begins.
fn bytes(text: &str, unit: usize) -> Result<usize, Refusal> {
    let mut units = 0;
    for (at, character) in text.char_indices() {
        if units == unit {
            return Ok(at);
        }
        units += character.len_utf16();
        if units > unit {
            return Err(Refusal::ENTITY_IN_CHARACTER);
        }
    }
    if units == unit { Ok(text.len()) } else { Err(Refusal::ENTITY_OUTSIDE) }
}
