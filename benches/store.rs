//! Operations of the store on the way of one voice message, by the number of requests that wait. A file on the disk, as the
//! bot opens it: writes include their sync.
#![allow(clippy::unwrap_used, reason = "an operation that fails has no time to be measured")]

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use divan::Bencher;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use stenobot_domain::{ChatId, Clock, MessageId, RequestId, StageName, UserId};
use stenobot_store::{
    Admission, CancelOutcome, Capacity, Fence, IncomingAudio, RequestUpdate, Sender, Store, StoreUrl, WorkSource,
};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// The setting `max_queue_size` allows up to 10,000; the last shows what it protects from.
const WAITING: &[u32] = &[10, 1_000, 10_000, 100_000];

/// Requests of one user that wait.
const PER_USER: u32 = 5;

/// In milliseconds since the Unix epoch.
const START: i64 = 1_700_000_000_000;

const FIRST_USER: UserId = UserId(7_000_000_001);

const UNLIMITED: Capacity = Capacity { queue: u32::MAX, per_user: u32::MAX, per_day: None };

const WORKER: &str = "worker";

fn main() {
    divan::main();
}

/// A store in which requests wait for the engine.
struct Filled {
    store: Store,
    /// Set by hand: SQLite does not write a row that is as before, like a lease renewed twice in one millisecond.
    time: Arc<AtomicI64>,
    runtime: Runtime,
    _folder: TempDir,
}

impl Filled {
    fn new(waiting: u32) -> Self {
        // Not in /tmp, which may be memory, where a sync costs nothing.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = folder.path().join("store.db");
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let time = Arc::new(AtomicI64::new(START));
        let store = runtime.block_on(async {
            let store = open(&path, &time).await;
            enqueue(&store).await;
            store.close().await;
            copy(&path, waiting).await;
            let store = open(&path, &time).await;
            assert_eq!(store.queue.depth().await.unwrap(), waiting);
            store
        });
        Self { store, time, runtime, _folder: folder }
    }

    /// Advances the clock.
    fn pass_millisecond(&self) {
        self.time.fetch_add(1, Ordering::SeqCst);
    }

    fn admit(&self, arrival: &IncomingAudio) -> RequestId {
        match self.runtime.block_on(self.store.queue.admit(arrival, &UNLIMITED)).unwrap() {
            Admission::New(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn claim(&self, source: WorkSource) -> Fence {
        self.runtime.block_on(self.store.queue.claim(source, WORKER)).unwrap().unwrap().fence
    }

    /// Measures claims. Each is given back before the next, so that as many wait every time; by a failure, so that the next
    /// takes another request: an interrupted one would come first again. The next claim gives it its new turn.
    fn measure_claims(&self, bencher: Bencher, source: WorkSource) {
        let held: Cell<Option<Fence>> = Cell::default();
        let release = || {
            self.pass_millisecond();
            if let Some(fence) = held.take() {
                self.runtime.block_on(self.store.queue.release(&fence, Duration::ZERO, true)).unwrap();
            }
        };
        bencher.with_inputs(release).bench_local_values(|()| held.set(Some(self.claim(source))));
    }
}

async fn open(path: &Path, time: &Arc<AtomicI64>) -> Store {
    Store::open(&StoreUrl::sqlite(path), Clock::Manual(Arc::clone(time))).await.unwrap()
}

/// A voice message of 10 s of the first user.
fn arrival(message: i32) -> IncomingAudio {
    let from = Sender { id: FIRST_USER, username: None, first_name: Some("Анна".into()), last_name: None };
    let (file, unique) = (format!("file-{message}"), format!("unique-{message}"));
    IncomingAudio {
        claimed: Some(Duration::from_secs(10)),
        locale: Some("ru".into()),
        ..IncomingAudio::voice(ChatId(FIRST_USER.0), MessageId(message), from, file, unique)
    }
}

/// Brings the first message into the queue.
async fn enqueue(store: &Store) {
    let admission = store.queue.admit(&arrival(1), &UNLIMITED).await.unwrap();
    assert_eq!(admission, Admission::New(RequestId(1)));
    let received = store.queue.claim(WorkSource::Downloads, WORKER).await.unwrap().unwrap().fence;
    let measured = RequestUpdate { length: Some(Duration::from_secs(10)), ..RequestUpdate::default() };
    store.queue.advance(&received, StageName::Downloaded, &measured).await.unwrap();
    let downloaded = Fence { stage: StageName::Downloaded, ..received };
    store.queue.advance(&downloaded, StageName::Queued, &RequestUpdate::default()).await.unwrap();
}

/// Copies the one request until `waiting` are there, of users with [`PER_USER`] each, who sent them by turns, one each
/// millisecond. Past the store, in one transaction: 100,000 admissions would take minutes.
async fn copy(path: &Path, waiting: u32) {
    let users = waiting.div_ceil(PER_USER);
    let number = |count: u32| {
        format!("WITH RECURSIVE number(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n < {count})")
    };
    // The rows of a temporary table are numbered from 1.
    let statements = format!(
        "BEGIN;
         CREATE TEMP TABLE new_users AS {} SELECT users.* FROM users, number;
         UPDATE new_users SET id = rowid + 1, telegram_id = telegram_id + rowid;
         INSERT INTO users SELECT * FROM new_users;
         CREATE TEMP TABLE new_usage AS {} SELECT usage.* FROM usage, number;
         UPDATE new_usage SET id = rowid + 1, message_id = rowid + 1, reply_to_message_id = rowid + 1,
             user_id = 1 + rowid % {users}, chat_id = chat_id + rowid % {users},
             voice_file_id = 'file-' || (rowid + 1), file_unique_id = 'unique-' || (rowid + 1),
             received_at = received_at - {waiting} + rowid, turn = 1 + rowid / {users};
         INSERT INTO usage SELECT * FROM new_usage;
         COMMIT;",
        number(users),
        number(waiting),
    );
    let mut sql = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut sql).await.unwrap();
    sql.close().await.unwrap();
}

/// One more message. It is cancelled before the next, so that as many wait every time.
#[divan::bench(args = WAITING, sample_size = 1, max_time = 5)]
fn admit(bencher: Bencher, waiting: u32) {
    let filled = Filled::new(waiting);
    let admitted: Cell<Option<RequestId>> = Cell::default();
    let mut message = i32::try_from(waiting).unwrap();
    let next = || {
        filled.pass_millisecond();
        if let Some(id) = admitted.take() {
            let outcome = filled.runtime.block_on(filled.store.queue.cancel(id, FIRST_USER)).unwrap();
            assert_eq!(outcome, CancelOutcome::Now { from: StageName::Received });
        }
        message += 1;
        arrival(message)
    };
    bencher.with_inputs(next).bench_local_values(|arrival| admitted.set(Some(filled.admit(&arrival))));
}

/// The one request that waits for its download, beside those in the queue.
#[divan::bench(args = WAITING, sample_size = 1, max_time = 5)]
fn claim_download(bencher: Bencher, waiting: u32) {
    let filled = Filled::new(waiting);
    filled.admit(&arrival(i32::try_from(waiting).unwrap() + 1));
    filled.measure_claims(bencher, WorkSource::Downloads);
}

#[divan::bench(args = WAITING, sample_size = 1, max_time = 5)]
fn claim_transcription(bencher: Bencher, waiting: u32) {
    Filled::new(waiting).measure_claims(bencher, WorkSource::Transcriptions);
}

/// A fenced write, which finds its row by its id. Transitions from stage to stage are writes of the same kind.
#[divan::bench(args = WAITING, sample_size = 1, max_time = 5)]
fn renew(bencher: Bencher, waiting: u32) {
    let filled = Filled::new(waiting);
    let fence = filled.claim(WorkSource::Transcriptions);
    let renew = |()| filled.runtime.block_on(filled.store.queue.renew(&fence)).unwrap();
    bencher.with_inputs(|| filled.pass_millisecond()).bench_local_values(renew);
}

/// How many wait: asked before each admission.
#[divan::bench(args = WAITING, sample_size = 1, max_time = 5)]
fn depth(bencher: Bencher, waiting: u32) {
    let filled = Filled::new(waiting);
    bencher.bench_local(|| filled.runtime.block_on(filled.store.queue.depth()).unwrap());
}

/// All that wait in the order of claims: the positions and waits that users are shown, after each change.
#[divan::bench(args = WAITING, sample_size = 1, max_time = 5)]
fn waiting_list(bencher: Bencher, waiting: u32) {
    let filled = Filled::new(waiting);
    bencher.bench_local(|| filled.runtime.block_on(filled.store.queue.waiting()).unwrap());
}

/// Positions of one user's requests, for `/queue`.
#[divan::bench(args = WAITING, sample_size = 1, max_time = 5)]
fn positions_of_one_user(bencher: Bencher, waiting: u32) {
    let filled = Filled::new(waiting);
    bencher.bench_local(|| filled.runtime.block_on(filled.store.queue.statuses_of(FIRST_USER)).unwrap());
}
