//! Parsing of updates as Telegram sends them.

use std::time::Duration;

use serde_json::{Value, json};
use stenobot_domain::{AudioSource, ChatId, MessageId, RequestId, Timestamp, UserId};
use stenobot_telegram::{
    Access, Action, AskedBy, ChatKind, Command, Content, Ignored, Incoming, Location, Membership, OtherKind, Press,
    Replied, Sender, TelegramError, ThreadId, UpdateKind, VoiceMessage,
};

use super::stub::{Answer, Stub};

/// Parses a batch, once the bot knows its account.
async fn read(batch: Value) -> Result<Vec<Incoming>, TelegramError> {
    let me = json!({"id": 1, "is_bot": true, "first_name": "Steno", "username": "steno_bot"});
    let client = Stub::start([Answer::ok(me), Answer::ok(batch)]).await.client();
    client.me().await.unwrap();
    client.updates(None, Duration::ZERO).await
}

/// Parses one update.
pub(super) async fn read_one(kind: &str, content: Value) -> Content {
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

pub(super) fn voice() -> Value {
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
        anonymous_admin: false,
    }
}

/// What the bot asks for.
const UPDATES: [&str; 5] = ["message", "channel_post", "callback_query", "my_chat_member", "business_connection"];

fn with_anna() -> Location {
    Location { chat: ChatId(5_111_222_333), kind: ChatKind::Private, thread: None }
}

fn annas_voice() -> VoiceMessage {
    VoiceMessage {
        location: with_anna(),
        asked: MessageId(70),
        message: MessageId(70),
        from: anna(),
        file_id: "AwACAgIAAxkBAAIBRmVoice".into(),
        file_unique_id: "AgADRgADvoice".into(),
        claimed_duration: Some(Duration::from_secs(12)),
        claimed_size: Some(45_678),
        source: AudioSource::Voice,
        file_name: None,
        asked_by: AskedBy::User,
        has_free_caption: false,
    }
}

#[tokio::test]
async fn the_poll_asks_for_messages_after_the_offset() {
    let stub = Stub::start([Answer::ok(json!([])), Answer::ok(json!([]))]).await;
    let client = stub.client();
    assert_eq!(client.updates(None, Duration::ZERO).await, Ok(vec![]));
    assert_eq!(client.updates(Some(874_199), Duration::from_secs(30)).await, Ok(vec![]));
    let asked = stub.asked();
    assert_eq!(asked[0].body, json!({"limit": 100, "timeout": 0, "allowed_updates": UPDATES}));
    assert_eq!(asked[1].body, json!({"offset": 874_199, "limit": 100, "timeout": 30, "allowed_updates": UPDATES}));
}

#[tokio::test]
async fn a_long_poll_may_last_its_whole_timeout() {
    let stub = Stub::start([Answer::Silence]).await;
    let client = stub.client();
    let poll = tokio::spawn(async move { client.updates(None, Duration::from_secs(50)).await });
    stub.received(1).await;
    tokio::time::pause();
    assert_eq!(poll.await.unwrap(), Err(TelegramError::Timeout));
    assert!(stub.calls()[0].took > Duration::from_secs(55), "{:?}", stub.calls());
}

#[tokio::test]
async fn a_voice_message_is_parsed() {
    assert_eq!(read_one("message", private(json!({"voice": voice()}))).await, Content::Voice(Box::new(annas_voice())));
}

#[tokio::test]
async fn a_forwarded_voice_message_belongs_to_its_forwarder() {
    for origin in [
        json!({"type": "user", "date": 1_763_000_000, "sender_user": {"id": 9, "is_bot": true, "first_name": "B"}}),
        json!({"type": "hidden_user", "date": 1_763_000_000, "sender_user_name": "Пётр"}),
        json!({"type": "of a kind to come", "date": "whenever"}),
    ] {
        let message = private(json!({"voice": voice(), "forward_origin": origin, "forward_date": 1_763_000_000}));
        assert_eq!(read_one("message", message).await, Content::Voice(Box::new(annas_voice())));
    }
}

#[tokio::test]
async fn a_music_file_is_parsed_with_its_source() {
    let audio = json!({
        "duration": 245,
        "file_name": "lecture.mp3",
        "mime_type": "audio/mpeg",
        "title": "Lecture",
        "performer": "Someone",
        "file_id": "CQACAgIAAxkBAudio",
        "file_unique_id": "AgADaudio",
        "file_size": 3_900_000
    });
    let content =
        read_one("message", private(json!({"audio": audio, "message_thread_id": 4, "is_topic_message": true}))).await;
    assert_eq!(content.kind(), UpdateKind::Audio);
    let Content::Voice(message) = content else { panic!("{content:?}") };
    assert_eq!(message.source, AudioSource::Audio);
    assert_eq!(message.claimed_duration, Some(Duration::from_secs(245)));
    assert_eq!(message.claimed_size, Some(3_900_000));
    assert_eq!(message.file_id, "CQACAgIAAxkBAudio");
    assert_eq!(message.location.thread, Some(ThreadId::Topic(4)));
}

#[tokio::test]
async fn absurd_claims_are_ignored() {
    for (duration, size) in [(json!(-5), json!(-1)), (json!(0), Value::Null)] {
        let mut voice = voice();
        voice["duration"] = duration;
        voice["file_size"] = size;
        let Content::Voice(message) = read_one("message", private(json!({"voice": voice}))).await else { panic!() };
        assert_eq!((message.claimed_duration, message.claimed_size), (Some(Duration::ZERO), None));
    }
    let mut voice = voice();
    voice["duration"] = json!(i64::MAX);
    let Content::Voice(message) = read_one("message", private(json!({"voice": voice}))).await else { panic!() };
    assert_eq!(message.claimed_duration, Some(Duration::from_secs(i64::MAX as u64)));
}

#[tokio::test]
async fn every_kind_with_sound_is_parsed() {
    let file = |more: Value| {
        let mut file = json!({"file_id": "f", "file_unique_id": "u", "file_size": 9});
        for (name, value) in more.as_object().unwrap() {
            file[name] = value.clone();
        }
        file
    };
    for (field, file, source) in [
        ("video_note", file(json!({"length": 240, "duration": 9})), AudioSource::VideoNote),
        ("video", file(json!({"width": 640, "height": 480, "duration": 9})), AudioSource::Video),
        ("document", file(json!({"mime_type": "audio/flac"})), AudioSource::Document),
        ("document", file(json!({"file_name": "запись.M4A", "mime_type": "application/pdf"})), AudioSource::Document),
        ("document", file(json!({"mime_type": "application/octet-stream"})), AudioSource::Document),
        ("document", file(json!({})), AudioSource::Document),
    ] {
        let Content::Voice(voice) = read_one("message", private(json!({ field: file }))).await else {
            panic!("{field}")
        };
        let claimed = (source != AudioSource::Document).then_some(Duration::from_secs(9));
        assert_eq!((voice.source, voice.claimed_duration), (source, claimed));
    }
    for mime in ["image/png", "text/plain", "application/pdf", "application/zip"] {
        let file = file(json!({"mime_type": mime, "file_name": "nothing"}));
        let content = read_one("message", private(json!({"document": file}))).await;
        assert!(matches!(content, Content::Other(OtherKind { file: true, .. })), "{mime}: {content:?}");
    }
}

#[tokio::test]
async fn commands_are_parsed() {
    for (text, name, argument) in [
        ("/start", Some("start"), ""),
        ("/start from_a_link", Some("start"), "from_a_link"),
        ("/START@steno_bot", Some("start"), ""),
        ("/help", Some("help"), ""),
        ("/help\nme", Some("help"), "me"),
        ("/ban  -77 ", Some("ban"), "-77"),
        ("/stop", None, ""),
        ("/startle", None, ""),
        ("/", None, ""),
    ] {
        let argument = argument.to_owned();
        let wanted = Command { location: with_anna(), message: MessageId(70), from: anna(), name, argument };
        let entities = json!([{"offset": 0, "length": 6, "type": "bot_command"}]);
        let content = read_one("message", private(json!({"text": text, "entities": entities}))).await;
        assert_eq!(content, Content::Command(Box::new(wanted)), "{text}");
    }
}

#[tokio::test]
async fn unsupported_messages_are_answered_and_service_messages_are_not() {
    let other = Content::Other(OtherKind { location: with_anna(), message: MessageId(70), from: anna(), file: false });
    for more in [
        json!({"text": "Привет /start"}),
        json!({"text": ""}),
        json!({"photo": [{"file_id": "p", "file_unique_id": "p", "width": 90, "height": 90}], "caption": "look"}),
        json!({"sticker": {"file_id": "s"}}),
        json!({"animation": {"file_id": "a"}}),
        json!({"location": {"latitude": 1.0, "longitude": 2.0}}),
    ] {
        assert_eq!(read_one("message", private(more.clone())).await, other, "{more}");
    }
    for more in [
        json!({"pinned_message": private(json!({"text": "x"}))}),
        json!({"message_auto_delete_timer_changed": {"message_auto_delete_time": 86_400}}),
        json!({"write_access_allowed": {}}),
    ] {
        assert_eq!(read_one("message", private(more.clone())).await, Content::Ignored(Ignored::Service), "{more}");
    }
}

const GROUP: i64 = -100_123_456_789;

/// A message from a person in a group, with more fields.
pub(super) fn in_group(more: Value) -> Value {
    let mut message = private(more);
    message["message_id"] = json!(90);
    message["chat"] = json!({"id": GROUP, "title": "Us", "type": "supergroup"});
    message
}

fn us() -> Location {
    Location { chat: ChatId(GROUP), kind: ChatKind::Group, thread: None }
}

#[tokio::test]
async fn a_group_s_voice_message_is_unrequested_until_a_user_asks_for_it() {
    let content = read_one("message", in_group(json!({"voice": voice()}))).await;
    let Content::Voice(there) = content else { panic!("{content:?}") };
    assert_eq!((there.location, there.asked_by, there.message), (us(), AskedBy::Itself, MessageId(90)));

    let replied = private(json!({"voice": voice()}));
    for (text, asks) in [
        ("/transcribe", true),
        ("/transcribe@steno_bot", true),
        ("/TRANSCRIBE@Steno_Bot please", true),
        ("@steno_bot", true),
        ("ну что там, @Steno_bot?", true),
        ("/transcribe@other_bot", false),
        ("@steno_bots", false),
        ("me@steno_bo", false),
        ("спасибо", false),
    ] {
        let content = read_one("message", in_group(json!({"text": text, "reply_to_message": replied}))).await;
        match content {
            Content::Voice(voice) if asks => {
                assert_eq!((voice.asked, voice.message), (MessageId(90), MessageId(70)), "{text}");
                assert_eq!((voice.asked_by, voice.from), (AskedBy::User, anna()));
            }
            Content::Ignored(Ignored::Group) if !asks => {}
            other => panic!("{text}: {other:?}"),
        }
    }
    let captioned = read_one("message", in_group(json!({"voice": voice(), "caption": "@steno_bot"}))).await;
    assert!(matches!(captioned, Content::Voice(voice) if voice.asked_by == AskedBy::User));
    // An invalid replied-to message makes the message no reply.
    let broken = json!({"text": "/transcribe", "reply_to_message": {"voice": 5}});
    assert!(matches!(read_one("message", in_group(broken)).await, Content::Command(_)));
}

#[tokio::test]
async fn a_reply_to_another_chat_or_topic_carries_its_recording() {
    let origin =
        json!({"type": "user", "date": 1_763_000_000, "sender_user": {"id": 9, "is_bot": false, "first_name": "B"}});
    let chat = json!({"id": -1009, "type": "supergroup", "title": "Others", "is_forum": true});
    // In a topic, what answers nothing of it may also be shown as an answer to the topic's first message.
    let opened = private(json!({"forum_topic_created": {"name": "Talk", "icon_color": 7_322_096}}));
    for (field, source) in [
        ("voice", AudioSource::Voice),
        ("audio", AudioSource::Audio),
        ("video_note", AudioSource::VideoNote),
        ("video", AudioSource::Video),
        ("document", AudioSource::Document),
    ] {
        for text in ["/transcribe", "/transcribe@steno_bot", "@steno_bot что там?"] {
            let external = json!({"origin": origin, "chat": chat, "message_id": 7, field: voice(),
                "quote": {"text": "то", "position": 0}});
            let more = json!({"text": text, "external_reply": external, "reply_to_message": opened});
            let content = read_one("message", in_group(more)).await;
            let Content::Voice(voice) = content else { panic!("{field} {text}: {content:?}") };
            assert_eq!((voice.source, voice.file_id.as_str()), (source, "AwACAgIAAxkBAAIBRmVoice"));
            // Nothing of the other chat is answered here: the answer goes under the command.
            assert_eq!((voice.location, voice.asked, voice.message), (us(), MessageId(90), MessageId(90)));
            assert_eq!((voice.asked_by, voice.from), (AskedBy::User, anna()));
        }
    }
    // For a private chat, Telegram gives origin and file only.
    let more = json!({"text": "/transcribe", "external_reply": {"origin": origin, "voice": voice()}});
    assert!(matches!(read_one("message", in_group(more.clone())).await, Content::Voice(_)));
    assert!(matches!(read_one("message", private(more)).await, Content::Voice(_)));
    // The recording of this chat comes first, whatever part of it is quoted.
    let more = json!({"text": "/transcribe", "reply_to_message": private(json!({"voice": voice()})),
        "quote": {"text": "часть подписи", "position": 3, "is_manual": true}});
    assert!(
        matches!(read_one("message", in_group(more)).await, Content::Voice(voice) if voice.message == MessageId(70))
    );

    for external in [
        json!({"origin": origin, "chat": chat, "message_id": 7}),
        json!({"origin": origin, "photo": [{"file_id": "p"}]}),
        json!({"origin": origin, "animation": {"file_id": "a"}, "document": voice()}),
        json!({"origin": origin, "voice": 5}),
        json!("flawed"),
    ] {
        let content = read_one("message", in_group(json!({"text": "/transcribe", "external_reply": external}))).await;
        assert!(matches!(&content, Content::Command(command) if command.name == Some("transcribe")), "{content:?}");
        let content = read_one("message", in_group(json!({"text": "спасибо", "external_reply": external}))).await;
        assert_eq!(content, Content::Ignored(Ignored::Group));
    }
    // An answer to a recording elsewhere that asks for nothing.
    let more = json!({"text": "спасибо", "external_reply": {"origin": origin, "voice": voice()}});
    assert_eq!(read_one("message", in_group(more)).await, Content::Ignored(Ignored::Group));
}

#[tokio::test]
async fn a_caption_can_request_the_text_of_its_recording() {
    let command = |offset: usize, length: usize| json!([{"type": "bot_command", "offset": offset, "length": length}]);
    for (caption, entities, asks) in [
        ("/transcribe", command(0, 11), true),
        ("/transcribe", Value::Null, true),
        ("/transcribe@Steno_Bot пожалуйста", command(0, 21), true),
        // Offsets are in UTF-16 units.
        ("🎙🎙 вот: /transcribe, пожалуйста", command(10, 11), true),
        (
            "вот: /help /transcribe@steno_bot.",
            json!([{"type": "bot_command", "offset": 5, "length": 5},
            {"type": "bold", "offset": 0, "length": 3}, {"type": "bot_command", "offset": 11, "length": 21}]),
            true,
        ),
        ("/transcribe@other_bot", command(0, 21), false),
        ("/help", command(0, 5), false),
        ("просто подпись", Value::Null, false),
        ("просто подпись", command(3, 400), false),
        ("просто подпись", json!([{"type": "bot_command", "offset": 3, "length": u64::MAX}]), false),
        ("🎙 подпись", command(1, 3), false),
        ("подпись", json!("flawed"), false),
    ] {
        for field in ["voice", "audio", "video_note", "video", "document"] {
            let more = json!({field: voice(), "caption": caption, "caption_entities": entities});
            let content = read_one("message", in_group(more)).await;
            let Content::Voice(voice) = content else { panic!("{caption}: {content:?}") };
            let wanted = if asks { AskedBy::User } else { AskedBy::Itself };
            assert_eq!(
                (voice.asked_by, voice.asked, voice.message),
                (wanted, MessageId(90), MessageId(90)),
                "{caption}"
            );
        }
    }
    // A channel's post requests its own text too.
    let automatic = in_group(json!({"voice": voice(), "is_automatic_forward": true, "caption": "/transcribe",
        "caption_entities": command(0, 11), "sender_chat": {"id": -1007, "type": "channel", "title": "News"}}));
    assert!(matches!(read_one("message", automatic).await, Content::Voice(voice) if voice.from.id == UserId(-1007)));
}

#[tokio::test]
async fn other_messages_and_files_in_a_group_are_ignored() {
    let file = json!({"file_id": "f", "file_unique_id": "u", "mime_type": "application/octet-stream"});
    for more in [
        json!({"text": "hi"}),
        json!({"text": "/weather"}),
        json!({"document": file}),
        json!({"text": "/help@other_bot"}),
    ] {
        assert_eq!(read_one("message", in_group(more.clone())).await, Content::Ignored(Ignored::Group), "{more}");
    }
    let help = read_one("message", in_group(json!({"text": "/auto on"}))).await;
    let Content::Command(command) = help else { panic!("{help:?}") };
    assert_eq!((command.name, command.argument.as_str(), command.location), (Some("auto"), "on", us()));
    let automatic = in_group(json!({"voice": voice(), "is_automatic_forward": true,
        "sender_chat": {"id": -1007, "type": "channel", "title": "News"}}));
    assert_eq!(read_one("message", automatic).await, Content::Ignored(Ignored::Group));
}

#[tokio::test]
async fn a_message_in_the_name_of_a_chat_has_the_chat_s_id() {
    let bot = json!({"id": 1_087_968_824, "is_bot": true, "first_name": "Group", "username": "GroupAnonymousBot"});
    for (chat, admin) in [(GROUP, true), (-1007, false)] {
        let message = in_group(json!({"text": "/auto off", "from": bot,
            "sender_chat": {"id": chat, "type": "supergroup", "title": "Us"}}));
        let Content::Command(command) = read_one("message", message).await else { panic!() };
        assert_eq!((command.from.id, command.from.anonymous_admin), (UserId(chat), admin));
    }
}

#[tokio::test]
async fn a_topic_is_a_topic_only_when_the_message_says_so() {
    for (is_topic, thread) in [(true, Some(ThreadId::Topic(12))), (false, None)] {
        let message = in_group(json!({"voice": voice(), "message_thread_id": 12, "is_topic_message": is_topic}));
        let Content::Voice(voice) = read_one("message", message).await else { panic!() };
        assert_eq!(voice.location.thread, thread);
    }
}

#[tokio::test]
async fn a_press_is_parsed_whatever_its_data() {
    let from = json!({"id": 5_111_222_333_i64, "is_bot": false, "first_name": "Анна", "last_name": "Иванова",
        "username": "anna_i", "language_code": "ru"});
    let press = |data: &str, message: Value| json!({"id": "43", "from": from, "chat_instance": "1", "data": data, "message": message});
    let own = json!({"message_id": 8, "date": 0, "chat": {"id": 5_111_222_333_i64, "type": "private"}});
    let wanted = Press {
        callback: "43".into(),
        from: anna(),
        location: Some(with_anna()),
        message: Some(MessageId(8)),
        inline: None,
        buttons: vec![],
        action: Some(Action::Cancel(RequestId(3))),
        replied: None,
    };
    assert_eq!(read_one("callback_query", press("1:c:3", own.clone())).await, Content::Press(Box::new(wanted.clone())));
    // The buttons that Telegram's server shows, beside what the user's program claims.
    let mut shown = own.clone();
    shown["reply_markup"] = json!({"inline_keyboard": [
        [{"text": "X", "callback_data": "1:x"}, {"text": "a link", "url": "https://example.org"}],
        [{"text": "?", "callback_data": "of another version"}, 5, {"text": "g", "callback_data": "1:g:2"}],
        "no row",
    ]});
    let buttons = vec![Action::Forget, Action::ChatLanguages(2)];
    let with_buttons = Press { buttons, ..wanted.clone() };
    assert_eq!(read_one("callback_query", press("1:c:3", shown)).await, Content::Press(Box::new(with_buttons)));
    let mut flawed = own.clone();
    flawed["reply_markup"] = json!("flawed");
    assert_eq!(read_one("callback_query", press("1:c:3", flawed)).await, Content::Press(Box::new(wanted.clone())));
    let mut replying = own.clone();
    replying["reply_to_message"] = json!({"message_id": 7, "date": 1_795_930_920, "chat": own["chat"],
        "audio": {"file_id": "a", "file_unique_id": "b", "duration": 3, "file_name": "Лекция.mp3"}});
    let replied = Replied { date: Timestamp(1_795_930_920_000), file_name: Some("Лекция.mp3".into()) };
    let answered = Press { replied: Some(replied), ..wanted.clone() };
    assert_eq!(read_one("callback_query", press("1:c:3", replying)).await, Content::Press(Box::new(answered)));
    let unknown = Press { action: None, ..wanted.clone() };
    assert_eq!(read_one("callback_query", press("1:c:3:x", own)).await, Content::Press(Box::new(unknown)));
    let gone = Press { location: None, message: None, ..wanted };
    assert_eq!(read_one("callback_query", press("1:c:3", Value::Null)).await, Content::Press(Box::new(gone)));
}

#[tokio::test]
async fn blocking_and_unblocking_is_parsed() {
    for (status, access) in [
        ("kicked", Access::Gone),
        ("left", Access::Gone),
        ("member", Access::Writes),
        ("administrator", Access::Writes),
    ] {
        let update = json!({"chat": {"id": 5, "type": "private"}, "from": {"id": 5, "first_name": "A"}, "date": 0,
            "old_chat_member": {"status": "member"}, "new_chat_member": {"status": status, "user": {"id": 1}}});
        let wanted = Membership { chat: ChatId(5), kind: ChatKind::Private, access };
        assert_eq!(read_one("my_chat_member", update).await, Content::Membership(wanted), "{status}");
    }
}

#[tokio::test]
async fn the_bot_s_rights_in_a_group_are_parsed() {
    for (member, access) in [
        (json!({"status": "restricted", "is_member": true, "can_send_messages": false}), Access::Silenced),
        (json!({"status": "restricted", "is_member": true, "can_send_messages": true}), Access::Writes),
        (json!({"status": "restricted"}), Access::Writes),
        (json!({"status": "member", "can_send_messages": false}), Access::Writes),
    ] {
        let update = json!({"chat": {"id": GROUP, "type": "supergroup", "title": "Us"}, "date": 0,
            "new_chat_member": member});
        let wanted = Membership { chat: ChatId(GROUP), kind: ChatKind::Group, access };
        assert_eq!(read_one("my_chat_member", update).await, Content::Membership(wanted), "{member}");
    }
}

#[tokio::test]
async fn a_move_to_a_supergroup_is_parsed_in_both_chats() {
    let new = -1_002_000_000_007_i64;
    let wanted = Content::Moved { from: ChatId(GROUP), to: ChatId(new) };
    let anonymous = json!({"id": 1_087_968_824, "is_bot": true, "first_name": "Group"});
    for from in [json!({"id": 5, "is_bot": false, "first_name": "A"}), anonymous, Value::Null] {
        let said = |chat: i64, kind: &str, field: &str, other: i64| {
            let mut message = json!({"message_id": 1, "date": 0, "chat": {"id": chat, "type": kind, "title": "Us"}});
            message[field] = json!(other);
            message["from"] = from.clone();
            message
        };
        assert_eq!(read_one("message", said(GROUP, "group", "migrate_to_chat_id", new)).await, wanted);
        let read = read_one("message", said(new, "supergroup", "migrate_from_chat_id", GROUP)).await;
        assert_eq!((read.kind().as_str(), read), ("migration", wanted.clone()));
    }
}

#[tokio::test]
async fn messages_not_from_users_are_ignored() {
    let with = |field: &str, value: Value| {
        let mut message = private(json!({"voice": voice()}));
        message[field] = value;
        message
    };
    let chat = |kind: &str| with("chat", json!({"id": GROUP, "title": "Us", "type": kind}));
    let bot = json!({"id": 1, "is_bot": true, "first_name": "B"});
    for (kind, content, wanted) in [
        ("message", chat("channel"), Ignored::Channel),
        ("message", chat("a kind to come"), Ignored::Unexpected),
        ("message", with("from", bot), Ignored::Bot),
        ("message", with("from", Value::Null), Ignored::Unreadable),
        ("message", with("message_id", json!("seven")), Ignored::Unreadable),
        ("message", with("voice", json!({"duration": 3})), Ignored::Unreadable),
        ("message", json!("no message"), Ignored::Unreadable),
        ("channel_post", chat("supergroup"), Ignored::Channel),
        ("edited_message", private(json!({"voice": voice(), "edit_date": 1_764_000_001})), Ignored::Edited),
        ("edited_channel_post", chat("channel"), Ignored::Edited),
        ("callback_query", json!({"id": 43}), Ignored::Unreadable),
        ("my_chat_member", json!({"chat": {"id": 5, "type": "private"}}), Ignored::Unreadable),
        ("something_to_come", json!(17), Ignored::Unexpected),
    ] {
        let read = read_one(kind, content.clone()).await;
        assert_eq!(read, Content::Ignored(wanted), "{kind}: {content}");
        assert!(UpdateKind::ALL.contains(&read.kind()));
    }
}

#[tokio::test]
async fn an_unreadable_update_affects_no_other() {
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
    // Nothing here can be acknowledged, so the poll must not be repeated at once.
    assert_eq!(read(json!([{"message": {}}, 5])).await, Err(TelegramError::Server));
}

#[tokio::test]
async fn a_body_that_is_not_json_is_a_server_error() {
    for body in ["<html>", "", r#"{"ok":true,"result":{"not":"a list"}}"#, r#"{"ok":true,"result":[{"update_id":1}"#] {
        let stub = Stub::start([Answer::Whole(200, body.into())]).await;
        assert_eq!(stub.client().updates(Some(1), Duration::ZERO).await, Err(TelegramError::Server), "{body}");
    }
}
