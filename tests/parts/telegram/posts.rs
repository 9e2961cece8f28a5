//! Posts of channels, their copies in linked groups, and direct messages of channels.

use serde_json::{Value, json};
use stenobot_domain::{ChatId, MessageId, ThreadId, UserId};
use stenobot_telegram::{Access, AskedBy, ChatKind, Content, Discussion, Ignored, Location};

use super::updates::{in_group, read_one, voice};

const CHANNEL: i64 = -1_007;

/// A post of a channel with more fields.
fn post(more: Value) -> Value {
    let channel = json!({"id": CHANNEL, "type": "channel", "title": "News"});
    let mut post = json!({"message_id": 12, "date": 1_764_000_000, "chat": channel, "sender_chat": channel});
    post.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    post
}

#[tokio::test]
async fn a_voice_post_is_the_channel_s_and_takes_a_caption_unless_it_has_one() {
    let origin = json!({"type": "hidden_user", "date": 1_764_000_000, "sender_user_name": "A"});
    for (more, is_free) in [
        (json!({"voice": voice()}), true),
        (json!({"voice": voice(), "caption": "  "}), true),
        (json!({"voice": voice(), "caption": "Listen"}), false),
        (json!({"voice": voice(), "forward_origin": origin}), false),
    ] {
        let Content::Voice(read) = read_one("channel_post", post(more.clone())).await else { panic!("{more}") };
        let location = Location { chat: ChatId(CHANNEL), kind: ChatKind::Channel, thread: None };
        assert_eq!((read.location, read.from.id, read.message), (location, UserId(CHANNEL), MessageId(12)));
        assert_eq!((read.asked_by, read.has_free_caption), (AskedBy::Itself, is_free), "{more}");
    }
}

#[tokio::test]
async fn of_other_posts_only_commands_count() {
    let file = json!({"file_id": "f", "file_unique_id": "u", "duration": 3});
    for more in [
        json!({"text": "News"}),
        json!({"text": "/nonsense"}),
        json!({"text": "/auto@other_bot on"}),
        json!({"text": "/auto on", "forward_origin": {"type": "channel"}}),
        json!({"video": file, "caption": "/auto on"}),
        json!({"audio": file}),
    ] {
        assert_eq!(read_one("channel_post", post(more.clone())).await, Content::Ignored(Ignored::Channel), "{more}");
    }
    let Content::Command(command) = read_one("channel_post", post(json!({"text": "/auto on"}))).await else { panic!() };
    assert_eq!((command.name, command.argument.as_str(), command.from.id), (Some("auto"), "on", UserId(CHANNEL)));
}

#[tokio::test]
async fn the_copy_of_a_post_in_the_linked_group_names_the_post() {
    let channel = json!({"id": CHANNEL, "type": "channel", "title": "News"});
    let origin = |fields: Value| {
        in_group(
            json!({"voice": voice(), "is_automatic_forward": true, "sender_chat": channel, "forward_origin": fields}),
        )
    };
    let whole = origin(json!({"type": "channel", "date": 1, "chat": channel, "message_id": 12}));
    let Content::Discussion(read) = read_one("message", whole.clone()).await else { panic!() };
    let group = ChatId(whole["chat"]["id"].as_i64().unwrap());
    let wanted = Discussion { channel: ChatId(CHANNEL), post: MessageId(12), group, message: MessageId(90) };
    assert_eq!(read, wanted);
    // A flaw in the origin costs the comment only.
    for flawed in [json!({"type": "channel"}), json!("nothing")] {
        assert_eq!(read_one("message", origin(flawed)).await, Content::Ignored(Ignored::Group));
    }
}

#[tokio::test]
async fn a_direct_message_to_a_channel_has_its_topic() {
    for (topic, wanted) in [
        (json!({"topic_id": 5_111_222_333_i64, "user": {"id": 1}}), Some(ThreadId::Direct(5_111_222_333))),
        (json!("flawed"), None),
    ] {
        let message = in_group(json!({"voice": voice(), "direct_messages_topic": topic}));
        let Content::Voice(read) = read_one("message", message).await else { panic!() };
        assert_eq!(read.location.thread, wanted);
    }
}

#[tokio::test]
async fn a_channel_can_be_written_to_with_the_right_to_edit() {
    for (member, access) in [
        (json!({"status": "administrator", "can_edit_messages": true}), Access::Writes),
        (json!({"status": "administrator"}), Access::Silenced),
        (json!({"status": "left"}), Access::Gone),
    ] {
        let channel = json!({"id": CHANNEL, "type": "channel", "title": "News"});
        let update = json!({"chat": channel, "new_chat_member": member});
        let Content::Membership(read) = read_one("my_chat_member", update).await else { panic!() };
        assert_eq!((read.kind, read.access), (ChatKind::Channel, access));
    }
}
