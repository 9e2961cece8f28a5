//! Daily usage, and what of it is carried over for erased users.

use std::time::Duration;

use sqlx::Row;
use stenobot_domain::{RequestId, Timestamp, UserId};

use super::{Statements, rows, seconds};
use crate::StoreError;
use crate::queue::daily_usage::{MeasuredRequest, Usage};

/// What was cancelled before the engine took it does not count.
pub(in super::super) const AUDIO_BETWEEN: &str = "SELECT \
     CAST(coalesce(sum(coalesce(voice_duration_seconds, claimed_duration_seconds)), 0) AS DOUBLE PRECISION) \
     FROM usage WHERE user_id = $1 AND received_at >= $2 AND received_at < $3 AND stage <> 'rejected' \
     AND NOT (stage = 'cancelled' AND started_at IS NULL)";

const NEW_KEY: &str =
    concat!("INSERT INTO spent_keys (day, key) VALUES ($1, ", random_key!(), ") ON CONFLICT DO NOTHING");

const KEY_OF_DAY: &str = "SELECT key FROM spent_keys WHERE day = $1";

/// Positions that count later than they can were written before the clock was set back.
const CARRIED: &str = "SELECT seconds, CASE WHEN places_until > $3 AND places_until <= $4 THEN places ELSE 0 END \
     FROM spent WHERE day = $1 AND person_hash = $2";

const CARRY: &str = "INSERT INTO spent (day, person_hash, seconds, places, places_until) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (day, person_hash) DO UPDATE SET seconds = excluded.seconds, places = excluded.places, \
     places_until = excluded.places_until";

/// The rows of `spent` go with their key.
const DROP_OTHER_DAYS: &str = "DELETE FROM spent_keys WHERE day <> $1";

/// Holds the user's row, so that of two requests of a user whose lengths are measured at once only one takes what is left of
/// the day.
const MEASURED: &str = concat!(
    "SELECT user_id, telegram_id, coalesce(received_at, $2) AS received_at, \
     claimed_duration_seconds, voice_duration_seconds, queued_at IS NOT NULL AS was_queued \
     FROM usage JOIN users ON users.id = usage.user_id WHERE usage.id = $1",
    locked!("users")
);

impl Statements<'_> {
    pub(crate) async fn audio_between(
        self,
        user_key: i64,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Duration, StoreError> {
        let used = sqlx::query_scalar(AUDIO_BETWEEN).bind(user_key).bind(from.0).bind(to.0);
        Ok(seconds(used.fetch_one(self.0).await?))
    }

    pub(crate) async fn key_of_day(self, day: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(sqlx::query_scalar(KEY_OF_DAY).bind(day.0).fetch_optional(self.0).await?)
    }

    /// The key of a day, drawn at random if there is none yet.
    pub(crate) async fn make_key_of_day(self, day: Timestamp) -> Result<Vec<u8>, StoreError> {
        sqlx::query(NEW_KEY).bind(day.0).execute(&mut *self.0).await?;
        Ok(sqlx::query_scalar(KEY_OF_DAY).bind(day.0).fetch_one(self.0).await?)
    }

    /// Positions count until a time after `now`, and `latest` at most.
    pub(crate) async fn carried_usage(
        self,
        day: Timestamp,
        hash: &[u8],
        now: Timestamp,
        latest: Timestamp,
    ) -> Result<Usage, StoreError> {
        let carried = sqlx::query_as(CARRIED).bind(day.0).bind(hash).bind(now.0).bind(latest.0);
        let row: Option<(f64, i64)> = carried.fetch_optional(self.0).await?;
        Ok(row.map_or_else(Usage::default, |(audio, positions)| Usage { audio: seconds(audio), positions }))
    }

    pub(crate) async fn carry_usage(
        self,
        day: Timestamp,
        hash: &[u8],
        usage: Usage,
        positions_until: Timestamp,
    ) -> Result<(), StoreError> {
        let carry = sqlx::query(CARRY).bind(day.0).bind(hash).bind(usage.audio.as_secs_f64());
        self.execute(carry.bind(usage.positions).bind(positions_until.0)).await.map(drop)
    }

    pub(crate) async fn drop_other_days(self, day: Timestamp) -> Result<u64, StoreError> {
        self.execute(sqlx::query(DROP_OTHER_DAYS).bind(day.0)).await
    }

    pub(crate) async fn measured_request(self, id: RequestId, now: Timestamp) -> Result<MeasuredRequest, StoreError> {
        let row = sqlx::query(MEASURED).bind(id.0).bind(now.0).fetch_one(self.0).await?;
        Ok(MeasuredRequest {
            user_key: row.try_get("user_id")?,
            user: UserId(row.try_get("telegram_id")?),
            received_at: Timestamp(row.try_get("received_at")?),
            claimed: rows::duration(&row, "claimed_duration_seconds")?,
            measured: rows::duration(&row, "voice_duration_seconds")?.unwrap_or_default(),
            was_queued: row.try_get("was_queued")?,
        })
    }
}
