//! A store with a clock that the test sets, and accessors to its rows.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row, SqliteConnection};
use stenobot_domain::{ChatId, Clock, MessageId, RequestId, StageName, Timestamp, UserId};
use stenobot_simulator::postgres::PrivatePostgres;
use stenobot_store::{
    Admission, Capacity, Fence, IncomingAudio, RequestRow, RequestUpdate, Sender, Store, StoreUrl, WorkSource,
};

pub(crate) const START: i64 = 1_700_000_000_000;
pub(crate) const ROOMY: Capacity = queue_of(10_000);

/// Limits the waiting requests of all users only.
pub(crate) const fn queue_of(queue: u32) -> Capacity {
    Capacity { queue, per_user: u32::MAX, per_day: None }
}

/// A clock that tests set; clones share the time.
#[derive(Clone)]
pub(crate) struct TestClock(Arc<AtomicI64>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(START)))
    }
}

impl TestClock {
    fn clock(&self) -> Clock {
        Clock::Manual(Arc::clone(&self.0))
    }
}

/// Where a test's store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// An empty store of its own. Where PostgreSQL is missing, and need not be there, one on SQLite with a line that says so.
pub(crate) async fn open_store(backend: Backend, clock: TestClock) -> TestStore {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let server = match backend {
        Backend::Sqlite => None,
        Backend::Postgres => PrivatePostgres::shared_or_skip("the contract on PostgreSQL").await.unwrap(),
    };
    let url = match server {
        Some(server) => server.new_database().await.unwrap().parse().unwrap(),
        None => StoreUrl::sqlite(&path),
    };
    let store = Store::open(&url, clock.clock()).await.unwrap();
    TestStore { store, url, path, clock, _folder: folder }
}

pub(crate) struct TestStore {
    pub(crate) store: Store,
    url: StoreUrl,
    /// Of SQLite only.
    pub(crate) path: PathBuf,
    clock: TestClock,
    _folder: tempfile::TempDir,
}

/// A value of a row. PostgreSQL's columns have types: each is cast to the one that the test reads.
pub(crate) trait Value:
    Send
    + Unpin
    + for<'r> sqlx::Decode<'r, sqlx::Sqlite>
    + sqlx::Type<sqlx::Sqlite>
    + for<'r> sqlx::Decode<'r, sqlx::Postgres>
    + sqlx::Type<sqlx::Postgres>
{
    fn cast(column: &str) -> String;
}

impl Value for i64 {
    fn cast(column: &str) -> String {
        format!("CAST({column} AS BIGINT)")
    }
}

impl Value for f64 {
    fn cast(column: &str) -> String {
        column.to_owned()
    }
}

impl Value for bool {
    fn cast(column: &str) -> String {
        format!("{column} <> 0")
    }
}

impl Value for String {
    fn cast(column: &str) -> String {
        match column {
            "created_at" | "updated_at" => format!("to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS')"),
            _ => column.to_owned(),
        }
    }
}

impl<T> Value for Option<T>
where
    T: Value,
    Self: for<'r> sqlx::Decode<'r, sqlx::Sqlite>
        + sqlx::Type<sqlx::Sqlite>
        + for<'r> sqlx::Decode<'r, sqlx::Postgres>
        + sqlx::Type<sqlx::Postgres>,
{
    fn cast(column: &str) -> String {
        T::cast(column)
    }
}

impl TestStore {
    pub(crate) async fn new(backend: Backend) -> Self {
        open_store(backend, TestClock::default()).await
    }

    pub(crate) fn url(&self) -> StoreUrl {
        self.url.clone()
    }

    /// A second handle, as another process has it.
    pub(crate) async fn another(&self) -> Store {
        Store::open(&self.url(), self.clock.clock()).await.unwrap()
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.clock.0.load(Ordering::SeqCst))
    }

    /// Advances the clock.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Sets the clock back.
    pub(crate) fn set_back(&self, time: Duration) {
        self.clock.0.fetch_sub(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// A connection past the store. Of SQLite only: the contract uses the accessors below.
    pub(crate) async fn sql(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(&self.path).connect().await.unwrap()
    }

    /// A connection past the store, to a PostgreSQL database.
    pub(crate) async fn postgres(&self) -> PgConnection {
        PgConnection::connect(&self.url.to_string()).await.unwrap()
    }

    /// One value of a request's row.
    pub(crate) async fn value<T: Value>(&self, id: RequestId, column: &str) -> T {
        if self.url.file().is_none() {
            let query = format!("SELECT {} FROM usage WHERE id = $1", T::cast(column));
            return sqlx::query_scalar(AssertSqlSafe(query))
                .bind(id.0)
                .fetch_one(&mut self.postgres().await)
                .await
                .unwrap();
        }
        let mut sql = self.sql().await;
        let row: SqliteRow = sqlx::query(AssertSqlSafe(format!("SELECT {column} FROM usage WHERE id = ?1")))
            .bind(id.0)
            .fetch_one(&mut sql)
            .await
            .unwrap();
        sql.close().await.unwrap();
        row.get(0)
    }

    /// Every column of a request's row, to see that nothing changed.
    pub(crate) async fn row(&self, id: RequestId) -> String {
        if self.url.file().is_none() {
            let query = "SELECT CAST(to_jsonb(usage) AS TEXT) FROM usage WHERE id = $1";
            return sqlx::query_scalar(query).bind(id.0).fetch_one(&mut self.postgres().await).await.unwrap();
        }
        let mut sql = self.sql().await;
        let columns: Vec<String> =
            sqlx::query_scalar("SELECT name FROM pragma_table_info('usage')").fetch_all(&mut sql).await.unwrap();
        let whole = format!("SELECT json_array({}) FROM usage WHERE id = ?1", columns.join(", "));
        let row = sqlx::query_scalar(AssertSqlSafe(whole)).bind(id.0).fetch_one(&mut sql).await.unwrap();
        // A connection that is dropped closes later, and the write-ahead log stays until then.
        sql.close().await.unwrap();
        row
    }

    /// Number of rows.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        if self.url.file().is_none() {
            return sqlx::query_scalar(count).fetch_one(&mut self.postgres().await).await.unwrap();
        }
        let mut sql = self.sql().await;
        let count = sqlx::query_scalar(count).fetch_one(&mut sql).await.unwrap();
        sql.close().await.unwrap();
        count
    }

    /// Runs a statement past the store.
    pub(crate) async fn execute(&self, statement: &'static str) {
        if self.url.file().is_none() {
            sqlx::query(statement).execute(&mut self.postgres().await).await.unwrap();
            return;
        }
        let mut sql = self.sql().await;
        sqlx::query(statement).execute(&mut sql).await.unwrap();
        sql.close().await.unwrap();
    }

    /// Admits a message with this id.
    pub(crate) async fn admit(&self, message: i32) -> RequestId {
        self.take(&arrival(message)).await
    }

    /// Admits an arrival that is new and within all limits.
    pub(crate) async fn take(&self, arrival: &IncomingAudio) -> RequestId {
        match self.store.queue.admit(arrival, &ROOMY).await.unwrap() {
            Admission::New(id) => id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn claim(&self, source: WorkSource, worker: &str) -> Option<RequestRow> {
        self.store.queue.claim(source, worker).await.unwrap()
    }

    /// Advances a held row and returns its new fence.
    pub(crate) async fn advance(&self, fence: &Fence, to: StageName) -> Fence {
        self.store.queue.advance(fence, to, &RequestUpdate::default()).await.unwrap();
        Fence { stage: to, ..fence.clone() }
    }

    /// Admits a message and brings it into the queue.
    pub(crate) async fn enqueue(&self, message: i32) -> RequestId {
        self.enqueue_of(&arrival(message)).await
    }

    /// Admits an arrival and brings it into the queue.
    pub(crate) async fn enqueue_of(&self, arrival: &IncomingAudio) -> RequestId {
        let id = self.take(arrival).await;
        assert_eq!(self.download().await, id, "nothing else waits for its download");
        id
    }

    /// Brings the next request that waits for its download into the queue.
    pub(crate) async fn download(&self) -> RequestId {
        let row = self.claim(WorkSource::Downloads, "fetcher").await.unwrap();
        let fence = self.advance(&row.fence, StageName::Downloaded).await;
        self.advance(&fence, StageName::Queued).await;
        row.fence.id
    }

    /// Claims the head of the queue and starts it.
    pub(crate) async fn start(&self, worker: &str) -> Fence {
        let row = self.claim(WorkSource::Transcriptions, worker).await.unwrap();
        self.advance(&row.fence, StageName::Transcribing).await
    }
}

pub(crate) fn sender(id: i64) -> Sender {
    Sender { id: UserId(id), username: Some(format!("user{id}")), first_name: Some("Анна".into()), last_name: None }
}

/// A voice message of 10 s in a private chat of its sender, whose id needs more than 32 bits.
pub(crate) fn arrival(message: i32) -> IncomingAudio {
    IncomingAudio { file_unique_id: format!("unique-{message}"), ..arrival_of(7_000_000_001, message) }
}

/// A voice message of 10 s of this user, with audio of its own.
pub(crate) fn arrival_of(user: i64, message: i32) -> IncomingAudio {
    let (file, unique) = (format!("file-{message}"), format!("unique-{message}-of-{user}"));
    IncomingAudio {
        claimed: Some(Duration::from_secs(10)),
        locale: Some("ru".into()),
        ..IncomingAudio::voice(ChatId(user), MessageId(message), sender(user), file, unique)
    }
}
