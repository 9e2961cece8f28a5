//! A bot among simulated users, and the checks after its shutdown.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, FromRow};
use stenobot_domain::{ChatId, MessageId, RequestId};
use stenobot_simulator::answers::{Answer, BotText, RequestOutcome, trail};
use stenobot_simulator::harness::Environment;
use stenobot_simulator::metrics_page::MetricsPage;
use stenobot_simulator::server::{Author, BotApi, CallRecord, Method, State, keyboard};
use stenobot_simulator::users::{SentMessage, User};
use stenobot_simulator::voices::Voice;
use stenobot_telegram::Action;

use super::secrets::{self, Spoken};
use super::{SCENARIO_TIMEOUT, eventually};

/// A bot under test: a child process, or a bot within the process of the test.
pub(crate) trait TestBot: Sized {
    /// Starts a bot with these settings, whose recogniser follows the scripts of [`super::script`], and waits until it asks for updates.
    async fn start(settings: &[(&str, &str)]) -> Self;

    /// The server, users and data folder of the bot.
    fn environment(&self) -> &Environment;

    /// Stops the bot and starts it again with one more setting.
    async fn restart_with(&mut self, key: &str, value: &str);

    /// The bot's current metrics.
    async fn metrics(&self) -> MetricsPage;

    /// Stops the bot in order; panics when it does not end in order or in time.
    async fn shut_down(&mut self);

    /// The log written so far.
    fn log(&self) -> String;
}

/// A request's row. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) chat_id: i64,
    /// None of a recording that a user received on their own account.
    pub(crate) message_id: Option<i32>,
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

/// A bot among simulated users.
pub(crate) struct Scene<B: TestBot> {
    pub(crate) bot: B,
    /// Words that must not appear in the log or in files.
    pub(crate) spoken: Spoken,
}

impl<B: TestBot> Scene<B> {
    /// Starts a bot with a scripted recogniser.
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        Self::of(B::start(settings).await)
    }

    /// A scene with a bot that the test has prepared.
    pub(crate) fn of(bot: B) -> Self {
        Self { bot, spoken: Spoken::default() }
    }

    pub(crate) fn api(&self) -> &BotApi {
        self.bot.environment().api()
    }

    pub(crate) fn new_user(&self, name: &str, language: &str) -> User {
        self.bot.environment().new_user(name, language)
    }

    /// Sends a recording from a new user.
    pub(crate) fn send_voice(&mut self, voice: &Voice) -> SentMessage {
        self.spoken.add(&voice.text);
        self.new_user("Анна", "ru").send_voice(voice)
    }

    /// The transcript in the final answer; panics for any other outcome.
    pub(crate) async fn text(&mut self, sent: &SentMessage) -> String {
        let text = answered(self.answer(sent).await);
        self.spoken.add(&text);
        text
    }

    /// The outcome of the final answer.
    pub(crate) async fn answer(&self, sent: &SentMessage) -> RequestOutcome {
        let Answer { outcome, .. } = sent.final_answer(SCENARIO_TIMEOUT).await.unwrap();
        outcome
    }

    /// Waits until the bot has confirmed an update.
    pub(crate) async fn wait_until_confirmed(&self, update: i64) {
        let found = self.api().wait_for(|state| state.confirmed.iter().find(|record| record.id == update).map(|_| ()));
        eventually("the update is confirmed", found).await;
    }

    /// Waits until the status messages show these positions and no others, in any order.
    pub(crate) async fn wait_for_positions(&self, sent: &[SentMessage], wanted: &[u32]) {
        let shown = |state: &State| {
            let latest = sent.iter().filter_map(|sent| trail(state, sent.chat(), sent.id()).latest);
            let mut positions: Vec<u32> = latest.filter_map(|text| position(&text)).collect();
            positions.sort_unstable();
            (positions == wanted).then_some(())
        };
        eventually(&format!("the positions {wanted:?} are shown"), self.api().wait_for(shown)).await;
    }

    /// Waits until so many calls of one method have ended.
    pub(crate) async fn wait_for_calls(&self, method: Method, count: usize) {
        let reached =
            |state: &State| (state.calls.iter().filter(|call| call.method == method).count() >= count).then_some(());
        eventually("one more call", self.api().wait_for(reached)).await;
    }

    /// Waits for a call that matches.
    pub(crate) async fn wait_for_call(&self, what: &str, mut matches: impl FnMut(&CallRecord) -> bool) -> CallRecord {
        let found = self.api().wait_for(|state| state.calls.iter().find(|call| matches(call)).cloned());
        eventually(what, found).await
    }

    /// Number of calls of a method.
    pub(crate) fn calls(&self, method: Method) -> usize {
        self.api().read(|state| state.calls.iter().filter(|call| call.method == method).count())
    }

    /// Waits for a message of the bot in a chat that contains `part`; gives the newest.
    pub(crate) async fn wait_for_text(&self, chat: ChatId, part: &str) -> (MessageId, String) {
        self.wait_for_message(chat, part, |text| text.contains(part)).await
    }

    /// Waits for a message of the bot in a chat that begins with `beginning`; gives the newest.
    pub(crate) async fn wait_for_text_beginning(&self, chat: ChatId, beginning: &str) -> (MessageId, String) {
        self.wait_for_message(chat, beginning, |text| text.starts_with(beginning)).await
    }

    async fn wait_for_message(&self, chat: ChatId, what: &str, matches: impl Fn(&str) -> bool) -> (MessageId, String) {
        let found = self.api().wait_for(|state| {
            let messages = state.chats.get(&chat)?.messages.values().rev();
            let own = messages.filter(|message| message.author == Author::Bot && message.deleted.is_none());
            own.filter_map(|message| Some((message.id, message.content.text()?.to_owned())))
                .find(|(_, text)| matches(text))
        });
        eventually(&format!("the bot says {what}"), found).await
    }

    /// Waits for the bot's first reply to a message.
    pub(crate) async fn wait_for_status(&self, sent: &SentMessage) -> MessageId {
        let shown = self.api().wait_for(|state| Some(state.replies(sent.chat(), sent.id()).next()?.id));
        eventually("a status message is there", shown).await
    }

    /// Waits until a message has a button, presses it, and waits for the answer to the press.
    pub(crate) async fn press(&self, user: &User, message: MessageId, action: &Action) {
        let data = action.encode();
        let found = self.api().wait_for(|state| buttons(state, user.chat(), message).contains(&data).then_some(()));
        eventually(&format!("the button {data} is there"), found).await;
        eventually("the press is answered", user.send_callback(message, &data).wait_for_answer()).await;
    }

    /// All request rows in order of arrival.
    pub(crate) async fn rows(&self) -> Vec<Row> {
        rows(&self.bot.environment().store()).await
    }

    /// The request row of a message.
    pub(crate) async fn row(&self, sent: &SentMessage) -> Row {
        row_of(&self.rows().await, sent)
    }

    /// The request id of a message.
    pub(crate) async fn request(&self, sent: &SentMessage) -> RequestId {
        RequestId(self.row(sent).await.id)
    }

    /// Waits until every request is closed in the store, which happens shortly after its answer is sent.
    pub(crate) async fn wait_until_closed(&self) {
        let closed = async {
            while self.rows().await.iter().any(|row| !row.answered) {
                // SQLite does not notify of writes by another process.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        eventually("every request is closed", closed).await;
    }

    /// Stops the bot and checks what it leaves behind. Gives the request rows.
    pub(crate) async fn shut_down(self) -> Vec<Row> {
        self.into_stopped().await.rows().await
    }

    /// Stops the bot and checks what it leaves behind; users and server stay for further checks.
    pub(crate) async fn into_stopped(self) -> Self {
        let scene = self.into_stopped_with_audio().await;
        let audio = std::fs::read_dir(scene.bot.environment().data().join("audio")).unwrap().count();
        assert_eq!(audio, 0, "audio is left behind");
        scene
    }

    /// As [`Scene::into_stopped`], for a bot that keeps recordings.
    pub(crate) async fn into_stopped_with_audio(mut self) -> Self {
        self.bot.shut_down().await;
        for row in &self.rows().await {
            assert!(row.answered, "the sender of {row:?} was not informed");
        }
        self
    }

    /// Checks log and data files for tokens, paths and transcripts; runs at the end of every successful test.
    fn check_secrets(&self) {
        let environment = self.bot.environment();
        secrets::check_log(&self.bot.log(), environment.api().token(), environment.data(), &self.spoken);
        secrets::check_files(environment.data(), environment.api().token(), &self.spoken);
    }
}

impl<B: TestBot> Drop for Scene<B> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.bot.log();
            let ours: Vec<&str> = log.lines().filter(|line| line.contains("stenobot::")).collect();
            eprintln!("the bot's log ends with:\n{}", ours[ours.len().saturating_sub(60)..].join("\n"));
        } else {
            self.check_secrets();
        }
    }
}

/// The callback data of all buttons under a message.
pub(crate) fn buttons(state: &State, chat: ChatId, message: MessageId) -> Vec<String> {
    let markup = state.message(chat, message).and_then(|message| message.markup.as_ref());
    let rows = markup.map(keyboard::rows).unwrap_or_default();
    rows.into_iter().flatten().map(|button| button.data).filter(|data| !data.is_empty()).collect()
}

/// The position in the queue that a text shows.
pub(crate) fn position(text: &BotText) -> Option<u32> {
    match text {
        BotText::Queued { position } => *position,
        BotText::Received
        | BotText::Delayed
        | BotText::Started
        | BotText::Progress { .. }
        | BotText::Final(_)
        | BotText::Part(_) => None,
    }
}

/// All rows of a store, which a bot may be using.
async fn rows(store: &Path) -> Vec<Row> {
    let mut connection = SqliteConnectOptions::new().filename(store).read_only(true).connect().await.unwrap();
    sqlx::query_as("SELECT * FROM usage ORDER BY id").fetch_all(&mut connection).await.unwrap()
}

/// The row of a message.
pub(crate) fn row_of(rows: &[Row], sent: &SentMessage) -> Row {
    let found = rows.iter().find(|row| row.chat_id == sent.chat().0 && row.message_id == Some(sent.id().0));
    found.expect("the request has a row").clone()
}

/// Milliseconds that a commit may take.
const COMMIT_TIME: i64 = 100;

/// Asserts that requests were transcribed one at a time and in the order of the queue.
pub(crate) fn assert_processed_in_order(rows: &[Row]) {
    let mut rows: Vec<&Row> = rows.iter().filter(|row| row.started_at.is_some()).collect();
    rows.sort_by_key(|row| row.started_at);
    for (index, one) in rows.iter().enumerate() {
        let work = Duration::from_secs_f64(one.processing_time_seconds.unwrap()).as_millis() as i64;
        for later in &rows[index + 1..] {
            assert!(one.started_at.unwrap() + work <= later.started_at.unwrap(), "two at once: {one:?} and {later:?}");
            // A time is read before its commit, for which a busy machine takes a moment.
            let was_queued = later.queued_at.is_some_and(|at| at + COMMIT_TIME < one.started_at.unwrap());
            let overtaken = later.id < one.id && was_queued;
            assert!(!overtaken, "{one:?} was served before {later:?}");
        }
    }
}

/// The transcript; panics for any other outcome.
pub(crate) fn answered(outcome: RequestOutcome) -> String {
    match outcome {
        RequestOutcome::Answered(text) => text,
        other => panic!("a text was expected, not {other:?}"),
    }
}

/// The sentence of a refusal; panics for any other outcome.
pub(crate) fn rejected(outcome: RequestOutcome) -> String {
    match outcome {
        RequestOutcome::Rejected(why) => why,
        other => panic!("a refusal was expected, not {other:?}"),
    }
}

/// The sentence of an apology; panics for any other outcome.
pub(crate) fn failed(outcome: RequestOutcome) -> String {
    match outcome {
        RequestOutcome::Failed(why) => why,
        other => panic!("an apology was expected, not {other:?}"),
    }
}
