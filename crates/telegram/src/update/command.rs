//! The commands the bot knows.

/// Declares the commands: their words, and who is shown them in the menu.
macro_rules! commands {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $audience:ident;)*) => {
        /// A command's name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum CommandName {
            $($(#[$doc])* $variant,)*
            /// Any other.
            Unknown,
        }

        /// Every command: its word, and who is shown it.
        pub const COMMANDS: &[(CommandName, &str, Audience)] =
            &[$((CommandName::$variant, $word, Audience::$audience),)*];
    };
}

/// Who is shown a command in Telegram's menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Nobody: Telegram has a button of its own for it.
    Nobody,
    /// Everybody, in private chats.
    People,
    /// Everybody, in private chats and groups.
    All,
    /// Members of groups.
    Groups,
    /// The bot's own administrators.
    Operators,
}

commands! {
    /// `/start`, which Telegram sends when somebody first opens the chat.
    Start = "start", Nobody;
    /// What the bot can do.
    Help = "help", All;
    /// The language spoken in recordings.
    Language = "language", All;
    /// My requests and where they stand.
    Queue = "queue", People;
    /// Stops all of my requests.
    Cancel = "cancel", People;
    /// What is kept.
    Privacy = "privacy", All;
    /// What is kept about me.
    MyData = "mydata", People;
    /// Erases it.
    Forget = "forget", People;
    /// Transcribes the message that it answers, or under which it stands as the caption.
    Transcribe = "transcribe", Groups;
    /// Whether a group's voice messages are all transcribed.
    Auto = "auto", Groups;
    /// How the bot is doing.
    Stats = "stats", Operators;
    /// Stops transcriptions, goes on accepting.
    Pause = "pause", Operators;
    /// Ends `/pause` and `/drain`.
    Resume = "resume", Operators;
    /// Accepts nothing new.
    Drain = "drain", Operators;
    /// Serves somebody no more.
    Ban = "ban", Operators;
    /// Serves somebody again.
    Unban = "unban", Operators;
    /// Writes to everybody.
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
