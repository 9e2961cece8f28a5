//! Every statement on requests. `?1` and the like are bound in order by the verbs in the parent module. A statement
//! that looks for rows under way says `answered = 0` as well: only then does SQLite read the index of open rows.

/// Predecessor's text form of a time in milliseconds.
macro_rules! text_time {
    ($millis:literal) => {
        concat!("strftime('%Y-%m-%d %H:%M:%f', ", $millis, " / 1000.0, 'unixepoch')")
    };
}

/// What a worker needs to know of a row.
macro_rules! request_columns {
    () => {
        "id, chat_id, message_id, voice_file_id, claimed_duration_seconds, voice_duration_seconds, locale, stage, owner, \
         attempt, status_message_id, parts_delivered, received_at, queued_at, transcription_length IS NOT NULL AS heard"
    };
}

macro_rules! fence {
    ($id:literal, $stage:literal, $owner:literal, $attempt:literal) => {
        concat!(" WHERE id = ", $id, " AND stage = ", $stage, " AND owner = ", $owner, " AND attempt = ", $attempt)
    };
}

pub(super) const UPSERT_USER: &str = concat!(
    "INSERT INTO users (telegram_id, username, first_name, last_name, created_at, updated_at) \
     VALUES (?1, ?2, ?3, ?4, ",
    text_time!("?5"),
    ", ",
    text_time!("?5"),
    ") ON CONFLICT (telegram_id) DO UPDATE SET username = excluded.username, first_name = excluded.first_name, \
     last_name = excluded.last_name, updated_at = excluded.updated_at RETURNING id"
);

pub(super) const COUNT_WAITING: &str =
    "SELECT count(*) FROM usage WHERE answered = 0 AND stage IN ('received', 'downloaded', 'queued')";

/// Nothing comes back when the message is known.
pub(super) const INSERT_REQUEST: &str = concat!(
    "INSERT INTO usage (user_id, chat_id, message_id, voice_file_id, file_unique_id, claimed_duration_seconds, locale, \
     stage, reason, answered, received_at, finished_at, created_at, updated_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?10, CASE ?8 WHEN 'rejected' THEN ?10 END, ",
    text_time!("?10"),
    ", ",
    text_time!("?10"),
    ") ON CONFLICT (chat_id, message_id) DO NOTHING RETURNING id"
);

/// `Downloaded` rows are claimed here too: their download is over, but they are not in the queue yet.
pub(super) const CLAIM_DOWNLOAD: &str = concat!(
    "UPDATE usage SET owner = ?1, lease_until = ?2, attempt = attempt + 1, stage = 'received' WHERE id = (SELECT id FROM usage \
     WHERE answered = 0 AND stage IN ('received', 'downloaded') AND (owner IS NULL OR lease_until < ?3) AND not_before <= ?3 \
     ORDER BY id LIMIT 1) RETURNING ",
    request_columns!()
);

/// A request whose worker died comes back to the queue here: its text was never stored, so it is heard again.
pub(super) const CLAIM_TRANSCRIPTION: &str = concat!(
    "UPDATE usage SET owner = ?1, lease_until = ?2, attempt = attempt + 1, stage = 'queued' WHERE id = (SELECT id \
     FROM usage WHERE answered = 0 AND stage IN ('queued', 'transcribing', 'transcribed') \
     AND (owner IS NULL OR lease_until < ?3) AND not_before <= ?3 \
     ORDER BY id LIMIT 1) RETURNING ",
    request_columns!()
);

pub(super) const RENEW: &str = concat!("UPDATE usage SET lease_until = ?1", fence!("?2", "?3", "?4", "?5"));

pub(super) const FREE_OTHERS: &str = "UPDATE usage SET lease_until = 0 WHERE answered = 0 AND owner <> ?1";

/// The queue and the end are owned by nobody; attempts are counted anew for the engine.
pub(super) const ADVANCE: &str = concat!(
    "UPDATE usage SET stage = ?1, \
     downloaded_at = CASE ?1 WHEN 'downloaded' THEN ?2 ELSE downloaded_at END, \
     queued_at = CASE ?1 WHEN 'queued' THEN ?2 ELSE queued_at END, \
     started_at = CASE ?1 WHEN 'transcribing' THEN ?2 ELSE started_at END, \
     finished_at = CASE ?1 WHEN 'done' THEN ?2 ELSE finished_at END, \
     answered = CASE ?1 WHEN 'done' THEN 1 ELSE answered END, \
     owner = CASE WHEN ?1 IN ('queued', 'done') THEN NULL ELSE owner END, \
     lease_until = CASE WHEN ?1 IN ('queued', 'done') THEN NULL ELSE lease_until END, \
     attempt = CASE ?1 WHEN 'queued' THEN 0 ELSE attempt END, \
     voice_duration_seconds = coalesce(?3, voice_duration_seconds), \
     model_size = coalesce(?4, model_size), \
     processing_time_seconds = coalesce(?5, processing_time_seconds), \
     transcription_length = coalesce(?6, transcription_length), \
     language = coalesce(?7, language), \
     updated_at = ",
    text_time!("?2"),
    fence!("?8", "?9", "?10", "?11")
);

pub(super) const ADD_TO_TOTALS: &str = "UPDATE users SET total_usage_seconds = total_usage_seconds + \
     (SELECT CAST(round(coalesce(voice_duration_seconds, 0)) AS INTEGER) FROM usage WHERE id = ?1) \
     WHERE id = (SELECT user_id FROM usage WHERE id = ?1)";

pub(super) const SETTLE: &str = concat!(
    "UPDATE usage SET stage = ?1, finished_at = ?2, reason = ?3, failed_stage = ?4, \
     answered = CASE WHEN ?5 THEN 0 ELSE 1 END, owner = NULL, lease_until = NULL, attempt = 0, not_before = 0, updated_at = ",
    text_time!("?2"),
    fence!("?6", "?7", "?8", "?9")
);

pub(super) const RELEASE: &str = concat!(
    "UPDATE usage SET stage = ?1, not_before = ?2, attempt = attempt - ?3, owner = NULL, lease_until = NULL",
    fence!("?4", "?5", "?6", "?7")
);

pub(super) const SET_STATUS_MESSAGE: &str =
    concat!("UPDATE usage SET status_message_id = ?1", fence!("?2", "?3", "?4", "?5"));

pub(super) const SET_PARTS_DELIVERED: &str =
    concat!("UPDATE usage SET parts_delivered = ?1", fence!("?2", "?3", "?4", "?5"));

/// The cast is needed: RETURNING gives a whole number out of a REAL column as an integer, inside an expression.
pub(super) const CLAIM_NOTICE: &str = "UPDATE usage SET owner = ?1, lease_until = ?2, attempt = attempt + 1 \
     WHERE id = (SELECT id FROM usage WHERE answered = 0 AND stage IN ('rejected', 'failed', 'cancelled') \
     AND (owner IS NULL OR lease_until < ?3) AND not_before <= ?3 ORDER BY id LIMIT 1) \
     RETURNING id, chat_id, message_id, status_message_id, locale, stage, reason, owner, attempt, \
     CAST(coalesce(voice_duration_seconds, claimed_duration_seconds) AS REAL) AS length_seconds";

pub(super) const NOTICE_ANSWERED: &str =
    concat!("UPDATE usage SET answered = 1, owner = NULL, lease_until = NULL", fence!("?1", "?2", "?3", "?4"));

pub(super) const NOTICE_LATER: &str =
    concat!("UPDATE usage SET not_before = ?1, owner = NULL, lease_until = NULL", fence!("?2", "?3", "?4", "?5"));

/// Where an answer may stand already, no state is shown.
pub(super) const WAITING: &str = "SELECT id, chat_id, \
     CASE WHEN transcription_length IS NULL THEN status_message_id END AS status_message_id, locale, stage, \
     coalesce(voice_duration_seconds, claimed_duration_seconds, 0.0) AS length_seconds \
     FROM usage WHERE answered = 0 AND stage IN ('received', 'downloaded', 'queued') ORDER BY id";

pub(super) const RUNNING: &str = "SELECT coalesce(voice_duration_seconds, claimed_duration_seconds, 0.0) AS length_seconds, \
     coalesce(started_at, 0) AS started_at FROM usage WHERE stage = 'transcribing'";

pub(super) const COUNTS: &str = "SELECT stage, count(*) FROM usage WHERE answered = 0 \
     AND stage IN ('received', 'downloaded', 'queued', 'transcribing', 'transcribed') GROUP BY stage";

pub(super) const BACKLOG: &str = "SELECT min(received_at), \
     coalesce(sum(coalesce(voice_duration_seconds, claimed_duration_seconds)), 0.0) \
     FROM usage WHERE answered = 0 AND stage IN ('received', 'downloaded', 'queued')";

/// Imported rows have no `finished_at`: they were heard by another engine.
pub(super) const RECENT_RTF: &str = "SELECT sum(processing_time_seconds) / sum(voice_duration_seconds) \
     FROM (SELECT processing_time_seconds, voice_duration_seconds FROM usage WHERE stage = 'done' AND model_size = ?1 AND finished_at IS NOT NULL \
     AND processing_time_seconds IS NOT NULL AND voice_duration_seconds > 0 \
     ORDER BY finished_at DESC LIMIT 20)";

pub(super) const UNDER_WAY: &str = "SELECT id FROM usage WHERE answered = 0 \
     AND stage IN ('received', 'downloaded', 'queued', 'transcribing', 'transcribed')";

#[cfg(test)]
mod tests {
    use sqlx::{Connection, Row, SqliteConnection};

    /// History grows for ever; what runs on every message must not read it.
    #[tokio::test]
    async fn no_statement_reads_the_whole_history() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::migrate!("migrations/sqlite").run(&mut connection).await.unwrap();
        for (name, statement) in [
            ("COUNT_WAITING", super::COUNT_WAITING),
            ("CLAIM_DOWNLOAD", super::CLAIM_DOWNLOAD),
            ("CLAIM_TRANSCRIPTION", super::CLAIM_TRANSCRIPTION),
            ("FREE_OTHERS", super::FREE_OTHERS),
            ("RENEW", super::RENEW),
            ("ADVANCE", super::ADVANCE),
            ("ADD_TO_TOTALS", super::ADD_TO_TOTALS),
            ("SETTLE", super::SETTLE),
            ("CLAIM_NOTICE", super::CLAIM_NOTICE),
            ("WAITING", super::WAITING),
            ("COUNTS", super::COUNTS),
            ("BACKLOG", super::BACKLOG),
            ("RECENT_RTF", super::RECENT_RTF),
            ("UNDER_WAY", super::UNDER_WAY),
        ] {
            let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
            for row in plan.fetch_all(&mut connection).await.unwrap() {
                let step: String = row.get("detail");
                let reads_all = step.starts_with("SCAN usage") && !step.ends_with("ix_usage_open");
                assert!(!reads_all && !step.starts_with("SCAN users"), "{name}: {step}");
            }
        }
    }
}
