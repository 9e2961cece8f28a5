//! The PostgreSQL backend: its connections, its dialect, its notifications.
//!
//! Requires PostgreSQL 14: a session that is idle for too long is ended by the server (`idle_session_timeout`), by which a
//! leader that hangs loses its lock. Behind a connection pooler, sessions must be pooled, not transactions: listening and
//! advisory locks belong to a session.

#[macro_use]
mod dialect;
#[path = "sql/mod.rs"]
mod sql;

pub(crate) mod error;
pub(crate) mod inspect;
pub(crate) mod leadership;
pub(crate) mod listen;
pub(crate) mod migrate;
pub(crate) mod open;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::{PgConnection, PgPool, Postgres};
use stenobot_domain::{Clock, Timestamp};

pub(crate) use self::sql::{Connection, Statements, Transaction};
use crate::StoreError;

/// First half of this program's advisory locks: the letters STEN.
const LOCKS: i32 = 0x5354_454e;

/// Lock of transactions that change the order of the queue.
const ORDER_LOCK: i32 = 1;

/// Lock of the leader's session.
const LEADER_LOCK: i32 = 2;

/// The time of the database, which the migrations define: tests replace it.
const NOW: &str = "SELECT unix_millis()";

/// The lock is waited for before the time is asked: expressions are evaluated from left to right.
const LOCK_ORDER: &str = "SELECT CAST(pg_advisory_xact_lock($1, $2) AS TEXT), unix_millis()";

/// Connections to one database; cheap to clone.
#[derive(Clone)]
pub(crate) struct Connections {
    pool: PgPool,
    /// Of sessions that are not in the pool.
    options: Arc<PgConnectOptions>,
}

/// Options of a database's sessions; `None` when the text names none. Asks the environment and the password file for what
/// the text does not say, as PostgreSQL's own programs do.
pub(crate) fn parse(url: &str) -> Option<PgConnectOptions> {
    PgConnectOptions::from_str(url).ok()
}

impl fmt::Debug for Connections {
    /// Without the options, which hold the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("open", &self.pool.size()).finish_non_exhaustive()
    }
}

impl Connections {
    pub(crate) async fn connection(&self) -> Result<Connection, StoreError> {
        Ok(Connection(self.pool.acquire().await.map_err(unavailable)?))
    }

    /// A transaction, and its time.
    pub(crate) async fn begin(&self, clock: &Clock) -> Result<(Transaction, Timestamp), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(unavailable)?;
        let now = now(&mut transaction, clock).await?;
        Ok((Transaction(transaction), now))
    }

    /// A transaction that no other of these runs beside, and its time.
    pub(crate) async fn begin_in_order(&self, clock: &Clock) -> Result<(Transaction, Timestamp), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(unavailable)?;
        let lock = sqlx::query_as(LOCK_ORDER).bind(LOCKS).bind(ORDER_LOCK);
        let (_, now): (String, i64) = lock.fetch_one(&mut *transaction).await?;
        Ok((Transaction(transaction), chosen(clock, Timestamp(now))))
    }

    /// After a failover, sessions with the server that is a standby now are of no use.
    pub(crate) fn renew(&self) {
        open::renew(&self.pool);
    }

    /// Writes, and changes nothing: a standby refuses this, and so does a full disk.
    pub(crate) async fn touch(&self) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(unavailable)?;
        sqlx::query("UPDATE current_turn SET turn = turn").execute(&mut *transaction).await?;
        Ok(transaction.rollback().await?)
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// No connection became free, or could be opened, in time.
fn unavailable(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::PoolTimedOut => StoreError::Unreachable("no connection could be opened in time".into()),
        error => error.into(),
    }
}

async fn now(connection: &mut PgConnection, clock: &Clock) -> Result<Timestamp, StoreError> {
    match clock {
        Clock::System => Ok(Timestamp(sqlx::query_scalar(NOW).fetch_one(connection).await?)),
        Clock::Manual(_) => Ok(clock.now()),
    }
}

/// The database's clock, unless a test sets another.
fn chosen(clock: &Clock, now: Timestamp) -> Timestamp {
    match clock {
        Clock::System => now,
        Clock::Manual(_) => clock.now(),
    }
}

impl Connection {
    pub(crate) async fn now(&mut self, clock: &Clock) -> Result<Timestamp, StoreError> {
        now(&mut self.0, clock).await
    }
}

type Db = Postgres;
type DbConnection = PgConnection;
type DbRow = PgRow;
type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

/// Numbers as a parameter: an array.
type List = Vec<i64>;

fn list(numbers: impl Iterator<Item = i64>) -> List {
    numbers.collect()
}
