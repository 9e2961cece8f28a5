//! Long polling. The offset moves past an update only when the update is ingested: with the next poll Telegram forgets it.

use std::time::Duration;

use metrics::gauge;
use stenobot_domain::{RetryPolicy, Timestamp};
use stenobot_telegram::{Client, Disposition, Incoming, Press, TelegramError};
use tokio::sync::{mpsc, watch};

use super::inbox::{Inbox, UPDATE_TIMEOUT};
use crate::lifecycle::{Heartbeats, Shutdown};
use crate::metrics as names;

/// How long a poll waits at Telegram for updates.
const POLL_TIMEOUT: Duration = Duration::from_secs(25);
/// Pauses between failed polls.
const RETRIES: RetryPolicy = RetryPolicy::endless(Duration::from_millis(500), Duration::from_secs(30));
/// Pause after a failure of the store: retries cost no other service anything, and senders wait.
const MAX_STORE_PAUSE: Duration = Duration::from_secs(2);

/// Polls Telegram for one inbox.
pub(crate) struct Poller {
    pub(crate) client: Client,
    pub(crate) clock: stenobot_domain::Clock,
    pub(crate) inbox: Inbox,
    /// Presses that waited until the user was known to be an admin of the group.
    pub(crate) admin_presses: mpsc::Receiver<Press>,
    /// When Telegram last answered a poll.
    pub(crate) last_contact: watch::Sender<Option<Timestamp>>,
    pub(crate) shutdown: Shutdown,
    pub(crate) heartbeats: Heartbeats,
}

impl Poller {
    /// Polls until the soft shutdown.
    pub(crate) async fn run(mut self) {
        let mut offset = None;
        let mut failures = 0_u32;
        // The first poll, and the first one after a failure, does not wait for updates: a bot that can poll is ready at once, not
        // when the first quiet long poll ends.
        let mut poll_timeout = Duration::ZERO;
        while !self.shutdown.soft.is_cancelled() {
            self.heartbeats.poll.due_within(UPDATE_TIMEOUT);
            if self.client.known().is_none() {
                // Mentions and commands in groups are recognised by the bot's name.
                let _ = self.shutdown.soft.run_until_cancelled(self.client.me()).await;
            }
            let Some(polled) = self.poll(offset, poll_timeout).await else { return };
            let pause = RETRIES.pause_after(failures.saturating_add(1));
            let wait = match polled {
                Ok(updates) => {
                    poll_timeout = POLL_TIMEOUT;
                    if self.ingest(&updates, &mut offset).await {
                        failures = 0;
                        continue;
                    }
                    pause.min(MAX_STORE_PAUSE)
                }
                Err(error) => {
                    poll_timeout = Duration::ZERO;
                    report(&error);
                    match error.disposition() {
                        Disposition::ServerRequested(requested) => requested.max(pause),
                        Disposition::Retry { .. }
                        | Disposition::OperatorNeeded { .. }
                        | Disposition::ChatMoved(_)
                        | Disposition::ChatUnreachable(_)
                        | Disposition::MessageGone
                        | Disposition::Final => pause,
                    }
                }
            };
            failures = failures.saturating_add(1);
            self.heartbeats.poll.due_within(wait.saturating_add(UPDATE_TIMEOUT));
            let _ = self.shutdown.soft.run_until_cancelled(tokio::time::sleep(wait)).await;
        }
    }

    /// One poll, beside which presses of admins are carried out; `None` at the soft shutdown.
    async fn poll(&mut self, offset: Option<i64>, timeout: Duration) -> Option<Result<Vec<Incoming>, TelegramError>> {
        let client = self.client.clone();
        let poll = client.updates(offset, timeout);
        tokio::pin!(poll);
        loop {
            tokio::select! {
                () = self.shutdown.soft.cancelled() => return None,
                Some(press) = self.admin_presses.recv() => self.inbox.admin_press(&press).await,
                polled = &mut poll => return Some(polled),
            }
        }
    }

    /// Ingests what a poll brought; returns whether everything was.
    async fn ingest(&mut self, updates: &[Incoming], offset: &mut Option<i64>) -> bool {
        let now = self.clock.now();
        self.last_contact.send_replace(Some(now));
        let ingested = self.inbox.ingest(updates).await;
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
fn report(error: &TelegramError) {
    if let Disposition::OperatorNeeded { .. } = error.disposition() {
        tracing::error!(%error, "no updates");
    } else {
        tracing::warn!(%error, "no updates, will ask again");
    }
}
