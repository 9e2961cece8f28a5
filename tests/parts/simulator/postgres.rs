//! The private PostgreSQL server.

use stenobot_simulator::postgres::{PostgresError, PostgresOptions, PrivatePostgres};

const COUNT: &str = "SELECT count(*) FROM t";

async fn start(options: PostgresOptions) -> PrivatePostgres {
    PrivatePostgres::start(options).await.expect("PostgreSQL; `./dev test` installs it")
}

async fn with_table(server: &PrivatePostgres) {
    server.psql("postgres", "CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2)").await.unwrap();
}

#[tokio::test]
async fn databases_are_apart_and_their_urls_connect() {
    let server = PrivatePostgres::shared().await.unwrap();
    let first = server.new_database().await.unwrap();
    let second = server.new_database().await.unwrap();
    assert_ne!(first, second);
    let name = |url: &str| url.rsplit_once('/').unwrap().1.to_owned();
    server.psql(&name(&first), "CREATE TABLE t (id int)").await.unwrap();
    assert_eq!(server.psql(&name(&first), COUNT).await.unwrap(), "0");
    let missing = server.psql(&name(&second), COUNT).await.unwrap_err();
    assert!(matches!(&missing, PostgresError::Tool { output, .. } if output.contains("does not exist")), "{missing}");
    assert_eq!(server.psql(&first, "SELECT 1, 'a'").await.unwrap(), "1|a");
}

#[tokio::test]
async fn committed_data_survives_a_kill() {
    let server = start(PostgresOptions::default()).await;
    with_table(&server).await;
    let url = server.url("postgres");
    server.kill().await.unwrap();
    assert!(server.psql("postgres", COUNT).await.is_err());
    assert!(matches!(server.kill().await, Err(PostgresError::NotRunning)));
    server.start_again().await.unwrap();
    assert_eq!(server.psql("postgres", COUNT).await.unwrap(), "2");
    assert_eq!(server.url("postgres"), url);
}

#[tokio::test]
async fn a_paused_server_answers_after_it_is_resumed() {
    let server = start(PostgresOptions::default()).await;
    server.pause().await.unwrap();
    let query = tokio::spawn({
        let server = server.clone();
        async move { server.psql("postgres", "SELECT 1").await }
    });
    server.resume().await.unwrap();
    assert_eq!(query.await.unwrap().unwrap(), "1");
    // A paused server can be stopped.
    server.pause().await.unwrap();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_promoted_standby_has_what_was_committed_and_takes_writes() {
    let server = start(PostgresOptions::default()).await;
    let standby = server.standby().await.unwrap();
    server.replicate_synchronously().await.unwrap();
    with_table(&server).await;
    let refused = standby.psql("postgres", "INSERT INTO t VALUES (3)").await.unwrap_err();
    assert!(refused.to_string().contains("read-only transaction"), "{refused}");
    server.kill().await.unwrap();
    standby.promote().await.unwrap();
    standby.psql("postgres", "INSERT INTO t VALUES (3)").await.unwrap();
    assert_eq!(standby.psql("postgres", COUNT).await.unwrap(), "3");
}

#[tokio::test]
async fn password_and_tls_are_required_where_asked_for() {
    let password = Some("secret7".to_owned());
    let server = start(PostgresOptions { password, has_tls: true, ..Default::default() }).await;
    let used = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(server.psql("postgres", used).await.unwrap(), "t");
    let certificate = server.certificate();
    let verified = format!("{}?sslmode=verify-full&sslrootcert={}", server.url("postgres"), certificate.display());
    assert_eq!(server.psql(&verified, used).await.unwrap(), "t");
    let wrong = server.url("postgres").replace("secret7", "wrong");
    assert!(server.psql(&wrong, "SELECT 1").await.unwrap_err().to_string().contains("password authentication failed"));
}

#[tokio::test]
async fn a_full_disk_refuses_writes_until_there_is_space() {
    let options = PostgresOptions { configuration: vec!["max_wal_size = 8MB".into()], ..Default::default() };
    let Some(server) = PrivatePostgres::on_small_disk(options, 96 << 20).await.unwrap() else {
        eprintln!("NOT TESTED: a file system cannot be mounted here, which takes root");
        return;
    };
    with_table(&server).await;
    server.fill_disk().await.unwrap();
    let grow = "INSERT INTO t SELECT generate_series(1, 100000)";
    let refused = server.psql("postgres", grow).await.unwrap_err();
    server.free_disk().await.unwrap();
    assert!(refused.to_string().contains("No space left on device"), "{refused}");
    server.start_again().await.unwrap();
    assert_eq!(server.psql("postgres", COUNT).await.unwrap(), "2");
    server.psql("postgres", grow).await.unwrap();
}
