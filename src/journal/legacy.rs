//! Bringing a predecessor's database along: its people and its usage, without the texts.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

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
    /// Our own side.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Journal {
    /// Copies the predecessor's `users` and `usage` rows, at either of its revisions, into this journal. The file
    /// is only read. Rows that are here already are left alone, so that an import may be repeated.
    pub async fn import_legacy(&self, file: &Path) -> Result<Imported, ImportError> {
        let mut legacy = SqliteConnectOptions::new()
            .filename(file)
            .read_only(true)
            .connect()
            .await
            .map_err(ImportError::Unreadable)?;
        let staged = revision(&mut legacy).await?;
        let imported = self.copy(&mut legacy, staged).await;
        legacy.close().await.map_err(ImportError::Unreadable)?;
        self.changed();
        imported
    }

    async fn copy(&self, legacy: &mut SqliteConnection, staged: Revision) -> Result<Imported, ImportError> {
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(JournalError::from)?;
        let mut imported = Imported { users: 0, usage: 0, known: 0 };
        let users = sqlx::query(USERS).fetch_all(&mut *legacy).await.map_err(ImportError::Unreadable)?;
        for user in users {
            imported.users += insert_user(&mut tx, &user).await.map_err(JournalError::from)?;
        }
        let usage = match staged {
            Revision::First => USAGE_FIRST,
            Revision::Staged => USAGE_STAGED,
        };
        let usage = sqlx::query(usage).fetch_all(&mut *legacy).await.map_err(ImportError::Unreadable)?;
        for row in usage {
            match insert_usage(&mut tx, &row).await.map_err(JournalError::from)? {
                0 => imported.known += 1,
                _ => imported.usage += 1,
            }
        }
        tx.commit().await.map_err(JournalError::from)?;
        Ok(imported)
    }
}

/// The predecessor's two schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Revision {
    /// With the texts.
    First,
    /// With `updated_at` and the texts' lengths.
    Staged,
}

async fn revision(legacy: &mut SqliteConnection) -> Result<Revision, ImportError> {
    for table in ["alembic_version", "users", "usage"] {
        let columns = columns(legacy, table).await.map_err(ImportError::Unreadable)?;
        if columns.is_empty() {
            return Err(ImportError::NotLegacy(table));
        }
    }
    let columns = columns(legacy, "usage").await.map_err(ImportError::Unreadable)?;
    let staged = columns.iter().any(|column| column == "transcription_length");
    Ok(if staged { Revision::Staged } else { Revision::First })
}

async fn columns(legacy: &mut SqliteConnection, table: &str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT name FROM pragma_table_info(?1)").bind(table).fetch_all(legacy).await
}

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

async fn insert_user(tx: &mut SqliteConnection, row: &sqlx::sqlite::SqliteRow) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(INSERT_USER)
        .bind(row.try_get::<i64, _>("telegram_id")?)
        .bind(row.try_get::<Option<String>, _>("username")?)
        .bind(row.try_get::<Option<String>, _>("first_name")?)
        .bind(row.try_get::<Option<String>, _>("last_name")?)
        .bind(row.try_get::<i64, _>("quota")?)
        .bind(row.try_get::<i64, _>("unlimited")?)
        .bind(row.try_get::<i64, _>("today")?)
        .bind(row.try_get::<Option<String>, _>("reset")?)
        .bind(row.try_get::<i64, _>("total")?)
        .bind(row.try_get::<String, _>("created_at")?)
        .bind(row.try_get::<String, _>("updated_at")?)
        .execute(tx)
        .await?;
    Ok(done.rows_affected())
}

async fn insert_usage(tx: &mut SqliteConnection, row: &sqlx::sqlite::SqliteRow) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(INSERT_USAGE)
        .bind(row.try_get::<i64, _>("telegram_id")?)
        .bind(row.try_get::<Option<f64>, _>("duration")?)
        .bind(row.try_get::<String, _>("file_id")?)
        .bind(row.try_get::<Option<f64>, _>("processing")?)
        .bind(row.try_get::<Option<String>, _>("model")?)
        .bind(row.try_get::<Option<String>, _>("language")?)
        .bind(row.try_get::<Option<i64>, _>("length")?)
        .bind(row.try_get::<String, _>("created_at")?)
        .bind(row.try_get::<String, _>("updated_at")?)
        .bind(row.try_get::<String, _>("legacy_key")?)
        .execute(tx)
        .await?;
    Ok(done.rows_affected())
}
