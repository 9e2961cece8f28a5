//! Checks of Grafana's dashboard without Prometheus. The scenarios run its queries on a real one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use stenobot::metrics::{self, Kind, METRICS};
use stenobot_domain::{FailReason, RejectReason};

/// Grafana divides the page into so many columns.
const COLUMNS: u64 = 24;

/// Exported, but not shown, for these reasons.
const LEFT_OUT: &[(&str, &str)] =
    &[(metrics::TRANSITIONS, "every edge of the life cycle; what people feel of it is shown by stage and by outcome")];

/// Every machine with one store reports equal values of these, and every bot those of the webhook.
const OF_THE_STORE: &[&str] = &[
    metrics::REQUESTS,
    metrics::QUEUE_LIMIT,
    metrics::QUEUE_OLDEST,
    metrics::QUEUE_AUDIO,
    metrics::JOURNAL_WAL,
    metrics::MACHINES,
    metrics::MACHINES_SILENT,
    metrics::WEBHOOK_PENDING,
];

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn dashboard() -> Value {
    serde_json::from_str(&file("grafana/dashboards/stenobot.json")).unwrap()
}

/// All but the rows.
fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
}

fn targets(panel: &Value) -> &[Value] {
    panel["targets"].as_array().unwrap()
}

/// Every expression, also that of the variable.
fn expressions(dashboard: &Value) -> Vec<&str> {
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    let of_variables = variables.filter_map(|variable| variable["query"]["query"].as_str());
    let of_panels = panels(dashboard).flat_map(targets).map(|target| target["expr"].as_str().unwrap());
    of_panels.chain(of_variables).collect()
}

/// Names of our metrics in an expression. The names of recording rules hold a colon.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .filter(|word| word.starts_with("stenobot_") && !word.contains(':'))
}

/// The series that Prometheus keeps of our metrics, with the metric of each.
fn exported() -> BTreeMap<String, &'static str> {
    let series = |metric: &metrics::Metric| -> Vec<String> {
        match metric.kind {
            Kind::Counter | Kind::Gauge => vec![metric.name.to_owned()],
            Kind::Histogram(_) => ["bucket", "sum", "count"].map(|part| format!("{}_{part}", metric.name)).into(),
        }
    };
    METRICS.iter().flat_map(|metric| series(metric).into_iter().map(|series| (series, metric.name))).collect()
}

#[test]
fn the_dashboard_can_be_provisioned() {
    let dashboard = dashboard();
    assert_eq!(dashboard["uid"], "stenobot");
    assert_eq!(dashboard["id"], Value::Null, "the id belongs to one Grafana");
    let variables: Vec<&str> =
        dashboard["templating"]["list"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(variables, ["datasource", "instance", "docs"]);
    let rows: Vec<&str> = dashboard["panels"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|panel| panel["type"] == "row")
        .map(|row| row["title"].as_str().unwrap())
        .collect();
    assert_eq!(rows, ["Overview", "Flow", "Inference", "Telegram", "Machines", "Host"]);
}

#[test]
fn links_lead_to_pages_that_exist_below_the_address_of_the_runbook() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let docs = variables.iter().find(|it| it["name"] == "docs").unwrap()["query"].as_str().unwrap();
    assert!(file("prometheus.yml").contains(&format!("runbook_url: {docs}/runbook.md\n")));
    let links = dashboard["links"].as_array().unwrap();
    let pages: Vec<&str> =
        links.iter().map(|link| link["url"].as_str().unwrap().strip_prefix("${docs}/").unwrap()).collect();
    assert_eq!(pages, ["runbook.md", "logging.md", "metrics.md"]);
    for page in pages {
        assert!(!file(&format!("docs/{page}")).is_empty());
    }
}

#[test]
fn starts_of_the_bot_are_marked() {
    let dashboard = dashboard();
    let [starts] = dashboard["annotations"]["list"].as_array().unwrap().as_slice() else { panic!("one kind of mark") };
    assert!(
        starts["expr"]
            .as_str()
            .unwrap()
            .contains("process_start_time_seconds{job=~\".*stenobot.*\",instance=~\"$instance\"}")
    );
    assert_eq!(starts["useValueForTime"], "on", "a start is marked when it was, not when it was first scraped");
}

#[test]
fn descriptions_explain_every_reason_and_kind() {
    let dashboard = dashboard();
    let description = |title: &str| -> String {
        panels(&dashboard).find(|panel| panel["title"] == title).unwrap()["description"].as_str().unwrap().to_owned()
    };
    let explained = |title: &str, label: &str| {
        let found =
            description(title).split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).any(|word| word == label);
        assert!(found, "{title:?} does not explain {label}");
    };
    RejectReason::ALL.iter().for_each(|reason| explained("Refused", reason.as_str()));
    FailReason::ALL.iter().for_each(|reason| explained("Failures and retries", reason.as_str()));
    let help = METRICS.iter().find(|metric| metric.name == metrics::JOURNAL_ERRORS).unwrap().help;
    let (_, kinds) = help.trim_end_matches('.').split_once(": ").unwrap();
    kinds.split(", ").flat_map(|kind| kind.split(" or ")).for_each(|kind| explained("Journal errors", kind));
}

/// The alert fires below 1 GiB and below a fifth of the disk: the smaller of both is the line of the panel.
#[test]
fn the_line_of_the_disk_is_where_its_alert_fires() {
    let alerts = file("prometheus/alerts.yml");
    assert!(alerts.contains(
        "stenobot_data_free_bytes < 1024 * 1024 * 1024\n          and instance:stenobot_data_free:ratio < 0.2\n"
    ));
    let dashboard = dashboard();
    let disk = panels(&dashboard).find(|panel| panel["title"] == "Disk left").unwrap();
    let line = targets(disk).iter().find(|target| target["legendFormat"] == "alert below").unwrap();
    let wanted = "min(clamp_max(stenobot_data_size_bytes{instance=~\"$instance\"} / 5, 1024 * 1024 * 1024))";
    assert_eq!(line["expr"], wanted);
}

#[test]
fn grafana_and_prometheus_have_one_scrape_interval() {
    let interval = |path: &str, key: &str| -> String {
        let text = file(path);
        let values = text.lines().filter_map(|line| line.trim().strip_prefix(key));
        values.map(str::trim).next().unwrap_or_else(|| panic!("{path} has no {key}")).to_owned()
    };
    // `$__rate_interval` follows from it.
    let configured = interval("grafana/provisioning/datasources/prometheus.yml", "timeInterval:");
    assert_eq!(configured, interval("prometheus.yml", "scrape_interval:"));
}

#[test]
fn panels_do_not_overlap() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeMap::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title:?} has an id that another panel has");
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap_or_else(|| panic!("{title:?} has no {key}"));
        let (x, y, w, h) = (place("x"), place("y"), place("w"), place("h"));
        assert!(w > 0 && h > 0 && x + w <= COLUMNS, "{title:?} does not fit the page");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            if let Some(other) = taken.insert(cell, title) {
                panic!("{title:?} lies over {other:?}");
            }
        }
    }
}

#[test]
fn panels_have_description_unit_and_queries() {
    let dashboard = dashboard();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().filter(|title| !title.is_empty()).unwrap();
        let has = |text: &Value| text.as_str().is_some_and(|text| !text.is_empty());
        assert!(has(&panel["description"]), "{title:?} has no description");
        assert!(has(&panel["fieldConfig"]["defaults"]["unit"]), "{title:?} has no unit");
        assert!(!targets(panel).is_empty(), "{title:?} asks nothing");
        let mut letters = BTreeSet::new();
        for target in targets(panel) {
            assert!(has(&target["expr"]), "{title:?} has an empty question");
            assert!(letters.insert(target["refId"].as_str().unwrap()), "{title:?} has a question's letter twice");
        }
        for source in targets(panel).iter().chain([panel]).map(|of| &of["datasource"]["uid"]) {
            assert_eq!(source, "${datasource}", "{title:?} is bound to one data source");
        }
    }
}

#[test]
fn queries_use_exported_metrics_only() {
    let (dashboard, exported) = (dashboard(), exported());
    for expression in expressions(&dashboard) {
        for name in names(expression) {
            assert!(exported.contains_key(name), "{name} does not exist: {expression}");
        }
    }
}

#[test]
fn every_metric_is_shown() {
    let (dashboard, exported) = (dashboard(), exported());
    let asked = expressions(&dashboard).into_iter().flat_map(names);
    let shown: BTreeSet<&str> = asked.filter_map(|name| exported.get(name).copied()).collect();
    for metric in METRICS {
        let left_out = LEFT_OUT.iter().any(|(name, _)| *name == metric.name);
        assert_ne!(shown.contains(metric.name), left_out, "{} is not shown, or said to be left out", metric.name);
    }
}

#[test]
fn the_store_is_counted_once_however_many_machines_share_it() {
    let dashboard = dashboard();
    for expression in expressions(&dashboard) {
        for name in OF_THE_STORE {
            for (at, _) in expression.match_indices(&format!("{name}{{")) {
                let before = &expression[..at];
                let largest = ["max(", "max by (state) (", "max by (role) ("].iter().any(|of| before.ends_with(of));
                assert!(largest, "{name} is not taken as the largest: {expression}");
            }
        }
    }
}

#[test]
fn every_query_selects_the_chosen_instance() {
    let dashboard = dashboard();
    for expression in panels(&dashboard).flat_map(targets).map(|target| target["expr"].as_str().unwrap()) {
        for (at, _) in expression.match_indices("stenobot_") {
            let (series, _) = expression[at..].split_once('}').unwrap_or_default();
            let of_one = series.contains('{') && series.ends_with("instance=~\"$instance\"");
            assert!(of_one, "a metric of all machines: {expression}");
        }
    }
}
