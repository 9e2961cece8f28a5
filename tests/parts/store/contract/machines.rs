//! Machines and what holds for all of them.

use std::time::Duration;

use stenobot_domain::{ChatId, Role};
use stenobot_store::{HEARTBEAT_INTERVAL, MachineId, MachineState, Pause, SILENCE, ServiceMode, WorkSource};
use tokio::time::Instant;

use super::BACKEND;
use crate::store::test_store::TestStore;

const WORKER: MachineState =
    MachineState { role: Role::Worker, leads: false, workers: 2, demand: 3, has_disk_space: true };

#[tokio::test]
async fn a_machine_without_heartbeat_is_silent_and_one_that_ends_is_gone() {
    let test = TestStore::new(BACKEND).await;
    let (one, two) = (MachineId::new("one"), MachineId::new("two"));
    let machines = &test.store.machines;
    let started = test.now();
    machines.record_heartbeat(&one, WORKER).await.unwrap();
    test.pass(SILENCE + Duration::from_millis(1));
    let leader = MachineState { role: Role::Bot, leads: true, workers: 0, demand: 0, has_disk_space: true };
    let fleet = machines.record_heartbeat(&two, leader).await.unwrap();
    assert_eq!(fleet.live.iter().map(|machine| &machine.id).collect::<Vec<_>>(), [&two]);
    assert_eq!(fleet.live[0].state, leader);
    assert_eq!(fleet.silent.iter().map(|machine| &machine.id).collect::<Vec<_>>(), [&one]);

    let fleet = machines.record_heartbeat(&one, WORKER).await.unwrap();
    assert_eq!((fleet.live.len(), fleet.silent.len()), (2, 0), "it is back");
    assert_eq!((fleet.live[0].started_at, fleet.live[0].heartbeat_at), (started, test.now()));
    assert_eq!((fleet.count(Role::has_bot), fleet.count(Role::has_worker)), (1, 1));
    machines.leave(&two).await.unwrap();
    assert_eq!(machines.record_heartbeat(&one, WORKER).await.unwrap().live.len(), 1);
    test.pass(Duration::from_secs(3600));
    assert_eq!(machines.record_heartbeat(&two, leader).await.unwrap().silent, [], "forgotten after a while");
}

#[tokio::test]
async fn recordings_find_space_while_one_worker_has_it() {
    let test = TestStore::new(BACKEND).await;
    let [bot, one, two] = ["bot", "one", "two"].map(MachineId::new);
    let machines = &test.store.machines;
    let without_engine = MachineState { role: Role::Bot, workers: 0, ..WORKER };
    let full = MachineState { has_disk_space: false, ..WORKER };
    let fleet = machines.record_heartbeat(&bot, without_engine).await.unwrap();
    assert_eq!(fleet.has_disk_space(), None, "a bot takes no recordings");
    assert_eq!(machines.record_heartbeat(&one, full).await.unwrap().has_disk_space(), Some(false));
    assert_eq!(machines.record_heartbeat(&two, WORKER).await.unwrap().has_disk_space(), Some(true));
    assert_eq!(machines.record_heartbeat(&two, full).await.unwrap().has_disk_space(), Some(false));
    assert_eq!(machines.record_heartbeat(&one, WORKER).await.unwrap().has_disk_space(), Some(true));
}

#[tokio::test]
async fn a_machine_whose_heartbeats_fail_takes_no_more_updates_after_some_seconds() {
    let test = TestStore::new(BACKEND).await;
    assert_eq!(test.store.while_reachable(async { 1 }).await, Some(1), "without heartbeats it is alone");
    test.store.machines.record_heartbeat(&MachineId::new("one"), WORKER).await.unwrap();
    tokio::time::pause();
    let since = Instant::now();
    assert_eq!(test.store.while_reachable(std::future::pending::<()>()).await, None);
    assert!(since.elapsed() > 2 * HEARTBEAT_INTERVAL && since.elapsed() < SILENCE / 2, "{:?}", since.elapsed());
    assert_eq!(test.store.while_reachable(async { 2 }).await, None, "at once");
    tokio::time::resume();
    test.store.machines.record_heartbeat(&MachineId::new("one"), WORKER).await.unwrap();
    assert_eq!(test.store.while_reachable(async { 3 }).await, Some(3), "it is back");
}

#[tokio::test]
async fn a_machine_whose_heartbeats_fail_sends_nothing_more_before_it_is_silent() {
    let test = TestStore::new(BACKEND).await;
    let id = MachineId::new("one");
    assert_eq!(test.store.unless_silent(async { 1 }).await, Some(1), "without heartbeats it is alone");
    test.store.machines.record_heartbeat(&id, WORKER).await.unwrap();
    assert_eq!(test.store.unless_silent(async { 2 }).await, Some(2));
    tokio::time::pause();
    let since = Instant::now();
    assert_eq!(test.store.unless_silent(std::future::pending::<()>()).await, None);
    assert!(since.elapsed() > SILENCE / 2 && since.elapsed() < SILENCE, "{:?}", since.elapsed());
    let mut polled = false;
    assert_eq!(test.store.unless_silent(async { polled = true }).await, None);
    assert!(!polled, "as after SIGCONT: nothing begins");
    tokio::time::resume();
    test.store.machines.record_heartbeat(&id, WORKER).await.unwrap();
    assert_eq!(test.store.unless_silent(async { 3 }).await, Some(3), "it is back");
}

#[tokio::test]
async fn leases_of_a_machine_that_is_gone_can_be_expired() {
    let test = TestStore::new(BACKEND).await;
    let id = test.enqueue(1).await;
    test.start("dead").await;
    assert_eq!(test.store.queue.expire_leases_of("alive").await.unwrap(), 0);
    assert_eq!(test.claim(WorkSource::Transcriptions, "w").await, None);
    assert_eq!(test.store.queue.expire_leases_of("dead").await.unwrap(), 1);
    assert_eq!(test.claim(WorkSource::Transcriptions, "w").await.unwrap().fence.id, id);
}

#[tokio::test]
async fn the_mode_of_the_service_is_shared() {
    let test = TestStore::new(BACKEND).await;
    let another = test.another().await;
    assert_eq!(another.service.mode().await.unwrap(), ServiceMode::Open);
    for mode in [ServiceMode::Paused, ServiceMode::Draining, ServiceMode::Open] {
        test.store.service.set_mode(mode).await.unwrap();
        assert_eq!(another.service.mode().await.unwrap(), mode);
    }
}

#[tokio::test]
async fn a_pause_holds_until_it_is_over_and_is_never_made_shorter() {
    let test = TestStore::new(BACKEND).await;
    let service = &test.store.service;
    let (chat, second) = (Some(ChatId(-100)), Duration::from_secs(1));
    service.record_pause(Pause { chat, left: 10 * second }).await.unwrap();
    service.record_pause(Pause { chat, left: second }).await.unwrap();
    service.record_pause(Pause { chat: None, left: 3 * second }).await.unwrap();
    test.pass(second);
    let mut pauses = service.pauses().await.unwrap();
    pauses.sort_by_key(|pause| pause.left);
    assert_eq!(pauses, [Pause { chat: None, left: 2 * second }, Pause { chat, left: 9 * second }]);
    test.pass(2 * second);
    service.drop_past_pauses().await.unwrap();
    assert_eq!(service.pauses().await.unwrap(), [Pause { chat, left: 7 * second }]);
    assert_eq!(test.count("telegram_pauses").await, 1);
}
