//! A rate limit for each key, on top of governor. tower's own `RateLimit` knows no keys.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{Either, Ready, ready};
use governor::clock::{Clock, DefaultClock, Reference as _};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use tower::{Layer, Service};

/// A request that counts against a quota.
pub(crate) trait Keyed {
    type Key: Clone + Hash + Eq + Send + Sync + 'static;

    /// The key under which it counts; `None` for one that has been counted before.
    fn key(&self) -> Option<Self::Key>;
}

/// More calls for one key than its quota allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("over the quota of one sender")]
pub(crate) struct OverQuota {
    /// Until the next call passes.
    pub retry: Duration,
    /// Whether the key has not been over its quota within the last [`PERIOD`]: its owner is informed once, and not again
    /// while the flood goes on.
    pub first: bool,
}

/// Time for which a quota counts.
const PERIOD: Duration = Duration::from_secs(60);

type Limiter<K, C> = RateLimiter<K, DefaultKeyedStateStore<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Lets `per_minute` calls a minute pass for each key; a whole minute's worth may come at once.
///
/// Clones, and all services made by them, count together.
pub(crate) struct KeyedQuotaLayer<K: Hash + Eq + Clone, C: Clock = DefaultClock> {
    per_minute: NonZeroU32,
    clock: C,
    counts: Arc<Counts<K, C>>,
}

struct Counts<K: Hash + Eq + Clone, C: Clock> {
    limiter: Limiter<K, C>,
    /// When each key over its quota was first so; kept for [`PERIOD`].
    over: Mutex<HashMap<K, C::Instant>>,
    calls: AtomicU32,
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Clone for KeyedQuotaLayer<K, C> {
    fn clone(&self) -> Self {
        Self { per_minute: self.per_minute, clock: self.clock.clone(), counts: self.counts.clone() }
    }
}

impl<K: Hash + Eq + Clone> KeyedQuotaLayer<K> {
    /// With the machine's clock.
    pub(crate) fn new(per_minute: NonZeroU32) -> Self {
        Self::with_clock(per_minute, DefaultClock::default())
    }
}

/// Calls after which keys with a full quota are removed, so that the table stays small.
const CLEANUP_INTERVAL: u32 = 1000;

impl<K: Hash + Eq + Clone, C: Clock + Clone> KeyedQuotaLayer<K, C> {
    pub(crate) fn with_clock(per_minute: NonZeroU32, clock: C) -> Self {
        let limiter = RateLimiter::new(Quota::per_minute(per_minute), DefaultKeyedStateStore::default(), clock.clone());
        let counts = Counts { limiter, over: Mutex::default(), calls: AtomicU32::new(0) };
        Self { per_minute, clock, counts: Arc::new(counts) }
    }

    /// A layer with this quota. It shares its counts with `self` unless the quota differs.
    #[must_use]
    pub(crate) fn with_quota(&self, per_minute: NonZeroU32) -> Self {
        if per_minute == self.per_minute { self.clone() } else { Self::with_clock(per_minute, self.clock.clone()) }
    }

    /// Counts one call that does not go through a service of this layer.
    ///
    /// # Errors
    /// When the key's quota is used up.
    pub(crate) fn spend(&self, key: &K) -> Result<(), OverQuota> {
        if self.counts.calls.fetch_add(1, Ordering::Relaxed) % CLEANUP_INTERVAL == CLEANUP_INTERVAL - 1 {
            self.counts.limiter.retain_recent();
        }
        self.counts.limiter.check_key(key).map_err(|not_until| {
            let now = self.clock.now();
            // Every change under the lock is a single step.
            let mut over = self.counts.over.lock().unwrap_or_else(PoisonError::into_inner);
            over.retain(|_, since| Duration::from(now.duration_since(*since)) < PERIOD);
            let first = !over.contains_key(key);
            if first {
                over.insert(key.clone(), now);
            }
            OverQuota { retry: not_until.wait_time_from(now), first }
        })
    }
}

impl<K: Hash + Eq + Clone, C: Clock + Clone, S> Layer<S> for KeyedQuotaLayer<K, C> {
    type Service = KeyedQuota<S, K, C>;

    fn layer(&self, inner: S) -> Self::Service {
        KeyedQuota { quota: self.clone(), inner }
    }
}

/// See [`KeyedQuotaLayer`].
pub(crate) struct KeyedQuota<S, K: Hash + Eq + Clone, C: Clock = DefaultClock> {
    quota: KeyedQuotaLayer<K, C>,
    inner: S,
}

impl<S, R, K, C> Service<R> for KeyedQuota<S, K, C>
where
    S: Service<R>,
    S::Error: From<OverQuota>,
    R: Keyed<Key = K>,
    K: Clone + Hash + Eq + Send + Sync + 'static,
    C: Clock + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        match request.key().map(|key| self.quota.spend(&key)) {
            None | Some(Ok(())) => Either::Left(self.inner.call(request)),
            Some(Err(over)) => Either::Right(ready(Err(over.into()))),
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn counts_are_kept_under_an_equal_quota_and_reset_under_another() {
        let (one, two) = (NonZeroU32::new(1).unwrap(), NonZeroU32::new(2).unwrap());
        let layer = KeyedQuotaLayer::<u8, _>::with_clock(one, FakeRelativeClock::default());
        let passes = |layer: &KeyedQuotaLayer<u8, _>| layer.spend(&1).is_ok();
        assert!(passes(&layer));
        assert!(!passes(&layer.with_quota(one)));
        assert!(passes(&layer.with_quota(two)));
    }

    #[test]
    fn a_key_over_its_quota_is_reported_first_once_a_minute_with_the_wait() {
        let clock = FakeRelativeClock::default();
        let layer = KeyedQuotaLayer::<u8, _>::with_clock(NonZeroU32::new(2).unwrap(), clock.clone());
        let over = |key: u8| layer.spend(&key).unwrap_err();
        assert!(layer.spend(&1).is_ok() && layer.spend(&1).is_ok());
        assert_eq!(over(1), OverQuota { retry: Duration::from_secs(30), first: true });
        assert!(!over(1).first);
        clock.advance(Duration::from_secs(31));
        assert!(layer.spend(&1).is_ok(), "half of it has come back");
        assert!(!over(1).first, "the flood goes on");
        assert!(layer.spend(&2).is_ok() && layer.spend(&2).is_ok() && over(2).first, "another key");
        clock.advance(Duration::from_secs(30));
        assert!(layer.spend(&1).is_ok());
        assert!(over(1).first, "a minute later");
    }
}
