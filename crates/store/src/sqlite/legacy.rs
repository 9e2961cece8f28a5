//! Import of a predecessor's database: its users and its usage, without the texts.

use std::collections::HashMap;
use std::path::Path;

use futures::TryStreamExt;
use sqlx::{Connection, SqliteConnection};

use super::foreign::{self, Refused};
use super::{Connections, Transaction};
use crate::StoreError;

/// Most users: their ids are held in memory.
const MAX_USERS: u32 = 1_000_000;
/// Longest value in bytes; names, ids and dates have a few hundred.
const MAX_VALUE_BYTES: u32 = 4096;
/// Longest transcript in bytes, of which the length is taken over: hours of speech.
const MAX_TEXT_BYTES: u32 = 4 << 20;

/// Outcome of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// Users who were not known before.
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
    /// No such file, no SQLite database, or one that is not safe to read.
    #[error("the file cannot be used: {0}")]
    Unreadable(String),
    /// It is not the predecessor's.
    #[error("the file is no database of the predecessor: it has no {0} table")]
    NotLegacy(&'static str),
    /// It is the predecessor's, but later than the revisions that are known here.
    #[error("the file is of a revision that cannot be imported: it has no column {0}")]
    UnknownRevision(String),
    /// The store is not an SQLite file.
    #[error(
        "the store is in PostgreSQL: import the predecessor's file into an SQLite store first, and bring that along with \
         `stenobot migrate`"
    )]
    NotSqlite,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Refused> for ImportError {
    fn from(Refused(why): Refused) -> Self {
        Self::Unreadable(why)
    }
}

/// See [`Store::import_legacy`](crate::Store::import_legacy).
pub(crate) async fn import(into: &Connections, file: &Path) -> Result<Imported, ImportError> {
    let mut legacy = foreign::open(file, false).await?;
    // One transaction, so that what is checked is what is copied, users and usage of the same moment.
    let mut from = legacy.begin().await.map_err(Refused::from)?;
    let revision = revision(&mut from).await?;
    let mut tx = into.begin().await?;
    let imported = copy(&mut from, revision, &mut tx).await?;
    tx.commit().await?;
    from.rollback().await.map_err(Refused::from)?;
    legacy.close().await.map_err(Refused::from)?;
    Ok(imported)
}

async fn copy(
    legacy: &mut SqliteConnection,
    revision: Revision,
    Transaction(tx): &mut Transaction,
) -> Result<Imported, ImportError> {
    let mut imported = Imported { users: 0, usage: 0, known: 0, orphans: 0 };
    let mut users: HashMap<i64, ImportedUser> = HashMap::new();
    let mut rows = sqlx::query_as::<_, LegacyUser>(USERS).fetch(&mut *legacy);
    while let Some(user) = rows.try_next().await.map_err(Refused::from)? {
        let is_new = insert_user(tx, &user).await.map_err(StoreError::from)? == 1;
        imported.users += u64::from(is_new);
        users.insert(user.id, ImportedUser { telegram_id: user.telegram_id, is_new });
    }
    drop(rows);
    let usage = match revision {
        Revision::First => USAGE_FIRST,
        Revision::Staged => USAGE_STAGED,
    };
    let mut rows = sqlx::query_as::<_, LegacyUsage>(usage).fetch(&mut *legacy);
    while let Some(usage) = rows.try_next().await.map_err(Refused::from)? {
        let Some(user) = usage.user_id.and_then(|id| users.get(&id)) else {
            imported.orphans += 1;
            continue;
        };
        if insert_usage(tx, user.telegram_id, &usage).await.map_err(StoreError::from)? == 0 {
            imported.known += 1;
            continue;
        }
        imported.usage += 1;
        if !user.is_new {
            let add = sqlx::query(ADD_TO_TOTAL).bind(user.telegram_id).bind(usage.duration);
            add.execute(&mut **tx).await.map_err(StoreError::from)?;
        }
    }
    Ok(imported)
}

/// A user of the file.
struct ImportedUser {
    telegram_id: i64,
    /// Whether the store did not know it before.
    is_new: bool,
}

#[derive(sqlx::FromRow)]
struct LegacyUser {
    id: i64,
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
    user_id: Option<i64>,
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

/// The predecessor's two schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Revision {
    /// With the texts.
    First,
    /// With `updated_at` and the texts' lengths.
    Staged,
}

/// Revision of the file, after a check that all that will be read of it is within the limits.
async fn revision(legacy: &mut SqliteConnection) -> Result<Revision, ImportError> {
    for table in ["alembic_version", "users", "usage"] {
        if foreign::real_table(legacy, table).await?.is_none() {
            return Err(ImportError::NotLegacy(table));
        }
    }
    let usage = foreign::columns(legacy, "usage").await?;
    let staged = usage.iter().any(|column| column == "transcription_length");
    let (revision, own) = if staged {
        (Revision::Staged, ["transcription_length", "updated_at"].as_slice())
    } else {
        (Revision::First, ["transcription_text"].as_slice())
    };
    let users = foreign::columns(legacy, "users").await?;
    let missing = |present: &[String], table: &str, wanted: &[&str]| {
        let column = wanted.iter().find(|wanted| !present.iter().any(|column| column == *wanted))?;
        Some(ImportError::UnknownRevision(format!("{table}.{column}")))
    };
    let refused = missing(&users, "users", USER_COLUMNS)
        .or_else(|| missing(&usage, "usage", USAGE_COLUMNS))
        .or_else(|| missing(&usage, "usage", own));
    if let Some(refused) = refused {
        return Err(refused);
    }
    foreign::check_sizes(legacy, "users", USER_COLUMNS, MAX_USERS, MAX_VALUE_BYTES).await?;
    foreign::check_sizes(legacy, "usage", USAGE_COLUMNS, foreign::MAX_ROWS, MAX_VALUE_BYTES).await?;
    foreign::check_sizes(legacy, "usage", own, foreign::MAX_ROWS, MAX_TEXT_BYTES).await?;
    Ok(revision)
}

const USER_COLUMNS: &[&str] = &[
    "id",
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
    "id",
    "user_id",
    "voice_duration_seconds",
    "voice_file_id",
    "processing_time_seconds",
    "model_size",
    "language",
    "created_at",
];

// SQLite accepts any value in any column: the casts make the types certain before they meet STRICT tables.
const USERS: &str = "SELECT CAST(id AS INTEGER) AS id, CAST(telegram_id AS INTEGER) AS telegram_id, CAST(username AS TEXT) AS username, \
     CAST(first_name AS TEXT) AS first_name, CAST(last_name AS TEXT) AS last_name, \
     CAST(coalesce(daily_quota_seconds, 60) AS INTEGER) AS quota, CAST(coalesce(is_unlimited, 0) AS INTEGER) AS unlimited, \
     CAST(coalesce(today_usage_seconds, 0) AS INTEGER) AS today, CAST(last_reset_date AS TEXT) AS reset, \
     CAST(coalesce(total_usage_seconds, 0) AS INTEGER) AS total, CAST(created_at AS TEXT) AS created_at, \
     CAST(updated_at AS TEXT) AS updated_at FROM users NOT INDEXED";

macro_rules! usage {
    ($length:literal, $updated:literal) => {
        concat!(
            "SELECT CAST(user_id AS INTEGER) AS user_id, CAST(voice_duration_seconds AS REAL) AS duration, \
             CAST(voice_file_id AS TEXT) AS file_id, CAST(processing_time_seconds AS REAL) AS processing, \
             CAST(model_size AS TEXT) AS model, CAST(language AS TEXT) AS language, CAST(",
            $length,
            " AS INTEGER) AS length, CAST(created_at AS TEXT) AS created_at, CAST(",
            $updated,
            " AS TEXT) AS updated_at, id || ' ' || created_at || ' ' || voice_file_id AS legacy_key \
             FROM usage NOT INDEXED"
        )
    };
}

const USAGE_FIRST: &str = usage!("length(transcription_text)", "created_at");
const USAGE_STAGED: &str = usage!("transcription_length", "updated_at");

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

async fn insert_usage(tx: &mut SqliteConnection, telegram_id: i64, usage: &LegacyUsage) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(INSERT_USAGE)
        .bind(telegram_id)
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
