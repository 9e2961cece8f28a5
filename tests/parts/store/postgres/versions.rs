//! Two versions of the program on one database, as while machines are upgraded one after another.

use stenobot_domain::Clock;
use stenobot_store::{Admission, Store};

use super::{database, open, parse};
use crate::store::test_store::{ROOMY, arrival};

/// A later migration, as a newer version of the program records it.
const LATER: &str = "ALTER TABLE usage ADD COLUMN later TEXT; \
     INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) \
     VALUES (9001, 'later', now(), TRUE, '\\x00', 0)";

#[tokio::test]
async fn an_older_version_works_beside_a_newer_one_that_allows_it() {
    let Some((server, url)) = database("a rolling upgrade").await else { return };
    let before = open(&url).await;
    server.psql(&url, LATER).await.unwrap();
    let running = before.queue.admit(&arrival(1), &ROOMY).await.unwrap();
    assert!(matches!(running, Admission::New(_)), "started before the upgrade");
    let restarted = open(&url).await;
    assert!(matches!(restarted.queue.admit(&arrival(2), &ROOMY).await.unwrap(), Admission::New(_)), "and after it");
    let inspection = Store::inspect(&parse(&url)).await.unwrap().unwrap();
    assert_eq!((inspection.pending, inspection.requests), (0, 2));
}

#[tokio::test]
async fn a_version_that_is_too_old_for_the_schema_is_refused() {
    let Some((server, url)) = database("a version that is too old").await else { return };
    open(&url).await.close().await;
    server.psql(&url, LATER).await.unwrap();
    server.psql(&url, "UPDATE schema_compatibility SET oldest = 9001").await.unwrap();
    for error in
        [Store::open(&parse(&url), Clock::System).await.unwrap_err(), Store::inspect(&parse(&url)).await.unwrap_err()]
    {
        assert!(error.to_string().contains("schema 9001 or newer is needed"), "{error}");
    }
}

#[tokio::test]
async fn machines_that_start_together_make_the_tables_once() {
    let Some((_, url)) = database("a start of several machines").await else { return };
    let stores = futures::future::join_all((0..5).map(|_| open(&url))).await;
    for store in stores {
        store.writable().await.unwrap();
    }
}

#[tokio::test]
async fn an_empty_database_is_inspected_and_left_empty() {
    let Some((server, url)) = database("an inspection").await else { return };
    assert_eq!(Store::inspect(&parse(&url)).await.unwrap(), None);
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(server.psql(&url, tables).await.unwrap(), "0");
    open(&url).await.close().await;
    let server = Store::inspect(&parse(&url)).await.unwrap().unwrap().server.unwrap();
    assert!(
        server.connections_left > 0 && server.version.starts_with(|digit: char| digit.is_ascii_digit()),
        "{server:?}"
    );
}
