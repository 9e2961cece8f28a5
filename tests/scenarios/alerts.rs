//! The shipped alerts, with durations divided by sixty, in a real Prometheus that scrapes the bot.

use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use stenobot_simulator::users::SentMessage;

use crate::pages::page;
use crate::prometheus::Prometheus;
use crate::recordings::{Gate, asset, scripted};
use crate::scene::{Scene, eventually, rejected};

/// Divisor of the rules' durations.
const SPEED_UP: u64 = 60;

/// Divisor for a rule that counts what the bot does at its own pace: about one failed write a second.
const SMALL_SPEED_UP: u64 = 6;

/// The rules with all durations divided: after `for: `, and in `[...]`.
fn sped_up(rules: &str, faster: u64) -> String {
    let mut fast = String::new();
    let mut rest = rules;
    while let Some(at) = ["for: ", "["].iter().filter_map(|mark| Some(rest.find(mark)? + mark.len())).min() {
        let (before, after) = rest.split_at(at);
        let length = after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
        let (duration, after) = after.split_at(length);
        fast.push_str(before);
        match milliseconds(duration) {
            Some(long) => fast.push_str(&format!("{}ms", long / faster)),
            None => fast.push_str(duration),
        }
        rest = after;
    }
    fast + rest
}

/// A duration with one unit, as Prometheus writes it.
fn milliseconds(duration: &str) -> Option<u64> {
    let unit = duration.find(|c: char| !c.is_ascii_digit())?;
    let scale = match &duration[unit..] {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(duration[..unit].parse::<u64>().ok()? * scale)
}

#[test]
fn only_durations_are_divided() {
    let rules = "for: 2m\nexpr: rate(a[5m]) + rate(b{c=\"5m\"}[1h]) > 300 # 10m, for: ever\nfor: 30s\n";
    let fast = "for: 2000ms\nexpr: rate(a[5000ms]) + rate(b{c=\"5m\"}[60000ms]) > 300 # 10m, for: ever\nfor: 500ms\n";
    assert_eq!(sped_up(rules, SPEED_UP), fast);
}

/// Prometheus that scrapes this bot, with the shipped rules in `folder`, sped up.
async fn watch(scene: &Scene, folder: &Path, faster: u64) -> Prometheus {
    for rules in ["recording.yml", "alerts.yml"] {
        let shipped = std::fs::read_to_string(asset("prometheus").join(rules)).unwrap();
        std::fs::write(folder.join(rules), sped_up(&shipped, faster)).unwrap();
    }
    Prometheus::start(&format!(
        "global: {{scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 250ms, external_labels: \
         {{runbook_url: 'https://example.org/runbook.md', dashboard_url: 'https://example.org/d'}}}}\n\
         rule_files: ['{folder}/*.yml']\n\
         scrape_configs: [{{job_name: stenobot, static_configs: [{{targets: ['{bot}']}}]}}]\n",
        folder = folder.display(),
        bot = scene.bot.metrics_addr(),
    ))
    .await
}

#[tokio::test]
async fn overload_raises_an_alert_that_resolves_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let mut scene = Scene::start(&[("max_queue_size", "4")]).await;
    let prometheus = watch(&scene, folder.path(), SPEED_UP).await;
    let began = prometheus.now().await;
    prometheus.until("up{job=\"stenobot\"} == 1").await;

    let gate = Gate::new().await;
    let first = scene.send_voice(&scripted(3, &format!("{};say первая", gate.instruction())));
    let held = gate.wait_reached().await;
    let waiting: Vec<SentMessage> = (0..4).map(|_| scene.send_voice(&scripted(3, "say дошла"))).collect();
    prometheus.until("job:stenobot_requests_waiting:max == 4").await;
    let almost_full = prometheus.until_alert("StenobotQueueAlmostFull", true).await.unwrap();
    assert_eq!(almost_full["annotations"]["summary"], "The queue is 100% full");
    assert_eq!(almost_full["labels"]["severity"], "warning");

    // Every further request is refused, one after the other until the alert has seen enough of them.
    let refusals = async {
        loop {
            let refused = scene.new_user("Олег", "ru").send_voice(&scripted(3, "say лишняя"));
            rejected(scene.answer(&refused).await);
            prometheus.until("sum(rate(stenobot_requests_rejected_total[1s])) == 0").await;
        }
    };
    tokio::select! {
        rejecting = prometheus.until_alert("StenobotRejecting", true) => assert!(rejecting.is_some()),
        () = refusals => {}
    }

    held.release();
    scene.text(&first).await;
    for sent in &waiting {
        assert_eq!(scene.text(sent).await, "дошла");
    }
    prometheus.until("job:stenobot_requests_waiting:max == 0").await;
    prometheus.until_alert("StenobotQueueAlmostFull", false).await;
    prometheus.until_alert("StenobotRejecting", false).await;
    let step = Duration::from_millis(250);
    let depths = prometheus.query_range("job:stenobot_requests_waiting:max", began, prometheus.now().await, step).await;
    let depths = depths[0]["values"].as_array().unwrap().iter().map(|sample| sample[1].as_str().unwrap());
    assert_eq!(depths.max(), Some("4"), "the queue is never longer than its limit");
    scene.shut_down().await;
}

#[tokio::test]
async fn an_absent_bot_raises_an_alert_that_resolves_when_it_returns() {
    let folder = tempfile::tempdir().unwrap();
    let mut scene = Scene::start(&[]).await;
    let prometheus = watch(&scene, folder.path(), SPEED_UP).await;
    prometheus.until("up{job=\"stenobot\"} == 1").await;
    prometheus.until_alert("StenobotDown", false).await;

    scene.bot.kill().await.unwrap();
    let down = prometheus.until_alert("StenobotDown", true).await.unwrap();
    let address = scene.bot.metrics_addr();
    assert_eq!(down["annotations"]["summary"], format!("The bot on {address} does not answer"));
    assert_eq!(down["annotations"]["runbook_url"], "https://example.org/runbook.md#stenobotdown");
    assert_eq!(down["annotations"]["dashboard_url"], format!("https://example.org/d?var-instance={address}"));

    scene.bot.restart().await.unwrap();
    prometheus.until_alert("StenobotDown", false).await;
    let sent = scene.send_voice(&scripted(3, "say снова здесь"));
    assert_eq!(scene.text(&sent).await, "снова здесь");
    scene.shut_down().await;
}

#[tokio::test]
async fn a_store_that_cannot_be_written_raises_an_alert() {
    let folder = tempfile::tempdir().unwrap();
    let mut scene = Scene::start(&[]).await;
    let prometheus = watch(&scene, folder.path(), SMALL_SPEED_UP).await;
    // After the bot is ready: before, another alert fires.
    let sent = scene.send_voice(&scripted(3, "say до"));
    assert_eq!(scene.text(&sent).await, "до");
    scene.wait_until_closed().await;
    assert_eq!(page(&scene.bot, "/readyz").await.0, 200);
    prometheus.until("stenobot_ready == 1").await;
    prometheus.until_alert("StenobotNotReady", false).await;
    let polled = async |scene: &Scene| {
        scene.bot.metrics().await.unwrap().value("stenobot_telegram_poll_last_success_timestamp_seconds")
    };

    let mut other = SqliteConnectOptions::new().filename(scene.bot.store()).connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let sent = scene.send_voice(&scripted(3, "say после"));
    prometheus.until("sum(stenobot_journal_errors_total) >= 1").await;
    let before = polled(&scene).await;
    let (status, reason) = page(&scene.bot, "/readyz").await;
    assert_eq!((status, reason.as_str()), (503, "not ready: the store is locked by another process\n"));
    let failing = prometheus.until_alert("StenobotJournalFailing", true).await.unwrap();
    let address = scene.bot.metrics_addr();
    assert_eq!(failing["annotations"]["summary"], format!("The store of {address} cannot be written or read"));
    let (status, reason) = page(&scene.bot, "/readyz").await;
    assert_eq!((status, reason.as_str()), (503, "not ready: the store is locked by another process\n"));
    let not_ready = prometheus.until_alert("StenobotNotReady", true).await.unwrap();
    assert_eq!(not_ready["labels"]["severity"], "critical");
    assert_eq!(polled(&scene).await, before, "updates came in, but were not taken");

    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(scene.text(&sent).await, "после");
    assert!(polled(&scene).await > before);
    let ready = async {
        while page(&scene.bot, "/readyz").await.0 != 200 {
            // The page caches its answer for a while, and announces no change.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    eventually("the bot is ready again", ready).await;
    prometheus.until_alert("StenobotNotReady", false).await;
    prometheus.until_alert("StenobotJournalFailing", false).await;
    scene.shut_down().await;
}
