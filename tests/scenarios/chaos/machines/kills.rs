//! kill -9 of machines and of the database's server.

use std::time::Duration;

use super::cluster::{Cluster, assert_in_time, durable_server};
use super::random_moment;
use crate::chaos::figures::{Dice, spread};
use crate::chaos::{Row, measured, rounds};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_random_under_load() {
    const ROW: Row = Row {
        number: 100,
        test: "two bots and three workers on PostgreSQL, 4 recordings a second: kill -9 of the leader, a worker, the server in turn",
        figure: "0 lost, 0 answered twice, another leader within 5 s",
        name: "machines::kills::at_random_under_load",
    };
    let rounds = rounds(3);
    let Some(server) = durable_server(ROW.name).await else { return };
    let mut cluster = Cluster::start(server, 2, 3, &[]).await;
    cluster.start_load(Duration::from_millis(250));
    let mut dice = Dice::new(rounds as u64);
    let (mut take_overs, mut recoveries) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        random_moment(&mut dice, 300, 1500).await;
        match round % 3 {
            0 => {
                let leader = cluster.leader().await;
                let (polls, since) = (cluster.polls(), cluster.now());
                cluster.machines.kill(leader).await.unwrap();
                cluster.machines.start_again(leader).unwrap();
                take_overs.push(cluster.wait_for_poll(polls, since).await);
            }
            1 => {
                let worker = cluster.workers().start + dice.below(cluster.workers().len());
                cluster.machines.kill(worker).await.unwrap();
                cluster.machines.start_again(worker).unwrap();
            }
            _ => {
                cluster.server.kill().await.unwrap();
                random_moment(&mut dice, 0, 1500).await;
                let polls = cluster.polls();
                cluster.server.start_again().await.unwrap();
                recoveries.push(cluster.wait_for_poll(polls, cluster.now()).await);
            }
        }
    }
    let found = cluster.finish().await;
    assert_in_time(&take_overs);
    assert_in_time(&recoveries);
    let (leaders, servers) = (spread(&take_overs), spread(&recoveries));
    let found = format!(
        "{found}; take-over after the leader's death {leaders}, polled again after the server's start {servers}"
    );
    measured(&ROW, rounds, &found);
}
