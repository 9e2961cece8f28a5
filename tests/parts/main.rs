//! The parts of Stenobot, each against its real counterpart: files, databases, processes, servers on loopback.
#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in tests, but does not know their helpers")]

mod adopt;
mod audio;
mod backup;
mod cancel;
mod clock;
mod confine;
#[path = "../corpus/mod.rs"]
mod corpus;
mod dashboard;
mod deployment;
mod desk;
mod engine;
mod fair;
mod foreign;
mod legacy;
mod lifecycle;
mod limits;
mod models;
mod moves;
mod notices;
mod people;
mod prometheus;
#[path = "../proxies/mod.rs"]
mod proxies;
mod proxy;
mod queue;
mod simulator;
mod speech;
mod statistics;
mod store;
mod store_open;
mod telegram;
