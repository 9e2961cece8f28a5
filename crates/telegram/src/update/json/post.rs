//! Posts of channels, their copies in linked groups, and direct messages of channels.

use serde::Deserialize;
use stenobot_domain::{AudioSource, ChatId, MessageId, UserId};

use super::super::command::Identity;
use super::super::{ChatKind, Command, Content, Discussion, Ignored, Location, Sender, ThreadId, VoiceMessage};
use super::{Chat, MAX_ARGUMENT_LENGTH, Message, is_ours};

/// Origin of a message that was published by a channel.
#[derive(Deserialize)]
struct ChannelOrigin {
    chat: Chat,
    message_id: i32,
}

#[derive(Deserialize)]
struct DirectTopic {
    topic_id: i64,
}

impl Message<'_> {
    /// A post of a channel: a voice message, or a command of its administrators, who alone can post. What is forwarded keeps the
    /// caption of its author.
    pub(super) fn into_post(mut self, bot: Identity<'_>) -> Content {
        if self.chat.kind() != Ok(ChatKind::Channel) {
            return Content::Ignored(Ignored::Channel);
        }
        let from = Sender {
            id: UserId(self.chat.id),
            username: self.chat.username.take(),
            first_name: self.chat.title.take().unwrap_or_default(),
            last_name: None,
            language_code: None,
            anonymous_admin: true,
        };
        let location = Location { chat: ChatId(self.chat.id), kind: ChatKind::Channel, thread: None };
        let (message, own_words) = (MessageId(self.message_id), self.has_own_words());
        let has_free_caption = own_words && self.caption.as_deref().is_none_or(|caption| caption.trim().is_empty());
        if let Some(file) = self.voice.take() {
            let voice = file.into_voice(AudioSource::Voice, location, message, from);
            return Content::Voice(Box::new(VoiceMessage { file_name: None, has_free_caption, ..voice }));
        }
        let text = self.text.take().filter(|_| own_words);
        let spoken = text.as_deref().and_then(|text| bot.parse(text));
        match spoken.filter(|spoken| spoken.name.is_some() && is_ours(spoken, ChatKind::Channel, bot.me)) {
            None => Content::Ignored(Ignored::Channel),
            Some(spoken) => {
                let argument = spoken.argument.chars().take(MAX_ARGUMENT_LENGTH).collect();
                let name = spoken.name;
                Content::Command(Box::new(Command { location, message, from, name, argument }))
            }
        }
    }

    /// The topic of the message.
    pub(super) fn thread(&self) -> Option<ThreadId> {
        let direct = self.direct_messages_topic.and_then(|json| serde_json::from_str::<DirectTopic>(json.get()).ok());
        let topic = self.message_thread_id.filter(|_| self.is_topic_message).map(ThreadId::Topic);
        direct.map(|topic| ThreadId::Direct(topic.topic_id)).or(topic)
    }

    /// The post of which this is the copy in the linked group.
    pub(super) fn discussion(&self) -> Option<Discussion> {
        let origin: ChannelOrigin =
            serde_json::from_str(self.forward_origin.filter(|_| self.is_automatic_forward)?.get()).ok()?;
        Some(Discussion {
            channel: ChatId(origin.chat.id),
            post: MessageId(origin.message_id),
            group: ChatId(self.chat.id),
            message: MessageId(self.message_id),
        })
    }
}
