//! Memory and processor time of the bot and its child processes, from `/proc`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use stenobot_host::ProcessUsage;
use tokio_util::task::AbortOnDropHandle;

const SAMPLE_INTERVAL: Duration = Duration::from_millis(250);

/// Resources used up to a moment.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Usage {
    /// Peak resident memory of the bot itself, in bytes.
    pub bot_peak_bytes: u64,
    /// Peak resident memory of one child process (an engine), in bytes.
    pub(crate) engine_peak_bytes: u64,
    /// Peak resident memory of all together at one moment, in bytes, sampled four times a second.
    pub together_peak_bytes: u64,
    /// Processor time of the bot itself.
    pub(crate) bot_cpu_seconds: f64,
    /// Processor time of all child processes.
    pub(crate) engine_cpu_seconds: f64,
}

impl Usage {
    /// Processor time of all together.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        self.bot_cpu_seconds + self.engine_cpu_seconds
    }

    /// Of two processes of which the second took the place of the first.
    pub(crate) fn then(self, later: Self) -> Self {
        let together_peak_bytes = self.together_peak_bytes.max(later.together_peak_bytes);
        Self { together_peak_bytes, ..self.beside(later) }
    }

    /// Of two processes that ran at the same time.
    pub(crate) fn beside(self, other: Self) -> Self {
        Self {
            bot_peak_bytes: self.bot_peak_bytes.max(other.bot_peak_bytes),
            engine_peak_bytes: self.engine_peak_bytes.max(other.engine_peak_bytes),
            together_peak_bytes: self.together_peak_bytes + other.together_peak_bytes,
            bot_cpu_seconds: self.bot_cpu_seconds + other.bot_cpu_seconds,
            engine_cpu_seconds: self.engine_cpu_seconds + other.engine_cpu_seconds,
        }
    }
}

/// Samples the usage of a process and its children until dropped.
#[derive(Debug)]
pub(crate) struct UsageSampler {
    tally: Arc<Mutex<Tally>>,
    _sampling: AbortOnDropHandle<()>,
}

#[derive(Debug, Default)]
struct Tally {
    usage: Usage,
    /// By child, because the kernel forgets children that have ended.
    of_children: HashMap<u32, Duration>,
}

impl UsageSampler {
    /// Samples the process `bot`.
    pub(crate) fn start(bot: u32) -> Self {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let sampling = tokio::spawn({
            let tally = tally.clone();
            async move {
                let mut every = tokio::time::interval(SAMPLE_INTERVAL);
                every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                loop {
                    every.tick().await;
                    let tally = tally.clone();
                    let sample = move || tally.lock().unwrap_or_else(PoisonError::into_inner).sample(bot);
                    if tokio::task::spawn_blocking(sample).await.is_err() {
                        return;
                    }
                }
            }
        });
        Self { tally, _sampling: AbortOnDropHandle::new(sampling) }
    }

    /// Usage up to the latest sample.
    pub(crate) fn usage(&self) -> Usage {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).usage
    }
}

impl Tally {
    fn sample(&mut self, bot: u32) {
        let Some(own) = ProcessUsage::of(bot) else { return };
        let mut together = own.resident_bytes;
        let usage = &mut self.usage;
        usage.bot_peak_bytes = usage.bot_peak_bytes.max(own.peak_bytes);
        usage.bot_cpu_seconds = own.cpu.as_secs_f64();
        for (pid, child) in ProcessUsage::children_of(bot) {
            together += child.resident_bytes;
            usage.engine_peak_bytes = usage.engine_peak_bytes.max(child.peak_bytes);
            self.of_children.insert(pid, child.cpu);
        }
        usage.together_peak_bytes = usage.together_peak_bytes.max(together);
        usage.engine_cpu_seconds = self.of_children.values().sum::<Duration>().as_secs_f64();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_and_its_child_are_measured() {
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let mut tally = Tally::default();
        tally.sample(std::process::id());
        assert!(tally.of_children.contains_key(&child.id()));
        assert!(tally.usage.bot_peak_bytes > 1024 * 1024);
        assert!(tally.usage.engine_peak_bytes > 100 * 1024);
        assert!(tally.usage.together_peak_bytes > tally.usage.engine_peak_bytes);
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
