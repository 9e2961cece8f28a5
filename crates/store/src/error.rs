//! Errors of the store, as its callers distinguish them.

use sqlx::migrate::MigrateError;
use stenobot_domain::{RequestId, StageName, UserId};

use crate::{postgres, sqlite};

/// A write or a query that failed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The lease ran out and another worker has claimed the request, or it has ended.
    #[error("request {id} is no longer held in stage {stage}")]
    LeaseLost {
        /// The request.
        id: RequestId,
        /// The stage in which it was held.
        stage: StageName,
    },
    /// Another process keeps the database locked.
    #[error("the store is locked by another process")]
    Busy,
    /// No space for the write.
    #[error("the disk that holds the store is full")]
    Full,
    /// The file, or the file system below it, can only be read.
    #[error("the store cannot be used: its file is read-only; let this user write to the file and its folder")]
    ReadOnly,
    /// The system could not read or write the file this time. Its content is not known to be wrong.
    #[error("the disk that holds the store fails: {0}; look at the system's log and at the disk")]
    Disk(String),
    /// The file's content is not a consistent database: further writes would make it worse.
    #[error(
        "the store is damaged or is no SQLite database: put a backup back with `stenobot restore FILE`, or set \
         another database_url"
    )]
    Damaged,
    /// PostgreSQL has found damage in its files: further writes would make it worse.
    #[error("the PostgreSQL server reports damaged data: {0}; restore a backup, or fail over to a standby")]
    Corrupt(String),
    /// The PostgreSQL server cannot be reached, starts, or shuts down.
    #[error("the PostgreSQL server cannot be reached: {0}; look at the server, the network and database_url")]
    Unreachable(String),
    /// The PostgreSQL server takes no more connections.
    #[error("the PostgreSQL server has no connection left: raise its max_connections, or run fewer machines")]
    TooManyConnections,
    /// The PostgreSQL server is a standby, or was set to be read only.
    #[error("the PostgreSQL server can only be read: it is a standby; name the primary in database_url")]
    Standby,
    /// Another transaction kept a row locked, or had to go first.
    #[error("the store is busy: {0}")]
    Contended(String),
    /// A statement took longer than it may.
    #[error("the store takes too long to answer")]
    Slow,
    /// It belongs to another account, with other chats and messages.
    #[error(
        "the store belongs to the bot {store}, and the token is that of the bot {token}: set the token of {store}, or \
         give this bot a data_dir of its own; `stenobot adopt` hands the store over and ends what waits in it"
    )]
    OtherBot {
        /// The store's account.
        store: UserId,
        /// The account whose token is set.
        token: UserId,
    },
    /// The file cannot be opened, or a statement failed for another reason.
    #[error("the store cannot be used: {0}")]
    Broken(String),
    /// A migration from another store was interrupted.
    #[error(
        "the store holds an unfinished copy of {0}: run the same `stenobot migrate` again, which completes it, or set \
         another database_url"
    )]
    Unfinished(String),
    /// The schema could not be brought up to date.
    #[error("the store could not be migrated: {0}")]
    Migration(String),
}

impl StoreError {
    /// Label of `journal_errors_total`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Busy | Self::Contended(_) => "busy",
            Self::Full => "full",
            Self::ReadOnly | Self::Standby => "read_only",
            Self::Disk(_) => "io",
            Self::Damaged | Self::Corrupt(_) => "damaged",
            Self::Unreachable(_) => "unreachable",
            Self::TooManyConnections => "connections",
            Self::Slow => "timeout",
            Self::LeaseLost { .. }
            | Self::OtherBot { .. }
            | Self::Broken(_)
            | Self::Unfinished(_)
            | Self::Migration(_) => "other",
        }
    }

    /// Whether the same write may succeed later without a change of the store itself.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy
            | Self::Full
            | Self::ReadOnly
            | Self::Disk(_)
            | Self::Unreachable(_)
            | Self::TooManyConnections
            | Self::Standby
            | Self::Contended(_)
            | Self::Slow => true,
            Self::LeaseLost { .. }
            | Self::Damaged
            | Self::Corrupt(_)
            | Self::OtherBot { .. }
            | Self::Broken(_)
            | Self::Unfinished(_)
            | Self::Migration(_) => false,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if let Some(database) = error.as_database_error() {
            return match database.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
                Some(_) => sqlite::error::of(database),
                None => postgres::error::of(database),
            };
        }
        match error {
            sqlx::Error::PoolTimedOut => Self::Busy,
            // Of the way to a server; SQLite has none.
            sqlx::Error::Io(error) => Self::Unreachable(error.to_string()),
            sqlx::Error::Tls(error) => Self::Unreachable(format!("TLS failed: {error}")),
            // What a server sends while it ends is cut off.
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::Protocol(_) => {
                Self::Unreachable(error.to_string())
            }
            error => Self::Broken(error.to_string()),
        }
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) => Self::from(error),
            MigrateError::VersionMissing(version) => Self::Migration(format!(
                "a newer version wrote it (schema {version} is unknown here); run that version again, or restore a backup"
            )),
            MigrateError::ExecuteMigration(error, version) => match Self::from(error) {
                Self::Broken(why) => Self::Migration(format!("step {version} failed: {why}")),
                other => other,
            },
            other => Self::Migration(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_that_can_pass_by_themselves_are_transient() {
        let transient = [
            StoreError::Busy,
            StoreError::Full,
            StoreError::ReadOnly,
            StoreError::Disk("io".into()),
            StoreError::Unreachable("gone".into()),
            StoreError::TooManyConnections,
            StoreError::Standby,
            StoreError::Contended("deadlock".into()),
            StoreError::Slow,
        ];
        assert!(transient.iter().all(StoreError::is_transient));
        let lasting = [
            StoreError::Damaged,
            StoreError::Corrupt("page".into()),
            StoreError::Broken("?".into()),
            StoreError::Migration("?".into()),
        ];
        assert!(!lasting.iter().any(StoreError::is_transient));
    }
}
