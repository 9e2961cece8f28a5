use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use stenobot_domain::Transcript;
use tower::Service;

use super::dispatch::Reservation;
use super::error::EngineError;
use super::job::EngineJob;
use super::pool::EnginePool;

/// An [`EnginePool`] as a tower service. A clone that has become ready holds one slot until it is called or dropped; a
/// fresh clone holds none.
pub struct EngineService {
    pool: EnginePool,
    state: State,
}

enum State {
    Unready,
    Reserving(BoxFuture<'static, Result<Reservation, EngineError>>),
    Ready(Reservation),
}

impl EngineService {
    pub(super) fn new(pool: EnginePool) -> Self {
        Self { pool, state: State::Unready }
    }
}

impl Clone for EngineService {
    fn clone(&self) -> Self {
        Self::new(self.pool.clone())
    }
}

impl fmt::Debug for EngineService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ready = matches!(self.state, State::Ready(_));
        f.debug_struct("EngineService").field("ready", &ready).finish_non_exhaustive()
    }
}

impl Service<EngineJob> for EngineService {
    type Response = Transcript;
    type Error = EngineError;
    type Future = Pin<Box<dyn Future<Output = Result<Transcript, EngineError>> + Send + 'static>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), EngineError>> {
        loop {
            self.state = match &mut self.state {
                State::Ready(reservation) if reservation.is_open() => return Poll::Ready(Ok(())),
                // A reserved slot that has lost its child would first wait for the start of another.
                State::Ready(_) | State::Unready => State::Reserving(Box::pin(self.pool.clone().reserve())),
                State::Reserving(reserving) => match ready!(reserving.as_mut().poll(cx)) {
                    Ok(reservation) => State::Ready(reservation),
                    Err(error) => {
                        self.state = State::Unready;
                        return Poll::Ready(Err(error));
                    }
                },
            };
        }
    }

    /// A call without `poll_ready` before it waits for a slot as well.
    fn call(&mut self, job: EngineJob) -> Self::Future {
        let reserved = match mem::replace(&mut self.state, State::Unready) {
            State::Ready(reservation) => Some(reservation),
            State::Unready | State::Reserving(_) => None,
        };
        Box::pin(self.pool.clone().run(reserved, job))
    }
}
