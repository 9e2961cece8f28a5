//! Retries of a tower service: pauses that the other side requests are kept exactly, others follow a [`RetryPolicy`].

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use stenobot_domain::{Backoff, RetryPolicy};
use stenobot_telegram::Disposition;
use tower::retry::Policy;

/// What an error means for the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextTry {
    /// The error is final.
    Never,
    /// After exactly this pause, which does not count as a retry.
    ServerRequested(Duration),
    /// After the next pause of the policy.
    AfterBackoff,
}

impl From<Disposition> for NextTry {
    fn from(disposition: Disposition) -> Self {
        match disposition {
            Disposition::ServerRequested(pause) => Self::ServerRequested(pause),
            Disposition::Retry { .. } | Disposition::OperatorNeeded { .. } => Self::AfterBackoff,
            Disposition::ChatMoved(_)
            | Disposition::ChatUnreachable(_)
            | Disposition::MessageGone
            | Disposition::Final => Self::Never,
        }
    }
}

/// A tower retry policy.
#[derive(Debug, Clone)]
pub(crate) struct Retry<F> {
    backoff: Backoff,
    classify: F,
}

impl<F> Retry<F> {
    pub(crate) fn new(policy: RetryPolicy, classify: F) -> Self {
        Self { backoff: policy.backoff(), classify }
    }
}

impl<R: Clone, T, E, F: Fn(&E) -> NextTry> Policy<R, T, E> for Retry<F> {
    type Future = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn retry(&mut self, _request: &mut R, result: &mut Result<T, E>) -> Option<Self::Future> {
        let error = result.as_ref().err()?;
        let pause = match (self.classify)(error) {
            NextTry::Never => return None,
            NextTry::ServerRequested(pause) => pause,
            NextTry::AfterBackoff => self.backoff.next_pause()?,
        };
        Some(Box::pin(tokio::time::sleep(pause)))
    }

    fn clone_request(&mut self, request: &R) -> Option<R> {
        Some(request.clone())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;
    use tower::retry::RetryLayer;
    use tower::{BoxError, Layer, Service as _, ServiceExt as _};
    use tower_test::mock;

    use super::*;

    fn classify(error: &BoxError) -> NextTry {
        match error.to_string().as_str() {
            "no" => NextTry::Never,
            "later" => NextTry::ServerRequested(Duration::from_secs(30)),
            _ => NextTry::AfterBackoff,
        }
    }

    /// Seconds after the start at which each try came, and how it ended.
    async fn tries(policy: RetryPolicy, answers: &'static [&'static str]) -> (Vec<u64>, bool) {
        let (service, mut mock) = mock::pair::<(), ()>();
        let mut service = RetryLayer::new(Retry::new(policy.without_jitter(), classify)).layer(service);
        let start = Instant::now();
        let server = tokio::spawn(async move {
            let mut times = Vec::new();
            for answer in answers {
                let Some((_, reply)) = mock.next_request().await else { break };
                times.push(start.elapsed().as_secs());
                if *answer == "ok" { reply.send_response(()) } else { reply.send_error(*answer) }
            }
            times
        });
        let outcome = service.ready().await.unwrap().call(()).await;
        drop(service);
        (server.await.unwrap(), outcome.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_requested_pause_is_kept_exactly_and_not_counted() {
        let policy = RetryPolicy::bounded(1, Duration::from_secs(1), Duration::from_secs(8));
        assert_eq!(tries(policy, &["later", "later", "ok"]).await, (vec![0, 30, 60], true));
    }

    #[tokio::test(start_paused = true)]
    async fn own_pauses_double_and_end_after_the_last_retry() {
        let policy = RetryPolicy::bounded(3, Duration::from_secs(1), Duration::from_secs(8));
        assert_eq!(tries(policy, &["5xx", "5xx", "5xx", "5xx", "ok"]).await, (vec![0, 1, 3, 7], false));
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_policy_reaches_its_maximum_pause() {
        let policy = RetryPolicy::endless(Duration::from_secs(1), Duration::from_secs(4));
        assert_eq!(tries(policy, &["5xx", "5xx", "5xx", "5xx", "5xx", "ok"]).await, (vec![0, 1, 3, 7, 11, 15], true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_final_error_is_not_retried() {
        let policy = RetryPolicy::endless(Duration::from_secs(1), Duration::from_secs(4));
        assert_eq!(tries(policy, &["no", "ok"]).await, (vec![0], false));
    }
}
