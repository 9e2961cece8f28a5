//! Pressed buttons, read from the Bot API's JSON.

use serde::Deserialize;
use serde_json::value::RawValue;
use stenobot_domain::{ChatId, MessageId, Timestamp};

use super::guest;
use super::json::{Chat, User};
use super::raw;
use super::{Content, Location, Press, Replied, ThreadId};
use crate::action::Action;

/// Buttons of a message that are looked at; Telegram takes no more.
const MAX_BUTTONS: usize = 100;

#[derive(Deserialize)]
pub(super) struct CallbackQuery<'a> {
    id: String,
    from: User,
    /// With nothing but chat and number when it is too old.
    #[serde(borrow)]
    message: Option<Pressed<'a>>,
    /// In place of the message, where the bot has posted it as a guest.
    inline_message_id: Option<String>,
    data: Option<String>,
}

#[derive(Deserialize)]
struct Pressed<'a> {
    message_id: i32,
    message_thread_id: Option<i32>,
    #[serde(default)]
    is_topic_message: bool,
    chat: Chat,
    /// The buttons as Telegram's server knows them; a flaw in them does not cost the press.
    #[serde(borrow)]
    reply_markup: Option<&'a RawValue>,
    /// Read as leniently.
    #[serde(borrow)]
    reply_to_message: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RepliedMessage {
    date: i64,
    audio: Option<NamedFile>,
    video: Option<NamedFile>,
    document: Option<NamedFile>,
}

#[derive(Deserialize)]
struct NamedFile {
    file_name: Option<String>,
}

impl CallbackQuery<'_> {
    pub(super) fn into_content(self) -> Content {
        let action = self.data.as_deref().and_then(Action::parse);
        let message = self.message.as_ref().map(|message| MessageId(message.message_id));
        let buttons = self.message.as_ref().map(Pressed::buttons).unwrap_or_default();
        let replied = self.message.as_ref().and_then(Pressed::replied);
        let location = self.message.and_then(|message| {
            let thread = message.message_thread_id.filter(|_| message.is_topic_message).map(ThreadId::Topic);
            Some(Location { chat: ChatId(message.chat.id), kind: message.chat.kind().ok()?, thread })
        });
        Content::Press(Box::new(Press {
            callback: self.id,
            from: self.from.into(),
            location,
            message,
            inline: self.inline_message_id.and_then(guest::inline_message),
            buttons,
            action,
            replied,
        }))
    }
}

impl Pressed<'_> {
    fn replied(&self) -> Option<Replied> {
        let message: RepliedMessage = serde_json::from_str(self.reply_to_message?.get()).ok()?;
        let file = message.audio.or(message.video).or(message.document);
        let date = Timestamp(message.date.saturating_mul(1000));
        Some(Replied { date, file_name: file.and_then(|file| file.file_name) })
    }

    /// What the buttons under the message are for.
    fn buttons(&self) -> Vec<Action> {
        let data = |button| raw::members(button, ["callback_data"])?[0];
        let action = |button| Action::parse(&serde_json::from_slice::<String>(data(button)?).ok()?);
        let rows = self.reply_markup.and_then(|json| raw::members(json.get().as_bytes(), ["inline_keyboard"])?[0]);
        let rows = rows.map(|rows| raw::elements(rows, MAX_BUTTONS).whole).unwrap_or_default();
        let buttons = rows.into_iter().flat_map(|row| raw::elements(row, MAX_BUTTONS).whole);
        buttons.take(MAX_BUTTONS).filter_map(action).collect()
    }
}
