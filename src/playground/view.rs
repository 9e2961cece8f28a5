//! A chat as the page shows it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use stenobot_domain::{ChatId, MessageId};
use stenobot_simulator::server::{Attachment, Author, Chat, Content, MenuEntry, Message, State, keyboard};

/// Maximum number of messages on a page; older ones are left out.
const MAX_MESSAGES: usize = 300;
/// Maximum length of a quotation in characters.
const MAX_QUOTE: usize = 80;

/// A message.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Shown {
    id: MessageId,
    /// Written by the user, not by the bot.
    mine: bool,
    /// Unix time in seconds.
    date: i64,
    edited: bool,
    text: Option<String>,
    /// The folded part, in UTF-16 units as JavaScript counts.
    folded: Option<[usize; 2]>,
    /// The part in place of which a time is shown, in UTF-16 units, and the time in seconds since the Unix epoch.
    time: Option<(usize, usize, i32)>,
    /// The underlined parts of the text, in UTF-16 units.
    underlined: Vec<[usize; 2]>,
    quote: Option<Quote>,
    file: Option<File>,
    /// The bot's reaction; empty for none.
    reaction: String,
    buttons: Vec<Vec<Button>>,
}

impl Shown {
    pub(super) fn id(&self) -> MessageId {
        self.id
    }
}

/// The message that is replied to.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Quote {
    id: MessageId,
    mine: bool,
    text: Option<String>,
    file: Option<File>,
}

/// A file in a message.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct File {
    /// Field name in the Bot API, such as `voice`.
    kind: &'static str,
    name: Option<String>,
    /// Claimed length.
    seconds: u64,
    bytes: Option<usize>,
}

/// A button below a message.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Button {
    label: String,
    /// Callback data; `None` for buttons that open a web page.
    data: Option<String>,
    /// The text that it copies.
    copies: Option<String>,
}

/// An entry of the command menu.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Command {
    /// Without the slash.
    command: String,
    description: String,
}

/// The newest messages of a chat, without deleted ones.
pub(super) fn messages(chat: Option<&Chat>) -> BTreeMap<MessageId, Shown> {
    let Some(chat) = chat else { return BTreeMap::new() };
    let standing = chat.messages.values().rev().filter(|message| message.deleted.is_none()).take(MAX_MESSAGES);
    standing.map(|message| (message.id, shown(message, &chat.messages))).collect()
}

fn shown(message: &Message, others: &BTreeMap<MessageId, Message>) -> Shown {
    let (text, file) = text_and_file(&message.content);
    let quote = message.reply_to.and_then(|id| others.get(&id)).map(|quoted| {
        let (text, file) = text_and_file(&quoted.content);
        Quote { id: quoted.id, mine: is_mine(quoted), text: text.map(|text| quote_text(&text)), file }
    });
    let units = |text: &str, end: usize| text[..end].encode_utf16().count();
    let spoken = message.content.text().unwrap_or_default();
    let folded = message.decoration.folded.as_ref();
    let folded = folded.map(|range| [units(spoken, range.start), units(spoken, range.end)]);
    let time = message.decoration.time.as_ref();
    let time = time.map(|(range, unix_time)| (units(spoken, range.start), units(spoken, range.end), *unix_time));
    let underlined = message.decoration.underlined.iter();
    let underlined = underlined.map(|range| [units(spoken, range.start), units(spoken, range.end)]).collect();
    Shown {
        id: message.id,
        mine: is_mine(message),
        date: message.date,
        edited: !message.edits.is_empty(),
        text,
        folded,
        time,
        underlined,
        quote,
        file,
        reaction: message.reaction().to_owned(),
        buttons: message.markup.as_ref().map(buttons).unwrap_or_default(),
    }
}

fn is_mine(message: &Message) -> bool {
    match message.author {
        Author::Bot => false,
        Author::User(_) | Author::Anonymous | Author::Channel(_) | Author::LinkedChannel(_) => true,
    }
}

fn text_and_file(content: &Content) -> (Option<String>, Option<File>) {
    match content {
        Content::Text(text) => (Some(text.clone()), None),
        Content::Document { file_name, bytes, caption } => {
            let file = File { kind: "document", name: Some(file_name.clone()), seconds: 0, bytes: Some(bytes.len()) };
            (Some(caption.clone()).filter(|caption| !caption.is_empty()), Some(file))
        }
        Content::Attachment(attachment) => {
            (Some(attachment.caption.clone()).filter(|caption| !caption.is_empty()), Some(file(attachment)))
        }
        Content::Other(_) => (None, None),
    }
}

fn file(attachment: &Attachment) -> File {
    File {
        kind: attachment.media.field(),
        name: attachment.file_name.clone(),
        seconds: attachment.duration.as_secs(),
        bytes: None,
    }
}

fn quote_text(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(MAX_QUOTE).collect()
}

fn buttons(markup: &Value) -> Vec<Vec<Button>> {
    let button = |button: keyboard::Button| Button {
        label: button.label,
        data: Some(button.data).filter(|data| !data.is_empty()),
        copies: button.copies,
    };
    keyboard::rows(markup).into_iter().map(|row| row.into_iter().map(button).collect()).collect()
}

/// The command menu that the bot has set for a user; empty before.
pub(super) fn menu(state: &State, chat: ChatId, language: &str) -> Vec<Command> {
    let entry = |entry: &MenuEntry| Command { command: entry.command.clone(), description: entry.description.clone() };
    state.menu(chat, language).iter().map(entry).collect()
}
