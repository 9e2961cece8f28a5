//! Notifications of other machines. One that is lost is made up for: loops ask the store now and then, and a holder asks for
//! cancellations with each renewal of its lease.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use stenobot_domain::{RequestId, RetryPolicy, random_fraction};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::Connections;
use crate::WorkSource;
use crate::changes::{Changes, Topic};
use crate::database::Database;

/// Something has changed that other machines wait for; the payload says what, see [`Topic::of_notification`].
const CHANGED: &str = "stenobot_changed";

/// A request that a machine holds was cancelled; the payload is its id.
const CANCELLED: &str = "stenobot_cancelled";

/// The text so far is wanted of a request that a machine transcribes; the payload is its id.
const STOPPED: &str = "stenobot_stopped";

/// Silence after which the server is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// How long its answer is waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Machines that wait for work ask for it within this time after a notification, each at a moment by chance: one takes it, and
/// nearly all others find it taken without having to lock the order of the queue.
const WORK_SPREAD: Duration = Duration::from_millis(50);

const RETRIES: RetryPolicy = RetryPolicy::endless(Duration::from_millis(500), Duration::from_secs(10));

/// Passes on the notifications of other machines, until the store is closed.
pub(crate) fn spawn(database: &Database, connections: &Connections) {
    let (database, options, pool) = (database.clone(), connections.options.clone(), connections.pool.clone());
    tokio::spawn(async move {
        let mut backoff = RETRIES.backoff();
        let listen = async {
            loop {
                // Errors are the store's, and are reported where it is used.
                let _ended = listen(&database, &options, || backoff.reset()).await;
                let Some(pause) = backoff.next_pause() else { return };
                sleep(pause).await;
            }
        };
        pool.close_event().do_until(listen).await.ok();
    });
}

async fn listen(
    database: &Database,
    options: &PgConnectOptions,
    mut on_connected: impl FnMut(),
) -> Result<(), sqlx::Error> {
    // A listener takes its connection from a pool: this one has no other.
    let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen_all([CHANGED, CANCELLED, STOPPED]).await?;
    on_connected();
    // What came before is not known.
    database.changes.notify(Topic::ALL);
    let work = SpreadWork::default();
    tokio::select! {
        ended = receive(database, &mut listener, &work) => ended,
        () = work.pass_on(&database.changes) => Ok(()),
    }
}

async fn receive(database: &Database, listener: &mut PgListener, work: &SpreadWork) -> Result<(), sqlx::Error> {
    loop {
        let notification = match timeout(PING_INTERVAL, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => notification,
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            // A server that is gone without a word would be listened to for ever.
            Err(_) => match timeout(ANSWER_TIMEOUT, sqlx::query("SELECT 1").execute(&mut *listener)).await {
                Ok(answered) => {
                    answered?;
                    continue;
                }
                Err(_) => return Ok(()),
            },
        };
        match (notification.channel(), notification.payload().parse()) {
            (CANCELLED, Ok(id)) => database.cancelled(RequestId(id)),
            (STOPPED, Ok(id)) => database.stopped(RequestId(id)),
            (_, _) => {
                database.changes.notify(&[]);
                for topic in Topic::of_notification(notification.payload()) {
                    match topic {
                        Topic::Work(source) => work.of(*source).notify_one(),
                        Topic::Mode | Topic::Pauses => database.changes.notify_only(*topic),
                    }
                }
            }
        }
    }
}

/// Notifications of work that are passed on within [`WORK_SPREAD`]; several of that time count as one.
#[derive(Default)]
struct SpreadWork {
    downloads: Notify,
    transcriptions: Notify,
}

impl SpreadWork {
    fn of(&self, source: WorkSource) -> &Notify {
        match source {
            WorkSource::Downloads => &self.downloads,
            WorkSource::Transcriptions => &self.transcriptions,
        }
    }

    async fn pass_on(&self, changes: &Changes) {
        let pass_on = async |source| {
            loop {
                self.of(source).notified().await;
                sleep(WORK_SPREAD.mul_f64(random_fraction())).await;
                changes.notify_only(Topic::Work(source));
            }
        };
        tokio::join!(pass_on(WorkSource::Downloads), pass_on(WorkSource::Transcriptions));
    }
}
