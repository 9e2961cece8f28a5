//! A look at a store that changes nothing, also while a bot works on it.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use stenobot_domain::UserId;

use super::bot::owner;
use super::open::{MIGRATIONS, check, has_table, newest, predecessor, write_ahead_log};
use super::{Store, StoreError};

/// How long a question waits for another process that has the database locked.
const BUSY_TIMEOUT: Duration = Duration::from_secs(3);

/// What a store is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inspection {
    /// Migrations that the next start will run.
    pub pending: usize,
    /// Requests on record.
    pub requests: u64,
    /// The account that it belongs to, `None` before one has worked on it.
    pub bot: Option<UserId>,
}

impl Store {
    /// Looks at the store at `path`: `None` when there is none yet. Reads the whole file once.
    ///
    /// # Errors
    /// What would keep [`Store::open`] from opening it, in the same words; also damage that SQLite finds.
    pub async fn inspect(path: &Path) -> Result<Option<Inspection>, StoreError> {
        if !path.exists() {
            return Ok(None);
        }
        // Whoever works on the store has a log beside it. Without one, SQLite would leave an empty one here.
        let idle = !write_ahead_log(path).exists();
        let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(idle);
        let options = options.busy_timeout(BUSY_TIMEOUT);
        let mut connection = options.connect().await?;
        let version = newest(&mut connection).await?;
        if version.is_none() && has_table(&mut connection, "alembic_version").await? {
            return Err(predecessor());
        }
        let known = || MIGRATIONS.iter().map(|migration| migration.version);
        if let Some(version) = version.filter(|version| !known().any(|known| known == *version)) {
            return Err(MigrateError::VersionMissing(version).into());
        }
        check(&mut connection).await?;
        let requests: i64 = match has_table(&mut connection, "usage").await? {
            true => sqlx::query_scalar("SELECT count(*) FROM usage").fetch_one(&mut connection).await?,
            false => 0,
        };
        let bot = match has_table(&mut connection, "bot").await? {
            true => owner(&mut connection).await?,
            false => None,
        };
        connection.close().await?;
        let pending = known().filter(|known| version.is_none_or(|version| *known > version)).count();
        Ok(Some(Inspection { pending, requests: requests.cast_unsigned(), bot }))
    }
}

#[cfg(test)]
mod tests {
    use stenobot_domain::Clock;

    use super::*;

    #[tokio::test]
    async fn a_look_at_a_journal_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        assert_eq!(Store::inspect(&path).await.unwrap(), None);
        let store = Store::open(&path, Clock::System).await.unwrap();
        let sound = Some(Inspection { pending: 0, requests: 0, bot: None });
        assert_eq!(Store::inspect(&path).await.unwrap(), sound);
        store.close().await;

        let before = std::fs::read(&path).unwrap();
        assert_eq!(Store::inspect(&path).await.unwrap(), sound);
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "something was left beside the store");
    }
}
