//! Native code crashes, hangs or violates the protocol while other users wait.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::join_all;
use rustix::process::Signal;
use stenobot_simulator::answers::BotText;
use stenobot_simulator::harness::Simulation;
use stenobot_simulator::users::SentMessage;

use super::figures::spread;
use super::{Row, measured, rounds};
use crate::pages::page;
use crate::recordings::{Gate, scripted};
use crate::scene::{SCENARIO_TIMEOUT, Scene, bot_with_engine, eventually, failed, signal, stand_in};

/// Instructions that end an engine. `killed` is what the kernel does when memory is exhausted, `devour` the engine's own limit.
const CRASHES: [&str; 10] = [
    "segfault",
    "abort",
    "exit 3",
    "devour",
    "killed",
    "garbage",
    "oversized",
    "stranger",
    "closed",
    "fail out of ideas",
];

/// Instructions on which an engine hangs and does not respond to a cancellation.
const HANGS: [&str; 4] = ["unresponsive", "stopped", "half", "flood"];

/// The shortest deadline that can be set.
const DEADLINE: Duration = Duration::from_secs(5);

/// Waits until a position is shown.
async fn wait_until_queued(sent: &SentMessage) {
    let place = |latest: &Option<BotText>| matches!(latest, Some(BotText::Queued { .. })).then_some(());
    sent.wait_for("a place in the queue", SCENARIO_TIMEOUT, |trail| place(&trail.latest)).await.unwrap();
}

#[tokio::test]
async fn a_recording_that_crashes_the_engine() {
    const ROW: Row = Row {
        number: 20,
        test: "a recording kills the engine in ten ways: signals, no memory, invalid output, no output",
        figure: "an apology after 3 attempts; the others are delayed by one attempt at most",
        name: "native::a_recording_that_crashes_the_engine",
    };
    let times = rounds(CRASHES.len());
    let kinds: Vec<&str> = CRASHES.into_iter().cycle().take(times).collect();
    // Five bots concurrently, because they mostly wait.
    let lanes = kinds.chunks(times.div_ceil(5)).map(crash_engines);
    let delays: Vec<Duration> = join_all(lanes).await.into_iter().flatten().collect();
    assert_eq!(delays.len(), times * 4);
    let others = delays.len();
    let found = format!("{times} apologies, {others} others answered, after the crash within {}", spread(&delays));
    measured(&ROW, times, &found);
}

/// One bot and these recordings in turn. Gives the times from a crash to the answers of the others.
async fn crash_engines(kinds: &[&str]) -> Vec<Duration> {
    let mut scene = Scene::start(&[]).await;
    let mut delays = Vec::new();
    for kind in kinds {
        let gate = Gate::new().await;
        let end = if *kind == "killed" { "unresponsive" } else { kind };
        let poison = scene.send_voice(&scripted(3, &format!("{};{end}", gate.instruction())));
        for attempt in 1..=3 {
            let held = gate.wait_reached().await;
            let others: Vec<SentMessage> = (0..[2, 1, 1][attempt - 1])
                .map(|other| scene.send_voice(&scripted(3, &format!("say сосед {other}"))))
                .collect();
            for other in &others {
                wait_until_queued(other).await;
            }
            let before = scene.api().now();
            if *kind == "killed" {
                signal(held.pid, Signal::KILL);
            }
            held.release();
            // The next attempt must be released at the gate, or the requests behind it would wait for ever.
            for (number, other) in others.iter().enumerate() {
                assert_eq!(scene.text(other).await, format!("сосед {number}"));
                delays.push(other.trail().answers[0].at - before);
            }
        }
        let sentence = failed(scene.answer(&poison).await);
        assert_eq!(sentence, "Произошла ошибка при обработке. Пожалуйста, попробуйте еще раз.", "{kind}");
        assert_eq!(poison.trail().answers.len(), 1, "{kind}");
        let row = scene.row(&poison).await;
        assert_eq!((row.stage.as_str(), row.reason.as_deref()), ("failed", Some("poison")), "{kind}");
    }
    let died = 3 * kinds.iter().filter(|kind| !kind.starts_with("fail")).count();
    let restarts = scene.bot.metrics().await.unwrap().value("stenobot_engine_restarts_total");
    assert_eq!(restarts, Some(died as f64), "{kinds:?}");
    scene.shut_down().await;
    delays
}

#[tokio::test]
async fn a_recording_on_which_the_engine_hangs() {
    const ROW: Row = Row {
        number: 21,
        test: "the engine hangs on a recording in four ways: unresponsive, stopped, in the middle of a frame, endless output",
        figure: "an apology at the deadline (5 s); the others wait for one deadline and its 2 s of grace",
        name: "native::a_recording_on_which_the_engine_hangs",
    };
    let times = rounds(HANGS.len());
    let kinds: Vec<&str> = HANGS.into_iter().cycle().take(times).collect();
    let lanes = kinds.chunks(times.div_ceil(4)).map(hang_engines);
    let delays: Vec<Duration> = join_all(lanes).await.into_iter().flatten().collect();
    assert_eq!(delays.len(), times * 2);
    let longest = delays.iter().max().unwrap();
    assert!(*longest < 2 * DEADLINE, "{longest:?}");
    let found = format!("{times} apologies, {} others answered within {}", delays.len(), spread(&delays));
    measured(&ROW, times, &found);
}

/// Gives the times from sending to the answer of the requests behind.
async fn hang_engines(kinds: &[&str]) -> Vec<Duration> {
    let mut scene = Scene::start(&[("transcription_timeout_seconds", "5")]).await;
    let mut delays = Vec::new();
    for kind in kinds {
        let stuck = scene.send_voice(&scripted(3, kind));
        stuck.wait_for("it has begun", SCENARIO_TIMEOUT, |trail| trail.started).await.unwrap();
        let others = [0, 1].map(|other| scene.send_voice(&scripted(3, &format!("say сосед {other}"))));
        for (number, other) in others.iter().enumerate() {
            assert_eq!(scene.text(other).await, format!("сосед {number}"), "{kind}");
            let trail = other.trail();
            delays.push(trail.answers[0].at - trail.sent);
        }
        let sentence = failed(scene.answer(&stuck).await);
        assert_eq!(
            sentence, "Обработка заняла слишком много времени. Пожалуйста, отправьте запись покороче.",
            "{kind}"
        );
        let row = scene.row(&stuck).await;
        assert_eq!((row.stage.as_str(), row.reason.as_deref()), ("failed", Some("deadline")), "{kind}");
        let took = row.finished_at.unwrap() - row.started_at.unwrap();
        assert!(took >= DEADLINE.as_millis() as i64, "{kind}: {took} ms");
        assert_eq!(stuck.trail().answers.len(), 1, "{kind}");
    }
    let restarts = scene.bot.metrics().await.unwrap().value("stenobot_engine_restarts_total");
    assert_eq!(restarts, Some(kinds.len() as f64), "{kinds:?}");
    scene.shut_down().await;
    delays
}

#[tokio::test]
async fn many_crashes_in_a_row() {
    const ROW: Row = Row {
        number: 22,
        test: "one user sends five recordings that kill the engine: fifteen crashes in a row",
        figure: "another user's wait stays under 10 s throughout",
        name: "native::many_crashes_in_a_row",
    };
    let times = rounds(1);
    let mut delays = Vec::new();
    let mut scene = Scene::start(&[]).await;
    for round in 1..=times {
        let hostile = scene.new_user("Яд", "ru");
        let poison: Vec<SentMessage> = (0..5).map(|_| hostile.send_voice(&scripted(3, "segfault"))).collect();
        // From the second apology on, at least six engines have crashed.
        for (number, sent) in poison.iter().enumerate() {
            failed(scene.answer(sent).await);
            if number >= 1 {
                let other = scene.send_voice(&scripted(3, &format!("say сосед {number}")));
                assert_eq!(scene.text(&other).await, format!("сосед {number}"));
                let trail = other.trail();
                delays.push(trail.answers[0].at - trail.sent);
            }
        }
        let restarts = scene.bot.metrics().await.unwrap().value("stenobot_engine_restarts_total");
        assert_eq!(restarts, Some(15.0 * round as f64));
    }
    let longest = delays.iter().max().unwrap();
    assert!(*longest < Duration::from_secs(10), "{longest:?}");
    scene.shut_down().await;
    measured(&ROW, times, &format!("{} others answered within {}", delays.len(), spread(&delays)));
}

/// The scripted engine, started by a shell script with these lines.
fn engine(folder: &Path, lines: &str) -> PathBuf {
    let engine = folder.join("engine");
    std::fs::write(&engine, format!("#!/bin/sh\n{lines}\nexec \"{}\" \"$@\"\n", stand_in().display())).unwrap();
    std::fs::set_permissions(&engine, PermissionsExt::from_mode(0o700)).unwrap();
    engine
}

/// An engine that waits at a gate whenever it starts.
pub(super) fn engine_behind(folder: &Path, start: &Gate) -> PathBuf {
    engine(folder, &format!("STAND_IN_START='{}'\nexport STAND_IN_START", start.instruction()))
}

#[tokio::test]
async fn the_engine_killed_at_any_time() {
    const ROW: Row = Row {
        number: 23,
        test: "kill -9 of the engine while it is idle, starts, works",
        figure: "replaced, one answer each",
        name: "native::the_engine_killed_at_any_time",
    };
    let times = rounds(2);
    let folder = tempfile::tempdir().unwrap();
    let (start, work) = (Gate::new().await, Gate::new().await);
    let setup = bot_with_engine(&engine_behind(folder.path(), &start), &[]);
    let mut scene = Scene::of(Simulation::start(setup).await.unwrap());
    let mut held = start.wait_reached().await;
    let mut delays = Vec::new();
    let mut all = Vec::new();
    for _ in 0..times {
        let mut pid = held.pid;
        held.release();
        let warm = scene.send_voice(&scripted(3, "say тёплый"));
        assert_eq!(scene.text(&warm).await, "тёплый");
        let idle = scene.api().now();
        signal(pid, Signal::KILL);
        let starting = start.wait_reached().await;
        let patient = scene.send_voice(&scripted(3, "say терпеливый"));
        wait_until_queued(&patient).await;
        signal(starting.pid, Signal::KILL);
        drop(starting);
        held = start.wait_reached().await;
        pid = held.pid;
        held.release();
        assert_eq!(scene.text(&patient).await, "терпеливый");
        delays.push(patient.trail().answers[0].at - idle);

        let busy = scene.send_voice(&scripted(3, &format!("{};say занятой", work.instruction())));
        let at_work = work.wait_reached().await;
        assert_eq!(at_work.pid, pid);
        let before = scene.api().now();
        signal(pid, Signal::KILL);
        drop(at_work);
        start.wait_reached().await.release();
        let at_work = work.wait_reached().await;
        let pid = at_work.pid;
        at_work.release();
        assert_eq!(scene.text(&busy).await, "занятой");
        delays.push(busy.trail().answers[0].at - before);
        all.extend([warm, patient, busy]);
        signal(pid, Signal::KILL);
        held = start.wait_reached().await;
    }
    held.release();
    for sent in &all {
        assert_eq!(sent.trail().answers.len(), 1, "{}", sent.history());
    }
    let rows = scene.shut_down().await;
    assert_eq!(rows.len(), 3 * times);
    assert!(rows.iter().all(|row| row.stage == "done"), "{rows:?}");
    measured(&ROW, times, &format!("{} answers, after the kill within {}", rows.len(), spread(&delays)));
}

#[tokio::test]
async fn an_engine_that_does_not_start() {
    const ROW: Row = Row {
        number: 24,
        test: "the engine does not start (a bad model), and is repaired",
        figure: "requests wait, /readyz tells why, all are answered by itself",
        name: "native::an_engine_that_does_not_start",
    };
    let times = rounds(1);
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken");
    std::fs::write(&broken, "").unwrap();
    let program = engine(folder.path(), &format!("[ -e \"{}\" ] && exit 3", broken.display()));
    let mut scene = Scene::of(Simulation::start(bot_with_engine(&program, &[])).await.unwrap());
    let mut delays = Vec::new();
    for round in 0..times {
        let (mut waiting, gate) = (Vec::new(), Gate::new().await);
        if round > 0 {
            waiting.push(scene.send_voice(&scripted(3, &format!("{};say 0", gate.instruction()))));
            let held = gate.wait_reached().await;
            std::fs::write(&broken, "").unwrap();
            signal(held.pid, Signal::KILL);
            drop(held);
        }
        for _ in 0..2 {
            waiting.push(scene.send_voice(&scripted(3, "say дождались")));
        }
        let readiness = async {
            let mut beat = tokio::time::interval(Duration::from_millis(50));
            loop {
                beat.tick().await;
                let (status, reason) = page(&scene.bot, "/readyz").await;
                if reason.contains("does not start") {
                    return (status, reason);
                }
            }
        };
        let readiness = eventually("/readyz tells why", readiness).await;
        let sentence = "not ready: the engine does not start: it ended while it loaded the model (exit status 3)\n";
        assert_eq!(readiness, (503, sentence.to_owned()));
        for sent in &waiting[waiting.len() - 2..] {
            wait_until_queued(sent).await;
            assert!(sent.trail().answers.is_empty());
        }
        let repaired = scene.api().now();
        std::fs::remove_file(&broken).unwrap();
        if round > 0 {
            gate.wait_reached().await.release();
        }
        for sent in &waiting {
            scene.text(sent).await;
            let trail = sent.trail();
            assert_eq!(trail.answers.len(), 1, "{}", sent.history());
            delays.push(trail.answers[0].at - repaired);
        }
        assert_eq!(page(&scene.bot, "/readyz").await, (200, "ready\n".to_owned()));
    }
    scene.shut_down().await;
    measured(&ROW, times, &format!("{} answers, after the repair within {}", delays.len(), spread(&delays)));
}
