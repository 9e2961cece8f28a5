//! Gives each job the deadline that fits its length. The deadline is *handed down* rather than raced: only the
//! engine can stop native code, and a dropped future would free the slot while the code runs on.

use std::task::{Context, Poll};
use std::time::Duration;

use tower::{Layer, Service};

/// A machine may be busy.
const MIN_DEADLINE: Duration = Duration::from_secs(60);
/// Deadline over expected duration.
const SLACK: f64 = 3.0;

/// The deadline of a transcription: three times what this machine is expected to need, at least a minute, at most `cap`.
pub(crate) fn deadline_of(length: Duration, real_time_factor: f64, cap: Duration) -> Duration {
    let expected = Duration::try_from_secs_f64(length.as_secs_f64() * real_time_factor * SLACK).unwrap_or(cap);
    expected.max(MIN_DEADLINE).min(cap)
}

/// A job that can be given a deadline.
pub(crate) trait Deadlined {
    /// The job once it has one.
    type Bound;

    /// The job with the deadline that fits it, never above `cap`.
    fn bind(self, cap: Duration) -> Self::Bound;
}

/// Binds each job to its deadline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeadlineLayer<C> {
    cap: C,
}

impl<C: Fn() -> Duration + Clone> DeadlineLayer<C> {
    /// No deadline is longer than `cap` says at its start: the limit may change while the service runs.
    pub(crate) fn new(cap: C) -> Self {
        Self { cap }
    }
}

impl<S, C: Clone> Layer<S> for DeadlineLayer<C> {
    type Service = Deadline<S, C>;

    fn layer(&self, inner: S) -> Deadline<S, C> {
        Deadline { cap: self.cap.clone(), inner }
    }
}

/// See [`DeadlineLayer`].
#[derive(Debug, Clone)]
pub(crate) struct Deadline<S, C> {
    cap: C,
    inner: S,
}

impl<S, C, R> Service<R> for Deadline<S, C>
where
    R: Deadlined,
    S: Service<R::Bound>,
    C: Fn() -> Duration,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.inner.call(request.bind((self.cap)()))
    }
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;
    use tower_test::mock;

    use super::*;

    struct Job(Duration);

    impl Deadlined for Job {
        type Bound = Duration;

        fn bind(self, cap: Duration) -> Duration {
            deadline_of(self.0, 0.5, cap)
        }
    }

    #[tokio::test]
    async fn every_job_below_has_its_deadline() {
        let (service, mut mock) = mock::pair::<Duration, ()>();
        let mut service = DeadlineLayer::new(|| Duration::from_secs(120)).layer(service);
        for (length, deadline) in [(10, 60), (60, 90), (600, 120)] {
            let call = ServiceExt::<Job>::ready(&mut service).await.unwrap().call(Job(Duration::from_secs(length)));
            let (bound, reply) = mock.next_request().await.unwrap();
            assert_eq!(bound, Duration::from_secs(deadline));
            reply.send_response(());
            call.await.unwrap();
        }
    }

    #[test]
    fn an_invalid_factor_gives_the_cap() {
        let cap = Duration::from_secs(120);
        for factor in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            assert!(deadline_of(Duration::from_secs(60), factor, cap) <= cap);
        }
    }
}
