//! Leases, pauses and days are by the clock of the database.

use std::time::Duration;

use stenobot_domain::Clock;
use stenobot_store::{Admission, LEASE, WorkSource};

use super::{database, open};
use crate::store::test_store::{ROOMY, arrival};

/// Two hours ahead of this machine.
const AHEAD: &str = "CREATE OR REPLACE FUNCTION unix_millis() RETURNS BIGINT LANGUAGE sql VOLATILE \
     AS $$ SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) + 7200000 $$";

#[tokio::test]
async fn a_lease_is_measured_by_the_database_s_clock() {
    let Some((server, url)) = database("the clock of the database").await else { return };
    let store = open(&url).await;
    let Admission::New(id) = store.queue.admit(&arrival(1), &ROOMY).await.unwrap() else { panic!("not admitted") };
    let fence = store.queue.claim(WorkSource::Downloads, "dead").await.unwrap().unwrap().fence;
    assert!(store.queue.claim(WorkSource::Downloads, "w").await.unwrap().is_none(), "it is held");
    let lease = format!("SELECT lease_until - unix_millis() BETWEEN 1 AND {} FROM usage", LEASE.as_millis());
    assert_eq!(server.psql(&url, &lease).await.unwrap(), "t");

    server.psql(&url, AHEAD).await.unwrap();
    let again = store.queue.claim(WorkSource::Downloads, "w").await.unwrap().unwrap();
    assert_eq!((again.fence.id, again.fence.attempt), (id, fence.attempt + 1));
    assert_eq!(server.psql(&url, &lease).await.unwrap(), "t");
    let ahead = Duration::from_millis(store.now().0.abs_diff(Clock::System.now().0));
    assert!(ahead.abs_diff(Duration::from_secs(7200)) < Duration::from_secs(60), "{ahead:?}");
    store.queue.release(&again.fence, Duration::from_secs(60), false).await.unwrap();
    let pause = "SELECT not_before - unix_millis() BETWEEN 1 AND 60000 FROM usage";
    assert_eq!(server.psql(&url, pause).await.unwrap(), "t");
}
