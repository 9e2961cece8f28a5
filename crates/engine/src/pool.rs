use std::future::Future;
use std::sync::Arc;

use stenobot_domain::Transcript;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::dispatch::{self, Reservation, SlotRequest};
use super::error::EngineError;
use super::job::EngineJob;
use super::service::EngineService;
use super::settings::{EngineObserver, EngineSettings, PoolStatus, SlotState, SlotStatus};
use super::slot::Slot;

/// Slots, each with a child process whose model is loaded. Clones are handles of the same pool.
///
/// Dropping the last handle stops the pool as [`EnginePool::shutdown`] does, without waiting for it.
#[derive(Debug, Clone)]
pub struct EnginePool {
    requests: mpsc::Sender<SlotRequest>,
    status: watch::Receiver<PoolStatus>,
    tasks: TaskTracker,
    stop: CancellationToken,
    _last: Arc<tokio_util::sync::DropGuard>,
}

impl EnginePool {
    /// Starts the children in the background; needs a tokio runtime. [`EnginePool::status`] says when they are ready.
    pub fn start(settings: EngineSettings, observer: impl EngineObserver) -> Self {
        let starting = SlotStatus { state: SlotState::Starting, pid: None };
        let slots = vec![starting; settings.workers];
        let (status_writer, status) = watch::channel(PoolStatus { slots, model: None, load: None });
        let (requests, waiting) = mpsc::channel(1);
        let (idle_slots, free) = mpsc::unbounded_channel();
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let settings = Arc::new(settings);
        let observer: Arc<dyn EngineObserver> = Arc::new(observer);
        for index in 0..settings.workers {
            let slot = Slot::new(
                index,
                settings.clone(),
                observer.clone(),
                status_writer.clone(),
                idle_slots.clone(),
                stop.clone(),
            );
            tasks.spawn(slot.run());
        }
        let dispatcher = dispatch::dispatch(waiting, free, idle_slots, status.clone());
        let until = stop.clone();
        tasks.spawn(async move { until.run_until_cancelled_owned(dispatcher).await });
        tasks.close();
        let last = Arc::new(stop.clone().drop_guard());
        Self { requests, status, tasks, stop, _last: last }
    }

    /// The pool's state as it changes: for readiness, and the children's process ids.
    pub fn status(&self) -> watch::Receiver<PoolStatus> {
        self.status.clone()
    }

    /// Transcribes one file as soon as a slot is idle.
    ///
    /// Dropping the future cancels the job; its slot takes the next only when the child has confirmed the end or is dead.
    pub fn transcribe(
        &self,
        job: EngineJob,
    ) -> impl Future<Output = Result<Transcript, EngineError>> + Send + 'static + use<> {
        self.clone().run(None, job)
    }

    /// The pool as a tower service: ready when an idle slot is reserved for the call.
    pub fn service(&self) -> EngineService {
        EngineService::new(self.clone())
    }

    /// Cancels running jobs, which end as [`EngineError::ShutDown`], and ends the children: kills those that have not ended
    /// after the grace.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    pub(super) async fn reserve(self) -> Result<Reservation, EngineError> {
        let (request, reservation) = oneshot::channel();
        self.requests.send(request).await.map_err(|_| EngineError::ShutDown)?;
        reservation.await.map_err(|_| EngineError::ShutDown)?
    }

    pub(super) async fn run(
        self,
        mut reserved: Option<Reservation>,
        mut job: EngineJob,
    ) -> Result<Transcript, EngineError> {
        loop {
            let reservation = match reserved.take() {
                Some(reservation) => reservation,
                None => {
                    let cancel = job.cancel.clone();
                    let reserving = cancel.run_until_cancelled(self.clone().reserve());
                    reserving.await.ok_or(EngineError::Cancelled)??
                }
            };
            match reservation.assign(job) {
                Ok(result) => return result.await.unwrap_or(Err(EngineError::ShutDown)),
                Err(back) => job = *back,
            }
        }
    }
}
