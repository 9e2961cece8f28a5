//! A rate limit for each key, on top of governor. tower's own `RateLimit` knows no keys.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{Either, Ready, ready};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use tower::{BoxError, Layer, Service};

/// A request that belongs to somebody.
pub trait Keyed {
    /// Whose it is.
    type Key: Clone + Hash + Eq + Send + Sync + 'static;

    /// The key under which it counts; `None` for one that has been counted before.
    fn key(&self) -> Option<Self::Key>;
}

/// More calls for one key than its quota allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("over the quota of one sender")]
pub struct OverQuota;

type Limiter<K, C> = RateLimiter<K, DefaultKeyedStateStore<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Lets `per_minute` calls a minute pass for each key; a whole minute's worth may come at once.
///
/// Clones, and all services made by them, count together.
pub struct KeyedQuotaLayer<K: Hash + Eq + Clone, C: Clock = DefaultClock> {
    per_minute: NonZeroU32,
    clock: C,
    limiter: Arc<Limiter<K, C>>,
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Clone for KeyedQuotaLayer<K, C> {
    fn clone(&self) -> Self {
        Self { per_minute: self.per_minute, clock: self.clock.clone(), limiter: self.limiter.clone() }
    }
}

impl<K: Hash + Eq + Clone> KeyedQuotaLayer<K> {
    /// With the machine's clock.
    pub fn new(per_minute: NonZeroU32) -> Self {
        Self::with_clock(per_minute, DefaultClock::default())
    }
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> KeyedQuotaLayer<K, C> {
    /// With a clock of the caller's.
    pub fn with_clock(per_minute: NonZeroU32, clock: C) -> Self {
        let limiter = RateLimiter::new(Quota::per_minute(per_minute), DefaultKeyedStateStore::default(), clock.clone());
        Self { per_minute, clock, limiter: Arc::new(limiter) }
    }

    /// The same counts under the same quota; under another one, counting begins afresh.
    #[must_use]
    pub fn with_quota(&self, per_minute: NonZeroU32) -> Self {
        if per_minute == self.per_minute { self.clone() } else { Self::with_clock(per_minute, self.clock.clone()) }
    }
}

impl<K: Hash + Eq + Clone, C: Clock, S> Layer<S> for KeyedQuotaLayer<K, C> {
    type Service = KeyedQuota<S, K, C>;

    fn layer(&self, inner: S) -> Self::Service {
        KeyedQuota { limiter: self.limiter.clone(), inner, calls: 0 }
    }
}

/// See [`KeyedQuotaLayer`].
pub struct KeyedQuota<S, K: Hash + Eq + Clone, C: Clock = DefaultClock> {
    limiter: Arc<Limiter<K, C>>,
    inner: S,
    calls: u32,
}

/// Calls after which keys that are as good as new are forgotten, so that the table stays small.
const FORGET_EVERY: u32 = 1000;

impl<S, R, K, C> Service<R> for KeyedQuota<S, K, C>
where
    S: Service<R, Error = BoxError>,
    R: Keyed<Key = K>,
    K: Clone + Hash + Eq + Send + Sync + 'static,
    C: Clock,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Either<S::Future, Ready<Result<S::Response, BoxError>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.calls += 1;
        if self.calls >= FORGET_EVERY {
            self.calls = 0;
            self.limiter.retain_recent();
        }
        match request.key().map(|key| self.limiter.check_key(&key)) {
            None | Some(Ok(())) => Either::Left(self.inner.call(request)),
            Some(Err(_)) => Either::Right(ready(Err(OverQuota.into()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;
    use tower::ServiceExt as _;
    use tower_test::mock;

    use super::*;

    struct From(u8);

    const COUNTED: u8 = 0;

    impl Keyed for From {
        type Key = u8;

        fn key(&self) -> Option<u8> {
            (self.0 != COUNTED).then_some(self.0)
        }
    }

    #[tokio::test]
    async fn one_sender_s_flood_leaves_the_others_alone() {
        let clock = FakeRelativeClock::default();
        let layer = KeyedQuotaLayer::with_clock(NonZeroU32::new(2).unwrap(), clock.clone());
        let (service, mut mock) = mock::pair::<From, &'static str>();
        let mut service = layer.layer(service);
        let answers = tokio::spawn(async move {
            while let Some((_, reply)) = mock.next_request().await {
                reply.send_response("passed");
            }
        });
        let mut ask = async |sender| service.ready().await.unwrap().call(From(sender)).await;
        assert_eq!(ask(1).await.unwrap(), "passed");
        assert_eq!(ask(1).await.unwrap(), "passed");
        for _ in 0..3 {
            assert_eq!(ask(COUNTED).await.unwrap(), "passed");
        }
        assert!(ask(1).await.unwrap_err().is::<OverQuota>());
        assert_eq!(ask(2).await.unwrap(), "passed");
        clock.advance(Duration::from_secs(30));
        assert_eq!(ask(1).await.unwrap(), "passed");
        assert!(ask(1).await.unwrap_err().is::<OverQuota>());
        drop(service);
        answers.await.unwrap();
    }

    #[test]
    fn the_same_quota_remembers_and_another_begins_afresh() {
        let (one, two) = (NonZeroU32::new(1).unwrap(), NonZeroU32::new(2).unwrap());
        let layer = KeyedQuotaLayer::<u8, _>::with_clock(one, FakeRelativeClock::default());
        let passes = |layer: &KeyedQuotaLayer<u8, _>| layer.limiter.check_key(&1).is_ok();
        assert!(passes(&layer));
        assert!(!passes(&layer.with_quota(one)));
        assert!(passes(&layer.with_quota(two)));
    }
}
