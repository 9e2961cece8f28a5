//! The whole bot from outside: the program as a process, Telegram as a server on loopback, and simulated users.
#![cfg(feature = "simulator")]
#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in tests, but does not know their helpers")]

mod alerts;
mod bans;
mod business;
mod chaos;
mod chats;
#[path = "../corpus/mod.rs"]
mod corpus;
mod crashes;
mod display;
mod doctor;
mod engine;
mod everyday;
mod files;
mod forged;
mod groups;
mod guests;
mod kinds;
mod limits;
mod logs;
mod machine;
mod migrate;
mod pages;
mod panels;
mod people;
mod picture;
mod poison;
mod prometheus;
#[path = "../proxies/mod.rs"]
mod proxies;
mod proxy;
mod queue;
mod reload;
mod scene;
mod service;
#[path = "../stories/mod.rs"]
mod stories;
mod telegram;
mod terminal;
mod texts;
mod webhook;
mod wrong_uses;

use stories::recordings;
