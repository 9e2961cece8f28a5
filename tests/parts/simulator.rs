//! The simulator against a real Bot API client: what Telegram refuses, it refuses, word for word.

mod answers;
mod process;
mod server;
mod texts;
