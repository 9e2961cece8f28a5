//! One voice message, from admission to its text. Each file is one transition: its stack of tower layers, then the handling of
//! the result.
//!
//! ```text
//! admit       incoming audio becomes a durable request, or is refused
//! download    the file is fetched and measured, and the request queued
//! positions   meanwhile its sender sees its position and the estimated wait
//! transcribe  the engine transcribes it
//! deliver     its sender gets the text
//! notify      or else the reason why there is none
//! ```

pub(crate) mod admit;
mod answer;
pub(crate) mod backlog;
pub(crate) mod bans;
pub(crate) mod broadcast;
pub(crate) mod cancels;
pub(crate) mod chats;
pub(crate) mod deletion;
pub(crate) mod deliver;
pub(crate) mod download;
pub(crate) mod erasure;
pub(crate) mod estimate;
pub(crate) mod failures;
pub(crate) mod fetch;
pub(crate) mod file_names;
mod keyboards;
mod likely;
pub(crate) mod menu;
pub(crate) mod notify;
pub(crate) mod positions;
pub(crate) mod reactions;
pub(crate) mod recordings;
pub(crate) mod replies;
pub(crate) mod retention;
pub(crate) mod service_mode;
pub(crate) mod status;
pub(crate) mod transcribe;
pub(crate) mod worker;
