//! One worker: a task that owns one child, keeps it warm, gives it one job at a time and replaces it.

use std::sync::Arc;
use std::time::Duration;

use stenobot_domain::{Progress, RetryPolicy, Transcript};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::dispatch::{Assignment, Offer};
use super::error::{EngineError, Exit};
use super::process::{EngineProcess, Lost};
use super::protocol::{JobFailure, JobNumber, Order, Report};
use super::settings::{EngineEvent, EngineJob, EngineObserver, EngineSettings, PoolStatus, SlotState, absolute};

pub(super) struct Slot {
    index: usize,
    settings: Arc<EngineSettings>,
    observer: Arc<dyn EngineObserver>,
    status: watch::Sender<PoolStatus>,
    offers: mpsc::UnboundedSender<Offer>,
    stop: CancellationToken,
    /// Children in a row that failed to start or died without a job.
    misfortunes: u32,
}

/// How one child's service ended.
enum Ended {
    /// It was killed since it would not stop its job: a fresh one is wanted at once.
    Killed,
    /// It died unasked, of its job or without one.
    Crashed { busy: bool },
    /// The pool is shutting down.
    Stopped,
}

/// How one job ended, seen from the child.
enum After {
    /// The child has answered and is ready for the next.
    Alive(Verdict),
    /// It was asked to stop, for this reason, and has not.
    Stubborn(EngineError),
    /// It is gone; with the reason when it had been asked to stop.
    Lost(Lost, Option<EngineError>),
}

impl Slot {
    pub(super) fn new(
        index: usize,
        settings: Arc<EngineSettings>,
        observer: Arc<dyn EngineObserver>,
        status: watch::Sender<PoolStatus>,
        offers: mpsc::UnboundedSender<Offer>,
        stop: CancellationToken,
    ) -> Self {
        Self { index, settings, observer, status, offers, stop, misfortunes: 0 }
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
                        Ended::Killed => continue,
                        // The suspect is the job, which is tried a few times only. The others do not wait longer for that.
                        Ended::Crashed { busy: true } => self.misfortunes = 0,
                        Ended::Crashed { busy: false } => self.misfortunes += 1,
                        Ended::Stopped => break,
                    }
                }
                Some(Err(reason)) => {
                    start_failures += 1;
                    self.misfortunes += 1;
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
        policy.pause_after(self.misfortunes)
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
        let patience = self.settings.start_timeout;
        match timeout(patience, process.receive()).await {
            Ok(Ok(Report::Ready { model, load })) => {
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
            Ok(Ok(Report::Unfit { reason })) => {
                process.stop(&self.settings).await;
                Err(reason)
            }
            Ok(Ok(_)) => {
                process.kill().await;
                Err("its first word was not the expected one: is the program another version?".to_owned())
            }
            Ok(Err(lost)) => {
                let exit = process.bury(lost, &self.settings).await;
                Err(format!("it ended while it loaded the model ({exit})"))
            }
            Err(_) => {
                process.kill().await;
                Err(format!("it took longer than {} s to load the model", patience.as_secs()))
            }
        }
    }

    /// Gives jobs to a warm child until one of the two ends.
    async fn serve(&mut self, mut process: EngineProcess) -> Ended {
        let stop = self.stop.clone();
        let mut job = JobNumber(0);
        loop {
            let (offer, mut assigned) = oneshot::channel();
            self.set(SlotState::Idle, process.pid());
            if self.offers.send(offer).is_err() {
                process.stop(&self.settings).await;
                return Ended::Stopped;
            }
            let assignment = tokio::select! {
                () = stop.cancelled() => None,
                assignment = &mut assigned => assignment.ok(),
                report = process.receive() => {
                    // Closing first and looking again loses no job that was being handed over.
                    assigned.close();
                    let lost = report.err().unwrap_or(Lost::Garbage);
                    let orphan = assigned.try_recv().ok();
                    let exit = self.crash(process, lost, orphan.is_some()).await;
                    if let Some(orphan) = orphan {
                        let _ = orphan.answer.send(Err(EngineError::Crashed(exit)));
                    }
                    return Ended::Crashed { busy: false };
                }
            };
            let Some(Assignment { job: order, answer }) = assignment else {
                assigned.close();
                if let Ok(orphan) = assigned.try_recv() {
                    let _ = orphan.answer.send(Err(EngineError::ShutDown));
                }
                process.stop(&self.settings).await;
                return Ended::Stopped;
            };
            self.set(SlotState::Busy, process.pid());
            job.0 += 1;
            let work = Work { process: &mut process, job, order, answer, stop: &stop };
            let (after, answer) = work.run(self.settings.cancel_grace).await;
            // The answer goes out only now that native code has stopped. Nobody may be waiting for it any more.
            match after {
                After::Alive(verdict) => {
                    self.misfortunes = 0;
                    let _ = answer.send(verdict);
                }
                After::Stubborn(why) => {
                    process.kill().await;
                    tracing::warn!(slot = self.index, "the engine did not stop its job in time and was killed");
                    self.set(SlotState::Starting, None);
                    self.observer.observe(&EngineEvent::Killed { slot: self.index });
                    let _ = answer.send(Err(why));
                    return Ended::Killed;
                }
                After::Lost(lost, why) => {
                    let exit = self.crash(process, lost, true).await;
                    let _ = answer.send(Err(why.unwrap_or(EngineError::Crashed(exit))));
                    return Ended::Crashed { busy: true };
                }
            }
        }
    }

    async fn crash(&self, process: EngineProcess, lost: Lost, busy: bool) -> Exit {
        let exit = process.bury(lost, &self.settings).await;
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
type Verdict = Result<Transcript, EngineError>;

/// One job in a child.
struct Work<'a> {
    process: &'a mut EngineProcess,
    job: JobNumber,
    order: EngineJob,
    answer: Answer,
    stop: &'a CancellationToken,
}

impl Work<'_> {
    /// Returns when the child works on the job no more, or has had its chance to stop.
    async fn run(self, grace: Duration) -> (After, Answer) {
        let Self { process, job, order, mut answer, stop } = self;
        let transcribe = Order::Transcribe {
            job,
            path: absolute(&order.audio),
            language: order.language.clone(),
            likely: order.likely.clone(),
            limit: order.limit,
        };
        if process.send(&transcribe).await.is_err() {
            return (After::Lost(Lost::Closed, None), answer);
        }
        let why = tokio::select! {
            // A child that talks without a pause may use up what a task does in one go: it comes last, so that the rest
            // has its turn whatever it does.
            biased;
            () = order.cancel.cancelled() => EngineError::Cancelled,
            () = answer.closed() => EngineError::Cancelled,
            () = stop.cancelled() => EngineError::ShutDown,
            () = sleep(order.deadline) => EngineError::Deadline { after: order.deadline },
            end = watch_job(process, job, &order.progress) => {
                let after = end.map_or_else(|lost| After::Lost(lost, None), After::Alive);
                return (after, answer);
            }
        };
        let stopping = async {
            process.send(&Order::Cancel { job }).await.map_err(|_| Lost::Closed)?;
            watch_job(process, job, &order.progress).await
        };
        let after = match timeout(grace, stopping).await {
            Ok(Ok(_)) => After::Alive(Err(why)),
            Ok(Err(lost)) => After::Lost(lost, Some(why)),
            Err(_) => After::Stubborn(why),
        };
        (after, answer)
    }
}

/// Passes progress on until the job has ended. Safe to drop and call again.
async fn watch_job(
    process: &mut EngineProcess,
    job: JobNumber,
    progress: &watch::Sender<Progress>,
) -> Result<Verdict, Lost> {
    loop {
        let (of, verdict) = match process.receive().await? {
            Report::Progress { job: of, progress: heard } if of == job => {
                progress.send_replace(heard);
                continue;
            }
            Report::Finished { job, transcript } => (job, Ok(transcript)),
            Report::Failed { job, failure } => (job, Err(failure.into())),
            Report::Cancelled { job } => (job, Err(EngineError::Cancelled)),
            Report::Progress { .. } | Report::Ready { .. } | Report::Unfit { .. } => return Err(Lost::Garbage),
        };
        return if of == job { Ok(verdict) } else { Err(Lost::Garbage) };
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
