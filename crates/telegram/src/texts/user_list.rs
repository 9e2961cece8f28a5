//! Lists of the users who are banned, or were invited.

use super::{Renderer, number};
use crate::split::MESSAGE_UNITS;

/// A line of such a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanEntry {
    /// Of a user, a group or a channel.
    pub id: i64,
    /// Names as Telegram gave them; empty where they are not known.
    pub name: String,
    /// The day of the ban or of the invitation, `2026-11-24`.
    pub since: String,
}

/// One line for each entry, as many as fit one message, and the number of the others.
pub(super) fn user_list(
    renderer: &Renderer<'_>,
    (heading, hint): (&str, &str),
    entries: &[BanEntry],
    total: u64,
) -> String {
    let units = |text: &str| text.encode_utf16().count();
    let heading = renderer.format(heading, [("count", number(total))]) + "\n";
    let footer = |more: u64| {
        let hint = renderer.text(hint);
        match more {
            0 => format!("\n\n{hint}"),
            more => format!("\n{}\n\n{hint}", renderer.format("banned-more", [("count", number(more))])),
        }
    };
    let mut text = heading;
    let mut shown = 0;
    for BanEntry { id, name, since } in entries {
        // A name may hold line breaks.
        let words = [id.to_string(), name.split_whitespace().collect::<Vec<_>>().join(" "), since.clone()];
        let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
        let line = format!("\n{}", words.join(" · "));
        if units(&text) + units(&line) + units(&footer(total)) > MESSAGE_UNITS {
            break;
        }
        text += &line;
        shown += 1;
    }
    text + &footer(total.saturating_sub(shown))
}
