//! Where tests make the network and Telegram misbehave.

mod mixed;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;

pub use self::mixed::Mixed;
use stenobot_domain::ChatId;

use super::refusal::Refusal;
use super::state::Method;

/// A call that is about to be answered.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// What the bot asks for.
    pub method: Method,
    /// The chat it is about.
    pub chat: Option<ChatId>,
    /// What it wants to be read there; empty where there is none.
    pub text: &'a str,
}

/// What becomes of a call.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Waited before anything else.
    pub delay: Duration,
    /// Then this happens.
    pub effect: Effect,
}

/// What happens to a call.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Telegram's ordinary answer.
    Pass,
    /// The call has no effect and is refused; one that names a time closes the chat for as long.
    Refuse(Refusal),
    /// The call has no effect and is answered with this status and body.
    Answer(u16, &'static str),
    /// The connection breaks before Telegram has taken the call.
    BreakBefore,
    /// Telegram takes the call, then the connection breaks.
    BreakAfter,
    /// Telegram takes the call and says nothing; after this time the connection breaks.
    Mute(Duration),
    /// The body of the answer comes in pieces of this many bytes with a pause between them.
    Slow {
        /// Bytes of one piece; at least 1.
        piece: usize,
        /// Between two pieces.
        pause: Duration,
    },
    /// The body breaks off after this many bytes.
    Cut(usize),
    /// The body ends after this many bytes, and looks whole.
    Short(usize),
    /// This many zero bytes follow the body.
    Longer(usize),
    /// Another body comes in its place.
    Swap(Bytes),
    /// Of a download: the link has expired, and `getFile` must give a new one.
    Expire,
}

impl Effect {
    /// A word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Refuse(_) => "refuse",
            Self::Answer(..) => "answer",
            Self::BreakBefore => "break before",
            Self::BreakAfter => "break after",
            Self::Mute(_) => "mute",
            Self::Slow { .. } => "slow",
            Self::Cut(_) => "cut",
            Self::Short(_) => "short",
            Self::Longer(_) => "longer",
            Self::Swap(_) => "swap",
            Self::Expire => "expire",
        }
    }
}

impl From<Effect> for Verdict {
    fn from(effect: Effect) -> Self {
        Self { delay: Duration::ZERO, effect }
    }
}

/// Decides over calls. Any `Fn(&Call<'_>) -> Verdict` is one.
pub trait Fault: Send + Sync {
    /// Called once for each call, also for downloads ([`Method::Download`]).
    fn strike(&self, call: &Call<'_>) -> Verdict;
}

impl<F: Fn(&Call<'_>) -> Verdict + Send + Sync> Fault for F {
    fn strike(&self, call: &Call<'_>) -> Verdict {
        self(call)
    }
}

/// Strikes the next `times` calls of one method.
#[derive(Debug)]
pub struct Scripted {
    method: Method,
    left: AtomicU32,
    verdict: Verdict,
}

impl Scripted {
    /// The next `times` calls of `method` meet with `verdict`, all others pass.
    pub fn new(method: Method, times: u32, verdict: impl Into<Verdict>) -> Self {
        Self { method, left: AtomicU32::new(times), verdict: verdict.into() }
    }
}

impl Fault for Scripted {
    fn strike(&self, call: &Call<'_>) -> Verdict {
        let strikes = call.method == self.method
            && self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        if strikes { self.verdict.clone() } else { Effect::Pass.into() }
    }
}
