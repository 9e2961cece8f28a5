//! How parts of a text are shown.

use serde::Serialize;

use super::outgoing::{LocalTime, OutgoingMessage, TextPart};

/// `MessageEntity`, in UTF-16 units.
#[derive(Serialize)]
pub(super) struct Entity {
    offset: usize,
    length: usize,
    #[serde(flatten)]
    kind: EntityKind,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum EntityKind {
    ExpandableBlockquote,
    Underline,
    DateTime { unix_time: i32, date_time_format: &'static str },
}

/// Limit of the Bot API; further ones are left out there without an error.
const MAX_ENTITIES: usize = 100;

/// Date and time, both short: <https://core.telegram.org/bots/api#date-time-entity-formatting>.
const TIME_FORMAT: &str = "dt";

/// The entities of a text. Never `parse_mode`: a transcript may hold any character.
pub(super) fn entities(content: &OutgoingMessage) -> Vec<Entity> {
    let time = content.time.map(|LocalTime { offset, length, unix_time }| {
        let kind = EntityKind::DateTime { unix_time, date_time_format: TIME_FORMAT };
        Entity { offset, length, kind }
    });
    let entity = |TextPart { offset, length }, kind| Entity { offset, length, kind };
    let folded = content.folded.map(|part| entity(part, EntityKind::ExpandableBlockquote));
    let underlined = content.underlined.iter().map(|&part| entity(part, EntityKind::Underline));
    time.into_iter().chain(folded).chain(underlined).take(MAX_ENTITIES).collect()
}
