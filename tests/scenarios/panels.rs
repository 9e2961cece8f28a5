//! The queries of the Grafana dashboard, against a real Prometheus that scrapes a bot with failures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use stenobot_simulator::server::{Call, Effect, FaultAction, Method, Refusal};

use crate::prometheus::Prometheus;
use crate::recordings::{Gate, asset, scripted};
use crate::scene::{Scene, failed, rejected};

/// A query of a panel.
#[derive(Debug)]
pub(crate) struct Question {
    /// Title of the panel.
    pub(crate) panel: u64,
    /// Type of the panel.
    pub(crate) title: String,
    /// Letter of the query.
    pub(crate) letter: String,
    /// Expression with Grafana's variables.
    expression: String,
    /// Whether only the present value is shown.
    pub(crate) instant: bool,
}

impl Question {
    /// All queries of the dashboard.
    pub(crate) fn all() -> Vec<Self> {
        let text = std::fs::read_to_string(asset("grafana/dashboards/stenobot.json")).unwrap();
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let panels = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
        let questions = panels.flat_map(|panel| {
            panel["targets"].as_array().unwrap().iter().map(move |target| Self {
                panel: panel["id"].as_u64().unwrap(),
                title: text(&panel["title"]),
                letter: text(&target["refId"]),
                expression: text(&target["expr"]),
                instant: target["instant"].as_bool().unwrap(),
            })
        });
        questions.collect()
    }

    /// The expression with values for Grafana's variables: durations such as `4s`, and a regular expression of machines.
    pub(crate) fn expression(&self, window: &str, range: &str, instance: &str) -> String {
        let expression = self.expression.replace("$__rate_interval", window).replace("$__range", range);
        let expression = expression.replace("$instance", instance);
        // `$1` belongs to Prometheus; Grafana does not replace unknown variables.
        let left = expression.replace("$1", "");
        assert!(!left.contains('$'), "a variable that Grafana does not know: {expression}");
        expression
    }
}

/// The numeric values of all series of a result.
fn numbers(answer: &Value) -> Vec<f64> {
    let series = answer.as_array().unwrap().iter();
    let samples = series.flat_map(|series| series["values"].as_array().unwrap());
    samples.map(|sample| sample[1].as_str().unwrap().parse().unwrap()).filter(|value: &f64| value.is_finite()).collect()
}

/// Panels that may show zero here: nothing causes them, as of one machine, no backup is made, or, as processor time, they count whole seconds.
const MAY_BE_ZERO: &[&str] = &["Journal errors", "Last backup", "Processor", "Taken over", "Webhook"];

#[tokio::test]
async fn every_dashboard_panel_has_data() {
    let settings =
        [("max_queue_size", "3"), ("max_voice_duration_seconds", "20"), ("progress_update_interval_seconds", "1")];
    let mut scene = Scene::start(&settings).await;
    let machine = scene.bot.metrics_addr().to_string();
    let prometheus = Prometheus::start(&format!(
        "global: {{ scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }}\n\
         rule_files: ['{}']\n\
         scrape_configs: [{{ job_name: stenobot, static_configs: [{{ targets: ['{machine}'] }}] }}]\n",
        asset("prometheus/alerts.yml").display()
    ))
    .await;
    prometheus.until("stenobot_build_info").await;
    let begin = prometheus.now().await;

    trouble(&mut scene).await;
    let end = prometheus.now().await;
    prometheus.until(&format!("timestamp(stenobot_build_info) > {end}")).await;
    let end = prometheus.now().await;

    let mut shown = BTreeMap::new();
    // All machines, and one of them as Grafana quotes it in a regular expression in a string.
    for instance in [".*", &machine.replace('.', r"\\.")] {
        for question in Question::all() {
            let expression = question.expression("2s", "60s", instance);
            let from = if question.instant { end } else { begin };
            let answer = prometheus.query_range(&expression, from, end, Duration::from_millis(500)).await;
            let numbers = numbers(&answer);
            assert!(!numbers.is_empty(), "{:?} shows nothing: {expression}: {answer}", question.title);
            *shown.entry(question.title).or_insert(false) |= numbers.iter().any(|value| *value != 0.0);
        }
    }
    for (title, something) in shown {
        assert!(something || MAY_BE_ZERO.contains(&title.as_str()), "{title:?} shows nothing but zeros");
    }
    scene.shut_down().await;
}

/// One of each: answered, no speech, cancelled, refused, failed, retried, rate limited.
async fn trouble(scene: &mut Scene) {
    let first_edit = AtomicU32::new(1);
    let fault = move |call: &Call| -> FaultAction {
        match call.method {
            // Long enough to be scraped.
            Method::Download => FaultAction { delay: Duration::from_millis(500), effect: Effect::Pass },
            Method::EditMessageText if first_edit.swap(0, Ordering::SeqCst) == 1 => {
                Effect::Refuse(Refusal::TooMany(Duration::from_secs(1))).into()
            }
            _ => Effect::Pass.into(),
        }
    };
    scene.api().set_fault(Some(Arc::new(fault)));

    let gate = Gate::new().await;
    let held = scene.send_voice(&scripted(10, &format!("progress 30;{};say первая", gate.instruction())));
    let at_gate = gate.wait_reached().await;
    let waiting = [10, 15, 5].map(|seconds| scene.send_voice(&scripted(seconds, "wait 300;say потом")));
    let too_many = scene.send_voice(&scripted(5, "say лишняя"));
    let too_long = scene.send_voice(&scripted(25, "say длинная"));
    for sent in [&too_many, &too_long] {
        rejected(scene.answer(sent).await);
    }
    at_gate.release();
    for sent in waiting.iter().chain([&held]) {
        scene.text(sent).await;
    }
    let silent = scene.send_voice(&scripted(5, "wait 300;say"));
    scene.answer(&silent).await;
    let gone = scene.new_user("Дарья", "ru");
    gone.block_bot();
    gone.send_voice(&scripted(5, "say никому"));
    let poison = scene.send_voice(&scripted(3, "segfault"));
    failed(scene.answer(&poison).await);
    let last = scene.send_voice(&scripted(5, "say последняя"));
    scene.text(&last).await;
}
