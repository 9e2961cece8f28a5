//! Inspection of a file that changes nothing, also while a bot works on it.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::{ConnectOptions, Connection};

use super::open::{MIGRATIONS, check, check_finished, has_table, newest, predecessor, read_only};
use super::sql::account::account;
use crate::StoreError;
use crate::inspection::Inspection;
use crate::location::write_ahead_log;

/// How long a query waits for another process that has the database locked.
const BUSY_TIMEOUT: Duration = Duration::from_secs(3);

pub(crate) async fn inspect(path: &Path) -> Result<Option<Inspection>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    // A process that works on the store has a log beside it. Without one, SQLite would leave an empty one here.
    let is_idle = !write_ahead_log(path).exists();
    let mut connection = read_only(path).immutable(is_idle).busy_timeout(BUSY_TIMEOUT).connect().await?;
    let version = newest(&mut connection).await?;
    if version.is_none() && has_table(&mut connection, "alembic_version").await? {
        return Err(predecessor());
    }
    let known = || MIGRATIONS.iter().map(|migration| migration.version);
    if let Some(version) = version.filter(|version| !known().any(|known| known == *version)) {
        return Err(MigrateError::VersionMissing(version).into());
    }
    check(&mut connection).await?;
    if has_table(&mut connection, "migration_in_progress").await? {
        check_finished(&mut connection).await?;
    }
    let requests: i64 = match has_table(&mut connection, "usage").await? {
        true => sqlx::query_scalar("SELECT count(*) FROM usage").fetch_one(&mut connection).await?,
        false => 0,
    };
    let bot = match has_table(&mut connection, "bot").await? {
        true => account(&mut connection).await?,
        false => None,
    };
    connection.close().await?;
    let pending = known().filter(|known| version.is_none_or(|version| *known > version)).count();
    Ok(Some(Inspection { pending, requests: requests.cast_unsigned(), bot, server: None }))
}

#[cfg(test)]
mod tests {
    use stenobot_domain::Clock;

    use super::*;
    use crate::{Store, StoreUrl};

    #[tokio::test]
    async fn an_inspection_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let url = StoreUrl::sqlite(&path);
        assert_eq!(Store::inspect(&url).await.unwrap(), None);
        let store = Store::open(&url, Clock::System).await.unwrap();
        let sound = Some(Inspection { pending: 0, requests: 0, bot: None, server: None });
        assert_eq!(Store::inspect(&url).await.unwrap(), sound);
        store.close().await;

        let before = std::fs::read(&path).unwrap();
        assert_eq!(Store::inspect(&url).await.unwrap(), sound);
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "something was left beside the store");
    }
}
