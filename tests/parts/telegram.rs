//! Telegram's side against a scripted server on loopback that speaks the Bot API's bytes.

#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in test functions, but not in their helpers")]

mod calls;
mod downloads;
mod local;
mod poison;
mod stub;
mod updates;

/// Of the form of a real token, and nobody's.
const TOKEN: &str = "123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc";
