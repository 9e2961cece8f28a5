//! A page and its server.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use stenobot::playground::{Playground, PlaygroundSettings};
use stenobot_simulator::server::{BotApi, Settings};
use stenobot_simulator::voices::{Voice, Voices};
use tokio::sync::{Mutex, MutexGuard};

use crate::browser::Browser;

/// Far longer than anything here takes, even on a loaded machine.
pub(crate) const PAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// Held by tests with a browser, of which one at a time fits into memory.
static BROWSER_LOCK: Mutex<()> = Mutex::const_new(());

/// Waits for `future`; panics with `what` after [`PAGE_TIMEOUT`].
pub(crate) async fn eventually<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PAGE_TIMEOUT, future).await {
        Ok(output) => output,
        Err(_) => panic!("this did not happen in time: {what}"),
    }
}

/// A page on a Bot API server whose bot is the test, or a real one.
pub(crate) struct PageServer {
    pub(crate) api: BotApi,
    pub(crate) playground: Playground,
}

impl PageServer {
    pub(crate) async fn without_bot() -> Self {
        Self::of(BotApi::start(Settings::default()).await.unwrap(), &[]).await
    }

    pub(crate) async fn of(api: BotApi, voices: &[Voice]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let voices = (!voices.is_empty()).then(|| {
            write(folder.path(), voices);
            Voices::open(folder.path()).unwrap()
        });
        let settings = PlaygroundSettings { port: 0, voices, file_bytes: 64 * 1024 };
        let playground = Playground::start(api.clone(), settings).await.unwrap();
        Self { api, playground }
    }

    pub(crate) fn url(&self) -> &str {
        self.playground.url()
    }

    /// Address of the page of one user, in English.
    pub(crate) fn page(&self, person: u32) -> String {
        format!("{}?person={person}&language=en", self.url())
    }

    pub(crate) async fn browser(&self) -> (Browser, MutexGuard<'static, ()>) {
        let lock = BROWSER_LOCK.lock().await;
        (Browser::open().await, lock)
    }

    /// Makes a call as the bot.
    pub(crate) async fn call(&self, method: &str, body: Value) -> Value {
        let url = format!("{}bot{}/{method}", self.api.url(), self.api.token());
        let request = reqwest::Client::new().post(url).header("Content-Type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap().bytes().await.unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["ok"], true, "{answer}");
        answer["result"].clone()
    }
}

impl PageServer {
    /// Sends a file as the bot.
    pub(crate) async fn send_document(&self, chat: i64, name: &str, content: &str) {
        let url = format!("{}bot{}/sendDocument", self.api.url(), self.api.token());
        let body = format!(
            "--cut\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n{chat}\r\n\
             --cut\r\nContent-Disposition: form-data; name=\"document\"; filename=\"{name}\"\r\n\
             Content-Type: text/plain\r\n\r\n{content}\r\n--cut--\r\n"
        );
        let request = reqwest::Client::new().post(url).header("Content-Type", "multipart/form-data; boundary=cut");
        assert!(request.body(body).send().await.unwrap().status().is_success());
    }
}

fn write(folder: &Path, voices: &[Voice]) {
    let entries = voices.iter().map(|voice| {
        std::fs::write(folder.join(format!("{}.ogg", voice.name)), &voice.bytes).unwrap();
        let seconds = voice.duration.as_secs_f64();
        json!({ "name": voice.name, "language": voice.language, "seconds": seconds, "text": voice.text })
    });
    std::fs::write(folder.join("meta.json"), Value::from_iter(entries).to_string()).unwrap();
}

/// The engine with scripted answers.
pub(crate) fn scripted_engine() -> std::path::PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("examples/engine_stand_in");
    assert!(program.is_file(), "the engine's stand-in is not built: run `./dev test`");
    program
}
