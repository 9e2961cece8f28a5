//! The data of docs/dashboard.png: some minutes of the bot with the real model, a burst of users, and some failures.
//! `scripts/dashboard-picture/make` runs this and draws the result.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Map, Value, json};
use stenobot_host::ProcessUsage;
use stenobot_simulator::server::{Attachment, Call, Effect, FaultAction, Method, Refusal};

use crate::panels::Question;
use crate::prometheus::Prometheus;
use crate::recordings::{asset, sample, scripted};
use crate::scene::{Scene, real, signal};

/// Time shown, in seconds.
const LENGTH: u32 = 270;

/// Start of the burst, in seconds.
const BURST: u32 = 90;

/// Start of a second burst, which still waits at the end.
const SECOND_BURST: u32 = LENGTH - 6;

#[tokio::test]
#[ignore = "writes target/dashboard-answers.json for the picture in docs; takes five minutes and tests nothing"]
async fn answers_for_the_dashboard_picture() {
    let settings = [("max_queue_size", "12"), ("max_voice_duration_seconds", "90"), ("user_requests_per_minute", "3")];
    let (_lock, mut scene) = real(&settings).await;
    let machine = scene.bot.metrics_addr();
    let rules = asset("Cargo.toml").with_file_name("prometheus/*.yml");
    let prometheus = Prometheus::start(&format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
         rule_files: ['{}']\n\
         scrape_configs: [{{ job_name: stenobot, static_configs: [{{ targets: ['{machine}'] }}] }}]\n",
        rules.display()
    ))
    .await;
    prometheus.until("stenobot_build_info").await;
    let lost = Arc::new(AtomicBool::new(false));
    inject_faults(&scene, lost.clone());

    // None of them mentions the name of a sender, which the store may hold.
    let voices =
        ["ru-short-01", "ru-30s-1", "en-short-02", "ru-30s-2", "ru-short-05", "en-30s-1", "ru-60s-2", "ru-30s-3"];
    let mut voices = voices.map(sample).into_iter().cycle();
    let mut send = |scene: &mut Scene| drop(scene.send_voice(&voices.next().unwrap()));
    let regular = scene.new_user("Олег", "ru");
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    for second in 0..LENGTH {
        seconds.tick().await;
        match second {
            second if (BURST..BURST + 25).contains(&second) || second > SECOND_BURST => {
                (0..5).for_each(|_| send(&mut scene))
            }
            second if second % 6 == 3 => send(&mut scene),
            _ => {}
        }
        match second {
            30 | 150 => drop(regular.send_voice(&sample("ru-110s-1"))),
            45 | 200 => drop(regular.send_file(Attachment::voice(Duration::from_secs(5)), vec![7_u8; 5000])),
            195 => {
                lost.store(true, Ordering::Relaxed);
                drop(regular.send_voice(&sample("en-short-01")));
            }
            60 | 215 => drop(regular.send_voice(&scripted(8, "silence"))),
            240 => (0..5).for_each(|_| drop(regular.send_voice(&sample("ru-short-03")))),
            70 | 130 => kill_engine(&mut scene),
            _ => {}
        }
    }
    write(&prometheus).await;
}

/// Telegram delays every call, refuses some with a retry-after after the burst, fails at times, and loses the next file once
/// `lost` is set.
fn inject_faults(scene: &Scene, lost: Arc<AtomicBool>) {
    let calls = AtomicU32::new(0);
    let started = scene.api().clone();
    let fault = move |call: &Call| -> FaultAction {
        let number = calls.fetch_add(1, Ordering::Relaxed);
        let busy = (u64::from(BURST)..u64::from(BURST) + 40).contains(&started.now().as_secs());
        let effect = match (call.method, number % 13) {
            (Method::GetUpdates, _) => return Effect::Pass.into(),
            (Method::EditMessageText, 1 | 7) if busy => Effect::Refuse(Refusal::TooMany(Duration::from_secs(3))),
            (Method::GetFile, _) if lost.swap(false, Ordering::Relaxed) => Effect::Refuse(Refusal::FILE_INVALID),
            (Method::GetFile, 5) => Effect::Answer(502, "<html>Bad Gateway</html>"),
            _ => Effect::Pass,
        };
        FaultAction { delay: Duration::from_millis(40 + u64::from(number * 37 % 90)), effect }
    };
    scene.api().set_fault(Some(Arc::new(fault)));
}

/// Kills the largest child process, as the kernel does when memory is exhausted.
fn kill_engine(scene: &mut Scene) {
    let bot = scene.bot.process().unwrap().pid();
    let (pid, _) = ProcessUsage::children_of(bot).max_by_key(|(_, usage)| usage.resident_bytes).unwrap();
    signal(pid, Signal::KILL);
}

/// Writes the results of all queries of the dashboard, by panel and letter, with their time range.
async fn write(prometheus: &Prometheus) {
    let step = 1.0;
    let end = prometheus.now().await.floor();
    let begin = end - f64::from(LENGTH);
    let mut panels: Map<String, Value> = Map::new();
    for question in Question::all() {
        // Grafana's step for a data source that is scraped every five seconds.
        let expression = question.expression("20s", &format!("{LENGTH}s"), ".*");
        let from = if question.instant { end } else { begin };
        let answer = prometheus.query_range(&expression, from, end, Duration::from_secs_f64(step)).await;
        let panel = panels.entry(question.panel.to_string()).or_insert_with(|| json!({}));
        panel[question.letter] = answer;
    }
    let answers = json!({ "from": begin, "to": end, "step": step, "panels": panels });
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/dashboard-answers.json");
    std::fs::write(file, answers.to_string()).unwrap();
}
