//! What the operator's statistics are made of: one fact sheet per request, without who, where and what.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions, Connection, FromRow, Row, SqliteConnection};
use stenobot_domain::{StageName, Timestamp};

use super::StoreError;
use super::open::{newest, newest_known};
use super::rows::{Settlement, ended};

/// What is known of one request. Times that a request did not reach, or that a predecessor did not write, are absent.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestFacts {
    /// The day on which it came, in UTC: `2026-11-24`.
    pub day: String,
    /// A number for its sender, the same within one reading only.
    pub sender: i64,
    /// Where it stands.
    pub standing: Standing,
    /// From admission to the start of transcription, in seconds.
    pub wait_seconds: Option<f64>,
    /// From admission to its end, in seconds.
    pub end_to_end_seconds: Option<f64>,
    /// The engine's time, in seconds.
    pub processing_seconds: Option<f64>,
    /// Length of the audio, in seconds.
    pub audio_seconds: Option<f64>,
    /// Characters of the text.
    pub characters: Option<i64>,
    /// Name of the model.
    pub model: Option<String>,
}

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not ended yet.
    UnderWay,
    /// Delivered.
    Done,
    /// Ended otherwise; with the stage in which it was given up.
    Ended(Settlement, Option<StageName>),
}

/// Every request that came at `since` or later, in order of arrival. Reads beside a running bot and writes nothing.
pub async fn request_facts(store: &Path, since: Option<Timestamp>) -> Result<Vec<RequestFacts>, StoreError> {
    let mut connection = read_only(store).await?;
    let facts = sqlx::query_as(FACTS).bind(since.map_or(i64::MIN, |since| since.0)).fetch_all(&mut connection).await?;
    connection.close().await?;
    Ok(facts)
}

/// A connection that cannot write, to a store of exactly this version.
async fn read_only(store: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(store).read_only(true);
    let mut connection = options.connect().await?;
    match newest(&mut connection).await? {
        Some(version) if version == newest_known() => Ok(connection),
        Some(version) if version > newest_known() => Err(StoreError::Migration(format!(
            "a newer version wrote it (schema {version} is unknown here); use that version"
        ))),
        Some(_) | None => {
            Err(StoreError::Migration("it is of an older version; start the bot once, which updates it".into()))
        }
    }
}

// Rows of a predecessor have only the time at which they were written. The clock may have been set back meanwhile.
const FACTS: &str = "SELECT strftime('%Y-%m-%d', came / 1000, 'unixepoch') AS day, user_id, stage, reason, failed_stage, \
     max(started_at - received_at, 0) / 1000.0 AS wait, max(finished_at - received_at, 0) / 1000.0 AS end_to_end, \
     processing_time_seconds, voice_duration_seconds, transcription_length, model_size \
     FROM (SELECT *, coalesce(received_at, CAST(strftime('%s', created_at) AS INTEGER) * 1000, 0) AS came FROM usage) \
     WHERE came >= ?1 ORDER BY came, id";

impl FromRow<'_, SqliteRow> for RequestFacts {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let stage: &str = row.try_get("stage")?;
        let standing = match StageName::parse(stage) {
            Some(StageName::Done) => Standing::Done,
            Some(stage) if !stage.is_terminal() => Standing::UnderWay,
            Some(_) | None => {
                let failed: Option<&str> = row.try_get("failed_stage")?;
                Standing::Ended(ended(row)?, failed.and_then(StageName::parse))
            }
        };
        Ok(Self {
            day: row.try_get("day")?,
            sender: row.try_get("user_id")?,
            standing,
            wait_seconds: row.try_get("wait")?,
            end_to_end_seconds: row.try_get("end_to_end")?,
            processing_seconds: row.try_get("processing_time_seconds")?,
            audio_seconds: row.try_get("voice_duration_seconds")?,
            characters: row.try_get("transcription_length")?,
            model: row.try_get("model_size")?,
        })
    }
}
