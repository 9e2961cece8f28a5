//! The parts of Stenobot, each against its real counterpart: files, databases, processes, servers on loopback.
#![cfg(feature = "simulator")]
#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in tests, but does not know their helpers")]

mod audio;
mod bench;
mod confine;
#[path = "../corpus/mod.rs"]
mod corpus;
mod dashboard;
mod deployment;
mod engine;
mod lifecycle;
mod models;
mod onnx;
mod pauses;
mod prometheus;
#[path = "../proxies/mod.rs"]
mod proxies;
mod proxy;
mod simulator;
mod speech;
mod store;
mod telegram;
