//! The database's server runs out of space, or is replaced by its standby.

use std::time::Duration;

use stenobot_simulator::answers::{BotText, Trail};
use stenobot_simulator::postgres::{PostgresError, PostgresOptions, PrivatePostgres};

use super::cluster::{Cluster, assert_in_time, durable_server};
use super::random_moment;
use crate::chaos::figures::{Dice, spread};
use crate::chaos::{Row, measured, rounds};
use crate::scene::SCENARIO_TIMEOUT;

/// Of the small disk.
const DISK: u64 = 96 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_s_disk_is_full() {
    const ROW: Row = Row {
        number: 106,
        test: "PostgreSQL's disk fills up under 4 recordings a second, down to its log; space is freed, and the server started if it ended",
        figure: "nothing acknowledged is lost, 0 answered twice, goes on by itself",
        name: "machines::database::the_server_s_disk_is_full",
    };
    /// Writes to the server's log alone.
    const FILL_LOG: &str = "SELECT pg_logical_emit_message(false, 'x', repeat('x', 200000))";
    let rounds = rounds(1);
    let options = PostgresOptions { is_durable: true, ..PostgresOptions::default() };
    if PrivatePostgres::shared_or_skip(ROW.name).await.unwrap().is_none() {
        return;
    }
    let server = match PrivatePostgres::on_small_disk(options, DISK).await {
        Ok(Some(server)) => server,
        Ok(None) => return eprintln!("SKIPPED: no file system may be mounted here"),
        Err(error @ PostgresError::Io(_)) => return eprintln!("SKIPPED: {error}"),
        Err(error) => panic!("{error}"),
    };
    let mut cluster = Cluster::start(server, 2, 2, &[]).await;
    cluster.start_load(Duration::from_millis(250));
    let mut dice = Dice::new(rounds as u64);
    let (mut recoveries, mut starts) = (Vec::new(), 0);
    for _ in 0..rounds {
        random_moment(&mut dice, 1000, 3000).await;
        cluster.server.fill_disk().await.unwrap();
        while cluster.server.psql("postgres", FILL_LOG).await.is_ok() {}
        random_moment(&mut dice, 3000, 6000).await;
        cluster.server.free_disk().await.unwrap();
        if cluster.server.psql("postgres", "SELECT 1").await.is_err() {
            let _ = cluster.server.kill().await;
            cluster.server.start_again().await.unwrap();
            starts += 1;
        }
        let since = cluster.now();
        let sent = cluster.send("wait 1");
        sent.final_answer(SCENARIO_TIMEOUT).await.unwrap();
        recoveries.push(cluster.now() - since);
    }
    let found = cluster.finish().await;
    let recovery = spread(&recoveries);
    measured(
        &ROW,
        rounds,
        &format!("{found}; {starts} starts of the server; a recording sent then answered after {recovery}"),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_standby_takes_over() {
    const ROW: Row = Row {
        number: 107,
        test: "kill -9 of PostgreSQL's primary under 4 recordings a second; its synchronous standby is promoted and gets its address",
        figure: "0 lost, 0 answered twice, accepts recordings again by itself within 5 s",
        name: "machines::database::the_standby_takes_over",
    };
    let rounds = rounds(1);
    let (mut all, mut promotions) = (Vec::new(), Vec::new());
    let (mut acceptances, mut answers) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let Some(primary) = durable_server(ROW.name).await else { return };
        let standby = primary.standby().await.unwrap();
        primary.replicate_synchronously().await.unwrap();
        let mut cluster = Cluster::start(primary, 2, 2, &[]).await;
        cluster.start_load(Duration::from_millis(250));
        random_moment(&mut Dice::new(round as u64), 2000, 5000).await;
        let since = cluster.now();
        cluster.server.kill().await.unwrap();
        let sent = cluster.send("wait 1");
        standby.promote().await.unwrap();
        promotions.push(cluster.now() - since);
        cluster.links.iter().for_each(|link| link.redirect(standby.address()));
        let former = std::mem::replace(&mut cluster.server, standby);
        let accepted = |trail: &Trail| trail.latest.clone().filter(|latest| *latest != BotText::Delayed);
        sent.wait_for("it is accepted", SCENARIO_TIMEOUT, accepted).await.unwrap();
        acceptances.push(cluster.now() - since);
        sent.final_answer(SCENARIO_TIMEOUT).await.unwrap();
        answers.push(cluster.now() - since);
        drop(former);
        tokio::time::sleep(Duration::from_secs(2)).await;
        all.push(cluster.finish().await);
    }
    assert_in_time(&acceptances);
    let (found, promotion, accepted, answered) =
        (all.join("; "), spread(&promotions), spread(&acceptances), spread(&answers));
    let found = format!(
        "{found}; promoted after {promotion}; a recording sent at the primary's death is accepted after {accepted}, and \
         answered after {answered}"
    );
    measured(&ROW, rounds, &found);
}
