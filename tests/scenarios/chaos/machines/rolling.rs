//! Each machine in turn is stopped in order and started again, as in an upgrade.

use std::time::Duration;

use futures::future::OptionFuture;
use stenobot_domain::Role;
use stenobot_simulator::postgres::PrivatePostgres;
use stenobot_simulator::server::BotApi;

use super::cluster::{Cluster, SHUTDOWN_TIMEOUT, assert_in_time};
use crate::chaos::figures::spread;
use crate::chaos::{Row, measured, rounds};
use crate::scene::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_bots_and_workers() {
    const ROW: Row = Row {
        number: 108,
        test: "rolling restart under 4 recordings a second: SIGTERM to each of two bots and three workers in turn, and a start",
        figure: "0 lost, 0 answered twice, exit <= 25 s, another leader within 5 s",
        name: "machines::rolling::of_bots_and_workers",
    };
    let Some(server) = PrivatePostgres::shared_or_skip(ROW.name).await.unwrap() else { return };
    let cluster = Cluster::start(server.clone(), 2, 3, &[]).await;
    restart_in_turn(&ROW, rounds(1), cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_machines_that_do_everything() {
    const ROW: Row = Row {
        number: 109,
        test: "the same of three machines that do everything, each in the middle of a transcription of 4 s",
        figure: "0 lost, 0 answered twice, exit <= 25 s, another leader within 5 s",
        name: "machines::rolling::of_machines_that_do_everything",
    };
    let Some(server) = PrivatePostgres::shared_or_skip(ROW.name).await.unwrap() else { return };
    let cluster = Cluster::of_roles(server.clone(), &[Role::All; 3], &[("max_concurrent_workers", "2")]).await;
    restart_in_turn(&ROW, rounds(1), cluster).await;
}

/// Restarts each machine while others work and, of those that transcribe, while each has a recording of some seconds.
async fn restart_in_turn(row: &Row, rounds: usize, mut cluster: Cluster) {
    let api = cluster.api().clone();
    cluster.start_load(Duration::from_millis(250));
    let (mut exits, mut take_overs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        for machine in 0..cluster.links.len() {
            for _ in 0..cluster.links.len() {
                cluster.send("wait 4000");
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            let leads = cluster.leader().await == machine;
            let (polls, since) = (cluster.polls(), cluster.now());
            let (ended, polled) = tokio::join!(
                cluster.machines.terminate_one(machine, SHUTDOWN_TIMEOUT),
                OptionFuture::from(leads.then(|| next_poll(&api, polls)))
            );
            let ended = ended.unwrap();
            assert!(ended.success(), "{ended}");
            exits.push(cluster.now() - since);
            take_overs.extend(polled.map(|at| at - since));
            cluster.machines.start_again(machine).unwrap();
            eventually("the machine is ready", cluster.machines.wait_until_ready(machine)).await;
        }
    }
    assert!(exits.iter().all(|exit| *exit < Duration::from_secs(25)), "{}", spread(&exits));
    assert_in_time(&take_overs);
    let found = cluster.finish().await;
    let (exits, take_overs) = (spread(&exits), spread(&take_overs));
    measured(row, rounds, &format!("{found}; exit {exits}; another leader polled after {take_overs}"));
}

/// When a bot polls next.
async fn next_poll(api: &BotApi, polls: u64) -> Duration {
    let next = api.wait_for(|state| (state.polls() > polls).then_some(()));
    eventually("a bot polls", next).await;
    api.now()
}
