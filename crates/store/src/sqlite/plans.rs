//! Query plans: history grows for ever, and a statement that runs for every message must not read it.

use sqlx::{Connection, Row, SqliteConnection};

use super::sql::{
    audio, claims, daily_usage, deletion, erasure, guests, notices, queue, statistics, transitions, users,
};

/// Names of the history's tables in the statements.
const HISTORY: &[&str] = &[
    "usage", "users", "first", "own", "again", "original", "audio", "oldest", "newest", "other", "told", "last",
    "gone", "next",
];

/// Indexes that hold no closed rows, or few.
const OPEN_ONLY: &[&str] = &[
    "ix_usage_open",
    "ix_usage_open_user",
    "ix_usage_open_audio",
    "ix_usage_turn",
    "ix_usage_joined",
    "ix_usage_held",
    "ix_usage_kept",
    "ix_usage_author",
    "ix_usage_source_deleted",
];

#[tokio::test]
async fn no_statement_reads_the_whole_history() {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    super::open::MIGRATIONS.run(&mut connection).await.unwrap();
    for statement in [
        claims::CLAIM_DOWNLOAD,
        claims::CLAIM_TRANSCRIPTION,
        claims::HAS_TURN,
        claims::REQUEUE_LOST,
        claims::RENEW_TURN,
        claims::SET_CURRENT_TURN,
        claims::FOLLOW,
        claims::CLOSE_GAP,
        claims::CATCH_UP,
        claims::CLAIM_COALESCED,
        claims::EXPIRE_OTHERS,
        claims::EXPIRE_OF,
        claims::CLAMP,
        queue::COUNT_WAITING,
        queue::COUNT_NOT_EXCLUDED,
        queue::COUNT_WAITING_OF,
        queue::COUNT_WAITING_IN,
        queue::SAME_AUDIO,
        queue::INSERT_REQUEST,
        queue::WAITING,
        queue::HEAD,
        queue::PAGE,
        queue::SHOWS_STATE,
        queue::PLACES_OF,
        queue::COUNT_BEFORE_PRIORITY,
        queue::COUNT_TURNS,
        queue::COUNT_WITHIN_TURN,
        queue::RUNNING,
        queue::STATUSES_OF,
        queue::LOCATION,
        transitions::ADVANCE,
        transitions::ADD_TO_TOTALS,
        transitions::SETTLE,
        transitions::RENEW,
        transitions::CANCELLATIONS_OF,
        transitions::RELEASE,
        transitions::SEPARATE,
        transitions::CANCEL_TARGET,
        transitions::OPEN_REQUESTS_OF,
        transitions::OPEN_REQUESTS_IN,
        transitions::CANCEL,
        notices::CLAIM_NOTICE,
        notices::FOLDED,
        notices::CLOSE_FOLDED,
        daily_usage::AUDIO_BETWEEN,
        guests::REQUEST,
        guests::RECORD,
        deletion::HAS_SOURCE,
        deletion::MARK,
        deletion::DUE,
        deletion::FINISH,
        deletion::HAS_NAMES,
        deletion::ERASE_NAMES,
        statistics::COUNTS,
        statistics::BACKLOG,
        statistics::RECENT_RTF,
        audio::WITH_AUDIO_AMONG,
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
            let is_open_only = OPEN_ONLY.iter().any(|index| step.ends_with(index));
            assert!(!reads_all || is_open_only, "{statement}: {step}");
        }
    }
}

/// A claim reads the rows before the one that it takes, a position walks the index up to its request. SQLite calls no index
/// with an expression covering; the counts read no rows all the same.
#[tokio::test]
async fn claims_and_counts_follow_the_index_of_the_fair_order() {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    super::open::MIGRATIONS.run(&mut connection).await.unwrap();
    for (statement, expected) in [
        (claims::CLAIM_TRANSCRIPTION, "SCAN usage USING INDEX ix_usage_turn"),
        (claims::REQUEUE_LOST, "SEARCH usage USING INDEX ix_usage_held (lease_until<?)"),
        (claims::RENEW_TURN, "SEARCH usage USING INDEX ix_usage_turn (priority=?)"),
        (claims::FOLLOW, "SEARCH usage USING INDEX ix_usage_joined (joined_to=?)"),
        (claims::CLAIM_COALESCED, "SEARCH usage USING INDEX ix_usage_joined (joined_to=?)"),
        (queue::WAITING, "SCAN usage USING INDEX ix_usage_turn"),
        (queue::HEAD, "SCAN usage USING INDEX ix_usage_turn"),
        (queue::COUNT_WAITING, "SCAN usage USING INDEX ix_usage_turn"),
        (queue::COUNT_TURNS, "SEARCH usage USING INDEX ix_usage_turn (priority=? AND turn>? AND turn<?)"),
    ] {
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
        let plan = plan.fetch_all(&mut connection).await.unwrap();
        let steps: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
        assert!(steps.iter().any(|step| step == expected), "{statement}: {steps:?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{statement}: {steps:?}");
    }
}
