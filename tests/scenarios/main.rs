//! The whole bot from outside: the real program as a process, Telegram as a server on loopback, people who send
//! recordings and read what comes back.
#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in tests, but does not know their helpers")]

mod crashes;
mod doctor;
mod engine;
mod everyday;
mod pages;
mod queue;
mod recordings;
mod scene;
mod secrets;
mod telegram;
mod terminal;
