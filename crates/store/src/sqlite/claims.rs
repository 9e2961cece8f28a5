//! Claims and leases.

use stenobot_domain::{RequestId, Timestamp};

use super::Statements;
use super::transitions::Fenced as _;
use crate::{ClaimExclusions, Fence, RequestRow, StoreError};

/// The user with the fewest downloads under way is next, then the oldest request: a flood of one user takes only what others
/// leave. `Downloaded` rows are claimed here too: their download is over, but they are not in the queue yet. So are
/// coalesced rows whose text never came: they have no audio of their own.
pub(super) const CLAIM_DOWNLOAD: &str = concat!(
    "UPDATE usage SET ",
    claimed_by!("?1", "?2"),
    ", stage = 'received', joined_to = NULL \
     WHERE id = (SELECT usage.id FROM usage LEFT JOIN (SELECT user_id, count(*) AS downloads FROM usage \
     WHERE answered = 0 AND stage IN ",
    download_stages!(),
    " AND lease_until >= ?3 GROUP BY +user_id) AS busy ON busy.user_id = usage.user_id \
     WHERE answered = 0 AND stage IN ",
    open_stages!(),
    " AND stage <> 'queued' AND (stage IN ",
    download_stages!(),
    " OR joined_to IS NOT NULL) AND (owner IS NULL OR lease_until < ?3) AND not_before <= ?3 AND NOT ",
    waits_for_another!(),
    " ORDER BY coalesce(downloads, 0), usage.id LIMIT 1) RETURNING ",
    request_columns!()
);

/// Interrupted requests come first: a restart reorders nothing. Otherwise a user's turn comes by the time at which they were
/// last served, or at which the request arrived if that is later, and what the engine failed on comes behind all that
/// arrived meanwhile; `fair_order` says the same. Work that a dead worker left comes back to the queue here: its text was
/// never stored, so it is transcribed again. The chats of `?4` and the users of `?5` are passed over.
pub(super) const CLAIM_TRANSCRIPTION: &str = concat!(
    "UPDATE usage SET ",
    claimed_by!("?1", "?2"),
    ", stage = 'queued', started_at = ?3 \
     WHERE id = (SELECT id FROM usage WHERE answered = 0 AND stage IN ",
    engine_stages!(),
    " AND joined_to IS NULL AND (owner IS NULL OR lease_until < ?3) AND not_before <= ?3 AND ",
    is_not_excluded!("?4", "?5"),
    " ORDER BY NOT ",
    interrupted!(),
    ", CASE WHEN NOT ",
    interrupted!(),
    " THEN max(received_at, CASE WHEN started_at IS NULL THEN 0 ELSE not_before END, coalesce(",
    last_start!("?3"),
    " + 1, 0)) END, id LIMIT 1) RETURNING ",
    request_columns!()
);

/// A request that is coalesced into `?4`; it is about to get the same text.
pub(super) const CLAIM_COALESCED: &str = concat!(
    "UPDATE usage SET ",
    claimed_by!("?1", "?2"),
    ", stage = 'transcribing', started_at = ?3 \
     WHERE id = (SELECT id FROM usage WHERE answered = 0 AND stage = 'received' AND joined_to = ?4 \
     AND (owner IS NULL OR lease_until < ?3) ORDER BY id LIMIT 1) RETURNING ",
    request_columns!()
);

pub(super) const RENEW: &str = concat!("UPDATE usage SET lease_until = ?1", fence!("?2", "?3", "?4", "?5"));

pub(super) const EXPIRE_OTHERS: &str = "UPDATE usage SET lease_until = 0 WHERE answered = 0 AND owner <> ?1";

/// SQLite's `min` of NULL is NULL.
pub(super) const CLAMP: &str = "UPDATE usage SET received_at = min(received_at, ?1), lease_until = min(lease_until, ?2), \
     not_before = CASE WHEN not_before > ?3 THEN ?1 ELSE not_before END \
     WHERE answered = 0 AND (received_at > ?1 OR lease_until > ?2 OR not_before > ?3)";

impl Statements<'_> {
    pub(crate) async fn claim_download(
        self,
        owner: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<RequestRow>, StoreError> {
        let claim = sqlx::query_as(CLAIM_DOWNLOAD).bind(owner).bind(until.0).bind(now.0);
        Ok(claim.fetch_optional(self.0).await?)
    }

    pub(crate) async fn claim_transcription(
        self,
        owner: &str,
        until: Timestamp,
        now: Timestamp,
        excluded: &ClaimExclusions,
    ) -> Result<Option<RequestRow>, StoreError> {
        let claim = sqlx::query_as(CLAIM_TRANSCRIPTION).bind(owner).bind(until.0).bind(now.0);
        let claim = claim.bind(excluded.chat_list()).bind(excluded.user_list());
        Ok(claim.fetch_optional(self.0).await?)
    }

    pub(crate) async fn claim_coalesced(
        self,
        into: RequestId,
        owner: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<RequestRow>, StoreError> {
        let claim = sqlx::query_as(CLAIM_COALESCED).bind(owner).bind(until.0).bind(now.0).bind(into.0);
        Ok(claim.fetch_optional(self.0).await?)
    }

    pub(crate) async fn renew(self, fence: &Fence, until: Timestamp) -> Result<u64, StoreError> {
        self.execute(sqlx::query(RENEW).bind(until.0).fenced(fence)).await
    }

    pub(crate) async fn expire_other_leases(self, owner: &str) -> Result<u64, StoreError> {
        self.execute(sqlx::query(EXPIRE_OTHERS).bind(owner)).await
    }

    /// `lease` and `pause` are the latest ends that are possible now.
    pub(crate) async fn clamp_times(
        self,
        now: Timestamp,
        lease: Timestamp,
        pause: Timestamp,
    ) -> Result<u64, StoreError> {
        self.execute(sqlx::query(CLAMP).bind(now.0).bind(lease.0).bind(pause.0)).await
    }
}

impl ClaimExclusions {
    pub(super) fn chat_list(&self) -> String {
        super::list(self.chats.iter().map(|chat| chat.0))
    }

    pub(super) fn user_list(&self) -> String {
        super::list(self.users.iter().map(|user| user.0))
    }
}
