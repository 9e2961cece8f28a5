//! Opening the store at start. In a cluster, machines may start before their database: it is waited for.

use std::time::Duration;

use stenobot_domain::{Clock, RetryPolicy};
use stenobot_store::{Store, StoreError};
use tokio::time::{Instant, sleep};

use crate::config::Storage;

/// How long a server is waited for. A service manager that starts the process again does so after that.
const MAX_WAIT: Duration = Duration::from_secs(60);

const RETRIES: RetryPolicy = RetryPolicy::endless(Duration::from_millis(500), Duration::from_secs(5));

/// Opens the store. A server that cannot be used now is waited for; a file of this machine is not.
///
/// # Errors
/// The store cannot be used, or not within [`MAX_WAIT`].
pub(super) async fn open(storage: &Storage, clock: Clock) -> Result<Store, StoreError> {
    let open = || Store::open(&storage.database, clock.clone());
    if storage.is_shared() { retry_transient(open).await } else { open().await }
}

async fn retry_transient<T>(open: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let end = Instant::now() + MAX_WAIT;
    let (mut backoff, mut is_logged) = (RETRIES.backoff(), false);
    loop {
        let error = match open().await {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        let pause = backoff.next_pause().filter(|pause| error.is_transient() && Instant::now() + *pause < end);
        let Some(pause) = pause else { return Err(error) };
        if !std::mem::replace(&mut is_logged, true) {
            tracing::warn!(%error, limit_seconds = MAX_WAIT.as_secs(), "waiting for the store");
        }
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn gone() -> StoreError {
        StoreError::Unreachable("gone".into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_comes_within_the_time_is_used() {
        let start = Instant::now();
        let opened = retry_transient(async || if start.elapsed() < MAX_WAIT / 2 { Err(gone()) } else { Ok("open") });
        assert_eq!(opened.await.unwrap(), "open");
        assert!(start.elapsed() < MAX_WAIT / 2 + Duration::from_secs(6));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_stays_away_is_an_error_in_the_end() {
        let start = Instant::now();
        let error = retry_transient(async || Err::<(), _>(gone())).await.unwrap_err();
        assert_eq!(error.kind(), "unreachable");
        assert!((MAX_WAIT - Duration::from_secs(5)..=MAX_WAIT).contains(&start.elapsed()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_pass_by_itself_is_not_waited_for() {
        let asked = Cell::new(0);
        let opened = retry_transient(async || {
            asked.set(asked.get() + 1);
            Err::<(), _>(StoreError::Broken("no such database".into()))
        });
        assert!(opened.await.is_err());
        assert_eq!(asked.get(), 1);
    }
}
