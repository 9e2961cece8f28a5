//! The Bot API server with teloxide's `Bot` as its client.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use serde_json::json;
use stenobot_domain::{ChatId, MessageId, UserId};
use stenobot_simulator::server::{
    Attachment, BotApi, CallOutcome, ChatKind, Effect, FloodLimits, Method, Rate, Refusal, ScriptedFault, Settings,
    UserInfo,
};
use teloxide::net::Download;
use teloxide::prelude::*;
use teloxide::types::{
    AllowedUpdate, FileId, InlineKeyboardButton, InlineKeyboardMarkup, InputFile, ReplyParameters, UpdateKind,
};
use teloxide::{ApiError, RequestError};

pub(super) const ANNA: ChatId = ChatId(501);

pub(super) fn anna() -> UserInfo {
    UserInfo { id: UserId(501), name: "Анна".into(), language_code: Some("ru".into()) }
}

/// Rate limits that no test reaches.
pub(super) fn unlimited() -> FloodLimits {
    let rate = Rate { burst: 1_000_000, every: Duration::from_nanos(1) };
    FloodLimits { private: rate, group: rate, overall: rate }
}

pub(super) async fn start(flood: FloodLimits) -> (BotApi, Bot) {
    let api = BotApi::start(Settings { flood, ..Settings::default() }).await.expect("a free port");
    let bot = Bot::new(api.token()).set_api_url(api.url().clone());
    api.open_chat(ANNA, ChatKind::Private, "Анна");
    (api, bot)
}

pub(super) fn chat(id: ChatId) -> teloxide::types::ChatId {
    teloxide::types::ChatId(id.0)
}

pub(super) fn id(message: MessageId) -> teloxide::types::MessageId {
    teloxide::types::MessageId(message.0)
}

pub(super) fn api_error<T: std::fmt::Debug>(result: Result<T, RequestError>) -> ApiError {
    match result {
        Err(RequestError::Api(error)) => error,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

pub(super) fn unknown(text: &str) -> ApiError {
    ApiError::Unknown(text.into())
}

#[tokio::test]
async fn another_token_and_another_method_are_refused() {
    let (api, bot) = start(unlimited()).await;
    let me = bot.get_me().await.unwrap();
    assert_eq!(me.username(), "stenobot_simulated_bot");
    assert_eq!(me.user.id.0.to_string(), api.token().split(':').next().unwrap());

    let stranger = Bot::new("7000000001:AAwrongwrongwrongwrongwrongwrongwro").set_api_url(api.url().clone());
    assert_eq!(api_error(stranger.get_me().await), ApiError::InvalidToken);

    let url = format!("{}bot{}/NoSuchThing", api.url(), api.token());
    let response = reqwest::get(url).await.unwrap();
    assert_eq!(response.status(), 404);
    let body: serde_json::Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(body, json!({ "ok": false, "error_code": 404, "description": "Not Found" }));
}

#[tokio::test]
async fn texts_are_measured_in_utf16_units() {
    let (_api, bot) = start(unlimited()).await;
    let at_limit = "😀".repeat(2048);
    let sent = bot.send_message(chat(ANNA), &at_limit).await.unwrap();
    assert_eq!(sent.text(), Some(at_limit.as_str()));
    let over = format!("{at_limit}a");
    assert_eq!(api_error(bot.send_message(chat(ANNA), &over).await), ApiError::MessageIsTooLong);
    let edited = bot.edit_message_text(chat(ANNA), sent.id, &over).await;
    assert_eq!(api_error(edited), ApiError::EditedMessageIsTooLong);
    assert_eq!(api_error(bot.send_message(chat(ANNA), " \n ").await), ApiError::MessageTextIsEmpty);
}

#[tokio::test]
async fn calls_about_missing_messages_are_refused() {
    let (api, bot) = start(unlimited()).await;
    let nowhere = teloxide::types::ChatId(999);
    assert_eq!(api_error(bot.send_message(nowhere, "a").await), ApiError::ChatNotFound);

    let missing = teloxide::types::MessageId(77);
    let reply = bot.send_message(chat(ANNA), "a").reply_parameters(ReplyParameters::new(missing)).await;
    assert_eq!(api_error(reply), ApiError::MessageToReplyNotFound);
    let lenient = ReplyParameters::new(missing).allow_sending_without_reply();
    let sent = bot.send_message(chat(ANNA), "a").reply_parameters(lenient).await.unwrap();
    assert!(sent.reply_to_message().is_none());

    assert_eq!(api_error(bot.edit_message_text(chat(ANNA), missing, "b").await), ApiError::MessageToEditNotFound);
    assert_eq!(api_error(bot.edit_message_text(chat(ANNA), sent.id, "a").await), ApiError::MessageNotModified);
    let hers = api.receive_text(ANNA, &anna(), "hello", None);
    assert_eq!(api_error(bot.edit_message_text(chat(ANNA), id(hers), "b").await), ApiError::MessageCantBeEdited);

    bot.delete_message(chat(ANNA), sent.id).await.unwrap();
    assert_eq!(api_error(bot.delete_message(chat(ANNA), sent.id).await), ApiError::MessageToDeleteNotFound);
    assert_eq!(api_error(bot.edit_message_text(chat(ANNA), sent.id, "b").await), ApiError::MessageToEditNotFound);

    api.set_blocked(ANNA, true);
    assert_eq!(api_error(bot.send_message(chat(ANNA), "a").await), ApiError::BotBlocked);
}

#[tokio::test]
async fn edits_leave_a_history_and_keep_the_reply() {
    let (api, bot) = start(unlimited()).await;
    let voice =
        api.receive_file(ANNA, &anna(), Attachment::voice(Duration::from_secs(3)), Bytes::from_static(b"OggS"), None);
    let status = bot.send_message(chat(ANNA), "one").reply_parameters(ReplyParameters::new(id(voice))).await.unwrap();
    assert_eq!(status.reply_to_message().unwrap().voice().unwrap().duration.seconds(), 3);
    bot.edit_message_text(chat(ANNA), status.id, "two").await.unwrap();
    bot.edit_message_text(chat(ANNA), status.id, "three").await.unwrap();
    api.read(|state| {
        let reply = state.replies(ANNA, voice).next().unwrap();
        let texts: Vec<&str> = reply.texts().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["one", "two", "three"]);
        assert!(reply.texts().windows(2).all(|pair| pair[0].0 <= pair[1].0));
    });
}

#[tokio::test]
async fn a_long_poll_returns_when_an_update_arrives() {
    let (api, bot) = start(unlimited()).await;
    let polling = tokio::spawn(async move { bot.get_updates().timeout(10).await });
    api.wait_for(|state| (state.polls() > 0).then_some(())).await;
    let before = api.now();
    let message = api.receive_text(ANNA, &anna(), "hello", None);
    let updates = polling.await.unwrap().unwrap();
    assert!(api.now() - before < Duration::from_secs(5));
    let UpdateKind::Message(got) = &updates[0].kind else { panic!("{updates:?}") };
    assert_eq!((got.id, got.text()), (id(message), Some("hello")));
    assert_eq!(got.from.as_ref().unwrap().language_code.as_deref(), Some("ru"));
}

#[tokio::test]
async fn only_an_offset_confirms_updates() {
    let (api, bot) = start(unlimited()).await;
    for text in ["a", "b", "c"] {
        api.receive_text(ANNA, &anna(), text, None);
    }
    let ids = |updates: &[Update]| updates.iter().map(|update| update.id.0).collect::<Vec<_>>();
    let first = ids(&bot.get_updates().await.unwrap());
    assert_eq!(first.len(), 3);
    assert_eq!(ids(&bot.get_updates().limit(2).await.unwrap()), first[..2], "unconfirmed updates come again");

    let offset = |id: u32| i32::try_from(id).unwrap();
    assert_eq!(ids(&bot.get_updates().offset(offset(first[1])).await.unwrap()), first[1..]);
    assert_eq!(ids(&bot.get_updates().await.unwrap()), first[1..], "what was confirmed stays away");
    assert_eq!(ids(&bot.get_updates().offset(-1).await.unwrap()), first[2..]);
    assert!(bot.get_updates().offset(offset(first[2]) + 1).await.unwrap().is_empty());
    api.read(|state| {
        assert!(state.pending.is_empty());
        let deliveries: Vec<usize> = state.confirmed.iter().map(|update| update.delivered.len()).collect();
        assert_eq!(deliveries, [2, 4, 4]);
    });
}

#[tokio::test]
async fn updates_of_unrequested_kinds_are_not_delivered() {
    let (api, bot) = start(unlimited()).await;
    bot.get_updates().allowed_updates([AllowedUpdate::CallbackQuery]).await.unwrap();
    api.receive_text(ANNA, &anna(), "unseen", None);
    assert!(bot.get_updates().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_second_poll_ends_the_first_with_a_conflict() {
    let (api, bot) = start(unlimited()).await;
    let first = tokio::spawn({
        let bot = bot.clone();
        async move { bot.get_updates().timeout(30).await }
    });
    api.wait_for(|state| (state.polls() > 0).then_some(())).await;
    assert!(bot.get_updates().await.unwrap().is_empty());
    assert_eq!(api_error(first.await.unwrap()), ApiError::TerminatedByOtherGetUpdates);
}

#[tokio::test]
async fn sending_too_fast_is_refused_with_retry_after() {
    let (api, bot) = start(FloodLimits::default()).await;
    let sent = bot.send_message(chat(ANNA), "0").await.unwrap();
    for text in ["1", "2", "3", "4"] {
        bot.edit_message_text(chat(ANNA), sent.id, text).await.unwrap();
    }
    for expected_impatient in [false, true] {
        let refused = bot.edit_message_text(chat(ANNA), sent.id, "5").await;
        let Err(RequestError::RetryAfter(wait)) = refused else { panic!("{refused:?}") };
        assert_eq!(wait.seconds(), 1);
        let last = api.read(|state| state.calls.last().cloned()).unwrap();
        assert_eq!(last.outcome, CallOutcome::Refused(Refusal::TooMany(Duration::from_secs(1))));
        assert_eq!(last.impatient, expected_impatient);
    }
    // The limit is per chat.
    api.open_chat(ChatId(502), ChatKind::Private, "Boris");
    bot.send_message(chat(ChatId(502)), "a").await.unwrap();
}

#[tokio::test]
async fn files_are_downloaded_through_links() {
    let settings = Settings { file_limit: 5000, flood: unlimited(), ..Settings::default() };
    let api = BotApi::start(settings).await.unwrap();
    let bot = Bot::new(api.token()).set_api_url(api.url().clone());
    let content = Bytes::from(vec![7_u8; 5000]);
    api.receive_file(ANNA, &anna(), Attachment::voice(Duration::from_secs(9)), content.clone(), Some(12));
    api.receive_file(ANNA, &anna(), Attachment::voice(Duration::from_secs(9)), vec![7_u8; 5001].into(), None);
    let updates = bot.get_updates().await.unwrap();
    let voices: Vec<_> = updates
        .iter()
        .filter_map(|update| match &update.kind {
            UpdateKind::Message(message) => message.voice().cloned(),
            _ => None,
        })
        .collect();
    assert_eq!(voices[0].file.size, 12, "a size in an update is a claim");

    let unlinked = reqwest::get(format!("{}file/bot{}/voice/file_1.oga", api.url(), api.token())).await.unwrap();
    assert_eq!(unlinked.status(), 404, "without getFile there is no link");

    let file = bot.get_file(voices[0].file.id.clone()).await.unwrap();
    assert_eq!(file.path, "voice/file_1.oga");
    let mut got = Vec::new();
    bot.download_file(&file.path, &mut got).await.unwrap();
    assert_eq!(got, content);

    assert_eq!(api_error(bot.get_file(voices[1].file.id.clone()).await), unknown("Bad Request: file is too big"),);
    assert_eq!(
        api_error(bot.get_file(FileId("nothing".into())).await),
        unknown("Bad Request: wrong file_id or the file is temporarily unavailable"),
    );
}

#[tokio::test]
async fn documents_are_uploaded_as_multipart() {
    let (api, bot) = start(unlimited()).await;
    let voice = api.receive_text(ANNA, &anna(), "long one", None);
    let file = InputFile::memory("first line\r\n--second line\r\n".as_bytes()).file_name("text.txt");
    let sent = bot
        .send_document(chat(ANNA), file)
        .caption("as a file")
        .reply_parameters(ReplyParameters::new(id(voice)))
        .await
        .unwrap();
    assert_eq!(sent.document().unwrap().file_name.as_deref(), Some("text.txt"));
    api.read(|state| {
        let reply = state.replies(ANNA, voice).next().unwrap();
        assert_eq!(
            reply.content,
            stenobot_simulator::server::Content::Document {
                file_name: "text.txt".into(),
                bytes: Bytes::from_static(b"first line\r\n--second line\r\n"),
                caption: "as a file".into(),
            }
        );
    });
}

#[tokio::test]
async fn buttons_are_pressed_and_answered_once() {
    let (api, bot) = start(unlimited()).await;
    let button = |data: &str| InlineKeyboardMarkup::new([[InlineKeyboardButton::callback("Stop", data)]]);
    let bad = bot.send_message(chat(ANNA), "a").reply_markup(button(&"x".repeat(65))).await;
    assert_eq!(api_error(bad), ApiError::ButtonDataInvalid);

    let sent = bot.send_message(chat(ANNA), "a").reply_markup(button("stop:1")).await.unwrap();
    assert!(api.press(ANNA, &anna(), MessageId(sent.id.0), "stop:2").is_none(), "there is no such button");
    let query = api.press(ANNA, &anna(), MessageId(sent.id.0), "stop:1").unwrap();
    let updates = bot.get_updates().await.unwrap();
    let UpdateKind::CallbackQuery(got) = &updates[0].kind else { panic!("{updates:?}") };
    assert_eq!((got.id.0.as_str(), got.data.as_deref()), (query.as_str(), Some("stop:1")));
    bot.answer_callback_query(got.id.clone()).await.unwrap();
    assert!(api.is_answered(&query));
    assert!(matches!(api_error(bot.answer_callback_query(got.id.clone()).await), ApiError::Unknown(_)));
}

#[tokio::test]
async fn scripted_faults_apply_to_the_given_number_of_calls() {
    let (api, bot) = start(unlimited()).await;
    let sent = bot.send_message(chat(ANNA), "0").await.unwrap();

    let busy = Effect::Refuse(Refusal::TooMany(Duration::from_secs(7)));
    api.set_fault(Some(Arc::new(ScriptedFault::new(Method::EditMessageText, 1, busy))));
    let refused = bot.edit_message_text(chat(ANNA), sent.id, "1").await;
    assert!(matches!(refused, Err(RequestError::RetryAfter(wait)) if wait.seconds() == 7), "{refused:?}");
    let again = bot.edit_message_text(chat(ANNA), sent.id, "1").await;
    assert!(matches!(again, Err(RequestError::RetryAfter(_))), "the server keeps to its word: {again:?}");

    api.open_chat(ChatId(502), ChatKind::Private, "Boris");
    let other = chat(ChatId(502));
    api.set_fault(Some(Arc::new(ScriptedFault::new(Method::SendMessage, 1, Effect::BreakBefore))));
    assert!(matches!(bot.send_message(other, "lost").await, Err(RequestError::Network(_))));
    api.set_fault(Some(Arc::new(ScriptedFault::new(Method::SendMessage, 1, Effect::BreakAfter))));
    assert!(matches!(bot.send_message(other, "unheard").await, Err(RequestError::Network(_))));
    bot.send_message(other, "heard").await.unwrap();
    api.read(|state| {
        let texts: Vec<_> = state.chats[&ChatId(502)].messages.values().filter_map(|m| m.content.text()).collect();
        assert_eq!(texts, ["unheard", "heard"]);
        let outcomes: Vec<_> = state.calls.iter().rev().take(3).map(|call| call.outcome.clone()).collect();
        assert_eq!(outcomes, [CallOutcome::Accepted, CallOutcome::AcceptedResponseLost, CallOutcome::Intercepted]);
    });

    let trouble = Refusal::Server { code: 502, description: "Bad Gateway" };
    api.set_fault(Some(Arc::new(ScriptedFault::new(Method::GetMe, 1, Effect::Refuse(trouble)))));
    let url = format!("{}bot{}/getMe", api.url(), api.token());
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 502);
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 200);
}

#[tokio::test]
async fn downloads_can_be_slow_or_cut() {
    let (api, bot) = start(unlimited()).await;
    let content = Bytes::from(vec![3_u8; 4000]);
    api.receive_file(ANNA, &anna(), Attachment::voice(Duration::from_secs(9)), content.clone(), None);
    let updates = bot.get_updates().await.unwrap();
    let UpdateKind::Message(message) = &updates[0].kind else { panic!("{updates:?}") };
    let file = bot.get_file(message.voice().unwrap().file.id.clone()).await.unwrap();

    let slow = Effect::Slow { piece: 1500, pause: Duration::from_millis(1) };
    api.set_fault(Some(Arc::new(ScriptedFault::new(Method::Download, 1, slow))));
    let mut got = Vec::new();
    bot.download_file(&file.path, &mut got).await.unwrap();
    assert_eq!(got, content);

    api.set_fault(Some(Arc::new(ScriptedFault::new(Method::Download, 1, Effect::Cut(1000)))));
    let pieces: Vec<_> = bot.download_file_stream(&file.path).collect().await;
    assert!(pieces.last().unwrap().is_err());
    assert_eq!(pieces.iter().flatten().map(Bytes::len).sum::<usize>(), 1000);
}

#[tokio::test]
async fn file_contents_can_be_replaced_and_links_expire() {
    let (api, bot) = start(unlimited()).await;
    let content = Bytes::from(vec![3_u8; 4000]);
    api.receive_file(ANNA, &anna(), Attachment::voice(Duration::from_secs(9)), content.clone(), None);
    let updates = bot.get_updates().await.unwrap();
    let UpdateKind::Message(message) = &updates[0].kind else { panic!("{updates:?}") };
    let id = message.voice().unwrap().file.id.clone();
    let file = bot.get_file(id.clone()).await.unwrap();
    let download = async || {
        let mut got = Vec::new();
        bot.download_file(&file.path, &mut got).await.map(|()| got)
    };
    for (effect, wanted) in [
        (Effect::Short(1000), vec![3; 1000]),
        (Effect::Longer(10), [vec![3; 4000], vec![0; 10]].concat()),
        (Effect::Swap(Bytes::from_static(b"other")), b"other".to_vec()),
    ] {
        api.set_fault(Some(Arc::new(ScriptedFault::new(Method::Download, 1, effect))));
        assert_eq!(download().await.unwrap(), wanted);
        assert_eq!(download().await.unwrap(), content);
    }
    api.set_fault(Some(Arc::new(ScriptedFault::new(Method::Download, 1, Effect::Expire))));
    assert!(download().await.is_err());
    assert!(download().await.is_err(), "only a new link works");
    bot.get_file(id).await.unwrap();
    assert_eq!(download().await.unwrap(), content);
}

#[tokio::test]
async fn a_response_can_be_lost_after_the_call_was_accepted() {
    let (api, bot) = start(unlimited()).await;
    let mute = Effect::Mute(Duration::from_millis(1));
    api.set_fault(Some(Arc::new(ScriptedFault::new(Method::SendMessage, 1, mute))));
    assert!(matches!(bot.send_message(chat(ANNA), "unheard").await, Err(RequestError::Network(_))));
    let busy = Effect::Refuse(Refusal::Overloaded(Duration::from_secs(7)));
    api.set_fault(Some(Arc::new(ScriptedFault::new(Method::SendMessage, 1, busy))));
    let url = format!("{}bot{}/sendMessage?chat_id={ANNA}&text=x", api.url(), api.token());
    let answer = reqwest::get(&url).await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.text().await.unwrap().contains("\"retry_after\":7"));
    api.read(|state| {
        let known: Vec<_> = state.calls.iter().map(|call| (call.fault, call.outcome.clone())).collect();
        let overloaded = CallOutcome::Refused(Refusal::Overloaded(Duration::from_secs(7)));
        assert_eq!(known, [("mute", CallOutcome::AcceptedResponseLost), ("refuse", overloaded)]);
        assert_eq!(state.chats[&ANNA].messages.len(), 1);
    });
}

#[tokio::test]
async fn stopping_ends_a_poll_and_frees_the_port() {
    let (api, bot) = start(unlimited()).await;
    let polling = tokio::spawn({
        let bot = bot.clone();
        async move { bot.get_updates().timeout(50).await }
    });
    api.wait_for(|state| (state.polls() > 0).then_some(())).await;
    tokio::time::timeout(Duration::from_secs(5), api.stop()).await.unwrap();
    assert!(polling.await.unwrap().unwrap().is_empty());
    let fresh = reqwest::Client::new().get(api.url().clone()).send().await;
    assert!(fresh.unwrap_err().is_connect());
}
