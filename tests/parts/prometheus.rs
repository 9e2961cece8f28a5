//! The files for Prometheus, judged by its own `promtool`: the configuration, the rules, and a firing and a quiet test
//! of every alert.

use std::path::{Path, PathBuf};
use std::process::Command;

use stenobot::metrics::{Kind, METRICS};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The files of rule tests, in order.
fn tests() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(root().join("prometheus/tests")).unwrap();
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn promtool(arguments: &[&str], files: &[PathBuf]) {
    let run = Command::new("promtool").args(arguments).args(files).current_dir(root()).output();
    let run = run.expect("promtool is not installed: run `./dev test`");
    let said = [run.stdout, run.stderr].map(|said| String::from_utf8(said).unwrap());
    assert!(run.status.success(), "{}", said.join("\n"));
}

/// The alert that always fires.
const WATCHDOG: &str = "Watchdog";

/// One alert of `alerts.yml`.
struct Alert {
    name: String,
    rule: String,
}

fn alerts() -> Vec<Alert> {
    let rules = text("prometheus/alerts.yml");
    let rules = rules.split("- alert: ").skip(1).map(|rule| {
        let (name, rule) = rule.split_once('\n').unwrap();
        Alert { name: name.trim().to_owned(), rule: rule.to_owned() }
    });
    rules.collect()
}

#[test]
fn promtool_accepts_the_configuration_and_the_rules() {
    promtool(&["check", "config", "prometheus.yml", "prometheus.cluster.yml"], &[]);
    promtool(&["check", "rules", "prometheus/recording.yml", "prometheus/alerts.yml"], &[]);
}

#[test]
fn promtool_passes_the_rule_tests() {
    promtool(&["test", "rules"], &tests());
}

#[test]
fn every_alert_has_a_firing_and_a_quiet_test() {
    let all: String = tests().iter().map(text).collect();
    let cases: Vec<&str> = all.split("  - name: ").skip(1).collect();
    for Alert { name, .. } in alerts() {
        let asks = format!("expr: count by (alertname) (ALERTS{{alertname=\"{name}\", alertstate=\"firing\"}})");
        let fires = format!("exp_samples: [{{ labels: '{{alertname=\"{name}\"}}', value: 1 }}]");
        for (title, result) in [("fires", fires.as_str()), ("is quiet", "exp_samples: []")] {
            if name == WATCHDOG && title == "is quiet" {
                continue;
            }
            let titled = format!("{name} {title} ");
            let mut found = cases.iter().filter(|case| case.starts_with(&titled)).peekable();
            assert!(found.peek().is_some(), "no test says that {name} {title}");
            for case in found {
                assert!(case.contains(&asks) && case.contains(result), "the case contradicts its name:\n{case}");
            }
        }
    }
}

#[test]
fn every_alert_has_summary_description_and_links() {
    let page = text("docs/runbook.md");
    let alerts = alerts();
    assert!(!alerts.is_empty());
    for Alert { name, rule } in alerts {
        for part in ["for: ", "severity: ", "summary: ", "description: "] {
            assert!(rule.contains(part) || name == WATCHDOG && part == "for: ", "{name} has no {part}");
        }
        let runbook = format!("runbook_url: \"{{{{ $externalLabels.runbook_url }}}}#{}\"\n", name.to_lowercase());
        assert!(rule.contains(&runbook), "{name} needs the line {runbook}");
        let dashboard = "dashboard_url: \"{{ $externalLabels.dashboard_url }}";
        assert!(rule.contains(dashboard), "{name} needs the line {dashboard}");
        let heading = format!("\n## {name}\n\n");
        let (_, section) = page.split_once(&heading).unwrap_or_else(|| panic!("docs/runbook.md lacks {name}"));
        let section = section.split("\n#").next().unwrap();
        assert!(section.trim().len() > 100, "docs/runbook.md says too little about {name}");
        let parts = ["**Query** `", "**Check** ", "**Fix:** ", "**Over when** "];
        let found: Vec<_> = parts.iter().filter_map(|part| section.find(part)).collect();
        assert!(found.len() == parts.len() && found.is_sorted(), "the section of {name} needs {parts:?} in this order");
    }
}

#[test]
fn queries_of_the_runbook_are_valid_and_use_metrics_that_exist() {
    let page = text("docs/runbook.md");
    let queries: Vec<&str> = page.split("**Query** `").skip(1).map(|rest| rest.split_once('`').unwrap().0).collect();
    assert_eq!(queries.len(), alerts().len());
    let rules: String =
        queries.iter().enumerate().map(|(at, query)| format!("  - record: query{at}\n    expr: '{query}'\n")).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("groups:\n- name: runbook\n  rules:\n{rules}")).unwrap();
    promtool(&["check", "rules", "--lint=none"], &[file.path().to_path_buf()]);
    let recorded = text("prometheus/recording.yml");
    for query in queries {
        for name in query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')) {
            if name.contains(':') {
                assert!(recorded.contains(&format!("record: {name}\n")), "{name} is not recorded");
            } else if name.starts_with("stenobot_") {
                assert!(METRICS.iter().any(|metric| metric.name == name), "{name} is no metric");
            }
        }
    }
}

#[test]
fn links_in_alerts_begin_with_addresses_that_the_configuration_gives() {
    let configuration = text("prometheus.yml");
    let used: std::collections::BTreeSet<String> = alerts()
        .iter()
        .flat_map(|alert| {
            alert.rule.match_indices("$externalLabels.").map(|(at, label)| &alert.rule[at + label.len()..])
        })
        .map(|rest| rest.split_once(' ').unwrap().0.to_owned())
        .collect();
    assert_eq!(used.len(), 2, "{used:?}");
    for label in used {
        let value = configuration.lines().find_map(|line| line.trim().strip_prefix(&format!("{label}: ")));
        let url: reqwest::Url = value.unwrap_or_else(|| panic!("prometheus.yml has no {label}")).parse().unwrap();
        assert!(url.has_host(), "{label} is not absolute");
    }
    let uid = "\"uid\": \"stenobot\"";
    assert!(text("grafana/dashboards/stenobot.json").contains(uid) && configuration.contains("/d/stenobot\n"));
}

#[test]
fn the_rules_use_metrics_that_exist() {
    let known = |name: &str| {
        METRICS.iter().any(|metric| match metric.kind {
            Kind::Counter | Kind::Gauge => name == metric.name,
            Kind::Histogram(_) => {
                name.strip_prefix(metric.name).is_some_and(|rest| ["_sum", "_count", "_bucket"].contains(&rest))
            }
        })
    };
    for file in ["prometheus/recording.yml", "prometheus/alerts.yml"] {
        let rules = text(file);
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        // Names of recording rules have colons, names of groups stand after `name`.
        let names =
            rules.lines().filter(|line| !line.contains("- name: ")).flat_map(|line| line.split(|c| !is_part(c)));
        let names: Vec<_> = names.filter(|name| name.starts_with("stenobot_")).collect();
        assert!(!names.is_empty());
        for name in names {
            assert!(known(name), "{file} uses {name}, which is no metric");
        }
    }
}
