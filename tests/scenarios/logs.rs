//! The structured log: every field is documented.

use std::collections::BTreeSet;

use stenobot::simulator::harness::Simulation;

use crate::recordings::{asset, scripted};
use crate::scene::{Scene, bot_with_engine, failed, rejected, stand_in};

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
