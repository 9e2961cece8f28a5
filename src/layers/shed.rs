//! Rejects calls while the queue is full. The depth is read from the store: a counter in this process would be wrong after a
//! restart and beside a second machine.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tower::{Layer, Service};

/// Source of the queue's depth.
pub(crate) trait Depth: Send + Sync + 'static {
    type Error;

    /// Number of requests that hold a position in the queue now.
    fn depth(&self) -> BoxFuture<'_, Result<u32, Self::Error>>;
}

/// The queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{depth} requests wait already")]
pub(crate) struct Overloaded {
    pub(crate) depth: u32,
}

/// Rejects calls while at least `limit` requests wait. The service below must still reserve the position: two calls may see
/// one last free position.
pub(crate) struct ShedOnDepthLayer<D> {
    depth: Arc<D>,
    limit: u32,
}

impl<D: Depth> ShedOnDepthLayer<D> {
    pub(crate) fn new(depth: D, limit: u32) -> Self {
        Self { depth: Arc::new(depth), limit }
    }
}

impl<D, S> Layer<S> for ShedOnDepthLayer<D> {
    type Service = ShedOnDepth<S, D>;

    fn layer(&self, inner: S) -> Self::Service {
        ShedOnDepth { depth: self.depth.clone(), limit: self.limit, inner }
    }
}

/// See [`ShedOnDepthLayer`].
pub(crate) struct ShedOnDepth<S, D> {
    depth: Arc<D>,
    limit: u32,
    inner: S,
}

impl<S, D, R> Service<R> for ShedOnDepth<S, D>
where
    S: Service<R, Future: Send + 'static, Response: Send + 'static> + Clone + Send + 'static,
    S::Error: From<Overloaded> + From<D::Error>,
    D: Depth,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (depth, limit) = (self.depth.clone(), self.limit);
        // The service that was made ready goes with the call; its fresh clone stays here to be made ready next.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        Box::pin(async move {
            let waiting = depth.depth().await?;
            if waiting >= limit {
                return Err(Overloaded { depth: waiting }.into());
            }
            inner.call(request).await
        })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tower::ServiceExt as _;
    use tower_test::mock;

    use super::*;

    #[derive(Clone, Default)]
    struct Waiting(Arc<AtomicU32>);

    impl Depth for Waiting {
        type Error = Infallible;

        fn depth(&self) -> BoxFuture<'_, Result<u32, Infallible>> {
            Box::pin(async { Ok(self.0.load(Ordering::SeqCst)) })
        }
    }

    #[tokio::test]
    async fn a_full_queue_rejects_calls_until_it_drains() {
        let waiting = Waiting::default();
        let (service, mut mock) = mock::pair::<&'static str, &'static str>();
        let mut service = ShedOnDepthLayer::new(waiting.clone(), 50).layer(service);
        let answers = tokio::spawn(async move {
            let mut passed = Vec::new();
            while let Some((request, reply)) = mock.next_request().await {
                passed.push(request);
                reply.send_response("admitted");
            }
            passed
        });
        waiting.0.store(49, Ordering::SeqCst);
        assert_eq!(service.ready().await.unwrap().call("first").await.unwrap(), "admitted");
        waiting.0.store(50, Ordering::SeqCst);
        let refused = service.ready().await.unwrap().call("second").await.unwrap_err();
        assert_eq!(refused.downcast_ref(), Some(&Overloaded { depth: 50 }));
        waiting.0.store(10, Ordering::SeqCst);
        assert_eq!(service.ready().await.unwrap().call("third").await.unwrap(), "admitted");
        drop(service);
        assert_eq!(answers.await.unwrap(), ["first", "third"]);
    }
}
