//! A time limit with a typed error: tower's own timeout turns every error of the service into a boxed one.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tower::{Layer, Service};

/// Drops a call that takes longer than `limit`, and gives the error that `elapsed` makes.
#[derive(Debug, Clone)]
pub(crate) struct TimeoutLayer<F> {
    limit: Duration,
    elapsed: F,
}

impl<F> TimeoutLayer<F> {
    pub(crate) fn new(limit: Duration, elapsed: F) -> Self {
        Self { limit, elapsed }
    }
}

impl<S, F: Clone> Layer<S> for TimeoutLayer<F> {
    type Service = Timeout<S, F>;

    fn layer(&self, inner: S) -> Timeout<S, F> {
        Timeout { limit: self.limit, elapsed: self.elapsed.clone(), inner }
    }
}

/// See [`TimeoutLayer`].
#[derive(Debug, Clone)]
pub(crate) struct Timeout<S, F> {
    limit: Duration,
    elapsed: F,
    inner: S,
}

impl<S, R, F> Service<R> for Timeout<S, F>
where
    S: Service<R>,
    S::Future: Send + 'static,
    F: Fn() -> S::Error + Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (work, limit, elapsed) = (self.inner.call(request), self.limit, self.elapsed.clone());
        Box::pin(async move { tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(elapsed())) })
    }
}

#[cfg(test)]
mod tests {
    use tower::{ServiceBuilder, ServiceExt, service_fn};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_over_the_limit_gives_the_typed_error() {
        let limit = TimeoutLayer::new(Duration::from_secs(5), || "too long");
        let work = |seconds| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok::<_, &str>(seconds)
        };
        let service = ServiceBuilder::new().layer(limit).service(service_fn(work));
        assert_eq!(service.clone().oneshot(4).await, Ok(4));
        assert_eq!(service.oneshot(6).await, Err("too long"));
    }
}
