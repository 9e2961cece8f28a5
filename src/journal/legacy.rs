//! Bringing a predecessor's database along: its people and its usage, without the texts.

use std::collections::HashSet;
use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::{Journal, JournalError};

/// What an import brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// People who were not known before.
    pub users: u64,
    /// Usage rows that were not here before.
    pub usage: u64,
    /// Usage rows that an earlier import brought already.
    pub known: u64,
    /// Usage rows whose user is missing in the file; they are left out.
    pub orphans: u64,
}

/// Why a file cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// No such file, or no SQLite database.
    #[error("the file cannot be read as an SQLite database: {0}")]
    Unreadable(sqlx::Error),
    /// Not the predecessor's.
    #[error("the file is no database of the predecessor: it has no {0} table")]
    NotLegacy(&'static str),
    /// The predecessor's, but later than the revisions that are known here.
    #[error("the file is of a revision that cannot be imported: it has no column {0}")]
    UnknownRevision(String),
    /// Our own side.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Journal {
    /// Copies the predecessor's `users` and `usage` rows, at either of its revisions, into this journal. The file
    /// is only read. Rows that are here already are left alone, so that an import may be repeated. Somebody new
    /// brings the total that the file gives; the total of somebody known grows by the rows that are new.
    pub async fn import_legacy(&self, file: &Path) -> Result<Imported, ImportError> {
        let legacy = read(file).await.map_err(|error| match error {
            ReadError::Sqlite(error) => ImportError::Unreadable(error),
            ReadError::Refused(refused) => refused,
        })?;
        let imported = self.copy(&legacy).await?;
        self.changed();
        Ok(imported)
    }

    async fn copy(&self, legacy: &Legacy) -> Result<Imported, JournalError> {
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let mut imported = Imported { users: 0, usage: 0, known: 0, orphans: legacy.orphans };
        let mut new = HashSet::new();
        for user in &legacy.users {
            if insert_user(&mut tx, user).await? == 1 {
                new.insert(user.telegram_id);
                imported.users += 1;
            }
        }
        for usage in &legacy.usage {
            if insert_usage(&mut tx, usage).await? == 0 {
                imported.known += 1;
                continue;
            }
            imported.usage += 1;
            if !new.contains(&usage.telegram_id) {
                sqlx::query(ADD_TO_TOTAL).bind(usage.telegram_id).bind(usage.duration).execute(&mut *tx).await?;
            }
        }
        tx.commit().await?;
        Ok(imported)
    }
}

/// What a predecessor's database holds.
struct Legacy {
    users: Vec<LegacyUser>,
    usage: Vec<LegacyUsage>,
    orphans: u64,
}

#[derive(sqlx::FromRow)]
struct LegacyUser {
    telegram_id: i64,
    username: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    quota: i64,
    unlimited: i64,
    today: i64,
    reset: Option<String>,
    total: i64,
    created_at: String,
    updated_at: String,
}

#[derive(sqlx::FromRow)]
struct LegacyUsage {
    telegram_id: i64,
    duration: Option<f64>,
    file_id: String,
    processing: Option<f64>,
    model: Option<String>,
    language: Option<String>,
    length: Option<i64>,
    created_at: String,
    updated_at: String,
    legacy_key: String,
}

enum ReadError {
    Sqlite(sqlx::Error),
    Refused(ImportError),
}

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Reads the whole file before anything is written, so that a journal in use is locked for the writes only.
async fn read(file: &Path) -> Result<Legacy, ReadError> {
    let mut legacy = SqliteConnectOptions::new().filename(file).read_only(true).connect().await?;
    let usage = match revision(&mut legacy).await? {
        Revision::First => USAGE_FIRST,
        Revision::Staged => USAGE_STAGED,
    };
    // One transaction, so that users and usage are of the same moment.
    let mut tx = legacy.begin().await?;
    let users = sqlx::query_as(USERS).fetch_all(&mut *tx).await?;
    let usage: Vec<LegacyUsage> = sqlx::query_as(usage).fetch_all(&mut *tx).await?;
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM usage").fetch_one(&mut *tx).await?;
    tx.rollback().await?;
    legacy.close().await?;
    let orphans = u64::try_from(rows).unwrap_or(0).saturating_sub(usage.len() as u64);
    Ok(Legacy { users, usage, orphans })
}

/// The predecessor's two schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Revision {
    /// With the texts.
    First,
    /// With `updated_at` and the texts' lengths.
    Staged,
}

async fn revision(legacy: &mut SqliteConnection) -> Result<Revision, ReadError> {
    for table in ["alembic_version", "users", "usage"] {
        if columns(legacy, table).await?.is_empty() {
            return Err(ReadError::Refused(ImportError::NotLegacy(table)));
        }
    }
    let usage = columns(legacy, "usage").await?;
    let staged = usage.iter().any(|column| column == "transcription_length");
    let (revision, own) = if staged {
        (Revision::Staged, ["transcription_length", "updated_at"].as_slice())
    } else {
        (Revision::First, ["transcription_text"].as_slice())
    };
    let users = columns(legacy, "users").await?;
    let missing = |present: &[String], table: &str, wanted: &[&str]| {
        let column = wanted.iter().find(|wanted| !present.iter().any(|column| column == *wanted))?;
        Some(ReadError::Refused(ImportError::UnknownRevision(format!("{table}.{column}"))))
    };
    let refused = missing(&users, "users", USER_COLUMNS)
        .or_else(|| missing(&usage, "usage", USAGE_COLUMNS))
        .or_else(|| missing(&usage, "usage", own));
    refused.map_or(Ok(revision), Err)
}

async fn columns(legacy: &mut SqliteConnection, table: &str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT name FROM pragma_table_info(?1)").bind(table).fetch_all(legacy).await
}

const USER_COLUMNS: &[&str] = &[
    "telegram_id",
    "username",
    "first_name",
    "last_name",
    "daily_quota_seconds",
    "is_unlimited",
    "today_usage_seconds",
    "last_reset_date",
    "total_usage_seconds",
    "created_at",
    "updated_at",
];

const USAGE_COLUMNS: &[&str] = &[
    "user_id",
    "voice_duration_seconds",
    "voice_file_id",
    "processing_time_seconds",
    "model_size",
    "language",
    "created_at",
];

// SQLite lets any value into any column: the casts make the types certain before they meet STRICT tables.
const USERS: &str = "SELECT CAST(telegram_id AS INTEGER) AS telegram_id, CAST(username AS TEXT) AS username, \
     CAST(first_name AS TEXT) AS first_name, CAST(last_name AS TEXT) AS last_name, \
     CAST(coalesce(daily_quota_seconds, 60) AS INTEGER) AS quota, CAST(coalesce(is_unlimited, 0) AS INTEGER) AS unlimited, \
     CAST(coalesce(today_usage_seconds, 0) AS INTEGER) AS today, CAST(last_reset_date AS TEXT) AS reset, \
     CAST(coalesce(total_usage_seconds, 0) AS INTEGER) AS total, CAST(created_at AS TEXT) AS created_at, \
     CAST(updated_at AS TEXT) AS updated_at FROM users ORDER BY id";

macro_rules! usage {
    ($length:literal, $updated:literal) => {
        concat!(
            "SELECT CAST(users.telegram_id AS INTEGER) AS telegram_id, CAST(voice_duration_seconds AS REAL) AS duration, \
             CAST(voice_file_id AS TEXT) AS file_id, CAST(processing_time_seconds AS REAL) AS processing, \
             CAST(model_size AS TEXT) AS model, CAST(language AS TEXT) AS language, CAST(",
            $length,
            " AS INTEGER) AS length, CAST(usage.created_at AS TEXT) AS created_at, CAST(",
            $updated,
            " AS TEXT) AS updated_at, usage.id || ' ' || usage.created_at || ' ' || voice_file_id AS legacy_key \
             FROM usage JOIN users ON users.id = usage.user_id ORDER BY usage.id"
        )
    };
}

const USAGE_FIRST: &str = usage!("length(transcription_text)", "usage.created_at");
const USAGE_STAGED: &str = usage!("transcription_length", "usage.updated_at");

const INSERT_USER: &str = "INSERT INTO users (telegram_id, username, first_name, last_name, daily_quota_seconds, \
     is_unlimited, today_usage_seconds, last_reset_date, total_usage_seconds, created_at, updated_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (telegram_id) DO NOTHING";

const INSERT_USAGE: &str = "INSERT INTO usage (user_id, voice_duration_seconds, voice_file_id, \
     processing_time_seconds, model_size, language, transcription_length, created_at, updated_at, legacy_key) \
     SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM users WHERE telegram_id = ?1 \
     ON CONFLICT (legacy_key) DO NOTHING";

/// Rounded as for requests of our own.
const ADD_TO_TOTAL: &str = "UPDATE users SET total_usage_seconds = total_usage_seconds + \
     CAST(round(coalesce(?2, 0)) AS INTEGER) WHERE telegram_id = ?1";

async fn insert_user(tx: &mut SqliteConnection, user: &LegacyUser) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(INSERT_USER)
        .bind(user.telegram_id)
        .bind(&user.username)
        .bind(&user.first_name)
        .bind(&user.last_name)
        .bind(user.quota)
        .bind(user.unlimited)
        .bind(user.today)
        .bind(&user.reset)
        .bind(user.total)
        .bind(&user.created_at)
        .bind(&user.updated_at)
        .execute(tx)
        .await?;
    Ok(done.rows_affected())
}

async fn insert_usage(tx: &mut SqliteConnection, usage: &LegacyUsage) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(INSERT_USAGE)
        .bind(usage.telegram_id)
        .bind(usage.duration)
        .bind(&usage.file_id)
        .bind(usage.processing)
        .bind(&usage.model)
        .bind(&usage.language)
        .bind(usage.length)
        .bind(&usage.created_at)
        .bind(&usage.updated_at)
        .bind(&usage.legacy_key)
        .execute(tx)
        .await?;
    Ok(done.rows_affected())
}
