//! Long polling. The offset moves past an update only when the update is ingested: with the next poll Telegram forgets it.

use std::time::Duration;

use metrics::gauge;
use stenobot_domain::RetryPolicy;
use stenobot_telegram::{Disposition, Incoming, TelegramError};

use super::Intake;
use super::contact::Contact;
use super::inbox::UPDATE_TIMEOUT;
use super::webhook;
use crate::lifecycle::WebhookRecord;
use crate::metrics as names;
use crate::request::observe_recovery;

/// How long a poll waits at Telegram for updates.
const POLL_TIMEOUT: Duration = Duration::from_secs(25);
/// Pauses between failed polls.
const RETRIES: RetryPolicy = RetryPolicy::endless(Duration::from_millis(500), Duration::from_secs(30));
/// Pause after a failure of the store: retries cost no other service anything, and senders wait.
const MAX_STORE_PAUSE: Duration = Duration::from_secs(2);

/// Between two questions whether Telegram can be reached, of a bot that does not lead.
const CONTACT_INTERVAL: Duration = Duration::from_secs(30);

/// How a poll ended.
enum Polled {
    Answer(Result<Vec<Incoming>, TelegramError>),
    NoLongerLeading,
    Stopping,
}

impl Intake {
    /// Polls until the soft shutdown while this bot leads, once the webhook that this bot may have set before is removed.
    pub(super) async fn poll_on(mut self, webhook: WebhookRecord) {
        let mut webhook = Some(webhook);
        let mut offset = None;
        let mut failures = 0_u32;
        // What the failures since the last success were; the end of each is logged.
        let (mut is_unreached, mut is_store_failing) = (false, false);
        // The first poll, and the first one after a failure, does not wait for updates: a bot that can poll is ready at once, not
        // when the first quiet long poll ends.
        let mut poll_timeout = Duration::ZERO;
        while !self.shutdown.soft.is_cancelled() {
            self.heartbeats.poll.due_within(UPDATE_TIMEOUT);
            if !self.leadership.leads() {
                gauge!(names::TELEGRAM_POLL).set(0.0);
                self.stand_by().await;
                // What the leader before has not confirmed comes again: it may not have been recorded.
                (offset, poll_timeout) = (None, Duration::ZERO);
                continue;
            }
            if self.client.known().is_none() {
                // Mentions and commands in groups are recognised by the bot's name.
                let _ = self.shutdown.soft.run_until_cancelled(self.client.me()).await;
            }
            self.inbox.follow_update_kinds();
            let polled = match self.poll(&mut webhook, offset, poll_timeout).await {
                Polled::Answer(polled) => polled,
                Polled::NoLongerLeading => continue,
                Polled::Stopping => return,
            };
            let pause = RETRIES.pause_after(failures.saturating_add(1));
            let wait = match polled {
                Ok(updates) => {
                    poll_timeout = POLL_TIMEOUT;
                    if std::mem::take(&mut is_unreached) {
                        tracing::info!("updates are received again");
                    }
                    if self.ingest(&updates, &mut offset).await {
                        failures = 0;
                        // These are the updates that could not be taken before.
                        if !updates.is_empty() && std::mem::take(&mut is_store_failing) {
                            observe_recovery();
                        }
                        continue;
                    }
                    is_store_failing |= self.leadership.leads();
                    pause.min(MAX_STORE_PAUSE)
                }
                Err(error) => {
                    poll_timeout = Duration::ZERO;
                    is_unreached = true;
                    let wait = error.pause_of_at_least(pause);
                    report(&error, wait);
                    wait
                }
            };
            failures = failures.saturating_add(1);
            self.heartbeats.poll.due_within(wait.saturating_add(UPDATE_TIMEOUT));
            let _ = self.shutdown.soft.run_until_cancelled(tokio::time::sleep(wait)).await;
        }
    }

    /// Waits until this bot leads, or the soft shutdown. Meanwhile it is asked whether Telegram can be reached.
    async fn stand_by(&mut self) {
        let (client, mut leadership) = (self.client.clone(), self.leadership.clone());
        let (contact, clock, heartbeats) = (self.contact.clone(), self.clock.clone(), self.heartbeats.clone());
        let keep_contact = async {
            let mut interval = tokio::time::interval(CONTACT_INTERVAL);
            loop {
                interval.tick().await;
                heartbeats.poll.due_within(CONTACT_INTERVAL + UPDATE_TIMEOUT);
                if client.me().await.is_ok() {
                    contact.send_replace(Contact::at(clock.now()));
                }
            }
        };
        tokio::pin!(keep_contact);
        loop {
            tokio::select! {
                () = self.shutdown.soft.cancelled() => return,
                () = leadership.gained() => return,
                never = &mut keep_contact => match never {},
                Some(press) = self.admin_presses.recv() => self.inbox.admin_press(&press).await,
            }
        }
    }

    /// One poll, beside which presses of admins are carried out. It is given up when another bot may lead soon.
    async fn poll(&mut self, webhook: &mut Option<WebhookRecord>, offset: Option<i64>, timeout: Duration) -> Polled {
        let (client, mut leadership) = (self.client.clone(), self.leadership.clone());
        let poll = async {
            if let Some(record) = webhook {
                webhook::leave(&client, record).await?;
                *webhook = None;
            }
            client.updates(offset, timeout).await
        };
        tokio::pin!(poll);
        loop {
            tokio::select! {
                () = self.shutdown.soft.cancelled() => return Polled::Stopping,
                () = leadership.lost() => return Polled::NoLongerLeading,
                Some(press) = self.admin_presses.recv() => self.inbox.admin_press(&press).await,
                polled = &mut poll => return Polled::Answer(polled),
            }
        }
    }

    /// Ingests what a poll brought; returns whether everything was.
    async fn ingest(&mut self, updates: &[Incoming], offset: &mut Option<i64>) -> bool {
        let now = self.clock.now();
        self.contact.send_replace(Contact::at(now));
        // What this bot does not reach while it leads, the next leader is sent again.
        let ingested = self.inbox.ingest_while(updates, || self.leadership.leads()).await;
        if let Some(last) = updates[..ingested].last() {
            *offset = Some(last.update_id + 1);
        }
        let all = ingested == updates.len();
        if all {
            gauge!(names::TELEGRAM_POLL).set(now.as_secs_f64());
        }
        all
    }
}

/// Logs a failed poll, as an error only if it needs the operator.
fn report(error: &TelegramError, wait: Duration) {
    let again_in_seconds = wait.as_secs().max(1);
    if let Disposition::OperatorNeeded { .. } = error.disposition() {
        tracing::error!(%error, again_in_seconds, "no updates, will ask again");
    } else {
        tracing::warn!(%error, again_in_seconds, "no updates, will ask again");
    }
}
