//! Keeps the gauges at what store, engine and machine say.

use std::collections::HashMap;
use std::time::Duration;

use metrics::{counter, gauge};
use stenobot_domain::StageName;
use stenobot_engine::PoolStatus;
use stenobot_host::{DiskSpace, Memory, ProcessUsage};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::config::Storage;
use crate::metrics as names;
use crate::pipeline::Context;
use crate::service_manager::ServiceManager;
use crate::telemetry::Readiness;

/// Gauges are refreshed this often at least; they change with the store.
const BEAT: Duration = Duration::from_secs(5);

/// Longest time of one refresh: beyond it the loop counts as stuck.
const ROUND_TIMEOUT: Duration = Duration::from_secs(120);
/// The bot is asked this often whether it is ready, which costs a write to the store.
const READINESS_INTERVAL: Duration = Duration::from_secs(15);
/// Longest time of the answer; a bot that does not know is not ready.
const READINESS_TIMEOUT: Duration = Duration::from_secs(10);

/// Keeps the gauge and the service manager's status at what `ready` says.
pub(super) async fn readiness(ready: Readiness, manager: ServiceManager) {
    let mut interval = tokio::time::interval(READINESS_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = None;
    loop {
        interval.tick().await;
        let status = match tokio::time::timeout(READINESS_TIMEOUT, ready()).await {
            Ok(Ok(())) => "ready".to_owned(),
            Ok(Err(reason)) => format!("not ready: {reason}"),
            Err(_) => {
                gauge!(names::READY).set(0.0);
                format!("not ready: no answer within {} s", READINESS_TIMEOUT.as_secs())
            }
        };
        if before.as_ref() != Some(&status) {
            manager.status(&status);
            before = Some(status);
        }
    }
}

/// Refreshes until the soft shutdown.
pub(super) async fn refresh(context: &Context, mut engine: watch::Receiver<PoolStatus>) {
    let mut changes = context.store.changes();
    let mut spent = Spent::default();
    let mut beat = tokio::time::interval(BEAT);
    loop {
        context.heartbeats.gauges.due_within(ROUND_TIMEOUT);
        changes.mark_unchanged();
        {
            let status = engine.borrow_and_update();
            gauge!(names::WORKERS_BUSY).set(count(status.busy()));
            if let Some(model) = &status.model {
                let backend = model.backend.clone();
                gauge!(names::MODEL_INFO, "model" => context.model.to_string(), "backend" => backend).set(1.0);
            }
        }
        match context.store.statistics.snapshot().await {
            Ok(snapshot) => {
                for stage in StageName::ALL.iter().filter(|stage| !stage.is_terminal()) {
                    #[expect(clippy::cast_precision_loss, reason = "small counts")]
                    gauge!(names::REQUESTS, "state" => stage.as_str()).set(snapshot.count(*stage) as f64);
                }
                gauge!(names::QUEUE_OLDEST).set(snapshot.oldest.map_or(0.0, |oldest| oldest.as_secs_f64()));
                gauge!(names::QUEUE_AUDIO).set(snapshot.audio.as_secs_f64());
            }
            Err(error) => context.store_failed("read the queue's gauges", &error),
        }
        tokio::select! {
            () = context.shutdown.soft.cancelled() => return,
            _ = changes.changed() => {}
            _ = engine.changed() => {}
            _ = beat.tick() => {
                let engines = engine.borrow().slots.iter().filter_map(|slot| slot.pid).collect();
                spent = machine(spent, engines, context.config().storage.clone()).await;
            }
        }
    }
}

/// Processor time of engine processes, of those that have ended too.
#[derive(Debug, Default)]
struct Spent {
    total: Duration,
    of_living: HashMap<u32, Duration>,
}

impl Spent {
    /// Adds what the living have used since they were last looked at.
    fn look(&mut self, engines: &[(u32, Duration)]) {
        for (pid, cpu) in engines {
            let before = self.of_living.get(pid).copied().unwrap_or_default();
            // Less than before: another process with the same id.
            self.total += cpu.checked_sub(before).unwrap_or(*cpu);
        }
        self.of_living = engines.iter().copied().collect();
    }
}

/// What the kernel says, off the runtime's threads.
async fn machine(mut spent: Spent, engines: Vec<u32>, storage: Storage) -> Spent {
    let look = move || {
        let engines: Vec<_> = engines.into_iter().filter_map(|pid| Some((pid, ProcessUsage::of(pid)?))).collect();
        spent.look(&engines.iter().map(|(pid, usage)| (*pid, usage.cpu)).collect::<Vec<_>>());
        counter!(names::ENGINE_CPU).absolute(spent.total.as_secs());
        gauge!(names::ENGINE_MEMORY).set(bytes(engines.iter().map(|(_, usage)| usage.resident_bytes).sum()));
        gauge!(names::MEMORY_LIMIT).set(Memory::here().map_or(0.0, |memory| bytes(memory.limit)));
        if let Ok(space) = DiskSpace::around(&storage.data_dir) {
            gauge!(names::DATA_FREE).set(bytes(space.free_bytes));
            gauge!(names::DATA_SIZE).set(bytes(space.size_bytes));
        }
        gauge!(names::JOURNAL_WAL)
            .set(storage.database.write_ahead_log().metadata().map_or(0.0, |file| bytes(file.len())));
        spent
    };
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
fn bytes(count: u64) -> f64 {
    count as f64
}

/// A small number of things as a gauge takes it.
pub(super) fn count(things: usize) -> f64 {
    bytes(things as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_time_of_engines_that_ended_still_counts() {
        let seconds = Duration::from_secs;
        let mut spent = Spent::default();
        spent.look(&[(7, seconds(5)), (8, seconds(1))]);
        spent.look(&[(7, seconds(9))]);
        spent.look(&[(8, seconds(2))]);
        assert_eq!(spent.total, seconds(5 + 1 + 4 + 2));
        spent.look(&[(8, seconds(1))]);
        assert_eq!(spent.total, seconds(13), "the kernel gave the id to a new process");
    }
}
