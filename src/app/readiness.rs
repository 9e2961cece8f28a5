//! Whether this process can do its work now: the store can be written, Telegram was reached recently if it takes updates in, and
//! an engine is warm if it transcribes.

use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use stenobot_domain::Timestamp;
use stenobot_engine::PoolStatus;
use stenobot_store::Store;
use stenobot_telegram::Client;
use tokio::sync::watch;
use tokio::sync::watch::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::ingest::Contact;
use crate::metrics as names;
use crate::telemetry::{self, Readiness};

/// Age of the last successful contact with Telegram above which the bot is not ready.
const MAX_CONTACT_AGE: Duration = Duration::from_secs(120);

/// How long the result of a test write of the store is used.
const WRITE_TEST_AGE: Duration = Duration::from_secs(2);

const NOT_LOADED: &str = "the model is not loaded";

/// The status of an engine that may not be started yet.
pub(super) type EngineStatus = watch::Receiver<Option<watch::Receiver<PoolStatus>>>;

/// Answers for `/readyz` and the gauge, for the roles of which there is `contact` and `engine`.
pub(super) fn readiness(
    store: Store,
    contact: Option<watch::Receiver<Contact>>,
    engine: Option<EngineStatus>,
) -> Readiness {
    let clock = store.clock().clone();
    // Costs a write to the disk.
    let write: Readiness = Arc::new(move || {
        let store = store.clone();
        Box::pin(async move { store.writable().await.map_err(|error| error.to_string()) })
    });
    let writable = telemetry::cached(write, WRITE_TEST_AGE);
    let check = move || {
        let (clock, writable, contact, engine) = (clock.clone(), writable.clone(), contact.clone(), engine.clone());
        async move {
            if let Some(engine) = engine {
                let status = engine.borrow();
                status.as_ref().map_or_else(|| Err(NOT_LOADED.to_owned()), |status| check_engine(&status.borrow()))?;
            }
            if let Some(contact) = contact {
                check_contact(&contact.borrow(), clock.now())?;
            }
            writable().await
        }
    };
    Arc::new(move || {
        let check = check();
        Box::pin(async move {
            let outcome: Result<(), String> = check.await;
            gauge!(names::READY).set(if outcome.is_ok() { 1.0 } else { 0.0 });
            outcome
        })
    })
}

/// Whether Telegram was reached recently; else why not.
fn check_contact(contact: &Contact, now: Timestamp) -> Result<(), String> {
    let age = contact.last.map(|last| now.since(last));
    match (age, &contact.delivery_failure) {
        (Some(age), _) if age <= MAX_CONTACT_AGE => Ok(()),
        (_, Some(failure)) => Err(format!("Telegram cannot deliver updates to the webhook: {failure}")),
        (None, None) => Err("no contact with Telegram yet".to_owned()),
        (Some(age), None) => Err(format!("no contact with Telegram for {} s", age.as_secs())),
    }
}

/// Whether an engine can transcribe now; else why not.
fn check_engine(engines: &PoolStatus) -> Result<(), String> {
    match engines.outage() {
        Some(reason) => Err(format!("the engine does not start: {reason}")),
        None if engines.warm() == 0 => Err(NOT_LOADED.to_owned()),
        None => Ok(()),
    }
}

/// Logs once, with the bot's address, that Telegram was reached and an engine is warm, as far as this process needs them.
pub(super) async fn announce(
    client: Client,
    contact: Option<watch::Receiver<Contact>>,
    engines: Option<watch::Receiver<PoolStatus>>,
    stop: CancellationToken,
) {
    let ready = async {
        if let Some(mut contact) = contact {
            contact.wait_for(|contact| contact.last.is_some()).await?;
        }
        if let Some(mut engines) = engines {
            engines.wait_for(|engines| check_engine(engines).is_ok()).await?;
        }
        Ok::<(), RecvError>(())
    };
    let Some(Ok(())) = stop.run_until_cancelled(ready).await else { return };
    match client.known() {
        Some(me) => tracing::info!(bot = me.username, address = format!("https://t.me/{}", me.username), "ready"),
        None => tracing::info!("ready"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_for_no_contact_is_named() {
        let now = Timestamp(1_000_000);
        let check = |age: Option<i64>, failure: Option<&str>| {
            let last = age.map(|seconds| Timestamp(now.0 - seconds * 1000));
            check_contact(&Contact { last, delivery_failure: failure.map(str::to_owned) }, now)
        };
        assert_eq!(check(Some(120), None), Ok(()));
        assert_eq!(check(Some(30), Some("502")), Ok(()), "the last update came recently");
        assert_eq!(check(None, None).unwrap_err(), "no contact with Telegram yet");
        assert_eq!(check(Some(121), None).unwrap_err(), "no contact with Telegram for 121 s");
        let failure = "Telegram cannot deliver updates to the webhook: 502";
        assert_eq!(check(Some(200), Some("502")).unwrap_err(), failure);
    }
}
