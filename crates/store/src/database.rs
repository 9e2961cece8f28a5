//! What all aggregates share: connections, clock, notifications, retries.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;
use std::time::Duration;

use stenobot_domain::{Clock, RequestId, Timestamp};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use crate::StoreError;
use crate::backend::{Connection, Connections, Transaction};
use crate::changes::{Changes, Topic};
use crate::machines::{QUIET_AFTER, UNREACHABLE_AFTER};
use crate::retry::Retry;

/// Cancellations, or stops, that a receiver may be behind. One that missed some asks for all.
const CANCELLATIONS: usize = 64;

/// Connections, clock and state that the aggregates share; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(crate) connections: Connections,
    /// Of this process. A PostgreSQL server's own clock is used instead of the system's.
    pub(crate) clock: Clock,
    pub(crate) changes: Changes,
    pub(crate) cancellations: broadcast::Sender<RequestId>,
    pub(crate) stops: broadcast::Sender<RequestId>,
    pub(crate) retry: Retry,
    /// When this machine began to record its latest heartbeat that was recorded; `None` where there are no heartbeats.
    heartbeat: watch::Sender<Option<Instant>>,
    /// The store's clock minus this process's when it was asked last, in milliseconds.
    ahead: Arc<AtomicI64>,
}

impl Database {
    pub(crate) fn new(connections: Connections, clock: Clock) -> Self {
        Self {
            connections,
            clock,
            changes: Changes::default(),
            cancellations: broadcast::Sender::new(CANCELLATIONS),
            stops: broadcast::Sender::new(CANCELLATIONS),
            retry: Retry::default(),
            heartbeat: watch::Sender::default(),
            ahead: Arc::default(),
        }
    }

    /// A transaction, and its time.
    pub(crate) async fn begin(&self) -> Result<(Transaction, Timestamp), StoreError> {
        let (transaction, now) = self.connections.begin(&self.clock).await?;
        self.note_time(now);
        Ok((transaction, now))
    }

    /// A transaction that reads the order of the queue and changes it, and its time.
    pub(crate) async fn begin_in_order(&self) -> Result<(Transaction, Timestamp), StoreError> {
        let (transaction, now) = self.connections.begin_in_order(&self.clock).await?;
        self.note_time(now);
        Ok((transaction, now))
    }

    /// The time by the store's clock.
    pub(crate) async fn now(&self, connection: &mut Connection) -> Result<Timestamp, StoreError> {
        let now = connection.now(&self.clock).await?;
        self.note_time(now);
        Ok(now)
    }

    fn note_time(&self, now: Timestamp) {
        self.ahead.store(now.0.saturating_sub(self.clock.now().0), Ordering::Relaxed);
    }

    /// The time by the store's clock as it was known last, to be shown.
    pub(crate) fn recent_now(&self) -> Timestamp {
        Timestamp(self.clock.now().0.saturating_add(self.ahead.load(Ordering::Relaxed)))
    }

    /// Notes that a heartbeat which was begun at this time is recorded.
    pub(crate) fn note_heartbeat(&self, begun: Instant) {
        self.heartbeat.send_replace(Some(begun));
    }

    /// Runs `work`; drops it and gives `None` before the other machines take this one for silent.
    pub(crate) async fn unless_silent<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.until_heartbeat_is_older(QUIET_AFTER, work).await
    }

    /// Runs `work`; drops it and gives `None` when heartbeats do not reach the store.
    pub(crate) async fn while_reachable<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.until_heartbeat_is_older(UNREACHABLE_AFTER, work).await
    }

    async fn until_heartbeat_is_older<T>(&self, age: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.heartbeat_is_older(age) => None,
            output = work => Some(output),
        }
    }

    /// Asks the clock whenever it is polled: of a process that was stopped, timers may fire later than other tasks run.
    async fn heartbeat_is_older(&self, age: Duration) {
        let mut heartbeats = self.heartbeat.subscribe();
        loop {
            let end = heartbeats.borrow_and_update().map(|begun| begun + age);
            let is_over = || end.is_some_and(|end| Instant::now() >= end);
            tokio::select! {
                biased;
                () = poll_fn(|_| if is_over() { Poll::Ready(()) } else { Poll::Pending }) => return,
                // The sender is in `self`.
                _ = heartbeats.changed() => {}
                () = tokio::time::sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => {}
            }
        }
    }

    /// Notifies what waits in this process for a change of the queue.
    pub(crate) fn changed(&self) {
        self.changes.notify(Topic::WORK);
    }

    /// Notifies the receivers of [`Store::stops`](crate::Store::stops).
    pub(crate) fn stopped(&self, id: RequestId) {
        // As with cancellations.
        let _ = self.stops.send(id);
    }

    /// Notifies the receivers of [`Store::cancellations`](crate::Store::cancellations).
    pub(crate) fn cancelled(&self, id: RequestId) {
        // Without a receiver, nothing is worked on.
        let _ = self.cancellations.send(id);
    }
}
