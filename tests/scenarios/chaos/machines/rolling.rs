//! Each machine in turn is stopped in order and started again, as in an upgrade.

use std::time::Duration;

use stenobot_simulator::postgres::PrivatePostgres;

use super::cluster::{Cluster, SHUTDOWN_TIMEOUT, TAKE_OVER_TIMEOUT};
use crate::chaos::figures::spread;
use crate::chaos::{Row, measured, rounds};
use crate::scene::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load() {
    const ROW: Row = Row {
        number: 108,
        test: "rolling restart under 4 recordings a second: SIGTERM to each of two bots and three workers in turn, and a start",
        figure: "0 lost, 0 answered twice, exit <= 25 s, another leader within 5 s",
        name: "machines::rolling::under_load",
    };
    let rounds = rounds(1);
    let Some(server) = PrivatePostgres::shared_or_skip(ROW.name).await.unwrap() else { return };
    let mut cluster = Cluster::start(server.clone(), 2, 3, &[]).await;
    cluster.start_load(Duration::from_millis(250));
    let (mut exits, mut take_overs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        for machine in 0..cluster.links.len() {
            let leads = cluster.leader().await == machine;
            let (polls, since) = (cluster.polls(), cluster.now());
            let ended = cluster.machines.terminate_one(machine, SHUTDOWN_TIMEOUT).await.unwrap();
            assert!(ended.success(), "{ended}");
            exits.push(cluster.now() - since);
            cluster.machines.start_again(machine).unwrap();
            if leads {
                take_overs.push(cluster.wait_for_poll(polls, since).await);
            }
            eventually("the machine is ready", cluster.machines.wait_until_ready(machine)).await;
        }
    }
    assert!(exits.iter().all(|exit| *exit < Duration::from_secs(25)), "{}", spread(&exits));
    assert!(take_overs.iter().all(|time| *time < TAKE_OVER_TIMEOUT), "{}", spread(&take_overs));
    let found = cluster.finish().await;
    let (exits, take_overs) = (spread(&exits), spread(&take_overs));
    measured(&ROW, rounds, &format!("{found}; exit {exits}; another leader polled after {take_overs}"));
}
