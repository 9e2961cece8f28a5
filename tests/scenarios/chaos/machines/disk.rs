//! The disk of a worker, not the bot's, is almost full.

use std::os::unix::fs::symlink;
use std::time::Duration;

use stenobot_domain::Role;
use stenobot_simulator::answers::{BotText, Trail, read};
use stenobot_simulator::postgres::PrivatePostgres;
use stenobot_simulator::users::SentMessage;

use super::cluster::Cluster;
use crate::chaos::disk::Disk;
use crate::chaos::figures::spread;
use crate::chaos::{Row, measured, rounds};
use crate::recordings::asset;
use crate::scene::{SCENARIO_TIMEOUT, eventually};

/// More than the interval between two heartbeats, by which the bot learns of the worker's disk.
const HEARTBEAT: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn senders_are_informed_of_the_workers_full_disks() {
    const ROW: Row = Row {
        number: 116,
        test: "little space is left on the disk of one of two workers, then of both, when a message arrives at the bot",
        figure: "of one: the other answers; of both: accepted, its sender informed, answered once when there is space",
        name: "machines::disk::senders_are_informed_of_the_workers_full_disks",
    };
    const WORKERS: [usize; 2] = [1, 2];
    let rounds = rounds(1);
    let Some(server) = PrivatePostgres::shared_or_skip(ROW.name).await.unwrap() else { return };
    let mut disks = WORKERS.map(|_| Disk::to_fill());
    if !disks.iter().all(Disk::is_mounted) {
        return measured(&ROW, 0, "not tried: no file system can be mounted here");
    }
    let mut cluster = Cluster::prepare(server.clone(), &[Role::Bot, Role::Worker, Role::Worker], &[]).await;
    for (worker, disk) in WORKERS.into_iter().zip(&disks) {
        symlink(asset("data/models"), disk.folder().join("models")).unwrap();
        cluster.machines.set(worker, "data_dir", disk.folder());
    }
    cluster.machines.start_all().await.unwrap();
    let mut took = Vec::new();
    for _ in 0..rounds {
        disks[0].leave_little();
        wait_for_full_disks(&cluster, 1).await;
        let sent = cluster.send("wait 1");
        sent.final_answer(SCENARIO_TIMEOUT).await.unwrap();
        assert_eq!(delay_notices(&cluster, &sent), 0, "{}", sent.history());

        disks[1].leave_little();
        wait_for_full_disks(&cluster, 2).await;
        let sent = cluster.send("wait 1");
        let informed = |trail: &Trail| (trail.latest == Some(BotText::Delayed)).then_some(());
        sent.wait_for("its sender is informed", SCENARIO_TIMEOUT, informed).await.unwrap();
        let stage = "SELECT string_agg(DISTINCT stage, ' ') FROM usage WHERE answered = 0";
        assert_eq!(cluster.psql(stage).await, "received");
        let freed = cluster.now();
        for (worker, disk) in WORKERS.into_iter().zip(&mut disks) {
            disk.free(cluster.machines.pid(worker).unwrap());
        }
        sent.final_answer(SCENARIO_TIMEOUT).await.unwrap();
        took.push(cluster.now() - freed);
        assert_eq!(delay_notices(&cluster, &sent), 1, "{}", sent.history());
        wait_for_full_disks(&cluster, 0).await;
    }
    let found = cluster.finish().await;
    measured(&ROW, rounds, &format!("{found}; answered after the end of the fault {}", spread(&took)));
}

/// Waits until the bot knows of so many full disks.
async fn wait_for_full_disks(cluster: &Cluster, count: usize) {
    let recorded = async {
        while cluster.psql("SELECT count(*) FROM machines WHERE NOT has_disk_space").await != count.to_string() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    eventually("the workers' heartbeats say it", recorded).await;
    tokio::time::sleep(HEARTBEAT).await;
}

fn delay_notices(cluster: &Cluster, sent: &SentMessage) -> usize {
    cluster.api().read(|state| {
        let texts = state.replies(sent.chat(), sent.id()).filter_map(|reply| reply.content.text());
        texts.filter(|text| read(text) == BotText::Delayed).count()
    })
}
