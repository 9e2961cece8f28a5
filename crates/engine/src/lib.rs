//! The engine: native code in child processes of this same binary, so that a crash, a hang or unbounded memory costs one
//! request and never the bot.
//!
//! One job, top to bottom:
//!
//! 1. A caller gives an [`EngineJob`] to the [`EnginePool`], or to its tower service, [`EngineService`] (`pool.rs`,
//!    `service.rs`).
//! 2. The dispatcher pairs it with an idle slot, in the order of arrival (`dispatch.rs`).
//! 3. The slot, an actor that owns one child, sends the job's [`TranscribeJob`] and supervises deadline and cancellation
//!    (`slot.rs`, over `process.rs`). It takes the next job only when the child has confirmed the end of this one or is
//!    dead, whatever becomes of the caller's future.
//! 4. The child decodes and transcribes the file (`child.rs`, in `stenobot engine`), confined by [`confine`].
//!
//! Steps 3 and 4 talk by [`protocol`]; [`serve_stand_in`] speaks it without a model. [`probe`] measures recordings in short-lived children of their own.

mod child;
pub mod confine;
mod dispatch;
mod error;
mod job;
mod library;
mod pool;
pub mod probe;
mod process;
pub mod protocol;
mod service;
mod settings;
mod slot;
mod stand_in;

pub use child::serve;
pub use error::{EngineError, Exit};
pub use job::{EngineJob, TranscribeJob};
pub use library::onnx_runtime_version;
pub use pool::EnginePool;
pub use process::ENVIRONMENT;
pub use service::EngineService;
pub use settings::{EngineEvent, EngineSettings, PoolStatus, SlotState};
pub use stand_in::serve_stand_in;
