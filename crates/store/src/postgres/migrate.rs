//! The PostgreSQL side of a migration between backends.

use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};

use super::{LEADER_LOCK, LOCKS, Query, open};
use crate::location::PostgresUrl;
use crate::machines::SILENCE;
use crate::migrate::tables::{Column, Kind, Row, Table, Value, names};
use crate::{MigrateError, StoreError};

/// Begins a transaction that reads the rows of one moment.
pub(super) const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A table takes as long as it is large, and one side waits while the other is read.
const SESSION: [(&str, &str); 6] = [
    ("statement_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
];

/// A database that no bot works on. Its session has the leader's lock.
pub(crate) struct OpenSide(pub(super) PgConnection);

/// A store that is brought to the newest schema and then only read.
pub(crate) async fn open_source(url: &PostgresUrl) -> Result<OpenSide, MigrateError> {
    let mut connection = connect(url).await?;
    if open::newest(&mut connection).await?.is_none() {
        return Err(MigrateError::NoStore(url.to_string()));
    }
    open::migrate_on(&mut connection).await?;
    open::check_finished(&mut connection).await?;
    open::check_known(&mut connection).await?;
    Ok(OpenSide(connection))
}

/// A database with the newest schema.
pub(crate) async fn open_target(url: &PostgresUrl) -> Result<OpenSide, MigrateError> {
    let mut connection = connect(url).await?;
    open::migrate_on(&mut connection).await?;
    Ok(OpenSide(connection))
}

async fn connect(url: &PostgresUrl) -> Result<PgConnection, MigrateError> {
    let mut connection = open::options(url)?.options(SESSION).connect().await.map_err(StoreError::from)?;
    if is_in_use(&mut connection).await? {
        return Err(MigrateError::Running(url.to_string()));
    }
    Ok(connection)
}

/// Takes the leader's lock: a machine that starts meanwhile does not poll, and a second migration does not start.
async fn is_in_use(connection: &mut PgConnection) -> Result<bool, StoreError> {
    let lock = sqlx::query_scalar("SELECT pg_try_advisory_lock($1, $2)").bind(LOCKS).bind(LEADER_LOCK);
    if !lock.fetch_one(&mut *connection).await? {
        return Ok(true);
    }
    let has_machines = "SELECT to_regclass('machines') IS NOT NULL";
    if !sqlx::query_scalar(has_machines).fetch_one(&mut *connection).await? {
        return Ok(false);
    }
    let live = "SELECT count(*) > 0 FROM machines WHERE heartbeat_at >= unix_millis() - $1";
    let silence = i64::try_from(SILENCE.as_millis()).unwrap_or(i64::MAX);
    Ok(sqlx::query_scalar(live).bind(silence).fetch_one(connection).await?)
}

pub(super) fn read(Column(name, kind): &Column) -> String {
    match kind {
        Kind::Integer => format!("CAST({name} AS BIGINT)"),
        Kind::Lease => format!("{name} * 0"),
        Kind::Real | Kind::Text | Kind::Bytes => (*name).to_owned(),
        Kind::Boolean => format!("CAST(CAST({name} AS INTEGER) AS BIGINT)"),
        Kind::Time => format!("CAST(extract(epoch FROM {name}) * 1000 AS BIGINT)"),
    }
}

/// The value of an array's element.
fn write(Column(name, kind): &Column) -> String {
    match kind {
        Kind::Integer | Kind::Lease | Kind::Real | Kind::Text | Kind::Bytes => format!("new.{name}"),
        Kind::Boolean => format!("new.{name} <> 0"),
        Kind::Time => format!("to_timestamp(new.{name} / 1000.0)"),
    }
}

/// Type of an array of a column's values.
fn array(kind: Kind) -> &'static str {
    match kind {
        Kind::Integer | Kind::Lease | Kind::Boolean | Kind::Time => "BIGINT[]",
        Kind::Real => "DOUBLE PRECISION[]",
        Kind::Text => "TEXT[]",
        Kind::Bytes => "BYTEA[]",
    }
}

/// Binds the values of one column.
fn bind_column<'q>(query: Query<'q>, rows: &'q [Row], index: usize, kind: Kind) -> Query<'q> {
    let values = rows.iter().filter_map(|row| row.get(index));
    match kind {
        Kind::Integer | Kind::Lease | Kind::Boolean | Kind::Time => {
            let integer = |value: &Value| if let Value::Integer(number) = value { *number } else { None };
            query.bind(values.map(integer).collect::<Vec<Option<i64>>>())
        }
        Kind::Real => {
            let real = |value: &Value| if let Value::Real(number) = value { *number } else { None };
            query.bind(values.map(real).collect::<Vec<Option<f64>>>())
        }
        Kind::Text => {
            let text = |value: &'q Value| if let Value::Text(text) = value { text.as_deref() } else { None };
            query.bind(values.map(text).collect::<Vec<Option<&str>>>())
        }
        Kind::Bytes => {
            let bytes = |value: &'q Value| if let Value::Bytes(bytes) = value { bytes.as_deref() } else { None };
            query.bind(values.map(bytes).collect::<Vec<Option<&[u8]>>>())
        }
    }
}

impl OpenSide {
    /// Inserts rows in one statement, with an array for each column.
    pub(super) async fn insert_rows(&mut self, table: &Table, rows: &[Row]) -> Result<(), StoreError> {
        let (name, columns) = (table.name, names(table.columns));
        let values = table.columns.iter().map(write).collect::<Vec<_>>().join(", ");
        let arrays = table.columns.iter().enumerate();
        let arrays = arrays.map(|(index, Column(_, kind))| format!("CAST(${} AS {})", index + 1, array(*kind)));
        let arrays = arrays.collect::<Vec<_>>().join(", ");
        let insert = format!(
            "INSERT INTO {name} ({columns}) SELECT {values} FROM unnest({arrays}) AS new ({columns}) \
             ON CONFLICT DO NOTHING"
        );
        let query = sqlx::query(AssertSqlSafe(insert));
        let kinds = table.columns.iter().map(|Column(_, kind)| *kind).enumerate();
        let query = kinds.fold(query, |query, (index, kind)| bind_column(query, rows, index, kind));
        query.execute(&mut self.0).await?;
        Ok(())
    }
}

/// Has new rows get ids behind those that were copied. Without statistics, the planner would take the tables for empty.
pub(super) async fn complete(connection: &mut PgConnection) -> Result<(), StoreError> {
    for table in ["users", "usage"] {
        let set = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', 'id'), greatest(1, max(id)), max(id) IS NOT NULL) \
             FROM {table}"
        );
        sqlx::query(AssertSqlSafe(set)).execute(&mut *connection).await?;
    }
    sqlx::query("ANALYZE users, usage").execute(connection).await?;
    Ok(())
}
