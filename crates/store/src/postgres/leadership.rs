//! The leader's lock: an advisory lock of a session of its own.
//!
//! The server ends a session that is silent for [`SESSION_TIMEOUT`], and with it the lock, whether its machine was killed,
//! stopped or cut off. The machine itself gives up leading earlier, [`LEAD_TIMEOUT`] after it sent the last statement that was
//! answered: before another can have the lock.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::{Connections, LEADER_LOCK, LOCKS};
use crate::StoreError;

/// Silence after which the server ends the session.
const SESSION_TIMEOUT: Duration = Duration::from_millis(2500);

/// How long a machine leads without an answer of the server.
const LEAD_TIMEOUT: Duration = Duration::from_millis(1800);

/// Between two statements of the session.
const PING_INTERVAL: Duration = Duration::from_millis(500);

/// How long an answer, or a new session, is waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Keeps the lock, or tries to get it, until no receiver is left. Sends until when this machine leads.
pub(crate) async fn keep(connections: Connections, leads_until: watch::Sender<Option<Instant>>) {
    let work = async {
        loop {
            // Errors are the store's, and are reported where it is used.
            let _lost = lead(&connections.options, &leads_until).await;
            leads_until.send_replace(None);
            tokio::time::sleep(PING_INTERVAL).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = leads_until.closed() => {}
    }
}

/// One session, to its end.
async fn lead(options: &PgConnectOptions, leads_until: &watch::Sender<Option<Instant>>) -> Result<(), StoreError> {
    let session_timeout = SESSION_TIMEOUT.as_millis().to_string();
    let options = options.clone().options([("idle_session_timeout", session_timeout.as_str())]);
    let mut session = in_time(options.connect()).await?;
    loop {
        let sent = Instant::now();
        let has_it = leads_until.borrow().is_some();
        let holds = in_time(holds_lock(&mut session, has_it)).await?;
        leads_until.send_replace(holds.then(|| sent + LEAD_TIMEOUT));
        tokio::select! {
            () = tokio::time::sleep(PING_INTERVAL) => {}
            () = leads_until.closed() => {
                // Another machine leads at once.
                session.close().await?;
                return Ok(());
            }
        }
    }
}

/// Whether the session has the lock. A session that has it must not take it again: it would have to release it twice.
async fn holds_lock(session: &mut PgConnection, has_it: bool) -> Result<bool, sqlx::Error> {
    if has_it {
        sqlx::query("SELECT 1").execute(session).await?;
        return Ok(true);
    }
    sqlx::query_scalar("SELECT pg_try_advisory_lock($1, $2)").bind(LOCKS).bind(LEADER_LOCK).fetch_one(session).await
}

async fn in_time<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    match timeout(ANSWER_TIMEOUT, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(StoreError::Slow),
    }
}
