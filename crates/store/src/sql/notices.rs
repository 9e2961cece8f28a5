//! Statements on ended requests whose senders have to be told.

/// Whether a row is a refusal that shows nothing yet, so that one message can answer several of them.
macro_rules! is_plain_refusal {
    ($table:literal) => {
        concat!(
            $table,
            ".answered = 0 AND ",
            $table,
            ".stage = 'rejected' AND ",
            $table,
            ".status_message_id IS NULL AND (",
            $table,
            ".owner IS NULL OR ",
            $table,
            ".lease_until < ?3) AND ",
            $table,
            ".not_before <= ?3"
        )
    };
}

/// The chat of the oldest comes first, but not those of `?4`; of its refusals, the newest is told in place of all. The cast
/// is needed: RETURNING gives a whole number out of a REAL column as an integer, inside an expression.
pub(crate) const CLAIM_NOTICE: &str = concat!(
    "UPDATE usage SET owner = ?1, lease_until = ?2, attempt = attempt + 1 \
     WHERE id = (SELECT coalesce((SELECT max(newest.id) FROM usage AS newest WHERE oldest.stage = 'rejected' \
     AND oldest.status_message_id IS NULL AND newest.chat_id = oldest.chat_id \
     AND newest.thread_id IS oldest.thread_id AND ",
    is_plain_refusal!("newest"),
    "), oldest.id) FROM usage AS oldest WHERE oldest.answered = 0 AND oldest.stage IN ('rejected', 'failed', 'cancelled') \
     AND (oldest.owner IS NULL OR oldest.lease_until < ?3) AND oldest.not_before <= ?3 AND ",
    chat_now!("oldest.chat_id"),
    " NOT IN (SELECT value FROM json_each(?4)) ORDER BY oldest.id LIMIT 1) RETURNING id, ",
    chat_id!(),
    ", thread_id, reply_to_message_id, status_message_id, locale, stage, reason, codec, owner, attempt, received_at, \
     CAST(coalesce(voice_duration_seconds, claimed_duration_seconds) AS REAL) AS length_seconds, ",
    telegram_id!()
);

/// The other refusals that the message for `?1` answers as well.
pub(crate) const FOLDED: &str = concat!(
    "SELECT other.id FROM usage AS other JOIN usage AS told ON told.id = ?1 WHERE told.stage = 'rejected' \
     AND told.status_message_id IS NULL AND other.id <> told.id AND other.chat_id = told.chat_id \
     AND other.thread_id IS told.thread_id AND ",
    is_plain_refusal!("other")
);

/// Only those that nobody has taken since.
pub(crate) const FOLDED_ANSWERED: &str = "UPDATE usage SET answered = 1 WHERE id IN (SELECT value FROM json_each(?1)) \
     AND answered = 0 AND stage = 'rejected' AND owner IS NULL";

pub(crate) const NOTICE_ANSWERED: &str =
    concat!("UPDATE usage SET answered = 1, owner = NULL, lease_until = NULL", fence!("?1", "?2", "?3", "?4"));

pub(crate) const NOTICE_LATER: &str =
    concat!("UPDATE usage SET not_before = ?1, owner = NULL, lease_until = NULL", fence!("?2", "?3", "?4", "?5"));
