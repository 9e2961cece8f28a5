//! The structured log: every field is documented.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use stenobot_domain::RequestId;
use stenobot_simulator::answers::{RequestOutcome, request_number};
use stenobot_simulator::harness::Simulation;
use stenobot_simulator::link::Link;
use stenobot_simulator::postgres::PrivatePostgres;
use stenobot_simulator::server::Attachment;
use stenobot_simulator::users::SentMessage;
use stenobot_telegram::Action;

use crate::recordings::{Gate, asset, scripted};
use crate::scene::{SCENARIO_TIMEOUT, Scene, bot_with_engine, eventually, failed, rejected, stand_in};

const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two looks at a log: it sends no event.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The names in the first column of the tables in `docs/logging.md`.
fn documented() -> BTreeSet<String> {
    let page = std::fs::read_to_string(asset("docs/logging.md")).unwrap();
    let cells = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
    cells.flat_map(|cell| cell.split(", ").map(|name| name.trim().trim_matches('`').to_owned())).collect()
}

#[tokio::test]
async fn every_field_of_the_json_log_is_documented() {
    let setup = bot_with_engine(&stand_in(), &[("log_format", "json")]);
    let mut scene = Scene::of(Simulation::start(setup).await.unwrap());
    let transcribed = scene.send_voice(&scripted(3, "say слово"));
    assert_eq!(scene.text(&transcribed).await, "слово");
    let long = scene.send_voice(&scripted(300, "say долго"));
    rejected(scene.answer(&long).await);
    let poison = scene.send_voice(&scripted(3, "segfault"));
    failed(scene.answer(&poison).await);

    let log = std::fs::read_to_string(scene.bot.log()).unwrap();
    let known = documented();
    let of_every_line = ["timestamp", "level", "target", "message", "span", "spans"];
    let mut seen = BTreeSet::new();
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        if !line["target"].as_str().unwrap().starts_with("stenobot") {
            continue;
        }
        let fields = line.as_object().unwrap().keys();
        seen.extend(fields.filter(|field| !of_every_line.contains(&field.as_str())).cloned());
    }
    let missing: Vec<_> = seen.difference(&known).collect();
    assert!(missing.is_empty(), "docs/logging.md lacks {missing:?}");
    for expected in ["request", "stage", "reason", "cause", "attempt", "took_seconds", "exit", "slot"] {
        assert!(seen.contains(expected), "the log should have said {expected}: {seen:?}");
    }
    scene.shut_down().await;
}

#[tokio::test]
async fn the_log_says_from_when_and_how_long_a_machine_leads() {
    let Some(server) = PrivatePostgres::shared_or_skip("the log of the lead").await.unwrap() else { return };
    let url = server.new_database().await.unwrap();
    let (_, database) = url.rsplit_once('/').unwrap();
    let link = Link::to(server.address()).await.unwrap();
    let url = server.url_through(&link, database);
    let setup = bot_with_engine(&stand_in(), &[("log_format", "json"), ("database_url", &url)]);
    let mut bot = Simulation::start(setup).await.unwrap();

    wait_for_lead_log(&bot, &["this machine leads"]).await;
    link.cut();
    wait_for_lead_log(&bot, &["this machine leads", "this machine no longer leads"]).await;
    link.heal();
    let again = ["this machine leads", "this machine no longer leads", "this machine leads"];
    wait_for_lead_log(&bot, &again).await;
    assert!(bot.terminate(SHUTDOWN_TIMEOUT).await.unwrap().success());
    let lines = wait_for_lead_log(&bot, &[&again[..], &["this machine gives up the lead"]].concat()).await;
    let led: Vec<_> =
        lines.iter().map(|line| line["led_seconds"].as_f64().is_some_and(|seconds| seconds > 0.0)).collect();
    assert_eq!(led, [false, true, false, true]);
    assert!(documented().contains("led_seconds"));
}

/// Waits until the lines about the lead begin with these words.
async fn wait_for_lead_log(bot: &Simulation, expected: &[&str]) -> Vec<serde_json::Value> {
    let logged = async {
        loop {
            let log = std::fs::read_to_string(bot.log()).unwrap();
            // The last line may not be written to its end.
            let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            let words = |line: &serde_json::Value| line["message"].as_str().unwrap_or_default().to_owned();
            let lines: Vec<_> = lines.filter(|line| words(line).starts_with("this machine ")).collect();
            if lines.len() == expected.len() {
                let all = lines.iter().zip(expected);
                assert!(all.into_iter().all(|(line, start)| words(line).starts_with(start)), "{lines:?}");
                return lines;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    };
    eventually("the log tells of the lead", logged).await
}

#[tokio::test]
async fn a_panic_is_logged_without_its_message() {
    let mut simulation = Simulation::prepare(bot_with_engine(&stand_in(), &[("log_format", "json")])).await.unwrap();
    simulation.set_variable("CRASH_AT", Some("panic before admission"));
    simulation.restart().await.unwrap();
    let mut scene = Scene::of(simulation);
    let lost = scene.send_voice(&scripted(3, "say потеряно"));
    failed(scene.answer(&lost).await);
    let next = scene.send_voice(&scripted(3, "say слово"));
    assert_eq!(scene.text(&next).await, "слово");

    let log = std::fs::read_to_string(scene.bot.log()).unwrap();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect();
    let panics: Vec<_> = lines.iter().filter(|line| line["message"] == "a panic").collect();
    let [panic] = panics.as_slice() else { panic!("{panics:?}") };
    assert!(panic["place"].as_str().unwrap().starts_with("crates/store/src/crash.rs:"), "{panic}");
    assert!(panic["error"].as_str().unwrap().starts_with("its message is left out"), "{panic}");
    assert!(!log.contains("told to panic"), "what was formatted may quote anything");
    scene.shut_down().await;
}

#[tokio::test]
async fn a_coalesced_request_is_logged_as_such() {
    let mut scene =
        Scene::of(Simulation::start(bot_with_engine(&stand_in(), &[("log_format", "json")])).await.unwrap());
    let gate = Gate::new().await;
    let first = scene.send_voice(&scripted(3, &format!("{};say занято", gate.instruction())));
    let held = gate.wait_reached().await;
    let second = scene.send_voice(&scripted(3, "say одно на двоих"));
    scene.wait_for_positions(std::slice::from_ref(&second), &[1]).await;
    let boris = scene.new_user("Борис", "ru");
    let third = boris.forward(&second).unwrap();
    third.wait_for("it stands in the queue", SCENARIO_TIMEOUT, |trail| trail.latest.clone()).await.unwrap();
    held.release();
    for sent in [&first, &second] {
        scene.text(sent).await;
    }
    let row = scene.row(&third).await;
    let log = std::fs::read_to_string(scene.bot.log()).unwrap();
    let of_it: Vec<serde_json::Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|line| line["request"] == row.id && line["level"] == "INFO")
        .collect();
    assert_eq!(of_it[0]["message"], "joined to one with the same audio", "{of_it:?}");
    assert_eq!(of_it[0]["to"], scene.row(&second).await.id);
    assert!(of_it.iter().all(|line| line["message"] != "admitted"), "{of_it:?}");
    scene.shut_down().await;
}

/// The pattern by which `docs/logging.md` finds the request 1234.
const PATTERN: &str = r"request(=|\{id=)1234\b";

/// The request number at the end of the bot's last text about a recording, which must be the id of its row.
async fn told_number(scene: &Scene, sent: &SentMessage) -> i64 {
    let shown = sent.texts().pop().unwrap();
    let row = scene.row(sent).await;
    assert_eq!(request_number(&shown), Some(row.id), "{shown}");
    row.id
}

/// The lines found by the documented command.
fn found(scene: &Scene, number: i64) -> String {
    let pattern = PATTERN.replace("1234", &number.to_string());
    let found = Command::new("grep").arg("-E").arg(pattern).arg(scene.bot.log()).output().unwrap();
    String::from_utf8(found.stdout).unwrap()
}

#[tokio::test]
async fn the_number_under_a_refusal_or_an_apology_finds_the_request_in_the_log() {
    let page = std::fs::read_to_string(asset("docs/logging.md")).unwrap();
    assert!(page.contains(PATTERN) && page.contains(".request == 1234"), "docs/logging.md says how to look for it");

    let mut scene = Scene::start(&[("max_queue_size", "1"), ("user_requests_per_minute", "600")]).await;
    let gate = Gate::new().await;
    let anna = scene.new_user("Анна", "ru");
    let held_one = anna.send_voice(&scripted(3, &format!("{};say первая", gate.instruction())));
    let held = gate.wait_reached().await;
    let waiting = anna.send_voice(&scripted(3, "say вторая"));
    scene.wait_for_positions(std::slice::from_ref(&waiting), &[1]).await;

    // Refused at admission, one of them in another language.
    let full = scene.new_user("Boris", "en").send_voice(&scripted(3, "say лишняя"));
    let sentence = "The queue is full. Please try again in a few minutes.";
    assert_eq!(rejected(scene.answer(&full).await), sentence);
    let number = told_number(&scene, &full).await;
    assert_eq!(full.texts().pop().unwrap(), format!("⚠️ {sentence}\nRequest {number}"));
    let lines = found(&scene, number);
    assert!(lines.contains("refused") && lines.contains("queue_full"), "{lines}");
    let long = anna.send_voice(&scripted(300, "say долго"));
    rejected(scene.answer(&long).await);
    let number = told_number(&scene, &long).await;
    let shown = long.texts().pop().unwrap();
    let front = "⚠️ Максимальная длительность: 120с (2 мин)\nВаш файл: 300с (5 мин)";
    assert_eq!(shown, format!("{front}\nЗапрос № {number}"), "the sentence itself stays as it is");
    let lines = found(&scene, number);
    assert!(lines.lines().all(|line| line.contains(&number.to_string())) && lines.contains("too_long"), "{lines}");

    // Transcripts and answers to a cancel have no number.
    let waits = RequestId(scene.row(&waiting).await.id);
    let message = waiting.status().unwrap();
    eventually("the press is answered", anna.send_callback(message, &Action::Cancel(waits).encode()).wait_for_answer())
        .await;
    assert_eq!(scene.answer(&waiting).await, RequestOutcome::Cancelled);
    assert_eq!(waiting.texts().pop().unwrap(), "🚫 Отменено.");
    held.release();
    assert_eq!(scene.text(&held_one).await, "первая");
    assert_eq!(held_one.texts().pop().unwrap(), "✅ Готово!\n\nпервая");

    // Failed after admission.
    let noise = anna.send_file(Attachment::voice(std::time::Duration::from_secs(3)), vec![7; 4000]);
    failed(scene.answer(&noise).await);
    let lines = found(&scene, told_number(&scene, &noise).await);
    assert!(lines.contains("admitted") && lines.contains("stage="), "{lines}");
    let poison = scene.send_voice(&scripted(3, "segfault"));
    failed(scene.answer(&poison).await);
    let lines = found(&scene, told_number(&scene, &poison).await);
    assert!(lines.contains("admitted") && lines.contains("given up"), "{lines}");
    scene.shut_down().await;
}
