//! The Telegram client with a scripted Bot API server on loopback.

#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in test functions, but not in their helpers")]

mod business;
mod calls;
mod downloads;
mod guests;
mod local;
mod poison;
mod posts;
mod stub;
mod updates;

/// Has the form of a token; never issued.
const TOKEN: &str = "123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc";
