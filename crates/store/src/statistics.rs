//! Counts for the gauges, and one anonymous record per request for reports: without names, chats and texts.

use std::time::Duration;

use stenobot_domain::{StageName, Timestamp};

use crate::database::Database;
use crate::{Settlement, StoreError};

/// Counts and times for gauges and reports.
#[derive(Debug, Clone)]
pub struct Statistics(pub(crate) Database);

/// Counts for the gauges.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Open requests by stage; stages without any are absent.
    pub counts: Vec<(StageName, i64)>,
    /// Admission of the oldest waiting request.
    pub oldest: Option<Timestamp>,
    /// Length of all waiting audio, measured or claimed.
    pub audio: Duration,
}

impl Snapshot {
    /// Requests in this stage.
    pub fn count(&self, stage: StageName) -> i64 {
        self.counts.iter().find(|(name, _)| *name == stage).map_or(0, |(_, count)| *count)
    }
}

/// Facts about one request. Times that a request did not reach, or that a predecessor did not write, are absent.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestRecord {
    /// Day of the admission, in UTC: `2026-11-24`.
    pub day: String,
    /// A number for its sender, stable within one query only.
    pub sender: i64,
    /// How far it has come.
    pub progress: RequestProgress,
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
pub enum RequestProgress {
    /// Not ended yet.
    Open,
    /// Delivered.
    Done,
    /// Ended by its sender with the text that was there, which was delivered.
    Stopped,
    /// Ended otherwise; with the stage in which it was given up.
    Settled(Settlement, Option<StageName>),
}

impl Statistics {
    /// Counts for the gauges.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let mut connection = self.0.connections.read().await?;
        let counts = connection.sql().count_by_stage().await?;
        let (oldest, audio) = connection.sql().backlog().await?;
        Ok(Snapshot { counts, oldest, audio })
    }

    /// Processing time over audio time of the latest finished requests with this model; `None` without any.
    pub async fn recent_real_time_factor(&self, model: &str) -> Result<Option<f64>, StoreError> {
        self.0.connections.read().await?.sql().recent_real_time_factor(model).await
    }

    /// Every request that was admitted at `since` or later, in order of admission.
    pub async fn request_records(&self, since: Option<Timestamp>) -> Result<Vec<RequestRecord>, StoreError> {
        self.0.connections.read().await?.sql().request_records(since).await
    }
}
