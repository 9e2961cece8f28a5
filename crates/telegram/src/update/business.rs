//! Updates about users' own accounts to which the bot is connected (Telegram's "business" updates), read from the Bot API's JSON.

use serde::Deserialize;
use serde::de::IgnoredAny;
use stenobot_domain::{AudioSource, ChatId, MessageId, Timestamp};

use super::json::{Chat, File, User};
use super::{BusinessAudio, BusinessConnection, BusinessDeletion, ChatKind, Content, Ignored, Location};

/// Numbers of deleted messages that are read; Telegram sends a hundred at most.
const MAX_DELETED: usize = 1000;

/// <https://core.telegram.org/bots/api#businessconnection>
#[derive(Deserialize)]
pub(crate) struct ConnectionJson {
    id: String,
    user: User,
    user_chat_id: i64,
    #[serde(default)]
    is_enabled: bool,
}

/// A message in a chat of a connected account.
#[derive(Deserialize)]
pub(super) struct MessageJson {
    business_connection_id: String,
    message_id: i32,
    date: i64,
    chat: Chat,
    from: Option<User>,
    /// Present in what a bot sent in the name of the account.
    sender_business_bot: Option<IgnoredAny>,
    voice: Option<File>,
    audio: Option<File>,
    video_note: Option<File>,
}

/// <https://core.telegram.org/bots/api#businessmessagesdeleted>
#[derive(Deserialize)]
pub(super) struct DeletionJson {
    business_connection_id: String,
    chat: Chat,
    message_ids: Vec<i32>,
}

impl From<ConnectionJson> for BusinessConnection {
    fn from(connection: ConnectionJson) -> Self {
        Self {
            id: connection.id,
            user: connection.user.into(),
            chat: ChatId(connection.user_chat_id),
            is_enabled: connection.is_enabled,
        }
    }
}

impl MessageJson {
    pub(super) fn into_content(self) -> Content {
        let kind = match self.chat.kind() {
            // Connected accounts have private chats only.
            Ok(ChatKind::Group | ChatKind::Channel) => return Content::Ignored(Ignored::Unexpected),
            Ok(kind @ ChatKind::Private) => kind,
            Err(why) => return Content::Ignored(why),
        };
        let from = match self.from {
            Some(from) if from.is_bot => return Content::Ignored(Ignored::Bot),
            Some(_) if self.sender_business_bot.is_some() => return Content::Ignored(Ignored::Bot),
            Some(from) => from.into(),
            None => return Content::Ignored(Ignored::Unreadable),
        };
        let (file, source) = match (self.voice, self.audio, self.video_note) {
            (Some(file), ..) => (file, AudioSource::Voice),
            (_, Some(file), _) => (file, AudioSource::Audio),
            (_, _, Some(file)) => (file, AudioSource::VideoNote),
            (None, None, None) => return Content::Ignored(Ignored::Business),
        };
        let message = MessageId(self.message_id);
        let location = Location { chat: ChatId(self.chat.id), kind, thread: None };
        Content::BusinessAudio(Box::new(BusinessAudio {
            connection: self.business_connection_id,
            sent_at: Timestamp(self.date.saturating_mul(1000)),
            voice: file.into_voice(source, location, message, from),
        }))
    }
}

impl DeletionJson {
    pub(super) fn into_content(self) -> Content {
        let messages = self.message_ids.into_iter().take(MAX_DELETED).map(MessageId).collect();
        Content::BusinessDeletion(BusinessDeletion {
            connection: self.business_connection_id,
            chat: ChatId(self.chat.id),
            messages,
        })
    }
}
