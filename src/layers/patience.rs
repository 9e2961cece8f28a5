//! Retries that wait as long as the other side demands, else with growing pauses.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tower::retry::Policy;

/// What an error says about another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// There is no point.
    Never,
    /// The other side named a time, and it is law.
    Exactly(Duration),
    /// Worth another try after the pause that [`Patience`] has come to.
    Backoff,
}

/// A tower retry policy. Pauses double from `first` up to `longest`; after `tries` pauses of its own choice it
/// gives up. Waits that the other side demands are not counted.
#[derive(Debug, Clone)]
pub(crate) struct Patience<F> {
    tries: Option<u32>,
    pause: Duration,
    longest: Duration,
    judge: F,
}

impl<F> Patience<F> {
    /// Gives up after `tries` pauses.
    pub(crate) fn bounded(tries: u32, first: Duration, longest: Duration, judge: F) -> Self {
        Self { tries: Some(tries), pause: first, longest, judge }
    }

    /// Goes on for as long as its caller waits.
    pub(crate) fn endless(first: Duration, longest: Duration, judge: F) -> Self {
        Self { tries: None, pause: first, longest, judge }
    }
}

impl<R: Clone, T, E, F: Fn(&E) -> Wait> Policy<R, T, E> for Patience<F> {
    type Future = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn retry(&mut self, _request: &mut R, result: &mut Result<T, E>) -> Option<Self::Future> {
        let error = result.as_ref().err()?;
        let pause = match (self.judge)(error) {
            Wait::Never => return None,
            Wait::Exactly(pause) => pause,
            Wait::Backoff => {
                if let Some(tries) = &mut self.tries {
                    *tries = tries.checked_sub(1)?;
                }
                let pause = self.pause;
                self.pause = (pause * 2).min(self.longest);
                pause
            }
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

    fn judge(error: &BoxError) -> Wait {
        match error.to_string().as_str() {
            "no" => Wait::Never,
            "later" => Wait::Exactly(Duration::from_secs(30)),
            _ => Wait::Backoff,
        }
    }

    /// Seconds after the start at which each try came, and how it ended.
    async fn tries(policy: Patience<fn(&BoxError) -> Wait>, answers: &'static [&'static str]) -> (Vec<u64>, bool) {
        let (service, mut mock) = mock::pair::<(), ()>();
        let mut service = RetryLayer::new(policy).layer(service);
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
    async fn a_demanded_wait_is_kept_to_the_second() {
        let policy = Patience::bounded(1, Duration::from_secs(1), Duration::from_secs(8), judge as _);
        assert_eq!(tries(policy, &["later", "later", "ok"]).await, (vec![0, 30, 60], true));
    }

    #[tokio::test(start_paused = true)]
    async fn own_pauses_double_and_end() {
        let policy = Patience::bounded(3, Duration::from_secs(1), Duration::from_secs(8), judge as _);
        assert_eq!(tries(policy, &["5xx", "5xx", "5xx", "5xx", "ok"]).await, (vec![0, 1, 3, 7], false));
    }

    #[tokio::test(start_paused = true)]
    async fn endless_patience_reaches_its_longest_pause() {
        let policy = Patience::endless(Duration::from_secs(1), Duration::from_secs(4), judge as _);
        assert_eq!(tries(policy, &["5xx", "5xx", "5xx", "5xx", "5xx", "ok"]).await, (vec![0, 1, 3, 7, 11, 15], true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_final_no_is_not_asked_again() {
        let policy = Patience::endless(Duration::from_secs(1), Duration::from_secs(4), judge as _);
        assert_eq!(tries(policy, &["no", "ok"]).await, (vec![0], false));
    }
}
