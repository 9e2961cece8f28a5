//! The simulator against a real Bot API client: it refuses what Telegram refuses, with Telegram's descriptions.

mod answers;
mod groups;
mod keyboards;
mod kinds;
mod postgres;
mod process;
mod server;
mod texts;
