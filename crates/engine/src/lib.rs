//! The engine: native code in child processes of this same binary, so that a crash, a hang or a runaway costs
//! one request and never the bot.
//!
//! [`EnginePool`] is the parent's side: one actor per worker slot owns one warm child. A job that was given to
//! a slot holds it until the child has confirmed its end or is dead, whatever becomes of the caller's future.
//! [`child`] is the other side, `stenobot engine`; [`protocol`] is what they say to each other.

pub mod child;
pub mod confine;
mod dispatch;
mod error;
mod pool;
pub mod probe;
mod process;
pub mod protocol;
mod service;
mod settings;
mod slot;

pub use error::{EngineError, Exit};
pub use pool::EnginePool;
pub use service::EngineService;
pub use settings::{EngineEvent, EngineJob, EngineSettings, PoolStatus, SlotState};
