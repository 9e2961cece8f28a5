//! The structured log: every field is documented.

use std::collections::BTreeSet;

use stenobot::simulator::harness::Simulation;

use crate::recordings::{Gate, asset, scripted};
use crate::scene::{PATIENCE, Scene, bot_with_engine, failed, rejected, stand_in};

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
    let heard = scene.somebody_sends(&scripted(3, "say слово"));
    assert_eq!(scene.text(&heard).await, "слово");
    let long = scene.somebody_sends(&scripted(300, "say долго"));
    rejected(scene.answer(&long).await);
    let poison = scene.somebody_sends(&scripted(3, "segfault"));
    failed(scene.answer(&poison).await);

    let log = std::fs::read_to_string(scene.simulation.log()).unwrap();
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
    scene.end().await;
}

#[tokio::test]
async fn a_panic_is_a_line_of_the_log_without_what_it_quotes() {
    let mut simulation = Simulation::prepare(bot_with_engine(&stand_in(), &[("log_format", "json")])).await.unwrap();
    simulation.set_variable("CRASH_AT", Some("panic before admission"));
    simulation.restart().await.unwrap();
    let mut scene = Scene::of(simulation);
    let lost = scene.somebody_sends(&scripted(3, "say потеряно"));
    failed(scene.answer(&lost).await);
    let next = scene.somebody_sends(&scripted(3, "say слово"));
    assert_eq!(scene.text(&next).await, "слово");

    let log = std::fs::read_to_string(scene.simulation.log()).unwrap();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect();
    let panics: Vec<_> = lines.iter().filter(|line| line["message"] == "a panic").collect();
    let [panic] = panics.as_slice() else { panic!("{panics:?}") };
    assert!(panic["place"].as_str().unwrap().starts_with("src/journal/crash.rs:"), "{panic}");
    assert!(panic["error"].as_str().unwrap().starts_with("its message is left out"), "{panic}");
    assert!(!log.contains("told to panic"), "what was formatted may quote anything");
    scene.end().await;
}

#[tokio::test]
async fn a_joined_request_is_logged_as_such() {
    let mut scene =
        Scene::of(Simulation::start(bot_with_engine(&stand_in(), &[("log_format", "json")])).await.unwrap());
    let gate = Gate::new().await;
    let first = scene.somebody_sends(&scripted(3, &format!("{};say занято", gate.instruction())));
    let held = gate.reached().await;
    let second = scene.somebody_sends(&scripted(3, "say одно на двоих"));
    scene.positions(std::slice::from_ref(&second), &[1]).await;
    let boris = scene.simulation.person("Борис", "ru");
    let third = boris.forwards(&second).unwrap();
    third.until("it stands in the queue", PATIENCE, |trail| trail.latest.clone()).await.unwrap();
    held.open();
    for sent in [&first, &second] {
        scene.text(sent).await;
    }
    let row = scene.row(&third).await;
    let log = std::fs::read_to_string(scene.simulation.log()).unwrap();
    let of_it: Vec<serde_json::Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|line| line["request"] == row.id && line["level"] == "INFO")
        .collect();
    assert_eq!(of_it[0]["message"], "joined to one with the same audio", "{of_it:?}");
    assert_eq!(of_it[0]["to"], scene.row(&second).await.id);
    assert!(of_it.iter().all(|line| line["message"] != "admitted"), "{of_it:?}");
    scene.end().await;
}
