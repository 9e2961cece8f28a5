//! This process as one of the machines on a store: its heartbeat, what it learns of the others, and leading them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use stenobot_domain::Role;
use stenobot_store::{Fleet, HEARTBEAT_INTERVAL, Leadership, MachineId, MachineState, StoreError};
use stenobot_telegram::{Client, Share};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::metrics as names;
use crate::pipeline::cancels::CancelRegistry;
use crate::pipeline::worker::Worker;
use crate::request::seconds;

/// Between two looks at machines that have become silent.
const LEADING_INTERVAL: Duration = Duration::from_secs(5);

/// Between two looks for cancellations of what is worked on here: their notifications can be lost.
const CANCELLATION_INTERVAL: Duration = Duration::from_secs(1);

/// This machine.
pub(super) struct ThisMachine {
    worker: Worker,
    id: MachineId,
    role: Role,
    /// Transcriptions at once.
    slots: u32,
    fleet: watch::Sender<Arc<Fleet>>,
    disk_has_space: watch::Sender<bool>,
    is_shared: bool,
}

impl ThisMachine {
    /// `is_shared` says whether there can be others.
    pub(super) fn new(worker: Worker, role: Role, slots: u32, is_shared: bool) -> Self {
        let id = MachineId::new(&*worker.id);
        Self {
            worker,
            id,
            role,
            slots,
            fleet: watch::Sender::default(),
            disk_has_space: watch::Sender::new(true),
            is_shared,
        }
    }

    /// The machines there are, this one included; none where it is alone.
    pub(super) fn fleet(&self) -> watch::Receiver<Arc<Fleet>> {
        self.fleet.subscribe()
    }

    /// Whether this machine's downloads begin; its downloader sends it.
    pub(super) fn disk_has_space(&self) -> watch::Sender<bool> {
        self.disk_has_space.clone()
    }

    /// A candidacy for the lead. Only bots lead: what a leader does is a bot's work.
    pub(super) fn candidacy(&self) -> Option<Leadership> {
        self.role.has_bot().then(|| self.worker.store.lead())
    }

    /// Sends heartbeats, also while work is finished after the soft shutdown, and has `client` send this machine's share of
    /// the messages.
    pub(super) async fn run(&self, client: &Client, leadership: Option<Leadership>) -> Infallible {
        let soft = &self.worker.shutdown.soft;
        let mut leadership = leadership;
        let mut interval = tokio::time::interval(HEARTBEAT_INTERVAL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut since_look = LEADING_INTERVAL;
        loop {
            tokio::select! {
                _ = interval.tick() => {}
                // Another machine leads while this one finishes its work.
                () = soft.cancelled(), if leadership.is_some() => leadership = None,
            }
            let leads = leadership.as_ref().is_some_and(Leadership::leads);
            gauge!(names::LEADER).set(if leads { 1.0 } else { 0.0 });
            if !self.is_shared {
                gauge!(names::MACHINES, "role" => self.role.as_str()).set(1.0);
                continue;
            }
            let (demand, has_disk_space) = (client.take_demand(), *self.disk_has_space.borrow());
            let state = MachineState { role: self.role, leads, workers: self.slots, demand, has_disk_space };
            match self.worker.store.machines.record_heartbeat(&self.id, state).await {
                Ok(fleet) => {
                    count(&fleet);
                    let others = fleet.live.iter().filter(|machine| machine.id != self.id);
                    client.set_share(Share::of(state.demand, others.map(|machine| machine.state.demand)));
                    since_look += HEARTBEAT_INTERVAL;
                    if leads && since_look >= LEADING_INTERVAL {
                        since_look = Duration::ZERO;
                        self.take_over(&fleet).await;
                    }
                    self.fleet.send_replace(Arc::new(fleet));
                }
                Err(error) => self.worker.failures.report("record a heartbeat", &error),
            }
        }
    }

    /// Logs when this machine gains and loses the lead, until the soft shutdown.
    pub(super) async fn log_lead(&self, mut leadership: Leadership) {
        if !self.is_shared {
            return;
        }
        let soft = &self.worker.shutdown.soft;
        while soft.run_until_cancelled(leadership.gained()).await.is_some() {
            let since = Instant::now();
            tracing::info!("this machine leads");
            let is_lost = soft.run_until_cancelled(leadership.lost()).await.is_some();
            let led_seconds = seconds(since.elapsed());
            if is_lost {
                tracing::info!(
                    led_seconds,
                    "this machine no longer leads: it could not reach the database server in time"
                );
            } else {
                tracing::info!(led_seconds, "this machine gives up the lead");
            }
        }
    }

    /// What a silent machine held is claimed by others before its leases end. Should it be alive, its fences hold no more.
    async fn take_over(&self, fleet: &Fleet) {
        for silent in &fleet.silent {
            match self.worker.store.queue.expire_leases_of(silent.id.as_str()).await {
                Ok(0) => {}
                Ok(requests) => {
                    counter!(names::LEASES_TAKEN).increment(requests);
                    let (machine, role) = (silent.id.as_str(), silent.state.role.as_str());
                    tracing::warn!(machine, role, requests, "a machine is silent: others go on with what it held");
                }
                Err(error) => self.worker.failures.report("take over from a silent machine", &error),
            }
        }
    }

    /// Passes cancellations and stops to the work on their requests.
    pub(super) async fn follow_cancellations(&self, cancels: &CancelRegistry) -> Infallible {
        let mut cancellations = self.worker.store.cancellations();
        let mut stops = self.worker.store.stops();
        let mut interval = tokio::time::interval(CANCELLATION_INTERVAL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                cancelled = cancellations.recv() => match cancelled {
                    Ok(id) => cancels.cancel_registered(id),
                    Err(RecvError::Lagged(_)) => self.look_for_cancellations(cancels).await,
                    // The store is closed: nothing is worked on.
                    Err(RecvError::Closed) => std::future::pending().await,
                },
                stopped = stops.recv() => match stopped {
                    Ok(id) => cancels.stop_registered(id),
                    Err(RecvError::Lagged(_)) => self.look_for_cancellations(cancels).await,
                    Err(RecvError::Closed) => std::future::pending().await,
                },
                _ = interval.tick(), if self.is_shared => {
                    if cancels.has_entries() {
                        self.look_for_cancellations(cancels).await;
                    }
                }
            }
        }
    }

    async fn look_for_cancellations(&self, cancels: &CancelRegistry) {
        match self.worker.store.queue.cancellations_of(&self.worker.id).await {
            Ok(ids) => ids.into_iter().for_each(|id| cancels.cancel_registered(id)),
            Err(error) => self.worker.failures.report("look for cancelled requests", &error),
        }
        match self.worker.store.queue.stops_of(&self.worker.id).await {
            Ok(ids) => ids.into_iter().for_each(|id| cancels.stop_registered(id)),
            Err(error) => self.worker.failures.report("look for stopped requests", &error),
        }
    }

    /// Takes this machine off the list, so that no one waits for it.
    pub(super) async fn leave(&self) -> Result<(), StoreError> {
        if self.is_shared { self.worker.store.machines.leave(&self.id).await } else { Ok(()) }
    }
}

fn count(fleet: &Fleet) {
    for role in Role::ALL {
        let live = fleet.count(|other| other == role);
        gauge!(names::MACHINES, "role" => role.as_str()).set(super::gauges::count(live));
        let silent = fleet.silent.iter().filter(|machine| machine.state.role == role).count();
        gauge!(names::MACHINES_SILENT, "role" => role.as_str()).set(super::gauges::count(silent));
    }
}
