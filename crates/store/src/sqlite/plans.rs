//! Query plans: history grows for ever, and a statement that runs for every message must not read it.

use sqlx::{Connection, Row, SqliteConnection};

use super::{audio, claims, daily_usage, erasure, notices, queue, statistics, transitions, users};

/// Names of the history's tables in the statements.
const HISTORY: &[&str] =
    &["usage", "users", "first", "own", "again", "original", "audio", "oldest", "newest", "other", "told"];

#[tokio::test]
async fn no_statement_reads_the_whole_history() {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    super::open::MIGRATIONS.run(&mut connection).await.unwrap();
    for statement in [
        claims::CLAIM_DOWNLOAD,
        claims::CLAIM_TRANSCRIPTION,
        claims::CLAIM_COALESCED,
        claims::RENEW,
        claims::EXPIRE_OTHERS,
        claims::CLAMP,
        queue::COUNT_WAITING,
        queue::COUNT_WAITING_OF,
        queue::COUNT_WAITING_IN,
        queue::SAME_AUDIO,
        queue::INSERT_REQUEST,
        queue::WAITING,
        queue::RUNNING,
        queue::STATUSES_OF,
        queue::LOCATION,
        transitions::ADVANCE,
        transitions::ADD_TO_TOTALS,
        transitions::SETTLE,
        transitions::CANCEL_TARGET,
        transitions::OPEN_REQUESTS_OF,
        transitions::OPEN_REQUESTS_IN,
        transitions::CANCEL,
        notices::CLAIM_NOTICE,
        notices::FOLDED,
        notices::CLOSE_FOLDED,
        daily_usage::AUDIO_BETWEEN,
        statistics::COUNTS,
        statistics::BACKLOG,
        statistics::RECENT_RTF,
        audio::WITH_AUDIO,
        audio::TAKE_DUE,
        audio::KEPT,
        users::IS_BANNED,
        users::PROFILE,
        users::ENDED_OF,
        users::RECENT_LANGUAGES,
        users::CHAT_SETTINGS,
        erasure::END_OPEN_OF,
        erasure::LEASED_OF,
        erasure::WITH_AUDIO_OF,
        erasure::ADD_TO_ERASED,
        erasure::ANONYMISE,
    ] {
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
        for row in plan.fetch_all(&mut connection).await.unwrap() {
            let step: String = row.get("detail");
            let reads_all = HISTORY.iter().any(|table| step.starts_with(&format!("SCAN {table}")));
            let is_open_only = step.ends_with("ix_usage_open") || step.ends_with("ix_usage_kept");
            assert!(!reads_all || is_open_only, "{statement}: {step}");
        }
    }
}
