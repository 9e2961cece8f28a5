//! The bot is signalled to stop: under load, twice, while it starts, with a locked store.

mod signalled_bot;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use rustix::process::Signal;
use signalled_bot::{SignalledBot, Signals};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use stenobot_host::ProcessUsage;
use stenobot_simulator::harness::{Simulation, SimulationError};
use stenobot_simulator::server::{Call, Effect, FaultAction, Method};
use tokio::sync::Notify;

use super::figures::spread;
use super::native::engine_behind;
use super::{Row, measured, rounds};
use crate::recordings::{Gate, scripted};
use crate::scene::{SCENARIO_TIMEOUT, Scene, bot_with_engine, eventually, signal};

/// Grace period for running work; 20 s by default.
const GRACE_PERIOD: Duration = Duration::from_secs(2);
/// From the end of the grace period to the end of the process, on a loaded machine.
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Interval after which a second signal counts as another one.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(400);
/// Bots that run concurrently.
const BOTS: usize = 4;
/// So many rounds, spread over concurrent bots.
async fn run_rounds(times: usize, signals: impl Fn(usize) -> Signals) -> Vec<Duration> {
    let signals = &signals;
    let bots = (0..BOTS.min(times)).map(|bot_number| async move {
        let mut bot = SignalledBot::new(bot_number).await;
        let mut took = Vec::new();
        for round in (bot_number..times).step_by(BOTS) {
            took.push(bot.round(round, signals(round)).await);
        }
        bot.scene.shut_down().await;
        took
    });
    let took: Vec<Duration> = join_all(bots).await.into_iter().flatten().collect();
    assert_eq!(took.len(), times);
    took
}

#[tokio::test]
async fn signalled_at_any_moment() {
    const ROW: Row = Row {
        number: 25,
        test: "SIGTERM or SIGINT at any moment under load, 2 s to finish",
        figure: "status 0 within these 2 s and 5 s more, 0 lost, 0 twice after the restart",
        name: "shutdown::signalled_at_any_moment",
    };
    let times = rounds(7);
    let took = run_rounds(times, |round| Signals::Once(if round % 3 == 2 { Signal::INT } else { Signal::TERM })).await;
    let longest = took.iter().max().unwrap();
    assert!(*longest < GRACE_PERIOD + EXIT_TIMEOUT, "{longest:?}");
    measured(&ROW, times, &format!("{} answers, 0 lost, 0 twice, ended after {}", 5 * times, spread(&took)));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    const ROW: Row = Row {
        number: 26,
        test: "a second signal 0.4 s after the first, under load",
        figure: "status 0 within 5 s, 0 lost, 0 twice after the restart",
        name: "shutdown::a_second_signal_ends_it_at_once",
    };
    let times = rounds(7);
    let took = run_rounds(times, |round| match round % 2 {
        0 => Signals::Twice(Signal::TERM, Signal::TERM),
        _ => Signals::Twice(Signal::INT, Signal::INT),
    });
    let took = took.await;
    let longest = took.iter().max().unwrap();
    assert!(*longest < EXIT_TIMEOUT, "{longest:?}");
    measured(&ROW, times, &format!("{} answers, 0 lost, 0 twice, ended after {}", 5 * times, spread(&took)));
}

#[tokio::test]
async fn simultaneous_signals_count_as_one() {
    const ROW: Row = Row {
        number: 27,
        test: "SIGTERM, SIGTERM and SIGINT at once, as a group of processes gets them",
        figure: "running work finishes as after one",
        name: "shutdown::simultaneous_signals_count_as_one",
    };
    let times = rounds(1);
    let mut scene = Scene::start(&[]).await;
    for _ in 0..times {
        let gate = Gate::new().await;
        let sent = scene.send_voice(&scripted(3, &format!("{};say успел", gate.instruction())));
        let held = gate.wait_reached().await;
        let pid = scene.bot.process().unwrap().pid();
        for one in [Signal::TERM, Signal::TERM, Signal::INT] {
            signal(pid, one);
        }
        // A second signal would have cancelled the engine's work by then.
        tokio::time::sleep(SIGNAL_INTERVAL).await;
        held.release();
        assert_eq!(scene.text(&sent).await, "успел");
        assert!(scene.bot.wait_for_exit(SCENARIO_TIMEOUT).await.unwrap().success());
        scene.bot.restart().await.unwrap();
        assert_eq!(sent.trail().answers.len(), 1);
    }
    scene.shut_down().await;
    measured(&ROW, times, &format!("{times} of {times} finished and answered before the end"));
}

/// Takes the write lock of a store, as another process would.
async fn lock(store: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(store).busy_timeout(SCENARIO_TIMEOUT);
    let mut other = options.connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    other
}

/// The bot's process id, found by its working directory, also before `Simulation::restart` has returned.
fn pid_of_bot_in(folder: &Path) -> Option<u32> {
    let works_there = |pid: &u32| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder);
    ProcessUsage::children_of(std::process::id()).map(|(pid, _)| pid).find(works_there)
}

/// Starts the bot, which must not reach its first poll; signals it at `moment`, and gives the time to its end.
async fn signal_while_starting(simulation: &mut Simulation, one: Signal, moment: impl Future<Output = ()>) -> Duration {
    let folder = simulation.data().parent().unwrap().canonicalize().unwrap();
    let api = simulation.api().clone();
    let telling = async {
        eventually("the moment", moment).await;
        let before = api.now();
        signal(pid_of_bot_in(&folder).expect("the bot lives"), one);
        before
    };
    let (ended, before) = tokio::join!(simulation.restart(), telling);
    let took = api.now() - before;
    match ended {
        Err(SimulationError::Ended { status, log }) => assert!(status.success(), "{status}: {log}"),
        other => panic!("the bot was to end: {other:?}"),
    }
    took
}

/// Waits until the log contains a text `times` times; a file has no events to wait for.
async fn wait_for_log(log: &Path, what: &str, times: usize) {
    let mut beat = tokio::time::interval(Duration::from_millis(20));
    while std::fs::read_to_string(log).unwrap_or_default().matches(what).count() < times {
        beat.tick().await;
    }
}

#[tokio::test]
async fn signalled_while_it_starts() {
    const ROW: Row = Row {
        number: 28,
        test: "SIGTERM or SIGINT while it starts: Telegram silent, the model loading, the store locked",
        figure: "status 0 within 5 s, 0 lost",
        name: "shutdown::signalled_while_it_starts",
    };
    let times = rounds(1);
    let folder = tempfile::tempdir().unwrap();
    let start = Gate::new().await;
    // These requests wait until the last round is over.
    let setup = bot_with_engine(&engine_behind(folder.path(), &start), &[("max_queue_size", "10000")]);
    let mut scene = Scene::of(Simulation::prepare(setup).await.unwrap());
    let log = scene.bot.log().to_owned();
    let (mut took, mut sent) = (Vec::new(), Vec::new());
    for round in 0..times {
        let one = if round % 2 == 0 { Signal::TERM } else { Signal::INT };
        sent.push(scene.send_voice(&scripted(3, "say дождался")));

        let asked = Arc::new(Notify::new());
        let silent = asked.clone();
        let fault = move |call: &Call| -> FaultAction {
            if call.method == Method::GetMe {
                silent.notify_one();
            }
            FaultAction { delay: SCENARIO_TIMEOUT, effect: Effect::Pass }
        };
        scene.api().set_fault(Some(Arc::new(fault)));
        took.push(signal_while_starting(&mut scene.bot, one, asked.notified()).await);
        scene.api().set_fault(None);

        // Meanwhile requests are accepted and wait for the engine.
        scene.bot.restart().await.unwrap();
        let held = start.wait_reached().await;
        let before = scene.api().now();
        signal(scene.bot.process().unwrap().pid(), one);
        assert!(scene.bot.wait_for_exit(SCENARIO_TIMEOUT).await.unwrap().success());
        took.push(scene.api().now() - before);
        drop(held);

        let other = lock(&scene.bot.store()).await;
        let starts = std::fs::read_to_string(&log).unwrap().matches("starting version").count();
        let locked = wait_for_log(&log, "starting version", starts + 1);
        took.push(signal_while_starting(&mut scene.bot, one, locked).await);
        other.close().await.unwrap();
    }
    scene.bot.restart().await.unwrap();
    start.wait_reached().await.release();
    for sent in &sent {
        assert_eq!(scene.text(sent).await, "дождался");
        assert_eq!(sent.trail().answers.len(), 1);
    }
    scene.shut_down().await;
    let longest = took.iter().max().unwrap();
    assert!(*longest < EXIT_TIMEOUT, "{took:?}");
    measured(&ROW, times, &format!("{} starts, {} answers, ended after {}", took.len(), sent.len(), spread(&took)));
}

#[tokio::test]
async fn signalled_while_the_store_is_locked() {
    const ROW: Row = Row {
        number: 29,
        test: "SIGTERM under load while another process has the store locked, 2 s to finish",
        figure: "status 0 within these 2 s and 5 s more, 0 lost, 0 twice after the restart",
        name: "shutdown::signalled_while_the_store_is_locked",
    };
    let times = rounds(1);
    let drain = GRACE_PERIOD.as_secs().to_string();
    let mut scene = Scene::start(&[("shutdown_timeout_seconds", drain.as_str())]).await;
    let mut took = Vec::new();
    for _ in 0..times {
        let gate = Gate::new().await;
        let first = scene.send_voice(&scripted(3, &format!("{};say первый", gate.instruction())));
        let held = gate.wait_reached().await;
        let second = scene.send_voice(&scripted(3, "say второй"));
        scene.wait_for_positions(std::slice::from_ref(&second), &[1]).await;
        let other = lock(&scene.bot.store()).await;
        let third = scene.send_voice(&scripted(3, "say третий"));
        third.wait_for("it is offered", SCENARIO_TIMEOUT, |trail| trail.delivered).await.unwrap();
        // The transcript exists and its delivery cannot be committed.
        held.release();
        let before = scene.api().now();
        signal(scene.bot.process().unwrap().pid(), Signal::TERM);
        let status = scene.bot.wait_for_exit(GRACE_PERIOD + EXIT_TIMEOUT).await.unwrap();
        assert!(status.success(), "{status}");
        took.push(scene.api().now() - before);
        other.close().await.unwrap();

        scene.bot.restart().await.unwrap();
        gate.wait_reached().await.release();
        for (sent, text) in [(&first, "первый"), (&second, "второй"), (&third, "третий")] {
            assert_eq!(scene.text(sent).await, text);
            assert_eq!(sent.trail().answers.len(), 1, "{}", sent.history());
        }
    }
    scene.shut_down().await;
    let longest = took.iter().max().unwrap();
    assert!(*longest < GRACE_PERIOD + EXIT_TIMEOUT, "{took:?}");
    measured(&ROW, times, &format!("{} answers, 0 lost, 0 twice, ended after {}", 3 * times, spread(&took)));
}
