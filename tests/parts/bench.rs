//! `stenobot bench` with models of random numbers, on either engine. Nothing is asserted of the speed.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

/// Far longer than any test here takes.
const TEST_TIMEOUT: Duration = Duration::from_secs(300);

/// In a folder without a configuration, with `data` there as the data folder.
fn bench(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stenobot"));
    command.args(["bench", "--json"]).args(arguments).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Measures tiny and gives the document; the random model must be gone.
async fn measured(arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let all = [&["--random", "tiny", "--repetitions", "3"], arguments].concat();
    let output = tokio::time::timeout(TEST_TIMEOUT, bench(folder.path(), &all).output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(entries(&folder), [] as [PathBuf; 0], "random models are left");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn entries(folder: &TempDir) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.path().join("data"));
    entries.into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn assert_plausible(document: &Value) {
    let [model] = document["models"].as_array().unwrap().as_slice() else { panic!("{document:#}") };
    assert!(!document["machine"]["processor"].as_str().unwrap().is_empty());
    assert!(number(&document["machine"]["cores"]) >= 1.0);
    assert_eq!(
        (&model["model"], &model["random"], &model["kind"]),
        (&"tiny-q8_0".into(), &true.into(), &"tiny".into())
    );
    for side in ["quiet", "busy"] {
        let side = &model[side];
        let encode = |seconds: &str| number(&side["encode_seconds"][seconds]);
        assert!(["5", "10", "15", "30"].iter().all(|window| encode(window) > 0.0), "{side:#}");
        for figure in ["threads", "load_seconds", "prompt_seconds", "token_seconds"] {
            assert!(number(&side[figure]) > 0.0, "{figure}: {side:#}");
        }
        for voice in ["5", "15", "60", "120"] {
            assert!(number(&side["real_time_factor"][voice]) > 0.0, "{side:#}");
        }
        // The weights alone have 37 MB.
        assert!((40e6..1e9).contains(&number(&side["peak_bytes"])), "{side:#}");
        let waits = side["queue"]["waits"].as_array().unwrap();
        assert_eq!(waits.len(), 3);
        assert!(number(&side["queue"]["capacity_per_hour"]) > number(&waits[2]["messages_per_hour"]), "{side:#}");
        assert!(number(&waits[2]["wait_seconds"]) > number(&waits[0]["wait_seconds"]), "{side:#}");
    }
    let encode = |seconds: &str| number(&model["quiet"]["encode_seconds"][seconds]);
    assert!(encode("30") > encode("5"), "{model:#}");
    assert!(number(&model["settings"]["threads"]) >= 1.0 && number(&model["settings"]["workers"]) >= 1.0);
    assert!(model["fits"].is_boolean() && number(&model["need_bytes"]) > 0.0);
    assert!(!document["recommendation"]["reason"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn a_random_model_is_measured_on_whisper_cpp() {
    let document = measured(&["--engine", "whisper.cpp"]).await;
    assert_plausible(&document);
    let backend = document["models"][0]["backend"].as_str().unwrap();
    assert!(backend.starts_with("whisper.cpp "), "{backend}");
}

#[tokio::test]
async fn a_random_model_is_measured_on_onnx_runtime() {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/lib/libonnxruntime.so.1.28.0");
    assert!(library.exists(), "{} is missing: run `./dev test`", library.display());
    let document = measured(&["--engine", "onnx", "--onnx-library", library.to_str().unwrap()]).await;
    assert_plausible(&document);
    let backend = document["models"][0]["backend"].as_str().unwrap();
    assert!(backend.starts_with("ONNX Runtime 1.28.0, "), "{backend}");
}

#[tokio::test]
async fn ctrl_c_deletes_the_random_model() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = bench(folder.path(), &["--random", "base", "--engine", "whisper.cpp"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = async {
        while entries(&folder).is_empty() {
            assert!(child.try_wait().unwrap().is_none(), "it ended early");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, begun).await.unwrap();
    let pid = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let output = tokio::time::timeout(TEST_TIMEOUT, child.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.trim()), (Some(1), "stenobot: stopped before the end"));
    assert_eq!(entries(&folder), [] as [PathBuf; 0]);
}

#[tokio::test]
async fn what_cannot_be_measured_is_refused_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, wanted) in [
        (&["--random", "gigantic"][..], "there is no model named gigantic"),
        (&["--random", "tiny-q4_0"], "random models are made in q8_0 only"),
        (&["--all"], "there is no Whisper model in"),
        (&["--model", "tiny-q8_0", "--engine", "whisper.cpp"], "is not here yet"),
        (&["--voices", "."], "holds no recording with a text"),
    ] {
        let output = bench(folder.path(), arguments).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains(wanted) && said.lines().count() == 1,
            "{arguments:?}: {said}"
        );
    }
}
