//! A local Bot API server, and simulated users of a bot: for `stenobot simulate`, the playground, and the tests.
//!
//! From the outside in:
//! - [`server`]: the Bot API over HTTP on loopback; answers and refuses as Telegram does, with faults on demand.
//! - [`users`], [`group`], [`voices`]: simulated users, groups, and the recordings that they send.
//! - [`answers`]: what the bot's messages mean to their reader; [`wer`]: how far a text is from what was said.
//! - [`harness`]: an [`Environment`](harness::Environment) (server, users, data folder) for any bot, and a
//!   [`Simulation`](harness::Simulation) whose bot is a child process (`bot_process`, `usage`, [`metrics_page`]).
//! - [`postgres`]: a private PostgreSQL server for tests and simulations; [`link`]: a network to it that can fail.
//! - [`simulate`]: a whole run from a plan to a [`report`], shown by [`terminal`].

pub mod answers;
mod bot_process;
pub mod channel;
pub mod group;
pub mod harness;
pub mod link;
pub mod metrics_page;
pub mod postgres;
pub mod report;
pub mod server;
pub mod simulate;
pub mod terminal;
mod usage;
pub mod users;
pub mod voices;
pub mod workspace;

pub use stenobot_domain::wer;
