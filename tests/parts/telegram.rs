//! Telegram's side against a scripted server on loopback that speaks the Bot API's bytes.

mod calls;
mod downloads;
mod stub;
mod updates;

/// Of the form of a real token, and nobody's.
const TOKEN: &str = "123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc";
