//! A pool's settings, state and events.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use stenobot_domain::ModelFacts;
use stenobot_models::{PreparedModel, VerifiedModel};

use super::error::Exit;
use super::job::absolute;

/// How children are run.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// The program of a child.
    pub command: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables for the child besides the short list it inherits.
    pub environment: Vec<(OsString, OsString)>,
    /// Number of slots, each with one child.
    pub workers: usize,
    /// From the start of a child to the end of loading its model.
    pub start_timeout: Duration,
    /// From telling a child to cancel to killing it.
    pub cancel_grace: Duration,
    /// Wait before a restart; doubles up to `max_backoff` while children fail to start or die without a job.
    pub backoff: Duration,
    /// Longest wait between restarts.
    pub max_backoff: Duration,
    /// Failures to start in a row after which waiting jobs are refused instead of kept waiting.
    pub start_attempts: u32,
}

impl EngineSettings {
    /// `command engine MODEL THREADS`, `workers` times, with the usual timeouts.
    pub fn new(command: PathBuf, model: PathBuf, workers: usize, threads: usize) -> Self {
        Self {
            command: absolute(&command),
            arguments: vec!["engine".into(), absolute(&model).into(), threads.to_string().into()],
            environment: vec![("OMP_NUM_THREADS".into(), threads.to_string().into())],
            workers: workers.max(1),
            start_timeout: Duration::from_secs(120),
            cancel_grace: Duration::from_secs(2),
            backoff: Duration::from_millis(250),
            max_backoff: Duration::from_secs(30),
            start_attempts: 3,
        }
    }

    /// The same engine, which logs by this filter.
    #[must_use]
    pub fn logging(mut self, filter: &str) -> Self {
        self.environment.push(("RUST_LOG".into(), filter.into()));
        self
    }

    /// The same engine, confined to recordings of this folder.
    #[must_use]
    pub fn reading_only(mut self, recordings: &Path) -> Self {
        self.arguments.extend(["--recordings".into(), absolute(recordings).into()]);
        self
    }

    /// The same engine on ONNX Runtime from this library, with this weights file in place of the model.
    #[must_use]
    pub fn on_onnx_runtime(mut self, library: &Path, weights: &PreparedModel) -> Self {
        self.arguments[1] = absolute(&weights.path).into();
        self.arguments.extend(["--onnx-library".into(), absolute(library).into()]);
        self
    }

    /// The same engine, which transcribes only the speech that this detector finds.
    #[must_use]
    pub fn with_detector(mut self, detector: &VerifiedModel) -> Self {
        self.arguments.extend(["--detector".into(), absolute(&detector.path).into()]);
        self
    }
}

/// The pool at this moment.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolStatus {
    /// In the order of their index.
    pub slots: Vec<SlotStatus>,
    /// Of the latest child that was ready; `None` before the first.
    pub model: Option<ModelFacts>,
    /// Time that child took to load it.
    pub load: Option<Duration>,
}

impl PoolStatus {
    /// A status for an engine without processes, with so many idle slots.
    pub fn idle(workers: usize) -> Self {
        let slot = SlotStatus { state: SlotState::Idle, pid: None };
        Self { slots: vec![slot; workers], model: None, load: None }
    }

    /// Slots whose child is ready or transcribes.
    pub fn warm(&self) -> usize {
        self.slots.iter().filter(|slot| matches!(slot.state, SlotState::Idle | SlotState::Busy)).count()
    }

    /// Slots that transcribe.
    pub fn busy(&self) -> usize {
        self.slots.iter().filter(|slot| slot.state == SlotState::Busy).count()
    }

    /// Process ids of the living children.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.slots.iter().filter_map(|slot| slot.pid)
    }

    /// Why nothing can be transcribed, when every slot is [`SlotState::Failing`].
    pub fn outage(&self) -> Option<&str> {
        let mut reason = None;
        for slot in &self.slots {
            match &slot.state {
                SlotState::Failing { reason: why } => reason = Some(why.as_str()),
                SlotState::Starting | SlotState::Idle | SlotState::Busy | SlotState::ShutDown => return None,
            }
        }
        reason
    }
}

/// One slot at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotStatus {
    /// Its state.
    pub state: SlotState,
    /// Its child, when it has one.
    pub pid: Option<u32>,
}

/// State of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlotState {
    /// The child is being started, the model loaded.
    Starting,
    /// The child is ready and waits for a job.
    Idle,
    /// Has a job, or waits for the confirmed end of one.
    Busy,
    /// Could not be started several times in a row; still trying.
    Failing {
        /// Of the latest attempt.
        reason: String,
    },
    /// The pool is shut down.
    ShutDown,
}

/// Something that happened to a slot, for metrics. The pool logs these itself.
#[derive(Debug, Clone, PartialEq)]
pub enum EngineEvent {
    /// A child is ready.
    Started {
        /// Index of the slot, from 0.
        slot: usize,
        /// Time it took to load the model.
        load: Duration,
    },
    /// A child could not be started.
    StartFailed {
        /// Index of the slot, from 0.
        slot: usize,
        /// One sentence.
        reason: String,
    },
    /// A child ended by itself.
    Crashed {
        /// Index of the slot, from 0.
        slot: usize,
        /// How.
        exit: Exit,
        /// Whether a job died with it.
        busy: bool,
    },
    /// A child had not stopped its job within the grace and was killed.
    Killed {
        /// Index of the slot, from 0.
        slot: usize,
    },
    /// A slot waits before it starts a child again.
    Restarting {
        /// Index of the slot, from 0.
        slot: usize,
        /// The wait.
        after: Duration,
    },
}

/// Receives every [`EngineEvent`]; must not block.
pub trait EngineObserver: Send + Sync + 'static {
    /// Called in the slot's task.
    fn observe(&self, event: &EngineEvent);
}

impl<F: Fn(&EngineEvent) + Send + Sync + 'static> EngineObserver for F {
    fn observe(&self, event: &EngineEvent) {
        self(event);
    }
}
