//! Calls and their answers. No error or log line shows the token.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use stenobot_domain::{ChatId, MessageId, UserId};
use stenobot_telegram::{
    CallOutcome, Client, Disposition, Extent, LocalTime, Me, Method, OutgoingMessage, Redactor, TelegramError,
    TextPart, ThreadId,
};

use super::TOKEN;
use super::stub::{Answer, Stub};

const SECRET: &str = "AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc";
const CHAT: ChatId = ChatId(5_000_000_000);

fn content(text: &str) -> OutgoingMessage {
    text.to_owned().into()
}

async fn edit_refused_with(answer: Answer) -> Result<(), TelegramError> {
    Stub::start([answer]).await.client().edit(CHAT, MessageId(7), &content("text")).await
}

#[tokio::test]
async fn me_returns_the_account_of_the_token() {
    let me = json!({"id": 123456789, "is_bot": true, "first_name": "Steno", "username": "steno_bot", "new_field": {}});
    let stub = Stub::start([Answer::ok(me)]).await;
    assert_eq!(
        stub.client().me().await,
        Ok(Me {
            id: UserId(123456789),
            username: "steno_bot".into(),
            can_connect_to_business: false,
            supports_guest_queries: false
        })
    );
    assert_eq!(stub.asked()[0].path, format!("/bot{TOKEN}/GetMe"));
}

#[tokio::test]
async fn a_message_is_sent_as_a_plain_reply_without_previews() {
    let sent = json!({"message_id": 42, "date": 1, "chat": {"id": 1, "type": "of a kind to come"}});
    let stub = Stub::start([Answer::ok(sent.clone()), Answer::ok(sent)]).await;
    let client = stub.client();
    let text = "<b>не разметка</b> https://example.org";
    assert_eq!(
        client.send(CHAT, Some(ThreadId::Topic(3)), Some(MessageId(7)), &content(text)).await,
        Ok(MessageId(42))
    );
    assert_eq!(client.send(CHAT, None, None, &content("x")).await, Ok(MessageId(42)));
    let asked = stub.asked();
    assert_eq!(asked[0].path, format!("/bot{TOKEN}/SendMessage"));
    assert_eq!(
        asked[0].body,
        json!({
            "chat_id": 5_000_000_000_i64,
            "message_thread_id": 3,
            "text": text,
            "link_preview_options": {"is_disabled": true},
            "reply_parameters": {"message_id": 7, "allow_sending_without_reply": true},
        })
    );
    assert_eq!(
        asked[1].body,
        json!({"chat_id": 5_000_000_000_i64, "text": "x", "link_preview_options": {"is_disabled": true}})
    );
    let calls = stub.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!((calls[0].method, calls[0].outcome), (Method::SendMessage, CallOutcome::Ok));
}

#[tokio::test]
async fn entities_are_given_in_a_field_of_their_own() {
    let stub = Stub::start([Answer::ok(json!({"message_id": 7})), Answer::ok(json!({"message_id": 7}))]).await;
    let message = OutgoingMessage {
        folded: Some(TextPart { offset: 21, length: 3 }),
        time: Some(LocalTime { offset: 0, length: 20, unix_time: 1_795_498_920 }),
        ..content("2026-11-24 05:42 UTC\nabc")
    };
    stub.client().send(CHAT, None, None, &message).await.unwrap();
    stub.client().edit(CHAT, MessageId(7), &message).await.unwrap();
    for asked in stub.asked() {
        assert_eq!(
            asked.body["entities"],
            json!([
                {"type": "date_time", "offset": 0, "length": 20, "unix_time": 1_795_498_920, "date_time_format": "dt"},
                {"type": "expandable_blockquote", "offset": 21, "length": 3},
            ])
        );
    }
    assert!(message.is_decorated());
    assert_eq!(message.undecorated(), content("2026-11-24 05:42 UTC\nabc"));
}

#[tokio::test]
async fn an_edit_that_changes_nothing_succeeds() {
    let unchanged = "Bad Request: message is not modified: specified new message content and reply markup are exactly \
                     the same as a current content and reply markup of the message";
    let stub = Stub::start([Answer::ok(json!({"message_id": 7})), Answer::refusal(400, unchanged)]).await;
    let client = stub.client();
    assert_eq!(client.edit(CHAT, MessageId(7), &content("new")).await, Ok(()));
    assert_eq!(client.edit(CHAT, MessageId(7), &content("new")).await, Ok(()));
    assert_eq!(
        stub.asked()[0].body,
        json!({
            "chat_id": 5_000_000_000_i64,
            "message_id": 7,
            "text": "new",
            "link_preview_options": {"is_disabled": true},
        })
    );
    assert!(stub.calls().iter().all(|call| call.outcome == CallOutcome::Ok));
}

#[tokio::test]
async fn a_path_in_the_server_s_address_is_kept() {
    for slash in ["", "/"] {
        let stub = Stub::start([Answer::ok(json!({"id": 1, "username": "b"}))]).await;
        let url = format!("{}/behind/a/proxy{slash}", stub.url()).parse().unwrap();
        Client::new(url, TOKEN, Arc::new(|_| {})).unwrap().me().await.unwrap();
        assert_eq!(stub.asked()[0].path, format!("/behind/a/proxy/bot{TOKEN}/GetMe"));
    }
}

#[tokio::test]
async fn refusals_of_telegram_are_classified() {
    let refused = |why: &str| TelegramError::Refused(why.to_owned());
    for (code, description, wanted) in [
        (401, "Unauthorized", TelegramError::Unauthorized),
        (404, "Not Found", TelegramError::Unauthorized),
        (
            409,
            "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
            TelegramError::Conflict,
        ),
        (
            409,
            "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
            TelegramError::Conflict,
        ),
        (403, "Forbidden: bot was blocked by the user", TelegramError::ChatGone),
        (403, "Forbidden: user is deactivated", TelegramError::ChatGone),
        (403, "Forbidden: bot was kicked from the supergroup chat", TelegramError::ChatGone),
        (403, "Forbidden: bot was kicked from the group chat", TelegramError::ChatGone),
        (403, "Forbidden: bot can't initiate conversation with a user", TelegramError::ChatGone),
        (403, "Forbidden: bot can't send messages to bots", TelegramError::ChatGone),
        (403, "Forbidden: bot is not a member of the channel chat", TelegramError::ChatGone),
        (401, "Unauthorized: bot was kicked from a chat", TelegramError::ChatGone),
        (400, "Bad Request: chat not found", TelegramError::ChatGone),
        (400, "Bad Request: user not found", TelegramError::ChatGone),
        (400, "Bad Request: group is deactivated", TelegramError::ChatGone),
        (400, "Bad Request: PEER_ID_INVALID", TelegramError::ChatGone),
        (400, "Bad Request: CHAT_WRITE_FORBIDDEN", TelegramError::WriteForbidden(Extent::Chat)),
        (403, "Forbidden: CHAT_WRITE_FORBIDDEN", TelegramError::WriteForbidden(Extent::Chat)),
        (400, "Bad Request: CHAT_RESTRICTED", TelegramError::WriteForbidden(Extent::Chat)),
        (400, "Bad Request: CHAT_SEND_PLAIN_FORBIDDEN", TelegramError::WriteForbidden(Extent::Chat)),
        (400, "Bad Request: have no rights to send a message", TelegramError::WriteForbidden(Extent::Chat)),
        (
            400,
            "Bad Request: not enough rights to send text messages to the chat",
            TelegramError::WriteForbidden(Extent::Chat),
        ),
        (
            400,
            "Bad Request: need administrator rights in the channel chat",
            TelegramError::WriteForbidden(Extent::Chat),
        ),
        (400, "Bad Request: TOPIC_CLOSED", TelegramError::WriteForbidden(Extent::Topic)),
        (400, "Bad Request: message thread not found", TelegramError::WriteForbidden(Extent::Topic)),
        (400, "Bad Request: message to edit not found", TelegramError::MessageGone),
        (400, "Bad Request: message can't be edited", TelegramError::MessageGone),
        (400, "Bad Request: MESSAGE_ID_INVALID", TelegramError::MessageGone),
        (400, "Bad Request: message to be replied not found", TelegramError::MessageGone),
        (400, "Bad Request: message to reply not found", TelegramError::MessageGone),
        (400, "Bad Request: message is too long", refused("Bad Request: message is too long")),
        (400, "Bad Request: MESSAGE_TOO_LONG", refused("Bad Request: MESSAGE_TOO_LONG")),
        (400, "Bad Request: message text is empty", refused("Bad Request: message text is empty")),
        (400, "see https://example.org/x now", refused("see <link> now")),
        (413, "Request Entity Too Large", refused("Request Entity Too Large")),
        (429, "Too Many Requests: retry after 17", TelegramError::RetryAfter(Duration::from_secs(17))),
        (429, "Too Many Requests", TelegramError::RetryAfter(Duration::from_secs(5))),
        (500, "Internal Server Error: sent message was not found", TelegramError::Server),
        (502, "Bad Gateway", TelegramError::Server),
    ] {
        assert_eq!(edit_refused_with(Answer::refusal(code, description)).await, Err(wanted), "{description}");
    }
}

#[tokio::test]
async fn the_new_id_of_a_group_is_read_from_the_refusal() {
    let body = json!({"ok": false, "error_code": 400, "parameters": {"migrate_to_chat_id": -1_002_000_000_007_i64},
        "description": "Bad Request: group chat was upgraded to a supergroup chat"});
    let refused = edit_refused_with(Answer::json(400, body)).await;
    assert_eq!(refused, Err(TelegramError::ChatMoved(ChatId(-1_002_000_000_007))));
}

#[tokio::test]
async fn retry_after_is_parsed_and_reported() {
    let answer = json!({
        "ok": false,
        "error_code": 429,
        "description": "Too Many Requests: retry after 33",
        "parameters": {"retry_after": 33},
    });
    let stub = Stub::start([Answer::json(429, answer)]).await;
    let error = stub.client().edit(CHAT, MessageId(7), &content("text")).await.unwrap_err();
    let wait = Duration::from_secs(33);
    assert_eq!(error, TelegramError::RetryAfter(wait));
    assert_eq!(error.disposition(), Disposition::ServerRequested(wait));
    let call = stub.calls()[0];
    assert_eq!((call.method, call.outcome), (Method::EditMessageText, CallOutcome::TooMany));
    assert_eq!(call.retry_after, Some(wait));
}

#[tokio::test]
async fn a_body_that_is_no_answer_is_a_server_error() {
    let page = |status| Answer::Whole(status, b"<html><h1>502 Bad Gateway</h1></html>".to_vec());
    for answer in [
        page(502),
        page(200),
        page(404),
        Answer::Whole(200, Vec::new()),
        Answer::Whole(200, br#"{"ok":true,"resu"#.to_vec()),
        Answer::Whole(200, br#"{"ok":true}"#.to_vec()),
        Answer::Whole(200, br#"{"ok":true,"result":{"unlike":"a message"}}"#.to_vec()),
        Answer::Endless,
    ] {
        let stub = Stub::start([answer]).await;
        assert_eq!(stub.client().edit(CHAT, MessageId(7), &content("text")).await, Err(TelegramError::Server));
        // teloxide's own transport would sleep 10 s here.
        assert!(stub.calls()[0].took < Duration::from_secs(5));
        assert_eq!(stub.calls()[0].outcome, CallOutcome::Server5xx);
    }
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let stub = Stub::start([Answer::Silence, Answer::Stall(b"{\"ok\":".to_vec())]).await;
    let client = stub.client();
    for count in [1, 2] {
        let call = tokio::spawn({
            let client = client.clone();
            async move { client.edit(CHAT, MessageId(7), &content("text")).await }
        });
        stub.received(count).await;
        tokio::time::pause();
        assert_eq!(call.await.unwrap(), Err(TelegramError::Timeout));
        tokio::time::resume();
    }
    assert!(stub.calls().iter().all(|call| call.outcome == CallOutcome::Timeout));
}

#[tokio::test]
async fn a_silent_poll_times_out_soon_after_its_own_timeout() {
    let stub = Stub::start([Answer::Silence]).await;
    let client = stub.client();
    let poll = tokio::spawn(async move { client.updates(None, Duration::from_secs(25)).await });
    stub.received(1).await;
    tokio::time::pause();
    assert_eq!(poll.await.unwrap(), Err(TelegramError::Timeout));
    let took = stub.calls()[0].took;
    assert!((Duration::from_secs(30)..Duration::from_secs(40)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn no_call_is_made_within_a_pause() {
    for seconds in [1, 5, 300] {
        let refusal = Answer::refusal(429, &format!("Too Many Requests: retry after {seconds}"));
        let sent = || Answer::ok(json!({"message_id": 42}));
        let stub = Stub::start([refusal, sent(), sent()]).await;
        let client = stub.client();
        let wait = Duration::from_secs(seconds);
        assert_eq!(client.send(CHAT, None, None, &content("one")).await, Err(TelegramError::RetryAfter(wait)));
        // Applies to messages and edits of this chat, not to other chats.
        tokio::time::pause();
        for _ in 0..2 {
            let left = client.edit(CHAT, MessageId(7), &content("two")).await.unwrap_err();
            assert!(matches!(left, TelegramError::RetryAfter(left) if left <= wait), "{left:?}");
        }
        tokio::time::resume();
        assert_eq!(stub.asked().len(), 1);
        assert_eq!(client.send(ChatId(8), None, None, &content("three")).await, Ok(MessageId(42)));
        tokio::time::pause();
        tokio::time::advance(wait).await;
        tokio::time::resume();
        assert_eq!(client.send(CHAT, None, None, &content("four")).await, Ok(MessageId(42)));
        assert_eq!(stub.asked().len(), 3);
        assert_eq!(stub.calls().len(), 3, "refused calls are not reported");
    }
}

/// Every kind of failure, each from a call.
async fn failures() -> Vec<TelegramError> {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let unreachable = Client::new(format!("http://{closed}").parse().unwrap(), TOKEN, Arc::new(|_| {})).unwrap();
    let mut failures = vec![unreachable.me().await.unwrap_err()];
    let echo = format!("Bad Request: no such method http://127.0.0.1/bot{TOKEN}/GetMe");
    for answer in [
        Answer::Redirect(format!("http://127.0.0.1:1/bot{TOKEN}/GetMe")),
        Answer::refusal(400, &echo),
        Answer::refusal(400, &format!("Bad Request: bot{TOKEN} {SECRET}")),
        Answer::refusal(401, "Unauthorized"),
        Answer::refusal(500, &echo),
        Answer::Whole(200, echo.into_bytes()),
        Answer::Cut(1000, b"{\"ok\":true".to_vec()),
    ] {
        failures.push(Stub::start([answer]).await.client().me().await.unwrap_err());
    }
    failures
}

#[tokio::test]
async fn no_error_shows_the_token_or_an_address() {
    let failures = failures().await;
    assert!(failures.iter().any(|error| matches!(error, TelegramError::Network(_))));
    assert_eq!(failures[0], TelegramError::NoConnection);
    for error in &failures {
        for shown in [format!("{error}"), format!("{error:?}"), format!("{error:#?}")] {
            assert!(!shown.contains(SECRET) && !shown.contains("127.0.0.1") && !shown.contains("://"), "{shown}");
        }
    }
    let client = Stub::start([]).await.client();
    assert!(!format!("{client:?}").contains(SECRET));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Stub::start([]).await;
    let stub = Stub::start([Answer::Redirect(elsewhere.url())]).await;
    assert!(stub.client().me().await.is_err());
    assert_eq!(elsewhere.asked().len(), 0);
}

/// A log that tests can read.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn log_lines_never_hold_the_token() {
    let url = format!("http://127.0.0.1:1/bot{TOKEN}/GetMe");
    let error = reqwest::Client::builder().no_proxy().build().unwrap().get(&url).send().await.unwrap_err();
    assert!(format!("{error:?}").contains(SECRET), "reqwest shows the URL, which is why the log is cleaned");

    let log = Log::default();
    let sink = log.clone();
    let writer = Redactor::new(TOKEN).wrap(move || sink.clone());
    for json in [false, true] {
        let builder = tracing_subscriber::fmt().with_writer(writer.clone()).with_ansi(!json);
        let log_them = || {
            tracing::error!(?error, "a call failed: {error}");
            tracing::error!(url, secret = SECRET, encoded = url.replace(':', "%3A"), "more");
        };
        if json {
            tracing::subscriber::with_default(builder.json().finish(), log_them);
        } else {
            tracing::subscriber::with_default(builder.finish(), log_them);
        }
    }
    let written = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(written.lines().count(), 4, "{written}");
    assert!(written.contains("/bot<token>/GetMe") && !written.contains(SECRET), "{written}");
}
