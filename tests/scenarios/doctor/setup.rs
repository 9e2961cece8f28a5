//! A valid setup for tests to break, and the output of `doctor` on it.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::PathBuf;
use std::process::Output;

use stenobot_simulator::server::{BotApi, Settings};

use crate::recordings::asset;
use crate::scene::eventually;

/// A valid setup for a test to break.
pub(super) struct TestSetup {
    pub(super) folder: tempfile::TempDir,
    pub(super) api: BotApi,
    pub(super) variables: BTreeMap<&'static str, String>,
}

impl TestSetup {
    pub(super) async fn good() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::DirBuilder::new().mode(0o700).create(&data).unwrap();
        symlink(asset("data/models/ggml-base-q8_0.bin").parent().unwrap(), data.join("models")).unwrap();
        symlink(asset("data/lib/libonnxruntime.so.1.28.0").parent().unwrap(), data.join("lib")).unwrap();
        let api = BotApi::start(Settings::default()).await.unwrap();
        let variables = BTreeMap::from([
            ("TELEGRAM_BOT_TOKEN", api.token().to_owned()),
            ("STENOBOT_TELEGRAM_API_URL", api.url().to_string()),
            ("STENOBOT_DATA_DIR", data.to_str().unwrap().to_owned()),
            ("STENOBOT_METRICS_ADDR", unused_address().to_string()),
            ("STENOBOT_MODEL_BASE_URL", format!("http://{}", unused_address())),
            ("STENOBOT_LOG_LEVEL", "error".to_owned()),
        ]);
        Self { folder, api, variables }
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(super) fn set(&mut self, variable: &'static str, value: impl Into<String>) {
        self.variables.insert(variable, value.into());
    }

    /// An empty model folder.
    pub(super) fn own_models(&self) -> PathBuf {
        let models = self.data().join("models");
        std::fs::remove_file(&models).unwrap();
        std::fs::create_dir(&models).unwrap();
        models
    }

    pub(super) async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_stenobot"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().envs(&self.variables).kill_on_drop(true);
        let output = eventually("the program ends", command.output()).await.unwrap();
        for said in [&output.stdout, &output.stderr] {
            assert!(!String::from_utf8_lossy(said).contains(self.api.token()), "the token is printed");
        }
        output
    }

    pub(super) async fn doctor(&self) -> DoctorReport {
        let output = self.run(&["doctor", "--json"]).await;
        DoctorReport::of(&output)
    }

    /// Asserts that `doctor` reports this sentence and that `run` fails with it.
    pub(super) async fn assert_failure(&self, check: &str, sentence: &str) {
        let (verdict, text) = self.doctor().await.line(check);
        assert_eq!((verdict.as_str(), text.as_str()), ("failed", sentence));
        let output = self.run(&["run"]).await;
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8_lossy(&output.stderr).trim_end(), format!("stenobot: {sentence}"));
    }
}

pub(super) struct DoctorReport {
    pub(super) lines: BTreeMap<String, (String, String)>,
}

impl DoctorReport {
    /// Parses `--json`, whose counts and exit status must agree with the lines.
    pub(super) fn of(output: &Output) -> Self {
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let word = |line: &serde_json::Value, key: &str| line[key].as_str().unwrap().to_owned();
        assert!(json["version"].as_str().is_some_and(|version| version.starts_with("0.")), "{json}");
        for line in json["checks"].as_array().unwrap() {
            let (text, finding) = (word(line, "text"), word(line, "finding"));
            let hint = line["hint"].as_str().unwrap_or_default();
            assert!(text.starts_with(&finding) && text.ends_with(hint), "{line}");
            assert!(word(line, "id").bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
        }
        let lines: BTreeMap<_, _> = json["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| (word(line, "check"), (word(line, "verdict"), word(line, "text"))))
            .collect();
        let count = |verdict: &str| lines.values().filter(|(found, _)| found == verdict).count();
        for (key, verdict) in [("ok", "ok"), ("skipped", "skipped"), ("warnings", "warning"), ("failed", "failed")] {
            assert_eq!(json[key].as_u64().unwrap(), count(verdict) as u64, "{json}");
        }
        assert_eq!(output.status.code(), Some(i32::from(count("failed") > 0)), "{json}");
        Self { lines }
    }

    pub(super) fn line(&self, check: &str) -> (String, String) {
        self.lines.get(check).unwrap_or_else(|| panic!("no line {check}")).clone()
    }

    /// Failed checks.
    pub(super) fn failed(&self) -> Vec<&str> {
        self.lines.iter().filter(|(_, (verdict, _))| verdict == "failed").map(|(check, _)| check.as_str()).collect()
    }
}

pub(super) fn unused_address() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap()
}
