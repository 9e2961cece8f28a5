//! Messages and edits on their way to Telegram.

mod message;
mod pauses;
mod status;

pub use message::{Button, Keyboard, OutgoingMessage};
pub use pauses::MAX_PAUSE;
pub(crate) use pauses::{Pauses, Scope};
pub use status::{Edit, Pace, StatusEditor};
