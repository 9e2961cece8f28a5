//! Fair order. Users are served in turns, and each user's requests in order of arrival: a user who sends one message waits
//! for what runs and for one request of each other user, however many those have sent.
//!
//! The order is stored (start-time fair queueing). A request gets its turn when it is admitted: one more than that of the
//! request that was started last, or than the sender's newest that waits if that is later. Claims and positions follow
//! priority, turn and order of arrival by one index. A coalesced request has the place of its original.
//!
//! Priorities: 0, what runs or was interrupted, so that a restart reorders nothing; 1, all others; 2, what the engine failed
//! on, until its pause is over. Then it gets a new turn, behind all that wait, so that a recording that crashes the engine
//! delays each of them by one attempt.
//!
//! Two moves keep the turns of one user without gaps, so that each of their requests waits for one of each other user: when
//! one leaves the queue without having been started, the later ones move up; when one is started late, since the user was
//! passed over or its download was slow, the next ones get turns after it.

use stenobot_domain::{AudioLength, ChatId, MessageId, Origin, RequestId, StageName, Timestamp, UserId};

use super::{ClaimExclusions, LEASE, Queue};
use crate::backend::{Connection, Transaction};
use crate::queue::rows::RequestRow;
use crate::{RequestStatus, StoreError};

/// Requests in [`Queue::head`], as the statement has it.
pub const HEAD_SIZE: usize = 100;

/// Requests in [`Queue::page_after`], as the statement has it.
pub const PAGE_SIZE: usize = 500;

/// A request on its way to the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// The request.
    pub id: RequestId,
    /// User or chat that made it.
    pub user: UserId,
    /// Chat of the answer.
    pub chat: ChatId,
    /// Where the recording comes from.
    pub origin: Origin,
    /// The message that shows the state.
    pub status_message: Option<MessageId>,
    /// Language code of the sender's Telegram.
    pub locale: Option<String>,
    /// `Queued` or an earlier one.
    pub stage: StageName,
    /// Length of the audio; a document that is not measured yet has none.
    pub length: Option<AudioLength>,
    /// Time of the admission.
    pub received_at: Timestamp,
    /// The open request that it gets its text from, without processing time of its own.
    pub coalesced_into: Option<RequestId>,
}

/// Place of a request in the queue.
pub(crate) struct Place {
    pub(crate) id: RequestId,
    pub(crate) priority: i64,
    pub(crate) turn: i64,
    /// The request that it gets its text from, or itself.
    pub(crate) original: RequestId,
}

/// Outcome of a claim of a transcription.
pub(super) struct TurnClaim {
    pub(super) row: Option<RequestRow>,
    /// Whether the order has changed.
    pub(super) has_changed: bool,
}

impl Queue {
    /// The requests that wait, in the order in which they are claimed if all are ready: first to be served first.
    pub async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        self.0.connections.read().await?.sql().waiting().await
    }

    /// The first [`HEAD_SIZE`] of [`Queue::waiting`].
    pub async fn head(&self) -> Result<Vec<Waiting>, StoreError> {
        self.0.connections.read().await?.sql().head().await
    }

    /// At most [`PAGE_SIZE`] of [`Queue::waiting`], behind the place of `after`, which may have left the queue meanwhile. None
    /// when that is unknown.
    pub async fn page_after(&self, after: RequestId) -> Result<Vec<Waiting>, StoreError> {
        let mut connection = self.0.connections.read().await?;
        match connection.sql().place_of(after).await? {
            Some(place) => connection.sql().page_after(&place).await,
            None => Ok(Vec::new()),
        }
    }

    /// Whether the state of a request is for `owner` to show: it holds the request, or the request waits and is not held.
    pub async fn shows_state(&self, id: RequestId, owner: &str) -> Result<bool, StoreError> {
        self.0.connections.read().await?.sql().shows_state(id, owner).await
    }

    /// Open requests of a user, oldest first.
    pub async fn statuses_of(&self, user: UserId) -> Result<Vec<RequestStatus>, StoreError> {
        let mut connection = self.0.connections.read().await?;
        let mut own = connection.sql().statuses_of(user).await?;
        for (id, position) in positions_of(&mut connection, user).await? {
            if let Some(status) = own.iter_mut().find(|status| status.id == id) {
                status.position = Some(position);
            }
        }
        Ok(own)
    }

    /// Claims the request whose turn it is. Before that, what dead workers left comes back to the queue, and failed requests
    /// whose pause is over get their new turns.
    pub(super) async fn claim_turn(&self, owner: &str, excluded: &ClaimExclusions) -> Result<TurnClaim, StoreError> {
        let mut connection = self.0.connections.read().await?;
        let now = self.0.now(&mut connection).await?;
        if !connection.sql().has_turn(now, excluded).await? {
            return Ok(TurnClaim { row: None, has_changed: false });
        }
        drop(connection);
        let (mut tx, now) = self.0.begin_in_order().await?;
        let mut moved = tx.sql().requeue_lost(now).await?;
        while let Some(renewed) = tx.sql().renew_turn(now).await? {
            moved.push(renewed);
        }
        let row = tx.sql().claim_transcription(owner, now.after(LEASE), now, excluded).await?;
        if let Some(row) = &row {
            tx.sql().set_current_turn(row.fence.id).await?;
            moved.push(row.fence.id);
            moved.extend(tx.sql().catch_up(row.fence.id).await?);
        }
        if !moved.is_empty() {
            tx.sql().follow(&moved).await?;
        }
        tx.commit().await?;
        Ok(TurnClaim { row, has_changed: !moved.is_empty() })
    }
}

/// Positions of a user's waiting requests, from 1. All that wait before the last of them are counted once.
async fn positions_of(connection: &mut Connection, user: UserId) -> Result<Vec<(RequestId, u32)>, StoreError> {
    let places = connection.sql().places_of(user).await?;
    let mut positions = Vec::with_capacity(places.len());
    let (mut counted, mut before) = (None, 0);
    for place in places {
        let from = match counted {
            Some((priority, turn)) if priority == place.priority => turn,
            Some(_) | None => {
                before = connection.sql().count_before_priority(place.priority).await?;
                i64::MIN
            }
        };
        before += connection.sql().count_turns(place.priority, from..place.turn).await?;
        counted = Some((place.priority, place.turn));
        positions.push((place.id, before + connection.sql().count_within_turn(&place).await? + 1));
    }
    Ok(positions)
}

/// Has the other requests of the user move up when one leaves the queue without having been started: its turn is free.
pub(super) async fn leave(tx: &mut Transaction, gone: RequestId) -> Result<(), StoreError> {
    let moved = tx.sql().close_gap(gone).await?;
    if moved.is_empty() { Ok(()) } else { tx.sql().follow(&moved).await }
}
