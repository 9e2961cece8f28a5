//! The limits that processes set themselves, as the kernel reports them.

use std::collections::BTreeMap;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};
use stenobot_audio::AudioError;
use stenobot_domain::SpeechLanguage;
use stenobot_engine::confine::{Readable, confine_files, holds_files};
use stenobot_engine::probe::{MAX_PROBES, ProbeError, Probes, probe};
use stenobot_engine::{EngineEvent, EngineJob, EnginePool, EngineSettings};
use tempfile::NamedTempFile;

const MIB: u64 = 1 << 20;

fn of_process(pid: u32, file: &str) -> String {
    std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join(file)).unwrap()
}

/// Soft and hard limits of a process; an unlimited one is the largest number.
fn limits(pid: u32) -> BTreeMap<String, (u64, u64)> {
    let table = of_process(pid, "limits");
    let lines = table.lines().skip(1).filter(|line| line.starts_with("Max "));
    let bound = |text: &str| text.parse().unwrap_or(u64::MAX);
    let limit = |line: &str| {
        let (name, rest) = line.split_at(26);
        let mut words = rest.split_whitespace();
        (name.trim().to_owned(), (bound(words.next().unwrap()), bound(words.next().unwrap())))
    };
    lines.map(limit).collect()
}

fn repository(path: &str) -> std::path::PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    assert!(path.exists(), "{} is missing: run `./dev test`", path.display());
    path
}

#[test]
fn a_probe_has_all_limits() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stenobot"))
        .args(["probe", "--limit-ms", "120000"])
        .arg(repository("samples/ru-short-08.ogg"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    // It may have ended by now; the kernel keeps its limits until it is waited for.
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    let (limits, expendable) = (limits(child.id()), of_process(child.id(), "oom_score_adj"));
    assert!(child.wait().unwrap().success() && said.starts_with("{\"length_ms\":"), "{said}");
    assert_eq!(limits["Max core file size"], (0, 0));
    assert_eq!(limits["Max address space"], (136 * MIB, 136 * MIB));
    assert_eq!(limits["Max cpu time"], (36, 36));
    assert_eq!(limits["Max open files"], (16, 16));
    assert_eq!(limits["Max processes"], (0, 0));
    assert_eq!(expendable.trim(), "500");
}

/// A FLAC with so many pictures of 16 MiB each, which are holes in the file and take no room on the disk.
fn flac_of_pictures(count: usize) -> NamedTempFile {
    const PICTURE: u32 = (1 << 24) - 1;
    // Mark, header and stream information; the audio follows later.
    const FRONT: usize = 4 + 4 + 34;
    let sound = std::fs::read(repository("tests/fixtures/audio/flac.flac")).unwrap();
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&sound[..FRONT]).unwrap();
    for _ in 0..count {
        let size = PICTURE.to_be_bytes();
        let named = [0, 0, 0, 3, 0, 0, 0, 9].iter().chain(b"image/png").copied();
        let head: Vec<u8> = named.chain([0; 20]).chain((PICTURE - 41).to_be_bytes()).collect();
        file.write_all(&[&[6], &size[1..], &head].concat()).unwrap();
        file.seek_relative(i64::from(PICTURE) - head.len() as i64).unwrap();
    }
    file.write_all(&sound[FRONT..]).unwrap();
    file
}

#[tokio::test]
async fn a_file_that_asks_for_too_much_memory_is_refused() {
    let read = async |count| {
        let file = flac_of_pictures(count);
        probe(Path::new(env!("CARGO_BIN_EXE_stenobot")), file.path(), Duration::from_secs(120)).await
    };
    assert_eq!(read(2).await, Ok(Duration::from_millis(900)));
    let refused = read(20).await;
    assert!(
        matches!(&refused, Err(ProbeError::Audio(AudioError::Damaged { what })) if what.contains("more memory")),
        "{refused:?}"
    );
}

/// A program that records its start, waits until its gate is opened, records its end, and prints a length.
struct Gated {
    folder: tempfile::TempDir,
    gate: std::fs::File,
}

impl Gated {
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let pipe = folder.path().join("gate");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let script = format!(
            "#!/bin/sh\necho + >>'{path}/log'\nread -r go <>'{path}/gate'\necho - >>'{path}/log'\necho '{{\"length_ms\":7}}'\n"
        );
        std::fs::write(folder.path().join("program"), script).unwrap();
        std::fs::set_permissions(folder.path().join("program"), PermissionsExt::from_mode(0o700)).unwrap();
        let gate = std::fs::File::options().read(true).write(true).open(pipe).unwrap();
        Self { folder, gate }
    }

    /// Numbers of starts and of ends.
    fn noted(&self) -> (usize, usize) {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        (log.matches('+').count(), log.matches('-').count())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_most_two_files_are_probed_at_once() {
    let mut gated = Gated::new();
    let probes = Probes::new(&gated.folder.path().join("program"));
    let mut measuring = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let probes = probes.clone();
        measuring.spawn(async move { probes.measure(Path::new("x"), Duration::from_secs(60)).await });
    }
    for ended in 0..8 {
        // The maximum has begun.
        let due = (ended + MAX_PROBES).min(8);
        while gated.noted().0 < due {
            tokio::task::yield_now().await;
        }
        assert_eq!(gated.noted(), (due, ended));
        writeln!(gated.gate, "go").unwrap();
        assert_eq!(measuring.join_next().await.unwrap().unwrap(), Ok(Duration::from_millis(7)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_limit_of_an_engine_follows_the_maximum_length() {
    let settings =
        EngineSettings::new(env!("CARGO_BIN_EXE_stenobot").into(), repository("data/models/ggml-base-q8_0.bin"), 1, 2);
    let pool = EnginePool::start(settings, |_: &EngineEvent| {});
    let warm = pool.status().wait_for(|status| status.warm() == 1).await.unwrap().clone();
    let pid = warm.pids().next().unwrap();
    let before = limits(pid);
    assert_eq!(before["Max core file size"], (0, 0));
    assert_eq!(before["Max open files"], (64, 64));
    let folder = std::fs::read_link(Path::new("/proc").join(pid.to_string()).join("cwd")).unwrap();
    assert_eq!(folder, Path::new("/"), "independent of the bot's working directory");
    assert_eq!(of_process(pid, "oom_score_adj").trim(), "500");
    assert_eq!(of_process(pid, "coredump_filter").trim(), "00000000");

    let bytes = async |longest: Duration| {
        let (file, language) = (repository("samples/ru-30s-1.ogg"), SpeechLanguage::Auto);
        pool.transcribe(EngineJob::new(&file, language, longest, Duration::from_secs(600))).await.unwrap();
        limits(pid)["Max data size"].0
    };
    let (short, long) = (bytes(Duration::from_secs(120)).await, bytes(Duration::from_secs(3_720)).await);
    assert_eq!(long - short, 3_600 * 3 * 4 * 16_000, "an hour of samples more");
    let status = of_process(pid, "status");
    let held = status.lines().find_map(|line| line.strip_prefix("VmData:")).unwrap();
    let held: u64 = held.trim().trim_end_matches(" kB").parse().unwrap();
    let left = short - held * 1024;
    println!("{} MiB are held, {} MiB are left", held >> 10, left / MIB);
    assert!((128 * MIB..512 * MIB).contains(&left), "{} MiB are left", left / MIB);
    assert_eq!(limits(pid)["Max data size"].1, before["Max data size"].1);
    pool.shutdown().await;
}

/// Limits the test process itself; no other test here needs a core file or access from another process.
#[test]
fn the_memory_of_the_bot_is_unreadable_to_others() {
    stenobot_engine::confine::every_process().unwrap();
    assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
    assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
}

#[test]
fn a_child_reads_only_the_files_given_and_writes_none() {
    if !holds_files() {
        eprintln!("this kernel has no Landlock");
        return;
    }
    let (given, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&given, &other] {
        std::fs::write(folder.path().join("file"), "text").unwrap();
    }
    let server = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = server.local_addr().unwrap();
    // Landlock confines the calling thread.
    let confined = |readable: fn(&Path)| {
        let (given, other) = (given.path().to_owned(), other.path().to_owned());
        let thread = std::thread::spawn(move || {
            readable(&given);
            let read = [&given, &other].map(|folder| std::fs::read(folder.join("file")).is_ok());
            let written = [&given, &other].map(|folder| std::fs::write(folder.join("new"), "").is_ok());
            let removed = std::fs::remove_file(given.join("file")).is_ok();
            let started = Command::new("/bin/true").spawn().is_ok();
            let system = std::fs::read("/proc/self/status").is_ok() && std::fs::read("/proc/cpuinfo").is_ok();
            let connected = std::net::TcpStream::connect(address).is_ok();
            (read, written, removed, started, system, connected)
        });
        thread.join().unwrap()
    };
    let (read, written, removed, started, system, connected) =
        confined(|given| confine_files(Readable::Only(&[given])));
    assert_eq!((read, written, removed, started, system), ([true, false], [false, false], false, false, true));
    // Landlock confines connections since Linux 6.7.
    let version = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = version.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    if (numbers.next(), numbers.next()) >= (Some(6), Some(7)) {
        assert!(!connected);
    }
    let (read, written, removed, started, system, _) = confined(|_| confine_files(Readable::Everything));
    assert_eq!((read, written, removed, started, system), ([true, true], [false, false], false, false, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_reads_recordings_of_its_folder_only() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("1.audio");
    std::fs::copy(repository("samples/ru-short-08.ogg"), &recording).unwrap();
    let settings =
        EngineSettings::new(env!("CARGO_BIN_EXE_stenobot").into(), repository("data/models/ggml-base-q8_0.bin"), 1, 2)
            .reading_only(folder.path());
    let pool = EnginePool::start(settings, |_: &EngineEvent| {});
    let transcribe = async |file: std::path::PathBuf| {
        let (limit, deadline) = (Duration::from_secs(120), Duration::from_secs(600));
        pool.transcribe(EngineJob::new(&file, SpeechLanguage::Auto, limit, deadline)).await
    };
    assert!(!transcribe(recording).await.unwrap().text().0.is_empty());
    let other = transcribe(repository("samples/ru-short-08.ogg")).await;
    assert_eq!(other.is_err(), holds_files(), "{other:?}");
    pool.shutdown().await;
}
