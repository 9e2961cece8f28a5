//! Reads SQLite files that this program may not have written: a copy to restore, a predecessor's database.
//!
//! Such a file may hold triggers, views, virtual tables, generated columns and values of any size. None of its code runs
//! here: only real tables are read, by scans of the tables themselves, within limits on rows, values and time. The memory
//! that SQLite takes to read the schema is for the caller to bound, by a limit on the process.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection};
use tokio::time::Instant;

/// Largest table: one for each request that a bot was ever sent.
pub(super) const MAX_ROWS: u32 = 10_000_000;

/// Time for reading a file, beside that for its size.
const BASE_TIME: Duration = Duration::from_secs(60);
/// Further time for each MiB of it: a thousandth of the slowest disk's speed.
const TIME_PER_MIB: Duration = Duration::from_secs(1);

/// Steps of SQLite's virtual machine between two checks of the deadline; a few milliseconds.
const STEPS_PER_CHECK: i32 = 10_000;

/// Why a file cannot be used, as the end of a sentence that names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(pub(super) String);

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|database| database.code()).and_then(|code| code.parse().ok());
        // Primary result codes of SQLite: the low byte of the extended code.
        Self(match code.map(|code: u32| code & 0xff) {
            Some(7) => "it takes more memory than such a file may".into(),
            Some(9) => "it takes longer to read than a file of its size may".into(),
            Some(11 | 26) => "it is damaged or is no SQLite database".into(),
            Some(14) => "it cannot be opened".into(),
            _ => error.to_string(),
        })
    }
}

/// The length of a regular file in bytes.
pub(super) fn length(file: &Path) -> Result<u64, Refused> {
    let metadata = file.metadata().map_err(|error| {
        Refused(match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".into(),
            kind => kind.to_string(),
        })
    })?;
    let kind = metadata.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(metadata.len()),
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(Refused(format!("it is {what}, no file")))
}

/// Opens a file for reading, with everything off by which the file could run code. `is_immutable` where no other process
/// writes to it.
pub(super) async fn open(file: &Path, is_immutable: bool) -> Result<SqliteConnection, Refused> {
    let bytes = length(file)?;
    let mebibytes = u32::try_from(bytes >> 20).unwrap_or(u32::MAX);
    let deadline = Instant::now() + BASE_TIME + TIME_PER_MIB * mebibytes;
    let mut connection = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .immutable(is_immutable)
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .pragma("mmap_size", "0")
        .pragma("query_only", "ON")
        .connect()
        .await?;
    connection.lock_handle().await?.set_progress_handler(STEPS_PER_CHECK, move || Instant::now() < deadline);
    Ok(connection)
}

/// A name as SQL quotes it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The statement that made a table, `None` where the file has no such real table.
///
/// A view of that name, a virtual table and a table with generated columns are refused, also where the schema contains
/// false types.
pub(super) async fn real_table(connection: &mut SqliteConnection, name: &str) -> Result<Option<String>, Refused> {
    let virtuals = "SELECT count(*) FROM sqlite_master WHERE sql LIKE '%virtual%'";
    let virtuals: i64 = sqlx::query_scalar(virtuals).fetch_one(&mut *connection).await?;
    if virtuals > 0 {
        return Err(Refused("it holds virtual tables, which are not read".into()));
    }
    let made = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?1 AND sql LIKE 'CREATE TABLE%' \
                AND octet_length(sql) < 100000";
    let made: Option<String> = sqlx::query_scalar(made).bind(name).fetch_optional(&mut *connection).await?;
    let Some(made) = made else {
        let other = "SELECT type FROM sqlite_master WHERE name = ?1 AND octet_length(type) < 10";
        let other: Option<String> = sqlx::query_scalar(other).bind(name).fetch_optional(&mut *connection).await?;
        return match other {
            None => Ok(None),
            Some(_) => Err(Refused(format!("its {name} is no table"))),
        };
    };
    let generated = "SELECT count(*) FROM pragma_table_xinfo(?1) WHERE hidden > 0";
    let generated: i64 = sqlx::query_scalar(generated).bind(name).fetch_one(&mut *connection).await?;
    if generated > 0 {
        return Err(Refused(format!("its table {name} has generated columns, which are not read")));
    }
    // A view has no rowid, whatever the schema calls it.
    let rowid = AssertSqlSafe(format!("SELECT rowid FROM {} NOT INDEXED LIMIT 0", quoted(name)));
    if sqlx::query(rowid).fetch_optional(&mut *connection).await.is_err() {
        return Err(Refused(format!("its {name} is no table of rows")));
    }
    Ok(Some(made))
}

/// Names of a real table's columns, in order.
pub(super) async fn columns(connection: &mut SqliteConnection, table: &str) -> Result<Vec<String>, Refused> {
    let names = "SELECT name FROM pragma_table_info(?1) WHERE octet_length(name) < 100 LIMIT 200";
    Ok(sqlx::query_scalar(names).bind(table).fetch_all(connection).await?)
}

/// Refuses a real table of more than `max_rows` rows, or with a value of more than `max_bytes` bytes in one of these columns. Looks at the
/// rows' heads only, so that a large value is not read.
pub(super) async fn check_sizes(
    connection: &mut SqliteConnection,
    table: &str,
    columns: &[&str],
    max_rows: u32,
    max_bytes: u32,
) -> Result<(), Refused> {
    let lengths = columns.iter().map(|column| format!(", coalesce(octet_length({}), 0)", quoted(column)));
    let longest = lengths.collect::<String>();
    let table_name = quoted(table);
    let sql = format!("SELECT count(*), coalesce(sum(max(0{longest}) > {max_bytes}), 0) FROM {table_name} NOT INDEXED");
    let (rows, long): (i64, i64) = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(connection).await?;
    if rows > i64::from(max_rows) {
        return Err(Refused(format!("its table {table} has {rows} rows; at most {max_rows} are read")));
    }
    if long > 0 {
        return Err(Refused(format!("its table {table} has {long} rows with a value of more than {max_bytes} bytes")));
    }
    Ok(())
}
