//! The webhook: Telegram sends updates, and forgets each when it is answered by 200, which it is once it is ingested.
//!
//! Three loops run beside each other: the [`endpoint`] receives, one loop ingests, and one sets the webhook and asks Telegram how
//! its deliveries go. At the shutdown the webhook stays set: Telegram keeps the updates until the next start.

mod endpoint;

use std::time::Duration;

use metrics::gauge;
use reqwest::Url;
use stenobot_domain::{Clock, RetryPolicy, Timestamp};
use stenobot_telegram::{Client, Disposition, MAX_WEBHOOK_CONNECTIONS, TelegramError, WebhookInfo, WebhookSecret};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use self::endpoint::{Delivery, Endpoint};
use super::Intake;
use super::contact::Contact;
use super::inbox::{UPDATE_TIMEOUT, follow_update_kinds};
use crate::http_server;
use crate::lifecycle::{Shutdown, WebhookRecord};
use crate::metrics as names;
use crate::settings::Settings;

/// Telegram is asked this often how its deliveries go: twice before the bot counts as out of contact.
const CHECK_INTERVAL: Duration = Duration::from_secs(45);
/// Pauses between failed calls.
const RETRIES: RetryPolicy = RetryPolicy::endless(Duration::from_millis(500), Duration::from_secs(30));
/// A loop without updates comes round this often.
const IDLE_INTERVAL: Duration = Duration::from_secs(25);

/// Where updates arrive.
pub(crate) struct WebhookListener {
    pub(crate) listener: TcpListener,
    /// For Telegram; its path is the only one that is served.
    pub(crate) url: Url,
    pub(crate) secret: WebhookSecret,
    pub(crate) record: WebhookRecord,
}

impl Intake {
    /// Receives updates until the soft shutdown; requests under way are answered.
    pub(super) async fn serve(self, webhook: WebhookListener) {
        let WebhookListener { listener, url, secret, record } = webhook;
        let (deliveries, received) = mpsc::channel(usize::from(MAX_WEBHOOK_CONNECTIONS));
        let stop = self.shutdown.soft.clone();
        let (client, store) = (self.client.clone(), self.inbox.store().clone());
        let endpoint = Endpoint::new(url.path(), secret.clone(), client, store, deliveries, stop.clone());
        let registration = Registration {
            client: self.client.clone(),
            settings: self.inbox.settings().clone(),
            clock: self.clock.clone(),
            contact: self.contact.clone(),
            shutdown: self.shutdown.clone(),
            url,
            secret,
            record,
            set: None,
        };
        tokio::join!(
            http_server::serve(listener, endpoint.into_router(), stop),
            registration.run(),
            self.ingest_deliveries(received),
        );
    }

    /// Ingests updates until no request can bring another. Those that wait are a batch, as one poll brings: when the store
    /// fails at one of them, the others do not wait for as long again, but come again, or to another bot.
    async fn ingest_deliveries(mut self, mut received: mpsc::Receiver<Delivery>) {
        loop {
            self.heartbeats.poll.due_within(IDLE_INTERVAL + UPDATE_TIMEOUT);
            let mut batch = Vec::new();
            tokio::select! {
                waiting = received.recv_many(&mut batch, usize::from(MAX_WEBHOOK_CONNECTIONS)) => {
                    if waiting == 0 {
                        return;
                    }
                    let (updates, requests): (Vec<_>, Vec<_>) =
                        batch.into_iter().map(|Delivery { update, done }| (update, done)).unzip();
                    let ingested = self.inbox.ingest(&updates).await;
                    if ingested > 0 {
                        note_contact(&self.contact, self.clock.now());
                    }
                    for (index, request) in requests.into_iter().enumerate() {
                        // Without the request Telegram sends the update again, which changes nothing then.
                        let _ = request.send(index < ingested);
                    }
                }
                Some(press) = self.admin_presses.recv() => self.inbox.admin_press(&press).await,
                () = tokio::time::sleep(IDLE_INTERVAL) => {}
            }
        }
    }
}

fn note_contact(contact: &watch::Sender<Contact>, now: Timestamp) {
    contact.send_replace(Contact::at(now));
    gauge!(names::TELEGRAM_POLL).set(now.as_secs_f64());
}

/// Keeps the webhook set.
struct Registration {
    client: Client,
    settings: Settings,
    clock: Clock,
    contact: watch::Sender<Contact>,
    shutdown: Shutdown,
    url: Url,
    secret: WebhookSecret,
    record: WebhookRecord,
    /// When this process has set the webhook, and for which kinds of updates.
    set: Option<(Timestamp, Vec<&'static str>)>,
}

impl Registration {
    /// Sets the webhook and checks it until the soft shutdown.
    async fn run(mut self) {
        let soft = self.shutdown.soft.clone();
        let mut failures = 0_u32;
        loop {
            let Some(checked) = soft.run_until_cancelled(self.check()).await else { return };
            let wait = match checked {
                Ok(()) => {
                    failures = 0;
                    CHECK_INTERVAL
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    report(&error);
                    error.pause_of_at_least(RETRIES.pause_after(failures))
                }
            };
            if soft.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    async fn check(&mut self) -> Result<(), TelegramError> {
        if self.client.known().is_none() {
            // Mentions and commands in groups are recognised by the bot's name.
            self.client.me().await?;
        }
        follow_update_kinds(&self.settings, &self.client);
        let set_at = match &self.set {
            Some((set_at, kinds)) if *kinds == self.client.update_kinds() => *set_at,
            Some(_) | None => self.set().await?,
        };
        let info = self.client.webhook().await?;
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        gauge!(names::WEBHOOK_PENDING).set(info.pending as f64);
        if !is_same(&info.url, &self.url) {
            tracing::warn!("another program has removed or replaced the webhook: it is set again");
            self.set().await?;
            return Ok(());
        }
        let now = self.clock.now();
        let received = self.contact.borrow().last;
        match delivery_failure(&info, received.map_or(set_at, |received| received.max(set_at)), now) {
            None => note_contact(&self.contact, now),
            Some(failure) => {
                tracing::warn!(
                    error = failure,
                    pending = info.pending,
                    "Telegram cannot deliver updates to the webhook"
                );
                self.contact.send_modify(|contact| contact.delivery_failure = Some(failure));
            }
        }
        Ok(())
    }

    async fn set(&mut self) -> Result<Timestamp, TelegramError> {
        // Before the call: without the record, a webhook that is set would never be removed.
        if let Err(error) = self.record.save(self.url.as_str()) {
            tracing::warn!(%error, "the webhook cannot be recorded: without the setting it would stay");
        }
        self.client.set_webhook(&self.url, &self.secret).await?;
        let now = self.clock.now();
        self.set = Some((now, self.client.update_kinds()));
        tracing::info!("the webhook is set");
        Ok(now)
    }
}

/// Why deliveries have failed since the last contact, if they have. Telegram reports its latest failure for ever.
fn delivery_failure(info: &WebhookInfo, contact: Timestamp, now: Timestamp) -> Option<String> {
    info.trouble(now).filter(|error| error.at > contact).map(|error| error.message.clone())
}

/// Whether Telegram's URL is this one, in whatever form.
fn is_same(given: &str, url: &Url) -> bool {
    Url::parse(given).is_ok_and(|given| given == *url)
}

/// Removes the webhook that this bot has set, so that updates can be polled. Another program's stays.
pub(super) async fn leave(client: &Client, record: &WebhookRecord) -> Result<(), TelegramError> {
    let own = match record.url() {
        Ok(Some(url)) => url,
        Ok(None) => return Ok(()),
        Err(error) => {
            tracing::warn!(%error, "whether a webhook of this bot is set cannot be read");
            return Ok(());
        }
    };
    let info = client.webhook().await?;
    if Url::parse(&own).is_ok_and(|own| is_same(&info.url, &own)) {
        client.delete_webhook().await?;
        tracing::info!("the webhook is removed: updates are polled");
    } else if !info.url.is_empty() {
        tracing::warn!("another program has set a webhook, which stays");
    }
    if let Err(error) = record.remove() {
        tracing::warn!(%error, "the record of the webhook cannot be removed");
    }
    Ok(())
}

/// Logs a failed call, as an error only if it needs the operator.
fn report(error: &TelegramError) {
    match error.disposition() {
        // A URL that Telegram refuses.
        Disposition::OperatorNeeded { .. } | Disposition::Final => {
            tracing::error!(%error, "the webhook cannot be set or checked");
        }
        Disposition::ServerRequested(_)
        | Disposition::Retry { .. }
        | Disposition::ChatMoved(_)
        | Disposition::ChatUnreachable(_)
        | Disposition::MessageGone => tracing::warn!(%error, "the webhook cannot be set or checked, will try again"),
    }
}

#[cfg(test)]
mod tests {
    use stenobot_telegram::WebhookError;

    use super::*;

    #[test]
    fn deliveries_fail_while_updates_wait_after_a_recent_error_since_the_last_contact() {
        let at = |seconds: i64| Timestamp(seconds * 1000);
        let failure = |pending, error: i64, contact| {
            let last_error = Some(WebhookError { at: at(error), message: "Wrong response: 502".to_owned() });
            delivery_failure(&WebhookInfo { url: String::new(), pending, last_error }, at(contact), at(1000)).is_some()
        };
        assert!(failure(1, 990, 980));
        assert!(!failure(0, 990, 980), "all were delivered");
        assert!(!failure(1, 990, 995), "an update has come since");
        assert!(!failure(1, 700, 600), "Telegram would have tried again");
        assert_eq!(
            delivery_failure(&WebhookInfo { url: String::new(), pending: 5, last_error: None }, at(0), at(1)),
            None
        );
    }

    #[test]
    fn urls_are_the_same_in_any_form() {
        let url = Url::parse("https://bot.example.org/hook").unwrap();
        assert!(is_same("https://Bot.example.org:443/hook", &url));
        assert!(!is_same("", &url) && !is_same("https://bot.example.org/other", &url));
    }
}
