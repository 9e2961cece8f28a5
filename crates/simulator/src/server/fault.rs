//! Faults of the network and of Telegram, injected by tests.

mod random;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;

pub use self::random::RandomFaults;
use stenobot_domain::ChatId;

use super::refusal::Refusal;
use super::state::Method;

/// A call before it is answered.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The called method.
    pub method: Method,
    /// Its `chat_id`.
    pub chat: Option<ChatId>,
    /// Its `text`, or empty.
    pub text: &'a str,
}

/// What is done to one call.
#[derive(Debug, Clone)]
pub struct FaultAction {
    /// Delay before the effect.
    pub delay: Duration,
    /// The effect.
    pub effect: Effect,
}

/// The effect of a fault.
#[derive(Debug, Clone, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Effect {
    /// Telegram's ordinary answer.
    Pass,
    /// The call is refused without effect; a refusal with a retry-after closes the chat for that time.
    Refuse(Refusal),
    /// The call has no effect; the response has this status and body.
    Answer(u16, &'static str),
    /// The connection breaks before Telegram accepts the call.
    #[strum(serialize = "break before")]
    BreakBefore,
    /// Telegram accepts the call, then the connection breaks.
    #[strum(serialize = "break after")]
    BreakAfter,
    /// Telegram accepts the call and does not respond; after this time the connection breaks.
    Mute(Duration),
    /// The response body comes in pieces with a pause between them.
    Slow {
        /// Bytes of one piece; at least 1.
        piece: usize,
        /// Pause between two pieces.
        pause: Duration,
    },
    /// The connection breaks after this many bytes of the body.
    Cut(usize),
    /// The body is truncated to this many bytes and looks complete.
    Short(usize),
    /// This many zero bytes are appended to the body.
    Longer(usize),
    /// The body is replaced.
    Swap(Bytes),
    /// The link of a download has expired; `getFile` must give a new one.
    Expire,
}

impl Effect {
    /// Its name in [`super::CallRecord::fault`].
    pub fn name(&self) -> &'static str {
        self.into()
    }
}

impl From<Effect> for FaultAction {
    fn from(effect: Effect) -> Self {
        Self { delay: Duration::ZERO, effect }
    }
}

/// Decides what is done to each call. Any `Fn(&Call<'_>) -> FaultAction` implements it.
pub trait FaultInjector: Send + Sync {
    /// Called once for each call, including downloads ([`Method::Download`]).
    fn inject(&self, call: &Call<'_>) -> FaultAction;
}

impl<F: Fn(&Call<'_>) -> FaultAction + Send + Sync> FaultInjector for F {
    fn inject(&self, call: &Call<'_>) -> FaultAction {
        self(call)
    }
}

/// Applies one action to the next calls of one method.
#[derive(Debug)]
pub struct ScriptedFault {
    method: Method,
    left: AtomicU32,
    action: FaultAction,
}

impl ScriptedFault {
    /// Applies `action` to the next `times` calls of `method`; all other calls pass.
    pub fn new(method: Method, times: u32, action: impl Into<FaultAction>) -> Self {
        Self { method, left: AtomicU32::new(times), action: action.into() }
    }
}

impl FaultInjector for ScriptedFault {
    fn inject(&self, call: &Call<'_>) -> FaultAction {
        let applies = call.method == self.method
            && self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        if applies { self.action.clone() } else { Effect::Pass.into() }
    }
}
