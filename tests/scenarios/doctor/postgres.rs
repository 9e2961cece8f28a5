//! The commands with a store on a PostgreSQL server, and its absence.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use stenobot_domain::Clock;
use stenobot_simulator::postgres::{PostgresOptions, PrivatePostgres};
use stenobot_store::Store;

use super::setup::{TestSetup, unused_address};
use crate::scene::eventually;

const PASSWORD: &str = "s3cretword";

/// A server of its own that wants a password.
async fn server(test: &str) -> Option<PrivatePostgres> {
    PrivatePostgres::shared_or_skip(test).await.unwrap()?;
    let options = PostgresOptions { password: Some(PASSWORD.to_owned()), ..PostgresOptions::default() };
    Some(PrivatePostgres::start(options).await.unwrap())
}

/// A bot without an engine, with this store.
async fn bot_with(url: &str) -> TestSetup {
    let mut setup = TestSetup::good().await;
    setup.set("STENOBOT_DATABASE_URL", url);
    setup.set("STENOBOT_ROLE", "bot");
    setup
}

async fn said(setup: &TestSetup, arguments: &[&str]) -> (Option<i32>, String) {
    let output = setup.run(arguments).await;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains(PASSWORD), "{text}");
    (output.status.code(), text.trim_end().to_owned())
}

#[tokio::test]
async fn the_commands_know_a_store_on_a_server() {
    let Some(server) = server("commands on PostgreSQL").await else { return };
    let url = server.create_database("steno").await.unwrap();
    let mut setup = bot_with(&url).await;
    let shown = url.replace(&format!(":{PASSWORD}@"), "@");
    let wanted = format!("{shown} is empty: the first start makes its tables");
    let report = setup.doctor().await;
    assert_eq!((report.line("journal"), report.failed()), (("ok".to_owned(), wanted), vec![]));
    let needs: Vec<&str> = report.lines.keys().map(String::as_str).collect();
    assert!(["engine", "model", "memory", "detector"].iter().all(|check| !needs.contains(check)), "{needs:?}");
    let sentence = "stenobot: the store cannot be used: it has no tables yet; start the bot once, which makes them";
    assert_eq!(said(&setup, &["stats"]).await, (Some(1), sentence.to_owned()));

    Store::open(&url.parse().unwrap(), Clock::System).await.unwrap().close().await;
    let (verdict, text) = setup.doctor().await.line("journal");
    assert_eq!(verdict, "ok");
    for part in ["PostgreSQL ", "answers within ", " ms, its clock differs by 0.", " more connections, up to date, "] {
        assert!(text.contains(part), "{text}");
    }
    let (code, text) = said(&setup, &["stats"]).await;
    assert_eq!((code, text.starts_with("requests: 0, people: 0;")), (Some(0), true), "{text}");
    let sentence = "stenobot: the store is in PostgreSQL, which has its own tools: back it up with `pg_dump -Fc`, put that \
                    back with `pg_restore`";
    for command in ["backup", "restore"] {
        assert_eq!(said(&setup, &[command, "file"]).await, (Some(1), sentence.to_owned()));
    }
    let sentence = "stenobot: the store is in PostgreSQL: import the predecessor's file into an SQLite store first, and \
                    bring that along with `stenobot migrate`";
    assert_eq!(said(&setup, &["import-legacy", "file"]).await, (Some(1), sentence.to_owned()));

    server
        .psql("steno", "DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)")
        .await
        .unwrap();
    let (verdict, text) = setup.doctor().await.line("journal");
    assert!(verdict == "warning" && text.contains("migrations to run: 1"), "{text}");

    let standby = server.standby().await.unwrap();
    setup.set("STENOBOT_DATABASE_URL", standby.url("steno"));
    let sentence = "the PostgreSQL server can only be read: it is a standby; name the primary in database_url";
    assert_eq!(setup.doctor().await.line("journal"), ("failed".to_owned(), sentence.to_owned()));

    setup.set("STENOBOT_DATABASE_URL", url.replace(PASSWORD, "wr0ngword"));
    let sentence = "the store cannot be used: the PostgreSQL server refuses the user: password authentication failed for \
                    user \"stenobot\"; check the user in database_url, and the password there, in PGPASSWORD or in \
                    ~/.pgpass";
    setup.assert_failure("journal", sentence).await;

    setup.set("STENOBOT_DATABASE_URL", server.url("missing"));
    let sentence = "the store cannot be used: database \"missing\" does not exist; create it first, with `createdb`";
    setup.assert_failure("journal", sentence).await;

    setup.set("STENOBOT_DATABASE_URL", format!("postgres://stenobot:{PASSWORD}@{}/steno", unused_address()));
    let sentence = "the PostgreSQL server cannot be reached: Connection refused (os error 111); look at the server, the \
                    network and database_url";
    assert_eq!(setup.doctor().await.line("journal"), ("failed".to_owned(), sentence.to_owned()));
}

#[tokio::test]
async fn a_bot_that_starts_before_its_server_waits_and_logs_no_statement_and_no_password() {
    let Some(server) = server("a start before the server").await else { return };
    let url = server.create_database("steno").await.unwrap();
    server.stop().await.unwrap();
    let mut setup = bot_with(&url).await;
    setup.set("STENOBOT_LOG_LEVEL", "debug,stenobot=debug");
    let log = setup.folder.path().join("log");
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_stenobot"));
    command.arg("run").current_dir(setup.folder.path()).env_clear().envs(&setup.variables).kill_on_drop(true);
    let mut bot = command.stderr(std::fs::File::create(&log).unwrap()).stdout(Stdio::null()).spawn().unwrap();
    let log = || std::fs::read_to_string(&log).unwrap();
    let waits = async {
        while !log().contains("waiting for the store") {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    eventually("it waits for the store", waits).await;
    server.start_again().await.unwrap();
    let ready = async { while said(&setup, &["health"]).await.0 != Some(0) {} };
    eventually("it is ready", ready).await;
    let (_, text) = setup.doctor().await.line("journal");
    assert!(text.contains("up to date"), "{text}");

    let pid = Pid::from_raw(i32::try_from(bot.id().unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let status = eventually("it stops", bot.wait()).await.unwrap();
    let log = log();
    assert!(status.success(), "{log}");
    assert_eq!(log.matches("waiting for the store").count(), 1, "{log}");
    assert!(log.contains("DEBUG"), "{log}");
    for secret in [PASSWORD, "SELECT ", "INSERT ", "UPDATE "] {
        assert!(!log.contains(secret), "{log}");
    }
}
