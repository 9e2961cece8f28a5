//! Whole simulations with a stand-in for the bot: starting, crashing, stopping, counting.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use stenobot_domain::Role;
use stenobot_simulator::answers::RequestOutcome;
use stenobot_simulator::harness::{Setup, Simulation, SimulationError};
use stenobot_simulator::report::{BotExit, SimulationReport};
use stenobot_simulator::server::{FloodLimits, Rate, Settings};
use stenobot_simulator::simulate::{Arrival, Plan, simulate};
use stenobot_simulator::terminal::Lines;
use stenobot_simulator::voices::{Voice, Voices};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// `cargo test` builds the examples beside the tests.
fn stand_in_program() -> PathBuf {
    let deps = std::env::current_exe().expect("this test");
    let program: PathBuf = deps.ancestors().nth(2).expect("target/debug").join("examples/bot_stand_in");
    assert!(program.is_file(), "{} is missing: run `./dev test`, which builds it", program.display());
    program
}

fn stand_in(behaviour: &str) -> Setup {
    // The stand-in sends as fast as it can.
    let rate = Rate { burst: 1000, every: Duration::from_millis(1) };
    let server = Settings { flood: FloodLimits { private: rate, group: rate, overall: rate }, ..Settings::default() };
    Setup { server, ..Setup::of(stand_in_program()) }.with("stand_in", behaviour)
}

fn voice(name: &str) -> Voice {
    let voices = Voices::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("samples")).expect("the samples");
    voices.named(name).expect("a sample of that name").clone()
}

async fn run_plan(setup: Setup, limit: Duration) -> (SimulationReport, String) {
    run_plan_with(setup, limit, false).await
}

async fn run_plan_with(setup: Setup, limit: Duration, is_limit_chosen: bool) -> (SimulationReport, String) {
    let plan = Plan {
        users: 3,
        per_user: 2,
        voices: vec![voice("en-short-01")],
        arrival: Arrival::AtOnce,
        limit,
        is_limit_chosen,
        stop_limit: ANSWER_TIMEOUT,
        machines: vec![Role::All],
        kill_interval: None,
        stand_in: None,
    };
    let mut shown = Vec::new();
    let report = simulate(setup, &plan, &mut Lines::new(&mut shown)).await.expect("a report");
    (report, String::from_utf8(shown).expect("UTF-8"))
}

#[tokio::test]
async fn a_correct_bot_is_exactly_once() {
    let text = voice("en-short-01").text;
    let (report, shown) = run_plan(stand_in("answer").with("stand_in_text", &text), ANSWER_TIMEOUT).await;
    assert!(report.is_exactly_once());
    assert_eq!((report.sent, report.answered, report.lost, report.duplicated), (6, 6, 0, 0));
    assert_eq!(report.words.error_rate, Some(0.0));
    assert_eq!(report.bot_exit, BotExit::Status(0));
    assert_eq!(report.calls.impatient, 0);
    let machine = report.machine.unwrap();
    assert!(machine.usage.bot_peak_bytes > 1 << 20 && machine.usage.together_peak_bytes > 1 << 20);
    assert_eq!(report.kept, None);
    assert_eq!(shown.matches(&format!("  {text}")).count(), 6, "{shown}");
}

#[tokio::test]
async fn a_bot_that_answers_twice_is_detected() {
    let (report, _) = run_plan(stand_in("twice"), ANSWER_TIMEOUT).await;
    assert_eq!((report.lost, report.duplicated), (0, 6));
    assert!(!report.is_exactly_once());
    std::fs::remove_dir_all(report.kept.unwrap()).unwrap();
}

#[tokio::test]
async fn a_silent_bot_loses_everything() {
    let (report, _) = run_plan(stand_in("silent"), Duration::from_millis(500)).await;
    assert_eq!((report.sent, report.answered, report.lost), (6, 0, 6));
    assert_eq!(report.end_to_end_seconds, None);
    std::fs::remove_dir_all(report.kept.unwrap()).unwrap();
}

#[tokio::test]
async fn what_has_no_answer_at_a_chosen_limit_is_not_finished() {
    let (report, _) = run_plan_with(stand_in("silent"), Duration::from_millis(500), true).await;
    assert_eq!((report.sent, report.lost, report.not_finished), (6, 0, 6));
    assert!(!report.is_exactly_once());
    let shown = report.to_string();
    assert!(shown.contains("not finished          6: the simulation ended before"), "{shown}");
    std::fs::remove_dir_all(report.kept.unwrap()).unwrap();
}

#[tokio::test]
async fn a_bot_that_ends_early_is_reported() {
    let (report, _) = run_plan(stand_in("crash"), ANSWER_TIMEOUT).await;
    assert_eq!((report.lost, report.bot_exit), (6, BotExit::Early));
    std::fs::remove_dir_all(report.kept.unwrap()).unwrap();
}

#[tokio::test]
async fn a_bot_that_does_not_start_is_reported_with_its_log() {
    let Err(SimulationError::Ended { status, log }) = Simulation::start(stand_in("unresponsive")).await else {
        panic!("it started")
    };
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("a sentence in the log"), "{log}");
}

#[tokio::test]
async fn a_killed_bot_gets_the_message_again() {
    let mut simulation = Simulation::start(stand_in("stuck")).await.unwrap();
    let anna = simulation.new_user("Анна", "ru");
    let sent = anna.send_voice(&voice("ru-short-01"));
    let offered = simulation.api().wait_for(|state| state.first_delivery(sent.chat(), sent.id()));
    tokio::time::timeout(ANSWER_TIMEOUT, offered).await.unwrap();
    simulation.kill().await.unwrap();
    assert!(matches!(simulation.kill().await, Err(SimulationError::NotRunning)));

    simulation.set("stand_in", "answer");
    simulation.restart().await.unwrap();
    let answer = sent.final_answer(ANSWER_TIMEOUT).await.unwrap();
    assert_eq!(answer.outcome, RequestOutcome::Answered("Hello.".into()));
    let folder = simulation.data().parent().unwrap().to_owned();
    assert_eq!(simulation.terminate(ANSWER_TIMEOUT).await.unwrap().code(), Some(0));
    assert!(folder.is_dir());
    drop(simulation);
    assert!(!folder.exists(), "the folder goes with the simulation");
}

/// The command with two users, from the repository's folder with the real store of models.
async fn command(arguments: &[&OsStr]) -> std::process::Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let model = root.join("data/models/ggml-base-q8_0.bin");
    assert!(model.is_file(), "{} is missing: run `./dev test`, which makes it", model.display());
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_stenobot"))
        .args(["--data-dir", "data", "--model", "base-q8_0", "simulate", "--users", "2", "--duration", "4", "--json"])
        .args(arguments)
        .current_dir(root)
        .output();
    tokio::time::timeout(Duration::from_secs(120), output).await.expect("an end").expect("a start")
}

async fn command_with(bot: &Path) -> std::process::Output {
    command(&[OsStr::new("--bot"), bot.as_os_str()]).await
}

#[tokio::test]
async fn json_is_the_only_standard_output_of_the_command() {
    let output = command_with(&stand_in_program()).await;
    let shown = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["sent"], &report["answered"], &report["lost"]), (&2.into(), &2.into(), &0.into()));
    assert_eq!(shown.matches("Hello.").count(), 2, "{shown}");
}

#[tokio::test]
async fn the_command_fails_when_something_was_answered_twice() {
    let folder = tempfile::tempdir().unwrap();
    let bot = folder.path().join("bot_stand_in_twice");
    std::os::unix::fs::symlink(stand_in_program(), &bot).unwrap();
    let output = command_with(&bot).await;
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["lost"], &report["duplicated"]), (&0.into(), &2.into()));
    std::fs::remove_dir_all(report["kept"].as_str().unwrap()).unwrap();
}

#[tokio::test]
async fn a_bot_that_is_killed_at_intervals_answers_each_recording_once_with_its_own_text() {
    let arguments = ["--messages", "3", "--real-time-factor", "0.2", "--kill-every", "3"];
    let output = command(&arguments.map(OsStr::new)).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["answered"], &report["lost"], &report["duplicated"]), (&6.into(), &0.into(), &0.into()));
    assert_eq!(report["words"]["errors"], 0, "a text went to another recording");
    assert_eq!(report["stand_in"], 0.2);
    assert!(report["machines"][0]["kills"].as_u64().unwrap() >= 1, "{report}");
}

#[tokio::test]
async fn bots_and_workers_on_one_database_answer_each_recording_once_while_they_are_killed() {
    let arguments =
        ["--messages", "4", "--real-time-factor", "0.3", "--bots", "2", "--workers", "2", "--kill-every", "2"];
    let output = command(&arguments.map(OsStr::new)).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["answered"], &report["lost"], &report["duplicated"]), (&8.into(), &0.into(), &0.into()));
    assert_eq!(report["words"]["errors"], 0, "a text went to another recording");
    let machines = report["machines"].as_array().unwrap();
    let names: Vec<_> = machines.iter().map(|machine| machine["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["bot-1", "bot-2", "worker-1", "worker-2"]);
    let answered = |role: &str| -> u64 {
        machines
            .iter()
            .filter(|machine| machine["role"] == role)
            .map(|machine| machine["answered"].as_u64().unwrap())
            .sum()
    };
    assert_eq!(answered("bot"), 0);
    assert!(machines.iter().any(|machine| machine["kills"].as_u64().unwrap() > 0), "{report}");
}
