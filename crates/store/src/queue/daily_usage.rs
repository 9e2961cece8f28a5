//! Daily limits that outlive the requests from which they are counted. `/forget` erases the requests by which a user's audio
//! of the day and positions in the queue are counted; what was used is carried over under a keyed hash of the user, until the
//! day is over.

use std::time::Duration;

use sha2::{Digest, Sha256};
use stenobot_domain::{RequestId, Timestamp, UserId};

use super::Queue;
use crate::StoreError;
use crate::backend::Transaction;

const DAY: Duration = Duration::from_secs(86_400);

/// How long the positions of erased requests count: about as long as they would have waited.
const POSITIONS_HELD: Duration = Duration::from_secs(600);

/// Telegram gives lengths in whole seconds: a claim that is wrong by less is not false.
const CLAIM_TOLERANCE: Duration = Duration::from_secs(1);

/// What counts against a user although the requests are erased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Audio of the day.
    pub(crate) audio: Duration,
    /// Positions in the queue.
    pub(crate) positions: i64,
}

/// A request whose length was just measured.
pub(crate) struct MeasuredRequest {
    /// Key of the user's row.
    pub(crate) user_key: i64,
    pub(crate) user: UserId,
    pub(crate) received_at: Timestamp,
    pub(crate) claimed: Option<Duration>,
    pub(crate) measured: Duration,
    pub(crate) was_queued: bool,
}

/// What was carried over for a user to the day that `at` lies in.
pub(crate) async fn carried_over(
    tx: &mut Transaction,
    user: UserId,
    at: Timestamp,
    now: Timestamp,
) -> Result<Usage, StoreError> {
    let day = at.midnight();
    let Some(key) = tx.sql().key_of_day(day).await? else { return Ok(Usage::default()) };
    tx.sql().carried_usage(day, &hash(&key, user), now, now.after(POSITIONS_HELD)).await
}

/// Audio of the requests of the user in row `user_key` on the day that `at` lies in.
pub(crate) async fn audio_of_day(tx: &mut Transaction, user_key: i64, at: Timestamp) -> Result<Duration, StoreError> {
    tx.sql().audio_between(user_key, at.midnight(), at.midnight().after(DAY)).await
}

/// Carries over what counts against a user, before the requests in row `user_key` are ended and erased.
pub(crate) async fn carry_over(
    tx: &mut Transaction,
    user_key: i64,
    user: UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let before = carried_over(tx, user, now, now).await?;
    let usage = Usage {
        audio: before.audio + audio_of_day(tx, user_key, now).await?,
        positions: before.positions + tx.sql().count_waiting_of(user_key).await?,
    };
    if usage == Usage::default() {
        return Ok(());
    }
    let day = now.midnight();
    let key = tx.sql().make_key_of_day(day).await?;
    tx.sql().carry_usage(day, &hash(&key, user), usage, now.after(POSITIONS_HELD)).await
}

/// Whether a request whose length was just measured takes its user over `per_day`. A true claim was checked against the
/// limit at admission, and what was in the queue before was counted then.
pub(crate) async fn is_over(
    tx: &mut Transaction,
    id: RequestId,
    per_day: Duration,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let request = tx.sql().measured_request(id, now).await?;
    let is_claim_true = request.claimed.is_some_and(|claimed| request.measured <= claimed + CLAIM_TOLERANCE);
    if request.was_queued || is_claim_true {
        return Ok(false);
    }
    let at = request.received_at;
    let erased = carried_over(tx, request.user, at, now).await?;
    Ok(erased.audio + audio_of_day(tx, request.user_key, at).await? > per_day)
}

/// SHA-256 of the key of the day and the id. Once the key is deleted, no id can be compared with it.
fn hash(key: &[u8], user: UserId) -> Vec<u8> {
    Sha256::new().chain_update(key).chain_update(user.0.to_le_bytes()).finalize().to_vec()
}

impl Queue {
    /// Deletes what was carried over for any day but today, the keys included.
    pub async fn drop_other_days(&self) -> Result<(), StoreError> {
        let mut connection = self.0.connections.write().await?;
        let today = self.0.now(&mut connection).await?.midnight();
        if connection.sql().drop_other_days(today).await? > 0 {
            self.0.connections.erased_in_log();
        }
        Ok(())
    }
}
