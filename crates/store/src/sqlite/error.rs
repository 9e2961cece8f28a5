//! SQLite's errors as the store's.

use sqlx::migrate::MigrateError;

use crate::StoreError;

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
