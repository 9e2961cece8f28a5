//! Messages and edits on their way to Telegram.
//!
//! [`Outbox`] is the one place that knows the limits, the pauses and the order of priorities; every call takes its slot there.
//! [`StatusEditor`] keeps the latest text of each status message until its edit is due, [`Lanes`] the best-effort replies
//! until they are sent.

mod lanes;
mod limits;
mod message;
mod outbox;
mod pauses;
mod status;

pub use lanes::{Lanes, Pushed};
pub use limits::{DEFAULT_RATE, Limits, Priority, Share};
pub use message::{BotMessage, Button, Effect, Keyboard, LocalTime, OutgoingMessage, TextPart};
pub use outbox::Outbox;
pub(crate) use pauses::Scope;
pub use pauses::{LearnedPause, MAX_PAUSE};
pub use status::{Edit, EditGuard, MayEdit, StatusEditor};
