//! Sets the gauges from store, engine and machine.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use stenobot_domain::{StageName, Timestamp};
use stenobot_engine::PoolStatus;
use stenobot_host::{DiskSpace, Memory, ProcessUsage};
use stenobot_store::write_ahead_log;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::Storage;
use crate::lifecycle::{BackupRecord, Heartbeats};
use crate::metrics as names;
use crate::pipeline::worker::Worker;
use crate::settings::Settings;

/// Gauges are refreshed this often at least; they change with the store.
const INTERVAL: Duration = Duration::from_secs(5);

/// Between two refreshes at least that follow changes of the store: it changes often, and every machine reads it.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Of one refresh: beyond it the loop counts as stuck.
const ROUND_TIMEOUT: Duration = Duration::from_secs(120);

/// Refreshes the gauges.
pub(super) struct Gauges {
    pub(super) worker: Worker,
    pub(super) settings: Settings,
    pub(super) heartbeats: Heartbeats,
    /// Of a process that transcribes.
    pub(super) engine: Option<EngineGauges>,
}

/// What the engine's gauges show.
pub(super) struct EngineGauges {
    /// Name of the model.
    pub(super) model: Arc<str>,
    pub(super) status: watch::Receiver<PoolStatus>,
}

impl Gauges {
    /// Runs until the soft shutdown.
    pub(super) async fn run(mut self) {
        let store = self.worker.store.clone();
        let mut changes = store.changes();
        let mut cpu_time = CpuTime::default();
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            self.heartbeats.gauges.due_within(ROUND_TIMEOUT);
            changes.mark_unchanged();
            if let Some(engine) = &mut self.engine {
                engine.refresh();
            }
            match store.statistics.snapshot().await {
                Ok(snapshot) => {
                    for stage in StageName::ALL.iter().filter(|stage| !stage.is_terminal()) {
                        #[expect(clippy::cast_precision_loss, reason = "small counts")]
                        gauge!(names::REQUESTS, "state" => stage.as_str()).set(snapshot.count(*stage) as f64);
                    }
                    gauge!(names::QUEUE_OLDEST).set(snapshot.oldest.map_or(0.0, |oldest| oldest.as_secs_f64()));
                    gauge!(names::QUEUE_AUDIO).set(snapshot.audio.as_secs_f64());
                }
                Err(error) => self.worker.failures.report("read the queue's gauges", &error),
            }
            let read_at = Instant::now();
            tokio::select! {
                () = self.worker.shutdown.soft.cancelled() => return,
                () = settled(&mut changes, read_at) => {}
                () = engine_changed(&mut self.engine) => {}
                _ = interval.tick() => {
                    let engines = self.engine.as_ref().map(EngineGauges::processes).unwrap_or_default();
                    cpu_time = refresh_machine(cpu_time, engines, self.settings.config().storage.clone()).await;
                }
            }
        }
    }
}

impl EngineGauges {
    fn refresh(&mut self) {
        let status = self.status.borrow_and_update();
        gauge!(names::WORKERS_BUSY).set(count(status.busy()));
        if let Some(facts) = &status.model {
            let (weights, backend) = (facts.weights.clone(), facts.backend.clone());
            let model = self.model.to_string();
            gauge!(names::MODEL_INFO, "model" => model, "weights" => weights, "backend" => backend).set(1.0);
        }
    }

    fn processes(&self) -> Vec<u32> {
        self.status.borrow().slots.iter().filter_map(|slot| slot.pid).collect()
    }
}

/// Waits for a change of the store, and until [`MIN_INTERVAL`] after the store was read.
async fn settled(changes: &mut watch::Receiver<u64>, read_at: Instant) {
    // The sender lives as long as the store.
    let _ = changes.changed().await;
    tokio::time::sleep_until(read_at + MIN_INTERVAL).await;
}

/// Waits for a change of the engine; for ever where there is none.
async fn engine_changed(engine: &mut Option<EngineGauges>) {
    if let Some(engine) = engine
        && engine.status.changed().await.is_ok()
    {
        return;
    }
    // The engine has ended, or there is none.
    std::future::pending().await
}

/// Processor time of engine processes, ended ones included.
#[derive(Debug, Default)]
struct CpuTime {
    total: Duration,
    of_running: HashMap<u32, Duration>,
}

impl CpuTime {
    /// Adds the time that running processes have used since the call before.
    fn record(&mut self, engines: &[(u32, Duration)]) {
        for (pid, cpu) in engines {
            let before = self.of_running.get(pid).copied().unwrap_or_default();
            // Less than before: the id was given to another process.
            self.total += cpu.checked_sub(before).unwrap_or(*cpu);
        }
        self.of_running = engines.iter().copied().collect();
    }
}

/// Refreshes the gauges that the kernel supplies, on a blocking thread.
async fn refresh_machine(mut cpu_time: CpuTime, engines: Vec<u32>, storage: Storage) -> CpuTime {
    let refresh = move || {
        let engines: Vec<_> = engines.into_iter().filter_map(|pid| Some((pid, ProcessUsage::of(pid)?))).collect();
        cpu_time.record(&engines.iter().map(|(pid, usage)| (*pid, usage.cpu)).collect::<Vec<_>>());
        counter!(names::ENGINE_CPU).absolute(cpu_time.total.as_secs());
        gauge!(names::ENGINE_MEMORY).set(bytes(engines.iter().map(|(_, usage)| usage.resident_bytes).sum()));
        gauge!(names::MEMORY_LIMIT).set(Memory::here().map_or(0.0, |memory| bytes(memory.limit)));
        if let Ok(space) = DiskSpace::around(&storage.data_dir) {
            gauge!(names::DATA_FREE).set(bytes(space.free_bytes));
            gauge!(names::DATA_SIZE).set(bytes(space.size_bytes));
        }
        let backup = BackupRecord::at(storage.backup_record()).time();
        gauge!(names::BACKUP).set(backup.map_or(0.0, Timestamp::as_secs_f64));
        if let Some(file) = storage.database.file() {
            gauge!(names::JOURNAL_WAL).set(write_ahead_log(file).metadata().map_or(0.0, |log| bytes(log.len())));
        }
        cpu_time
    };
    tokio::task::spawn_blocking(refresh).await.unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
fn bytes(count: u64) -> f64 {
    count as f64
}

pub(super) fn count(things: usize) -> f64 {
    bytes(things as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_time_of_engines_that_ended_still_counts() {
        let seconds = Duration::from_secs;
        let mut cpu_time = CpuTime::default();
        cpu_time.record(&[(7, seconds(5)), (8, seconds(1))]);
        cpu_time.record(&[(7, seconds(9))]);
        cpu_time.record(&[(8, seconds(2))]);
        assert_eq!(cpu_time.total, seconds(5 + 1 + 4 + 2));
        cpu_time.record(&[(8, seconds(1))]);
        assert_eq!(cpu_time.total, seconds(13), "the kernel gave the id to a new process");
    }
}
