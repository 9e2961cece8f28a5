//! Machines: the processes that work on one store, each with a heartbeat. An SQLite file has one.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use stenobot_domain::Timestamp;

use crate::StoreError;
use crate::database::Database;

/// Between two heartbeats of a machine.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(2);

/// A machine whose last heartbeat is older is silent: it has ended without [`Machines::leave`], hangs, or cannot reach the
/// store.
pub const SILENCE: Duration = Duration::from_secs(15);

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

/// What a machine does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    #[default]
    All,
    /// Receives updates, admits, shows states, answers what needs no engine.
    Bot,
    /// Downloads, transcribes, answers.
    Worker,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::All, Self::Bot, Self::Worker];

    /// As settings, rows and labels name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Bot => "bot",
            Self::Worker => "worker",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// Whether updates are received and states shown.
    pub const fn is_bot(self) -> bool {
        match self {
            Self::All | Self::Bot => true,
            Self::Worker => false,
        }
    }

    /// Whether requests are downloaded and transcribed.
    pub const fn is_worker(self) -> bool {
        match self {
            Self::All | Self::Worker => true,
            Self::Bot => false,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no role: give all, bot or worker")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::parse(text).ok_or(UnknownRole)
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
}

impl Machines {
    /// Records a heartbeat and gives the machines there are.
    pub async fn record_heartbeat(&self, machine: &MachineId, state: MachineState) -> Result<Fleet, StoreError> {
        let record = async {
            let mut connection = self.0.connections.write().await?;
            let now = self.0.now(&mut connection).await?;
            connection.sql().record_heartbeat(machine, state, now).await?;
            connection.sql().drop_machines_before(now.before(LISTED)).await?;
            fleet(connection.sql().machines_since(now.before(LISTED)).await?, now)
        };
        self.0.noting(record).await
    }

    /// The machines there are.
    pub async fn fleet(&self) -> Result<Fleet, StoreError> {
        let mut connection = self.0.connections.read().await?;
        let now = self.0.now(&mut connection).await?;
        fleet(connection.sql().machines_since(now.before(LISTED)).await?, now)
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
