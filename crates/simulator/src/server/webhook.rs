//! The webhook: `setWebhook` and its kin, and the delivery of updates: those of several chats beside each other, those of one chat
//! in order, each until it is answered by 200.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use reqwest::header::CONTENT_TYPE;
use reqwest::{StatusCode, Url};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::params::Params;
use super::refusal::Refusal;
use super::state::State;

/// Longest wait for the answer to one update.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause before an update is sent again; Telegram's grows to a minute.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// A webhook that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where updates are sent.
    pub url: String,
    /// Value of the header that comes with each.
    pub secret_token: Option<String>,
    /// Connections that the bot allows.
    pub max_connections: i64,
    pub(super) last_error: Option<DeliveryError>,
}

/// The latest failed delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeliveryError {
    date: i64,
    message: String,
}

/// One attempt to deliver an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookDelivery {
    /// The update.
    pub update: i64,
    /// Status of the bot's answer; `None` without one.
    pub status: Option<u16>,
}

impl Webhook {
    /// A webhook without a secret.
    pub(super) fn at(url: &str) -> Self {
        Self { url: url.to_owned(), secret_token: None, max_connections: 40, last_error: None }
    }

    /// The address, if updates are sent there: the simulator contacts nothing but this machine.
    fn target(&self) -> Option<Url> {
        Url::parse(&self.url).ok().filter(is_local)
    }
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    url.scheme() == "http" && (host == "localhost" || address.is_ok_and(|address| address.is_loopback()))
}

impl State {
    /// `setWebhook`; an empty URL removes the webhook.
    pub(super) fn set_webhook(&mut self, params: &Params) -> Result<(), Refusal> {
        let url = params.text("url").unwrap_or_default();
        let parsed = Url::parse(url).ok();
        if !url.is_empty() && !parsed.is_some_and(|url| url.scheme() == "https" || is_local(&url)) {
            return Err(Refusal::Bad("bad webhook: An HTTPS URL must be provided for webhook"));
        }
        let webhook = Webhook {
            secret_token: params.text("secret_token").map(str::to_owned),
            max_connections: params.integer("max_connections").unwrap_or(40),
            ..Webhook::at(url)
        };
        self.allow(params);
        self.drop_pending(params);
        self.registrations += 1;
        self.webhook = Some(webhook).filter(|webhook| !webhook.url.is_empty());
        Ok(())
    }

    /// `deleteWebhook`.
    pub(super) fn delete_webhook(&mut self, params: &Params) {
        self.drop_pending(params);
        self.webhook = None;
    }

    /// `getWebhookInfo`.
    pub(super) fn webhook_info(&self) -> Value {
        let mut info = json!({
            "url": self.webhook.as_ref().map(|webhook| webhook.url.as_str()).unwrap_or_default(),
            "has_custom_certificate": false,
            "pending_update_count": self.pending.len(),
        });
        if let Some(error) = self.webhook.as_ref().and_then(|webhook| webhook.last_error.as_ref()) {
            info["last_error_date"] = json!(error.date);
            info["last_error_message"] = json!(error.message);
        }
        info
    }

    fn drop_pending(&mut self, params: &Params) {
        if params.json("drop_pending_updates") == Some(json!(true)) {
            self.pending.clear();
        }
    }
}

/// Chat of an update; updates without one are in order among themselves.
type ChatOfUpdate = Option<i64>;

/// An update on its way.
struct Outgoing {
    webhook: Webhook,
    target: Url,
    update: i64,
    body: String,
    chat: ChatOfUpdate,
}

/// Sends pending updates to the webhook until `stopping`.
pub(super) async fn deliver(shared: Arc<Shared>, stopping: CancellationToken) {
    // Each update has a connection of its own: a balancer may choose by connections.
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(ANSWER_TIMEOUT)
        .pool_max_idle_per_host(0)
        .build();
    let client = match client {
        Ok(client) => client,
        Err(error) => return tracing::warn!(%error, "the simulated Bot API delivers nothing to webhooks"),
    };
    let mut changes = shared.changed.subscribe();
    let deliver_all = async {
        let (mut deliveries, mut busy) = (FuturesUnordered::new(), HashSet::new());
        loop {
            changes.borrow_and_update();
            while let Some(outgoing) = shared.read(|state| state.next_outgoing(&busy)) {
                busy.insert(outgoing.chat);
                deliveries.push(deliver_one(&shared, &client, outgoing));
            }
            tokio::select! {
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                Some(chat) = deliveries.next() => drop(busy.remove(&chat)),
            }
        }
    };
    tokio::select! {
        () = deliver_all => {}
        () = stopping.cancelled() => {}
    }
}

/// One attempt, with the pause after a failure; gives the chat.
async fn deliver_one(shared: &Shared, client: &reqwest::Client, outgoing: Outgoing) -> ChatOfUpdate {
    let Outgoing { webhook, target, update, body, chat } = outgoing;
    shared.change(|state| state.note_sent(update, shared.now()));
    let mut request = client.post(target).header(CONTENT_TYPE, "application/json").body(body);
    if let Some(secret) = &webhook.secret_token {
        request = request.header("X-Telegram-Bot-Api-Secret-Token", secret);
    }
    let status = request.send().await.ok().map(|response| response.status());
    shared.change(|state| state.note_answer(&webhook, update, status, shared.now(), shared.date()));
    if status != Some(StatusCode::OK) {
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
    chat
}

fn chat_of(update: &Value) -> ChatOfUpdate {
    let content = update.as_object()?.values().next()?;
    content.pointer("/chat/id").or_else(|| content.pointer("/message/chat/id"))?.as_i64()
}

impl State {
    /// The next update of a chat that is not busy, unless all connections are.
    fn next_outgoing(&self, busy: &HashSet<ChatOfUpdate>) -> Option<Outgoing> {
        let webhook = self.webhook.as_ref()?;
        let target = webhook.target()?;
        if busy.len() >= usize::try_from(webhook.max_connections).ok()? {
            return None;
        }
        let (record, chat) = self.pending.iter().find_map(|record| {
            let chat = chat_of(&record.content);
            (!busy.contains(&chat)).then_some((record, chat))
        })?;
        let mut json = record.content.clone();
        json["update_id"] = json!(record.id);
        Some(Outgoing { webhook: webhook.clone(), target, update: record.id, body: json.to_string(), chat })
    }

    fn note_sent(&mut self, update: i64, now: Duration) {
        if let Some(record) = self.pending.iter_mut().find(|record| record.id == update) {
            record.delivered.push(now);
        }
    }

    fn note_answer(&mut self, to: &Webhook, update: i64, status: Option<StatusCode>, now: Duration, date: i64) {
        self.deliveries.push(WebhookDelivery { update, status: status.map(|status| status.as_u16()) });
        let message = match status {
            Some(StatusCode::OK) => {
                if let Some(index) = self.pending.iter().position(|record| record.id == update)
                    && let Some(mut record) = self.pending.remove(index)
                {
                    record.confirmed = Some(now);
                    self.confirmed.push(record);
                }
                return;
            }
            Some(status) => format!("Wrong response from the webhook: {status}"),
            None => "Connection refused".to_owned(),
        };
        // The webhook may have been replaced meanwhile.
        if let Some(webhook) = self.webhook.as_mut()
            && (&webhook.url, &webhook.secret_token) == (&to.url, &to.secret_token)
        {
            webhook.last_error = Some(DeliveryError { date, message });
        }
    }
}
