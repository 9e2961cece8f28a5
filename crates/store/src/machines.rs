//! Machines: the processes that work on one store, each with a heartbeat. An SQLite file has one.

use std::time::Duration;

use stenobot_domain::{Role, Timestamp};
use tokio::time::Instant;

use crate::StoreError;
use crate::database::Database;

/// Between two heartbeats of a machine.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(2);

/// A machine whose last heartbeat is older is silent: it has ended without [`Machines::leave`], hangs, or cannot reach the
/// store.
pub const SILENCE: Duration = Duration::from_secs(15);

/// Without a heartbeat recorded for so long, a machine sends nothing more: it may be silent soon, and others answer for it.
pub(crate) const QUIET_AFTER: Duration = Duration::from_secs(13);

/// Without a heartbeat recorded for so long, a machine cannot reach the store: two heartbeats are missing.
pub(crate) const UNREACHABLE_AFTER: Duration = Duration::from_secs(5);

/// How long a silent machine is listed.
const LISTED: Duration = Duration::from_secs(900);

/// The machines that work on the store.
#[derive(Debug, Clone)]
pub struct Machines(pub(crate) Database);

/// Name of a machine: the owner of its leases.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MachineId(String);

impl MachineId {
    /// A name that no other process has or had.
    pub fn new(unique: impl Into<String>) -> Self {
        Self(unique.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a machine says of itself with each heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineState {
    /// What it does.
    pub role: Role,
    /// Whether it leads.
    pub leads: bool,
    /// Transcriptions that it does at once; 0 without an engine.
    pub workers: u32,
    /// Messages that it wanted to send since the heartbeat before.
    pub demand: u32,
    /// Whether its disk has space for recordings; true of a machine without an engine.
    pub has_disk_space: bool,
}

/// A machine, as the others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its name.
    pub id: MachineId,
    /// By its last heartbeat.
    pub state: MachineState,
    /// Its first heartbeat.
    pub started_at: Timestamp,
    /// Its last heartbeat.
    pub heartbeat_at: Timestamp,
}

/// The machines of a store at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fleet {
    /// Those whose heartbeat is recent.
    pub live: Vec<Machine>,
    /// Those that are silent, for a quarter of an hour.
    pub silent: Vec<Machine>,
}

impl Fleet {
    /// Live machines that receive and send.
    pub fn count(&self, does: impl Fn(Role) -> bool) -> usize {
        self.live.iter().filter(|machine| does(machine.state.role)).count()
    }

    /// Whether one of the machines that transcribe can take recordings; `None` without such a machine.
    pub fn has_disk_space(&self) -> Option<bool> {
        let workers = self.live.iter().filter(|machine| machine.state.role.has_worker());
        workers.map(|machine| machine.state.has_disk_space).reduce(|one, other| one || other)
    }
}

impl Machines {
    /// Records a heartbeat and gives the machines there are.
    pub async fn record_heartbeat(&self, machine: &MachineId, state: MachineState) -> Result<Fleet, StoreError> {
        let begun = Instant::now();
        let record = async {
            let mut connection = self.0.connections.write().await?;
            let now = self.0.now(&mut connection).await?;
            connection.sql().record_heartbeat(machine, state, now).await?;
            connection.sql().drop_machines_before(now.before(LISTED)).await?;
            self.0.note_heartbeat(begun);
            fleet(connection.sql().machines_since(now.before(LISTED)).await?, now)
        };
        self.0.noting(record).await
    }

    /// Removes a machine that ends.
    pub async fn leave(&self, machine: &MachineId) -> Result<(), StoreError> {
        self.0.noting(async { self.0.connections.write().await?.sql().drop_machine(machine).await }).await
    }
}

fn fleet(machines: Vec<Machine>, now: Timestamp) -> Result<Fleet, StoreError> {
    let earliest = now.before(SILENCE);
    let (live, silent) = machines.into_iter().partition(|machine| machine.heartbeat_at >= earliest);
    Ok(Fleet { live, silent })
}
