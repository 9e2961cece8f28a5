//! The files that deploy the bot agree with each other and with the program.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// A file of the repository.
fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()))
}

/// The rest of the only line that begins with `key`.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let mut found = text.lines().filter_map(|line| line.trim().strip_prefix(key));
    let value = found.next().unwrap_or_else(|| panic!("{key:?} is missing"));
    assert!(found.next().is_none(), "{key:?} is there more than once");
    value.trim()
}

/// The default of a setting, as the README's table has it.
fn default(setting: &str) -> String {
    let table = stenobot::config::table();
    let row = table.lines().find(|line| line.starts_with(&format!("| `{setting}` |"))).unwrap();
    row.split('|').nth(2).unwrap().trim().trim_matches('`').to_owned()
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs(text.strip_suffix('s').unwrap_or_else(|| panic!("{text} is not in seconds")).parse().unwrap())
}

/// Major and minor version.
fn version(text: &str) -> (u32, u32) {
    let mut numbers = text.split('.').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn the_image_builds_with_a_rust_that_is_new_enough() {
    let (dockerfile, manifest) = (text("Dockerfile"), text("Cargo.toml"));
    let image = value(&dockerfile, "FROM rust:").split('-').next().unwrap();
    let needed = value(&manifest, "rust-version =").trim_matches('"');
    assert!(version(image) >= version(needed), "the image has Rust {image}, Cargo.toml asks for {needed}");
}

#[test]
fn the_image_copies_all_that_the_build_reads() {
    let ignored = text(".dockerignore");
    let kept: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    for path in &kept {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "{path} is kept, but does not exist");
    }
    for needed in ["src", "migrations", "locales", ".cargo", "Cargo.toml", "Cargo.lock"] {
        assert!(kept.contains(&needed), "{needed} is not sent to the build");
    }
    for secret in [".env", "data", "secrets", "stenobot.toml"] {
        assert!(!kept.contains(&secret), "{secret} is sent to the build");
    }
}

#[test]
fn service_managers_wait_longer_than_the_shutdown_timeout() {
    let timeout = seconds(&format!("{}s", default("shutdown_timeout_seconds")));
    let (compose, unit) = (text("compose.yaml"), text("deploy/stenobot.service"));
    for (name, given) in [
        ("stop_grace_period", value(&compose, "stop_grace_period:")),
        ("TimeoutStopSec", value(&unit, "TimeoutStopSec=")),
    ] {
        assert!(seconds(given) >= timeout + Duration::from_secs(5), "{name} of {given} is too short for {timeout:?}");
    }
}

#[test]
fn every_file_that_is_mounted_exists() {
    for (file, count) in [("compose.yaml", 5), ("compose.cluster.yaml", 3)] {
        let compose = text(file);
        let mounted: Vec<&str> = compose
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- ./"))
            .map(|mount| mount.split(':').next().unwrap())
            .collect();
        assert!(mounted.len() >= count, "only {mounted:?} are mounted");
        for path in mounted {
            let exists = Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists();
            assert!(exists, "{file} mounts {path}, which is missing");
        }
    }
}

#[test]
fn the_metrics_port_is_the_same_everywhere() {
    let address = default("metrics_addr");
    let port = address.rsplit(':').next().unwrap();
    let dockerfile = text("Dockerfile");
    assert_eq!(value(&dockerfile, "EXPOSE"), port);
    assert!(dockerfile.contains(&format!("STENOBOT_METRICS_ADDR=0.0.0.0:{port}")), "the image listens elsewhere");
    assert!(text("compose.yaml").contains(&format!("\"127.0.0.1:{port}:{port}\"")), "compose publishes another port");
    assert!(text("prometheus.yml").contains(&format!("stenobot:{port}")), "Prometheus asks another port");
}

/// The lines of the unit that set `key`, without it.
fn unit(key: &str) -> Vec<String> {
    let unit = text("deploy/stenobot.service");
    unit.lines().filter_map(|line| line.strip_prefix(&format!("{key}="))).map(str::to_owned).collect()
}

#[test]
fn the_unit_and_the_container_read_the_settings_that_a_reload_reads_again() {
    let file = "/etc/stenobot/stenobot.toml";
    let [start] = unit("ExecStart").try_into().unwrap();
    assert!(start.contains(&format!("--config {file}")), "{start}");
    assert_eq!(unit("ConfigurationDirectory"), ["stenobot"]);
    assert!(unit("ExecReload")[0].contains("-HUP"));
    let compose = text("compose.yaml");
    assert!(compose.contains(&format!("command: [--config, {file}, run]")));
    assert!(compose.contains("- ./deploy/config:/etc/stenobot:ro"));
    // Compose hands all of .env to the bot, which takes every variable with its prefix for a setting.
    assert!(!compose.contains("${STENOBOT_"));
}

#[test]
fn the_unit_uses_the_bot_s_notifications() {
    assert_eq!(unit("Type"), ["notify"]);
    let minutes = |key: &str| -> u64 { unit(key)[0].strip_suffix("min").unwrap().parse().unwrap() };
    // Longer than the interval of notifications during a model's download.
    assert!(minutes("TimeoutStartSec") >= 2 && minutes("WatchdogSec") >= 1);
    assert_eq!(unit("Restart"), ["on-failure"], "which a watchdog's kill is");
    assert!(unit("RestrictAddressFamilies")[0].contains("AF_UNIX"));
    for page in unit("Documentation") {
        let name = page.strip_prefix("file:/usr/local/share/doc/stenobot/").unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(root.join(name).exists() || root.join("docs").join(name).exists(), "{name} is no page of ours");
    }
}

#[test]
fn the_token_is_a_file_and_no_variable_of_the_deployment() {
    let file = "TELEGRAM_BOT_TOKEN_FILE: /run/secrets/telegram_bot_token\n";
    for compose in ["compose.yaml", CLUSTER] {
        let compose = text(compose);
        assert!(compose.contains(file) && !compose.contains("TELEGRAM_BOT_TOKEN:"));
        assert!(compose.contains("  telegram_bot_token:\n    file: ./secrets/telegram_bot_token\n"));
    }
    assert_eq!(unit("LoadCredential"), ["telegram_bot_token:/etc/stenobot/token"]);
    // It may be absent: it is for a proxy's password.
    assert_eq!(unit("EnvironmentFile"), ["-/etc/stenobot/env"]);
    let docs = [text("README.md"), text("docs/deployment.md")].concat();
    assert!(docs.contains("-o 10001 -g 10001 -m 0600 /dev/stdin secrets/telegram_bot_token"));
    assert!(docs.contains("install -m 0600 -D /dev/stdin /etc/stenobot/token"));
}

#[test]
fn the_backup_runs_as_the_bot_without_its_token_and_is_started_by_its_timer() {
    let (bot, backup) = (text("deploy/stenobot.service"), text("deploy/stenobot-backup.service"));
    assert_eq!(value(&backup, "User="), "stenobot", "DynamicUser gives the bot the name of its unit");
    assert!(!bot.contains("User=root") && bot.contains("DynamicUser=yes") && backup.contains("DynamicUser=yes"));
    assert!(value(&backup, "StateDirectory=").split(' ').eq(["stenobot", "stenobot-backups"]));
    assert!(value(&backup, "ExecStart=").contains(" backup --force "));
    for secret in ["LoadCredential=", "EnvironmentFile="] {
        assert!(!backup.contains(secret), "a backup needs no {secret}");
    }
    let timer = text("deploy/stenobot-backup.timer");
    assert!(timer.contains("OnCalendar=daily\n") && timer.contains("Persistent=yes\n"));
}

#[test]
fn an_alert_message_has_instance_summary_and_links() {
    let template = text("deploy/telegram.tmpl");
    for part in [
        ".Labels.instance",
        ".Annotations.summary",
        ".Annotations.description",
        ".Annotations.runbook_url",
        ".Annotations.dashboard_url",
    ] {
        assert!(template.contains(part), "the template does not show {part}");
    }
}

#[test]
fn the_watchdog_alert_has_its_own_route_and_no_telegram_receiver() {
    let configuration = text("deploy/alertmanager.yml");
    let (_, route) = configuration.split_once("- matchers: [alertname = Watchdog]\n").unwrap();
    assert_eq!(route.lines().next().unwrap().trim(), "receiver: watchdog");
    let (_, receiver) = configuration.split_once("- name: watchdog\n").unwrap();
    let receiver = receiver.split("- name: ").next().unwrap();
    assert!(!receiver.contains("telegram_configs"));
    // Only the bot's own alerts are held back while the bot is gone.
    assert!(configuration.contains("alertname =~ \"Stenobot.+\""));
}

#[test]
fn documented_commands_create_token_files_private_to_their_user() {
    for page in ["README.md", "docs/deployment.md", "dev"] {
        let page = text(page);
        assert!(!page.contains("> .env") && !page.contains(">.env"), "a shell's umask decides who reads .env");
        for line in page.lines().filter(|line| line.contains("install ") && line.contains("/dev/stdin")) {
            assert!(line.contains("-m 0600") || line.contains("-m 600"), "{line}");
        }
    }
    assert!(text("README.md").contains("install -m 0600 /dev/stdin .env"));
    // Compose hands the file over as it is: the container's user has to own it.
    let alertmanager = text("compose.yaml");
    let (_, alertmanager) = alertmanager.split_once("  alertmanager:\n").unwrap();
    let user = alertmanager.lines().find_map(|line| line.trim().strip_prefix("user: ")).unwrap().trim_matches('"');
    let (user, group) = user.split_once(':').unwrap();
    let line = format!("-o {user} -g {group} -m 0600");
    for page in ["README.md", "docs/deployment.md"] {
        assert!(text(page).contains(&line), "{page} lacks {line}");
    }
}

#[test]
fn ports_are_published_on_loopback() {
    let compose = text("compose.yaml");
    // Quoted list items with a colon.
    let ports: Vec<&str> =
        compose.lines().filter_map(|line| line.trim().strip_prefix("- \"")).filter(|line| line.contains(':')).collect();
    assert_eq!(ports.len(), 4, "four pages are published: {ports:?}");
    for port in ports {
        assert!(port.starts_with("127.0.0.1:"), "{port} is published to everyone");
    }
}

// === Several machines ===

const CLUSTER: &str = "compose.cluster.yaml";

/// The services of the file for several machines: name and text.
fn cluster() -> Vec<(String, String)> {
    let compose = text(CLUSTER);
    let (_, services) = compose.split_once("\nservices:\n").unwrap();
    let (services, _) = services.split_once("\nnetworks:\n").unwrap();
    let mut found: Vec<(String, String)> = Vec::new();
    for line in services.lines() {
        match line.strip_prefix("  ").filter(|rest| !rest.starts_with([' ', '#'])) {
            Some(name) => found.push((name.trim_end_matches(':').to_owned(), String::new())),
            None => found.last_mut().unwrap().1 += &format!("{line}\n"),
        }
    }
    found
}

fn service(name: &str) -> String {
    cluster().into_iter().find(|(other, _)| other == name).unwrap_or_else(|| panic!("there is no {name}")).1
}

#[test]
fn the_cluster_s_services_are_as_confined_as_the_bot_s() {
    let names: Vec<String> = cluster().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["postgres", "bot", "worker", "prometheus", "alertmanager", "grafana"]);
    for (name, service) in cluster() {
        if service.contains("extends:\n      file: compose.yaml\n") {
            assert!(service.contains(&format!("service: {name}\n")), "{name} is another service there");
            continue;
        }
        assert!(service.contains("<<: *hardened") || service.contains("<<: *machine"), "{name} is not confined");
        for part in ["mem_limit:", "memswap_limit:", "pids_limit:"] {
            assert!(service.contains(part), "{name} has no {part}");
        }
    }
    let hardened = |text: &str| text.split_once("x-hardened: ").unwrap().1.split("\n\n").next().unwrap().to_owned();
    let compose = text(CLUSTER);
    assert_eq!(hardened(&compose), hardened(&text("compose.yaml")));
    let (_, machine) = compose.split_once("x-machine: &machine\n").unwrap();
    let machine = machine.split("\n\n").next().unwrap();
    assert!(machine.contains("<<: *hardened") && machine.contains("user: \"10001:10001\""));
}

#[test]
fn the_cluster_s_machines_have_roles_and_data_folders_of_their_own() {
    for role in ["bot", "worker"] {
        let service = service(role);
        assert!(service.contains("<<: *database") && service.contains(&format!("STENOBOT_ROLE: {role}\n")));
        assert!(role.parse::<stenobot_domain::Role>().is_ok());
        assert!(service.contains("      - /data\n"), "replicas of {role} would share a data folder");
        assert!(!service.contains("ports:"), "replicas of {role} would publish one port");
    }
    let compose = text(CLUSTER);
    let timeout = seconds(&format!("{}s", default("shutdown_timeout_seconds")));
    let (_, machine) = compose.split_once("x-machine: &machine\n").unwrap();
    assert!(
        seconds(value(machine.split("\n\n").next().unwrap(), "stop_grace_period:")) >= timeout + Duration::from_secs(5)
    );
    assert!(!compose.contains("${STENOBOT_"), "Compose hands all of .env to the bot");
}

#[test]
fn the_cluster_s_database_is_private_and_takes_the_machines_connections() {
    let (compose, postgres) = (text(CLUSTER), service("postgres"));
    assert_eq!(value(&postgres, "networks:"), "[store]");
    assert!(!postgres.contains("ports:") && compose.contains("  store:\n    internal: true\n"));
    for line in compose.lines().filter(|line| line.contains("PASSWORD: ")) {
        assert!(line.contains("${POSTGRES_PASSWORD:?"), "a password in the file: {line}");
    }
    let url: stenobot_store::StoreUrl = value(&compose, "STENOBOT_DATABASE_URL:").parse().unwrap();
    assert_eq!(url.to_string(), "postgres://stenobot@postgres:5432/stenobot");
    let connections: u32 = value(&postgres, "- -cmax_connections=").parse().unwrap();
    assert!(connections >= 16 * stenobot_store::MAX_CONNECTIONS);
}

#[test]
fn the_cluster_s_prometheus_finds_its_machines_and_has_the_other_s_rules() {
    let (one, several) = (text("prometheus.yml"), text("prometheus.cluster.yml"));
    let parts = |text: &str| -> (String, String) {
        let (rest, targets) = text.split_once("scrape_configs:\n").unwrap();
        (rest.lines().filter(|line| !line.starts_with('#')).collect(), targets.to_owned())
    };
    let ((rest, _), (same, targets)) = (parts(&one), parts(&several));
    assert_eq!(rest, same);
    assert_eq!(value(&targets, "- job_name:"), "stenobot");
    let names = value(&targets, "- names:").trim_matches(['[', ']']);
    assert_eq!(names.split(", ").collect::<Vec<_>>(), ["bot", "worker"]);
    assert_eq!(value(&targets, "port:"), default("metrics_addr").rsplit(':').next().unwrap());
    assert!(service("prometheus").contains("- ./prometheus.cluster.yml:/etc/prometheus/prometheus.yml:ro"));
}
