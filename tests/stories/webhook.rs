//! Updates that come by a webhook.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor};
use stenobot_simulator::server::{BotApi, CallOutcome, Method, Refusal, Webhook};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::eventually;
use super::recordings::scripted;
use super::scene::{Scene, TestBot};

const PATH: &str = "/hook/{1}:2";

/// Address and URL of a webhook.
pub(crate) struct Hook {
    addr: String,
    url: String,
}

impl Hook {
    /// A free address.
    pub(crate) fn new() -> Self {
        let addr = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().to_string();
        Self { url: format!("http://{addr}{PATH}"), addr }
    }

    pub(crate) fn settings(&self) -> [(&str, &str); 2] {
        [("webhook_url", &self.url), ("webhook_addr", &self.addr)]
    }

    /// The head of a response to a request with this method, path, secret, claimed length and body.
    async fn request(&self, method: &str, path: &str, secret: &str, length: usize, body: &str) -> String {
        let mut stream = TcpStream::connect(self.addr.parse::<SocketAddr>().unwrap()).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: bot\r\ncontent-length: {length}\r\n\
             x-telegram-bot-api-secret-token: {secret}\r\nconnection: close\r\n\r\n{body}"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut response = Vec::new();
        // A connection that is closed with an unread body is reset behind the response.
        let _ = eventually("a response", stream.read_to_end(&mut response)).await;
        String::from_utf8(response).unwrap()
    }
}

fn webhook(api: &BotApi) -> Webhook {
    api.read(|state| state.webhook.clone()).expect("a webhook is set")
}

/// Statuses of the deliveries so far.
pub(crate) fn statuses(api: &BotApi) -> Vec<Option<u16>> {
    api.read(|state| state.deliveries.iter().map(|delivery| delivery.status).collect())
}

pub(crate) async fn an_update_by_webhook_is_answered_and_the_webhook_stays<B: TestBot>() {
    let hook = Hook::new();
    let mut scene = Scene::<B>::start(&hook.settings()).await;
    let first = scene.send_voice(&scripted(3, "say сама пришла"));
    let second = scene.send_voice(&scripted(3, "say и эта"));
    assert_eq!(scene.text(&first).await, "сама пришла");
    assert_eq!(scene.text(&second).await, "и эта");
    assert_eq!(statuses(scene.api()), [Some(200); 2]);
    assert_eq!(scene.calls(Method::GetUpdates), 0);

    let set = webhook(scene.api());
    assert_eq!((set.url.parse::<reqwest::Url>().unwrap().path(), set.max_connections), ("/hook/%7B1%7D:2", 4));
    let secret = set.secret_token.clone().expect("a secret is set");
    assert!(secret.len() >= 32, "{secret}");
    let page = scene.bot.metrics().await;
    assert_eq!(page.value("stenobot_webhook_requests_total{outcome=\"ingested\"}"), Some(2.0));
    assert!(page.value("stenobot_telegram_poll_last_success_timestamp_seconds") > Some(0.0), "alerts see a contact");

    let scene = scene.into_stopped().await;
    assert_eq!(webhook(scene.api()), set, "Telegram keeps the updates until the next start");
    assert!(!scene.bot.log().contains(&secret), "the secret is in the log");
}

pub(crate) async fn requests_other_than_telegram_s_are_refused<B: TestBot>() {
    let hook = Hook::new();
    let mut scene = Scene::<B>::start(&hook.settings()).await;
    let (secret, path) = (webhook(scene.api()).secret_token.unwrap(), "/hook/%7B1%7D:2");
    let update = "{\"update_id\": 1}";
    let huge = 64 << 20;
    let slow = hook.request("POST", path, &secret, 100, "{\"update_id\"");
    let others = async {
        for (status, method, path, secret, length, body) in [
            (404, "POST", "/", secret.as_str(), update.len(), update),
            (404, "POST", "/hook", &secret, update.len(), update),
            (404, "GET", path, &secret, update.len(), update),
            // A body that never comes is not waited for.
            (401, "POST", path, "", huge, ""),
            (401, "POST", path, &secret[1..], huge, ""),
            (401, "POST", path, &secret.replace(|c: char| c.is_ascii_digit(), "x"), huge, ""),
            (413, "POST", path, &secret, huge, ""),
            (400, "POST", path, &secret, 4, "nope"),
            (400, "POST", path, &secret, 2, "[]"),
            (400, "POST", path, &secret, 2, "{}"),
            (400, "POST", path, &secret, 0, ""),
            (200, "POST", path, &secret, update.len(), update),
        ] {
            let response = hook.request(method, path, secret, length, body).await;
            let wanted = format!("HTTP/1.1 {status} ");
            assert!(response.starts_with(&wanted), "{method} {path} {length} {body}: {response}");
        }
    };
    let (slow, ()) = tokio::join!(slow, others);
    assert!(slow.starts_with("HTTP/1.1 408 "), "{slow}");

    let page = scene.bot.metrics().await;
    for (outcome, count) in [("not_found", 3.0), ("unauthorized", 3.0), ("too_large", 1.0), ("unreadable", 4.0)] {
        let name = format!("stenobot_webhook_requests_total{{outcome=\"{outcome}\"}}");
        assert_eq!(page.value(&name), Some(count), "{outcome}");
    }
    assert_eq!(scene.bot.log().matches("a request to the webhook is no update").count(), 1);
    let sent = scene.send_voice(&scripted(3, "say всё работает"));
    assert_eq!(scene.text(&sent).await, "всё работает");
    scene.shut_down().await;
}

pub(crate) async fn an_update_that_cannot_be_recorded_is_sent_again_and_answered_once<B: TestBot>() {
    let hook = Hook::new();
    let mut scene = Scene::<B>::start(&hook.settings()).await;
    let store = scene.bot.environment().store();
    let mut lock = SqliteConnectOptions::new().filename(store).connect().await.unwrap();
    lock.execute("BEGIN IMMEDIATE").await.unwrap();
    let sent = scene.send_voice(&scripted(3, "say дождалась"));
    let refused = scene.api().wait_for(|state| state.deliveries.first().map(|delivery| delivery.status));
    assert_eq!(eventually("the update is not taken", refused).await, Some(503));
    lock.execute("ROLLBACK").await.unwrap();

    assert_eq!(scene.text(&sent).await, "дождалась");
    assert_eq!(statuses(scene.api()).iter().filter(|status| **status == Some(200)).count(), 1);
    let rows = scene.shut_down().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(sent.trail().answers.len(), 1, "{}", sent.history());
}

pub(crate) async fn without_the_setting_the_bot_polls_again<B: TestBot>() {
    let hook = Hook::new();
    let mut scene = Scene::<B>::start(&hook.settings()).await;
    let sent = scene.send_voice(&scripted(3, "say раз"));
    assert_eq!(scene.text(&sent).await, "раз");
    scene.wait_until_closed().await;

    scene.bot.restart_with("webhook_url", "").await;
    let sent = scene.send_voice(&scripted(3, "say два"));
    assert_eq!(scene.text(&sent).await, "два");
    scene.wait_until_closed().await;
    assert_eq!(scene.calls(Method::DeleteWebhook), 1);
    assert!(scene.api().read(|state| state.webhook.is_none()));

    scene.bot.restart_with("webhook_url", "").await;
    assert_eq!(scene.calls(Method::DeleteWebhook), 1, "once it is removed, it is not looked for");
    scene.shut_down().await;
}

pub(crate) async fn the_webhook_of_another_program_stays<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[]).await;
    let sent = scene.send_voice(&scripted(3, "say ещё опрос"));
    assert_eq!(scene.text(&sent).await, "ещё опрос");
    scene.wait_until_closed().await;
    scene.api().set_webhook("https://example.org/hook");
    scene.bot.restart_with("webhook_url", "").await;
    let refused = CallOutcome::Refused(Refusal::WebhookActive);
    scene.wait_for_call("a poll is refused", |call| call.outcome == refused).await;
    assert_eq!(webhook(scene.api()).url, "https://example.org/hook");
    scene.shut_down().await;
}
