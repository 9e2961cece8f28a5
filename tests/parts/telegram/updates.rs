//! Updates as Telegram sends them, and what the bot makes of them.

use std::time::Duration;

use serde_json::{Value, json};
use stenobot::model::{ChatId, MessageId, Timestamp, UserId};
use stenobot::telegram::{
    Command, CommandName, Content, Ignored, Incoming, OtherKind, Sender, TelegramError, ThreadId, UpdateKind,
    VoiceMessage, VoiceSource,
};

use super::stub::{Answer, Stub};

/// What the bot makes of a batch.
async fn read(batch: Value) -> Result<Vec<Incoming>, TelegramError> {
    Stub::start([Answer::ok(batch)]).await.client().updates(None, Duration::ZERO).await
}

/// What the bot makes of one update.
async fn one(kind: &str, content: Value) -> Content {
    let mut incoming = read(json!([{"update_id": 1, kind: content}])).await.unwrap();
    incoming.remove(0).content
}

/// A message from a person in a private chat, with more fields.
fn private(more: Value) -> Value {
    let mut message = json!({
        "message_id": 70,
        "from": {
            "id": 5_111_222_333_i64,
            "is_bot": false,
            "first_name": "Анна",
            "last_name": "Иванова",
            "username": "anna_i",
            "language_code": "ru",
            "is_premium": true
        },
        "chat": {
            "id": 5_111_222_333_i64,
            "first_name": "Анна",
            "last_name": "Иванова",
            "username": "anna_i",
            "type": "private"
        },
        "date": 1_764_000_000
    });
    for (name, value) in more.as_object().unwrap() {
        message[name] = value.clone();
    }
    message
}

fn voice() -> Value {
    json!({
        "duration": 12,
        "mime_type": "audio/ogg",
        "file_id": "AwACAgIAAxkBAAIBRmVoice",
        "file_unique_id": "AgADRgADvoice",
        "file_size": 45_678
    })
}

fn anna() -> Sender {
    Sender {
        id: UserId(5_111_222_333),
        username: Some("anna_i".into()),
        first_name: "Анна".into(),
        last_name: Some("Иванова".into()),
        language_code: Some("ru".into()),
    }
}

fn annas_voice() -> VoiceMessage {
    VoiceMessage {
        chat: ChatId(5_111_222_333),
        message: MessageId(70),
        thread: None,
        from: anna(),
        file_id: "AwACAgIAAxkBAAIBRmVoice".into(),
        file_unique_id: "AgADRgADvoice".into(),
        claimed_duration: Duration::from_secs(12),
        claimed_size: Some(45_678),
        source: VoiceSource::Voice,
        sent_at: Timestamp(1_764_000_000_000),
    }
}

#[tokio::test]
async fn the_poll_asks_for_messages_after_the_offset() {
    let stub = Stub::start([Answer::ok(json!([])), Answer::ok(json!([]))]).await;
    let client = stub.client();
    assert_eq!(client.updates(None, Duration::ZERO).await, Ok(vec![]));
    assert_eq!(client.updates(Some(874_199), Duration::from_secs(30)).await, Ok(vec![]));
    let asked = stub.asked();
    assert_eq!(asked[0].body, json!({"limit": 100, "timeout": 0, "allowed_updates": ["message"]}));
    assert_eq!(asked[1].body, json!({"offset": 874_199, "limit": 100, "timeout": 30, "allowed_updates": ["message"]}));
    assert!(matches!(client.updates(Some(i64::MAX), Duration::ZERO).await, Err(TelegramError::Refused(_))));
}

#[tokio::test]
async fn a_long_poll_may_last_as_long_as_it_was_asked_to() {
    let stub = Stub::start([Answer::Silence]).await;
    let client = stub.client();
    let poll = tokio::spawn(async move { client.updates(None, Duration::from_secs(50)).await });
    stub.heard(1).await;
    tokio::time::pause();
    assert_eq!(poll.await.unwrap(), Err(TelegramError::Timeout));
    assert!(stub.calls()[0].took > Duration::from_secs(55), "{:?}", stub.calls());
}

#[tokio::test]
async fn a_voice_message_is_a_voice() {
    assert_eq!(one("message", private(json!({"voice": voice()}))).await, Content::Voice(annas_voice()));
}

#[tokio::test]
async fn a_forwarded_voice_is_a_voice_of_the_one_who_forwards() {
    for origin in [
        json!({"type": "user", "date": 1_763_000_000, "sender_user": {"id": 9, "is_bot": true, "first_name": "B"}}),
        json!({"type": "hidden_user", "date": 1_763_000_000, "sender_user_name": "Пётр"}),
        json!({"type": "of a kind to come", "date": "whenever"}),
    ] {
        let message = private(json!({"voice": voice(), "forward_origin": origin, "forward_date": 1_763_000_000}));
        assert_eq!(one("message", message).await, Content::Voice(annas_voice()));
    }
}

#[tokio::test]
async fn a_music_file_is_a_voice_by_another_source() {
    let audio = json!({
        "duration": 245,
        "file_name": "lecture.mp3",
        "mime_type": "audio/mpeg",
        "title": "Lecture",
        "performer": "Somebody",
        "file_id": "CQACAgIAAxkBAudio",
        "file_unique_id": "AgADaudio",
        "file_size": 3_900_000
    });
    let content =
        one("message", private(json!({"audio": audio, "message_thread_id": 4, "is_topic_message": true}))).await;
    assert_eq!(content.kind(), UpdateKind::Audio);
    let Content::Voice(message) = content else { panic!("{content:?}") };
    assert_eq!(message.source, VoiceSource::Audio);
    assert_eq!(message.claimed_duration, Duration::from_secs(245));
    assert_eq!(message.claimed_size, Some(3_900_000));
    assert_eq!(message.file_id, "CQACAgIAAxkBAudio");
    assert_eq!(message.thread, Some(ThreadId(4)));
}

#[tokio::test]
async fn absurd_claims_do_no_harm() {
    for (duration, size) in [(json!(-5), json!(-1)), (json!(0), Value::Null)] {
        let mut voice = voice();
        voice["duration"] = duration;
        voice["file_size"] = size;
        let Content::Voice(message) = one("message", private(json!({"voice": voice}))).await else { panic!() };
        assert_eq!((message.claimed_duration, message.claimed_size), (Duration::ZERO, None));
    }
    let mut voice = voice();
    voice["duration"] = json!(i64::MAX);
    let Content::Voice(message) = one("message", private(json!({"voice": voice}))).await else { panic!() };
    assert_eq!(message.claimed_duration, Duration::from_secs(i64::MAX as u64));
}

#[tokio::test]
async fn commands_are_told_apart() {
    for (text, name) in [
        ("/start", CommandName::Start),
        ("/start from_a_link", CommandName::Start),
        ("/START@steno_bot", CommandName::Start),
        ("/help", CommandName::Help),
        ("/help\nme", CommandName::Help),
        ("/stop", CommandName::Unknown),
        ("/startle", CommandName::Unknown),
        ("/", CommandName::Unknown),
    ] {
        let wanted = Command { chat: ChatId(5_111_222_333), message: MessageId(70), thread: None, from: anna(), name };
        let entities = json!([{"offset": 0, "length": 6, "type": "bot_command"}]);
        let content = one("message", private(json!({"text": text, "entities": entities}))).await;
        assert_eq!(content, Content::Command(wanted), "{text}");
    }
}

#[tokio::test]
async fn other_things_people_send_are_answered_and_service_messages_are_not() {
    let other =
        Content::Other(OtherKind { chat: ChatId(5_111_222_333), message: MessageId(70), thread: None, from: anna() });
    for more in [
        json!({"text": "Привет /start"}),
        json!({"text": ""}),
        json!({"photo": [{"file_id": "p", "file_unique_id": "p", "width": 90, "height": 90}], "caption": "look"}),
        json!({"video": {"file_id": "v"}}),
        json!({"video_note": {"file_id": "v"}}),
        json!({"document": {"file_id": "d"}}),
        json!({"sticker": {"file_id": "s"}}),
        json!({"animation": {"file_id": "a"}, "document": {"file_id": "a"}}),
        json!({"location": {"latitude": 1.0, "longitude": 2.0}}),
    ] {
        assert_eq!(one("message", private(more.clone())).await, other, "{more}");
    }
    for more in [
        json!({"pinned_message": private(json!({"text": "x"}))}),
        json!({"message_auto_delete_timer_changed": {"message_auto_delete_time": 86_400}}),
        json!({"write_access_allowed": {}}),
    ] {
        assert_eq!(one("message", private(more.clone())).await, Content::Ignored(Ignored::Service), "{more}");
    }
}

#[tokio::test]
async fn what_is_not_from_a_person_in_a_private_chat_is_left_alone() {
    let with = |field: &str, value: Value| {
        let mut message = private(json!({"voice": voice()}));
        message[field] = value;
        message
    };
    let group = |kind: &str| with("chat", json!({"id": -100_123_456_789_i64, "title": "Us", "type": kind}));
    let bot = json!({"id": 1, "is_bot": true, "first_name": "B"});
    for (kind, content, wanted) in [
        ("message", group("group"), Ignored::Group),
        ("message", group("supergroup"), Ignored::Group),
        ("message", group("channel"), Ignored::Channel),
        ("message", group("a kind to come"), Ignored::Unexpected),
        ("message", with("from", bot), Ignored::Bot),
        ("message", with("from", Value::Null), Ignored::Unreadable),
        ("message", with("message_id", json!("seven")), Ignored::Unreadable),
        ("message", with("voice", json!({"duration": 3})), Ignored::Unreadable),
        ("message", json!("no message"), Ignored::Unreadable),
        ("channel_post", group("channel"), Ignored::Channel),
        ("edited_message", private(json!({"voice": voice(), "edit_date": 1_764_000_001})), Ignored::Edited),
        ("edited_channel_post", group("channel"), Ignored::Edited),
        (
            "callback_query",
            json!({"id": "43", "from": {"id": 5, "is_bot": false, "first_name": "A"}, "chat_instance": "1", "data": "x"}),
            Ignored::Callback,
        ),
        ("my_chat_member", json!({"chat": {"id": 5, "type": "private"}}), Ignored::Unexpected),
        ("something_to_come", json!(17), Ignored::Unexpected),
    ] {
        let read = one(kind, content.clone()).await;
        assert_eq!(read, Content::Ignored(wanted), "{kind}: {content}");
        assert!(UpdateKind::ALL.contains(&read.kind()));
    }
}

#[tokio::test]
async fn garbage_in_a_batch_costs_only_itself() {
    let batch = json!([
        {"update_id": 10, "message": private(json!({"voice": voice()}))},
        {"update_id": 11, "message": {"some fields are missing": true}},
        "no update",
        {"message": private(json!({"voice": voice()}))},
        {"update_id": "twelve", "message": private(json!({"voice": voice()}))},
        {"update_id": 13},
        {"update_id": 14, "message": private(json!({"voice": voice()}))},
    ]);
    let kinds: Vec<_> = read(batch).await.unwrap().iter().map(|one| (one.update_id, one.content.kind())).collect();
    assert_eq!(
        kinds,
        [(10, UpdateKind::Voice), (11, UpdateKind::Unreadable), (13, UpdateKind::Unexpected), (14, UpdateKind::Voice)]
    );
    // Nothing here can be acknowledged, so the poll must not come back at once for the same.
    assert_eq!(read(json!([{"message": {}}, 5])).await, Err(TelegramError::Server));
}

#[tokio::test]
async fn a_body_that_is_no_json_is_a_failing_server() {
    for body in ["<html>", "", r#"{"ok":true,"result":{"not":"a list"}}"#, r#"{"ok":true,"result":[{"update_id":1}"#] {
        let stub = Stub::start([Answer::Whole(200, body.into())]).await;
        assert_eq!(stub.client().updates(Some(1), Duration::ZERO).await, Err(TelegramError::Server), "{body}");
    }
}
