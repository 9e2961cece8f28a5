//! The JSON forms of chats, members and messages.

use serde_json::{Value, json};

use super::chat::{Author, Channel, Chat, ChatKind, Content, MemberStatus, Message, Origin};
use super::state::State;

impl State {
    /// A message, with the message that it replies to.
    pub(super) fn to_json(&self, chat: &Chat, message: &Message, username: &str) -> Value {
        let mut json = self.message_json(chat, message, username);
        // In a topic, a message that replies to nothing is shown as a reply to the message that opened the topic.
        let replied = message.reply_to.or(message.topic).filter(|id| *id != message.id);
        if let Some(replied) = replied.and_then(|id| chat.messages.get(&id)) {
            json["reply_to_message"] = self.message_json(chat, replied, username);
        }
        if let Some((chat, id)) = message.reply_elsewhere
            && let Some(chat) = self.chats.get(&chat)
            && let Some(replied) = chat.messages.get(&id)
        {
            json["external_reply"] = self.external_reply_json(chat, replied, username);
        }
        json
    }

    /// `external_reply`, for a reply to a message of another chat or topic: author and file, but no text. Chat and message id
    /// are given for groups and channels only.
    fn external_reply_json(&self, chat: &Chat, replied: &Message, username: &str) -> Value {
        let whole = self.message_json(chat, replied, username);
        let origin = match (&replied.forwarded, &replied.author) {
            (Some(origin), _) => origin.to_json(replied.date),
            (None, Author::User(user)) => Origin::User(user.clone()).to_json(replied.date),
            (None, Author::Bot) => json!({ "type": "user", "date": replied.date, "sender_user": whole["from"] }),
            (None, Author::Anonymous) => json!({ "type": "chat", "date": replied.date, "sender_chat": chat.to_json() }),
            (None, Author::Channel(channel) | Author::LinkedChannel(channel)) => {
                json!({ "type": "chat", "date": replied.date, "sender_chat": channel.to_json() })
            }
        };
        let mut json = json!({ "origin": origin });
        if chat.kind != ChatKind::Private {
            json["chat"] = chat.to_json();
            json["message_id"] = json!(replied.id);
        }
        match &replied.content {
            Content::Attachment(attachment) => {
                let field = attachment.media.field();
                json[field] = whole[field].clone();
            }
            Content::Document { .. } => json["document"] = whole["document"].clone(),
            Content::Text(_) | Content::Other(_) => {}
        }
        json
    }

    fn message_json(&self, chat: &Chat, message: &Message, username: &str) -> Value {
        let mut json = json!({ "message_id": message.id, "date": message.date, "chat": chat.to_json() });
        let mut sender_chat = None;
        match &message.author {
            Author::Bot => json["from"] = self.bot_json(username),
            Author::User(_) if chat.kind == ChatKind::Channel => sender_chat = Some(chat.to_json()),
            Author::User(user) => json["from"] = user.to_json(),
            Author::Anonymous => {
                json["from"] = placeholder_sender(1_087_968_824, "Group", "GroupAnonymousBot");
                sender_chat = Some(chat.to_json());
            }
            Author::Channel(channel) => {
                json["from"] = placeholder_sender(136_817_688, "Channel", "Channel_Bot");
                sender_chat = Some(channel.to_json());
            }
            Author::LinkedChannel(channel) => {
                json["from"] = json!({ "id": 777_000, "is_bot": false, "first_name": "Telegram" });
                json["is_automatic_forward"] = json!(true);
                sender_chat = Some(channel.to_json());
            }
        }
        if let Some(sender_chat) = sender_chat {
            json["sender_chat"] = sender_chat;
        }
        match &message.content {
            Content::Text(text) => {
                json["text"] = json!(text);
                add_entities(&mut json, "entities", text);
                let given = message.decoration.to_json(text);
                match json.get_mut("entities") {
                    Some(Value::Array(entities)) => entities.extend(given),
                    Some(_) | None if !given.is_empty() => json["entities"] = given.into(),
                    _ => {}
                }
            }
            Content::Document { file_name, bytes, caption } => {
                json["document"] = json!({
                    "file_id": format!("BQACAgIAAxkD{}", message.id),
                    "file_unique_id": format!("AgADd{}", message.id),
                    "file_name": file_name,
                    "file_size": bytes.len(),
                });
                add_caption(&mut json, caption);
            }
            Content::Attachment(attachment) => {
                json[attachment.media.field()] = attachment.to_json(self.files.get(&attachment.file_id));
                add_caption(&mut json, &attachment.caption);
                if let Some(album) = &attachment.album {
                    json["media_group_id"] = json!(album);
                }
            }
            Content::Other(Value::Object(fields)) => {
                for (name, value) in fields {
                    json[name] = value.clone();
                }
            }
            Content::Other(_) => {}
        }
        if let Some(origin) = &message.forwarded {
            json["forward_origin"] = origin.to_json(message.date);
        }
        if !message.edits.is_empty() {
            json["edit_date"] = json!(message.date);
        }
        if let Some(markup) = &message.markup {
            json["reply_markup"] = markup.clone();
        }
        if let Some(topic) = message.direct_topic {
            json["direct_messages_topic"] = json!({ "topic_id": topic });
        }
        if let Some(topic) = message.topic {
            json["message_thread_id"] = json!(topic);
            json["is_topic_message"] = json!(true);
        } else if chat.kind == ChatKind::Group && chat.topics.is_empty() && message.reply_to.is_some() {
            // A thread of replies has an id too, but is no topic to send to.
            json["message_thread_id"] = json!(chat.first_of_thread(message).id);
        }
        json
    }

    pub(super) fn bot_json(&self, username: &str) -> Value {
        json!({ "id": self.bot, "is_bot": true, "first_name": "Stenobot", "username": username })
    }
}

impl Chat {
    pub(super) fn to_json(&self) -> Value {
        match self.kind {
            ChatKind::Private => json!({ "id": self.id, "type": "private", "first_name": self.title }),
            ChatKind::Group => {
                let kind = if self.basic { "group" } else { "supergroup" };
                let mut json = json!({ "id": self.id, "type": kind, "title": self.title });
                if self.is_direct {
                    json["is_direct_messages"] = json!(true);
                }
                if !self.topics.is_empty() {
                    json["is_forum"] = json!(true);
                }
                json
            }
            ChatKind::Channel => json!({ "id": self.id, "type": "channel", "title": self.title }),
        }
    }

    fn first_of_thread<'a>(&'a self, message: &'a Message) -> &'a Message {
        let mut first = message;
        while let Some(replied) = first.reply_to.and_then(|id| self.messages.get(&id)) {
            first = replied;
        }
        first
    }

    /// The bot's `ChatMember` in this chat.
    pub(super) fn bot_json(&self, bot: Value) -> Value {
        if self.restricted && !self.blocked && self.bot == MemberStatus::Member {
            return json!({ "status": "restricted", "user": bot, "is_member": true, "can_send_messages": false, "until_date": 0 });
        }
        let mut json = Self::member_json(bot, self.bot, self.blocked);
        if self.kind == ChatKind::Channel && self.bot == MemberStatus::Administrator && !self.blocked {
            json["can_post_messages"] = json!(true);
            json["can_edit_messages"] = json!(self.may_edit_posts);
        }
        json
    }

    /// A `ChatMember`; `blocked` for a user who blocked the bot, or a bot that was banned.
    pub(super) fn member_json(user: Value, status: MemberStatus, blocked: bool) -> Value {
        if blocked {
            return json!({ "status": "kicked", "user": user, "until_date": 0 });
        }
        match status {
            MemberStatus::Owner => json!({ "status": "creator", "user": user, "is_anonymous": false }),
            MemberStatus::Administrator => {
                let mut json = json!({ "status": "administrator", "user": user });
                for right in [
                    "can_be_edited",
                    "is_anonymous",
                    "can_promote_members",
                    "can_change_info",
                    "can_restrict_members",
                    "can_post_stories",
                    "can_edit_stories",
                    "can_delete_stories",
                    "can_pin_messages",
                    "can_manage_topics",
                ] {
                    json[right] = json!(false);
                }
                for right in ["can_manage_chat", "can_delete_messages", "can_manage_video_chats", "can_invite_users"] {
                    json[right] = json!(true);
                }
                json
            }
            MemberStatus::Member => json!({ "status": "member", "user": user }),
            MemberStatus::Left => json!({ "status": "left", "user": user }),
        }
    }
}

impl Channel {
    fn to_json(&self) -> Value {
        json!({ "id": self.id, "type": "channel", "title": self.title })
    }
}

impl Origin {
    fn to_json(&self, date: i64) -> Value {
        match self {
            Self::User(user) => json!({ "type": "user", "date": date, "sender_user": user.to_json() }),
            Self::Hidden(name) => json!({ "type": "hidden_user", "date": date, "sender_user_name": name }),
            Self::Channel(channel, post) => {
                json!({ "type": "channel", "date": date, "chat": channel.to_json(), "message_id": post })
            }
        }
    }
}

fn placeholder_sender(id: i64, name: &str, username: &str) -> Value {
    json!({ "id": id, "is_bot": true, "first_name": name, "username": username })
}

fn add_caption(json: &mut Value, caption: &str) {
    if !caption.is_empty() {
        json["caption"] = json!(caption);
        add_entities(json, "caption_entities", caption);
    }
}

fn add_entities(json: &mut Value, field: &str, text: &str) {
    let entities: Vec<Value> = entities(text)
        .into_iter()
        .map(|entity| {
            let length = entity.text.encode_utf16().count();
            json!({ "type": entity.kind, "offset": entity.offset, "length": length })
        })
        .collect();
    if !entities.is_empty() {
        json[field] = json!(entities);
    }
}

/// A command or a mention in a text.
pub(super) struct Entity<'a> {
    pub(super) kind: &'static str,
    /// In UTF-16 units.
    offset: usize,
    pub(super) text: &'a str,
}

/// Finds commands and mentions that stand at the start of a word.
pub(super) fn entities(text: &str) -> Vec<Entity<'_>> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut before = ' ';
    for (at, sign) in text.char_indices() {
        let starts = !(before.is_alphanumeric() || before == '_' || before == '/' || before == '@');
        before = sign;
        let kind = match sign {
            '/' if starts => "bot_command",
            '@' if starts => "mention",
            _ => continue,
        };
        let rest = &text[at + 1..];
        let mut end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if end == 0 {
            continue;
        }
        if let Some(name) = rest[end..].strip_prefix('@').filter(|_| kind == "bot_command") {
            end += 1 + name.find(|c| !is_word(c)).unwrap_or(name.len());
        }
        let offset = text[..at].encode_utf16().count();
        found.push(Entity { kind, offset, text: &text[at..at + 1 + end] });
    }
    found
}
