//! The statements of the aggregates, one file per subject: a constant with the SQL, a method that binds and maps.
//!
//! These files are compiled once for each backend, as the module `sql` of `sqlite` and of `postgres`. What differs in SQL is a
//! macro of the backend's `dialect.rs`, what differs in types an alias there. Both backends number parameters as `$1`.
//!
//! A statement that selects open requests says `answered = 0` as well: only then are the indexes of open rows read.

#[macro_use]
mod fragments;

pub(super) mod account;
pub(super) mod audio;
mod business;
pub(super) mod claims;
pub(super) mod daily_usage;
pub(super) mod deletion;
pub(super) mod erasure;
pub(super) mod guests;
mod invitations;
mod machines;
pub(super) mod migrate;
pub(super) mod notices;
pub(super) mod queue;
mod rows;
mod service;
pub(super) mod statistics;
pub(super) mod transitions;
pub(super) mod users;

use std::time::Duration;

use sqlx::pool::PoolConnection;
use stenobot_domain::RequestId;

use super::{Db, DbConnection, DbRow, List, Query, list};
use crate::StoreError;

/// A connection of a pool.
pub(crate) struct Connection(pub(super) PoolConnection<Db>);

impl Connection {
    pub(crate) fn sql(&mut self) -> Statements<'_> {
        Statements(&mut self.0)
    }
}

/// A transaction; rolled back when it is dropped.
pub(crate) struct Transaction(pub(super) sqlx::Transaction<'static, Db>);

impl Transaction {
    pub(crate) fn sql(&mut self) -> Statements<'_> {
        Statements(&mut self.0)
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }

    pub(crate) async fn rollback(self) -> Result<(), StoreError> {
        Ok(self.0.rollback().await?)
    }
}

/// The statements, on a connection or in a transaction.
pub(crate) struct Statements<'c>(&'c mut DbConnection);

impl Statements<'_> {
    /// Runs a statement and gives the number of changed rows.
    async fn execute(self, query: Query<'_>) -> Result<u64, StoreError> {
        Ok(query.execute(self.0).await?.rows_affected())
    }
}

fn ids(stored: Vec<i64>) -> Vec<RequestId> {
    stored.into_iter().map(RequestId).collect()
}

/// A stored number of seconds; an impossible one becomes zero.
fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
}

/// A number of rows.
fn count(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
