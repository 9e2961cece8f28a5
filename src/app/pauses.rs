//! Telegram's pauses, shared among the machines of a store: what one was refused, none of the others sends.

use std::time::Duration;

use stenobot_store::{Pause, Store, Topic};
use stenobot_telegram::{Client, LearnedPause};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::lifecycle::Shutdown;
use crate::pipeline::failures::StoreFailures;

/// Between two reads of the pauses without a notification.
const READ_INTERVAL: Duration = Duration::from_secs(1);
/// Between two reads, however often the store changes.
const MIN_READ_INTERVAL: Duration = Duration::from_millis(200);
/// Between two attempts to record a pause.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// Between two deletions of what is over.
const DROP_INTERVAL: Duration = Duration::from_secs(60);

/// Records the pauses that this process learns, and imposes those that other machines have recorded.
pub struct SharedPauses {
    store: Store,
    client: Client,
    failures: StoreFailures,
    shutdown: Shutdown,
}

impl SharedPauses {
    /// Of the machine that sends by `client`.
    pub fn new(store: Store, client: Client, shutdown: Shutdown) -> Self {
        Self { store, client, failures: StoreFailures::new(shutdown.clone()), shutdown }
    }

    /// Imposes the pauses that hold already, then shares new ones beside the caller, until the hard shutdown or the end of the
    /// handle: answers are also sent after the soft one.
    pub async fn start(self) -> AbortOnDropHandle<()> {
        self.shutdown.soft.run_until_cancelled(self.impose()).await;
        AbortOnDropHandle::new(tokio::spawn(self.run()))
    }

    async fn run(self) {
        let work = async { tokio::join!(self.record_learned(), self.impose_known()) };
        self.shutdown.hard.run_until_cancelled(work).await;
    }

    /// A pause that cannot be recorded is tried again as long as it lasts.
    async fn record_learned(&self) {
        let mut waiting: Vec<LearnedPause> = Vec::new();
        loop {
            if waiting.is_empty() {
                waiting = self.client.learned_pauses().await;
            } else if let Ok(more) = timeout(RETRY_INTERVAL, self.client.learned_pauses()).await {
                waiting.extend(more);
            }
            let now = Instant::now();
            waiting.retain(|pause| pause.until > now);
            while let Some(LearnedPause { chat, until }) = waiting.last().copied() {
                let left = until.saturating_duration_since(Instant::now());
                if let Err(error) = self.store.service.record_pause(Pause { chat, left }).await {
                    self.failures.report("record a pause", &error);
                    break;
                }
                waiting.pop();
            }
        }
    }

    async fn impose_known(&self) {
        let mut changes = self.store.changes_of(Topic::Pauses);
        let mut dropped = Instant::now();
        loop {
            changes.mark_unchanged();
            self.impose().await;
            if dropped.elapsed() >= DROP_INTERVAL {
                dropped = Instant::now();
                if let Err(error) = self.store.service.drop_past_pauses().await {
                    self.failures.report("delete past pauses", &error);
                }
            }
            sleep(MIN_READ_INTERVAL).await;
            // Without a notification, the time is over.
            let _ = timeout(READ_INTERVAL - MIN_READ_INTERVAL, changes.changed()).await;
        }
    }

    async fn impose(&self) {
        match self.store.service.pauses().await {
            Ok(pauses) => {
                for Pause { chat, left } in pauses {
                    self.client.impose_pause(chat, left);
                }
            }
            Err(error) => self.failures.report("read pauses", &error),
        }
    }
}
