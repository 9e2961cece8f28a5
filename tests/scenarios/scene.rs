//! The bot as a child process.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use stenobot_simulator::harness::{Environment, Setup, Simulation};
use stenobot_simulator::metrics_page::MetricsPage;
use tokio::sync::{Mutex, MutexGuard};

use crate::recordings::asset;
use crate::stories::scene::TestBot;

pub(crate) use crate::stories::scene::{Row, answered, buttons, failed, position, rejected, row_of};
pub(crate) use crate::stories::{SCENARIO_TIMEOUT, eventually};

/// A scene whose bot is a child process.
pub(crate) type Scene = crate::stories::scene::Scene<Simulation>;

/// From SIGTERM to the end of the bot; its own limit is 20 s.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// Held by tests with a real engine, because two engines at once on two cores would miss their deadlines.
pub(crate) static REAL_ENGINE_LOCK: Mutex<()> = Mutex::const_new(());

/// Sends a signal to a process.
pub(crate) fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

impl TestBot for Simulation {
    async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start(bot_with_engine(&stand_in(), settings)).await.unwrap()
    }

    fn environment(&self) -> &Environment {
        self.environment()
    }

    async fn restart_with(&mut self, key: &str, value: &str) {
        self.set(key, value);
        self.restart().await.unwrap();
    }

    async fn metrics(&self) -> MetricsPage {
        self.metrics().await.unwrap()
    }

    async fn shut_down(&mut self) {
        let status = self.terminate(SHUTDOWN_TIMEOUT).await.unwrap();
        assert!(status.success(), "the bot ended with {status}");
        // Each step of a request is logged at that level.
        let log = TestBot::log(self);
        let is_verbose = log.contains("DEBUG") || !log.contains("transcribed");
        assert!(is_verbose, "secrets are searched in a log of the most verbose level");
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }
}

/// Starts the bot with the real model, and holds [`REAL_ENGINE_LOCK`] while the returned guard lives.
pub(crate) async fn real(settings: &[(&str, &str)]) -> (MutexGuard<'static, ()>, Scene) {
    // Locked before the start: the requests of the previous test have deadlines.
    let lock = REAL_ENGINE_LOCK.lock().await;
    let library = asset("data/lib/libonnxruntime.so.1.28.0");
    let setup = bot(settings).with("onnx_library", library.as_os_str());
    (lock, Scene::of(Simulation::start(setup).await.unwrap()))
}

/// The program with the real model.
pub(crate) fn bot(settings: &[(&str, &str)]) -> Setup {
    let model = asset("data/models/ggml-base-q8_0.bin");
    let mut setup = Setup::of(env!("CARGO_BIN_EXE_stenobot").into())
        .with("log_level", "info,stenobot=debug")
        // Most tests check that no audio remains.
        .with("audio_retention_seconds", "0");
    setup.models = model.parent().map(Path::to_owned);
    settings.iter().fold(setup, |setup, (key, value)| setup.with(key, *value))
}

/// The program with another engine.
pub(crate) fn bot_with_engine(engine: &Path, settings: &[(&str, &str)]) -> Setup {
    let mut setup = bot(settings);
    setup.arguments.extend(["--engine-program".into(), engine.into()]);
    setup
}

/// The engine with scripted answers, `examples/engine_stand_in.rs`.
pub(crate) fn stand_in() -> std::path::PathBuf {
    example("engine_stand_in")
}

/// A program of `examples/`.
pub(crate) fn example(name: &str) -> std::path::PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(program.is_file(), "{name} is not built: run `./dev test`");
    program
}
