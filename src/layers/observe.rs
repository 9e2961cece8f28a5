//! Times every call of a stage's stack, whatever comes of it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::Instant;
use tower::{Layer, Service};

use crate::metrics::{self, Work};

/// Records `stage_duration_seconds` of the stack below it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ObserveLayer {
    work: Work,
}

impl ObserveLayer {
    /// For the stack that does this work.
    pub(crate) fn new(work: Work) -> Self {
        Self { work }
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { work: self.work, inner }
    }
}

/// See [`ObserveLayer`].
#[derive(Debug, Clone)]
pub(crate) struct Observe<S> {
    work: Work,
    inner: S,
}

impl<S, R> Service<R> for Observe<S>
where
    S: Service<R, Future: Send + 'static, Response: 'static, Error: 'static>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let work = self.work;
        let started = Instant::now();
        let call = self.inner.call(request);
        Box::pin(async move {
            let outcome = call.await;
            metrics::work_took(work, started.elapsed());
            outcome
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tower::ServiceExt as _;
    use tower_test::mock;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_time_of_a_failed_call_counts_too() {
        let recorder = metrics::recorder().unwrap();
        let handle = recorder.handle();
        let (service, mut mock) = mock::pair::<(), ()>();
        let mut service = ObserveLayer::new(Work::Admission).layer(service);
        let call = service.ready().await.unwrap().call(());
        let (_, reply) = mock.next_request().await.unwrap();
        tokio::time::advance(Duration::from_secs(3)).await;
        reply.send_error("no");
        let guard = ::metrics::set_default_local_recorder(&recorder);
        assert!(call.await.is_err());
        drop(guard);
        let page = handle.render();
        assert!(page.contains("stenobot_stage_duration_seconds_sum{stage=\"admission\"} 3"), "{page}");
        assert!(!page.contains("received"), "admissions are not downloads: {page}");
    }
}
