//! A bot that runs, and what is looked at when it has stopped.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, FromRow};
use stenobot_simulator::answers::{Answer, BotText, RequestOutcome, trail};
use stenobot_simulator::harness::{Setup, Simulation};
use stenobot_simulator::server::{CallRecord, Method, State};
use stenobot_simulator::users::SentMessage;
use stenobot_simulator::voices::Voice;
use tokio::sync::{Mutex, MutexGuard};

use crate::recordings::asset;
use crate::secrets::{self, Spoken};

/// Far more than anything here takes, even beside busy neighbours; a test that reaches it has failed.
pub(crate) const SCENARIO_TIMEOUT: Duration = Duration::from_secs(150);

/// From SIGTERM to the bot's end; its own limit is 20 s.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// Real engines take turns: two at once on two cores would only measure each other.
pub(crate) static REAL_ENGINE_LOCK: Mutex<()> = Mutex::const_new(());

/// Waits for what must happen.
pub(crate) async fn eventually<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(SCENARIO_TIMEOUT, future).await {
        Ok(output) => output,
        Err(_) => panic!("this did not happen in time: {what}"),
    }
}

/// A request's row. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) chat_id: i64,
    pub(crate) message_id: i32,
    pub(crate) voice_file_id: String,
    pub(crate) voice_duration_seconds: Option<f64>,
    pub(crate) model_size: Option<String>,
    pub(crate) processing_time_seconds: Option<f64>,
    pub(crate) transcription_length: Option<i64>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    pub(crate) stage: String,
    pub(crate) reason: Option<String>,
    pub(crate) answered: bool,
    pub(crate) received_at: i64,
    pub(crate) queued_at: Option<i64>,
    pub(crate) started_at: Option<i64>,
    pub(crate) finished_at: Option<i64>,
}

/// Sends a signal to a process.
pub(crate) fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// The bot with Telegram and users around it.
pub(crate) struct Scene {
    pub(crate) simulation: Simulation,
    pub(crate) spoken: Spoken,
    _turn: Option<MutexGuard<'static, ()>>,
}

impl Scene {
    /// The bot as it is, with the real model.
    pub(crate) async fn real(settings: &[(&str, &str)]) -> Self {
        // Whoever is before has deadlines of its own.
        let turn = REAL_ENGINE_LOCK.lock().await;
        Self::start(bot(settings), Some(turn)).await
    }

    /// The bot with the engine's stand-in.
    pub(crate) async fn stand_in(settings: &[(&str, &str)]) -> Self {
        Self::start(bot_with_engine(&stand_in(), settings), None).await
    }

    async fn start(setup: Setup, turn: Option<MutexGuard<'static, ()>>) -> Self {
        let simulation = Simulation::start(setup).await.unwrap();
        Self { simulation, spoken: Spoken::default(), _turn: turn }
    }

    /// From a simulation whose bot the test has started by itself.
    pub(crate) fn of(simulation: Simulation) -> Self {
        Self { simulation, spoken: Spoken::default(), _turn: None }
    }

    /// A new user sends a recording.
    pub(crate) fn send_voice(&mut self, voice: &Voice) -> SentMessage {
        self.spoken.add(&voice.text);
        self.simulation.new_user("Анна", "ru").send_voice(voice)
    }

    /// The final answer, which must be a text.
    pub(crate) async fn text(&mut self, sent: &SentMessage) -> String {
        let text = answered(self.answer(sent).await);
        self.spoken.add(&text);
        text
    }

    /// The final answer.
    pub(crate) async fn answer(&self, sent: &SentMessage) -> RequestOutcome {
        let Answer { outcome, .. } = sent.final_answer(SCENARIO_TIMEOUT).await.unwrap();
        outcome
    }

    /// Waits until an update is confirmed: the bot is through with it.
    pub(crate) async fn wait_until_confirmed(&self, update: i64) {
        let found = self
            .simulation
            .api()
            .wait_for(|state| state.confirmed.iter().find(|record| record.id == update).map(|_| ()));
        eventually("the update is confirmed", found).await;
    }

    /// Waits until the queue's messages show these positions and no others, whoever stands there.
    pub(crate) async fn wait_for_positions(&self, sent: &[SentMessage], wanted: &[u32]) {
        let shown = |state: &State| {
            let latest = sent.iter().filter_map(|sent| trail(state, sent.chat(), sent.id()).latest);
            let mut positions: Vec<u32> = latest.filter_map(|said| position(&said)).collect();
            positions.sort_unstable();
            (positions == wanted).then_some(())
        };
        eventually(&format!("the positions {wanted:?} are shown"), self.simulation.api().wait_for(shown)).await;
    }

    /// Waits until so many calls of one method have been answered.
    pub(crate) async fn wait_for_calls(&self, method: Method, count: usize) {
        let reached =
            |state: &State| (state.calls.iter().filter(|call| call.method == method).count() >= count).then_some(());
        eventually("one more call", self.simulation.api().wait_for(reached)).await;
    }

    /// Waits for a call that `look` is after.
    pub(crate) async fn wait_for_call(&self, what: &str, mut look: impl FnMut(&CallRecord) -> bool) -> CallRecord {
        let found = self.simulation.api().wait_for(|state| state.calls.iter().find(|call| look(call)).cloned());
        eventually(what, found).await
    }

    /// How often the bot called a method, and Telegram took it.
    pub(crate) fn calls(&self, method: Method) -> usize {
        self.simulation.api().read(|state| state.calls.iter().filter(|call| call.method == method).count())
    }

    /// Every request's row, in order of arrival.
    pub(crate) async fn rows(&self) -> Vec<Row> {
        rows(&self.simulation.store()).await
    }

    /// The row of one message.
    pub(crate) async fn row(&self, sent: &SentMessage) -> Row {
        row_of(&self.rows().await, sent)
    }

    /// Waits until the bot is through with everything: whoever has an answer has it a moment before the store knows.
    pub(crate) async fn wait_until_closed(&self) {
        let through = async {
            while self.rows().await.iter().any(|row| !row.answered) {
                // Nobody tells of another process's writes.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        eventually("everything has ended", through).await;
    }

    /// Ends the bot in order and looks at what it leaves behind. Gives the rows.
    pub(crate) async fn shut_down(self) -> Vec<Row> {
        self.into_stopped().await.rows().await
    }

    /// The same, to look at what users have in their hands then.
    pub(crate) async fn into_stopped(self) -> Self {
        let scene = self.into_stopped_with_audio().await;
        let audio = std::fs::read_dir(scene.simulation.data().join("audio")).unwrap().count();
        assert_eq!(audio, 0, "audio is left behind");
        scene
    }

    /// The same where recordings are kept for a while.
    pub(crate) async fn into_stopped_with_audio(mut self) -> Self {
        let status = self.simulation.terminate_bot(SHUTDOWN_TIMEOUT).await.unwrap();
        assert!(status.success(), "the bot ended with {status}");
        for row in &self.rows().await {
            assert!(row.answered, "nobody told the sender of {row:?}");
        }
        let log = std::fs::read_to_string(self.simulation.log()).unwrap();
        assert!(log.contains("DEBUG"), "the log is to be looked at with all that it can say");
        self
    }

    /// Nothing that must not be is in the log or in the bot's files; looked at after every test that has come to its end.
    fn check_secrets(&self) {
        let log = std::fs::read_to_string(self.simulation.log()).unwrap();
        secrets::check_log(&log, self.simulation.api().token(), &self.simulation.data(), &self.spoken);
        secrets::check_files(&self.simulation.data(), self.simulation.api().token(), &self.spoken);
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.simulation.log()).unwrap_or_default();
            let ours: Vec<&str> = log.lines().filter(|line| line.contains("stenobot::")).collect();
            eprintln!("the bot's log ends with:\n{}", ours[ours.len().saturating_sub(60)..].join("\n"));
        } else {
            self.check_secrets();
        }
    }
}

/// Where a text says that a request stands in the queue.
pub(crate) fn position(said: &BotText) -> Option<u32> {
    match said {
        BotText::Queued { position } => *position,
        BotText::Received
        | BotText::Delayed
        | BotText::Started
        | BotText::Progress { .. }
        | BotText::Final(_)
        | BotText::Part(_) => None,
    }
}

/// The rows of a store, also while a bot works on it.
async fn rows(store: &Path) -> Vec<Row> {
    let mut connection = SqliteConnectOptions::new().filename(store).read_only(true).connect().await.unwrap();
    sqlx::query_as("SELECT * FROM usage ORDER BY id").fetch_all(&mut connection).await.unwrap()
}

/// The row of one message among others.
pub(crate) fn row_of(rows: &[Row], sent: &SentMessage) -> Row {
    let found = rows.iter().find(|row| row.chat_id == sent.chat().0 && row.message_id == sent.id().0);
    found.expect("the request has a row").clone()
}

/// The engine heard one request at a time, and no user who stood in the queue was overtaken.
pub(crate) fn assert_processed_in_order(rows: &[Row]) {
    let mut rows: Vec<&Row> = rows.iter().filter(|row| row.started_at.is_some()).collect();
    rows.sort_by_key(|row| row.started_at);
    for (index, one) in rows.iter().enumerate() {
        let work = Duration::from_secs_f64(one.processing_time_seconds.unwrap()).as_millis() as i64;
        for later in &rows[index + 1..] {
            assert!(one.started_at.unwrap() + work <= later.started_at.unwrap(), "two at once: {one:?} and {later:?}");
            let overtaken = later.id < one.id && later.queued_at < one.started_at;
            assert!(!overtaken, "{one:?} was served before {later:?}");
        }
    }
}

/// The text of an answer that is one.
pub(crate) fn answered(outcome: RequestOutcome) -> String {
    match outcome {
        RequestOutcome::Answered(text) => text,
        other => panic!("a text was expected, not {other:?}"),
    }
}

/// The sentence of a refusal.
pub(crate) fn rejected(outcome: RequestOutcome) -> String {
    match outcome {
        RequestOutcome::Rejected(why) => why,
        other => panic!("a refusal was expected, not {other:?}"),
    }
}

/// The sentence of an apology.
pub(crate) fn failed(outcome: RequestOutcome) -> String {
    match outcome {
        RequestOutcome::Failed(why) => why,
        other => panic!("an apology was expected, not {other:?}"),
    }
}

/// The real program with the real model.
pub(crate) fn bot(settings: &[(&str, &str)]) -> Setup {
    let model = asset("data/models/ggml-base-q8_0.bin");
    let mut setup = Setup::of(env!("CARGO_BIN_EXE_stenobot").into())
        .with("log_level", "info,stenobot=debug")
        // What is left behind is looked at in the end; tests of the buttons have it kept.
        .with("audio_retention_seconds", "0");
    setup.models = model.parent().map(Path::to_owned);
    settings.iter().fold(setup, |setup, (key, value)| setup.with(key, *value))
}

/// The real program with another engine.
pub(crate) fn bot_with_engine(engine: &Path, settings: &[(&str, &str)]) -> Setup {
    let mut setup = bot(settings);
    setup.arguments.extend(["--engine-program".into(), engine.into()]);
    setup
}

/// The engine's stand-in.
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
