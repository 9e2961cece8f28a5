//! The two backends behind one set of types. The aggregates use these, and see no type of sqlx.

mod statements;

use std::path::Path;

use stenobot_domain::{Clock, Timestamp};

pub(crate) use self::statements::Statements;
use crate::{StoreError, postgres, sqlite};

/// Connections to a store; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Connections {
    Sqlite(sqlite::Connections),
    Postgres(postgres::Connections),
}

/// A connection of one of the pools.
pub(crate) enum Connection {
    Sqlite(sqlite::Connection),
    Postgres(postgres::Connection),
}

/// A transaction that writes; rolled back when it is dropped.
pub(crate) enum Transaction {
    Sqlite(sqlite::Transaction),
    Postgres(postgres::Transaction),
}

impl Connections {
    /// A connection for queries.
    pub(crate) async fn read(&self) -> Result<Connection, StoreError> {
        Ok(match self {
            Self::Sqlite(sqlite) => Connection::Sqlite(sqlite.read().await?),
            Self::Postgres(postgres) => Connection::Postgres(postgres.connection().await?),
        })
    }

    /// A connection for a single statement that writes.
    pub(crate) async fn write(&self) -> Result<Connection, StoreError> {
        Ok(match self {
            Self::Sqlite(sqlite) => Connection::Sqlite(sqlite.write().await?),
            Self::Postgres(postgres) => Connection::Postgres(postgres.connection().await?),
        })
    }

    /// A transaction, and the time by the store's clock.
    pub(crate) async fn begin(&self, clock: &Clock) -> Result<(Transaction, Timestamp), StoreError> {
        Ok(match self {
            Self::Sqlite(sqlite) => (Transaction::Sqlite(sqlite.begin().await?), clock.now()),
            Self::Postgres(postgres) => {
                let (transaction, now) = postgres.begin(clock).await?;
                (Transaction::Postgres(transaction), now)
            }
        })
    }

    /// A transaction that reads the order of the queue and changes it, alone until its end; and the time by the store's
    /// clock.
    pub(crate) async fn begin_in_order(&self, clock: &Clock) -> Result<(Transaction, Timestamp), StoreError> {
        Ok(match self {
            // SQLite has one writer: every transaction is alone.
            Self::Sqlite(sqlite) => (Transaction::Sqlite(sqlite.begin().await?), clock.now()),
            Self::Postgres(postgres) => {
                let (transaction, now) = postgres.begin_in_order(clock).await?;
                (Transaction::Postgres(transaction), now)
            }
        })
    }

    /// Has the next write open a new connection.
    pub(crate) fn renew_writer(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.renew_writer(),
            Self::Postgres(postgres) => postgres.renew(),
        }
    }

    /// Fails when the store cannot be written.
    pub(crate) async fn touch(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.touch().await,
            Self::Postgres(postgres) => postgres.touch().await,
        }
    }

    /// The database file; PostgreSQL has none of ours.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(sqlite) => Some(sqlite.path()),
            Self::Postgres(_) => None,
        }
    }

    /// Records that erased data may be in the write-ahead log.
    pub(crate) fn erased_in_log(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.erased_in_log(),
            Self::Postgres(_) => {}
        }
    }

    pub(crate) fn log_may_hold_erased(&self) -> bool {
        match self {
            Self::Sqlite(sqlite) => sqlite.log_may_hold_erased(),
            Self::Postgres(_) => false,
        }
    }

    /// See [`Store::empty_log`](crate::Store::empty_log). PostgreSQL's log is the server's: it is recycled by checkpoints, and
    /// kept where an operator archives it.
    pub(crate) async fn empty_log(&self) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.empty_log().await,
            Self::Postgres(_) => Ok(true),
        }
    }

    /// Whether the store's schema is exactly the one that this program knows.
    pub(crate) async fn check_version(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.check_version().await,
            Self::Postgres(postgres) => postgres.check_version().await,
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close().await,
            Self::Postgres(postgres) => postgres.close().await,
        }
    }
}

impl Connection {
    pub(crate) fn sql(&mut self) -> Statements<'_> {
        match self {
            Self::Sqlite(sqlite) => Statements::Sqlite(sqlite.sql()),
            Self::Postgres(postgres) => Statements::Postgres(postgres.sql()),
        }
    }

    /// The time by the store's clock.
    pub(crate) async fn now(&mut self, clock: &Clock) -> Result<Timestamp, StoreError> {
        match self {
            Self::Sqlite(_) => Ok(clock.now()),
            Self::Postgres(postgres) => postgres.now(clock).await,
        }
    }
}

impl Transaction {
    pub(crate) fn sql(&mut self) -> Statements<'_> {
        match self {
            Self::Sqlite(sqlite) => Statements::Sqlite(sqlite.sql()),
            Self::Postgres(postgres) => Statements::Postgres(postgres.sql()),
        }
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.commit().await,
            Self::Postgres(postgres) => postgres.commit().await,
        }
    }

    pub(crate) async fn rollback(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.rollback().await,
            Self::Postgres(postgres) => postgres.rollback().await,
        }
    }
}
