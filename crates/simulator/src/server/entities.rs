//! Entities that the bot gives with a text.

use std::ops::Range;

use serde_json::{Value, json};

use super::refusal::Refusal;

/// The entities of a text that the simulator shows. Places are in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decoration {
    /// The folded quotation.
    pub folded: Option<Range<usize>>,
    /// A place in which the reader sees a time, and the time in seconds since the Unix epoch.
    pub time: Option<(Range<usize>, i32)>,
    /// Underlined places, in their order.
    pub underlined: Vec<Range<usize>>,
}

impl Decoration {
    /// Reads `entities`. The checks are those of
    /// <https://github.com/tdlib/telegram-bot-api/blob/master/telegram-bot-api/Client.cpp> (`get_text_entity`) and
    /// <https://github.com/tdlib/td/blob/master/td/telegram/MessageEntity.cpp>, which counts before it trims the text.
    pub(super) fn read(entities: Option<&Value>, text: &str) -> Result<Self, Refusal> {
        let mut decoration = Self::default();
        let Some(entities) = entities else { return Ok(decoration) };
        for entity in entities.as_array().ok_or(Refusal::ENTITY_UNREADABLE)? {
            let number = |field: &str| entity[field].as_u64().and_then(|number| usize::try_from(number).ok());
            let (Some(offset), Some(length)) = (number("offset"), number("length")) else {
                return Err(Refusal::ENTITY_UNREADABLE);
            };
            let kind = Kind::of(entity)?;
            let range = bytes(text, offset)?..bytes(text, offset.saturating_add(length))?;
            match kind {
                _ if range.is_empty() => {}
                Kind::Folded => decoration.folded = Some(range),
                Kind::Underlined => decoration.underlined.push(range),
                Kind::Time(unix_time) => decoration.time = Some((range, unix_time)),
                Kind::Other => {}
            }
        }
        Ok(decoration)
    }

    /// `MessageEntity` of each.
    pub(super) fn to_json(&self, text: &str) -> Vec<Value> {
        let entity = |kind: &str, range: &Range<usize>| {
            let units = |text: &str| text.encode_utf16().count();
            json!({ "type": kind, "offset": units(&text[..range.start]), "length": units(&text[range.clone()]) })
        };
        let time = self.time.as_ref().map(|(range, unix_time)| {
            let mut time = entity("date_time", range);
            time["unix_time"] = json!(unix_time);
            time
        });
        let folded = self.folded.as_ref().map(|range| entity("expandable_blockquote", range));
        let underlined = self.underlined.iter().map(|range| entity("underline", range));
        time.into_iter().chain(folded).chain(underlined).collect()
    }
}

enum Kind {
    Folded,
    Underlined,
    Time(i32),
    /// Not shown by the simulator.
    Other,
}

impl Kind {
    fn of(entity: &Value) -> Result<Self, Refusal> {
        match entity["type"].as_str().ok_or(Refusal::ENTITY_UNREADABLE)? {
            "expandable_blockquote" => Ok(Self::Folded),
            "underline" => Ok(Self::Underlined),
            "date_time" => {
                let unix_time = entity["unix_time"].as_i64().and_then(|seconds| i32::try_from(seconds).ok());
                let format = entity["date_time_format"].as_str().unwrap_or_default();
                if !matches!(format, "r" | "R") && format.contains(|part| !"tTdDwW".contains(part)) {
                    return Err(Refusal::ENTITY_TIME_FORMAT);
                }
                match unix_time.ok_or(Refusal::ENTITY_UNREADABLE)? {
                    ..=0 => Err(Refusal::ENTITY_TIME),
                    seconds => Ok(Self::Time(seconds)),
                }
            }
            "bold" | "italic" | "strikethrough" | "spoiler" | "code" | "pre" | "text_link" | "text_mention"
            | "custom_emoji" | "blockquote" | "mention" | "hashtag" | "cashtag" | "bot_command" | "url" | "email"
            | "phone_number" => Ok(Self::Other),
            _ => Err(Refusal::ENTITY_UNSUPPORTED),
        }
    }
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
