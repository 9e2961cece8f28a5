//! Claims and leases.

use stenobot_domain::{RequestId, Timestamp};

use super::{List, Statements, list};
use crate::{ClaimExclusions, RequestRow, StoreError};

/// The user with the fewest downloads under way is next, then the oldest request: a flood of one user takes only what others
/// leave. `Downloaded` rows are claimed here too: their download is over, but they are not in the queue yet. So are
/// coalesced rows whose text never came: they have no audio of their own, and take the turn of their original.
pub(in super::super) const CLAIM_DOWNLOAD: &str = concat!(
    "UPDATE usage SET ",
    claimed_by!("$1", "$2"),
    ", stage = 'received', priority = CASE WHEN joined_to IS NULL THEN priority ELSE 1 END, joined_to = NULL \
     WHERE id = (SELECT usage.id FROM usage LEFT JOIN (SELECT user_id, count(*) AS downloads FROM usage \
     WHERE answered = 0 AND stage IN ",
    download_stages!(),
    " AND lease_until >= $3 GROUP BY ",
    unindexed!("user_id"),
    ") AS busy ON busy.user_id = usage.user_id \
     WHERE answered = 0 AND stage IN ",
    unqueued_stages!(),
    " AND (stage IN ",
    download_stages!(),
    " OR joined_to IS NOT NULL) AND (owner IS NULL OR lease_until < $3) AND not_before <= $3 AND NOT ",
    waits_for_another!(),
    " ORDER BY coalesce(downloads, 0), usage.id LIMIT 1",
    skip_locked!("usage"),
    ") RETURNING ",
    request_columns!()
);

/// Whether a row is work that a dead worker left.
macro_rules! is_lost {
    ($now:literal) => {
        concat!(
            "answered = 0 AND owner IS NOT NULL AND lease_until < ",
            $now,
            " AND joined_to IS NULL AND ",
            unindexed!("stage"),
            " IN ",
            engine_stages!()
        )
    };
}

/// Whether a waiting row failed on the engine, and its pause is over.
macro_rules! is_due_again {
    ($now:literal) => {
        concat!("priority = 2 AND joined_to IS NULL AND owner IS NULL AND not_before <= ", $now)
    };
}

/// Whether a waiting row can be transcribed now.
macro_rules! is_ready {
    ($now:literal, $chats:literal, $users:literal) => {
        concat!(
            "stage = 'queued' AND joined_to IS NULL AND owner IS NULL AND not_before <= ",
            $now,
            " AND ",
            is_not_excluded!($chats, $users)
        )
    };
}

/// Work that a dead worker left comes back to the queue: its text was never stored, so it is transcribed again. A row over
/// which the bot has ended twice before does not come first: should it be the reason, the others are served between its
/// attempts.
pub(in super::super) const REQUEUE_LOST: &str = concat!(
    "UPDATE usage SET stage = 'queued', owner = NULL, lease_until = NULL, interruptions = interruptions + 1, \
     priority = CASE WHEN interruptions < 2 THEN 0 ELSE 2 END WHERE ",
    is_lost!("$1"),
    " RETURNING id"
);

/// A new turn, behind all that wait, for the next failed request whose pause is over.
pub(in super::super) const RENEW_TURN: &str = concat!(
    "UPDATE usage SET priority = 1, turn = 1 + ",
    greatest!(),
    "((SELECT turn FROM current_turn), coalesce((SELECT max(last.turn) FROM usage AS last",
    indexed_by!("ix_usage_turn"),
    " WHERE last.answered = 0 AND last.stage IN ",
    waiting_stages!(),
    " AND last.priority = 1), 0)) WHERE id = (SELECT id",
    from_waiting!(),
    " AND ",
    is_due_again!("$1"),
    fair_order!(),
    " LIMIT 1",
    skip_locked!("usage"),
    ") RETURNING id"
);

/// The chats of `$4` and the users of `$5` are passed over.
pub(in super::super) const CLAIM_TRANSCRIPTION: &str = concat!(
    "UPDATE usage SET ",
    claimed_by!("$1", "$2"),
    ", priority = 0, started_at = $3 WHERE id = (SELECT id",
    from_waiting!(),
    " AND ",
    is_ready!("$3", "$4", "$5"),
    fair_order!(),
    " LIMIT 1",
    skip_locked!("usage"),
    ") RETURNING ",
    request_columns!()
);

/// Whether [`REQUEUE_LOST`], [`RENEW_TURN`] or [`CLAIM_TRANSCRIPTION`] finds a row. A machine that finds none here leaves the
/// order unlocked.
pub(in super::super) const HAS_TURN: &str = concat!(
    "SELECT (SELECT id FROM usage WHERE ",
    is_lost!("$1"),
    " LIMIT 1) IS NOT NULL OR (SELECT id",
    from_waiting!(),
    " AND ",
    is_due_again!("$1"),
    fair_order!(),
    " LIMIT 1) IS NOT NULL OR (SELECT id",
    from_waiting!(),
    " AND ",
    is_ready!("$1", "$2", "$3"),
    fair_order!(),
    " LIMIT 1) IS NOT NULL"
);

/// First turn of the waiting requests of a request's user.
macro_rules! next_turn_of {
    ($id:literal) => {
        concat!(
            "(SELECT min(next.turn) FROM usage AS next",
            indexed_by!("ix_usage_open_user"),
            " WHERE next.answered = 0 AND next.stage IN ",
            waiting_stages!(),
            " AND next.priority = 1 AND next.joined_to IS NULL \
             AND next.user_id = (SELECT user_id FROM usage WHERE id = ",
            $id,
            "))"
        )
    };
}

pub(in super::super) const SET_CURRENT_TURN: &str = "UPDATE current_turn SET turn = (SELECT turn FROM usage WHERE id = $1) \
     WHERE turn < (SELECT turn FROM usage WHERE id = $1)";

/// The user of the started request `$1` was passed over, and has turns that are past: the next one is due after this start, so
/// that the user does not take all of them in a row.
pub(in super::super) const CATCH_UP: &str = concat!(
    "UPDATE usage",
    indexed_by!("ix_usage_open_user"),
    " SET turn = turn + 1 + (SELECT turn FROM current_turn) - ",
    next_turn_of!("$1"),
    " WHERE answered = 0 AND stage IN ",
    waiting_stages!(),
    " AND priority = 1 AND joined_to IS NULL AND user_id = (SELECT user_id FROM usage WHERE id = $1) AND ",
    next_turn_of!("$1"),
    " <= (SELECT turn FROM current_turn) RETURNING id"
);

/// Has those that wait for the text of these keep their places beside them.
pub(in super::super) const FOLLOW: &str = concat!(
    "UPDATE usage",
    indexed_by!("ix_usage_joined"),
    " SET (priority, turn) = (SELECT original.priority, original.turn FROM usage AS original WHERE original.id = usage.joined_to) WHERE answered = 0 AND stage IN ",
    waiting_stages!(),
    " AND joined_to IS NOT NULL AND joined_to IN ",
    list!("$1")
);

/// The later requests of a user whose request `$1` leaves the queue without having been started move up by its turn.
pub(in super::super) const CLOSE_GAP: &str = concat!(
    "UPDATE usage",
    indexed_by!("ix_usage_open_user"),
    " SET turn = turn - 1 WHERE answered = 0 AND stage IN ",
    waiting_stages!(),
    " AND priority = 1 AND joined_to IS NULL AND user_id = (SELECT gone.user_id FROM usage AS gone WHERE gone.id = $1 \
     AND gone.started_at IS NULL AND gone.joined_to IS NULL) \
     AND turn > (SELECT gone.turn FROM usage AS gone WHERE gone.id = $1) RETURNING id"
);

/// A request that is coalesced into `$4`; it is about to get the same text.
pub(in super::super) const CLAIM_COALESCED: &str = concat!(
    "UPDATE usage SET ",
    claimed_by!("$1", "$2"),
    ", stage = 'transcribing', started_at = $3 \
     WHERE id = (SELECT id FROM usage",
    indexed_by!("ix_usage_joined"),
    " WHERE answered = 0 AND stage = 'received' AND joined_to = $4 AND (owner IS NULL OR lease_until < $3) \
     ORDER BY id LIMIT 1",
    skip_locked!("usage"),
    ") RETURNING ",
    request_columns!()
);

/// Those that are coalesced into `$1` and wait get their text from `$2`.
const COALESCE_INTO_ANOTHER: &str = concat!(
    "UPDATE usage",
    indexed_by!("ix_usage_joined"),
    " SET joined_to = $2 WHERE answered = 0 AND stage = 'received' AND joined_to = $1"
);

pub(in super::super) const EXPIRE_OTHERS: &str = "UPDATE usage SET lease_until = 0 WHERE answered = 0 AND owner <> $1";

pub(in super::super) const EXPIRE_OF: &str = "UPDATE usage SET lease_until = 0 WHERE answered = 0 AND owner = $1";

pub(in super::super) const CLAMP: &str = "UPDATE usage SET \
     received_at = CASE WHEN received_at > $1 THEN $1 ELSE received_at END, \
     lease_until = CASE WHEN lease_until > $2 THEN $2 ELSE lease_until END, \
     not_before = CASE WHEN not_before > $3 THEN $1 ELSE not_before END \
     WHERE answered = 0 AND (received_at > $1 OR lease_until > $2 OR not_before > $3)";

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
        let claim = claim.bind(chats(excluded)).bind(users(excluded));
        Ok(claim.fetch_optional(self.0).await?)
    }

    /// Whether a claim of a transcription finds anything.
    pub(crate) async fn has_turn(self, now: Timestamp, excluded: &ClaimExclusions) -> Result<bool, StoreError> {
        let has = sqlx::query_scalar(HAS_TURN).bind(now.0).bind(chats(excluded)).bind(users(excluded));
        Ok(has.fetch_one(self.0).await?)
    }

    pub(crate) async fn requeue_lost(self, now: Timestamp) -> Result<Vec<RequestId>, StoreError> {
        Ok(super::ids(sqlx::query_scalar(REQUEUE_LOST).bind(now.0).fetch_all(self.0).await?))
    }

    pub(crate) async fn renew_turn(self, now: Timestamp) -> Result<Option<RequestId>, StoreError> {
        let renewed: Option<i64> = sqlx::query_scalar(RENEW_TURN).bind(now.0).fetch_optional(self.0).await?;
        Ok(renewed.map(RequestId))
    }

    pub(crate) async fn close_gap(self, gone: RequestId) -> Result<Vec<RequestId>, StoreError> {
        Ok(super::ids(sqlx::query_scalar(CLOSE_GAP).bind(gone.0).fetch_all(self.0).await?))
    }

    pub(crate) async fn set_current_turn(self, started: RequestId) -> Result<(), StoreError> {
        self.execute(sqlx::query(SET_CURRENT_TURN).bind(started.0)).await.map(drop)
    }

    pub(crate) async fn catch_up(self, started: RequestId) -> Result<Vec<RequestId>, StoreError> {
        Ok(super::ids(sqlx::query_scalar(CATCH_UP).bind(started.0).fetch_all(self.0).await?))
    }

    pub(crate) async fn follow(self, moved: &[RequestId]) -> Result<(), StoreError> {
        let moved = list(moved.iter().map(|id| id.0));
        self.execute(sqlx::query(FOLLOW).bind(moved)).await.map(drop)
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

    pub(crate) async fn coalesce_into_another(self, from: RequestId, to: RequestId) -> Result<(), StoreError> {
        self.execute(sqlx::query(COALESCE_INTO_ANOTHER).bind(from.0).bind(to.0)).await.map(drop)
    }

    pub(crate) async fn expire_other_leases(self, owner: &str) -> Result<u64, StoreError> {
        self.execute(sqlx::query(EXPIRE_OTHERS).bind(owner)).await
    }

    pub(crate) async fn expire_leases_of(self, owner: &str) -> Result<u64, StoreError> {
        self.execute(sqlx::query(EXPIRE_OF).bind(owner)).await
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

pub(super) fn chats(excluded: &ClaimExclusions) -> List {
    list(excluded.chats.iter().map(|chat| chat.0))
}

pub(super) fn users(excluded: &ClaimExclusions) -> List {
    list(excluded.users.iter().map(|user| user.0))
}
