//! Machines that work on the store.

use stenobot_domain::Timestamp;

use super::Statements;
use crate::StoreError;
use crate::machines::{Machine, MachineId, MachineState};

const RECORD_HEARTBEAT: &str = "INSERT INTO machines (id, role, leads, workers, started_at, heartbeat_at, demand, has_disk_space) \
     VALUES ($1, $2, $3, $4, $5, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET leads = excluded.leads, \
     workers = excluded.workers, demand = excluded.demand, has_disk_space = excluded.has_disk_space, heartbeat_at = excluded.heartbeat_at";

const MACHINES: &str = "SELECT id, role, leads, workers, started_at, heartbeat_at, demand, has_disk_space FROM machines \
     WHERE heartbeat_at >= $1 ORDER BY started_at, id";

const DROP: &str = "DELETE FROM machines WHERE id = $1";

const DROP_BEFORE: &str = "DELETE FROM machines WHERE heartbeat_at < $1";

impl Statements<'_> {
    pub(crate) async fn record_heartbeat(
        self,
        machine: &MachineId,
        state: MachineState,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let record = sqlx::query(RECORD_HEARTBEAT).bind(machine.as_str()).bind(state.role.as_str());
        let record = record
            .bind(state.leads)
            .bind(i64::from(state.workers))
            .bind(now.0)
            .bind(i64::from(state.demand))
            .bind(state.has_disk_space);
        self.execute(record).await.map(drop)
    }

    pub(crate) async fn machines_since(self, earliest: Timestamp) -> Result<Vec<Machine>, StoreError> {
        type Row = (String, String, bool, i64, i64, i64, i64, bool);
        let rows: Vec<Row> = sqlx::query_as(MACHINES).bind(earliest.0).fetch_all(self.0).await?;
        // A role that is unknown here was written by a newer version, which is being rolled out.
        let machine = |(id, role, leads, workers, started_at, heartbeat_at, demand, has_disk_space): Row| {
            Some(Machine {
                id: MachineId::new(id),
                state: MachineState {
                    role: role.parse().ok()?,
                    leads,
                    workers: super::count(workers),
                    demand: super::count(demand),
                    has_disk_space,
                },
                started_at: Timestamp(started_at),
                heartbeat_at: Timestamp(heartbeat_at),
            })
        };
        Ok(rows.into_iter().filter_map(machine).collect())
    }

    pub(crate) async fn drop_machine(self, machine: &MachineId) -> Result<(), StoreError> {
        self.execute(sqlx::query(DROP).bind(machine.as_str())).await.map(drop)
    }

    pub(crate) async fn drop_machines_before(self, earliest: Timestamp) -> Result<(), StoreError> {
        self.execute(sqlx::query(DROP_BEFORE).bind(earliest.0)).await.map(drop)
    }
}
