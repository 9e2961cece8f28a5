//! Chats and messages as the Bot API shows them.

use serde_json::{Value, json};

use super::chat::{Author, Channel, Chat, ChatKind, Content, Message, Origin, Rank};
use super::state::State;

impl State {
    /// The message with the one it answers.
    pub(super) fn show(&self, chat: &Chat, message: &Message, username: &str) -> Value {
        let mut shown = self.show_bare(chat, message, username);
        // In a topic, what answers nothing is shown as an answer to the message that opened the topic.
        let replied = message.reply_to.or(message.topic).filter(|id| *id != message.id);
        if let Some(replied) = replied.and_then(|id| chat.messages.get(&id)) {
            shown["reply_to_message"] = self.show_bare(chat, replied, username);
        }
        if let Some((chat, id)) = message.reply_elsewhere
            && let Some(chat) = self.chats.get(&chat)
            && let Some(replied) = chat.messages.get(&id)
        {
            shown["external_reply"] = self.show_external(chat, replied, username);
        }
        shown
    }

    /// What Telegram tells of an answered message of another chat or topic: who wrote it and its file, but no text. Chat
    /// and number are told of groups and channels only.
    fn show_external(&self, chat: &Chat, replied: &Message, username: &str) -> Value {
        let whole = self.show_bare(chat, replied, username);
        let origin = match (&replied.forwarded, &replied.author) {
            (Some(origin), _) => origin.show(replied.date),
            (None, Author::Person(person)) => Origin::Person(person.clone()).show(replied.date),
            (None, Author::Bot) => json!({ "type": "user", "date": replied.date, "sender_user": whole["from"] }),
            (None, Author::Anonymous) => json!({ "type": "chat", "date": replied.date, "sender_chat": chat.show() }),
            (None, Author::Channel(channel) | Author::LinkedChannel(channel)) => {
                json!({ "type": "chat", "date": replied.date, "sender_chat": channel.show() })
            }
        };
        let mut shown = json!({ "origin": origin });
        if chat.kind != ChatKind::Private {
            shown["chat"] = chat.show();
            shown["message_id"] = json!(replied.id);
        }
        match &replied.content {
            Content::Attachment(attachment) => {
                let field = attachment.media.field();
                shown[field] = whole[field].clone();
            }
            Content::Document { .. } => shown["document"] = whole["document"].clone(),
            Content::Text(_) | Content::Other(_) => {}
        }
        shown
    }

    fn show_bare(&self, chat: &Chat, message: &Message, username: &str) -> Value {
        let mut shown = json!({ "message_id": message.id, "date": message.date, "chat": chat.show() });
        let mut sender_chat = None;
        match &message.author {
            Author::Bot => shown["from"] = self.show_bot(username),
            Author::Person(_) if chat.kind == ChatKind::Channel => sender_chat = Some(chat.show()),
            Author::Person(person) => shown["from"] = person.show(),
            Author::Anonymous => {
                shown["from"] = telegrams_own(1_087_968_824, "Group", "GroupAnonymousBot");
                sender_chat = Some(chat.show());
            }
            Author::Channel(channel) => {
                shown["from"] = telegrams_own(136_817_688, "Channel", "Channel_Bot");
                sender_chat = Some(channel.show());
            }
            Author::LinkedChannel(channel) => {
                shown["from"] = json!({ "id": 777_000, "is_bot": false, "first_name": "Telegram" });
                shown["is_automatic_forward"] = json!(true);
                sender_chat = Some(channel.show());
            }
        }
        if let Some(sender_chat) = sender_chat {
            shown["sender_chat"] = sender_chat;
        }
        match &message.content {
            Content::Text(text) => {
                shown["text"] = json!(text);
                add_entities(&mut shown, "entities", text);
            }
            Content::Document { file_name, bytes, caption } => {
                shown["document"] = json!({
                    "file_id": format!("BQACAgIAAxkD{}", message.id),
                    "file_unique_id": format!("AgADd{}", message.id),
                    "file_name": file_name,
                    "file_size": bytes.len(),
                });
                add_caption(&mut shown, caption);
            }
            Content::Attachment(attachment) => {
                shown[attachment.media.field()] = attachment.show(self.files.get(&attachment.file_id));
                add_caption(&mut shown, &attachment.caption);
                if let Some(album) = &attachment.album {
                    shown["media_group_id"] = json!(album);
                }
            }
            Content::Other(Value::Object(fields)) => {
                for (name, value) in fields {
                    shown[name] = value.clone();
                }
            }
            Content::Other(_) => {}
        }
        if let Some(origin) = &message.forwarded {
            shown["forward_origin"] = origin.show(message.date);
        }
        if !message.edits.is_empty() {
            shown["edit_date"] = json!(message.date);
        }
        if let Some(markup) = &message.markup {
            shown["reply_markup"] = markup.clone();
        }
        if let Some(topic) = message.topic {
            shown["message_thread_id"] = json!(topic);
            shown["is_topic_message"] = json!(true);
        } else if chat.kind == ChatKind::Group && chat.topics.is_empty() && message.reply_to.is_some() {
            // A thread of replies has an id too, which is no topic to write to.
            shown["message_thread_id"] = json!(chat.first_of_thread(message).id);
        }
        shown
    }

    pub(super) fn show_bot(&self, username: &str) -> Value {
        json!({ "id": self.bot, "is_bot": true, "first_name": "Stenobot", "username": username })
    }
}

impl Chat {
    pub(super) fn show(&self) -> Value {
        match self.kind {
            ChatKind::Private => json!({ "id": self.id, "type": "private", "first_name": self.title }),
            ChatKind::Group => {
                let kind = if self.basic { "group" } else { "supergroup" };
                let mut shown = json!({ "id": self.id, "type": kind, "title": self.title });
                if !self.topics.is_empty() {
                    shown["is_forum"] = json!(true);
                }
                shown
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

    /// How the bot stands to this chat.
    pub(super) fn show_bot(&self, bot: Value) -> Value {
        if self.silenced && !self.blocked && self.bot == Rank::Member {
            return json!({ "status": "restricted", "user": bot, "is_member": true, "can_send_messages": false, "until_date": 0 });
        }
        Self::show_member(bot, self.bot, self.blocked)
    }

    /// How `user` stands to this chat; `blocked` when they turned it away or were turned away.
    pub(super) fn show_member(user: Value, rank: Rank, blocked: bool) -> Value {
        if blocked {
            return json!({ "status": "kicked", "user": user, "until_date": 0 });
        }
        match rank {
            Rank::Owner => json!({ "status": "creator", "user": user, "is_anonymous": false }),
            Rank::Administrator => {
                let mut shown = json!({ "status": "administrator", "user": user });
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
                    shown[right] = json!(false);
                }
                for right in ["can_manage_chat", "can_delete_messages", "can_manage_video_chats", "can_invite_users"] {
                    shown[right] = json!(true);
                }
                shown
            }
            Rank::Member => json!({ "status": "member", "user": user }),
            Rank::Left => json!({ "status": "left", "user": user }),
        }
    }
}

impl Channel {
    fn show(&self) -> Value {
        json!({ "id": self.id, "type": "channel", "title": self.title })
    }
}

impl Origin {
    fn show(&self, date: i64) -> Value {
        match self {
            Self::Person(person) => json!({ "type": "user", "date": date, "sender_user": person.show() }),
            Self::Hidden(name) => json!({ "type": "hidden_user", "date": date, "sender_user_name": name }),
            Self::Channel(channel, post) => {
                json!({ "type": "channel", "date": date, "chat": channel.show(), "message_id": post })
            }
        }
    }
}

fn telegrams_own(id: i64, name: &str, username: &str) -> Value {
    json!({ "id": id, "is_bot": true, "first_name": name, "username": username })
}

fn add_caption(shown: &mut Value, caption: &str) {
    if !caption.is_empty() {
        shown["caption"] = json!(caption);
        add_entities(shown, "caption_entities", caption);
    }
}

fn add_entities(shown: &mut Value, field: &str, text: &str) {
    let entities: Vec<Value> = entities(text)
        .into_iter()
        .map(|entity| {
            let length = entity.text.encode_utf16().count();
            json!({ "type": entity.kind, "offset": entity.offset, "length": length })
        })
        .collect();
    if !entities.is_empty() {
        shown[field] = json!(entities);
    }
}

/// A command or a mention in a text.
pub(super) struct Entity<'a> {
    pub(super) kind: &'static str,
    /// In UTF-16 units.
    offset: usize,
    pub(super) text: &'a str,
}

/// Finds commands and mentions, each a word of its own.
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
