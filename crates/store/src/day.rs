//! Limits that outlive what they were counted from. `/forget` erases the requests by which a user's audio of the day and
//! places in the queue are counted; what was used is carried over under a keyed hash of the user, until the day is over.

use std::time::Duration;

use sha2::{Digest, Sha256};
use stenobot_domain::{RequestId, Timestamp, UserId};

use super::{Queue, StoreError, seconds, sql};

const DAY: Duration = Duration::from_secs(86_400);

/// How long the places of erased requests count: about as long as they would have waited.
const PLACES_HELD: Duration = Duration::from_secs(600);

/// Telegram gives lengths in whole seconds: a claim that is wrong by less is not false.
const CLAIM_TOLERANCE: f64 = 1.0;

const NEW_KEY: &str = "INSERT INTO spent_keys (day, key) VALUES (?1, randomblob(32)) ON CONFLICT DO NOTHING";

const KEY_OF_DAY: &str = "SELECT key FROM spent_keys WHERE day = ?1";

/// Places that count later than they can were written before the clock was set back.
const SPENT: &str = "SELECT seconds, CASE WHEN places_until > ?3 AND places_until <= ?4 THEN places ELSE 0 END \
     FROM spent WHERE day = ?1 AND person_hash = ?2";

const SPEND: &str = "INSERT INTO spent (day, person_hash, seconds, places, places_until) VALUES (?1, ?2, ?3, ?4, ?5) \
     ON CONFLICT (day, person_hash) DO UPDATE SET seconds = excluded.seconds, places = excluded.places, \
     places_until = excluded.places_until";

/// The rows of `spent` go with their key.
const DROP_OTHER_DAYS: &str = "DELETE FROM spent_keys WHERE day <> ?1";

const MEASURED: &str = "SELECT user_id, telegram_id, coalesce(received_at, ?2), claimed_duration_seconds, \
     coalesce(voice_duration_seconds, 0.0), queued_at IS NOT NULL FROM usage JOIN users ON users.id = usage.user_id WHERE usage.id = ?1";

/// What counts against a user although the requests are erased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Spent {
    /// Audio of the day.
    pub(super) audio: Duration,
    /// Places in the queue.
    pub(super) places: i64,
}

/// What was carried over for a user to the day that `at` lies in.
pub(super) async fn spent(
    tx: &mut sqlx::SqliteConnection,
    user: UserId,
    at: Timestamp,
    now: Timestamp,
) -> Result<Spent, sqlx::Error> {
    let day = at.midnight();
    let key: Option<Vec<u8>> = sqlx::query_scalar(KEY_OF_DAY).bind(day.0).fetch_optional(&mut *tx).await?;
    let Some(key) = key else { return Ok(Spent::default()) };
    let row: Option<(f64, i64)> = sqlx::query_as(SPENT)
        .bind(day.0)
        .bind(hash(&key, user))
        .bind(now.0)
        .bind(now.after(PLACES_HELD).0)
        .fetch_optional(tx)
        .await?;
    Ok(row.map_or_else(Spent::default, |(audio, places)| Spent { audio: seconds(audio), places }))
}

/// Audio that the requests of the user in row `key` came to on the day that `at` lies in.
pub(super) async fn audio_of_day(
    tx: &mut sqlx::SqliteConnection,
    key: i64,
    at: Timestamp,
) -> Result<Duration, sqlx::Error> {
    let (midnight, next) = (at.midnight(), at.midnight().after(DAY));
    let used = sqlx::query_scalar(sql::AUDIO_BETWEEN).bind(key).bind(midnight.0).bind(next.0);
    Ok(seconds(used.fetch_one(tx).await?))
}

/// Carries over what counts against a user, before the requests in row `key` are ended and erased.
pub(super) async fn carry_over(
    tx: &mut sqlx::SqliteConnection,
    key: i64,
    user: UserId,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let before = spent(&mut *tx, user, now, now).await?;
    let waiting: i64 = sqlx::query_scalar(sql::COUNT_WAITING_OF).bind(key).fetch_one(&mut *tx).await?;
    let audio = before.audio + audio_of_day(&mut *tx, key, now).await?;
    let places = before.places + waiting;
    if audio.is_zero() && places == 0 {
        return Ok(());
    }
    let day = now.midnight();
    sqlx::query(NEW_KEY).bind(day.0).execute(&mut *tx).await?;
    let of_day: Vec<u8> = sqlx::query_scalar(KEY_OF_DAY).bind(day.0).fetch_one(&mut *tx).await?;
    sqlx::query(SPEND)
        .bind(day.0)
        .bind(hash(&of_day, user))
        .bind(audio.as_secs_f64())
        .bind(places)
        .bind(now.after(PLACES_HELD).0)
        .execute(tx)
        .await?;
    Ok(())
}

/// Whether a request whose length was just measured takes its user over `per_day`. A claim that was true was held against
/// the limit at admission, and what was in the queue before had its place in the day.
pub(super) async fn is_over(
    tx: &mut sqlx::SqliteConnection,
    id: RequestId,
    per_day: Duration,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let row: (i64, i64, i64, Option<f64>, f64, bool) =
        sqlx::query_as(MEASURED).bind(id.0).bind(now.0).fetch_one(&mut *tx).await?;
    let (key, user, received_at, claimed, measured, was_queued) = row;
    if was_queued || claimed.is_some_and(|claimed| measured <= claimed + CLAIM_TOLERANCE) {
        return Ok(false);
    }
    let at = Timestamp(received_at);
    let erased = spent(&mut *tx, UserId(user), at, now).await?;
    Ok(erased.audio + audio_of_day(tx, key, at).await? > per_day)
}

/// SHA-256 of the key of the day and the id. Once the key is deleted, no id can be compared with it.
fn hash(key: &[u8], user: UserId) -> Vec<u8> {
    Sha256::new().chain_update(key).chain_update(user.0.to_le_bytes()).finalize().to_vec()
}

impl Queue {
    /// Deletes what was carried over for any day but this one, the keys included.
    pub async fn drop_other_days(&self) -> Result<(), StoreError> {
        let today = self.0.clock.now().midnight();
        let dropped = sqlx::query(DROP_OTHER_DAYS).bind(today.0).execute(&self.0.writer).await?.rows_affected();
        if dropped > 0 {
            self.0.erased_in_log();
        }
        Ok(())
    }
}
