//! Backup while the bot runs, verification, restore.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use stenobot_domain::with_suffix;

use super::adopt::adopt;
use super::foreign;
use super::open::{has_table, newest, newest_known, read_only};
use super::sql::account;
use crate::StoreError;

/// Numbers of rows in a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// Users.
    pub users: i64,
    /// Requests, of every stage.
    pub requests: i64,
    /// Requests among them that have not ended.
    pub open: i64,
}

/// Why a copy was not made or not restored. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file exists already.
    #[error("{0} exists already: give another name, or --force to replace it")]
    Exists(PathBuf),
    /// The copy is not a complete store.
    #[error("{file} cannot be used: {reason}")]
    Unfit {
        /// The file.
        file: PathBuf,
        /// Why, as the end of a sentence that names it.
        reason: String,
    },
    /// A file could not be written, moved or read.
    #[error("{file} cannot be written: {error}")]
    Write {
        /// The file.
        file: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The store is not a file.
    #[error(transparent)]
    NotAFile(#[from] NotAFile),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store is a database of a PostgreSQL server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the store is in PostgreSQL, which has its own tools: back it up with `pg_dump -Fc`, put that back with `pg_restore`"
)]
pub struct NotAFile;

impl From<sqlx::Error> for BackupError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// See [`Store::backup`](crate::Store::backup).
pub(crate) async fn backup(store: &Path, copy: &Path, replace: bool) -> Result<Contents, BackupError> {
    if copy.exists() && !replace {
        return Err(BackupError::Exists(copy.to_path_buf()));
    }
    let partial = beside(copy, "partial");
    private(&partial)?;
    let made = async {
        let mut connection = read_only(store).connect().await?;
        let name = partial
            .to_str()
            .ok_or_else(|| BackupError::Unfit { file: copy.to_path_buf(), reason: "its name is not UTF-8".into() })?;
        sqlx::query("VACUUM INTO ?1").bind(name).execute(&mut connection).await?;
        connection.close().await?;
        drop_spent(&partial).await?;
        let contents = verify(&partial).await?;
        durable(&partial).and_then(|()| fs::rename(&partial, copy)).map_err(writing(copy))?;
        durable(folder(copy)).map_err(writing(copy))?;
        Ok(contents)
    };
    let made = made.await;
    if made.is_err() {
        // The error of the copy is reported, not that of its removal.
        let _ = fs::remove_file(&partial);
    }
    made
}

/// Deletes carried-over usage of erased users from a copy, which may be kept for longer than the day after which nothing may
/// lead to them.
async fn drop_spent(copy: &Path) -> Result<(), BackupError> {
    let options = SqliteConnectOptions::new().filename(copy).foreign_keys(true).pragma("secure_delete", "ON");
    let mut connection = options.connect().await?;
    if has_table(&mut connection, "spent_keys").await? {
        sqlx::query("DELETE FROM spent_keys").execute(&mut connection).await?;
    }
    finish(connection).await?;
    Ok(())
}

/// Checks a copy: undamaged, a store, and of a version that this program can read.
pub async fn verify(copy: &Path) -> Result<Contents, BackupError> {
    let unfit = |reason: String| BackupError::Unfit { file: copy.to_path_buf(), reason };
    let wrong = |error: sqlx::Error| unfit(StoreError::from(error).to_string());
    foreign::length(copy).map_err(|why| unfit(why.to_string()))?;
    let options = read_only(copy).immutable(true);
    let mut connection = options.connect().await.map_err(wrong)?;
    let report: String =
        sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&mut connection).await.map_err(wrong)?;
    if report != "ok" {
        return Err(unfit(format!("it is damaged: {report}")));
    }
    match newest(&mut connection).await.map_err(|error| unfit(error.to_string()))? {
        None => return Err(unfit("it is no store of stenobot".into())),
        Some(version) if version > newest_known() => {
            return Err(unfit(format!("a newer version wrote it (schema {version}); use that version")));
        }
        Some(_) => {}
    }
    let dangling = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut connection).await.map_err(wrong)?;
    if !dangling.is_empty() {
        return Err(unfit(format!("{} rows refer to people that it does not hold", dangling.len())));
    }
    let (users, requests, open) = sqlx::query_as(CONTENTS).fetch_one(&mut connection).await.map_err(wrong)?;
    connection.close().await.map_err(wrong)?;
    Ok(Contents { users, requests, open })
}

const CONTENTS: &str = concat!(
    "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM usage), \
     (SELECT count(*) FROM usage WHERE stage IN ",
    open_stages!(),
    ")"
);

/// What happens to requests that had not ended when the copy was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterRestore {
    /// They go on. A sender who was answered since gets the same answer again, as an edit of the same message.
    Continue,
    /// They end without a notice.
    Drop,
}

/// A restored store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Its contents.
    pub contents: Contents,
    /// File of the store before, if there was one.
    pub before: Option<PathBuf>,
}

/// Replaces `store`, which no process may have open (hold the data folder's lock), by the contents of a copy. The copy is not
/// trusted: only its rows are taken over, into a new file. The store before is kept beside it. At every moment, also of a
/// crash, a complete store has the name.
pub async fn restore(copy: &Path, store: &Path, open: AfterRestore) -> Result<Restored, BackupError> {
    let unfit = |reason: String| BackupError::Unfit { file: copy.to_path_buf(), reason };
    foreign::length(copy).map_err(|why| unfit(why.to_string()))?;
    let fresh = beside(store, "restoring");
    private(&fresh)?;
    let put = async {
        adopt(copy, &fresh).await.map_err(|why| unfit(why.to_string()))?;
        let contents = contents(&fresh).await?;
        let stamp = prepare(&fresh, open).await?;
        durable(&fresh).map_err(writing(&fresh))?;
        let before = match store.exists() {
            true => Some(put_aside(store, &stamp).await?),
            false => None,
        };
        fs::rename(&fresh, store).and_then(|()| durable(folder(store))).map_err(writing(store))?;
        Ok(Restored { contents, before })
    };
    let put = put.await;
    if put.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    put
}

async fn contents(store: &Path) -> Result<Contents, BackupError> {
    let mut connection = read_only(store).connect().await?;
    let (users, requests, open) = sqlx::query_as(CONTENTS).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(Contents { users, requests, open })
}

/// Ends open requests if they are not to go on; gives the time as a part of a file's name.
async fn prepare(fresh: &Path, open: AfterRestore) -> Result<String, BackupError> {
    let mut connection = SqliteConnectOptions::new().filename(fresh).connect().await?;
    match open {
        AfterRestore::Continue => {}
        AfterRestore::Drop => {
            sqlx::query(account::DROP_OPEN).execute(&mut connection).await?;
        }
    }
    let stamp = sqlx::query_scalar("SELECT strftime('%Y%m%dT%H%M%SZ', 'now')").fetch_one(&mut connection).await?;
    finish(connection).await?;
    Ok(stamp)
}

/// Gives the store a second name. Its write-ahead log is renamed too: SQLite would apply it to the restored file.
async fn put_aside(store: &Path, stamp: &str) -> Result<PathBuf, BackupError> {
    // A damaged store, perhaps the reason for the restore, cannot write its log back.
    if let Ok(connection) = SqliteConnectOptions::new().filename(store).connect().await {
        let _ = finish(connection).await;
    }
    let before = link_unused(store, stamp)?;
    for suffix in ["-wal", "-shm"] {
        match fs::rename(with_suffix(store, suffix), with_suffix(&before, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(writing(&before)(error)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(before)
}

/// Gives the store a second name which no file has yet: another restore may have been in the same second.
fn link_unused(store: &Path, stamp: &str) -> Result<PathBuf, BackupError> {
    let mut before = beside(store, &format!("before-restore-{stamp}"));
    for number in 2.. {
        match fs::hard_link(store, &before) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                before = beside(store, &format!("before-restore-{stamp}-{number}"));
            }
            Err(error) => return Err(writing(&before)(error)),
            Ok(()) => break,
        }
    }
    Ok(before)
}

/// Closes a connection so that nothing is left in the write-ahead log.
async fn finish(mut connection: SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
    connection.close().await
}

// === Files ===

fn writing(file: &Path) -> impl Fn(io::Error) -> BackupError {
    move |error| BackupError::Write { file: file.to_path_buf(), error }
}

/// Creates an empty file that only this user can read, in place of any file of that name.
fn private(file: &Path) -> Result<(), BackupError> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(writing(file)(error)),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map(drop).map_err(writing(file))
}

fn durable(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    with_suffix(file, &format!(".{ending}"))
}
