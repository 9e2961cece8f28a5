//! The reply to /mydata, and the languages of a chat by name.

use std::time::Duration;

use super::super::{Renderer, number};
use super::with_line;

/// What a chat has chosen for its recordings, by native names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChosenLanguages {
    /// The language is detected.
    None,
    /// This language.
    One(String),
    /// The language is detected among these, separated by commas.
    Several(String),
}

/// Stored data of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MyData {
    /// First and last name, as Telegram gave them.
    pub name: String,
    /// With `@`, where there is one.
    pub username: Option<String>,
    /// Telegram's user id.
    pub id: i64,
    /// The day of the first message, `2026-11-24`.
    pub since: String,
    /// Messages sent.
    pub requests: u64,
    /// Texts received, those of stopped requests not counted.
    pub answered: u64,
    /// Texts of requests that the user has stopped.
    pub stopped: u64,
    /// Total length of the recordings.
    pub audio: Duration,
    /// The day on which an invitation was accepted.
    pub invited: Option<String>,
    /// Set for the private chat.
    pub language: ChosenLanguages,
    /// Native names of the languages of the latest recordings, each with the number of recordings.
    pub recognised: Vec<(String, u32)>,
    /// Whether the bot is connected to the user's own account.
    pub is_connected: bool,
}

pub(super) fn render(renderer: &Renderer<'_>, data: &MyData) -> String {
    let text = renderer.format(
        "my-data",
        [
            (
                "name",
                [Some(data.name.clone()), data.username.clone()]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join(" ")
                    .into(),
            ),
            ("id", data.id.to_string().into()),
            ("since", data.since.clone().into()),
            ("requests", number(data.requests)),
            ("answered", number(data.answered)),
            ("stopped", number(data.stopped)),
            ("audio", renderer.span(data.audio)),
            (
                "language",
                match &data.language {
                    ChosenLanguages::None => renderer.text("language-detected"),
                    ChosenLanguages::One(names) | ChosenLanguages::Several(names) => names.clone(),
                }
                .into(),
            ),
            (
                "recognised",
                match data.recognised.as_slice() {
                    [] => "—".to_owned(),
                    languages => languages
                        .iter()
                        .map(|(name, recordings)| format!("{name} ({recordings})"))
                        .collect::<Vec<_>>()
                        .join(", "),
                }
                .into(),
            ),
        ],
    );
    let text = with_line(text, data.is_connected.then(|| renderer.text("my-data-business")));
    let invited = data.invited.clone();
    with_line(text, invited.map(|day| renderer.format("my-data-invited", [("since", day.into())])))
}
