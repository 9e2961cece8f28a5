//! Trouble of the server goes through the same decision as SQLite's: what passes is waited for, and nothing is lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use stenobot_domain::{Clock, StageName};
use stenobot_simulator::link::Link;
use stenobot_simulator::postgres::{PostgresError, PostgresOptions, PrivatePostgres};
use stenobot_store::{Admission, RequestUpdate, Store, StoreError, WorkSource};
use tokio_util::sync::CancellationToken;

use super::{open, parse};
use crate::store::test_store::{ROOMY, arrival};

async fn server(options: PostgresOptions) -> Option<PrivatePostgres> {
    match PrivatePostgres::shared_or_skip("a server in trouble").await.unwrap() {
        Some(_) => Some(PrivatePostgres::start(options).await.unwrap()),
        None => None,
    }
}

async fn admit(store: &Store, message: i32) -> Result<Admission, StoreError> {
    store.queue.admit(&arrival(message), &ROOMY).await
}

#[tokio::test]
async fn a_fenced_write_outlives_a_kill_of_the_server() {
    let Some(server) = server(PostgresOptions::default()).await else { return };
    let url = server.create_database("steno").await.unwrap();
    let errors = Arc::new(Mutex::new(Vec::new()));
    let seen = errors.clone();
    let store = open(&url).await.retrying_until(CancellationToken::new(), move |failed| {
        seen.lock().unwrap().push((failed.what, failed.error.kind()));
    });
    assert!(matches!(admit(&store, 1).await.unwrap(), Admission::New(_)));
    let fence = store.queue.claim(WorkSource::Downloads, "w").await.unwrap().unwrap().fence;
    server.kill().await.unwrap();
    let advance = tokio::spawn({
        let (store, fence) = (store.clone(), fence.clone());
        async move { store.queue.advance(&fence, StageName::Downloaded, &RequestUpdate::default()).await }
    });
    while errors.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(store.has_retrying_writes());
    let refused = admit(&store, 2).await.unwrap_err();
    assert_eq!((refused.kind(), refused.is_transient()), ("unreachable", true), "{refused}");
    server.start_again().await.unwrap();
    advance.await.unwrap().expect("it is retried until the server is back");
    assert!(errors.lock().unwrap().iter().all(|(what, kind)| (*what, *kind) == ("record a transition", "unreachable")));
    assert!(matches!(admit(&store, 2).await.unwrap(), Admission::New(_)), "reconnected");
    store.writable().await.unwrap();
}

#[tokio::test]
async fn a_cut_network_is_an_error_within_seconds_and_passes() {
    let Some(server) = server(PostgresOptions::default()).await else { return };
    let url = server.create_database("steno").await.unwrap();
    let link = Link::to(server.address()).await.unwrap();
    let store = open(&server.url_through(&link, "steno")).await;
    assert!(matches!(admit(&store, 1).await.unwrap(), Admission::New(_)));
    link.reset();
    link.cut();
    let error = admit(&store, 2).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), ("unreachable", true), "{error}");
    link.heal();
    let admitted = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            if let Ok(admission) = admit(&store, 2).await {
                return admission;
            }
        }
    });
    assert!(matches!(admitted.await.expect("it reconnects"), Admission::New(_)));
    drop(url);
}

#[tokio::test]
async fn a_standby_is_refused_and_used_once_it_is_promoted() {
    let Some(primary) = server(PostgresOptions::default()).await else { return };
    let url = primary.create_database("steno").await.unwrap();
    let store = open(&url).await;
    assert!(matches!(admit(&store, 1).await.unwrap(), Admission::New(_)));
    let standby = primary.standby().await.unwrap();
    primary.replicate_synchronously().await.unwrap();
    assert!(matches!(admit(&store, 3).await.unwrap(), Admission::New(_)));
    let link = Link::to(standby.address()).await.unwrap();
    let there = standby.url_through(&link, "steno");
    let error = Store::open(&parse(&there), Clock::System).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), ("read_only", true), "{error}");
    primary.kill().await.unwrap();
    standby.promote().await.unwrap();
    let store = open(&there).await;
    assert!(matches!(admit(&store, 3).await.unwrap(), Admission::Duplicate), "it has what was committed");
    assert!(matches!(admit(&store, 2).await.unwrap(), Admission::New(_)));
}

#[tokio::test]
async fn a_server_without_connections_left_says_so() {
    let configuration = vec!["max_connections = 8".into(), "superuser_reserved_connections = 0".into()];
    let Some(server) = server(PostgresOptions { configuration, ..PostgresOptions::default() }).await else { return };
    let url = server.create_database("steno").await.unwrap();
    let stores = [open(&url).await, open(&url).await];
    // All connections of the pools at once.
    let holders = futures::future::join_all((0..40).map(|n| {
        let store = &stores[n % 2];
        async move { admit(store, i32::try_from(n).unwrap()).await }
    }))
    .await;
    let errors: Vec<_> = holders.into_iter().filter_map(Result::err).collect();
    assert!(errors.iter().all(StoreError::is_transient), "{errors:?}");
    let error = Store::inspect(&parse(&url)).await;
    if let Err(error) = error {
        assert_eq!((error.kind(), error.is_transient()), ("connections", true), "{error}");
    }
}

#[tokio::test]
async fn a_full_disk_of_the_server_is_an_error_of_its_own_and_passes() {
    let Some(_) = PrivatePostgres::shared_or_skip("a full disk of the server").await.unwrap() else { return };
    let server = match PrivatePostgres::on_small_disk(PostgresOptions::default(), 96 << 20).await {
        Ok(Some(server)) => server,
        Ok(None) => return eprintln!("SKIPPED: no file system may be mounted here"),
        Err(error @ PostgresError::Io(_)) => return eprintln!("SKIPPED: {error}"),
        Err(error) => panic!("{error}"),
    };
    let url = server.create_database("steno").await.unwrap();
    let store = open(&url).await;
    assert!(matches!(admit(&store, 1).await.unwrap(), Admission::New(_)));
    server.fill_disk().await.unwrap();
    let mut message = 2;
    let error = loop {
        match admit(&store, message).await {
            Ok(_) if message < 20_000 => message += 1,
            Ok(_) => panic!("the disk is not full"),
            Err(error) => break error,
        }
    };
    assert!(error.is_transient(), "{error}");
    server.free_disk().await.unwrap();
    // A full disk of its log ends the server; it is started again then, as an operator or a supervisor does.
    if admit(&store, 1).await.is_err() {
        let _ = server.kill().await;
        server.start_again().await.unwrap();
    }
    assert!(matches!(admit(&store, 1).await.unwrap(), Admission::Duplicate), "nothing acknowledged is lost");
}

#[tokio::test]
async fn a_password_is_needed_and_is_in_no_error() {
    let options = PostgresOptions { password: Some("s3cretword".into()), ..PostgresOptions::default() };
    let Some(server) = server(options).await else { return };
    let url = server.create_database("steno").await.unwrap();
    assert!(url.contains("s3cretword"));
    let store = open(&url).await;
    assert!(!format!("{store:?}").contains("s3cretword"), "{store:?}");
    let wrong = url.replace("s3cretword", "wr0ngword");
    let error = Store::open(&parse(&wrong), Clock::System).await.unwrap_err();
    assert!(!error.is_transient());
    let shown = format!("{error} {error:?} {:?} {}", parse(&wrong), parse(&wrong));
    assert!(shown.contains("refuses the user") && !shown.contains("wr0ngword"), "{shown}");
}

#[tokio::test]
async fn tls_is_verified_when_the_url_asks_for_it() {
    let options = PostgresOptions { has_tls: true, ..PostgresOptions::default() };
    let Some(server) = server(options).await else { return };
    let url = server.create_database("steno").await.unwrap();
    let verified = format!("{url}?sslmode=verify-full&sslrootcert={}", server.certificate().display());
    let store = open(&verified).await;
    store.writable().await.unwrap();
    let used = server
        .psql(
            "steno",
            "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
        WHERE application_name = 'stenobot'",
        )
        .await
        .unwrap();
    assert_eq!(used, "t");
    let error = Store::open(&parse(&format!("{url}?sslmode=verify-full")), Clock::System).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}
