//! Opening the database: its schema, its connections.

use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};
use tokio::time::timeout;

use super::Connections;
use crate::StoreError;
use crate::location::PostgresUrl;

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/postgres");

/// Connections that a machine keeps for its statements.
const POOL_SIZE: u32 = 8;

/// Connections of one process at most: those of the pool, the listener, and the one that holds the lead.
pub const MAX_CONNECTIONS: u32 = POOL_SIZE + 2;

/// How long a statement waits for a connection, one that is being opened included.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a session outside of the pool may take to open: a network that drops packets gives no other answer for minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The oldest version of the server that is supported, as `server_version_num` gives it.
const OLDEST_SERVER: i32 = 140_000;

/// A connection that is older is replaced, so that after a failover, and behind a balancer, none stays where it was.
const MAX_LIFETIME: Duration = Duration::from_secs(1800);

/// Bounds of a session, in milliseconds where no unit is given. A machine that is cut off, or stopped in the middle of a
/// transaction, holds locks that the others wait for, the next leader too: the server ends its transaction as soon as the
/// lead of a silent machine, and notices that it is gone.
const SESSION: [(&str, &str); 6] = [
    ("statement_timeout", "5000"),
    ("idle_in_transaction_session_timeout", "2500"),
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "10000"),
];

/// How long a migration may take.
const MIGRATION_TIMEOUT: &str = "600000";

/// Version of the newest migration that this program knows.
pub(super) fn newest_known() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Options of a session of this program.
pub(super) fn options(url: &PostgresUrl) -> Result<PgConnectOptions, StoreError> {
    let options = super::parse(url.expose()).ok_or_else(|| StoreError::Broken("its location cannot be read".into()))?;
    // Statements are in no log, at whatever level: what fails is an error, which its caller logs.
    let options = options.application_name("stenobot").options([("client_min_messages", "warning")]);
    Ok(options.disable_statement_logging())
}

/// Connections to the database, with the newest schema.
pub(crate) async fn connect(url: &PostgresUrl) -> Result<Connections, StoreError> {
    let options = options(url)?;
    migrate(&options).await?;
    Ok(pool(options, POOL_SIZE))
}

/// Connections that only read. Nothing is checked.
pub(crate) fn connect_read_only(url: &PostgresUrl) -> Result<Connections, StoreError> {
    Ok(pool(options(url)?.options([("default_transaction_read_only", "on")]), 1))
}

fn pool(options: PgConnectOptions, size: u32) -> Connections {
    let options = options.options(SESSION);
    let pool = PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .max_lifetime(MAX_LIFETIME)
        .connect_lazy_with(options.clone());
    Connections { pool, options: Arc::new(options) }
}

/// Has connections that are idle now closed.
pub(super) fn renew(pool: &PgPool) {
    let pool = pool.clone();
    tokio::spawn(async move {
        for _ in 0..pool.num_idle() {
            if let Some(connection) = pool.try_acquire() {
                // The server may be gone, and the connection with it.
                let _ = tokio::time::timeout(Duration::from_secs(1), connection.close()).await;
            }
        }
    });
}

/// Runs the migrations that are missing, under an advisory lock: machines that start together do it one after another.
async fn migrate(options: &PgConnectOptions) -> Result<(), StoreError> {
    let options = options.clone().options([("statement_timeout", MIGRATION_TIMEOUT)]);
    let mut connection = session(&options).await?;
    check_server(&mut connection).await?;
    migrate_on(&mut connection).await?;
    check_finished(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// A session that is not of the pool.
pub(super) async fn session(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    match timeout(CONNECT_TIMEOUT, options.connect()).await {
        Ok(connected) => Ok(connected?),
        Err(_) => Err(StoreError::Unreachable(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()))),
    }
}

/// Whether the server is of a version that can be used.
pub(super) async fn check_server(connection: &mut PgConnection) -> Result<(), StoreError> {
    const VERSION: &str =
        "SELECT CAST(current_setting('server_version_num') AS INTEGER), current_setting('server_version')";
    let (number, version): (i32, String) = sqlx::query_as(VERSION).fetch_one(connection).await?;
    supported(number, &version)
}

fn supported(number: i32, version: &str) -> Result<(), StoreError> {
    if number >= OLDEST_SERVER {
        return Ok(());
    }
    Err(StoreError::Broken(format!("PostgreSQL {version} is too old; use a server of version 14 or newer")))
}

/// Migrations of a newer version may be there during a rolling upgrade, see [`check`].
pub(super) async fn migrate_on(connection: &mut PgConnection) -> Result<(), StoreError> {
    let mut migrator = Migrator::with_migrations(MIGRATIONS.iter().cloned().collect());
    migrator.set_ignore_missing(true).run(&mut *connection).await?;
    check_compatible(connection).await
}

/// Version of the newest migration that was applied.
pub(super) async fn newest(connection: &mut PgConnection) -> Result<Option<i64>, StoreError> {
    let has_migrations: bool =
        sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(&mut *connection).await?;
    if !has_migrations {
        return Ok(None);
    }
    Ok(sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(connection).await?)
}

/// Whether this program may work on the schema, and on the rows.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), StoreError> {
    check_compatible(connection).await?;
    check_finished(connection).await
}

/// Whether another store is still to be copied into this one.
pub(super) async fn check_finished(connection: &mut PgConnection) -> Result<(), StoreError> {
    let source = sqlx::query_scalar("SELECT source FROM migration_in_progress").fetch_optional(connection).await?;
    source.map_or(Ok(()), |source| Err(StoreError::Unfinished(source)))
}

/// Whether this program knows the whole schema: of one that is newer, it would leave columns out.
pub(super) async fn check_known(connection: &mut PgConnection) -> Result<(), StoreError> {
    match newest(connection).await? {
        Some(version) if version > newest_known() => Err(StoreError::Migration(format!(
            "a newer version wrote it (schema {version} is unknown here); use that version"
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Whether this program may work on the schema: each migration says which is the oldest version of the program's schema that
/// it can be used with, so that two versions run side by side during an upgrade.
async fn check_compatible(connection: &mut PgConnection) -> Result<(), StoreError> {
    let oldest: i64 = sqlx::query_scalar("SELECT oldest FROM schema_compatibility").fetch_one(connection).await?;
    if oldest <= newest_known() {
        return Ok(());
    }
    Err(StoreError::Migration(format!(
        "a newer version wrote it (schema {oldest} or newer is needed, {} is known here); run that version",
        newest_known()
    )))
}

impl Connections {
    /// Whether this program may read the schema.
    pub(crate) async fn check_version(&self) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await.map_err(super::unavailable)?;
        match newest(&mut connection).await? {
            Some(version) if version >= newest_known() => check(&mut connection).await,
            Some(_) => {
                Err(StoreError::Migration("it is of an older version; start the bot once, which updates it".into()))
            }
            None => Err(StoreError::Broken("it has no tables yet; start the bot once, which makes them".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_server_is_refused() {
        assert!(supported(140_000, "14.0").is_ok());
        let error = supported(130_014, "13.14 (Debian 13.14-0+deb11u1)").unwrap_err();
        assert!(!error.is_transient());
        assert_eq!(
            error.to_string(),
            "the store cannot be used: PostgreSQL 13.14 (Debian 13.14-0+deb11u1) is too old; use a server of version 14 \
             or newer"
        );
    }
}
