//! Stenobot turns Telegram voice messages into text on a small machine.
//!
//! The modules below are listed in the order in which one voice message meets them: the command line and
//! the configuration start the app; the pipeline moves a typed request from stage to stage, one file per
//! transition; each stage reaches the outside (Telegram, the engine process) through its stack of layers.

pub mod app;
pub mod cli;
pub mod config;
mod doctor;
mod engine_setup;
pub mod lifecycle;
mod service_manager;
mod telemetry;

mod commands;
mod ingest;
mod pipeline;

mod layers;
pub mod request;

mod http_server;
pub mod metrics;
pub mod settings;
pub mod stats;

#[cfg(feature = "simulator")]
pub mod playground;
