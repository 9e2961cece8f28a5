//! Pairs waiting jobs with idle slots, in the order of arrival.

use stenobot_domain::Transcript;
use tokio::sync::{mpsc, oneshot, watch};

use super::error::EngineError;
use super::job::EngineJob;
use super::settings::PoolStatus;

/// A job on its way to a slot, which sees by a closed `answer` that the caller has gone.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) job: EngineJob,
    pub(super) answer: oneshot::Sender<Result<Transcript, EngineError>>,
}

/// An idle slot's job sender; closed when its child dies.
pub(super) type IdleSlot = oneshot::Sender<Assignment>;

/// One idle slot kept for one job. Dropped unused, it is idle again.
#[derive(Debug)]
pub(super) struct Reservation {
    idle_slot: Option<IdleSlot>,
    back: mpsc::UnboundedSender<IdleSlot>,
}

impl Reservation {
    /// Whether the slot still has its child.
    pub(super) fn is_open(&self) -> bool {
        self.idle_slot.as_ref().is_some_and(|idle_slot| !idle_slot.is_closed())
    }

    /// Sends the job to the slot. Gives it back when the slot has lost its child in the meantime.
    pub(super) fn assign(
        mut self,
        job: EngineJob,
    ) -> Result<oneshot::Receiver<Result<Transcript, EngineError>>, Box<EngineJob>> {
        let (answer, result) = oneshot::channel();
        match self.idle_slot.take() {
            Some(idle_slot) => {
                idle_slot.send(Assignment { job, answer }).map(|()| result).map_err(|back| Box::new(back.job))
            }
            None => Err(Box::new(job)),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(idle_slot) = self.idle_slot.take() {
            // Fails only when the pool has been shut down.
            let _ = self.back.send(idle_slot);
        }
    }
}

/// Where a caller waits for an idle slot.
pub(super) type SlotRequest = oneshot::Sender<Result<Reservation, EngineError>>;

/// Runs until every handle of the pool is gone.
pub(super) async fn dispatch(
    mut requests: mpsc::Receiver<SlotRequest>,
    mut idle_slots: mpsc::UnboundedReceiver<IdleSlot>,
    back: mpsc::UnboundedSender<IdleSlot>,
    mut status: watch::Receiver<PoolStatus>,
) {
    while let Some(mut request) = requests.recv().await {
        let found = tokio::select! {
            () = request.closed() => continue,
            Some(idle_slot) = next_open(&mut idle_slots) => Ok(Reservation { idle_slot: Some(idle_slot), back: back.clone() }),
            reason = outage(&mut status) => Err(EngineError::Unavailable { reason }),
        };
        // A caller that has gone by now drops the reservation, which makes the slot idle again.
        let _ = request.send(found);
    }
}

async fn next_open(idle_slots: &mut mpsc::UnboundedReceiver<IdleSlot>) -> Option<IdleSlot> {
    while let Some(idle_slot) = idle_slots.recv().await {
        if !idle_slot.is_closed() {
            return Some(idle_slot);
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
