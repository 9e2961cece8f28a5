//! What can go wrong with the store, as its callers tell it apart.

use stenobot_domain::{RequestId, StageName, UserId};

/// A write or a question that did not succeed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else works on the request now, or it has ended.
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
    /// The system could not read or write the file this time. What is in it is not known to be wrong.
    #[error("the disk that holds the store fails: {0}; look at the system's log and at the disk")]
    Disk(String),
    /// What is in the file is no sound database: writing on would make it worse.
    #[error(
        "the store is damaged or is no SQLite database: put a backup back with `stenobot restore FILE`, or set \
         another database_url"
    )]
    Damaged,
    /// Another account worked on it: its chats and messages are not this one's.
    #[error(
        "the store belongs to the bot {store}, and the token is that of the bot {token}: set the token of {store}, or \
         give this bot a data_dir of its own; `stenobot adopt` hands the store over and ends what waits in it"
    )]
    OtherBot {
        /// The store's account.
        store: UserId,
        /// The account now.
        token: UserId,
    },
    /// The file cannot be opened, or a question made no sense.
    #[error("the store cannot be used: {0}")]
    Broken(String),
    /// The schema could not be brought up to date.
    #[error("the store could not be migrated: {0}")]
    Migration(String),
}

impl StoreError {
    /// Label of `journal_errors_total`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Full => "full",
            Self::ReadOnly => "read_only",
            Self::Disk(_) => "io",
            Self::Damaged => "damaged",
            Self::LeaseLost { .. } | Self::OtherBot { .. } | Self::Broken(_) | Self::Migration(_) => "other",
        }
    }

    /// Whether the same write may succeed later, without anybody touching the store itself.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy | Self::Full | Self::ReadOnly | Self::Disk(_) => true,
            Self::LeaseLost { .. } | Self::Damaged | Self::OtherBot { .. } | Self::Broken(_) | Self::Migration(_) => {
                false
            }
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return Self::Busy;
        }
        // Primary result codes of SQLite: the low byte of the extended code.
        let code = error.as_database_error().and_then(|database| database.code()).and_then(|code| code.parse().ok());
        match code.map(|code: u32| code & 0xff) {
            Some(5 | 6) => Self::Busy,
            Some(13) => Self::Full,
            Some(8) => Self::ReadOnly,
            // Also a full disk, where SQLite needs room for something other than the write itself.
            Some(10) => Self::Disk(error.to_string()),
            Some(11 | 26) => Self::Damaged,
            Some(14) => Self::Broken("its file cannot be opened; its folder must exist and belong to this user".into()),
            _ => Self::Broken(error.to_string()),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError;
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
