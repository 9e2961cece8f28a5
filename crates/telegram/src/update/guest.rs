//! Calls of the bot in chats that it is not in, read from the Bot API's JSON.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use stenobot_domain::{ChatId, GuestQueryId, InlineMessageId, MessageId};

use super::json::{Media, User};
use super::{AskedBy, ChatKind, Content, GuestQuery, Ignored, Location, Sender, VoiceMessage};

/// Longest id that is kept, in bytes. The documentation names no limit; Telegram's have some 60.
const MAX_ID_LENGTH: usize = 256;

/// A message that names the bot; not one of the bot's chats. <https://core.telegram.org/bots/api#message>
#[derive(Deserialize)]
pub(super) struct GuestJson<'a> {
    guest_query_id: String,
    message_id: i32,
    from: Option<User>,
    /// Of a message in the name of a chat, whose private chat with the bot there cannot be.
    sender_chat: Option<IgnoredAny>,
    /// Read as leniently as in other messages.
    #[serde(borrow)]
    reply_to_message: Option<&'a RawValue>,
    #[serde(borrow)]
    external_reply: Option<&'a RawValue>,
}

impl GuestJson<'_> {
    /// `json` is the message itself.
    pub(super) fn into_content(self, json: &[u8]) -> Content {
        let from: Sender = match self.from {
            Some(from) if from.is_bot => return Content::Ignored(Ignored::Bot),
            Some(_) if self.sender_chat.is_some() => return Content::Ignored(Ignored::Unexpected),
            Some(from) => from.into(),
            None => return Content::Ignored(Ignored::Unreadable),
        };
        let Some(query) = id(self.guest_query_id) else { return Content::Ignored(Ignored::Unreadable) };
        // As in a group: a document counts only if it says that it is sound.
        let sound = |json: &[u8]| serde_json::from_slice::<Media>(json).ok()?.sound(ChatKind::Group);
        let replied = |message: Option<&RawValue>| sound(message?.get().as_bytes());
        let sound = sound(json).or_else(|| replied(self.reply_to_message)).or_else(|| replied(self.external_reply));
        let message = MessageId(self.message_id);
        let location = Location { chat: ChatId(from.id.0), kind: ChatKind::Private, thread: None };
        let voice = sound.map(|(file, source, _)| VoiceMessage {
            asked_by: AskedBy::User,
            ..file.into_voice(source, location, message, from.clone())
        });
        Content::Guest(Box::new(GuestQuery { query: GuestQueryId(query), from, voice }))
    }
}

/// The id of a message that the bot has posted as a guest.
pub(super) fn inline_message(named: String) -> Option<InlineMessageId> {
    id(named).map(InlineMessageId)
}

fn id(named: String) -> Option<String> {
    Some(named).filter(|id| (1..=MAX_ID_LENGTH).contains(&id.len()))
}
