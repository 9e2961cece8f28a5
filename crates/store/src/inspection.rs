//! What an inspection finds.

use std::time::Duration;

use stenobot_domain::UserId;

/// State of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Migrations that the next start will run.
    pub pending: usize,
    /// Number of requests; an estimate where there are many.
    pub requests: u64,
    /// The account that it belongs to, `None` before one has worked on it.
    pub bot: Option<UserId>,
    /// The server; SQLite has none.
    pub server: Option<Server>,
}

/// A PostgreSQL server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// As it names it.
    pub version: String,
    /// From a question to its answer.
    pub latency: Duration,
    /// Between its clock and this machine's, either way.
    pub clock_difference: Duration,
    /// Connections that it still takes.
    pub connections_left: u32,
}
