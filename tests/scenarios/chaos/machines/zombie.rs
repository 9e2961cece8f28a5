//! Machines that stand still (SIGSTOP), are taken for dead, and go on (SIGCONT).

use std::time::Duration;

use stenobot_simulator::postgres::PrivatePostgres;

use super::cluster::{Cluster, assert_in_time};
use super::random_moment;
use crate::chaos::figures::{Dice, spread};
use crate::chaos::{Row, measured, rounds};
use crate::recordings::Gate;
use crate::scene::{SCENARIO_TIMEOUT, eventually};

/// In which a machine that goes on does what it had in mind.
const AFTERMATH: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_worker_neither_writes_nor_answers() {
    const ROW: Row = Row {
        number: 101,
        test: "SIGSTOP of a worker that transcribes, or at a random moment among 8 recordings, until others have answered; then SIGCONT",
        figure: "one answer each, the former holder neither writes nor answers",
        name: "machines::zombie::a_stopped_worker_neither_writes_nor_answers",
    };
    let rounds = rounds(2);
    let Some(server) = PrivatePostgres::shared_or_skip(ROW.name).await.unwrap() else { return };
    let mut cluster = Cluster::start(server.clone(), 1, 2, &[]).await;
    let mut dice = Dice::new(rounds as u64);
    let mut take_overs = Vec::new();
    for round in 0..rounds {
        let worker = if round % 2 == 0 {
            let gate = Gate::new().await;
            let sent = cluster.send(&gate.instruction());
            let held = gate.wait_reached().await;
            let worker = cluster.machine_of(held.pid);
            // An edit that has left the machine for the network cannot be taken back: the one of this state has arrived.
            let shown = cluster.api().wait_for(|state| {
                let mut replies = state.replies(sent.chat(), sent.id());
                replies.any(|reply| reply.content.text().is_some_and(|text| text.starts_with('⚙'))).then_some(())
            });
            eventually("the state is shown", shown).await;
            let since = cluster.now();
            cluster.stop(worker);
            // Its result waits for it.
            held.release();
            let next = gate.wait_reached().await;
            assert_ne!(cluster.machine_of(next.pid), worker);
            take_overs.push(cluster.now() - since);
            next.release();
            sent.final_answer(SCENARIO_TIMEOUT).await.unwrap();
            worker
        } else {
            for _ in 0..8 {
                cluster.send("wait 300");
            }
            random_moment(&mut dice, 0, 1500).await;
            let worker = cluster.workers().start + dice.below(2);
            cluster.stop(worker);
            cluster.wait_until_answered().await;
            worker
        };
        cluster.wait_until_closed().await;
        let written = cluster.psql("SELECT count(*), max(updated_at) FROM usage").await;
        let edits = cluster.api().read(|state| state.calls.len());
        cluster.resume(worker);
        tokio::time::sleep(AFTERMATH).await;
        assert_eq!(
            cluster.psql("SELECT count(*), max(updated_at) FROM usage").await,
            written,
            "{}",
            cluster.describe()
        );
        let later = cluster.api().read(|state| {
            let later = state.calls[edits..].iter().filter(|call| call.chat.is_some());
            later.map(|call| format!("{call:?}")).collect::<Vec<_>>()
        });
        assert!(later.is_empty(), "{later:?}\n{}", cluster.describe());
    }
    let found = cluster.finish().await;
    measured(&ROW, rounds, &format!("{found}; another worker began after {}", spread(&take_overs)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_leader_is_replaced_and_polls_no_more() {
    const ROW: Row = Row {
        number: 102,
        test: "SIGSTOP of the leader under 4 recordings a second, then SIGCONT",
        figure: "0 lost, 0 taken twice, another leader within 5 s, the former one polls no more",
        name: "machines::zombie::a_stopped_leader_is_replaced_and_polls_no_more",
    };
    let rounds = rounds(2);
    let Some(server) = PrivatePostgres::shared_or_skip(ROW.name).await.unwrap() else { return };
    let mut cluster = Cluster::start(server.clone(), 2, 2, &[]).await;
    cluster.start_load(Duration::from_millis(250));
    let mut dice = Dice::new(rounds as u64);
    let mut take_overs = Vec::new();
    for _ in 0..rounds {
        random_moment(&mut dice, 300, 1500).await;
        let leader = cluster.leader().await;
        let since = cluster.now();
        cluster.stop(leader);
        let next = cluster.leader_other_than(leader).await;
        take_overs.push(cluster.now() - since);
        random_moment(&mut dice, 300, 3000).await;
        let overlapping = cluster.overlapping_polls();
        cluster.resume(leader);
        tokio::time::sleep(AFTERMATH).await;
        assert_eq!(cluster.leader().await, next);
        assert_eq!(cluster.overlapping_polls(), overlapping, "the former leader polls");
    }
    let found = cluster.finish().await;
    assert_in_time(&take_overs);
    measured(&ROW, rounds, &format!("{found}; take-over {}", spread(&take_overs)));
}
