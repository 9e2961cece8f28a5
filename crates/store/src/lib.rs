//! The store: every request is a durable row from its admission to its end.
//!
//! A worker *claims* a row before it works on it. The claim sets an owner and a lease and counts an attempt; row, stage,
//! owner and attempt are the *fencing token* ([`Fence`]). Every later write is conditional on it and must change exactly one
//! row, so that a worker whose lease ran out and whose row another worker has claimed writes nothing.
//!
//! `queue`, `users`, `audio`, `statistics`, `machines`, `service` hold the logic. `backend` is what they see of the two
//! databases; `sql` holds the statements, which are compiled for both; `sqlite` and `postgres` hold connections, files, and what
//! differs.

#![allow(clippy::duplicate_mod, reason = "the statements of `sql` are compiled once for each backend")]

mod account;
mod audio;
mod backend;
mod business;
mod changes;
mod crash;
mod database;
mod error;
mod inspection;
mod leadership;
mod location;
mod machines;
mod migrate;
mod postgres;
mod queue;
mod retry;
mod service;
mod sqlite;
mod statistics;
mod users;

use std::path::Path;

use stenobot_domain::{Clock, RequestId, Timestamp};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

pub use account::Adopted;
pub use audio::{Audio, AudioLookup, DueAudio, KeptAudio};
pub use business::{Business, BusinessConnection};
pub use changes::Topic;
pub use error::StoreError;
pub use inspection::{Inspection, Server};
pub use leadership::Leadership;
pub use location::{BadStoreUrl, PostgresUrl, StoreUrl, write_ahead_log};
pub use machines::{Fleet, HEARTBEAT_INTERVAL, Machine, MachineId, MachineState, Machines, SILENCE};
pub use migrate::{MigrateError, Migrated, MigrationPhase, MigrationProgress, migrate};
pub use postgres::open::MAX_CONNECTIONS;
pub use queue::actor::{Actor, ButtonPermission};
pub use queue::admission::{Admission, Capacity, IdempotencyKey, IncomingAudio, Sender};
pub use queue::cancellation::CancelOutcome;
pub use queue::comments::CommentPlace;
pub use queue::deletion::DeletedSource;
pub use queue::guests::GuestPress;
pub use queue::order::{HEAD_SIZE, PAGE_SIZE, Waiting};
pub use queue::rows::{Fence, Notice, RequestRow, RequestUpdate, Running, Settlement, WorkSource};
pub use queue::stop::StopOutcome;
pub use queue::{ClaimExclusions, LEASE, MAX_BACKOFF, Queue};
pub use retry::RetriedError;
pub use service::{Pause, Service, ServiceMode};
pub use sqlite::backup::{AfterRestore, BackupError, Contents, NotAFile, Restored, restore, verify};
pub use sqlite::legacy::{ImportError, Imported};
pub use statistics::{RequestProgress, RequestRecord, Snapshot, Statistics};
pub use users::erasure::Forgotten;
pub use users::invitations::InvitationSecret;
pub use users::{Ban, ChatSettings, MyData, RequestStatus, Users};

use self::backend::Connections;
use self::database::Database;

/// Everything durable, by subject. Cheap to clone; clones share the connections.
#[derive(Debug, Clone)]
pub struct Store {
    /// Requests from admission to answer.
    pub queue: Queue,
    /// Users, chats, bans.
    pub users: Users,
    /// Recordings that are kept on the disk.
    pub audio: Audio,
    /// Accounts of users to which the bot is connected.
    pub business: Business,
    /// Counts and times for gauges and reports.
    pub statistics: Statistics,
    /// The machines that work on the store.
    pub machines: Machines,
    /// What holds for all of them.
    pub service: Service,
    database: Database,
}

impl Store {
    /// Opens the store, creates it if it does not exist, and brings its schema up to date.
    ///
    /// # Errors
    /// Also [`StoreError::Damaged`]: the whole file is checked.
    pub async fn open(url: &StoreUrl, clock: Clock) -> Result<Self, StoreError> {
        let store = match url {
            StoreUrl::Sqlite(path) => {
                Self::over(Database::new(Connections::Sqlite(sqlite::open::connect(path).await?), clock))
            }
            StoreUrl::Postgres(url) => {
                let connections = postgres::open::connect(url).await?;
                let database = Database::new(Connections::Postgres(connections.clone()), clock);
                postgres::listen::spawn(&database, &connections);
                Self::over(database)
            }
        };
        store.checked().await
    }

    /// Inspects a store and changes nothing, also while a bot works on it: `None` when there is none yet. Reads the whole
    /// file once.
    ///
    /// # Errors
    /// What would keep [`Store::open`] from opening it, in the same words; also damage that SQLite finds.
    pub async fn inspect(url: &StoreUrl) -> Result<Option<Inspection>, StoreError> {
        match url {
            StoreUrl::Sqlite(path) => sqlite::inspect::inspect(path).await,
            StoreUrl::Postgres(url) => postgres::inspect::inspect(url).await,
        }
    }

    fn over(database: Database) -> Self {
        Self {
            queue: Queue(database.clone()),
            users: Users(database.clone()),
            audio: Audio(database.clone()),
            business: Business(database.clone()),
            statistics: Statistics(database.clone()),
            machines: Machines(database.clone()),
            service: Service(database.clone()),
            database,
        }
    }

    async fn checked(self) -> Result<Self, StoreError> {
        self.writable().await?;
        Ok(self)
    }

    /// This store with retries of fenced writes until `end`; `on_error` is called at every transient error that is retried.
    /// Without this, they are retried for ever and reported nowhere.
    #[must_use]
    pub fn retrying_until(
        self,
        end: CancellationToken,
        on_error: impl Fn(RetriedError<'_>) + Send + Sync + 'static,
    ) -> Self {
        Self::over(self.database.retrying_until(end, on_error))
    }

    /// This store, which calls `on_recovery` when the last write that waited for a transient error to pass has succeeded.
    #[must_use]
    pub fn reporting_recovery(self, on_recovery: impl Fn() + Send + Sync + 'static) -> Self {
        Self::over(self.database.reporting_recovery(on_recovery))
    }

    /// Whether a write waits for a transient error to pass. The lease of its request may have run out meanwhile: what has
    /// been done is to be recorded before anything is claimed.
    pub fn has_retrying_writes(&self) -> bool {
        self.database.has_retrying_writes()
    }

    /// A receiver that is notified after each write of this process, and of others' writes that are waited for. Subscribe
    /// before a query, and no change is missed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.database.changes.subscribe()
    }

    /// As [`Store::changes`], of others' writes only those of this topic. When there is work, each machine is notified at
    /// another moment.
    pub fn changes_of(&self, topic: Topic) -> watch::Receiver<u64> {
        self.database.changes.subscribe_to(topic)
    }

    /// Requests that were cancelled while they are held, perhaps by this process. A receiver that misses some asks
    /// [`Queue::cancellations_of`].
    pub fn cancellations(&self) -> broadcast::Receiver<RequestId> {
        self.database.cancellations.subscribe()
    }

    /// Requests that were stopped while they are held, as [`Store::cancellations`]; see [`Queue::stops_of`].
    pub fn stops(&self) -> broadcast::Receiver<RequestId> {
        self.database.stops.subscribe()
    }

    /// Runs `work` that sends; drops it and gives `None` before the other machines take this one for silent and send in its
    /// place.
    pub async fn unless_silent<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.database.unless_silent(work).await
    }

    /// Runs `work`; drops it and gives `None` while this machine's heartbeats have not reached the store for some seconds.
    /// Where there are no heartbeats, as with an SQLite file, it runs to its end.
    pub async fn while_reachable<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.database.while_reachable(work).await
    }

    /// The time by the store's clock, as far as this process knows it. To be shown, not to be decided by.
    pub fn now(&self) -> Timestamp {
        self.database.recent_now()
    }

    /// The clock of this process.
    pub fn clock(&self) -> &Clock {
        &self.database.clock
    }

    /// Whether the store can be written now.
    pub async fn writable(&self) -> Result<(), StoreError> {
        self.database.noting(self.database.connections.touch()).await
    }

    /// Whether erased data may be in the write-ahead log. True of a store that was just opened: the process before may have
    /// ended too early.
    pub fn log_may_hold_erased(&self) -> bool {
        self.database.connections.log_may_hold_erased()
    }

    /// Writes the write-ahead log back and truncates it. False when a reader prevents it: to be tried again.
    ///
    /// # Errors
    /// Those of the disk. The log may hold erased data as before.
    pub async fn empty_log(&self) -> Result<bool, StoreError> {
        self.database.connections.empty_log().await
    }

    /// Copies the store to the file `copy`, also while requests are processed: one consistent moment, nothing that was
    /// acknowledged before is missing. The copy appears under its name only when it is verified and on the disk.
    pub async fn backup(&self, copy: &Path, replace: bool) -> Result<Contents, BackupError> {
        sqlite::backup::backup(self.database.connections.file().ok_or(NotAFile)?, copy, replace).await
    }

    /// Copies the predecessor's `users` and `usage` rows, at either of its revisions, into this store, all or none. The
    /// file is only read, row by row. Rows that are here already are left alone, so that an import may be repeated.
    /// A new user brings the total that the file gives; the total of a known user grows by the rows that are new.
    pub async fn import_legacy(&self, file: &Path) -> Result<Imported, ImportError> {
        let Connections::Sqlite(connections) = &self.database.connections else { return Err(ImportError::NotSqlite) };
        let imported = sqlite::legacy::import(connections, file).await?;
        self.database.changed();
        Ok(imported)
    }

    /// Closes all connections, after writing the log back into the database file.
    pub async fn close(self) {
        self.database.connections.close().await;
    }
}

/// A store that is only read, also while a bot works on it.
#[derive(Debug)]
pub struct ReadOnlyStore {
    /// Of a store of exactly this version; see [`ReadOnlyStore::check_version`].
    pub statistics: Statistics,
    database: Database,
}

impl ReadOnlyStore {
    /// Opens an existing store for reading. Nothing of it is checked.
    pub async fn open(url: &StoreUrl) -> Result<Self, StoreError> {
        let connections = match url {
            StoreUrl::Sqlite(path) => Connections::Sqlite(sqlite::open::connect_read_only(path).await?),
            StoreUrl::Postgres(url) => Connections::Postgres(postgres::open::connect_read_only(url)?),
        };
        let database = Database::new(connections, Clock::System);
        Ok(Self { statistics: Statistics(database.clone()), database })
    }

    /// Whether the store's schema is exactly the one that this program knows.
    pub async fn check_version(&self) -> Result<(), StoreError> {
        self.database.connections.check_version().await
    }

    /// As [`Store::backup`].
    pub async fn backup(&self, copy: &Path, replace: bool) -> Result<Contents, BackupError> {
        sqlite::backup::backup(self.database.connections.file().ok_or(NotAFile)?, copy, replace).await
    }

    /// Closes the connection.
    pub async fn close(self) {
        self.database.connections.close().await;
    }
}
