//! Pairs jobs that wait with workers that are free, first come, first served.

use stenobot_domain::Transcript;
use tokio::sync::{mpsc, oneshot, watch};

use super::error::EngineError;
use super::settings::{EngineJob, PoolStatus};

/// A job on its way to a worker. The worker sees by `answer` whether anybody still waits.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) job: EngineJob,
    pub(super) answer: oneshot::Sender<Result<Transcript, EngineError>>,
}

/// A free worker's open hand. Closed when its child dies while it waits.
pub(super) type Offer = oneshot::Sender<Assignment>;

/// One free and warm worker kept for one job. Dropped unused, it goes back to the others.
#[derive(Debug)]
pub(super) struct Reservation {
    offer: Option<Offer>,
    back: mpsc::UnboundedSender<Offer>,
}

impl Reservation {
    /// Whether the worker still has its child.
    pub(super) fn is_open(&self) -> bool {
        self.offer.as_ref().is_some_and(|offer| !offer.is_closed())
    }

    /// Hands the job over. Gives it back when the worker has lost its child in the meantime.
    pub(super) fn assign(
        mut self,
        job: EngineJob,
    ) -> Result<oneshot::Receiver<Result<Transcript, EngineError>>, EngineJob> {
        let (answer, result) = oneshot::channel();
        match self.offer.take() {
            Some(offer) => offer.send(Assignment { job, answer }).map(|()| result).map_err(|back| back.job),
            None => Err(job),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(offer) = self.offer.take() {
            // Fails only when the pool has been shut down.
            let _ = self.back.send(offer);
        }
    }
}

/// Somebody who waits for a worker.
pub(super) type Request = oneshot::Sender<Result<Reservation, EngineError>>;

/// Runs until every handle of the pool is gone.
pub(super) async fn dispatch(
    mut requests: mpsc::Receiver<Request>,
    mut offers: mpsc::UnboundedReceiver<Offer>,
    back: mpsc::UnboundedSender<Offer>,
    mut status: watch::Receiver<PoolStatus>,
) {
    while let Some(mut request) = requests.recv().await {
        let found = tokio::select! {
            () = request.closed() => continue,
            Some(offer) = next_open(&mut offers) => Ok(Reservation { offer: Some(offer), back: back.clone() }),
            reason = outage(&mut status) => Err(EngineError::Unavailable { reason }),
        };
        // A caller that has gone by now drops the reservation, which returns the offer.
        let _ = request.send(found);
    }
}

async fn next_open(offers: &mut mpsc::UnboundedReceiver<Offer>) -> Option<Offer> {
    while let Some(offer) = offers.recv().await {
        if !offer.is_closed() {
            return Some(offer);
        }
    }
    None
}

async fn outage(status: &mut watch::Receiver<PoolStatus>) -> String {
    loop {
        if let Some(reason) = status.borrow_and_update().outage() {
            return reason.to_owned();
        }
        if status.changed().await.is_err() {
            return "the pool has ended".to_owned();
        }
    }
}
