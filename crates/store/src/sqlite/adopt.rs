//! Takes over the rows of a copy of a store, into a file with a schema of this program's own.
//!
//! All else in the copy stays behind: triggers, views, tables and indexes that are not the store's. Every value
//! passes the constraints of the new tables.

use std::path::Path;

use futures::TryStreamExt;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteRow, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Decode, Row, Sqlite, SqliteConnection, TypeInfo, ValueRef};

use super::foreign::{self, Refused, quoted};
use super::open::{MIGRATIONS, newest_known};

/// Longest value in bytes; names, ids and keys have a few hundred.
const MAX_VALUE_BYTES: u32 = 4096;

/// The oldest schema that is restored: the first with the requests' stages. The two before it are a predecessor's.
const OLDEST: i64 = 3;

/// Fills `fresh`, an empty file, with the rows of `copy`, of which nothing is changed. The schema is that of the copy's
/// version, made by this program's own migrations.
pub(super) async fn adopt(copy: &Path, fresh: &Path) -> Result<(), Refused> {
    let mut from = foreign::open(copy, true).await?;
    let version = version(&mut from).await?;
    let options = SqliteConnectOptions::new().filename(fresh).foreign_keys(false);
    // The file gets its place only when it is whole and on the disk.
    let mut to = options.synchronous(SqliteSynchronous::Off).connect().await?;
    let steps = MIGRATIONS.iter().filter(|step| step.version <= version).cloned().collect();
    Migrator::with_migrations(steps).run(&mut to).await.map_err(|error| Refused(error.to_string()))?;
    // Carried-over usage of erased users stays behind: nothing may lead to them for longer than that day. So do the heartbeats
    // of machines, which are not at work here.
    let tables = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' \
                  AND name NOT IN ('_sqlx_migrations', 'spent', 'spent_keys', 'machines')";
    let tables: Vec<(String, String)> = sqlx::query_as(tables).fetch_all(&mut to).await?;
    for (table, made) in &tables {
        match foreign::real_table(&mut from, table).await? {
            Some(there) if there == *made => {}
            Some(_) => return Err(Refused(format!("its table {table} is not as this program makes it"))),
            None => return Err(Refused(format!("it has no table {table}"))),
        }
    }
    for (table, _) in &tables {
        copy_table(&mut from, &mut to, table).await?;
    }
    let dangling = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut to).await?;
    if !dangling.is_empty() {
        return Err(Refused(format!("{} rows refer to people that it does not hold", dangling.len())));
    }
    to.close().await?;
    from.close().await?;
    Ok(())
}

/// The version of the copy's schema, all of whose migrations must be this program's own.
async fn version(from: &mut SqliteConnection) -> Result<i64, Refused> {
    let none = || Refused("it is no store of stenobot".into());
    foreign::real_table(from, "_sqlx_migrations").await?.ok_or_else(none)?;
    let applied = "SELECT CAST(version AS INTEGER), CASE WHEN octet_length(checksum) < 100 THEN CAST(checksum AS BLOB) END, \
                   CAST(success AS INTEGER) FROM _sqlx_migrations NOT INDEXED LIMIT 1000";
    let applied: Vec<(i64, Option<Vec<u8>>, i64)> = sqlx::query_as(applied).fetch_all(from).await?;
    let version = applied.iter().map(|(version, ..)| *version).max().ok_or_else(none)?;
    if version > newest_known() {
        return Err(Refused(format!("a newer version wrote it (schema {version}); use that version")));
    }
    if version < OLDEST {
        return Err(Refused(format!(
            "its schema {version} is older than a store's; bring it along with import-legacy"
        )));
    }
    let is_own = MIGRATIONS.iter().filter(|step| step.version <= version).all(|step| {
        let same = |(version, checksum, success): &&(i64, Option<Vec<u8>>, i64)| {
            *version == step.version && checksum.as_deref() == Some(&*step.checksum) && *success == 1
        };
        applied.iter().filter(same).count() == 1
    });
    let steps = MIGRATIONS.iter().filter(|step| step.version <= version).count();
    match is_own && steps == applied.len() {
        true => Ok(version),
        false => Err(Refused("its schema was not made by this program's migrations".into())),
    }
}

/// Copies every row of a table which both files have in the same form.
async fn copy_table(from: &mut SqliteConnection, to: &mut SqliteConnection, table: &str) -> Result<(), Refused> {
    let names = foreign::columns(to, table).await?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let name = quoted(table);
    // Finds pages that are referred to twice as well, over which a scan might never end. Of the constraints it evaluates
    // those of the table alone, which are this program's.
    let check = AssertSqlSafe(format!("PRAGMA quick_check({name})"));
    let report: String = sqlx::query_scalar(check).fetch_one(&mut *from).await?;
    if report != "ok" {
        return Err(Refused(format!("it is damaged: {}", report.lines().next().unwrap_or_default())));
    }
    foreign::check_sizes(from, table, &names, foreign::MAX_ROWS, MAX_VALUE_BYTES).await?;
    let list = names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    let parameters = vec!["?"; names.len()].join(", ");
    let select = AssertSqlSafe(format!("SELECT {list} FROM {name} NOT INDEXED"));
    let insert = format!("INSERT INTO {name} ({list}) VALUES ({parameters})");
    let mut to = to.begin().await?;
    // Rows that the migrations inserted.
    sqlx::query(AssertSqlSafe(format!("DELETE FROM {name}"))).execute(&mut *to).await?;
    let mut rows = sqlx::query(select).fetch(from);
    while let Some(row) = rows.try_next().await? {
        let values = values(&row, names.len())?;
        let inserted = sqlx::query_with(AssertSqlSafe(insert.clone()), values).execute(&mut *to).await;
        inserted.map_err(|error| Refused(format!("its table {table} has a row that no store has: {error}")))?;
    }
    drop(rows);
    Ok(to.commit().await?)
}

/// The values of a row, each with the type that it has there.
fn values(row: &SqliteRow, count: usize) -> Result<SqliteArguments, Refused> {
    use sqlx::Arguments;
    let mut values = SqliteArguments::default();
    for index in 0..count {
        let value = row.try_get_raw(index)?;
        let kind = value.type_info().name().to_owned();
        let added = match kind.as_str() {
            _ if value.is_null() => values.add(None::<i64>),
            "INTEGER" | "BOOLEAN" => values.add(read::<i64>(value)?),
            "REAL" => values.add(read::<f64>(value)?),
            "TEXT" => values.add(read::<String>(value)?),
            other => return Err(Refused(format!("it has a value of type {other}, which no store has"))),
        };
        added.map_err(|error| Refused(error.to_string()))?;
    }
    Ok(values)
}

fn read<'r, T: Decode<'r, Sqlite>>(value: <Sqlite as sqlx::Database>::ValueRef<'r>) -> Result<T, Refused> {
    T::decode(value).map_err(|error| Refused(error.to_string()))
}
