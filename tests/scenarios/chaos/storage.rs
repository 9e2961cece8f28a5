//! The storage of the store fails for a while under a running bot: locked, full, read-only.

mod checks;

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use stenobot_simulator::answers::Trail;
use stenobot_simulator::harness::Simulation;
use stenobot_simulator::server::{Call, Effect, FaultAction, Method, ScriptedFault};
use stenobot_store::LEASE;
use tokio::sync::watch;

pub(super) use self::checks::{all_answered_once, is_confirmed, lost};
use self::checks::{count_in_log, delay_notices, failures, recovery_text, wait_for_delay_notice, wait_for_polls};
use super::disk::Disk;
use super::{Row, measured, rounds};
use crate::pages::page;
use crate::recordings::{Gate, scripted};
use crate::scene::{SCENARIO_TIMEOUT, Scene, bot_with_engine, eventually, stand_in};

/// From this many rounds on, faults last half a minute, the first one longer than a lease.
const THOROUGH_ROUNDS: usize = 10;

fn fault_duration(times: usize, round: usize) -> Duration {
    Duration::from_secs(match round {
        _ if times < THOROUGH_ROUNDS => 0,
        0 => LEASE.as_secs() + 15,
        _ => 30,
    })
}

// === Temporary faults ===

/// A fault of the store that a test begins and ends.
trait StoreFault {
    async fn begin(&mut self, scene: &mut Scene);
    async fn end(&mut self, scene: &mut Scene);
}

/// One recording is being transcribed and two arrive during the fault. Gives the time from its end to the last answer.
async fn two_requests_arrive_during_fault(
    scene: &mut Scene,
    fault: &mut impl StoreFault,
    kinds: &[&str],
    fault_duration: Duration,
) -> Duration {
    let gate = Gate::new().await;
    let first = scene.send_voice(&scripted(3, &format!("{};say начатое", gate.instruction())));
    let held = gate.wait_reached().await;
    first.wait_for("it has begun", SCENARIO_TIMEOUT, |trail| trail.started).await.unwrap();
    let before = failures(scene, kinds).await;
    fault.begin(scene).await;
    let others = ["второе", "третье"].map(|text| scene.send_voice(&scripted(3, &format!("say {text}"))));
    held.release();
    for sent in &others {
        wait_for_delay_notice(sent).await;
    }
    tokio::time::sleep(fault_duration).await;
    wait_for_polls(scene, 2).await;
    // Senders are informed once, however often the bot retries.
    for sent in &others {
        assert_eq!(delay_notices(scene, sent), 1, "{}", sent.history());
        assert!(!scene.api().read(|state| is_confirmed(state, sent)), "the offset has moved");
        assert!(sent.trail().answers.is_empty(), "{}", sent.history());
    }
    assert!(first.trail().answers.is_empty(), "the store does not know of it: {}", first.history());
    assert_eq!(scene.rows().await.len(), 1);
    assert!(failures(scene, kinds).await > before, "the fault had no effect");
    let (status, _) = page(&scene.bot, "/readyz").await;
    assert_eq!(status, 503);

    fault.end(scene).await;
    let freed = scene.api().now();
    let all = [&first, &others[0], &others[1]];
    let last = all_answered_once(scene, &[(all[0], "начатое"), (all[1], "второе"), (all[2], "третье")]).await;
    assert_eq!(count_in_log(scene, "transcription started"), 3, "a request was transcribed twice");
    assert_eq!(lost(scene, &all).await, 0);
    last - freed
}

pub(super) async fn end(scene: Scene, requests: usize) {
    let rows = scene.shut_down().await;
    assert_eq!(rows.len(), requests);
    assert!(rows.iter().all(|row| row.stage == "done"), "{rows:?}");
}

/// Another process that holds the write lock.
struct Lock(Option<SqliteConnection>);

impl StoreFault for Lock {
    async fn begin(&mut self, scene: &mut Scene) {
        let mut other = SqliteConnectOptions::new().filename(scene.bot.store()).connect().await.unwrap();
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
        self.0 = Some(other);
    }

    async fn end(&mut self, _scene: &mut Scene) {
        let mut other = self.0.take().unwrap();
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
    }
}

#[tokio::test]
async fn the_store_is_locked() {
    const ROW: Row = Row {
        number: 50,
        test: "another process locks the store while two messages arrive and one is in work",
        figure: "offset stays, both told once, 0 lost, each answered once",
        name: "storage::the_store_is_locked",
    };
    let times = rounds(1);
    let mut took = Vec::new();
    for round in 0..times {
        let mut scene = Scene::start(&[]).await;
        let fault_duration = fault_duration(times, round);
        took.push(two_requests_arrive_during_fault(&mut scene, &mut Lock(None), &["busy"], fault_duration).await);
        end(scene, 3).await;
    }
    measured(&ROW, times, &format!("0 of {} lost, 0 twice; {}", 3 * times, recovery_text(&took)));
}

#[tokio::test]
async fn the_store_is_locked_between_two_parts_of_an_answer() {
    const ROW: Row = Row {
        number: 51,
        test: "another process locks the store while a long answer goes out",
        figure: "every part arrives once",
        name: "storage::the_store_is_locked_between_two_parts_of_an_answer",
    };
    let times = rounds(1);
    let mut parts = 0;
    for _ in 0..times {
        let mut scene = Scene::start(&[]).await;
        let gate = Gate::new().await;
        let text = "длинное ".repeat(1200).trim_end().to_owned();
        let sent = scene.send_voice(&scripted(3, &format!("{};say {text}", gate.instruction())));
        let held = gate.wait_reached().await;
        sent.wait_for("it has begun", SCENARIO_TIMEOUT, |trail| trail.started).await.unwrap();
        // The second part of the answer is slow.
        let (seen, mut see) = watch::channel(0);
        let slow = move |call: &Call| -> FaultAction {
            let part = call.method == Method::SendMessage;
            seen.send_modify(|parts| *parts += usize::from(part));
            let delay = Duration::from_millis(if part { 500 } else { 0 });
            FaultAction { delay, effect: Effect::Pass }
        };
        scene.api().set_fault(Some(Arc::new(slow)));
        held.release();
        eventually("the second part is sent", see.wait_for(|parts| *parts == 1)).await.unwrap();
        let mut lock = Lock(None);
        lock.begin(&mut scene).await;
        let busy = async {
            while failures(&scene, &["busy"]).await == 0.0 {
                a_moment().await
            }
        };
        eventually("the store is found locked", busy).await;
        assert_eq!(*see.borrow(), 1, "no part goes out before the one before is on record");
        lock.end(&mut scene).await;

        let whole = |trail: &Trail| (trail.answer()?.spoken()?.split_whitespace().count() >= 1200).then_some(());
        sent.wait_for("the whole text", SCENARIO_TIMEOUT, whole).await.unwrap();
        scene.spoken.add(&text);
        end(scene, 1).await;
        let spoken = sent.trail().answer().and_then(|answer| answer.spoken().map(|text| text.into_owned()));
        assert_eq!(spoken, Some(text), "{}", sent.history());
        parts += *see.borrow() + 1;
        assert_eq!(parts % 3, 0, "{}", sent.history());
    }
    measured(&ROW, times, &format!("{parts} parts of {times} answers, each once"));
}

/// Files, logs and the metrics page have no event to wait for.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// The disk accepts no writes.
impl StoreFault for Disk {
    async fn begin(&mut self, scene: &mut Scene) {
        self.fill(scene.bot.process().unwrap().pid());
    }

    async fn end(&mut self, scene: &mut Scene) {
        self.free(scene.bot.process().unwrap().pid());
    }
}

async fn on(disk: &Disk) -> Scene {
    Scene::of(Simulation::start(disk.below(bot_with_engine(&stand_in(), &[]))).await.unwrap())
}

async fn fill_disks(times: usize, disk: impl Fn() -> Disk) -> String {
    let (mut took, mut way) = (Vec::new(), "");
    for round in 0..times {
        let mut disk = disk();
        way = disk.way();
        let kinds = disk.kinds();
        let mut scene = on(&disk).await;
        took.push(two_requests_arrive_during_fault(&mut scene, &mut disk, kinds, fault_duration(times, round)).await);
        end(scene, 3).await;
    }
    format!("0 of {} lost, 0 twice ({way}); {}", 3 * times, recovery_text(&took))
}

#[tokio::test]
async fn the_disk_is_full() {
    const ROW: Row = Row {
        number: 52,
        test: "the disk of store and audio is full while two messages arrive and one is in work",
        figure: "offset stays, both told once, 0 lost, each answered once",
        name: "storage::the_disk_is_full",
    };
    let times = rounds(1);
    measured(&ROW, times, &fill_disks(times, Disk::to_fill).await);
}

#[tokio::test]
async fn the_store_is_read_only() {
    const ROW: Row = Row {
        number: 53,
        test: "the store is read-only while two messages arrive and one is in work",
        figure: "offset stays, both told once, 0 lost, each answered once",
        name: "storage::the_store_is_read_only",
    };
    let times = rounds(1);
    measured(&ROW, times, &fill_disks(times, Disk::to_freeze).await);
}

#[tokio::test]
async fn the_disk_fills_up_during_a_download() {
    const ROW: Row = Row {
        number: 54,
        test: "the disk fills up while a recording is downloaded",
        figure: "nothing of it stays on the disk, it is downloaded again when there is space, answered once",
        name: "storage::the_disk_fills_up_during_a_download",
    };
    let times = rounds(1);
    let (mut took, mut way, mut tries) = (Vec::new(), "", 0);
    for _ in 0..times {
        let mut disk = Disk::to_fill();
        way = disk.way();
        let mut scene = on(&disk).await;
        let slow = Effect::Slow { piece: 4096, pause: Duration::from_millis(200) };
        scene.api().set_fault(Some(Arc::new(ScriptedFault::new(Method::Download, 1, slow))));
        let sent = scene.send_voice(&scripted(3, "say скачано"));
        scene.wait_for_call("the file is asked for", |call| call.method == Method::GetFile).await;
        let audio = scene.bot.data().join("audio");
        let files = || std::fs::read_dir(&audio).unwrap().count();
        eventually("the download begins", async {
            while files() == 0 {
                a_moment().await
            }
        })
        .await;
        disk.begin(&mut scene).await;
        eventually("nothing of it stays", async {
            while files() > 0 {
                a_moment().await
            }
        })
        .await;
        let kinds = disk.kinds();
        eventually("the store fails", async {
            while failures(&scene, kinds).await == 0.0 {
                a_moment().await
            }
        })
        .await;
        disk.end(&mut scene).await;
        let freed = scene.api().now();
        took.push(all_answered_once(&mut scene, &[(&sent, "скачано")]).await - freed);
        tries += scene.calls(Method::Download);
        end(scene, 1).await;
    }
    assert!(tries >= 2 * times, "no download met the full disk");
    measured(&ROW, times, &format!("0 of {times} lost, {tries} downloads ({way}); {}", recovery_text(&took)));
}

#[tokio::test]
async fn the_last_disk_space_is_reserved_for_the_store() {
    const ROW: Row = Row {
        number: 55,
        test: "little space is left on the disk when a message arrives",
        figure: "it is accepted and its sender informed; no download until there is space; answered once",
        name: "storage::the_last_disk_space_is_reserved_for_the_store",
    };
    let times = rounds(1);
    let mut took = Vec::new();
    for _ in 0..times {
        let mut disk = Disk::to_fill();
        if !disk.is_mounted() {
            return measured(&ROW, 0, "not tried: no file system can be mounted here");
        }
        let mut scene = on(&disk).await;
        disk.leave_little();
        eventually("the bot sees it", async {
            while count_in_log(&scene, "downloads wait") == 0 {
                a_moment().await
            }
        })
        .await;
        let sent = scene.send_voice(&scripted(3, "say место"));
        wait_for_delay_notice(&sent).await;
        let confirmed = scene.api().wait_for(|state| is_confirmed(state, &sent).then_some(()));
        eventually("the store takes it", confirmed).await;
        assert_eq!((scene.row(&sent).await.stage.as_str(), scene.calls(Method::Download)), ("received", 0));
        disk.end(&mut scene).await;
        let freed = scene.api().now();
        took.push(all_answered_once(&mut scene, &[(&sent, "место")]).await - freed);
        assert_eq!(delay_notices(&scene, &sent), 1);
        end(scene, 1).await;
    }
    measured(&ROW, times, &format!("0 of {times} lost; {}", recovery_text(&took)));
}

#[tokio::test]
async fn signalled_while_the_store_is_locked_and_work_runs() {
    const ROW: Row = Row {
        number: 56,
        test: "SIGTERM while another process locks the store, with one message in work and one new",
        figure: "stops in order and in time, 0 lost, each answered once after the next start",
        name: "storage::signalled_while_the_store_is_locked_and_work_runs",
    };
    let times = rounds(1);
    let mut longest = Duration::ZERO;
    for _ in 0..times {
        let mut scene = Scene::start(&[("shutdown_timeout_seconds", "1")]).await;
        let gate = Gate::new().await;
        let first = scene.send_voice(&scripted(3, &format!("{};say начатое", gate.instruction())));
        let held = gate.wait_reached().await;
        first.wait_for("it has begun", SCENARIO_TIMEOUT, |trail| trail.started).await.unwrap();
        let mut lock = Lock(None);
        lock.begin(&mut scene).await;
        let new = scene.send_voice(&scripted(3, "say новое"));
        held.release();
        wait_for_delay_notice(&new).await;
        let from = scene.api().now();
        let status = scene.bot.terminate(SCENARIO_TIMEOUT).await.unwrap();
        let stopped = scene.api().now() - from;
        assert!(status.success(), "{status}");
        // One second for the answer that is held, and for writes under way.
        assert!(stopped < Duration::from_secs(15), "{stopped:?}");
        longest = longest.max(stopped);
        lock.end(&mut scene).await;
        scene.bot.restart().await.unwrap();
        gate.wait_reached().await.release();
        all_answered_once(&mut scene, &[(&first, "начатое"), (&new, "новое")]).await;
        assert_eq!(lost(&scene, &[&first, &new]).await, 0);
        end(scene, 2).await;
    }
    let found = format!("0 of {} lost, 0 twice, stopped within {:.1} s", 2 * times, longest.as_secs_f64());
    measured(&ROW, times, &found);
}
