//! The network between one machine and the database is cut, and healed later.

use std::sync::Arc;
use std::time::Duration;

use stenobot_simulator::postgres::PrivatePostgres;
use stenobot_simulator::server::{Call, Effect, FaultAction, Refusal};
use tokio::sync::watch;

use super::cluster::{Cluster, assert_in_time};
use super::random_moment;
use crate::chaos::figures::{Dice, spread};
use crate::chaos::{Row, measured, rounds};
use crate::recordings::Gate;
use crate::scene::{SCENARIO_TIMEOUT, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_is_cut_off() {
    const ROW: Row = Row {
        number: 103,
        test: "the network between the leader and PostgreSQL is cut under 4 recordings a second, and healed later",
        figure: "it stops polling before another starts, within 5 s; 0 lost, 0 taken twice",
        name: "machines::network::the_leader_is_cut_off",
    };
    let rounds = rounds(2);
    let Some(server) = PrivatePostgres::shared_or_skip(ROW.name).await.unwrap() else { return };
    let mut cluster = Cluster::start(server.clone(), 2, 2, &[]).await;
    cluster.start_load(Duration::from_millis(250));
    let mut dice = Dice::new(rounds as u64);
    let mut take_overs = Vec::new();
    for _ in 0..rounds {
        // The bot that was cut off before is well again: it takes over.
        random_moment(&mut dice, 3000, 4500).await;
        let leader = cluster.leader().await;
        let since = cluster.now();
        cluster.links[leader].cut();
        cluster.leader_other_than(leader).await;
        take_overs.push(cluster.now() - since);
        random_moment(&mut dice, 300, 5000).await;
        cluster.links[leader].heal();
    }
    assert_eq!(cluster.overlapping_polls(), 0, "the former leader polls beside the new one");
    let found = cluster.finish().await;
    assert_in_time(&take_overs);
    measured(&ROW, rounds, &format!("{found}, 0 overlapping polls; take-over {}", spread(&take_overs)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_cut_off_while_it_transcribes() {
    const ROW: Row = Row {
        number: 104,
        test: "the network between a worker that transcribes and PostgreSQL is cut, until another has answered, or for 4 s",
        figure: "one answer each",
        name: "machines::network::a_worker_is_cut_off_while_it_transcribes",
    };
    let rounds = rounds(2);
    let Some(server) = PrivatePostgres::shared_or_skip(ROW.name).await.unwrap() else { return };
    let cluster = Cluster::start(server.clone(), 1, 2, &[]).await;
    let (mut take_overs, mut recoveries) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let gate = Gate::new().await;
        let sent = cluster.send(&gate.instruction());
        let held = gate.wait_reached().await;
        let worker = cluster.machine_of(held.pid);
        let since = cluster.now();
        cluster.links[worker].cut();
        held.release();
        if round % 2 == 0 {
            let next = gate.wait_reached().await;
            assert_ne!(cluster.machine_of(next.pid), worker);
            take_overs.push(cluster.now() - since);
            next.release();
            sent.final_answer(SCENARIO_TIMEOUT).await.unwrap();
            cluster.links[worker].heal();
        } else {
            tokio::time::sleep(Duration::from_secs(4)).await;
            assert!(sent.trail().is_lost(), "a machine that cannot write does not answer");
            let healed = cluster.now();
            cluster.links[worker].heal();
            sent.final_answer(SCENARIO_TIMEOUT).await.unwrap();
            recoveries.push(cluster.now() - healed);
        }
    }
    let found = cluster.finish().await;
    let (others, own) = (spread(&take_overs), spread(&recoveries));
    let found =
        format!("{found}; another worker began after {others}; after 4 s, answered after the end of the cut {own}");
    measured(&ROW, rounds, &found);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_cut_off_while_telegram_demands_a_pause() {
    const ROW: Row = Row {
        number: 113,
        test: "Telegram refuses the answer for 25 s; meanwhile the worker that has the text is cut off from PostgreSQL",
        figure: "another worker sends the answer, the former one tries no more",
        name: "machines::network::a_worker_is_cut_off_while_telegram_demands_a_pause",
    };
    const PAUSE: Duration = Duration::from_secs(25);
    let rounds = rounds(1);
    let Some(server) = PrivatePostgres::shared_or_skip(ROW.name).await.unwrap() else { return };
    let cluster = Cluster::start(server.clone(), 1, 2, &[]).await;
    let mut took = Vec::new();
    for _ in 0..rounds {
        let (answers, mut sent_answers) = watch::channel(0);
        let answers = Arc::new(answers);
        let count = answers.clone();
        let refuse_first = move |call: &Call| -> FaultAction {
            if !call.text.starts_with('✅') {
                return Effect::Pass.into();
            }
            count.send_modify(|count| *count += 1);
            if *count.borrow() == 1 { Effect::Refuse(Refusal::TooMany(PAUSE)).into() } else { Effect::Pass.into() }
        };
        cluster.api().set_fault(Some(Arc::new(refuse_first)));
        let gate = Gate::new().await;
        let sent = cluster.send(&gate.instruction());
        let held = gate.wait_reached().await;
        let worker = cluster.machine_of(held.pid);
        held.release();
        eventually("the answer is refused", sent_answers.wait_for(|count| *count == 1)).await.unwrap();
        let noted = async {
            while cluster.psql("SELECT count(*) FROM telegram_pauses").await == "0" {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        eventually("all machines know of the pause", noted).await;
        let since = cluster.now();
        cluster.links[worker].cut();
        let next = gate.wait_reached().await;
        assert_ne!(cluster.machine_of(next.pid), worker);
        next.release();
        sent.final_answer(SCENARIO_TIMEOUT).await.unwrap();
        took.push(cluster.now() - since);
        // The former holder's pause ends as well.
        tokio::time::sleep(PAUSE.saturating_sub(cluster.now() - since) + Duration::from_secs(3)).await;
        assert_eq!(*answers.borrow(), 2, "{}", cluster.describe());
        cluster.api().set_fault(None);
        cluster.links[worker].heal();
    }
    let found = cluster.finish().await;
    measured(
        &ROW,
        rounds,
        &format!("{found}; one more try each, by the other worker; answered after {}", spread(&took)),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_s_network_flaps() {
    const ROW: Row = Row {
        number: 105,
        test: "the network of whichever bot leads is cut for 1 to 4 s and healed for 1 to 3 s, again and again, under 4 recordings a second",
        figure: "0 lost, 0 taken twice, no overlapping polls",
        name: "machines::network::the_leader_s_network_flaps",
    };
    let rounds = rounds(4);
    let Some(server) = PrivatePostgres::shared_or_skip(ROW.name).await.unwrap() else { return };
    let mut cluster = Cluster::start(server.clone(), 2, 2, &[]).await;
    cluster.start_load(Duration::from_millis(250));
    let mut dice = Dice::new(rounds as u64);
    let (mut former, mut changes) = (None, 0);
    for _ in 0..rounds {
        let leader = cluster.leader().await;
        changes += usize::from(former.is_some_and(|former| former != leader));
        former = Some(leader);
        cluster.links[leader].cut();
        random_moment(&mut dice, 1000, 4000).await;
        cluster.links[leader].heal();
        random_moment(&mut dice, 1000, 3000).await;
    }
    assert_eq!(cluster.overlapping_polls(), 0, "two bots poll");
    let found = cluster.finish().await;
    measured(&ROW, rounds, &format!("{found}, 0 overlapping polls; the lead changed {changes} times"));
}
