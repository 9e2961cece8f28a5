//! The SQLite side of a migration between backends.

use std::path::Path;

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};

use super::open;
use super::sql::migrate::bind;
use crate::migrate::tables::{Column, Kind, Row, Table, names};
use crate::{MigrateError, StoreError, StoreUrl};

/// Begins a transaction that reads the rows of one moment.
pub(super) const SNAPSHOT: &str = "BEGIN";

/// A file that no bot works on.
pub(crate) struct OpenSide(pub(super) SqliteConnection);

/// A store that is brought to the newest schema and then only read.
pub(crate) async fn open_source(file: &Path) -> Result<OpenSide, MigrateError> {
    if !file.exists() {
        return Err(MigrateError::NoStore(StoreUrl::sqlite(file).to_string()));
    }
    open::connect(file).await?.close().await;
    Ok(OpenSide(open::read_only(file).connect().await.map_err(StoreError::from)?))
}

/// A file, created if it does not exist, with the newest schema.
pub(crate) async fn open_target(file: &Path) -> Result<OpenSide, StoreError> {
    Ok(OpenSide(open::connect_unfinished(file).await?))
}

/// An imported time may have any form; where it is none, it is the epoch, as it is shown.
pub(super) fn read(Column(name, kind): &Column) -> String {
    match kind {
        Kind::Integer | Kind::Real | Kind::Text | Kind::Bytes | Kind::Boolean => (*name).to_owned(),
        Kind::Lease => format!("{name} * 0"),
        Kind::Time => format!(
            "CASE WHEN {name} GLOB '[0-9][0-9][0-9][0-9]-*' \
             THEN coalesce(CAST(round(unixepoch({name}, 'subsec') * 1000) AS INTEGER), 0) ELSE 0 END"
        ),
    }
}

/// The value of parameter `number`.
fn write(kind: Kind, number: usize) -> String {
    match kind {
        Kind::Integer | Kind::Lease | Kind::Real | Kind::Text | Kind::Bytes | Kind::Boolean => format!("${number}"),
        Kind::Time => format!("strftime('%Y-%m-%d %H:%M:%f', ${number} / 1000.0, 'unixepoch')"),
    }
}

impl OpenSide {
    /// Inserts rows one by one, in one transaction.
    pub(super) async fn insert_rows(&mut self, table: &Table, rows: &[Row]) -> Result<(), StoreError> {
        let values = table.columns.iter().enumerate().map(|(index, Column(_, kind))| write(*kind, index + 1));
        let (name, columns, values) = (table.name, names(table.columns), values.collect::<Vec<_>>().join(", "));
        let insert = format!("INSERT INTO {name} ({columns}) VALUES ({values}) ON CONFLICT DO NOTHING");
        let mut transaction = self.0.begin().await?;
        for row in rows {
            let query = sqlx::query(AssertSqlSafe(insert.clone()));
            row.iter().fold(query, bind).execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }
}

/// The next id is behind the highest by itself.
pub(super) async fn complete(_: &mut SqliteConnection) -> Result<(), StoreError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::tables::TABLES;

    /// Stay behind: machines at work, pauses of Telegram, and what the migrations keep.
    const OTHERS: [&str; 4] = ["_sqlx_migrations", "machines", "migration_in_progress", "telegram_pauses"];

    #[tokio::test]
    async fn every_table_and_every_column_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        let mut side = open_target(&folder.path().join("store.db")).await.unwrap();
        let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name";
        let there: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut side.0).await.unwrap();
        let mut known: Vec<&str> = TABLES.iter().map(|table| table.name).chain(OTHERS).collect();
        known.sort_unstable();
        assert_eq!(there, known);
        for table in TABLES {
            let columns = "SELECT name FROM pragma_table_info($1) ORDER BY name";
            let there: Vec<String> = sqlx::query_scalar(columns).bind(table.name).fetch_all(&mut side.0).await.unwrap();
            let mut known: Vec<&str> = table.columns.iter().map(|Column(name, _)| *name).collect();
            known.sort_unstable();
            assert_eq!(there, known, "{}", table.name);
            let keys = "SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk";
            let keys: Vec<String> = sqlx::query_scalar(keys).bind(table.name).fetch_all(&mut side.0).await.unwrap();
            assert_eq!(keys.join(", "), names(table.key_columns()), "{}", table.name);
        }
    }

    #[tokio::test]
    async fn a_time_of_any_form_is_read_as_milliseconds() {
        let folder = tempfile::tempdir().unwrap();
        let mut side = open_target(&folder.path().join("store.db")).await.unwrap();
        for (text, millis) in [
            ("2023-11-14 22:13:20.123", 1_700_000_000_123),
            ("2023-11-14 22:13:20.123456", 1_700_000_000_123),
            ("2023-11-14 22:13:20", 1_700_000_000_000),
            ("2023-11-14T22:13:20+00:00", 1_700_000_000_000),
            ("2023-11-14", 1_699_920_000_000),
            ("1969-12-31 23:59:59.999", -1),
            ("", 0),
            ("now", 0),
            ("2023-14-90", 0),
        ] {
            let query = format!("SELECT {} FROM (SELECT $1 AS at)", read(&Column("at", Kind::Time)));
            let found: i64 =
                sqlx::query_scalar(AssertSqlSafe(query.clone())).bind(text).fetch_one(&mut side.0).await.unwrap();
            assert_eq!(found, millis, "{text}");
            let writing = AssertSqlSafe(format!("SELECT {}", write(Kind::Time, 1)));
            let written: String = sqlx::query_scalar(writing).bind(millis).fetch_one(&mut side.0).await.unwrap();
            let again: i64 =
                sqlx::query_scalar(AssertSqlSafe(query)).bind(written).fetch_one(&mut side.0).await.unwrap();
            assert_eq!(again, millis, "{text}");
        }
    }
}
