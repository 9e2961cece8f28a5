//! Counts and records.

use std::time::Duration;

use sqlx::{FromRow, Row};
use stenobot_domain::{Outcome, StageName, Timestamp};

use super::{DbRow, Statements, rows, seconds};
use crate::{RequestProgress, RequestRecord, StoreError};

pub(in super::super) const COUNTS: &str =
    concat!("SELECT stage, count(*) FROM usage WHERE answered = 0 AND stage IN ", open_stages!(), " GROUP BY stage");

pub(in super::super) const BACKLOG: &str = concat!(
    "SELECT min(received_at), coalesce(sum(coalesce(voice_duration_seconds, claimed_duration_seconds)), 0.0) \
     FROM usage WHERE answered = 0 AND stage IN ",
    waiting_stages!()
);

/// Imported rows, which another engine transcribed, have no `finished_at`. Coalesced rows took no processing time. Stopped ones, which
/// have a reason, took it for a part of their length.
pub(in super::super) const RECENT_RTF: &str = "SELECT sum(processing_time_seconds) / sum(voice_duration_seconds) \
     FROM (SELECT processing_time_seconds, voice_duration_seconds FROM usage WHERE stage = 'done' AND model_size = $1 \
     AND finished_at IS NOT NULL AND joined_to IS NULL AND reason IS NULL \
     AND processing_time_seconds IS NOT NULL AND voice_duration_seconds > 0 \
     ORDER BY finished_at DESC LIMIT 20) AS recent";

/// From one time to the other; nothing when either is missing.
macro_rules! seconds_between {
    ($from:literal, $to:literal) => {
        concat!(
            "CASE WHEN ",
            $to,
            " >= ",
            $from,
            " THEN (",
            $to,
            " - ",
            $from,
            ") * CAST(0.001 AS DOUBLE PRECISION) \
             WHEN ",
            $to,
            " < ",
            $from,
            " THEN CAST(0 AS DOUBLE PRECISION) END"
        )
    };
}

/// Rows of a predecessor have only the time at which they were written. The clock may have been set back meanwhile.
const RECORDS: &str = concat!(
    "SELECT ",
    day!("came"),
    " AS day, user_id, stage, reason, failed_stage, \
     ",
    seconds_between!("received_at", "started_at"),
    " AS wait, ",
    seconds_between!("received_at", "finished_at"),
    " AS end_to_end, \
     processing_time_seconds, voice_duration_seconds, transcription_length, model_size \
     FROM (SELECT *, coalesce(received_at, ",
    millis!("created_at"),
    ", 0) AS came FROM usage) AS request WHERE came >= $1 ORDER BY came, id"
);

impl Statements<'_> {
    /// Open requests by stage.
    pub(crate) async fn count_by_stage(self) -> Result<Vec<(StageName, i64)>, StoreError> {
        let counts: Vec<(String, i64)> = sqlx::query_as(COUNTS).fetch_all(self.0).await?;
        Ok(counts.into_iter().filter_map(|(stage, count)| Some((StageName::parse(&stage)?, count))).collect())
    }

    /// Admission of the oldest waiting request, and the length of all waiting audio.
    pub(crate) async fn backlog(self) -> Result<(Option<Timestamp>, Duration), StoreError> {
        let (oldest, audio): (Option<i64>, f64) = sqlx::query_as(BACKLOG).fetch_one(self.0).await?;
        Ok((oldest.map(Timestamp), seconds(audio)))
    }

    pub(crate) async fn recent_real_time_factor(self, model: &str) -> Result<Option<f64>, StoreError> {
        Ok(sqlx::query_scalar(RECENT_RTF).bind(model).fetch_one(self.0).await?)
    }

    pub(crate) async fn request_records(self, since: Option<Timestamp>) -> Result<Vec<RequestRecord>, StoreError> {
        let records = sqlx::query_as(RECORDS).bind(since.map_or(i64::MIN, |since| since.0));
        Ok(records.fetch_all(self.0).await?)
    }
}

impl FromRow<'_, DbRow> for RequestRecord {
    fn from_row(row: &DbRow) -> Result<Self, sqlx::Error> {
        let progress = match rows::stage(row)? {
            StageName::Done if row.try_get::<Option<&str>, _>("reason")? == Some(Outcome::Stopped.as_str()) => {
                RequestProgress::Stopped
            }
            StageName::Done => RequestProgress::Done,
            StageName::Received
            | StageName::Downloaded
            | StageName::Queued
            | StageName::Transcribing
            | StageName::Transcribed => RequestProgress::Open,
            StageName::Rejected | StageName::Failed | StageName::Cancelled => {
                let failed: Option<&str> = row.try_get("failed_stage")?;
                RequestProgress::Settled(rows::settlement(row)?, failed.and_then(StageName::parse))
            }
        };
        Ok(Self {
            day: row.try_get("day")?,
            sender: row.try_get("user_id")?,
            progress,
            wait_seconds: row.try_get("wait")?,
            end_to_end_seconds: row.try_get("end_to_end")?,
            processing_seconds: row.try_get("processing_time_seconds")?,
            audio_seconds: row.try_get("voice_duration_seconds")?,
            characters: row.try_get("transcription_length")?,
            model: row.try_get("model_size")?,
        })
    }
}
