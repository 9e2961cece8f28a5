//! A local Bot API server and simulated people who use the real bot through it: for `stenobot simulate`, for
//! trying the bot without a token, and for the tests.
//!
//! [`server::BotApi`] answers as Telegram does and refuses what Telegram refuses. It listens on loopback only.

pub mod answers;
pub mod bot_process;
pub mod group;
pub mod harness;
pub mod live;
pub mod metrics_page;
pub mod people;
pub mod report;
pub mod run;
pub mod server;
pub mod usage;
pub mod voices;
pub mod wer;
pub mod workspace;
