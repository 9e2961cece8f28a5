//! A real store in a folder of its own, with a clock that the test sets.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection};
use stenobot_domain::{ChatId, Clock, MessageId, RequestId, StageName, Timestamp, UserId};
use stenobot_store::{Admission, Capacity, Facts, Fence, IncomingAudio, RequestRow, Sender, Store, WorkSource};

pub(crate) const START: i64 = 1_700_000_000_000;
pub(crate) const ROOMY: Capacity = queue_of(10_000);

/// Room for this many, whoever they are from.
pub(crate) const fn queue_of(queue: u32) -> Capacity {
    Capacity { queue, per_person: u32::MAX, per_day: None }
}

pub(crate) struct Desk {
    pub(crate) store: Store,
    pub(crate) path: PathBuf,
    time: Arc<AtomicI64>,
    _folder: tempfile::TempDir,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let time = Arc::new(AtomicI64::new(START));
        let store = Store::open(&path, Clock::Manual(Arc::clone(&time))).await.unwrap();
        Self { store, path, time, _folder: folder }
    }

    /// A second handle, as another process has it.
    pub(crate) async fn another(&self) -> Store {
        Store::open(&self.path, Clock::Manual(Arc::clone(&self.time))).await.unwrap()
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.time.load(Ordering::SeqCst))
    }

    pub(crate) fn pass(&self, while_: Duration) {
        self.time.fetch_add(i64::try_from(while_.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Sets the clock back.
    pub(crate) fn set_back(&self, by: Duration) {
        self.time.fetch_sub(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) async fn sql(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(&self.path).connect().await.unwrap()
    }

    /// One value of one row of `usage`.
    pub(crate) async fn value<T>(&self, id: RequestId, column: &str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
    {
        let mut sql = self.sql().await;
        let row: SqliteRow = sqlx::query(AssertSqlSafe(format!("SELECT {column} FROM usage WHERE id = ?1")))
            .bind(id.0)
            .fetch_one(&mut sql)
            .await
            .unwrap();
        sql.close().await.unwrap();
        row.get(0)
    }

    /// Every column of one row of `usage`, to see that nothing changed.
    pub(crate) async fn row(&self, id: RequestId) -> String {
        let mut sql = self.sql().await;
        let columns: Vec<String> =
            sqlx::query_scalar("SELECT name FROM pragma_table_info('usage')").fetch_all(&mut sql).await.unwrap();
        let whole = format!("SELECT json_array({}) FROM usage WHERE id = ?1", columns.join(", "));
        let row = sqlx::query_scalar(AssertSqlSafe(whole)).bind(id.0).fetch_one(&mut sql).await.unwrap();
        // A connection that is merely dropped closes at some later time, and the file's log stays until then.
        sql.close().await.unwrap();
        row
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let mut sql = self.sql().await;
        let count = sqlx::query_scalar(count).fetch_one(&mut sql).await.unwrap();
        sql.close().await.unwrap();
        count
    }

    /// Admits a message of this number.
    pub(crate) async fn admit(&self, message: i32) -> RequestId {
        self.take(&arrival(message)).await
    }

    /// Admits what is new and has room.
    pub(crate) async fn take(&self, arrival: &IncomingAudio) -> RequestId {
        match self.store.queue.admit(arrival, &ROOMY).await.unwrap() {
            Admission::New(id) => id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn claim(&self, source: WorkSource, worker: &str) -> Option<RequestRow> {
        self.store.queue.claim(source, worker).await.unwrap()
    }

    /// Moves a held row on and returns the fence by which it is held then.
    pub(crate) async fn advance(&self, fence: &Fence, to: StageName) -> Fence {
        self.store.queue.advance(fence, to, &Facts::default()).await.unwrap();
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

    /// Brings the next that waits for its download into the queue.
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

/// The same of this person, with a recording of their own.
pub(crate) fn arrival_of(person: i64, message: i32) -> IncomingAudio {
    let (file, unique) = (format!("file-{message}"), format!("unique-{message}-of-{person}"));
    IncomingAudio {
        claimed: Some(Duration::from_secs(10)),
        locale: Some("ru".into()),
        ..IncomingAudio::voice(ChatId(person), MessageId(message), sender(person), file, unique)
    }
}
