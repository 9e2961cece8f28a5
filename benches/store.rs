//! Operations of the store on the way of one voice message, by backend and by the number of requests that wait. A file on the
//! disk, and a PostgreSQL server of its own on this machine: writes include their sync.
#![allow(clippy::unwrap_used, reason = "an operation that fails has no time to be measured")]

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use stenobot_domain::{ChatId, Clock, MessageId, RequestId, StageName, UserId};
use stenobot_simulator::postgres::{PostgresOptions, PrivatePostgres};
use stenobot_store::{
    Admission, CancelOutcome, Capacity, Fence, IncomingAudio, RequestUpdate, Sender, Store, StoreUrl, WorkSource,
};
use tokio::runtime::{Builder, Runtime};

/// The setting `max_queue_size` allows up to the last.
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

/// Where the store of a benchmark is.
trait Backend {
    /// An empty place, and what keeps it there.
    fn place(runtime: &Runtime) -> (StoreUrl, Box<dyn std::any::Any>);

    /// Runs a script past the store.
    async fn script(url: &StoreUrl, script: String);
}

struct Sqlite;

impl Backend for Sqlite {
    fn place(_: &Runtime) -> (StoreUrl, Box<dyn std::any::Any>) {
        // Not in /tmp, which may be memory, where a sync costs nothing.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        (StoreUrl::sqlite(folder.path().join("store.db")), Box::new(folder))
    }

    async fn script(url: &StoreUrl, script: String) {
        let mut sql = SqliteConnectOptions::new().filename(url.file().unwrap()).connect().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut sql).await.unwrap();
        sql.close().await.unwrap();
    }
}

struct Postgres;

impl Backend for Postgres {
    fn place(runtime: &Runtime) -> (StoreUrl, Box<dyn std::any::Any>) {
        let options = PostgresOptions { is_durable: true, ..PostgresOptions::default() };
        let server = runtime.block_on(PrivatePostgres::start(options)).unwrap();
        let url = runtime.block_on(server.new_database()).unwrap();
        (url.parse().unwrap(), Box::new(server))
    }

    async fn script(url: &StoreUrl, script: String) {
        let mut sql = PgConnection::connect(&url.to_string()).await.unwrap();
        // The identity columns go on behind the rows that the script brings; the planner knows them.
        let after = "SELECT setval(pg_get_serial_sequence('usage', 'id'), max(id)) FROM usage;
            SELECT setval(pg_get_serial_sequence('users', 'id'), max(id)) FROM users; VACUUM ANALYZE";
        for statement in script.split(';').chain(after.split(';')).filter(|statement| !statement.trim().is_empty()) {
            sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut sql).await.unwrap();
        }
        sql.close().await.unwrap();
    }
}

/// A store in which requests wait for the engine.
struct Filled {
    store: Store,
    /// Set by hand: SQLite does not write a row that is as before, like a lease renewed twice in one millisecond.
    time: Arc<AtomicI64>,
    runtime: Runtime,
    _place: Box<dyn std::any::Any>,
}

impl Filled {
    fn new<B: Backend>(waiting: u32) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (url, place) = B::place(&runtime);
        let time = Arc::new(AtomicI64::new(START));
        let store = runtime.block_on(async {
            let store = open(&url, &time).await;
            enqueue(&store).await;
            store.close().await;
            B::script(&url, copies(waiting)).await;
            let store = open(&url, &time).await;
            assert_eq!(store.queue.depth().await.unwrap(), waiting);
            store
        });
        Self { store, time, runtime, _place: place }
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

async fn open(url: &StoreUrl, time: &Arc<AtomicI64>) -> Store {
    Store::open(url, Clock::Manual(Arc::clone(time))).await.unwrap()
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
fn copies(waiting: u32) -> String {
    let users = waiting.div_ceil(PER_USER);
    let numbers = |last: u32| {
        format!("WITH RECURSIVE number(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n < {last})")
    };
    format!(
        "BEGIN;
         INSERT INTO users (id, telegram_id, created_at, updated_at)
             {} SELECT n, telegram_id + n, created_at, updated_at FROM users, number WHERE n <= {users};
         INSERT INTO usage (id, user_id, chat_id, message_id, reply_to_message_id, voice_file_id, file_unique_id,
                 received_at, queued_at, stage, answered, turn, voice_duration_seconds, created_at, updated_at)
             {} SELECT n, 1 + n % {users}, chat_id + n % {users}, n, n, concat('file-', n), concat('unique-', n),
                 received_at - {waiting} + n, queued_at, stage, answered, 1 + n / {users}, voice_duration_seconds,
                 created_at, updated_at
             FROM usage, number WHERE n <= {waiting};
         COMMIT;",
        numbers(users.max(2)),
        numbers(waiting),
    )
}

/// One more message. It is cancelled before the next, so that as many wait every time.
#[divan::bench(types = [Sqlite, Postgres], args = WAITING, sample_size = 1, max_time = 5)]
fn admit<B: Backend>(bencher: Bencher, waiting: u32) {
    let filled = Filled::new::<B>(waiting);
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
#[divan::bench(types = [Sqlite, Postgres], args = WAITING, sample_size = 1, max_time = 5)]
fn claim_download<B: Backend>(bencher: Bencher, waiting: u32) {
    let filled = Filled::new::<B>(waiting);
    filled.admit(&arrival(i32::try_from(waiting).unwrap() + 1));
    filled.measure_claims(bencher, WorkSource::Downloads);
}

#[divan::bench(types = [Sqlite, Postgres], args = WAITING, sample_size = 1, max_time = 5)]
fn claim_transcription<B: Backend>(bencher: Bencher, waiting: u32) {
    Filled::new::<B>(waiting).measure_claims(bencher, WorkSource::Transcriptions);
}

/// A fenced write, which finds its row by its id. Transitions from stage to stage are writes of the same kind.
#[divan::bench(types = [Sqlite, Postgres], args = WAITING, sample_size = 1, max_time = 5)]
fn renew<B: Backend>(bencher: Bencher, waiting: u32) {
    let filled = Filled::new::<B>(waiting);
    let fence = filled.claim(WorkSource::Transcriptions);
    let renew = |()| filled.runtime.block_on(filled.store.queue.renew(&fence)).unwrap();
    bencher.with_inputs(|| filled.pass_millisecond()).bench_local_values(renew);
}

/// How many wait: asked before each admission.
#[divan::bench(types = [Sqlite, Postgres], args = WAITING, sample_size = 1, max_time = 5)]
fn depth<B: Backend>(bencher: Bencher, waiting: u32) {
    let filled = Filled::new::<B>(waiting);
    bencher.bench_local(|| filled.runtime.block_on(filled.store.queue.depth()).unwrap());
}

/// The head of the queue, whose exact positions are shown.
#[divan::bench(types = [Sqlite, Postgres], args = WAITING, sample_size = 1, max_time = 5)]
fn head<B: Backend>(bencher: Bencher, waiting: u32) {
    let filled = Filled::new::<B>(waiting);
    bencher.bench_local(|| filled.runtime.block_on(filled.store.queue.head()).unwrap());
}

/// The last page of the queue.
#[divan::bench(types = [Sqlite, Postgres], args = WAITING, sample_size = 1, max_time = 5)]
fn last_page<B: Backend>(bencher: Bencher, waiting: u32) {
    let filled = Filled::new::<B>(waiting);
    let after = RequestId(i64::from(waiting.saturating_sub(50).max(1)));
    bencher.bench_local(|| filled.runtime.block_on(filled.store.queue.page_after(after)).unwrap());
}

/// All that wait in the order of claims.
#[divan::bench(types = [Sqlite, Postgres], args = WAITING, sample_size = 1, max_time = 5)]
fn waiting_list<B: Backend>(bencher: Bencher, waiting: u32) {
    let filled = Filled::new::<B>(waiting);
    bencher.bench_local(|| filled.runtime.block_on(filled.store.queue.waiting()).unwrap());
}

/// Positions of one user's requests, for `/queue`.
#[divan::bench(types = [Sqlite, Postgres], args = WAITING, sample_size = 1, max_time = 5)]
fn positions_of_one_user<B: Backend>(bencher: Bencher, waiting: u32) {
    let filled = Filled::new::<B>(waiting);
    bencher.bench_local(|| filled.runtime.block_on(filled.store.queue.statuses_of(FIRST_USER)).unwrap());
}

/// Requests that go through their whole life in one run of [`life`].
const LIVES: u32 = 200;

/// Machines that work at once in [`life`].
const MACHINES: &[usize] = &[1, 2, 4, 8, 16];

/// Requests from their admission to their end, with everything that the pipeline records of one on its way: what the store
/// bears, whatever the engines and Telegram do. Each machine has connections of its own, and works on one request at a time.
#[divan::bench(types = [Sqlite, Postgres], args = MACHINES, sample_size = 1, max_time = 10)]
fn life<B: Backend>(bencher: Bencher, machines: usize) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (url, _place) = B::place(&runtime);
    let stores: Vec<Store> = runtime.block_on(async {
        // One process has the file of SQLite.
        let first = Store::open(&url, Clock::System).await.unwrap();
        let mut stores = vec![first.clone()];
        while stores.len() < machines {
            stores.push(match url.file() {
                Some(_) => first.clone(),
                None => Store::open(&url, Clock::System).await.unwrap(),
            });
        }
        stores
    });
    let next = AtomicI32::new(1);
    bencher.counter(ItemsCount::new(LIVES)).bench_local(|| {
        let last = next.load(Ordering::SeqCst) + i32::try_from(LIVES).unwrap();
        let work = stores.iter().enumerate().map(|(machine, store)| {
            let next = &next;
            async move {
                loop {
                    let message = next.fetch_add(1, Ordering::SeqCst);
                    if message >= last {
                        return;
                    }
                    live(store, &format!("machine {machine}"), message).await;
                }
            }
        });
        runtime.block_on(futures::future::join_all(work));
        next.store(last, Ordering::SeqCst);
    });
}

/// Takes one request in, and the next one of each stage on; over time, as many come as go.
async fn live(store: &Store, machine: &str, message: i32) {
    let mut arrival = arrival(message);
    // Ten users.
    arrival.chat = ChatId(FIRST_USER.0 + i64::from(message % 10));
    arrival.from.id = UserId(arrival.chat.0);
    let _admission = store.queue.admit(&arrival, &UNLIMITED).await.unwrap();
    if let Some(row) = store.queue.claim(WorkSource::Downloads, machine).await.unwrap() {
        let mut fence = row.fence;
        store.queue.set_status_message(&fence, row.chat, MessageId(message)).await.unwrap();
        let measured = RequestUpdate { length: Some(Duration::from_secs(10)), ..RequestUpdate::default() };
        store.queue.advance(&fence, StageName::Downloaded, &measured).await.unwrap();
        fence.stage = StageName::Downloaded;
        store.queue.advance(&fence, StageName::Queued, &RequestUpdate::default()).await.unwrap();
    }
    if let Some(row) = store.queue.claim(WorkSource::Transcriptions, machine).await.unwrap() {
        let mut fence = row.fence;
        for stage in [StageName::Transcribing, StageName::Transcribed, StageName::Done] {
            store.queue.advance(&fence, stage, &RequestUpdate::default()).await.unwrap();
            fence.stage = stage;
        }
    }
}
