//! The simulator against a real Bot API client: what Telegram refuses, it refuses, word for word.

mod answers;
mod groups;
mod keyboards;
mod kinds;
mod process;
mod server;
mod texts;
