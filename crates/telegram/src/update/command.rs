//! Commands in the text of messages.

use super::super::client::Me;

/// Transcribes the message that it replies to, or whose caption it is. The only command that has a meaning here.
pub const TRANSCRIBE: &str = "transcribe";

/// What must be known of the bot to read updates.
#[derive(Debug, Clone, Copy, Default)]
pub struct Identity<'a> {
    /// The bot's account, once it is known.
    pub me: Option<&'a Me>,
    /// The names of its commands, lower case and without `/`.
    pub commands: &'a [&'static str],
}

/// A text that begins with a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spoken<'a> {
    /// One of the bot's commands, or `None` for any other.
    pub(super) name: Option<&'static str>,
    /// The bot it is meant for, where it says so.
    pub(super) bot: Option<&'a str>,
    pub(super) argument: &'a str,
}

impl Identity<'_> {
    /// The command a text begins with, such as `/start`, `/ban 7`, `/help@our_bot`.
    pub(super) fn parse<'a>(&self, text: &'a str) -> Option<Spoken<'a>> {
        let rest = text.strip_prefix('/')?;
        let (word, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let (word, bot) = word.split_once('@').map_or((word, None), |(word, bot)| (word, Some(bot)));
        let name = self.commands.iter().find(|known| known.eq_ignore_ascii_case(word)).copied();
        Some(Spoken { name, bot, argument: argument.trim() })
    }
}
