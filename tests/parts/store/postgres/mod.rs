//! What is particular to PostgreSQL: a server, and several machines.

mod clock;
mod history;
mod leadership;
mod machines;
mod migrate;
mod trouble;
mod versions;

use stenobot_domain::Clock;
use stenobot_simulator::postgres::PrivatePostgres;
use stenobot_store::{Store, StoreUrl};

/// A database of its own on the shared server; `None`, said loudly, where there is no server and none need be.
async fn database(test: &str) -> Option<(&'static PrivatePostgres, String)> {
    let server = PrivatePostgres::shared_or_skip(test).await.unwrap()?;
    let url = server.new_database().await.unwrap();
    Some((server, url))
}

async fn open(url: &str) -> Store {
    Store::open(&parse(url), Clock::System).await.unwrap()
}

fn parse(url: &str) -> StoreUrl {
    url.parse().unwrap()
}
