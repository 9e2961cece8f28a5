//! Writes that are retried until a transient error has passed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::TryFutureExt;
use futures::future::BoxFuture;
use stenobot_domain::RetryPolicy;
use tokio_util::sync::CancellationToken;

use crate::StoreError;
use crate::database::Database;

/// Between two tries of a write. With jitter: many machines wait for one server.
const RETRIES: RetryPolicy = RetryPolicy::endless(Duration::from_millis(500), Duration::from_secs(2));

/// A transient error of a write that will be tried again.
#[derive(Debug, Clone, Copy)]
pub struct RetriedError<'a> {
    /// The operation, as the end of the sentence "could not ...".
    pub what: &'static str,
    /// Its outcome.
    pub error: &'a StoreError,
    /// Whether an earlier try of the same write failed as well.
    pub is_retry: bool,
}

type ErrorObserver = Arc<dyn Fn(RetriedError<'_>) + Send + Sync>;

/// How long writes are retried, and who is told of their errors.
#[derive(Clone)]
pub(crate) struct Retry {
    /// Cancelled when transient errors are no longer waited out.
    until: CancellationToken,
    on_error: ErrorObserver,
    on_recovery: Arc<dyn Fn() + Send + Sync>,
    /// Number of writes that wait for a transient error to pass.
    waiting: Arc<AtomicUsize>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            until: CancellationToken::new(),
            on_error: Arc::new(|_| {}),
            on_recovery: Arc::new(|| {}),
            waiting: Arc::default(),
        }
    }
}

impl fmt::Debug for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").field("until", &self.until).field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

/// Counts a write that waits, until it is dropped.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Database {
    pub(crate) fn retrying_until(
        mut self,
        until: CancellationToken,
        on_error: impl Fn(RetriedError<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.retry = Retry { until, on_error: Arc::new(on_error), ..self.retry };
        self
    }

    pub(crate) fn reporting_recovery(mut self, on_recovery: impl Fn() + Send + Sync + 'static) -> Self {
        self.retry.on_recovery = Arc::new(on_recovery);
        self
    }

    pub(crate) fn has_retrying_writes(&self) -> bool {
        self.retry.waiting.load(Ordering::Relaxed) > 0
    }

    /// Runs a write once. A connection that was opened while the file could only be read, or leads to a standby, can never
    /// write: after such an error the next write gets a new one.
    ///
    /// Boxed: the futures of whole requests hold this one, and the compiler's depth has a limit.
    pub(crate) fn noting<'a, T>(
        &'a self,
        write: impl Future<Output = Result<T, StoreError>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        let write = write.inspect_err(|error| {
            if matches!(error, StoreError::ReadOnly | StoreError::Standby) {
                self.connections.renew_writer();
            }
        });
        Box::pin(write)
    }

    /// Runs a write for a request that is held, until it succeeds or fails for good, or until retries end: to give up at a
    /// transient error would throw work away, or send again what has been sent.
    pub(crate) async fn retrying<T, F: Future<Output = Result<T, StoreError>> + Send>(
        &self,
        what: &'static str,
        mut write: impl FnMut() -> F,
    ) -> Result<T, StoreError> {
        let (mut waiting, mut failures) = (None, 0);
        loop {
            match self.noting(write()).await {
                Err(error) if error.is_transient() => {
                    (self.retry.on_error)(RetriedError { what, error: &error, is_retry: waiting.is_some() });
                    waiting.get_or_insert_with(|| Waiting::new(&self.retry.waiting));
                    failures += 1;
                    let pause = tokio::time::sleep(RETRIES.pause_after(failures));
                    if self.retry.until.run_until_cancelled(pause).await.is_none() {
                        return Err(error);
                    }
                }
                outcome => {
                    // Ends the count of this one.
                    let has_waited = waiting.take().is_some();
                    if has_waited && outcome.is_ok() && !self.has_retrying_writes() {
                        (self.retry.on_recovery)();
                    }
                    return outcome;
                }
            }
        }
    }
}
