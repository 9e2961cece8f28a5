//! Errors of the store, as its callers distinguish them.

use stenobot_domain::{RequestId, StageName, UserId};

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

    /// Whether the same write may succeed later without a change of the store itself.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy | Self::Full | Self::ReadOnly | Self::Disk(_) => true,
            Self::LeaseLost { .. } | Self::Damaged | Self::OtherBot { .. } | Self::Broken(_) | Self::Migration(_) => {
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_that_can_pass_by_themselves_are_transient() {
        let transient = [StoreError::Busy, StoreError::Full, StoreError::ReadOnly, StoreError::Disk("io".into())];
        assert!(transient.iter().all(StoreError::is_transient));
        let lasting = [StoreError::Damaged, StoreError::Broken("?".into()), StoreError::Migration("?".into())];
        assert!(!lasting.iter().any(StoreError::is_transient));
    }
}
