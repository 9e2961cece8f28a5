//! The engine pool with a stand-in that misbehaves on demand, and with the real engine and a real model.

use std::path::{Path, PathBuf};
use std::time::Duration;

use stenobot_domain::{LiveText, Progress, SpeechLanguage, Transcript};
use stenobot_engine::{
    EngineError, EngineEvent, EngineJob, EnginePool, EngineSettings, Exit, PoolStatus, SlotState, probe,
};
use stenobot_simulator::wer::word_errors;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

/// Far longer than any test here takes.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

type Events = mpsc::UnboundedReceiver<EngineEvent>;

fn start(settings: EngineSettings) -> (EnginePool, Events) {
    let (sender, events) = mpsc::unbounded_channel();
    let observer = move |event: &EngineEvent| {
        let _ = sender.send(event.clone());
    };
    (EnginePool::start(settings, observer), events)
}

async fn next(events: &mut Events) -> EngineEvent {
    soon(events.recv()).await.expect("the pool lives")
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TEST_TIMEOUT, future).await.expect("it takes too long")
}

async fn until(pool: &EnginePool, what: impl FnMut(&PoolStatus) -> bool) -> PoolStatus {
    soon(pool.status().wait_for(what)).await.expect("the pool lives").clone()
}

// === The stand-in ===

fn stand_in(workers: usize) -> EngineSettings {
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("examples/engine_stand_in");
    assert!(program.is_file(), "the engine's stand-in is not built: run `./dev test`");
    let mut settings = EngineSettings::new(program, PathBuf::new(), workers, 1);
    settings.backoff = Duration::from_millis(10);
    settings.start_timeout = Duration::from_secs(20);
    settings
}

/// A folder of scripts for the stand-in.
struct Scripts(tempfile::TempDir);

impl Scripts {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn job(&self, script: &str) -> EngineJob {
        let name = script.replace(|c: char| !c.is_alphanumeric(), "-");
        let path = self.0.path().join(name);
        std::fs::write(&path, format!("stand-in\n{}", script.replace(';', "\n"))).unwrap();
        EngineJob::new(&path, SpeechLanguage::Auto, Duration::from_secs(60), TEST_TIMEOUT)
    }
}

fn text(result: Result<Transcript, EngineError>) -> String {
    result.expect("it was transcribed").text().0
}

#[tokio::test]
async fn jobs_are_answered_and_progress_is_reported() {
    let scripts = Scripts::new();
    let (pool, mut events) = start(stand_in(1));
    let mut job = scripts.job("progress 10;progress 70;say hello");
    let (sender, progress) = watch::channel(Progress::default());
    job.progress = sender;
    assert_eq!(text(soon(pool.transcribe(job)).await), "hello");
    assert!((progress.borrow().fraction() - 0.7).abs() < 1e-9);
    assert!(matches!(next(&mut events).await, EngineEvent::Started { slot: 0, .. }));
    let failed = soon(pool.transcribe(scripts.job("fail out of ideas"))).await;
    assert_eq!(failed, Err(EngineError::Inference("out of ideas".to_owned())));

    let status = until(&pool, |status| status.warm() == 1 && status.busy() == 0).await;
    assert_eq!(status.model.unwrap().backend, "stand-in");
    assert_eq!(status.slots[0].pid.into_iter().count(), 1);
}

#[tokio::test]
async fn finished_segments_are_reported_while_the_job_is_under_way() {
    let scripts = Scripts::new();
    let (pool, _events) = start(stand_in(1));
    let mut job = scripts.job("segment 4000 8000 two;segment 0 4000 one;wait 60000;say three");
    let (sender, mut told) = watch::channel(LiveText::default());
    (job.text, job.cancel) = (sender, CancellationToken::new());
    let cancel = job.cancel.clone();
    let work = tokio::spawn(pool.transcribe(job));
    let transcript = |text: &LiveText| text.transcript(Duration::from_secs(10), Duration::ZERO).text().0;
    soon(told.wait_for(|text| transcript(text) == "one two")).await.unwrap();
    cancel.cancel();
    assert_eq!(soon(work).await.unwrap(), Err(EngineError::Cancelled));
}

#[tokio::test]
async fn waiting_jobs_are_served_in_order() {
    let scripts = Scripts::new();
    let (pool, _events) = start(stand_in(1));
    let (sender, mut order) = mpsc::unbounded_channel();
    let mut tasks = Vec::new();
    for number in 0..20 {
        // Polled once here, so that it stands in the queue before the next does.
        let mut work = Box::pin(pool.transcribe(scripts.job(&format!("say {number}"))));
        assert!(futures::poll!(&mut work).is_pending());
        tokio::task::yield_now().await;
        let sender = sender.clone();
        tasks.push(tokio::spawn(async move {
            let _ = sender.send(text(work.await));
        }));
    }
    for number in 0..20 {
        assert_eq!(soon(order.recv()).await.unwrap(), number.to_string());
    }
}

#[tokio::test]
async fn a_cancelled_job_ends_when_the_child_has_confirmed() {
    let scripts = Scripts::new();
    let (pool, _events) = start(stand_in(1));
    let job = scripts.job("linger 100");
    let cancel = job.cancel.clone();
    let running = tokio::spawn(pool.transcribe(job));
    until(&pool, |status| status.busy() == 1).await;
    cancel.cancel();
    assert_eq!(soon(running).await.unwrap(), Err(EngineError::Cancelled));
    // The child is reused.
    let pid = until(&pool, |status| status.warm() == 1).await.slots[0].pid;
    assert_eq!(text(soon(pool.transcribe(scripts.job("say next"))).await), "next");
    assert_eq!(pool.status().borrow().slots[0].pid, pid);
}

#[tokio::test]
async fn a_waiting_job_can_be_cancelled() {
    let scripts = Scripts::new();
    let (pool, _events) = start(stand_in(1));
    let running = tokio::spawn(pool.transcribe(scripts.job("linger 0")));
    until(&pool, |status| status.busy() == 1).await;
    let job = scripts.job("say never");
    job.cancel.cancel();
    assert_eq!(soon(pool.transcribe(job)).await, Err(EngineError::Cancelled));
    running.abort();
}

#[tokio::test]
async fn a_dropped_future_keeps_its_slot_until_the_child_confirms() {
    let scripts = Scripts::new();
    let (pool, mut events) = start(stand_in(1));
    for _ in 0..5 {
        let running = tokio::spawn(pool.transcribe(scripts.job("linger 50")));
        until(&pool, |status| status.busy() == 1).await;
        running.abort();
        // Given to the child while it lingers, this would end it with status 77.
        assert_eq!(text(soon(pool.transcribe(scripts.job("say next"))).await), "next");
    }
    assert!(matches!(next(&mut events).await, EngineEvent::Started { .. }));
    assert!(events.try_recv().is_err(), "one child served them all");
}

#[tokio::test]
async fn an_unresponsive_child_is_killed_at_the_deadline_and_a_new_one_serves_the_next_job() {
    let scripts = Scripts::new();
    let mut settings = stand_in(1);
    settings.cancel_grace = Duration::from_millis(200);
    let (pool, mut events) = start(settings);
    for script in ["unresponsive", "stopped", "half", "flood"] {
        let first = until(&pool, |status| status.warm() == 1).await.slots[0].pid;
        let mut job = scripts.job(script);
        job.deadline = Duration::from_millis(300);
        let waiting = tokio::spawn(pool.transcribe(job));
        until(&pool, |status| status.busy() == 1).await;
        let next_one = tokio::spawn(pool.transcribe(scripts.job("say alive")));
        let ended = soon(waiting).await.unwrap();
        assert_eq!(ended, Err(EngineError::Deadline { after: Duration::from_millis(300) }), "{script}");
        assert_eq!(text(soon(next_one).await.unwrap()), "alive", "{script}");
        assert!(matches!(next(&mut events).await, EngineEvent::Started { .. }));
        assert_eq!(next(&mut events).await, EngineEvent::Killed { slot: 0 }, "{script}");
        assert_ne!(pool.status().borrow().slots[0].pid, first, "{script}");
    }
}

#[tokio::test]
async fn a_job_that_stops_at_its_deadline_keeps_its_child() {
    let scripts = Scripts::new();
    let (pool, mut events) = start(stand_in(1));
    let mut job = scripts.job("linger 0");
    job.deadline = Duration::from_millis(50);
    assert!(matches!(soon(pool.transcribe(job)).await, Err(EngineError::Deadline { .. })));
    assert_eq!(text(soon(pool.transcribe(scripts.job("say alive"))).await), "alive");
    assert!(matches!(next(&mut events).await, EngineEvent::Started { .. }));
    assert!(events.try_recv().is_err());
}

#[tokio::test]
async fn every_kind_of_crash_fails_one_job() {
    let scripts = Scripts::new();
    let mut settings = stand_in(1);
    settings.cancel_grace = Duration::from_millis(200);
    let (pool, mut events) = start(settings);
    for (script, exit) in [
        ("devour", Exit::Signal(6)),
        ("closed", Exit::Unresponsive),
        ("segfault", Exit::Signal(11)),
        ("abort", Exit::Signal(6)),
        ("exit 3", Exit::Code(3)),
        ("garbage", Exit::ProtocolError),
        ("oversized", Exit::ProtocolError),
        ("stranger", Exit::ProtocolError),
    ] {
        let crash = tokio::spawn(pool.transcribe(scripts.job(script)));
        let waiting = tokio::spawn(pool.transcribe(scripts.job("say unharmed")));
        assert_eq!(soon(crash).await.unwrap(), Err(EngineError::Crashed(exit)), "{script}");
        assert_eq!(text(soon(waiting).await.unwrap()), "unharmed", "{script}");
        assert!(matches!(next(&mut events).await, EngineEvent::Started { .. }));
        assert_eq!(next(&mut events).await, EngineEvent::Crashed { slot: 0, exit, busy: true });
        assert!(matches!(next(&mut events).await, EngineEvent::Restarting { .. }));
    }
}

#[tokio::test]
async fn restarts_back_off_when_idle_children_die_and_not_when_jobs_crash_them() {
    let scripts = Scripts::new();
    let settings = stand_in(1);
    let short = settings.backoff;
    let (pool, mut events) = start(settings);
    for _ in 0..6 {
        assert!(matches!(soon(pool.transcribe(scripts.job("abort"))).await, Err(EngineError::Crashed(_))));
        assert!(matches!(next(&mut events).await, EngineEvent::Started { .. }));
        assert!(matches!(next(&mut events).await, EngineEvent::Crashed { busy: true, .. }));
        assert_eq!(next(&mut events).await, EngineEvent::Restarting { slot: 0, after: short });
    }
    for times in [1, 2, 4] {
        assert!(matches!(next(&mut events).await, EngineEvent::Started { .. }));
        kill(until(&pool, |status| status.warm() == 1).await.pids().next().unwrap());
        assert!(matches!(next(&mut events).await, EngineEvent::Crashed { busy: false, .. }));
        assert_eq!(next(&mut events).await, EngineEvent::Restarting { slot: 0, after: short * times });
    }
}

#[tokio::test]
async fn a_job_whose_child_sends_events_without_a_pause_can_be_cancelled() {
    let scripts = Scripts::new();
    let mut settings = stand_in(1);
    settings.cancel_grace = Duration::from_millis(200);
    let (pool, mut events) = start(settings);
    let job = scripts.job("flood");
    let (cancel, mut progress) = (job.cancel.clone(), job.progress.subscribe());
    let running = tokio::spawn(pool.transcribe(job));
    soon(progress.changed()).await.unwrap();
    cancel.cancel();
    assert_eq!(soon(running).await.unwrap(), Err(EngineError::Cancelled));
    assert!(matches!(next(&mut events).await, EngineEvent::Started { .. }));
    assert_eq!(next(&mut events).await, EngineEvent::Killed { slot: 0 });
}

#[tokio::test]
async fn an_idle_child_that_dies_is_replaced_and_no_job_fails() {
    let scripts = Scripts::new();
    let (pool, mut events) = start(stand_in(1));
    let pid = until(&pool, |status| status.warm() == 1).await.pids().next().unwrap();
    kill(pid);
    assert!(matches!(next(&mut events).await, EngineEvent::Started { .. }));
    assert_eq!(next(&mut events).await, EngineEvent::Crashed { slot: 0, exit: Exit::Signal(9), busy: false });
    assert_eq!(text(soon(pool.transcribe(scripts.job("say hello"))).await), "hello");
}

#[tokio::test]
async fn slots_work_in_parallel_with_one_job_each() {
    let scripts = Scripts::new();
    let (pool, mut events) = start(stand_in(2));
    let lingering = tokio::spawn(pool.transcribe(scripts.job("linger 0")));
    until(&pool, |status| status.busy() == 1 && status.warm() == 2).await;
    // One worker is taken; the other serves all these, one after another, or the stand-in ends with 77.
    let many: Vec<_> =
        (0..50).map(|n| tokio::spawn(pool.transcribe(scripts.job(&format!("wait 1;say {n}"))))).collect();
    for (number, work) in many.into_iter().enumerate() {
        assert_eq!(text(soon(work).await.unwrap()), number.to_string());
    }
    lingering.abort();
    until(&pool, |status| status.busy() == 0).await;
    for _ in 0..2 {
        assert!(matches!(next(&mut events).await, EngineEvent::Started { .. }));
    }
    assert!(events.try_recv().is_err(), "no child was lost");
}

#[tokio::test]
async fn an_engine_that_cannot_start_is_unavailable_with_its_reason() {
    let scripts = Scripts::new();
    for (start_as, reason) in [
        ("load-failed the model is a picture", "the model is a picture"),
        ("exit 4", "exit status 4"),
        ("version 99", "its program speaks version 99 of the engine protocol and this one version 4"),
        ("silent", "is the program another version?"),
    ] {
        let mut settings = stand_in(1);
        settings.environment.push(("STAND_IN_START".into(), start_as.into()));
        let (pool, mut events) = start(settings);
        match soon(pool.transcribe(scripts.job("say never"))).await {
            Err(EngineError::Unavailable { reason: message }) => assert!(message.contains(reason), "{message}"),
            other => panic!("{other:?}"),
        }
        assert!(matches!(next(&mut events).await, EngineEvent::StartFailed { .. }));
        assert!(pool.status().borrow().outage().is_some());
    }
    let mut settings = stand_in(1);
    settings.command = "/nowhere/at/all".into();
    let (pool, _events) = start(settings);
    let message = soon(pool.transcribe(scripts.job("say never"))).await.unwrap_err().to_string();
    assert!(message.contains("cannot be run"), "{message}");
}

#[tokio::test]
async fn a_start_that_exceeds_its_timeout_fails() {
    let scripts = Scripts::new();
    let mut settings = stand_in(1);
    settings.start_timeout = Duration::from_millis(50);
    settings.start_attempts = 2;
    settings.environment.push(("STAND_IN_START".into(), "wait 60000".into()));
    let (pool, _events) = start(settings);
    let message = soon(pool.transcribe(scripts.job("say never"))).await.unwrap_err().to_string();
    assert!(message.contains("load the model"), "{message}");
}

#[tokio::test]
async fn a_child_inherits_only_what_it_needs() {
    let scripts = Scripts::new();
    let (pool, _events) = start(stand_in(1));
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    for (name, value) in [("CARGO_MANIFEST_DIR", "absent"), ("HOME", "absent"), ("GOMP_SPINCOUNT", "1000")] {
        assert_eq!(text(soon(pool.transcribe(scripts.job(&format!("env {name}")))).await), value, "{name}");
    }
}

#[tokio::test]
async fn shutting_down_stops_jobs_and_children() {
    let scripts = Scripts::new();
    let (pool, _events) = start(stand_in(1));
    let running = tokio::spawn(pool.transcribe(scripts.job("linger 0")));
    let pid = until(&pool, |status| status.busy() == 1).await.pids().next().unwrap();
    let waiting = tokio::spawn(pool.transcribe(scripts.job("say never")));
    soon(pool.shutdown()).await;
    assert_eq!(soon(running).await.unwrap(), Err(EngineError::ShutDown));
    assert_eq!(soon(waiting).await.unwrap(), Err(EngineError::ShutDown));
    assert_eq!(soon(pool.transcribe(scripts.job("say never"))).await, Err(EngineError::ShutDown));
    assert_eq!(pool.status().borrow().slots[0].state, SlotState::ShutDown);
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn the_service_is_ready_only_with_an_idle_slot() {
    let scripts = Scripts::new();
    let (pool, _events) = start(stand_in(1));
    let mut service = pool.service();
    let mut other = service.clone();
    soon(service.ready()).await.unwrap();
    assert!(futures::poll!(Box::pin(other.ready())).is_pending(), "the one worker is reserved");
    // An unused reservation goes to the next waiting caller.
    drop(service);
    soon(other.ready()).await.unwrap();
    assert_eq!(text(soon(other.call(scripts.job("say served"))).await), "served");
    assert_eq!(text(soon(pool.service().oneshot(scripts.job("say once more"))).await), "once more");
}

#[tokio::test]
async fn the_service_is_not_ready_with_a_slot_that_has_lost_its_child() {
    let scripts = Scripts::new();
    let (pool, mut events) = start(stand_in(1));
    let mut service = pool.service();
    soon(service.ready()).await.unwrap();
    assert!(futures::poll!(Box::pin(service.ready())).is_ready());
    kill(until(&pool, |status| status.warm() == 1).await.pids().next().unwrap());
    until(&pool, |status| status.warm() == 0).await;
    assert!(futures::poll!(Box::pin(service.ready())).is_pending());
    soon(service.ready()).await.unwrap();
    assert!(matches!(next(&mut events).await, EngineEvent::Started { .. }));
    assert!(matches!(next(&mut events).await, EngineEvent::Crashed { .. }));
    assert_eq!(text(soon(service.call(scripts.job("say served"))).await), "served");
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

fn is_alive(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

// === The real engine ===

fn repository(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    assert!(path.exists(), "{} is missing: run `./dev test`", path.display());
    path
}

fn real(workers: usize) -> (EnginePool, Events) {
    let model = repository("data/models/ggml-base-q8_0.bin");
    start(EngineSettings::new(env!("CARGO_BIN_EXE_stenobot").into(), model, workers, 1))
}

fn sample(name: &str, language: SpeechLanguage) -> EngineJob {
    let file = repository("samples").join(name).with_extension("ogg");
    EngineJob::new(&file, language, Duration::from_secs(600), Duration::from_secs(600))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn speech_becomes_text_in_the_language_that_is_spoken() {
    let (pool, _events) = real(1);
    for (name, language, most) in [("ru-short-01", "ru", 0.4), ("en-short-01", "en", 0.1), ("ru-30s-1", "ru", 0.3)] {
        let transcript = pool.transcribe(sample(name, SpeechLanguage::Auto)).await.unwrap();
        assert_eq!(transcript.language, language);
        assert!(transcript.language_probability.unwrap() > 0.8);
        let reference = std::fs::read_to_string(repository("samples").join(name).with_extension("txt")).unwrap();
        let rate = word_errors(&reference, &transcript.text().0).rate().unwrap();
        assert!(rate <= most, "{name}: {rate:.2}");
        assert!(transcript.segments.iter().all(|s| s.start <= s.end && s.end <= transcript.audio));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_recording_reports_progress_and_can_be_cancelled_in_the_middle() {
    let (pool, _events) = real(1);
    let mut job = sample("ru-110s-1", SpeechLanguage::Code("ru".to_owned()));
    let (sender, mut progress) = watch::channel(Progress::default());
    (job.progress, job.deadline) = (sender, Duration::from_secs(600));
    let cancel = job.cancel.clone();
    let running = tokio::spawn(pool.transcribe(job));
    let seen = *progress.wait_for(|progress| !progress.done.is_zero()).await.unwrap();
    assert!(seen.fraction() < 0.9 && seen.total > Duration::from_secs(60));
    cancel.cancel();
    assert_eq!(soon(running).await.unwrap(), Err(EngineError::Cancelled));
    until(&pool, |status| status.warm() == 1 && status.busy() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_killed_during_a_job_fails_that_job_only() {
    let (pool, _events) = real(1);
    let mut job = sample("ru-110s-1", SpeechLanguage::Auto);
    let (sender, mut progress) = watch::channel(Progress::default());
    job.progress = sender;
    let running = tokio::spawn(pool.transcribe(job));
    progress.wait_for(|progress| !progress.total.is_zero()).await.unwrap();
    let pid = pool.status().borrow().pids().next().unwrap();
    kill(pid);
    assert_eq!(soon(running).await.unwrap(), Err(EngineError::Crashed(Exit::Signal(9))));
    let transcript = pool.transcribe(sample("en-short-01", SpeechLanguage::Auto)).await.unwrap();
    assert_eq!(transcript.language, "en");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_language_and_a_file_without_audio_are_refused_and_the_child_is_reused() {
    let (pool, mut events) = real(1);
    let job = sample("en-short-01", SpeechLanguage::Code("xx".to_owned()));
    assert_eq!(soon(pool.transcribe(job)).await, Err(EngineError::UnknownLanguage("xx".to_owned())));
    let minute = Duration::from_secs(60);
    let job = EngineJob::new(&repository("Cargo.toml"), SpeechLanguage::Auto, minute, minute);
    assert!(matches!(soon(pool.transcribe(job)).await, Err(EngineError::Audio(_))));
    assert!(matches!(next(&mut events).await, EngineEvent::Started { .. }));
    assert!(events.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_no_model_makes_the_engine_unavailable() {
    let settings = EngineSettings::new(env!("CARGO_BIN_EXE_stenobot").into(), repository("Cargo.toml"), 1, 1);
    let (pool, _events) = start(EngineSettings { backoff: Duration::from_millis(10), ..settings });
    let message = soon(pool.transcribe(sample("en-short-01", SpeechLanguage::Auto))).await.unwrap_err().to_string();
    assert!(message.contains("Cargo.toml cannot be used: it does not begin like a ggml model"), "{message}");
}

/// On an abort, ggml starts the program `gdb` of the PATH, as this user and with trace rights on the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_aborts_starts_no_debugger() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let program = |name: &str, script: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
        path
    };
    let here = folder.path().display();
    program("gdb", format!("#!/bin/sh\necho started >'{here}/started'\n"));
    // Less memory than the model needs, and a debugger in the PATH.
    let engine = env!("CARGO_BIN_EXE_stenobot");
    let script = format!(
        "#!/bin/sh\necho \"$PATH\" >'{here}/path'\nulimit -d 60000\nPATH='{here}':$PATH\nexport PATH\nexec '{engine}' \"$@\"\n"
    );
    let command = program("engine", script);
    let settings = EngineSettings::new(command, repository("data/models/ggml-base-q8_0.bin"), 1, 1);
    let (pool, _events) = start(EngineSettings { backoff: Duration::from_millis(10), ..settings });
    let message = soon(pool.transcribe(sample("en-short-01", SpeechLanguage::Auto))).await.unwrap_err().to_string();
    assert!(message.contains("signal 6"), "{message}");
    assert!(!folder.path().join("started").exists(), "a debugger was started");
    assert_eq!(std::fs::read_to_string(folder.path().join("path")).unwrap(), "/usr/bin:/bin\n");
}

#[tokio::test]
async fn a_child_ends_with_its_parent() {
    use tokio::io::AsyncReadExt;
    let model = repository("data/models/ggml-base-q8_0.bin");
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_stenobot"));
    command.arg("engine").arg(model).arg("1").kill_on_drop(true);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Hello, then that the model is loaded: it is idle.
    let output = child.stdout.as_mut().unwrap();
    for _ in 0..2 {
        let length = soon(output.read_u32()).await.unwrap();
        soon(output.read_exact(&mut vec![0; length as usize])).await.unwrap();
    }
    // The kernel closes it when the parent dies.
    drop(child.stdin.take());
    assert!(soon(child.wait()).await.unwrap().success());
}

#[tokio::test]
async fn the_probe_returns_the_length_or_an_error() {
    let program = Path::new(env!("CARGO_BIN_EXE_stenobot"));
    let limit = Duration::from_secs(60);
    let length = probe::probe(program, &repository("samples/ru-short-01.ogg"), limit).await.unwrap();
    assert!((4.0..4.4).contains(&length.as_secs_f64()), "{length:?}");
    let text = probe::probe(program, &repository("Cargo.toml"), limit).await;
    assert!(matches!(text, Err(probe::ProbeError::Audio(_))), "{text:?}");
    let absent = probe::probe(Path::new("/nowhere/at/all"), Path::new("x"), limit).await;
    assert!(matches!(absent, Err(probe::ProbeError::Spawn(_))), "{absent:?}");
}
