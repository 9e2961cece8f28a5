//! The parts of Stenobot, each against its real counterpart: files, databases, processes, servers on loopback.
#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in tests, but does not know their helpers")]

mod audio;
mod desk;
mod engine;
mod journal;
mod journal_open;
mod legacy;
mod lifecycle;
mod queue;
mod simulator;
mod speech;
mod store;
mod telegram;
