//! Calls of the bot in chats that it is not in.

use std::time::Duration;

use serde_json::{Value, json};
use stenobot_domain::{AudioSource, ChatId, GuestQueryId, InlineMessageId, UserId};
use stenobot_telegram::{
    Action, BotMessage, ChatKind, Content, Ignored, Keyboard, OptionalUpdates, OutgoingMessage, TelegramError, TextPart,
};

use super::business::file;
use super::stub::{Answer, Stub};
use super::updates::read_one;

/// A message of Anna that names the bot, with more fields.
fn call(more: &Value) -> Value {
    let mut message = json!({
        "guest_query_id": "6000000000001", "message_id": 20, "date": 1_764_000_000, "text": "@steno_bot",
        "from": {"id": 5, "is_bot": false, "first_name": "Anna", "language_code": "de"},
        "chat": {"id": -100_777, "type": "supergroup", "title": "Elsewhere"}
    });
    for (name, value) in more.as_object().unwrap() {
        message[name] = value.clone();
    }
    message
}

#[tokio::test]
async fn the_recording_of_a_call_is_read_where_it_is_and_the_chat_is_not() {
    let replied = |field: &str| json!({"message_id": 10, "date": 0, field: file()});
    for (more, source) in [
        (json!({"reply_to_message": replied("voice")}), AudioSource::Voice),
        (json!({"reply_to_message": replied("video_note")}), AudioSource::VideoNote),
        (json!({"external_reply": {"audio": file()}}), AudioSource::Audio),
        (json!({"audio": file(), "caption": "@steno_bot"}), AudioSource::Audio),
        // A reply that cannot be read costs nothing else.
        (json!({"reply_to_message": {"voice": 5}, "external_reply": {"voice": file()}}), AudioSource::Voice),
    ] {
        let Content::Guest(read) = read_one("guest_message", call(&more)).await else { panic!("no call: {more}") };
        assert_eq!((read.query, read.from.id), (GuestQueryId("6000000000001".into()), UserId(5)));
        let voice = read.voice.unwrap();
        assert_eq!((voice.source, voice.from.id, voice.file_id.as_str()), (source, UserId(5), "AwACfile"), "{more}");
        // Limits and answers are those of the caller's private chat.
        assert_eq!((voice.location.chat, voice.location.kind), (ChatId(5), ChatKind::Private));
    }
    for more in [json!({}), json!({"reply_to_message": {"message_id": 10, "text": "hi"}})] {
        let Content::Guest(read) = read_one("guest_message", call(&more)).await else { panic!("no call: {more}") };
        assert_eq!(read.voice, None, "{more}");
    }
}

#[tokio::test]
async fn calls_without_a_person_or_a_usable_id_are_ignored() {
    let long = "6".repeat(300);
    for (more, why) in [
        (json!({"from": {"id": 9, "is_bot": true, "first_name": "A bot"}}), Ignored::Bot),
        (json!({"sender_chat": {"id": -1_005, "type": "channel"}}), Ignored::Unexpected),
        (json!({"from": null}), Ignored::Unreadable),
        (json!({"guest_query_id": ""}), Ignored::Unreadable),
        (json!({"guest_query_id": long}), Ignored::Unreadable),
        (json!({"guest_query_id": 5}), Ignored::Unreadable),
    ] {
        assert_eq!(read_one("guest_message", call(&more)).await, Content::Ignored(why), "{more}");
    }
}

#[tokio::test]
async fn calls_are_asked_for_only_where_they_are_answered() {
    let stub = Stub::start([Answer::ok(json!([])), Answer::ok(json!([]))]).await;
    let client = stub.client();
    client.updates(None, Duration::ZERO).await.unwrap();
    client.set_optional_updates(OptionalUpdates { business: false, guests: true });
    client.updates(None, Duration::ZERO).await.unwrap();
    let asks = |call: &Value| call["allowed_updates"].as_array().unwrap().contains(&json!("guest_message"));
    let kinds: Vec<bool> = stub.asked().iter().map(|call| asks(&call.body)).collect();
    assert_eq!(kinds, [false, true]);
}

#[tokio::test]
async fn a_call_is_answered_and_the_answer_is_edited_by_its_id() {
    let stub = Stub::start([
        Answer::ok(json!({"inline_message_id": "AgAAAx"})),
        Answer::ok(json!(true)),
        Answer::refusal(400, "Bad Request: message is not modified: exactly the same"),
        Answer::refusal(400, "Bad Request: MESSAGE_ID_INVALID"),
        Answer::refusal(400, "Bad Request: query is too old and response timeout expired or query ID is invalid"),
    ])
    .await;
    let client = stub.client();
    let content = OutgoingMessage {
        text: "Готово: слова".into(),
        folded: Some(TextPart { offset: 8, length: 5 }),
        time: None,
        underlined: vec![TextPart { offset: 9, length: 2 }],
        keyboard: Keyboard::single("🔄".into(), Action::Refresh(stenobot_domain::RequestId(7))),
    };
    let query = GuestQueryId("6000000000001".into());
    let message = client.answer_guest(ChatId(5), &query, &content).await.unwrap();
    assert_eq!(message, InlineMessageId("AgAAAx".into()));
    let message = BotMessage::AsGuest { caller: ChatId(5), message };
    client.edit_message(&message, &content).await.unwrap();
    client.edit_message(&message, &content).await.unwrap();
    assert_eq!(client.edit_message(&message, &content).await, Err(TelegramError::MessageGone));
    let late = client.answer_guest(ChatId(5), &query, &content).await;
    assert!(matches!(late, Err(TelegramError::Refused(_))), "{late:?}");

    let asked = stub.asked();
    let methods: Vec<String> =
        asked.iter().map(|call| call.path.rsplit('/').next().unwrap_or_default().to_lowercase()).collect();
    assert_eq!(methods[..2], ["answerguestquery", "editmessagetext"]);
    let entities = json!([{"type": "expandable_blockquote", "offset": 8, "length": 5},
        {"type": "underline", "offset": 9, "length": 2}]);
    let keyboard = json!({"inline_keyboard": [[{"text": "🔄", "callback_data": "1:r:7"}]]});
    let preview = &asked[0].body["result"]["input_message_content"]["link_preview_options"];
    assert_eq!(preview["is_disabled"], json!(true));
    assert_eq!(
        asked[0].body,
        json!({"guest_query_id": "6000000000001", "result": {
            "type": "article", "id": "1", "title": "Stenobot", "reply_markup": keyboard,
            "input_message_content": {"message_text": "Готово: слова", "entities": entities, "link_preview_options": preview},
        }})
    );
    assert_eq!(
        asked[1].body,
        json!({"inline_message_id": "AgAAAx", "text": "Готово: слова", "entities": entities, "reply_markup": keyboard,
            "link_preview_options": preview})
    );
}

#[tokio::test]
async fn a_press_names_the_message_that_the_bot_has_posted_as_a_guest() {
    let press = json!({"id": "43", "from": {"id": 5, "is_bot": false, "first_name": "Anna"}, "chat_instance": "1",
        "inline_message_id": "AgAAAx", "data": "1:r:7"});
    let Content::Press(read) = read_one("callback_query", press).await else { panic!("no press") };
    assert_eq!(read.inline, Some(InlineMessageId("AgAAAx".into())));
    assert_eq!((read.location, read.message), (None, None));
    assert_eq!(read.action, Some(Action::Refresh(stenobot_domain::RequestId(7))));
}
