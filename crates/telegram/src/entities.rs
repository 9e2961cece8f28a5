//! How parts of a text are shown.

use serde::Serialize;

use super::outgoing::{Folded, LocalTime, OutgoingMessage};

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
    DateTime { unix_time: i32, date_time_format: &'static str },
}

/// Date and time, both short: <https://core.telegram.org/bots/api#date-time-entity-formatting>.
const TIME_FORMAT: &str = "dt";

/// The entities of a text. Never `parse_mode`: a transcript may hold any character.
pub(super) fn entities(content: &OutgoingMessage) -> Vec<Entity> {
    let time = content.time.map(|LocalTime { offset, length, unix_time }| {
        let kind = EntityKind::DateTime { unix_time, date_time_format: TIME_FORMAT };
        Entity { offset, length, kind }
    });
    let folded = content.folded.map(|Folded { offset, length }| Entity {
        offset,
        length,
        kind: EntityKind::ExpandableBlockquote,
    });
    time.into_iter().chain(folded).collect()
}
