//! Inspection of a database that changes nothing.

use std::time::Duration;

use sqlx::Connection;
use stenobot_domain::Clock;
use tokio::time::Instant;

use super::open::{MIGRATIONS, check, check_server, newest, options, session};
use super::sql::account::account;
use crate::StoreError;
use crate::inspection::{Inspection, Server};
use crate::location::PostgresUrl;

/// Server's version, its time, whether it is a standby, and its connections: those that are left of those
/// that there may be for this user.
const SERVER: &str = "SELECT current_setting('server_version'), CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT), \
     pg_is_in_recovery(), \
     CAST(current_setting('max_connections') AS BIGINT) - CAST(current_setting('superuser_reserved_connections') AS BIGINT), \
     (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')";

/// `None` when no bot has worked on it yet.
pub(crate) async fn inspect(url: &PostgresUrl) -> Result<Option<Inspection>, StoreError> {
    let options = options(url)?.options([("default_transaction_read_only", "on"), ("statement_timeout", "5000")]);
    let mut connection = session(&options).await?;
    check_server(&mut connection).await?;
    let asked = Instant::now();
    type Row = (String, i64, bool, i64, i64);
    let (version, time, is_standby, connections, used): Row = sqlx::query_as(SERVER).fetch_one(&mut connection).await?;
    let latency = asked.elapsed();
    if is_standby {
        return Err(StoreError::Standby);
    }
    let half = i64::try_from(latency.as_millis() / 2).unwrap_or(0);
    let server = Server {
        version,
        latency,
        clock_difference: Duration::from_millis(Clock::System.now().0.saturating_sub(half).abs_diff(time)),
        connections_left: u32::try_from(connections - used).unwrap_or(0),
    };
    let applied = newest(&mut connection).await?;
    let Some(applied) = applied else {
        connection.close().await?;
        return Ok(None);
    };
    check(&mut connection).await?;
    // The planner's estimate: to count all takes as long as there is history.
    let requests: i64 = sqlx::query_scalar(
        "SELECT CASE WHEN reltuples < 10000 THEN (SELECT count(*) FROM usage) ELSE CAST(reltuples AS BIGINT) END \
         FROM pg_class WHERE oid = CAST('usage' AS regclass)",
    )
    .fetch_one(&mut connection)
    .await?;
    let bot = account(&mut connection).await?;
    connection.close().await?;
    let pending = MIGRATIONS.iter().filter(|migration| migration.version > applied).count();
    Ok(Some(Inspection { pending, requests: requests.unsigned_abs(), bot, server: Some(server) }))
}
