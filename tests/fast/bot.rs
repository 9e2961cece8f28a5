//! A bot in the process of the test.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use metrics_exporter_prometheus::PrometheusRecorder;
use stenobot::app::{App, DataFolder, Dependencies, Engine};
use stenobot::config::Config;
use stenobot::lifecycle::Shutdown;
use stenobot::settings::RuntimeConfig;
use stenobot_domain::Clock;
use stenobot_engine::probe::Probes;
use stenobot_simulator::harness::Environment;
use stenobot_simulator::metrics_page::MetricsPage;
use stenobot_simulator::server::State;
use tokio::sync::watch;
use tracing_subscriber::fmt::MakeWriter;

use crate::recognizer::ScriptedRecognizer;
use crate::stories::eventually;
use crate::stories::scene::TestBot;

/// A bot on a thread of its own, whose log and metrics are those of that thread.
pub(crate) struct InProcessBot {
    environment: Environment,
    settings: BTreeMap<String, String>,
    running: Option<Running>,
    log: Log,
    recorder: &'static PrometheusRecorder,
}

struct Running {
    shutdown: Shutdown,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl InProcessBot {
    async fn run(&mut self) {
        let config = Config::from_settings(self.environment.api().token(), self.settings.clone()).unwrap();
        let shutdown = Shutdown::default();
        let before = self.environment.api().read(|state| state.requests_for_updates());
        let (log, recorder, stop) = (self.log.clone(), self.recorder, shutdown.clone());
        let thread = std::thread::spawn(move || {
            let subscriber =
                tracing_subscriber::fmt().with_env_filter("info,stenobot=debug").with_ansi(false).with_writer(log);
            let _log = tracing::subscriber::set_default(subscriber.finish());
            let _metrics = metrics::set_default_local_recorder(recorder);
            stenobot::metrics::register();
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(config, stop))
        });
        self.running = Some(Running { shutdown, thread });
        let asked = |state: &State| (state.requests_for_updates() > before).then_some(());
        eventually("the bot asks for updates", self.environment.api().wait_for(asked)).await;
    }

    async fn stop(&mut self) {
        let Running { shutdown, thread } = self.running.take().expect("the bot runs");
        shutdown.begin();
        let joined = tokio::task::spawn_blocking(|| thread.join());
        eventually("the bot stops", joined).await.unwrap().expect("the bot does not panic").unwrap();
    }
}

impl Drop for InProcessBot {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.shutdown.begin();
        }
    }
}

async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    // The first version of the settings stays the only one.
    let (_versions, settings) = watch::channel(RuntimeConfig::load(config.clone())?);
    let dependencies = Dependencies {
        folder: DataFolder::claim(&config).await?,
        settings,
        clock: Clock::System,
        probes: Probes::new(Path::new(env!("CARGO_BIN_EXE_stenobot"))),
        engine: Box::pin(async { Ok(Engine::scripted("base-q8_0", ScriptedRecognizer)) }),
        shutdown,
    };
    App::build(&config, dependencies).await?.run(|| ()).await
}

impl TestBot for InProcessBot {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let environment = Environment::start(Default::default(), None).await.unwrap();
        let text = |value: std::ffi::OsString| value.into_string().unwrap();
        let mut all: BTreeMap<String, String> =
            environment.settings().into_iter().map(|(key, value)| (key, text(value))).collect();
        all.insert("audio_retention_seconds".into(), "0".into());
        all.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        // Recorders of threads live as long as the process.
        let recorder = Box::leak(Box::new(stenobot::metrics::recorder().unwrap()));
        let mut bot = Self { environment, settings: all, running: None, log: Log::default(), recorder };
        bot.run().await;
        bot
    }

    fn environment(&self) -> &Environment {
        &self.environment
    }

    async fn restart_with(&mut self, key: &str, value: &str) {
        self.stop().await;
        self.settings.insert(key.to_owned(), value.to_owned());
        self.run().await;
    }

    async fn metrics(&self) -> MetricsPage {
        MetricsPage::parse(&self.recorder.handle().render())
    }

    async fn shut_down(&mut self) {
        self.stop().await;
    }

    fn log(&self) -> String {
        String::from_utf8(self.log.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap()
    }
}

/// The log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
