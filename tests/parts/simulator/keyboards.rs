//! Buttons, callback queries, menus and documents.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use stenobot_domain::{MessageId, UserId};
use stenobot_simulator::answers::RequestOutcome;
use stenobot_simulator::server::{Attachment, BotApi, CallbackAnswer, State};
use stenobot_simulator::users::User;
use teloxide::ApiError;
use teloxide::prelude::*;
use teloxide::types::{
    AllowedUpdate, BotCommand, BotCommandScope, InlineKeyboardButton, InlineKeyboardMarkup, InputFile, InputMedia,
    InputMediaDocument, ReplyParameters, UpdateKind,
};

use super::server::{ANNA, api_error, chat, id, start, unknown, unlimited};

fn button(label: &str, data: &str) -> InlineKeyboardMarkup {
    InlineKeyboardMarkup::new([[InlineKeyboardButton::callback(label, data)]])
}

/// A call with a body that client libraries would not send.
async fn call(api: &BotApi, method: &str, body: Value) -> Value {
    let url = format!("{}bot{}/{method}", api.url(), api.token());
    let request = reqwest::Client::new().post(url).header("content-type", "application/json").body(body.to_string());
    serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap()
}

async fn someone() -> (BotApi, Bot, User) {
    let (api, bot) = start(unlimited()).await;
    let user = User::new(&api, UserId(ANNA.0), "Анна", "ru");
    (api, bot, user)
}

#[tokio::test]
async fn keyboards_are_refused_as_telegram_refuses_them() {
    let (api, _bot, _) = someone().await;
    let unlabelled = "Bad Request: can't parse inline keyboard button: Can't find field \"text\"";
    let idle = "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard";
    for (button, wanted) in [
        (json!({ "callback_data": "a" }), unlabelled),
        (json!({ "text": " ", "callback_data": "a" }), "Bad Request: BUTTON_TEXT_INVALID"),
        (json!({ "text": "a" }), idle),
        (json!({ "text": "a", "callback_data": "" }), idle),
        (json!({ "text": "a", "callback_data": "я".repeat(33) }), "Bad Request: BUTTON_DATA_INVALID"),
    ] {
        let markup = json!({ "inline_keyboard": [[{ "text": "good", "callback_data": "я".repeat(32) }, button]] });
        let refused = call(&api, "sendMessage", json!({ "chat_id": ANNA, "text": "a", "reply_markup": markup })).await;
        assert_eq!(refused["description"], wanted);
    }
    assert!(api.read(|state| state.chats[&ANNA].messages.is_empty()));
}

#[tokio::test]
async fn entities_are_refused_as_telegram_refuses_them() {
    let (api, _bot, _) = someone().await;
    let time = |unix_time: i64, format: &str| json!({"type": "date_time", "offset": 2, "length": 3, "unix_time": unix_time, "date_time_format": format});
    for (entity, wanted) in [
        (json!({"type": "later", "offset": 0, "length": 1}), "can't parse MessageEntity: Unsupported type specified"),
        (time(1, "x"), "can't parse MessageEntity: Invalid date-time format specified"),
        (time(0, "dt"), "invalid date specified"),
        (time(1 << 31, "dt"), "can't parse entities"),
        (json!({"type": "bold", "offset": 0, "length": 6}), "entity ends after the end of the text"),
        (
            json!({"type": "bold", "offset": 0, "length": 1}),
            "entity beginning or ending in the middle of a UTF-16 symbol",
        ),
    ] {
        let body = json!({ "chat_id": ANNA, "text": "🎧abc", "entities": [entity] });
        let refused = call(&api, "sendMessage", body).await;
        assert_eq!(refused["description"], format!("Bad Request: {wanted}"));
    }
    for format in ["", "r", "wDT", "dt"] {
        let body = json!({ "chat_id": ANNA, "text": "🎧abc", "entities": [time(1, format)] });
        let sent = call(&api, "sendMessage", body).await;
        assert_eq!(sent["result"]["entities"][0]["unix_time"], 1, "{sent}");
    }
    let times = |state: &State| {
        state.chats[&ANNA].messages.values().map(|message| message.decoration.time.clone()).collect::<Vec<_>>()
    };
    assert_eq!(api.read(times), vec![Some((4..7, 1)); 4], "in bytes");
}

#[tokio::test]
async fn an_edit_changes_or_removes_the_keyboard() {
    let (api, bot, anna) = someone().await;
    let sent = bot.send_message(chat(ANNA), "a").reply_markup(button("Stop", "stop:1")).await.unwrap();
    let message = MessageId(sent.id.0);
    assert_eq!(anna.keyboard(message)[0][0].label, "Stop");

    let edit = |data: &str| bot.edit_message_text(chat(ANNA), sent.id, "a").reply_markup(button("Stop", data));
    assert_eq!(api_error(edit("stop:1").await), ApiError::MessageNotModified);
    edit("stop:2").await.unwrap();
    assert_eq!(anna.keyboard(message)[0][0].data, "stop:2");

    let swap = |data: &str| bot.edit_message_reply_markup(chat(ANNA), sent.id).reply_markup(button("Stop", data));
    assert_eq!(api_error(swap("stop:2").await), ApiError::MessageNotModified);
    swap("stop:3").await.unwrap();
    assert_eq!(anna.keyboard(message)[0][0].data, "stop:3");
    let other = json!({ "chat_id": ANNA, "message_id": message, "reply_markup": { "force_reply": true } });
    let refused = call(&api, "editMessageReplyMarkup", other).await;
    assert_eq!(refused["description"], "Bad Request: inline keyboard expected");

    bot.edit_message_text(chat(ANNA), sent.id, "a").await.unwrap();
    assert!(anna.keyboard(message).is_empty(), "an edit without a keyboard removes it");
    assert_eq!(api_error(bot.edit_message_reply_markup(chat(ANNA), sent.id).await), ApiError::MessageNotModified);
    let shown = api.read(|state| state.message(ANNA, message).unwrap().texts().len());
    assert_eq!(shown, 1, "the text has never changed");

    let hers = anna.send_text("hello").id();
    let refused = bot.edit_message_reply_markup(chat(ANNA), id(hers)).await;
    assert_eq!(api_error(refused), ApiError::MessageCantBeEdited);
}

#[tokio::test]
async fn a_callback_query_is_answered_once() {
    let (api, bot, anna) = someone().await;
    let sent = bot.send_message(chat(ANNA), "a").reply_markup(button("Stop", "stop:1")).await.unwrap();
    let message = MessageId(sent.id.0);
    assert!(anna.press_button(message, "Go").is_none(), "there is no such button");

    let pressed = anna.press_button(message, "Stop").unwrap();
    let waiting = tokio::spawn({
        let pressed = pressed.clone();
        async move { pressed.wait_for_answer().await }
    });
    let updates = bot.get_updates().await.unwrap();
    let UpdateKind::CallbackQuery(query) = &updates[0].kind else { panic!("{updates:?}") };
    assert_eq!(query.data.as_deref(), Some("stop:1"));
    assert_eq!(pressed.answer(), None);

    let too_long = bot.answer_callback_query(query.id.clone()).text("я".repeat(201)).await;
    assert_eq!(api_error(too_long), ApiError::EditedMessageIsTooLong);
    bot.answer_callback_query(query.id.clone()).text("я".repeat(200)).show_alert(true).await.unwrap();
    let toast = waiting.await.unwrap();
    assert_eq!(toast, CallbackAnswer { text: "я".repeat(200), alert: true });
    assert_eq!(anna.callback_answers(), [toast]);

    let old = "Bad Request: query is too old and response timeout expired or query ID is invalid";
    for id in [query.id.0.as_str(), "17"] {
        let refused = call(&api, "answerCallbackQuery", json!({ "callback_query_id": id })).await;
        assert_eq!(refused["description"], old);
    }
}

#[tokio::test]
async fn a_forged_callback_query_carries_any_data() {
    let (api, bot, anna) = someone().await;
    let sent = bot.send_message(chat(ANNA), "a").reply_markup(button("Stop", "stop:1")).await.unwrap();
    anna.send_callback(MessageId(sent.id.0), "stop:999999; --");
    anna.send_callback(MessageId(4000), "");
    let updates = bot.get_updates().await.unwrap();
    let queries: Vec<_> = updates
        .iter()
        .map(|update| match &update.kind {
            UpdateKind::CallbackQuery(query) => query,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(queries[0].data.as_deref(), Some("stop:999999; --"));
    assert!(queries[0].regular_message().is_some() && queries[1].regular_message().is_none());
    bot.answer_callback_query(queries[1].id.clone()).await.unwrap();
    assert!(api.is_answered(&queries[1].id.0));
}

#[tokio::test]
async fn only_allowed_updates_are_delivered() {
    let (_api, bot, anna) = someone().await;
    let sent = bot.send_message(chat(ANNA), "a").reply_markup(button("Stop", "stop:1")).await.unwrap();
    bot.get_updates().allowed_updates([AllowedUpdate::CallbackQuery, AllowedUpdate::MyChatMember]).await.unwrap();
    anna.send_text("unseen");
    anna.press_button(MessageId(sent.id.0), "Stop").unwrap();
    anna.block_bot();
    anna.block_bot();
    assert_eq!(api_error(bot.send_message(chat(ANNA), "a").await), ApiError::BotBlocked);
    anna.unblock_bot();
    let updates = bot.get_updates().await.unwrap();
    let kinds: Vec<&str> = updates
        .iter()
        .map(|update| match &update.kind {
            UpdateKind::CallbackQuery(_) => "press",
            UpdateKind::MyChatMember(change) if change.new_chat_member.is_banned() => "blocked",
            UpdateKind::MyChatMember(change) if change.old_chat_member.is_banned() => "let in",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["press", "blocked", "let in"]);
    bot.send_message(chat(ANNA), "a").await.unwrap();
}

#[tokio::test]
async fn menus_are_kept_by_scope_and_language() {
    let (api, bot, anna) = someone().await;
    let boris = User::new(&api, UserId(502), "Boris", "de-AT");
    bot.set_my_commands([BotCommand::new("help", "What I do")]).await.unwrap();
    bot.set_my_commands([BotCommand::new("help", "Помощь"), BotCommand::new("queue", "Очередь")])
        .language_code("ru")
        .await
        .unwrap();
    let names = |user: &User| user.menu().into_iter().map(|entry| entry.description).collect::<Vec<_>>();
    assert_eq!(names(&anna), ["Помощь", "Очередь"]);
    assert_eq!(names(&boris), ["What I do"]);
    let owner = BotCommandScope::Chat { chat_id: chat(boris.chat()).into() };
    bot.set_my_commands([BotCommand::new("stats", "Figures")]).scope(owner.clone()).await.unwrap();
    assert_eq!(names(&boris), ["Figures"]);
    bot.set_my_commands(Vec::<BotCommand>::new()).scope(owner).await.unwrap();
    assert_eq!(names(&boris), ["What I do"]);

    let entry = |command: &str, description: &str| json!({ "command": command, "description": description });
    for (commands, wanted) in [
        (json!({}), "expected an Array of BotCommand"),
        (json!([{ "command": "a" }]), "can't parse BotCommand: Can't find field \"description\""),
        (json!([entry("Help", "a")]), "BOT_COMMAND_INVALID"),
        (json!([entry(&"a".repeat(33), "a")]), "BOT_COMMAND_INVALID"),
        (json!([entry("a", "")]), "BOT_COMMAND_DESCRIPTION_INVALID"),
        (json!([entry("a", &"я".repeat(257))]), "BOT_COMMAND_DESCRIPTION_INVALID"),
        (json!(vec![entry("a", "b"); 101]), "BOT_COMMANDS_TOO_MUCH"),
    ] {
        let refused = call(&api, "setMyCommands", json!({ "commands": commands })).await;
        assert_eq!(refused["description"], format!("Bad Request: {wanted}"));
    }
    let longest = json!([entry(&"a".repeat(32), &"я".repeat(256))]);
    assert_eq!(call(&api, "setMyCommands", json!({ "commands": longest })).await["ok"], true);
    assert_eq!(names(&anna), ["Помощь", "Очередь"], "a refused menu changes nothing");
}

#[tokio::test]
async fn documents_have_size_limits() {
    let (_api, bot, anna) = someone().await;
    let file = |bytes: Vec<u8>| InputFile::memory(bytes).file_name("текст, часть; 1.txt");
    let captioned = |length| bot.send_document(chat(ANNA), file(b"a".to_vec())).caption("я".repeat(length));
    assert_eq!(api_error(captioned(1025).await), unknown("Bad Request: message caption is too long"));
    assert_eq!(
        api_error(bot.send_document(chat(ANNA), file(vec![])).await),
        unknown("Bad Request: file must be non-empty")
    );
    let limit = 50 * 1024 * 1024;
    let huge = bot.send_document(chat(ANNA), file(vec![0; limit + 1])).await;
    assert_eq!(api_error(huge), ApiError::RequestEntityTooLarge);

    let sent = captioned(1024).await.unwrap();
    let [document] = &anna.documents()[..] else { panic!("one document") };
    assert_eq!((document.name.as_str(), &document.bytes[..]), ("текст, часть; 1.txt", &b"a"[..]));
    bot.edit_message_reply_markup(chat(ANNA), sent.id).reply_markup(button("Again", "again")).await.unwrap();
    assert_eq!(anna.keyboard(MessageId(sent.id.0))[0][0].label, "Again");
    let as_text = bot.edit_message_text(chat(ANNA), sent.id, "b").await;
    assert_eq!(api_error(as_text), unknown("Bad Request: there is no text in the message to edit"));
}

#[tokio::test]
async fn a_text_becomes_a_file_but_no_file_a_text() {
    let (_api, bot, anna) = someone().await;
    let sent = anna.send_file(Attachment::voice(Duration::from_secs(3)), &b"OggS"[..]);
    let reply = ReplyParameters::new(id(sent.id()));
    let status = bot.send_message(chat(ANNA), "📥 ...").reply_markup(button("Stop", "stop")).reply_parameters(reply);
    let status = status.await.unwrap();
    let media = |bytes: &'static [u8]| {
        let file = InputFile::memory(bytes).file_name("текст.srt");
        InputMedia::Document(InputMediaDocument::new(file).caption("⚠️"))
    };
    let edited = bot.edit_message_media(chat(ANNA), status.id, media(b"1")).await.unwrap();
    assert_eq!(edited.document().unwrap().file_name.as_deref(), Some("текст.srt"));
    assert!(anna.keyboard(MessageId(status.id.0)).is_empty());
    let again = bot.edit_message_media(chat(ANNA), status.id, media(b"1")).await;
    assert_eq!(api_error(again), ApiError::MessageNotModified);
    bot.edit_message_media(chat(ANNA), status.id, media(b"2")).await.unwrap();
    assert_eq!(
        api_error(bot.edit_message_media(chat(ANNA), id(sent.id()), media(b"1")).await),
        ApiError::MessageCantBeEdited
    );
    assert_eq!(
        api_error(bot.edit_message_text(chat(ANNA), status.id, "b").await),
        unknown("Bad Request: there is no text in the message to edit")
    );
    let trail = sent.trail();
    assert_eq!(trail.answers.len(), 1, "{trail:?}");
    assert_eq!((&trail.answers[0].documents[0].bytes[..], trail.overwritten), (&b"2"[..], false));
}

#[tokio::test]
async fn a_document_belongs_to_the_answer() {
    let (_api, bot, anna) = someone().await;
    let sent = anna.send_file(Attachment::voice(Duration::from_secs(3)), &b"OggS"[..]);
    let reply = ReplyParameters::new(id(sent.id()));
    let heading = "✅ Bitti!\n⚠️ Ses kısık.\n\nBirinci cümle…";
    bot.send_message(chat(ANNA), heading).reply_parameters(reply.clone()).await.unwrap();
    let file = InputFile::memory(Bytes::from_static("Birinci cümle. İkinci.".as_bytes())).file_name("metin.txt");
    bot.send_document(chat(ANNA), file).caption("📄").reply_parameters(reply).await.unwrap();

    let trail = sent.trail();
    let answer = trail.answer().unwrap();
    assert_eq!(answer.outcome, RequestOutcome::Answered("Birinci cümle…".into()));
    assert_eq!(answer.documents[0].name, "metin.txt");
    assert_eq!(answer.spoken().unwrap(), "Birinci cümle. İkinci.");
    assert!(!trail.is_duplicated());
}

#[tokio::test]
async fn a_button_press_allows_another_answer() {
    let (_api, bot, anna) = someone().await;
    let sent = anna.send_file(Attachment::voice(Duration::from_secs(3)), &b"OggS"[..]);
    let reply = ReplyParameters::new(id(sent.id()));
    let status =
        bot.send_message(chat(ANNA), "📥 ...").reply_markup(button("Stop", "stop")).reply_parameters(reply.clone());
    let status = status.await.unwrap();
    anna.press_button(MessageId(status.id.0), "Stop").unwrap();
    bot.edit_message_text(chat(ANNA), status.id, "✅ Done!\n\nText")
        .reply_markup(button("Deutsch", "de"))
        .await
        .unwrap();
    assert_eq!(sent.trail().asked, 1, "stopping asks for nothing more");
    anna.press_button(MessageId(status.id.0), "Deutsch").unwrap();
    bot.send_message(chat(ANNA), "✅ Done!\n\nWort").reply_parameters(reply.clone()).await.unwrap();
    assert!(!sent.trail().is_duplicated());
    bot.send_message(chat(ANNA), "✅ Done!\n\nWort").reply_parameters(reply).await.unwrap();
    assert!(sent.trail().is_duplicated());
}
