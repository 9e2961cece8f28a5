//! The bot's commands.

/// Declares the commands: their words, and in whose menu they are.
macro_rules! commands {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $audience:ident;)*) => {
        /// Name of a command.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum CommandName {
            $($(#[$doc])* $variant,)*
            /// Any other.
            Unknown,
        }

        /// All commands: name, word, audience.
        pub const COMMANDS: &[(CommandName, &str, Audience)] =
            &[$((CommandName::$variant, $word, Audience::$audience),)*];
    };
}

/// Who is shown a command in Telegram's menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// In no menu: Telegram has a button of its own for it.
    Nobody,
    /// Private chats.
    People,
    /// Private chats and groups.
    All,
    /// Groups.
    Groups,
    /// Private chats of operators.
    Operators,
}

commands! {
    /// `/start`, which Telegram sends when a user first opens the chat.
    Start = "start", Nobody;
    /// What the bot can do.
    Help = "help", All;
    /// The language spoken in recordings.
    Language = "language", All;
    /// The user's requests and their positions.
    Queue = "queue", People;
    /// Cancels all requests of the user.
    Cancel = "cancel", People;
    /// Which data is stored.
    Privacy = "privacy", All;
    /// The user's stored data.
    MyData = "mydata", People;
    /// Erases the user's stored data.
    Forget = "forget", People;
    /// Transcribes the message that it answers, or under which it stands as the caption.
    Transcribe = "transcribe", Groups;
    /// Whether a group's voice messages are all transcribed.
    Auto = "auto", Groups;
    /// Statistics.
    Stats = "stats", Operators;
    /// Pauses transcriptions; messages are still accepted.
    Pause = "pause", Operators;
    /// Ends `/pause` and `/drain`.
    Resume = "resume", Operators;
    /// Accepts nothing new and finishes what waits.
    Drain = "drain", Operators;
    /// Bans a user or chat.
    Ban = "ban", Operators;
    /// Lifts a ban.
    Unban = "unban", Operators;
    /// Sends a message to all users.
    Broadcast = "broadcast", Operators;
}

/// A text that begins with a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spoken<'a> {
    pub(super) name: CommandName,
    /// The bot it is meant for, where it says so.
    pub(super) bot: Option<&'a str>,
    pub(super) argument: &'a str,
}

/// The command a text begins with, such as `/start`, `/ban 7`, `/help@our_bot`.
pub(super) fn parse(text: &str) -> Option<Spoken<'_>> {
    let rest = text.strip_prefix('/')?;
    let (word, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let (word, bot) = word.split_once('@').map_or((word, None), |(word, bot)| (word, Some(bot)));
    let found = COMMANDS.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(word));
    let name = found.map_or(CommandName::Unknown, |(name, _, _)| *name);
    Some(Spoken { name, bot, argument: argument.trim() })
}
