//! Copies a store from SQLite to PostgreSQL or back: all rows with their ids, so that requests under way go on with the same
//! messages.
//!
//! Rows are copied in the order of their keys, a page in a transaction, and a copy that was interrupted goes on behind its last
//! row. Until it is verified, a row in the target names the source, and no store can be opened there.

pub(crate) mod tables;

use tables::{Row, TABLES, Table, TableSum};

use crate::{StoreError, StoreUrl, postgres, sqlite};

/// Rows that are read and written at once.
pub(crate) const PAGE: usize = 1000;

/// What a migration does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationPhase {
    /// Computes the checksums of the source, by which an interrupted copy recognises it.
    Reading,
    /// Copies rows.
    Copying,
    /// Computes the checksums of both stores.
    Verifying,
}

/// How far a migration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigrationProgress {
    /// The current phase.
    pub phase: MigrationPhase,
    /// Rows that are processed.
    pub done: u64,
    /// Rows of the phase.
    pub total: u64,
}

/// A verified copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// Users.
    pub users: u64,
    /// Requests, of every stage.
    pub requests: u64,
    /// Requests among them that are not closed: they go on.
    pub open: u64,
    /// Rows of all tables.
    pub rows: u64,
    /// Rows among them that an interrupted migration had copied.
    pub resumed: u64,
}

/// Why a store was not migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The pair is not supported.
    #[error(
        "one of the two is to be an SQLite file and the other a PostgreSQL database; `stenobot backup` and `stenobot restore` \
         copy an SQLite store, `pg_dump` and `pg_restore` a PostgreSQL one"
    )]
    SameKind,
    /// The source does not exist.
    #[error("there is no store at {0}")]
    NoStore(String),
    /// A machine works on one of them.
    #[error(
        "a bot, or another migration, works on {0}: stop all machines first; one that was killed counts as running for 15 \
         seconds"
    )]
    Running(String),
    /// The target has rows.
    #[error("{0} is not empty: name a database or a file that has no store yet")]
    NotEmpty(String),
    /// The target holds the rows of another source.
    #[error("{target} holds an unfinished migration of {other}: complete that one, or name another database or file")]
    OtherSource {
        /// The target.
        target: String,
        /// Its source.
        other: String,
    },
    /// The source has not the rows that it had at first.
    #[error("{0} was changed during the migration: stop what writes to it, and run the command again")]
    Changed(String),
    /// The copy is not equal to the source.
    #[error(
        "the table {table} of {target} differs from the original; run the command again, which copies everything anew"
    )]
    Differs {
        /// The target.
        target: String,
        /// The first table that differs.
        table: &'static str,
    },
    /// One of the stores failed. What was copied stays for another attempt.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The row of a target whose copy is not verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfinished {
    /// Location of the source, without a password.
    pub(crate) source: String,
    /// Checksum of the source's rows; empty when the copy is known to be wrong.
    pub(crate) fingerprint: String,
}

/// One of the two stores, on a connection of its own.
pub(crate) trait Side {
    /// From now on, until [`Side::end_snapshot`], the rows of one moment are read.
    async fn begin_snapshot(&mut self) -> Result<(), StoreError>;

    async fn end_snapshot(&mut self) -> Result<(), StoreError>;

    /// The next rows in the order of the key; the first ones without `after`.
    async fn page(&mut self, table: &Table, after: Option<&Row>) -> Result<Vec<Row>, StoreError>;

    /// The highest key.
    async fn last_key(&mut self, table: &Table) -> Result<Option<Row>, StoreError>;

    async fn count(&mut self, table: &Table) -> Result<u64, StoreError>;

    async fn count_open(&mut self) -> Result<u64, StoreError>;

    /// Inserts rows, all or none; rows that are there stay as they are.
    async fn insert(&mut self, table: &Table, rows: &[Row]) -> Result<(), StoreError>;

    async fn unfinished(&mut self) -> Result<Option<Unfinished>, StoreError>;

    async fn set_unfinished(&mut self, unfinished: &Unfinished) -> Result<(), StoreError>;

    /// Deletes all rows and records what is copied next, in one transaction.
    async fn start_over(&mut self, unfinished: &Unfinished) -> Result<(), StoreError>;

    /// Allows the store to be opened.
    async fn finish(&mut self) -> Result<(), StoreError>;

    async fn close(self) -> Result<(), StoreError>;
}

/// Copies the store `from`, which is brought to the newest schema and otherwise left as it is, to `to`, where none may be yet,
/// and verifies the copy. One of them is an SQLite file, the other a PostgreSQL database.
///
/// An interrupted migration is resumed by another call. Leases are expired in the copy, heartbeats and pauses of Telegram stay
/// behind. No bot may work on either: a PostgreSQL database is asked, for an SQLite file the caller holds the lock. Cancel safe.
pub async fn migrate(
    from: &StoreUrl,
    to: &StoreUrl,
    progress: impl FnMut(MigrationProgress),
) -> Result<Migrated, MigrateError> {
    let names = Names { source: absolute(from), target: absolute(to) };
    match (from, to) {
        (StoreUrl::Sqlite(file), StoreUrl::Postgres(url)) => {
            let source = sqlite::migrate::open_source(file).await?;
            between(source, postgres::migrate::open_target(url).await?, &names, progress).await
        }
        (StoreUrl::Postgres(url), StoreUrl::Sqlite(file)) => {
            let source = postgres::migrate::open_source(url).await?;
            between(source, sqlite::migrate::open_target(file).await?, &names, progress).await
        }
        (StoreUrl::Sqlite(_), StoreUrl::Sqlite(_)) | (StoreUrl::Postgres(_), StoreUrl::Postgres(_)) => {
            Err(MigrateError::SameKind)
        }
    }
}

/// Locations for sentences and for the target's row.
struct Names {
    source: String,
    target: String,
}

/// A location that is the same from every working folder.
fn absolute(url: &StoreUrl) -> String {
    match url.file().map(|file| file.canonicalize().or_else(|_| std::path::absolute(file))) {
        Some(Ok(file)) => StoreUrl::sqlite(file).to_string(),
        Some(Err(_)) | None => url.to_string(),
    }
}

async fn between(
    mut source: impl Side,
    mut target: impl Side,
    names: &Names,
    progress: impl FnMut(MigrationProgress),
) -> Result<Migrated, MigrateError> {
    let migrated = copy_and_verify(&mut source, &mut target, names, progress).await;
    let closed = (source.close().await, target.close().await);
    let migrated = migrated?;
    closed.0.and(closed.1)?;
    Ok(migrated)
}

async fn copy_and_verify(
    source: &mut impl Side,
    target: &mut impl Side,
    names: &Names,
    progress: impl FnMut(MigrationProgress),
) -> Result<Migrated, MigrateError> {
    let begun = target.unfinished().await?;
    match &begun {
        Some(begun) if begun.source != names.source => {
            return Err(MigrateError::OtherSource { target: names.target.clone(), other: begun.source.clone() });
        }
        None if !is_empty(target).await? => return Err(MigrateError::NotEmpty(names.target.clone())),
        Some(_) | None => {}
    }
    let mut total = 0;
    for table in TABLES {
        total += source.count(table).await?;
    }
    let mut meter = Meter { report: progress, phase: MigrationPhase::Reading, done: 0, total };
    meter.begin(MigrationPhase::Reading, total);
    let before = sums(source, &mut meter).await?;
    let this = Unfinished { source: names.source.clone(), fingerprint: tables::fingerprint(&before) };
    if begun.as_ref() != Some(&this) {
        target.start_over(&this).await?;
    }
    meter.begin(MigrationPhase::Copying, total);
    let mut resumed = 0;
    for table in TABLES {
        resumed += copy(source, target, table, &mut meter).await?;
    }
    meter.begin(MigrationPhase::Verifying, 2 * total);
    let original = sums(source, &mut meter).await?;
    if original != before {
        return Err(MigrateError::Changed(names.source.clone()));
    }
    let copied = sums(target, &mut meter).await?;
    if let Some((wrong, _)) = original.iter().zip(&copied).find(|(one, other)| one != other) {
        target.set_unfinished(&Unfinished { fingerprint: String::new(), ..this }).await?;
        return Err(MigrateError::Differs { target: names.target.clone(), table: wrong.table });
    }
    let open = target.count_open().await?;
    target.finish().await?;
    let rows_of = |name: &str| copied.iter().filter(|sum| sum.table == name).map(|sum| sum.rows).sum();
    let rows = copied.iter().map(|sum| sum.rows).sum();
    Ok(Migrated { users: rows_of("users"), requests: rows_of("usage"), open, rows, resumed })
}

/// Whether a store was opened here at most, and never used.
async fn is_empty(side: &mut impl Side) -> Result<bool, StoreError> {
    for table in TABLES.iter().filter(|table| !table.has_first_row) {
        if side.count(table).await? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Copies the rows that the target has not; gives the number of those that it had.
async fn copy(
    source: &mut impl Side,
    target: &mut impl Side,
    table: &Table,
    meter: &mut Meter<impl FnMut(MigrationProgress)>,
) -> Result<u64, StoreError> {
    let had = target.count(table).await?;
    meter.advance(had);
    let mut last = target.last_key(table).await?;
    loop {
        let rows = source.page(table, last.as_ref()).await?;
        let Some(end) = rows.last() else { return Ok(had) };
        target.insert(table, &rows).await?;
        meter.advance(rows.len() as u64);
        last = Some(table.key_of(end));
    }
}

/// Numbers of rows and checksums of one moment, in the order of [`TABLES`].
async fn sums(
    side: &mut impl Side,
    meter: &mut Meter<impl FnMut(MigrationProgress)>,
) -> Result<Vec<TableSum>, StoreError> {
    side.begin_snapshot().await?;
    let mut sums = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        let mut sum = tables::Summing::default();
        let mut last = None;
        loop {
            let rows = side.page(table, last.as_ref()).await?;
            let Some(end) = rows.last() else { break };
            last = Some(table.key_of(end));
            rows.iter().for_each(|row| sum.add(row));
            meter.advance(rows.len() as u64);
        }
        sums.push(sum.finish(table.name));
    }
    side.end_snapshot().await?;
    Ok(sums)
}

/// Reports progress.
struct Meter<F> {
    report: F,
    phase: MigrationPhase,
    done: u64,
    total: u64,
}

impl<F: FnMut(MigrationProgress)> Meter<F> {
    fn begin(&mut self, phase: MigrationPhase, total: u64) {
        (self.phase, self.done, self.total) = (phase, 0, total);
        self.advance(0);
    }

    fn advance(&mut self, rows: u64) {
        self.done += rows;
        (self.report)(MigrationProgress { phase: self.phase, done: self.done, total: self.total });
    }
}
