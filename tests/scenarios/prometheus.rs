//! A real Prometheus on loopback, with a folder of its own.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::scene::eventually;

/// Polling interval for states that Prometheus does not announce.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Attempts to start it: another process may take the free port.
const START_ATTEMPTS: u32 = 5;

/// Maximum wait for an alert with shortened durations.
const ALERT_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs until dropped.
pub(crate) struct Prometheus {
    url: String,
    client: reqwest::Client,
    _child: Child,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts it with this configuration and waits until it is ready.
    pub(crate) async fn start(config: &str) -> Self {
        for _ in 0..START_ATTEMPTS {
            if let Some(running) = eventually("Prometheus is ready", Self::attempt(config)).await {
                return running;
            }
        }
        panic!("Prometheus does not start: is it installed? run `./dev test`");
    }

    /// `None` when the process ended.
    async fn attempt(config: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let address = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("Prometheus is not installed: run `./dev test`");
        let (url, client) = (format!("http://{address}"), reqwest::Client::new());
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
                eprintln!("Prometheus ended with {status}:\n{log}");
                return None;
            }
            if client.get(format!("{url}/-/ready")).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Some(Self { url, client, _child: child, _folder: folder });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// The result of an instant query.
    pub(crate) async fn query(&self, expression: &str) -> Value {
        self.ask("query", &[("query", expression)]).await
    }

    /// The result of a range query, both ends in seconds since the Unix epoch.
    pub(crate) async fn query_range(&self, expression: &str, from: f64, to: f64, step: Duration) -> Value {
        let [from, to, step] = [from, to, step.as_secs_f64()].map(|seconds| seconds.to_string());
        self.ask("query_range", &[("query", expression), ("start", &from), ("end", &to), ("step", &step)]).await
    }

    async fn ask(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let request = self.client.post(format!("{}/api/v1/{path}", self.url)).form(form);
        let answer = eventually("Prometheus answers", request.send()).await.unwrap().text().await.unwrap();
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["status"], "success", "{form:?}: {answer}");
        answer["data"]["result"].take()
    }

    /// Prometheus's clock, in seconds since the Unix epoch.
    pub(crate) async fn now(&self) -> f64 {
        let answer = self.query("time()").await;
        answer[1].as_str().unwrap().parse().unwrap()
    }

    /// Waits until an expression has a result.
    pub(crate) async fn until(&self, expression: &str) {
        let seen = async {
            while self.query(expression).await.as_array().unwrap().is_empty() {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        eventually(expression, seen).await;
    }

    /// The pending and firing alerts.
    pub(crate) async fn alerts(&self) -> Value {
        let request = self.client.get(format!("{}/api/v1/alerts", self.url));
        let answer = eventually("Prometheus answers", request.send()).await.unwrap().text().await.unwrap();
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["status"], "success", "{answer}");
        answer["data"]["alerts"].take()
    }

    /// Waits until this alert fires, or no longer fires. Gives the alert while it fires.
    pub(crate) async fn until_alert(&self, name: &str, fires: bool) -> Option<Value> {
        let mut last = Value::Null;
        let seen = async {
            loop {
                last = self.alerts().await;
                let is_it = |alert: &&Value| alert["labels"]["alertname"] == name && alert["state"] == "firing";
                let found = last.as_array().unwrap().iter().find(is_it).cloned();
                if found.is_some() == fires {
                    return found;
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        match tokio::time::timeout(ALERT_TIMEOUT, seen).await {
            Ok(found) => found,
            Err(_) => panic!("{name} should{} fire; the alerts are {last:#}", if fires { "" } else { " not" }),
        }
    }
}
