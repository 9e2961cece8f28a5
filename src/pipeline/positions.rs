//! Senders see their position in the queue and the estimated wait: the length of the audio ahead times the real-time factor of
//! recent transcriptions.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use stenobot_domain::{AudioLength, RequestId, StageName};
use stenobot_store::{IncomingAudio, StoreError};
use stenobot_telegram::{StatusText, ThreadId};
use tokio::sync::watch;
use tokio::time::Instant;

use super::estimate::Estimates;
use super::service_mode::{ServiceControl, ServiceMode};
use super::status::StatusMessages;
use super::worker::Worker;
use crate::settings::Settings;

/// Changes within this time are shown together: they come in bursts.
const SETTLE_TIME: Duration = Duration::from_millis(500);
/// Of positions that could not be shown yet.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Shows senders their position in the queue. Cheap to clone.
#[derive(Clone)]
pub(crate) struct PositionDisplay {
    pub(crate) worker: Worker,
    pub(crate) settings: Settings,
    pub(crate) service: ServiceControl,
    pub(crate) status: StatusMessages,
    pub(crate) estimates: Estimates,
}

impl PositionDisplay {
    /// Shows every waiting request its position whenever that changes, until the soft shutdown.
    pub(crate) async fn run(self) {
        let (mut changes, mut mode) = (self.worker.store.changes(), self.service.changes());
        let mut shown = HashMap::new();
        loop {
            changes.mark_unchanged();
            mode.mark_unchanged();
            let pending = match self.positions().await {
                Ok(positions) => self.show(positions, &mut shown),
                Err(error) => {
                    self.worker.failures.report("read the queue", &error);
                    false
                }
            };
            tokio::select! {
                () = self.worker.shutdown.soft.cancelled() => return,
                () = settled(&mut changes, &mut mode) => {}
                () = tokio::time::sleep(RETRY_INTERVAL), if pending => {}
            }
        }
    }

    /// Shows the sender of a coalesced request the position of the one that it gets its text from: it is never downloaded, so
    /// it has no other status message. Runs beside the admission, which does not wait for Telegram.
    pub(super) fn show_coalesced(&self, id: RequestId, into: RequestId, arrival: &IncomingAudio) {
        let (own, arrival) = (self.clone(), arrival.clone());
        let show = async move {
            let positions = own.positions().await?;
            let Some(at) = positions.iter().find(|position| position.request.id == into) else { return Ok(()) };
            let text = text(at.number, at.wait, own.service.is_paused());
            let message = own.status.message(id, arrival.locale.as_deref(), &text);
            let thread = arrival.thread.map(ThreadId);
            if let Ok(message) = own.status.send(arrival.chat, thread, arrival.reply_to, &message).await {
                own.worker.store.queue.set_coalesced_status_message(id, arrival.chat, message).await?;
            }
            Ok(())
        };
        self.worker.spawn(tracing::info_span!("request", id = id.0), "show a coalesced request's position", show);
    }

    async fn positions(&self) -> Result<Vec<Position>, StoreError> {
        let store = &self.worker.store;
        let factor = self.estimates.real_time_factor().await;
        let now = store.clock().now();
        let running = store.queue.running().await?;
        let mut ahead: f64 = running
            .iter()
            .map(|run| (seconds(run.length) * factor - now.since(run.started_at).as_secs_f64()).max(0.0))
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "at most 64 workers")]
        let slots = self.estimates.slots() as f64;
        let mut number = 0;
        let waiting = store.queue.waiting().await?;
        Ok(waiting
            .into_iter()
            .map(|request| {
                let own = seconds(request.length) * factor;
                // A coalesced request has the position of the one that it gets its text from, and takes no time of its own.
                let before = if request.coalesced_into.is_some() { (ahead - own).max(0.0) } else { ahead };
                if request.coalesced_into.is_none() {
                    number += 1;
                    ahead += own;
                }
                let wait = Duration::try_from_secs_f64(before / slots).unwrap_or_default();
                Position { request, number: number.max(1), wait }
            })
            .collect())
    }

    /// Shows positions that differ from what was shown, in each chat at most once in the progress interval. An estimate that
    /// shrinks as time passes is not shown. Returns whether something is still to be shown.
    fn show(&self, positions: Vec<Position>, shown: &mut HashMap<RequestId, Shown>) -> bool {
        let (now, paused) = (Instant::now(), self.service.is_paused());
        let interval = self.settings.config().timing.progress_interval;
        let waiting: HashSet<RequestId> = positions.iter().map(|position| position.request.id).collect();
        shown.retain(|id, _| waiting.contains(id));
        let mut pending = false;
        for Position { request, number, wait } in positions {
            if request.stage != StageName::Queued && request.coalesced_into.is_none() {
                continue;
            }
            if let Some(last) = shown.get(&request.id) {
                let since = now.saturating_duration_since(last.at);
                let expected = last.wait.saturating_sub(since);
                // By more than a quarter, and by more than a reader would notice.
                let differs = !paused && wait.abs_diff(expected) > (expected / 4).max(Duration::from_secs(10));
                if last.number == number && last.paused == paused && !differs {
                    continue;
                }
                if since < interval {
                    pending = true;
                    continue;
                }
            }
            shown.insert(request.id, Shown { number, wait, paused, at: now });
            let text = text(number, wait, paused);
            self.status.show(request.id, request.chat, request.status_message, request.locale.as_deref(), &text);
        }
        pending
    }
}

/// Length of a recording in seconds; 0 while it is unknown.
fn seconds(length: Option<AudioLength>) -> f64 {
    length.map_or(0.0, |length| length.duration().as_secs_f64())
}

/// The text for a position. While the engine is paused, the wait cannot be estimated.
fn text(position: u32, wait: Duration, paused: bool) -> StatusText {
    if paused { StatusText::Paused { position } } else { StatusText::Queued { position, wait: Some(wait) } }
}

/// Waits for a change that can move positions, after the time in which changes are collected.
async fn settled(changes: &mut watch::Receiver<u64>, mode: &mut watch::Receiver<ServiceMode>) {
    tokio::time::sleep(SETTLE_TIME).await;
    tokio::select! {
        _ = changes.changed() => {}
        _ = mode.changed() => {}
    }
}

/// A waiting request with its position and estimated wait.
struct Position {
    request: stenobot_store::Waiting,
    /// From 1.
    number: u32,
    wait: Duration,
}

/// Position and estimate that a sender was shown last.
struct Shown {
    number: u32,
    wait: Duration,
    paused: bool,
    at: Instant,
}
