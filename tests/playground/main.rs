//! The playground's page in a real browser, and the access checks of its server.
#![cfg(feature = "simulator")]
#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in tests, but does not know their helpers")]

mod access;
mod accessibility;
mod browser;
mod command;
mod group;
mod own_account;
mod page;
#[path = "../stories/recordings.rs"]
#[allow(dead_code, reason = "the scenarios use more of it")]
mod recordings;
mod scene;
#[path = "../stories/script.rs"]
#[allow(dead_code, reason = "the engine reads scripts")]
mod script;

use scene::eventually;
