//! The engine's process on ONNX Runtime: cancellation, deadlines, its environment, and the version of a library.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use stenobot_domain::{Progress, SpeechLanguage};
use stenobot_engine::{EngineError, EngineEvent, EnginePool, onnx_runtime_version};
use stenobot_speech::{LanguageHint, Observer, RecognizerError, Runtime, Transcriber};
use tokio::sync::watch;

use super::{decoded, job, library, models, repository, settings};

async fn pool() -> EnginePool {
    let (_, settings) = settings(1).await;
    EnginePool::start(settings, |_: &EngineEvent| {})
}

/// The child's process id, once it is idle.
async fn idle_child(pool: &EnginePool) -> u32 {
    let is_idle = |status: &stenobot_engine::PoolStatus| status.warm() == 1 && status.busy() == 0;
    let status = pool.status().wait_for(is_idle).await.unwrap().clone();
    status.pids().next().unwrap()
}

/// The next job is done, by the same child.
async fn assert_reused(pool: &EnginePool, pid: u32) {
    let transcript = pool.transcribe(job("en-short-01")).await.unwrap();
    assert_eq!(transcript.language, "en");
    assert_eq!(idle_child(pool).await, pid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_cancelled_or_exceeds_its_deadline_leaves_its_child_usable() {
    let pool = pool().await;
    let pid = idle_child(&pool).await;
    let model = pool.status().borrow().model.clone().unwrap();
    assert!(model.backend.starts_with("ONNX Runtime 1.28.0, "), "{}", model.backend);

    let mut long = job("ru-110s-1");
    let (sender, mut progress) = watch::channel(Progress::default());
    long.progress = sender;
    let cancel = long.cancel.clone();
    let running = tokio::spawn(pool.transcribe(long));
    progress.wait_for(|progress| !progress.done.is_zero()).await.unwrap();
    cancel.cancel();
    assert_eq!(running.await.unwrap(), Err(EngineError::Cancelled));
    assert_reused(&pool, pid).await;

    let after = Duration::from_millis(300);
    let mut long = job("ru-110s-1");
    long.deadline = after;
    assert_eq!(pool.transcribe(long).await, Err(EngineError::Deadline { after }));
    assert_reused(&pool, pid).await;
    pool.shutdown().await;
}

/// Cancels from its nth question on, and behind the first progress.
struct CancelledFrom {
    question: u32,
    asked: Cell<u32>,
    is_over: bool,
}

impl CancelledFrom {
    fn new(question: u32) -> Self {
        Self { question, asked: Cell::new(0), is_over: false }
    }
}

impl Observer for CancelledFrom {
    fn is_cancelled(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.is_over || self.asked.get() >= self.question
    }

    fn on_progress(&mut self, _position: Duration) {
        self.is_over = self.question < u32::MAX;
    }
}

#[tokio::test]
async fn a_transcription_is_cancelled_at_any_question_and_the_transcriber_stays_usable() {
    let (_, prepared, detector) = models().await;
    let library = library();
    let runtime = Runtime::Onnx { library: &library };
    let (long, short) = (decoded("ru-110s-1"), decoded("en-short-01"));
    let hint = LanguageHint { language: &SpeechLanguage::Auto, likely: &[] };
    // A detector's questions come first, one before each block of sound.
    for detector in [None, Some(&*detector.path)] {
        let mut transcriber = Transcriber::load(runtime, &prepared.path, detector, 2).unwrap();
        let mut transcribe = |samples: &[f32], question| {
            let transcription = transcriber.transcribe(samples, hint, &mut CancelledFrom::new(question));
            transcription.map(|transcription| (transcription.language, transcription.segments))
        };
        let expected = transcribe(&short, u32::MAX);
        assert_eq!(expected.as_ref().unwrap().0, "en");
        for question in [2, 1, 3, 6, 40] {
            assert_eq!(transcribe(&long, question), Err(RecognizerError::Cancelled), "question {question}");
            assert_eq!(transcribe(&short, u32::MAX), expected, "after question {question}");
        }
    }
}

/// Questions are asked at equal intervals while the encoder runs, so that their number is its time.
#[tokio::test]
async fn the_encoder_is_interrupted() {
    let (_, prepared, _) = models().await;
    let mut transcriber = Transcriber::load(Runtime::Onnx { library: &library() }, &prepared.path, None, 1).unwrap();
    let sound = decoded("ru-30s-1");
    let hint = LanguageHint { language: &SpeechLanguage::Code("ru".to_owned()), likely: &[] };
    let mut asked_from = |question| {
        let mut observer = CancelledFrom::new(question);
        let result = transcriber.transcribe(&sound, hint, &mut observer);
        assert_eq!(result.unwrap_err(), RecognizerError::Cancelled);
        observer.asked.get()
    };
    // Before the window, before the encoder, then while it runs.
    let (interrupted, whole) = (asked_from(3) - 3, asked_from(u32::MAX - 1) - 3);
    println!("{interrupted} questions after the one that cancels, {whole} in all");
    assert!(interrupted < whole / 2, "{interrupted} of {whole}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_library_s_telemetry_is_off_in_the_environment_of_an_engine() {
    let pool = pool().await;
    let pid = idle_child(&pool).await;
    let environment = std::fs::read(Path::new("/proc").join(pid.to_string()).join("environ")).unwrap();
    let variables: Vec<&[u8]> = environment.split(|&byte| byte == 0).collect();
    assert!(variables.contains(&&b"ORT_DISABLE_TELEMETRY=1"[..]), "{}", String::from_utf8_lossy(&environment));
    pool.shutdown().await;
}

#[tokio::test]
async fn the_version_of_a_library_is_read_or_its_fault_named() {
    let version = async |library: &Path| onnx_runtime_version(env!("CARGO_BIN_EXE_stenobot").as_ref(), library).await;
    assert_eq!(version(&library()).await.as_deref(), Ok("1.28.0"));

    let missing = version(Path::new("/nowhere/libonnxruntime.so")).await.unwrap_err();
    assert!(missing.contains("libonnxruntime.so cannot be loaded: "), "{missing}");
    assert!(missing.contains("No such file"), "{missing}");
    let text = version(&repository("Cargo.toml")).await.unwrap_err();
    assert!(text.contains("Cargo.toml cannot be loaded: "), "{text}");
    let folder = version(&repository("samples")).await.unwrap_err();
    assert!(folder.contains("samples cannot be loaded: "), "{folder}");

    let cut = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(cut.path(), &std::fs::read(library()).unwrap()[..1 << 20]).unwrap();
    let cut = version(cut.path()).await.unwrap_err();
    // The linker maps it and meets its end, or notices before.
    assert!(cut.ends_with(" crashes") || cut.contains("cannot be loaded: "), "{cut}");

    // A library that is mapped here already is one that can be loaded.
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut mapped = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    let other = mapped.find(|path| path.contains("/libm.so") || path.contains("/libm-")).expect("libm is in use");
    let other = version(Path::new(other)).await.unwrap_err();
    assert!(other.ends_with(" is no ONNX Runtime library"), "{other}");

    let program = onnx_runtime_version(Path::new("/nowhere/at/all"), &library()).await.unwrap_err();
    assert!(program.contains("cannot be started"), "{program}");
    for sentence in [missing, text, folder, cut, other, program] {
        assert_eq!(sentence.lines().count(), 1, "{sentence}");
    }
}
