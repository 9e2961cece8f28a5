//! Pages for monitoring: `/metrics`, `/healthz`, `/readyz`.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use stenobot::metrics::{self, Kind, METRICS};
use stenobot_domain::{FailReason, Outcome, RejectReason, StageName};
use stenobot_simulator::harness::Simulation;
use stenobot_simulator::server::{Attachment, Method};

use crate::recordings::scripted;
use crate::scene::{Scene, bot_with_engine, eventually, rejected, stand_in};

/// Status and text of a page.
pub(crate) async fn page(simulation: &Simulation, path: &str) -> (u16, String) {
    let url = format!("http://{}{path}", simulation.metrics_addr());
    let response = eventually("the page is there", reqwest::get(url)).await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn readiness_requires_a_loaded_model() {
    // An engine that starts when a line is written to the pipe.
    let folder = tempfile::tempdir().unwrap();
    let (engine, pipe) = (folder.path().join("engine"), folder.path().join("pipe"));
    let pipe_mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, pipe_mode, 0).unwrap();
    // Opened for both, so that neither the shell nor this test blocks on opening.
    let script = format!("#!/bin/sh\nread -r go <>\"{}\"\nexec \"{}\" \"$@\"\n", pipe.display(), stand_in().display());
    std::fs::write(&engine, script).unwrap();
    std::fs::set_permissions(&engine, PermissionsExt::from_mode(0o700)).unwrap();
    let mut pipe = std::fs::File::options().read(true).write(true).open(pipe).unwrap();

    let simulation = Simulation::start(bot_with_engine(&engine, &[])).await.unwrap();
    let mut scene = Scene::of(simulation);
    assert_eq!(page(&scene.bot, "/healthz").await, (200, "ok\n".to_owned()));
    let (status, reason) = page(&scene.bot, "/readyz").await;
    assert_eq!((status, reason.as_str()), (503, "not ready: the model is not loaded\n"));

    let sent = scene.send_voice(&scripted(3, "say готов"));
    pipe.write_all(b"go\n").unwrap();
    assert_eq!(scene.text(&sent).await, "готов");
    assert_eq!(page(&scene.bot, "/readyz").await, (200, "ready\n".to_owned()));
    assert_eq!(page(&scene.bot, "/elsewhere").await.0, 404);
    scene.shut_down().await;
}

#[tokio::test]
async fn a_start_without_updates_is_ready_after_the_first_poll() {
    let setup = bot_with_engine(&stand_in(), &[("log_format", "json")]);
    let scene = Scene::of(Simulation::start(setup).await.unwrap());
    let log = || std::fs::read_to_string(scene.bot.log()).unwrap();
    let ready = async {
        loop {
            let lines = log();
            let lines = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            if let Some(line) = lines.into_iter().find(|line| line["message"] == "ready") {
                return line;
            }
            // A file of another process has no events to wait for.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let line = eventually("the log says that the bot is ready", ready).await;
    assert_eq!(line["address"], "https://t.me/stenobot_simulated_bot");
    assert_eq!(line["bot"], "stenobot_simulated_bot");
    assert_eq!(page(&scene.bot, "/readyz").await, (200, "ready\n".to_owned()));
    // Without updates: the first poll returns at once, all others wait.
    let polls = scene.api().read(|state| {
        let polls = state.calls.iter().filter(|call| call.method == Method::GetUpdates);
        polls.map(|call| call.at - call.came).collect::<Vec<_>>()
    });
    assert!(polls[0] < Duration::from_secs(5), "{polls:?}");
    assert!(polls[1..].iter().all(|took| *took >= Duration::from_secs(25)), "{polls:?}");
}

/// A line of the page as parsed by Prometheus: name, labels, value.
fn sample(line: &str) -> (String, Vec<(String, String)>, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
    let value = match value {
        "+Inf" => f64::INFINITY,
        number => number.parse().unwrap_or_else(|_| panic!("no number: {line}")),
    };
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').unwrap_or_else(|| panic!("no end: {line}"))),
        None => (series, ""),
    };
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    assert!(is_name(name), "no name: {line}");
    let labels = labels.split_terminator("\",").map(|label| {
        let (key, value) = label.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
        assert!(is_name(key), "no label's name: {line}");
        (key.to_owned(), value.trim_end_matches('"').to_owned())
    });
    (name.to_owned(), labels.collect(), value)
}

#[tokio::test]
async fn the_metrics_are_complete_from_the_start_and_add_up() {
    let mut scene = Scene::start(&[("max_voice_duration_seconds", "20")]).await;
    let (status, text) = page(&scene.bot, "/metrics").await;
    assert_eq!(status, 200);
    let series: BTreeSet<String> = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("# HELP ") && !line.starts_with("# TYPE "))
        .map(|line| {
            sample(line);
            line.rsplit_once(' ').unwrap().0.to_owned()
        })
        .collect();
    let expect = |name: &str, labels: &str| {
        let wanted = if labels.is_empty() { name.to_owned() } else { format!("{name}{{{labels}}}") };
        assert!(series.contains(&wanted), "{wanted} is missing:\n{text}");
    };
    for work in metrics::Work::ALL {
        expect(&format!("{}_count", metrics::STAGE_DURATION), &format!("stage=\"{}\"", work.as_str()));
    }
    for stage in StageName::ALL.iter().filter(|stage| !stage.is_terminal()) {
        expect(metrics::REQUESTS, &format!("state=\"{stage}\""));
        expect(metrics::STAGE_RETRIES, &format!("stage=\"{stage}\""));
        for reason in FailReason::ALL {
            expect(metrics::STAGE_FAILURES, &format!("stage=\"{stage}\",reason=\"{reason}\""));
        }
    }
    for (from, to) in StageName::STEPS {
        expect(metrics::TRANSITIONS, &format!("from=\"{from}\",to=\"{to}\""));
    }
    for reason in RejectReason::ALL {
        expect(metrics::REJECTED, &format!("reason=\"{reason}\""));
    }
    for outcome in Outcome::ALL {
        expect(metrics::FINISHED, &format!("outcome=\"{outcome}\""));
    }
    for outcome in ["ok", "429", "4xx", "5xx", "timeout", "network"] {
        expect(metrics::TELEGRAM_REQUESTS, &format!("method=\"sendMessage\",outcome=\"{outcome}\""));
    }
    expect(metrics::JOURNAL_ERRORS, "kind=\"busy\"");
    expect("process_resident_memory_bytes", "");

    // One of each kind: answered, no speech, refused by claimed length, refused by measured length, failed.
    let done = scene.send_voice(&scripted(10, "say посчитано"));
    let silent = scene.send_voice(&scripted(5, "say"));
    let user = scene.new_user("Егор", "ru");
    let claims = |seconds| Attachment::voice(std::time::Duration::from_secs(seconds));
    let refused = user.send_file(claims(30), scripted(30, "say нет").bytes);
    let refused_later = user.send_file(claims(5), scripted(30, "say нет").bytes);
    let damaged = user.send_file(claims(5), vec![7_u8; 5000]);
    let again = scene.api().repeat(done.chat(), done.id()).unwrap();
    scene.text(&done).await;
    for sent in [&refused, &refused_later] {
        rejected(scene.answer(sent).await);
    }
    for sent in [&silent, &damaged] {
        scene.answer(sent).await;
    }
    scene.wait_until_confirmed(again).await;
    scene.wait_until_closed().await;

    // The gauges follow the store within a moment.
    let open_requests = async {
        while scene.bot.metrics().await.unwrap().sum("stenobot_requests") > 0.0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    eventually("the gauges show no open request", open_requests).await;
    let (_, text) = page(&scene.bot, "/metrics").await;
    let samples: Vec<_> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(sample).collect();
    let value = |name: &str, labels: &[(&str, &str)]| -> f64 {
        let fits =
            |of: &[(String, String)]| labels.iter().all(|(key, value)| of.iter().any(|(k, v)| k == key && v == value));
        samples.iter().filter(|(of, labels, _)| of == name && fits(labels)).map(|(_, _, value)| value).sum()
    };
    for metric in METRICS {
        let name = match metric.kind {
            Kind::Histogram(_) => format!("{}_bucket", metric.name),
            Kind::Counter | Kind::Gauge => metric.name.to_owned(),
        };
        let found: Vec<_> = samples.iter().filter(|(of, _, _)| *of == name).collect();
        assert!(!found.is_empty(), "{name} is missing");
        let documented: BTreeSet<&str> = metric.labels.split(", ").filter(|label| !label.is_empty()).collect();
        for (_, labels, _) in &found {
            let labels: BTreeSet<&str> =
                labels.iter().map(|(key, _)| key.as_str()).filter(|key| *key != "le").collect();
            assert_eq!(labels, documented, "the labels of {name}");
        }
        assert!(text.contains(&format!("# HELP {} {}", metric.name, metric.help)), "{name} has no help");
    }

    // Every message was admitted, refused or repeated; every admitted one has ended or is open.
    let admitted = value("stenobot_audio_duration_seconds_count", &[]);
    let ended = |to: &str| value(metrics::TRANSITIONS, &[("to", to)]);
    let under_way = value(metrics::REQUESTS, &[]);
    let ends = ended("done") + ended("rejected") + ended("failed") + ended("cancelled");
    assert_eq!(admitted, ends + under_way, "{text}");
    let refused_at_the_door = value(metrics::REJECTED, &[]) - ended("rejected");
    assert_eq!(value(metrics::UPDATES, &[("kind", "voice")]), admitted + refused_at_the_door + 1.0);
    assert_eq!(value(metrics::FINISHED, &[]), ended("done") + ended("failed") + ended("cancelled"));
    assert_eq!(value(metrics::REJECTED, &[("reason", "too_long")]), 2.0);
    assert!(value(metrics::BUILD_INFO, &[]) >= 1.0 && value(metrics::MODEL_INFO, &[]) >= 1.0);
    scene.shut_down().await;
}

/// Size of the write-ahead log, which grows with each write of the store.
fn log_bytes(simulation: &Simulation) -> u64 {
    stenobot_store::write_ahead_log(&simulation.store()).metadata().unwrap().len()
}

#[tokio::test]
async fn concurrent_readiness_checks_share_one_write() {
    let mut scene = Scene::start(&[]).await;
    let sent = scene.send_voice(&scripted(3, "say готов"));
    scene.text(&sent).await;
    scene.wait_until_closed().await;
    assert_eq!(page(&scene.bot, "/readyz").await.0, 200);
    let (before, began) = (log_bytes(&scene.bot), tokio::time::Instant::now());
    let client = async || {
        for _ in 0..10 {
            assert_eq!(page(&scene.bot, "/readyz").await.0, 200);
        }
    };
    futures::future::join_all((0..60).map(|_| client())).await;
    let looks = 2 + began.elapsed().as_secs() / 2;
    // With a checkpointed log; an idle bot writes nothing.
    let writes = (log_bytes(&scene.bot) - before) / 4_120;
    println!("{writes} writes for 600 answers");
    assert!(writes <= looks, "{writes} writes where {looks} were to be expected");
    scene.shut_down().await;
}

#[tokio::test]
async fn idle_connections_do_not_block_the_bot() {
    // Enough open files for the bot, fewer than there are connections.
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("stenobot");
    let script = format!("#!/bin/sh\nulimit -n 200\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_stenobot"));
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).unwrap();
    let mut setup = bot_with_engine(&stand_in(), &[]);
    setup.program = program;
    let mut scene = Scene::of(Simulation::start(setup).await.unwrap());
    let sent = scene.send_voice(&scripted(3, "say до"));
    scene.text(&sent).await;

    let mut held = Vec::new();
    for number in 0..600 {
        let connection = tokio::net::TcpStream::connect(scene.bot.metrics_addr());
        let connection = eventually("a connection", connection).await.unwrap();
        // Half of them send an incomplete request.
        if number % 2 == 0 {
            // The connection may be closed already, as the oldest are.
            let _ = connection.try_write(b"GET /healthz HTTP/1.1\r\nx-half: ");
        }
        held.push(connection);
    }
    assert_eq!(page(&scene.bot, "/healthz").await, (200, "ok\n".to_owned()), "while they are held");
    let sent = scene.send_voice(&scripted(3, "say при этом"));
    assert_eq!(scene.text(&sent).await, "при этом");
    drop(held);
    assert_eq!(page(&scene.bot, "/healthz").await, (200, "ok\n".to_owned()));
    let sent = scene.send_voice(&scripted(3, "say после"));
    assert_eq!(scene.text(&sent).await, "после");
    scene.shut_down().await;
}
