//! Updates about users' own accounts, and what is asked about them.

use std::time::Duration;

use serde_json::{Value, json};
use stenobot_domain::{AudioSource, ChatId, MessageId, Timestamp, UserId};
use stenobot_telegram::{Content, Ignored, OptionalUpdates, TelegramError};

use super::stub::{Answer, Stub};
use super::updates::read_one;

/// As Telegram sends it for an account without rights.
fn connection(is_enabled: bool) -> Value {
    json!({
        "id": "sZ5gAAAAAAA", "user": {"id": 5, "is_bot": false, "first_name": "Anna", "language_code": "de"},
        "user_chat_id": 5, "date": 1_764_000_000, "rights": {}, "is_enabled": is_enabled, "of_a_kind": {"to": "come"}
    })
}

/// A message of Bea to the account's user, with more fields.
fn message(more: &Value) -> Value {
    let mut message = json!({
        "business_connection_id": "sZ5gAAAAAAA", "message_id": 70, "date": 1_764_000_000,
        "from": {"id": 9, "is_bot": false, "first_name": "Bea"},
        "chat": {"id": 9, "first_name": "Bea", "type": "private"}
    });
    for (name, value) in more.as_object().unwrap() {
        message[name] = value.clone();
    }
    message
}

pub(super) fn file() -> Value {
    json!({"duration": 7, "mime_type": "audio/ogg", "file_id": "AwACfile", "file_unique_id": "AgADfile", "file_size": 9000})
}

#[tokio::test]
async fn a_connection_is_parsed_when_it_begins_and_when_it_ends() {
    for is_enabled in [true, false] {
        let Content::BusinessConnection(read) = read_one("business_connection", connection(is_enabled)).await else {
            panic!("no connection");
        };
        assert_eq!((read.id.as_str(), read.user.id, read.chat), ("sZ5gAAAAAAA", UserId(5), ChatId(5)));
        assert_eq!((read.user.language_code.as_deref(), read.is_enabled), (Some("de"), is_enabled));
    }
}

#[tokio::test]
async fn recordings_of_a_connected_account_are_parsed_and_all_else_is_ignored() {
    for (field, source) in
        [("voice", AudioSource::Voice), ("audio", AudioSource::Audio), ("video_note", AudioSource::VideoNote)]
    {
        let Content::BusinessAudio(read) = read_one("business_message", message(&json!({field: file()}))).await else {
            panic!("no recording: {field}");
        };
        assert_eq!((read.connection.as_str(), read.sent_at), ("sZ5gAAAAAAA", Timestamp(1_764_000_000_000)));
        let voice = read.voice;
        assert_eq!((voice.message, voice.location.chat, voice.from.id), (MessageId(70), ChatId(9), UserId(9)));
        assert_eq!((voice.source, voice.file_id.as_str()), (source, "AwACfile"));
        assert_eq!(voice.claimed_duration, Some(Duration::from_secs(7)));
    }
    let bot = json!({"id": 9, "is_bot": true, "first_name": "Bot"});
    for (more, why) in [
        (json!({"text": "good morning"}), Ignored::Business),
        (json!({"video": file()}), Ignored::Business),
        (json!({"document": file()}), Ignored::Business),
        (json!({"voice": file(), "from": bot.clone()}), Ignored::Bot),
        (json!({"voice": file(), "sender_business_bot": bot}), Ignored::Bot),
        (json!({"voice": file(), "chat": {"id": -9, "type": "group"}}), Ignored::Unexpected),
        (json!({"voice": file(), "business_connection_id": 7}), Ignored::Unreadable),
    ] {
        assert_eq!(read_one("business_message", message(&more)).await, Content::Ignored(why), "{more}");
    }
    let edited = read_one("edited_business_message", message(&json!({"voice": file()}))).await;
    assert_eq!(edited, Content::Ignored(Ignored::Edited));
}

#[tokio::test]
async fn a_deletion_is_parsed() {
    let deleted = json!({
        "business_connection_id": "sZ5gAAAAAAA", "chat": {"id": 9, "first_name": "Bea", "type": "private"},
        "message_ids": [70, 72]
    });
    let Content::BusinessDeletion(read) = read_one("deleted_business_messages", deleted).await else {
        panic!("no deletion");
    };
    assert_eq!((read.chat, read.messages), (ChatId(9), vec![MessageId(70), MessageId(72)]));
}

#[tokio::test]
async fn messages_of_accounts_are_asked_for_only_if_one_is_served() {
    let stub = Stub::start([Answer::ok(json!([])), Answer::ok(json!([]))]).await;
    let client = stub.client();
    client.set_optional_updates(OptionalUpdates { business: true, guests: false });
    client.updates(None, Duration::ZERO).await.unwrap();
    client.set_optional_updates(OptionalUpdates::default());
    client.updates(None, Duration::ZERO).await.unwrap();
    let kinds: Vec<Value> = stub.asked().iter().map(|call| call.body["allowed_updates"].clone()).collect();
    let always = json!(["message", "channel_post", "callback_query", "my_chat_member", "business_connection"]);
    let mut served = always.clone();
    served.as_array_mut().unwrap().extend([json!("business_message"), json!("deleted_business_messages")]);
    assert_eq!(kinds, [served, always]);
}

#[tokio::test]
async fn a_connection_is_asked_for_by_its_id() {
    let refusal = Answer::refusal(400, "Bad Request: business connection not found");
    let stub = Stub::start([Answer::ok(connection(true)), refusal]).await;
    let client = stub.client();
    assert_eq!(client.business_connection("sZ5gAAAAAAA").await.unwrap().user.first_name, "Anna");
    assert!(matches!(client.business_connection("other").await, Err(TelegramError::Refused(_))));
    let asked = stub.asked();
    assert!(asked[0].path.ends_with("/getBusinessConnection"), "{}", asked[0].path);
    assert_eq!(asked[1].body, json!({"business_connection_id": "other"}));
}
