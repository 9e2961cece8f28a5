//! The parts of Stenobot, each against its real counterpart: files, databases, processes, servers on loopback.

mod engine;
mod simulator;
mod store;
mod telegram;
