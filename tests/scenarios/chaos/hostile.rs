//! Malformed and hostile files: for the probing process, for the engine, and for the whole bot.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use stenobot_audio::AudioError;
use stenobot_domain::SpeechLanguage;
use stenobot_engine::probe::{ProbeError, probe};
use stenobot_engine::{EngineEvent, EngineJob, EnginePool, EngineSettings};
use stenobot_simulator::answers::RequestOutcome;
use stenobot_simulator::server::{Attachment, Media};
use stenobot_simulator::users::SentMessage;
use tokio::time::Instant;

use super::{Row, measured, rounds};
use crate::corpus::{Hostile, corpus};
use crate::recordings::{asset, scripted};
use crate::scene::{REAL_ENGINE_LOCK, Scene, example};

/// The bot's default limit.
const MAX_DURATION: Duration = Duration::from_secs(120);

/// From this many rounds on the whole corpus is read; otherwise one file of so many.
const WHOLE_CORPUS_ROUNDS: usize = 10;
const CORPUS_SHARE: usize = 8;

/// The part of the corpus to read.
fn files() -> Vec<Hostile> {
    let all = corpus();
    assert!(all.len() > 1_000);
    let step = if rounds(1) >= WHOLE_CORPUS_ROUNDS { 1 } else { CORPUS_SHARE };
    all.into_iter().step_by(step).collect()
}

/// The result of probing one file in its own process.
struct Probed {
    name: String,
    result: Result<Duration, ProbeError>,
    took: Duration,
    /// Peak memory of the process.
    mib: u64,
    /// Exit status of the process.
    ended: String,
}

async fn read(hostile: Hostile, folder: &Path) -> Probed {
    let Hostile { name, .. } = &hostile;
    let (name, file) = (name.clone(), folder.join(name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")));
    let written = file.clone();
    tokio::task::spawn_blocking(move || std::fs::write(written, hostile.bytes()).unwrap()).await.unwrap();
    let started = Instant::now();
    let result = probe(&example("usage"), &file, MAX_DURATION).await;
    let took = started.elapsed();
    let usage = std::fs::read_to_string(file.with_extension("usage")).unwrap_or_default();
    let mut words = usage.splitn(3, ' ');
    let mib = words.next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0).div_ceil(1024);
    let ended = words.nth(1).unwrap_or("without a word").to_owned();
    std::fs::remove_file(&file).unwrap();
    Probed { name, result, took, mib, ended }
}

/// The name under which a result is counts.
fn name_of(result: &Result<Duration, ProbeError>) -> &'static str {
    match result {
        Ok(_) => "decoded",
        Err(ProbeError::Audio(error)) => match error {
            AudioError::NoAudio => "without a sound track",
            AudioError::Codec { .. } => "in no known codec",
            AudioError::Unsupported { .. } => "of no known kind",
            AudioError::Damaged { what } if what.contains("broke down") => "panics caught",
            AudioError::Damaged { .. } => "damaged",
            AudioError::Empty => "empty",
            AudioError::TooLong { .. } => "too long",
            AudioError::Io { .. } => "not readable",
        },
        Err(ProbeError::TimedOut) => "out of time",
        Err(ProbeError::Crashed) => "at the limit",
        Err(ProbeError::Spawn(_)) => "not started",
    }
}

fn counts<'a>(words: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for name in words {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

fn joined(counts: &BTreeMap<&str, usize>) -> String {
    counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_file() {
    const ROW: Row = Row {
        number: 60,
        test: "cut off, damaged, lying, endless, nested and huge files, each read by a process of its own",
        figure: "an answer within 10 s each, no crash, bounded memory",
        name: "hostile::every_kind_of_file",
    };
    let folder = tempfile::tempdir().unwrap();
    let found: Vec<Probed> =
        futures::stream::iter(files()).map(|file| read(file, folder.path())).buffer_unordered(2).collect().await;
    for Probed { name, result, took, mib, ended } in &found {
        assert!(*took < Duration::from_secs(10), "{name} took {took:?}: {result:?}");
        assert!(*mib > 1, "{name}: the memory is not known");
        let answered = matches!(result, Ok(_) | Err(ProbeError::Audio(_)));
        assert!(answered, "{name}: {result:?}, {ended}");
        let blamed = matches!(result, Err(ProbeError::Audio(AudioError::Io { .. })));
        assert!(!blamed, "{name}: the machine is blamed: {result:?}");
    }
    let counts = counts(found.iter().map(|found| name_of(&found.result)));
    // The corpus is useful only if some files pass the first checks and some do not.
    for name in ["decoded", "damaged", "too long", "of no known kind"] {
        assert!(counts.contains_key(name), "none is {name}: {counts:?}");
    }
    let slowest = found.iter().max_by_key(|found| found.took).unwrap();
    let largest = found.iter().max_by_key(|found| found.mib).unwrap();
    println!("slowest {} {:?}, largest {} {} MiB", slowest.name, slowest.took, largest.name, largest.mib);
    let figures = format!(
        "{} files: {}; none at a limit; {:.1} s and {} MiB at most",
        found.len(),
        joined(&counts),
        slowest.took.as_secs_f64(),
        largest.mib
    );
    measured(&ROW, rounds(1), &figures);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decodable_files_are_transcribed() {
    const ROW: Row = Row {
        number: 61,
        test: "the decodable ones of these files, transcribed by one real engine",
        figure: "the length that was measured before, the engine never crashes",
        name: "hostile::decodable_files_are_transcribed",
    };
    let _turn = REAL_ENGINE_LOCK.lock().await;
    let program: std::path::PathBuf = env!("CARGO_BIN_EXE_stenobot").into();
    let settings = EngineSettings::new(program.clone(), asset("data/models/ggml-base-q8_0.bin"), 1, 2);
    let (report, mut crashes) = tokio::sync::mpsc::unbounded_channel();
    let pool = EnginePool::start(settings, move |event: &EngineEvent| {
        if !matches!(event, EngineEvent::Started { .. }) {
            let _ = report.send(event.clone());
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let most = 6 * rounds(1);
    let (mut transcribed, mut slowest) = (0, Duration::ZERO);
    for (index, hostile) in corpus()
        .iter()
        .filter(|hostile| ["flip", "lie", "cut", "mistaken", "short"].contains(&hostile.family()))
        .enumerate()
    {
        if transcribed == most {
            break;
        }
        let file = folder.path().join(index.to_string());
        std::fs::write(&file, hostile.bytes()).unwrap();
        let Ok(length) = probe(&program, &file, MAX_DURATION).await else { continue };
        let job = EngineJob::new(&file, SpeechLanguage::Auto, MAX_DURATION, Duration::from_secs(60));
        let started = Instant::now();
        let transcript = pool.transcribe(job).await.unwrap_or_else(|error| panic!("{}: {error}", hostile.name));
        slowest = slowest.max(started.elapsed());
        assert_eq!(transcript.audio.as_millis(), length.as_millis(), "{}", hostile.name);
        transcribed += 1;
    }
    assert_eq!(transcribed, most);
    pool.shutdown().await;
    assert!(crashes.try_recv().is_err());
    measured(&ROW, rounds(1), &format!("{transcribed} transcribed, none longer than {:.1} s", slowest.as_secs_f64()));
}

/// The worst files, different ones in every round: endless, nested, large; and some of every other family.
fn worst_files(round: usize) -> Vec<Hostile> {
    let mut families: BTreeMap<String, Vec<Hostile>> = BTreeMap::new();
    for hostile in corpus() {
        families.entry(hostile.family().to_owned()).or_default().push(hostile);
    }
    let chosen = families.into_iter().flat_map(|(family, mut files)| {
        let few = match family.as_str() {
            "endless" | "nested" => 6,
            "large" => 4,
            _ => 2,
        };
        let first = round * few % files.len();
        files.rotate_left(first);
        files.into_iter().take(few)
    });
    chosen.collect()
}

#[tokio::test]
async fn sent_to_the_bot() {
    const ROW: Row = Row {
        number: 62,
        test: "the worst of these files sent to the bot, as voice messages and as files, while others send recordings",
        figure: "one clear answer each, all others are answered, the bot stays up",
        name: "hostile::sent_to_the_bot",
    };
    let (mut answers, mut others) = (Vec::new(), 0);
    for round in 0..rounds(1) {
        let mut scene = Scene::start(&[]).await;
        let bot = scene.bot.process().unwrap().pid();
        let (mut sent, mut neighbours): (Vec<(String, SentMessage)>, Vec<SentMessage>) = (Vec::new(), Vec::new());
        for (index, hostile) in worst_files(round).into_iter().enumerate() {
            let media = if index % 2 == 0 { Media::Voice } else { Media::Document };
            let attachment = Attachment::file(media, Duration::from_secs(3), "audio/ogg", "voice.ogg");
            let name = hostile.name.clone();
            let bytes = tokio::task::spawn_blocking(move || hostile.bytes()).await.unwrap();
            sent.push((name, scene.new_user("Ева", "ru").send_file(attachment, bytes)));
            if index % 4 == 0 {
                neighbours.push(scene.send_voice(&scripted(3, "say слышно")));
            }
        }
        for (name, sent) in &sent {
            let verdict = scene.answer(sent).await;
            answers.push(match &verdict {
                RequestOutcome::Answered(_) => "answered",
                RequestOutcome::Rejected(why) | RequestOutcome::Failed(why) if why.chars().count() > 10 => {
                    "refused with a sentence"
                }
                RequestOutcome::Rejected(_)
                | RequestOutcome::Failed(_)
                | RequestOutcome::NoSpeech
                | RequestOutcome::Cancelled => {
                    panic!("{name}: {verdict:?}")
                }
            });
            assert_eq!(sent.trail().answers.len(), 1, "{name}: {}", sent.history());
        }
        for neighbour in &neighbours {
            assert_eq!(scene.text(neighbour).await, "слышно");
        }
        others += neighbours.len();
        assert_eq!(scene.bot.process().unwrap().pid(), bot);
        scene.shut_down().await;
    }
    let figures =
        format!("{} files: {}; {others} others answered", answers.len(), joined(&counts(answers.into_iter())));
    measured(&ROW, rounds(1), &figures);
}

#[tokio::test]
async fn an_engine_that_exhausts_memory() {
    const ROW: Row = Row {
        number: 63,
        test: "an engine takes more memory than a recording needs",
        figure: "it dies alone at its own limit, its recording is given up, others are answered",
        name: "hostile::an_engine_that_exhausts_memory",
    };
    let times = rounds(1);
    for _ in 0..times {
        let mut scene = Scene::start(&[]).await;
        let bot = scene.bot.process().unwrap().pid();
        let limits = std::fs::read_to_string(format!("/proc/{bot}/limits")).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().nth(5), Some("0"), "{core}");
        let glutton = scene.send_voice(&scripted(3, "devour"));
        let neighbour = scene.send_voice(&scripted(3, "say слышно"));
        assert!(matches!(scene.answer(&glutton).await, RequestOutcome::Failed(_)));
        assert_eq!(scene.text(&neighbour).await, "слышно");
        assert_eq!(scene.bot.process().unwrap().pid(), bot);
        let log = std::fs::read_to_string(scene.bot.log()).unwrap();
        assert!(log.contains("signal 6: it gave up"), "the reason is not logged");
        scene.shut_down().await;
    }
    measured(&ROW, times, &format!("{times} of {times} died alone, the bot answered once each"));
}
