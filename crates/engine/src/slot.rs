//! One worker: a task that owns one child, keeps it warm, gives it one job at a time and replaces it.

use std::sync::Arc;
use std::time::Duration;

use stenobot_domain::{Progress, Transcript};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::dispatch::{Assignment, IdleSlot};
use super::error::{EngineError, Exit};
use super::process::{EngineProcess, Lost};
use super::protocol::{Command, Event, JobFailure, JobNumber};
use super::settings::{EngineEvent, EngineJob, EngineObserver, EngineSettings, PoolStatus, SlotState, absolute};

pub(super) struct Slot {
    index: usize,
    settings: Arc<EngineSettings>,
    observer: Arc<dyn EngineObserver>,
    status: watch::Sender<PoolStatus>,
    idle_slots: mpsc::UnboundedSender<IdleSlot>,
    stop: CancellationToken,
    /// Children in a row that failed to start or died without a job.
    consecutive_failures: u32,
}

/// How one child's service ended.
enum ServiceEnd {
    /// It was killed since it would not stop its job: a fresh one is wanted at once.
    Killed,
    /// It died unasked, of its job or without one.
    Crashed { busy: bool },
    /// The pool is shutting down.
    Stopped,
}

/// How one job ended, seen from the child.
enum JobEnd {
    /// The child has answered and is ready for the next.
    Alive(JobResult),
    /// It was asked to stop, for this reason, and has not.
    Unresponsive(EngineError),
    /// It is gone; with the reason when it had been asked to stop.
    Lost(Lost, Option<EngineError>),
}

impl Slot {
    pub(super) fn new(
        index: usize,
        settings: Arc<EngineSettings>,
        observer: Arc<dyn EngineObserver>,
        status: watch::Sender<PoolStatus>,
        idle_slots: mpsc::UnboundedSender<IdleSlot>,
        stop: CancellationToken,
    ) -> Self {
        Self { index, settings, observer, status, idle_slots, stop, consecutive_failures: 0 }
    }

    pub(super) async fn run(mut self) {
        let stop = self.stop.clone();
        let mut start_failures = 0;
        loop {
            match stop.run_until_cancelled(self.start()).await {
                None => break,
                Some(Ok(process)) => {
                    start_failures = 0;
                    match self.serve(process).await {
                        ServiceEnd::Killed => continue,
                        // The suspect is the job, which is tried a few times only. The others do not wait longer for that.
                        ServiceEnd::Crashed { busy: true } => self.consecutive_failures = 0,
                        ServiceEnd::Crashed { busy: false } => self.consecutive_failures += 1,
                        ServiceEnd::Stopped => break,
                    }
                }
                Some(Err(reason)) => {
                    start_failures += 1;
                    self.consecutive_failures += 1;
                    tracing::warn!(slot = self.index, reason, "the engine did not start");
                    if start_failures >= self.settings.start_attempts {
                        self.set(SlotState::Failing { reason: reason.clone() }, None);
                    }
                    self.observer.observe(&EngineEvent::StartFailed { slot: self.index, reason });
                }
            }
            let after = self.backoff();
            self.observer.observe(&EngineEvent::Restarting { slot: self.index, after });
            if stop.run_until_cancelled(sleep(after)).await.is_none() {
                break;
            }
        }
        self.set(SlotState::ShutDown, None);
    }

    fn backoff(&self) -> Duration {
        let doublings = self.consecutive_failures.saturating_sub(1).min(16);
        self.settings.backoff.saturating_mul(1 << doublings).min(self.settings.max_backoff)
    }

    /// Spawns a child and waits until its model is loaded.
    async fn start(&self) -> Result<EngineProcess, String> {
        self.status.send_modify(|status| {
            let slot = &mut status.slots[self.index];
            slot.pid = None;
            // A worker that fails keeps saying so until it is warm.
            if !matches!(slot.state, SlotState::Failing { .. }) {
                slot.state = SlotState::Starting;
            }
        });
        let mut process = EngineProcess::spawn(&self.settings)
            .map_err(|error| format!("its program cannot be run: {}", error.kind()))?;
        let start_timeout = self.settings.start_timeout;
        match timeout(start_timeout, process.receive()).await {
            Ok(Ok(Event::Ready { model, load })) => {
                tracing::info!(
                    slot = self.index, model = %model.kind, weights = %model.weights, backend = %model.backend,
                    load_ms = u64::try_from(load.as_millis()).unwrap_or(u64::MAX), "the engine is warm"
                );
                self.status.send_modify(|status| {
                    status.model = Some(model);
                    status.load = Some(load);
                });
                self.observer.observe(&EngineEvent::Started { slot: self.index, load });
                Ok(process)
            }
            Ok(Ok(Event::LoadFailed { reason })) => {
                process.stop(&self.settings).await;
                Err(reason)
            }
            Ok(Ok(_)) => {
                process.kill().await;
                Err("its first word was not the expected one: is the program another version?".to_owned())
            }
            Ok(Err(lost)) => {
                let exit = process.reap(lost, &self.settings).await;
                Err(format!("it ended while it loaded the model ({exit})"))
            }
            Err(_) => {
                process.kill().await;
                Err(format!("it took longer than {} s to load the model", start_timeout.as_secs()))
            }
        }
    }

    /// Gives jobs to a warm child until one of the two ends.
    async fn serve(&mut self, mut process: EngineProcess) -> ServiceEnd {
        let stop = self.stop.clone();
        let mut job = JobNumber(0);
        loop {
            let (idle_slot, mut assigned) = oneshot::channel();
            self.set(SlotState::Idle, process.pid());
            if self.idle_slots.send(idle_slot).is_err() {
                process.stop(&self.settings).await;
                return ServiceEnd::Stopped;
            }
            let assignment = tokio::select! {
                () = stop.cancelled() => None,
                assignment = &mut assigned => assignment.ok(),
                event = process.receive() => {
                    // Closing first and looking again loses no job that was being handed over.
                    assigned.close();
                    let lost = event.err().unwrap_or(Lost::ProtocolError);
                    let orphan = assigned.try_recv().ok();
                    let exit = self.crash(process, lost, orphan.is_some()).await;
                    if let Some(orphan) = orphan {
                        let _ = orphan.answer.send(Err(EngineError::Crashed(exit)));
                    }
                    return ServiceEnd::Crashed { busy: false };
                }
            };
            let Some(Assignment { job: command, answer }) = assignment else {
                assigned.close();
                if let Ok(orphan) = assigned.try_recv() {
                    let _ = orphan.answer.send(Err(EngineError::ShutDown));
                }
                process.stop(&self.settings).await;
                return ServiceEnd::Stopped;
            };
            self.set(SlotState::Busy, process.pid());
            job.0 += 1;
            let work = Work { process: &mut process, job, command, answer, stop: &stop };
            let (after, answer) = work.run(self.settings.cancel_grace).await;
            // The answer goes out only now that native code has stopped. Nobody may be waiting for it any more.
            match after {
                JobEnd::Alive(result) => {
                    self.consecutive_failures = 0;
                    let _ = answer.send(result);
                }
                JobEnd::Unresponsive(why) => {
                    process.kill().await;
                    tracing::warn!(slot = self.index, "the engine did not stop its job in time and was killed");
                    self.set(SlotState::Starting, None);
                    self.observer.observe(&EngineEvent::Killed { slot: self.index });
                    let _ = answer.send(Err(why));
                    return ServiceEnd::Killed;
                }
                JobEnd::Lost(lost, why) => {
                    let exit = self.crash(process, lost, true).await;
                    let _ = answer.send(Err(why.unwrap_or(EngineError::Crashed(exit))));
                    return ServiceEnd::Crashed { busy: true };
                }
            }
        }
    }

    async fn crash(&self, process: EngineProcess, lost: Lost, busy: bool) -> Exit {
        let exit = process.reap(lost, &self.settings).await;
        tracing::warn!(slot = self.index, %exit, busy, "the engine crashed");
        self.set(SlotState::Starting, None);
        self.observer.observe(&EngineEvent::Crashed { slot: self.index, exit, busy });
        exit
    }

    fn set(&self, state: SlotState, pid: Option<u32>) {
        self.status.send_modify(|status| {
            let slot = &mut status.slots[self.index];
            slot.state = state;
            slot.pid = pid;
        });
    }
}

type Answer = oneshot::Sender<Result<Transcript, EngineError>>;
type JobResult = Result<Transcript, EngineError>;

/// One job in a child.
struct Work<'a> {
    process: &'a mut EngineProcess,
    job: JobNumber,
    command: EngineJob,
    answer: Answer,
    stop: &'a CancellationToken,
}

impl Work<'_> {
    /// Returns when the child works on the job no more, or has had its chance to stop.
    async fn run(self, grace: Duration) -> (JobEnd, Answer) {
        let Self { process, job, command, mut answer, stop } = self;
        let transcribe = Command::Transcribe {
            job,
            path: absolute(&command.audio),
            language: command.language.clone(),
            likely: command.likely.clone(),
            limit: command.limit,
        };
        if process.send(&transcribe).await.is_err() {
            return (JobEnd::Lost(Lost::Closed, None), answer);
        }
        let why = tokio::select! {
            // A child that talks without a pause may use up what a task does in one go: it comes last, so that the rest
            // has its turn whatever it does.
            biased;
            () = command.cancel.cancelled() => EngineError::Cancelled,
            () = answer.closed() => EngineError::Cancelled,
            () = stop.cancelled() => EngineError::ShutDown,
            () = sleep(command.deadline) => EngineError::Deadline { after: command.deadline },
            end = watch_job(process, job, &command.progress) => {
                let after = end.map_or_else(|lost| JobEnd::Lost(lost, None), JobEnd::Alive);
                return (after, answer);
            }
        };
        let stopping = async {
            process.send(&Command::Cancel { job }).await.map_err(|_| Lost::Closed)?;
            watch_job(process, job, &command.progress).await
        };
        let after = match timeout(grace, stopping).await {
            Ok(Ok(_)) => JobEnd::Alive(Err(why)),
            Ok(Err(lost)) => JobEnd::Lost(lost, Some(why)),
            Err(_) => JobEnd::Unresponsive(why),
        };
        (after, answer)
    }
}

/// Passes progress on until the job has ended. Safe to drop and call again.
async fn watch_job(
    process: &mut EngineProcess,
    job: JobNumber,
    progress: &watch::Sender<Progress>,
) -> Result<JobResult, Lost> {
    loop {
        let (of, result) = match process.receive().await? {
            Event::Progress { job: of, progress: heard } if of == job => {
                progress.send_replace(heard);
                continue;
            }
            Event::Finished { job, transcript } => (job, Ok(transcript)),
            Event::Failed { job, failure } => (job, Err(failure.into())),
            Event::Cancelled { job } => (job, Err(EngineError::Cancelled)),
            Event::Progress { .. } | Event::Ready { .. } | Event::LoadFailed { .. } => return Err(Lost::ProtocolError),
        };
        return if of == job { Ok(result) } else { Err(Lost::ProtocolError) };
    }
}

impl From<JobFailure> for EngineError {
    fn from(failure: JobFailure) -> Self {
        match failure {
            JobFailure::Audio(error) => Self::Audio(error),
            JobFailure::UnknownLanguage(code) => Self::UnknownLanguage(code),
            JobFailure::Inference(reason) => Self::Inference(reason),
        }
    }
}
