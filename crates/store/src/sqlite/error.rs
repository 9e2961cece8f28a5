//! SQLite's errors as the store's.

use sqlx::error::DatabaseError;

use crate::StoreError;

/// An error of SQLite, by the primary result code: the low byte of the extended code.
pub(crate) fn of(error: &dyn DatabaseError) -> StoreError {
    let code = error.code().and_then(|code| code.parse().ok());
    match code.map(|code: u32| code & 0xff) {
        Some(5 | 6) => StoreError::Busy,
        Some(13) => StoreError::Full,
        Some(8) => StoreError::ReadOnly,
        // Also a full disk, where SQLite needs room for something other than the write itself.
        Some(10) => StoreError::Disk(error.to_string()),
        Some(11 | 26) => StoreError::Damaged,
        Some(14) => {
            StoreError::Broken("its file cannot be opened; its folder must exist and belong to this user".into())
        }
        _ => StoreError::Broken(error.to_string()),
    }
}
