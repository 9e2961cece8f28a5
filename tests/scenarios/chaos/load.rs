//! Overload, and a load near the capacity for a long time.

use std::time::Duration;

use stenobot_simulator::answers::{RequestOutcome, Trail};
use stenobot_simulator::users::SentMessage;
use tokio::time::{Instant, MissedTickBehavior};

use super::figures::spread;
use super::{Row, among_the_tests, measured, rounds};
use crate::recordings::{Gate, scripted};
use crate::scene::{SCENARIO_TIMEOUT, Scene, answered, position, row_of};

const MAX_QUEUE: u32 = 50;
/// Processing time of one recording.
const PROCESSING_TIME: Duration = Duration::from_millis(200);
/// How often the bot's figures are sampled.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(250);

/// The bot's figures at one moment.
#[derive(Clone, Copy, Default)]
struct Sample {
    depth: f64,
    resident_bytes: f64,
    open_files: f64,
    audio_files: usize,
}

async fn sample(scene: &Scene) -> Sample {
    let page = scene.bot.metrics().await.unwrap();
    let state = |state: &str| page.value(&format!("stenobot_requests{{state=\"{state}\"}}")).unwrap();
    Sample {
        depth: state("received") + state("downloaded") + state("queued"),
        resident_bytes: page.value("process_resident_memory_bytes").unwrap(),
        open_files: page.value("process_open_fds").unwrap(),
        audio_files: std::fs::read_dir(scene.bot.data().join("audio")).unwrap().count(),
    }
}

/// `users` users send one recording each at even intervals; gives their messages, and samples until every user has an
/// answer.
async fn send_crowd(scene: &mut Scene, users: usize, every: Duration, name: &str) -> (Vec<SentMessage>, Vec<Sample>) {
    let work = format!("wait {};say {name}", PROCESSING_TIME.as_millis());
    let began = Instant::now();
    let (mut sent, mut samples) = (Vec::new(), Vec::new());
    let mut beat = tokio::time::interval(SAMPLE_INTERVAL);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let due = (began.elapsed().as_secs_f64() / every.as_secs_f64()) as usize + 1;
        while sent.len() < due.min(users) {
            // Different recordings: the same one would be transcribed once for all.
            let voice = scripted(3, &format!("{work} {}", sent.len()));
            sent.push(scene.send_voice(&voice));
        }
        samples.push(sample(scene).await);
        if sent.len() == users && sent.iter().all(|sent| !sent.trail().is_lost()) {
            return (sent, samples);
        }
        assert!(began.elapsed() < every.mul_f64(users as f64) + SCENARIO_TIMEOUT, "a user is not answered");
    }
}

fn max_of(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    samples.iter().map(of).fold(0.0, f64::max)
}

fn mean_of(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    samples.iter().map(of).sum::<f64>() / samples.len().max(1) as f64
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / (1024.0 * 1024.0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenfold_overload() {
    const ROW: Row = Row {
        number: 75,
        test: "10 x overload: 200 users within 4 s, each round; the engine takes 5 a second",
        figure: "depth <= limit, every rejection answered, RSS growth <= 5 %",
        name: "load::tenfold_overload",
    };
    let rounds = rounds(1);
    let settings = [("max_queue_size", "50"), ("progress_update_interval_seconds", "60")];
    let mut scene = Scene::start(&settings).await;
    // The first crowds show the peak need, with the store's pages cached and its connections open; later ones whether memory
    // grows.
    let mut before = 0.0;
    for name in ["сначала", "ещё"] {
        let (_, samples) = send_crowd(&mut scene, 200, Duration::from_millis(20), name).await;
        before = max_of(&samples, |sample| sample.resident_bytes);
    }
    let (mut refused, mut transcribed, mut all) = (0, 0, Vec::new());
    for _ in 0..rounds {
        let (sent, samples) = send_crowd(&mut scene, 200, Duration::from_millis(20), "потом").await;
        for sent in &sent {
            match &sent.trail().answers[..] {
                [only] => match only.outcome {
                    RequestOutcome::Rejected(_) => refused += 1,
                    RequestOutcome::Answered(_) => transcribed += 1,
                    RequestOutcome::NoSpeech | RequestOutcome::Failed(_) | RequestOutcome::Cancelled => {
                        panic!("{}", sent.history())
                    }
                },
                _ => panic!("{}", sent.history()),
            }
        }
        all.extend(samples);
    }
    let (depth, after) = (max_of(&all, |sample| sample.depth), max_of(&all, |sample| sample.resident_bytes));
    let growth = 100.0 * (after / before - 1.0);
    assert!(depth <= f64::from(MAX_QUEUE), "{depth} waited");
    assert!(depth > f64::from(MAX_QUEUE) * 0.8 && refused > 50 * rounds, "that was no overload: {depth}, {refused}");
    assert!(growth <= 5.0, "memory grew by {growth:.1} %");
    scene.wait_until_closed().await;
    scene.shut_down().await;
    let found = format!(
        "{} sent: {transcribed} transcribed, {refused} refused, all answered once; depth at most {depth} of {MAX_QUEUE}; RSS at most {} \
         in the second crowd, {} later: {growth:+.1} %",
        200 * rounds,
        mebibytes(before),
        mebibytes(after)
    );
    measured(&ROW, rounds, &found);
}

/// Each round is ten seconds long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seventy_percent_load_for_long() {
    const ROW: Row = Row {
        number: 76,
        test: "70 % of what the engine can do, 10 s for each round",
        figure: "memory, file descriptors and temporary files flat",
        name: "load::seventy_percent_load_for_long",
    };
    let rounds = rounds(1);
    let mut scene = Scene::start(&[("progress_update_interval_seconds", "5")]).await;
    let every = PROCESSING_TIME.mul_f64(1.0 / 0.7);
    // Connections and caches have reached their final size by then.
    let (_, warm) = send_crowd(&mut scene, 40, every, "сначала").await;
    let idle = sample(&scene).await;
    let users = (Duration::from_secs(10).as_secs_f64() / every.as_secs_f64()) as usize * rounds;
    let (sent, samples) = send_crowd(&mut scene, users, every, "потом").await;
    for sent in &sent {
        let trail = sent.trail();
        assert!(
            matches!(&trail.answers[..], [only] if matches!(only.outcome, RequestOutcome::Answered(_))),
            "{}",
            sent.history()
        );
    }
    scene.wait_until_closed().await;
    let end = sample(&scene).await;
    let quarter = samples.len().div_ceil(4);
    let memory = |samples: &[Sample]| mean_of(samples, |sample| sample.resident_bytes);
    let (early, late) = (memory(&samples[..quarter]), memory(&samples[samples.len() - quarter..]));
    let growth = 100.0 * (late / early - 1.0);
    let files = |samples: &[Sample]| max_of(samples, |sample| sample.open_files);
    assert!(growth <= 5.0, "memory grew by {growth:.1} %");
    assert!(end.open_files <= idle.open_files + 4.0, "{} files are open, {} before", end.open_files, idle.open_files);
    assert_eq!(end.audio_files, 0, "recordings are left");
    let took: Vec<Duration> =
        sent.iter().map(|sent| sent.trail()).map(|trail| trail.answers[0].at - trail.sent).collect();
    scene.shut_down().await;
    let found = format!(
        "{users} transcribed in {:.0} s, end to end {}; RSS {} in the first quarter, {} in the last: {growth:+.1} %; open files {} \
         before, {} after, at most {} (first minutes {}); recordings on disk at max_of {}, 0 after",
        every.mul_f64(users as f64).as_secs_f64(),
        spread(&took),
        mebibytes(early),
        mebibytes(late),
        idle.open_files,
        end.open_files,
        files(&samples),
        files(&warm),
        max_of(&samples, |sample| sample.audio_files as f64),
    );
    measured(&ROW, rounds, &found);
}

#[tokio::test]
async fn one_person_floods() {
    const ROW: Row = Row {
        number: 77,
        test: "one user sends 50 at once, then another user sends one",
        figure: "the other waits for 2 requests at most",
        name: "load::one_person_floods",
    };
    // Telegram accepts one message a second per chat, so that fifty refusals take a while.
    let (rounds, size) = if among_the_tests() { (1, 10) } else { (rounds(1), 50) };
    let settings = [("max_waiting_per_user", "50"), ("user_requests_per_minute", "600")];
    let mut scene = Scene::start(&settings).await;
    let mut waited_for = Vec::new();
    for round in 0..rounds {
        let gate = Gate::new().await;
        let flooder = scene.new_user("Флуд", "ru");
        let mut flood = vec![flooder.send_voice(&scripted(3, &format!("{};say раз", gate.instruction())))];
        let held = gate.wait_reached().await;
        flood.extend((1..size).map(|number| flooder.send_voice(&scripted(3, &format!("say ещё {round} {number}")))));
        // Updates are processed in order: the whole flood is in the store before the other request.
        let other = scene.send_voice(&scripted(3, &format!("say короткое {round}")));
        let placed = |trail: &Trail| trail.latest.as_ref().and_then(position);
        other.wait_for("it has a place", SCENARIO_TIMEOUT, placed).await.unwrap();
        held.release();
        scene.text(&other).await;
        for sent in &flood {
            answered(scene.answer(sent).await);
        }
        scene.wait_until_closed().await;
        let rows = scene.rows().await;
        let own = row_of(&rows, &other);
        let before = |at: i64| own.received_at <= at && at < own.started_at.unwrap();
        // The request that was already running counts too.
        waited_for.push(1 + rows.iter().filter(|row| row.started_at.is_some_and(before)).count());
    }
    waited_for.sort_unstable();
    let worst = *waited_for.last().unwrap();
    assert!(worst <= 2, "waited for {worst}");
    scene.shut_down().await;
    let found = format!("waited for {worst} at most, median {}, of {size} that came before", waited_for[rounds / 2]);
    measured(&ROW, rounds, &found);
}
