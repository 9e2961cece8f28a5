//! A clock that was set back: times that were written before lie ahead of it, and nothing may wait until it has come to them.

use super::{LEASE, MAX_BACKOFF, Queue, StoreError};

impl Queue {
    /// Brings the times of open requests that lie further ahead than they can back to where they can be: leases, which
    /// whoever is alive renews long before their new end, pauses, and admissions. Gives how many requests that were.
    pub async fn clamp_times(&self) -> Result<u64, StoreError> {
        let now = self.0.clock.now();
        let clamp = sqlx::query(CLAMP).bind(now.0).bind(now.after(LEASE).0).bind(now.after(MAX_BACKOFF).0);
        let clamped = clamp.execute(&self.0.writer).await?.rows_affected();
        if clamped > 0 {
            self.0.changed();
        }
        Ok(clamped)
    }
}

/// SQLite's `min` of NULL is NULL.
pub(super) const CLAMP: &str = "UPDATE usage SET received_at = min(received_at, ?1), lease_until = min(lease_until, ?2), \
     not_before = CASE WHEN not_before > ?3 THEN ?1 ELSE not_before END \
     WHERE answered = 0 AND (received_at > ?1 OR lease_until > ?2 OR not_before > ?3)";
