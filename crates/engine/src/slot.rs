//! One slot: a task that owns one child, keeps its model loaded, gives it one job at a time and replaces it.

use std::sync::Arc;
use std::time::Duration;

use stenobot_domain::{LiveText, ModelFacts, Progress, RetryPolicy, Transcript};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::dispatch::{Assignment, IdleSlot};
use super::error::{EngineError, Exit};
use super::job::EngineJob;
use super::process::{EngineProcess, Lost};
use super::protocol::{Command, Event, JobFailure, JobNumber, VERSION};
use super::settings::{EngineEvent, EngineObserver, EngineSettings, PoolStatus, SlotState};

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

/// Why a child is not ready.
enum StartFailure {
    LoadFailed { reason: String },
    OtherVersion(u32),
    UnexpectedEvent,
    Lost(Lost),
}

/// How a child that was ready ended.
enum ServiceEnd {
    /// Killed since it did not stop its job: the next is started at once.
    Killed,
    /// It ended by itself, with a job or without one.
    Crashed { busy: bool },
    /// The pool is shutting down.
    Stopped,
}

/// State of the child after one job.
enum JobEnd {
    /// It has answered and is ready for the next.
    Answered(JobResult),
    /// It was told to cancel, for this reason, and has not.
    Unresponsive(EngineError),
    /// It is gone; with the reason when it had been told to cancel.
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
                        // The job is the likely cause and is tried a few times only: no longer wait for the other jobs.
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
        // Jitter would serve nothing: the few children of one machine start by themselves.
        let policy = RetryPolicy::endless(self.settings.backoff, self.settings.max_backoff).without_jitter();
        policy.pause_after(self.consecutive_failures)
    }

    /// Spawns a child and waits until its model is loaded. An error is one sentence.
    async fn start(&self) -> Result<EngineProcess, String> {
        self.status.send_modify(|status| {
            let slot = &mut status.slots[self.index];
            slot.pid = None;
            // A failing slot stays so until a child is ready.
            if !matches!(slot.state, SlotState::Failing { .. }) {
                slot.state = SlotState::Starting;
            }
        });
        let mut process = EngineProcess::spawn(&self.settings)
            .map_err(|error| format!("its program cannot be run: {}", error.kind()))?;
        let start_timeout = self.settings.start_timeout;
        match timeout(start_timeout, await_ready(&mut process)).await {
            Ok(Ok((model, load))) => {
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
            Ok(Err(StartFailure::LoadFailed { reason })) => {
                process.stop(&self.settings).await;
                Err(reason)
            }
            Ok(Err(StartFailure::OtherVersion(version))) => {
                process.kill().await;
                Err(format!(
                    "its program speaks version {version} of the engine protocol and this one version {VERSION}: \
                     install both from the same release"
                ))
            }
            Ok(Err(StartFailure::UnexpectedEvent)) => {
                process.kill().await;
                Err("its first word was not the expected one: is the program another version?".to_owned())
            }
            Ok(Err(StartFailure::Lost(lost))) => {
                let exit = process.reap(lost, &self.settings).await;
                Err(format!("it ended while it loaded the model ({exit})"))
            }
            Err(_) => {
                process.kill().await;
                Err(format!("it took longer than {} s to load the model", start_timeout.as_secs()))
            }
        }
    }

    /// Gives jobs to a child that is ready, until it ends or the pool does.
    async fn serve(&mut self, mut process: EngineProcess) -> ServiceEnd {
        let stop = self.stop.clone();
        let mut number = JobNumber(0);
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
                    // Closing first and looking again loses no job that was being assigned.
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
            let Some(Assignment { job, answer }) = assignment else {
                assigned.close();
                if let Ok(orphan) = assigned.try_recv() {
                    let _ = orphan.answer.send(Err(EngineError::ShutDown));
                }
                process.stop(&self.settings).await;
                return ServiceEnd::Stopped;
            };
            self.set(SlotState::Busy, process.pid());
            number.0 += 1;
            let work = Work { process: &mut process, number, job, answer, stop: &stop };
            let (after, answer) = work.run(self.settings.cancel_grace).await;
            // The answer is sent only now that native code has stopped. The receiver may be gone.
            match after {
                JobEnd::Answered(result) => {
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
    number: JobNumber,
    job: EngineJob,
    answer: Answer,
    stop: &'a CancellationToken,
}

impl Work<'_> {
    /// Returns when the child has ended the job, or has not within the grace after it was told to cancel.
    async fn run(self, cancel_grace: Duration) -> (JobEnd, Answer) {
        let Self { process, number, job, mut answer, stop } = self;
        let EngineJob { job, deadline, progress, text, cancel } = job;
        if process.send(&Command::Transcribe { number, job }).await.is_err() {
            return (JobEnd::Lost(Lost::Closed, None), answer);
        }
        let why = tokio::select! {
            // Events without a pause may use up what a task does in one go: they come last, so that the rest is polled
            // whatever the child sends.
            biased;
            () = cancel.cancelled() => EngineError::Cancelled,
            () = answer.closed() => EngineError::Cancelled,
            () = stop.cancelled() => EngineError::ShutDown,
            () = sleep(deadline) => EngineError::Deadline { after: deadline },
            end = await_result(process, number, &progress, &text) => {
                let end = end.map_or_else(|lost| JobEnd::Lost(lost, None), JobEnd::Answered);
                return (end, answer);
            }
        };
        let cancelling = async {
            process.send(&Command::Cancel { number }).await.map_err(|_| Lost::Closed)?;
            await_result(process, number, &progress, &text).await
        };
        let end = match timeout(cancel_grace, cancelling).await {
            Ok(Ok(_)) => JobEnd::Answered(Err(why)),
            Ok(Err(lost)) => JobEnd::Lost(lost, Some(why)),
            Err(_) => JobEnd::Unresponsive(why),
        };
        (end, answer)
    }
}

/// Reads the child's version and waits until it has loaded its model.
async fn await_ready(process: &mut EngineProcess) -> Result<(ModelFacts, Duration), StartFailure> {
    match process.receive().await.map_err(StartFailure::Lost)? {
        Event::Hello { version: VERSION } => {}
        Event::Hello { version } => return Err(StartFailure::OtherVersion(version)),
        Event::Ready { .. }
        | Event::LoadFailed { .. }
        | Event::Progress { .. }
        | Event::Segments { .. }
        | Event::Finished { .. }
        | Event::Failed { .. }
        | Event::Cancelled { .. } => return Err(StartFailure::UnexpectedEvent),
    }
    match process.receive().await.map_err(StartFailure::Lost)? {
        Event::Ready { model, load } => Ok((model, load)),
        Event::LoadFailed { reason } => Err(StartFailure::LoadFailed { reason }),
        Event::Hello { .. }
        | Event::Progress { .. }
        | Event::Segments { .. }
        | Event::Finished { .. }
        | Event::Failed { .. }
        | Event::Cancelled { .. } => Err(StartFailure::UnexpectedEvent),
    }
}

/// Passes progress and text on until the job has ended. Safe to drop and call again.
async fn await_result(
    process: &mut EngineProcess,
    expected: JobNumber,
    progress: &watch::Sender<Progress>,
    text: &watch::Sender<LiveText>,
) -> Result<JobResult, Lost> {
    loop {
        let (number, result) = match process.receive().await? {
            Event::Progress { number, progress: reached } if number == expected => {
                progress.send_replace(reached);
                continue;
            }
            Event::Segments { number, segments, language } if number == expected => {
                text.send_modify(|text| text.add(segments, language));
                continue;
            }
            Event::Finished { number, transcript } => (number, Ok(transcript)),
            Event::Failed { number, failure } => (number, Err(failure.into())),
            Event::Cancelled { number } => (number, Err(EngineError::Cancelled)),
            Event::Hello { .. }
            | Event::Progress { .. }
            | Event::Segments { .. }
            | Event::Ready { .. }
            | Event::LoadFailed { .. } => return Err(Lost::ProtocolError),
        };
        return if number == expected { Ok(result) } else { Err(Lost::ProtocolError) };
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
