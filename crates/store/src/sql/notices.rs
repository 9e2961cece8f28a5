//! Notices.

use stenobot_domain::{ChatId, RequestId, Timestamp};

use super::Statements;
use crate::{Notice, StoreError};

/// Whether a row is a refusal that shows nothing yet, so that one message can answer several of them. What was not refused at its
/// admission may carry a reaction. Each call as a guest is answered where it was made.
macro_rules! is_plain_refusal {
    ($table:literal) => {
        concat!(
            $table,
            ".answered = 0 AND ",
            $table,
            ".source_deleted = 0 AND ",
            $table,
            ".stage = 'rejected' AND ",
            $table,
            ".status_message_id IS NULL AND ",
            $table,
            ".guest_query IS NULL AND (",
            $table,
            ".display = 'message' OR (",
            $table,
            ".display = 'reaction' AND ",
            $table,
            ".finished_at = ",
            $table,
            ".received_at)) AND (",
            $table,
            ".owner IS NULL OR ",
            $table,
            ".lease_until < $3) AND ",
            $table,
            ".not_before <= $3"
        )
    };
}

/// The chat of the oldest comes first, but not those of `$4`; of its refusals, the newest is claimed for all. The cast is
/// needed: RETURNING gives a whole number out of a REAL column as an integer, inside an expression.
pub(in super::super) const CLAIM_NOTICE: &str = concat!(
    "UPDATE usage SET owner = $1, lease_until = $2, attempt = attempt + 1 \
     WHERE id = (SELECT coalesce((SELECT max(newest.id) FROM usage AS newest WHERE oldest.stage = 'rejected' \
     AND oldest.status_message_id IS NULL AND oldest.guest_query IS NULL AND newest.chat_id = oldest.chat_id \
     AND newest.thread_id IS NOT DISTINCT FROM oldest.thread_id \
     AND newest.direct_topic_id IS NOT DISTINCT FROM oldest.direct_topic_id AND ",
    is_plain_refusal!("newest"),
    "), oldest.id) FROM usage AS oldest WHERE oldest.answered = 0 \
     AND oldest.source_deleted = 0 AND oldest.stage IN ",
    notice_stages!(),
    " AND (oldest.owner IS NULL OR oldest.lease_until < $3) AND oldest.not_before <= $3 AND ",
    chat_now!("oldest.chat_id"),
    " NOT IN ",
    list!("$4"),
    " ORDER BY oldest.id LIMIT 1",
    skip_locked!("oldest"),
    ") AND answered = 0 AND (owner IS NULL OR lease_until < $3) RETURNING id, ",
    chat_id!(),
    ", thread_id, direct_topic_id, reply_to_message_id, display, status_message_id, locale, stage, reason, codec, owner, attempt, received_at, ",
    origin_columns!(),
    ", \
     CAST(voice_duration_seconds AS DOUBLE PRECISION) AS voice_duration_seconds, \
     CAST(claimed_duration_seconds AS DOUBLE PRECISION) AS claimed_duration_seconds, ",
    telegram_id!()
);

/// The other refusals that the message for `$1` answers as well. Parameters are numbered as in the claim.
pub(in super::super) const FOLDED: &str = concat!(
    "SELECT other.id FROM usage AS other JOIN usage AS told ON told.id = $1 WHERE told.stage = 'rejected' \
     AND told.status_message_id IS NULL AND told.guest_query IS NULL AND told.display IN ('message', 'reaction') AND other.id <> told.id AND other.chat_id = told.chat_id \
     AND other.thread_id IS NOT DISTINCT FROM told.thread_id \
     AND other.direct_topic_id IS NOT DISTINCT FROM told.direct_topic_id AND ",
    is_plain_refusal!("other")
);

/// Only those that were not claimed since.
pub(in super::super) const CLOSE_FOLDED: &str = concat!(
    "UPDATE usage SET answered = 1 WHERE id IN ",
    list!("$1"),
    " AND answered = 0 AND stage = 'rejected' AND owner IS NULL"
);

impl Statements<'_> {
    pub(crate) async fn claim_notice(
        self,
        owner: &str,
        until: Timestamp,
        now: Timestamp,
        excluded: &[ChatId],
    ) -> Result<Option<Notice>, StoreError> {
        let claim = sqlx::query_as(CLAIM_NOTICE).bind(owner).bind(until.0).bind(now.0);
        let claim = claim.bind(super::list(excluded.iter().map(|chat| chat.0)));
        Ok(claim.fetch_optional(self.0).await?)
    }

    pub(crate) async fn folded_refusals(self, id: RequestId, now: Timestamp) -> Result<Vec<RequestId>, StoreError> {
        let folded = sqlx::query_scalar(FOLDED).bind(id.0).bind(0_i64).bind(now.0);
        Ok(super::ids(folded.fetch_all(self.0).await?))
    }

    pub(crate) async fn close_folded(self, folded: &[RequestId]) -> Result<(), StoreError> {
        let folded = super::list(folded.iter().map(|id| id.0));
        self.execute(sqlx::query(CLOSE_FOLDED).bind(folded)).await.map(drop)
    }
}
