//! Chromium, driven over the WebDriver protocol.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::scene::{PAGE_TIMEOUT, eventually};

/// A browser with its own profile; ends when dropped.
pub(crate) struct Browser {
    address: String,
    session: String,
    client: reqwest::Client,
    _driver: Child,
}

impl Browser {
    pub(crate) async fn open() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver is missing: run `./dev test`");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line =
                eventually("chromedriver starts", lines.next_line()).await.unwrap().expect("chromedriver starts");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        let mut arguments = vec![
            "--headless=new",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--window-size=1280,800",
            // A microphone that beeps, without a dialog for its permission.
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
        ];
        if rustix::process::getuid().is_root() {
            arguments.push("--no-sandbox");
        }
        let mut browser = Self {
            address: format!("127.0.0.1:{port}"),
            session: String::new(),
            client: reqwest::Client::new(),
            _driver: driver,
        };
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "script": PAGE_TIMEOUT.as_millis() as u64 },
        }}});
        let session = browser.call("session", &wanted).await.expect("Chromium starts");
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    pub(crate) async fn go(&self, url: &str) {
        self.act("url", json!({ "url": url })).await;
    }

    /// Opens another window and works in it from now on.
    pub(crate) async fn new_window(&self) -> String {
        let window = self.act("window/new", json!({ "type": "window" })).await;
        let handle = window["handle"].as_str().unwrap().to_owned();
        self.switch(&handle).await;
        handle
    }

    pub(crate) async fn window(&self) -> String {
        let url = format!("http://{}/session/{}/window", self.address, self.session);
        let answer = self.client.get(url).send().await.unwrap().bytes().await.unwrap();
        serde_json::from_slice::<Value>(&answer).unwrap()["value"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn switch(&self, window: &str) {
        self.act("window", json!({ "handle": window })).await;
    }

    /// The value of a script in the page.
    pub(crate) async fn script(&self, script: &str) -> Value {
        self.act("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// The value that an asynchronous script gives to its last argument.
    pub(crate) async fn script_async(&self, script: &str) -> Value {
        self.act("execute/async", json!({ "script": script, "args": [] })).await
    }

    /// Sets the size of the page in CSS pixels, which no window limits.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Sets the system's preferences: colour scheme and forced colours.
    pub(crate) async fn emulate(&self, scheme: &str, forced_colors: &str) {
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "forced-colors", "value": forced_colors },
            // Colours are measured, not on their way.
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    async fn devtools(&self, command: &str, parameters: Value) {
        self.act("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await;
    }

    /// Presses keys, given as WebDriver's code points, where the focus is.
    pub(crate) async fn keys(&self, keys: &str) {
        let press = |key: char| [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })];
        let actions: Vec<Value> = keys.chars().flat_map(press).collect();
        self.act("actions", json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] })).await;
    }

    /// Waits, by events and not by polling, until an expression of the page is true.
    ///
    /// A moved focus and an opened menu are no mutations of the document, so their events are observed beside them.
    pub(crate) async fn until(&self, expression: &str) {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             const events = ['focusin', 'focusout', 'toggle'];
             const look = () => {{
               if (!({expression})) return;
               watch.disconnect();
               for (const name of events) document.removeEventListener(name, look, true);
               done(true);
             }};
             const watch = new MutationObserver(look);
             for (const name of events) document.addEventListener(name, look, true);
             watch.observe(document, {{ subtree: true, childList: true, characterData: true, attributes: true }});
             look();"
        );
        if let Err(why) = self.session_call("execute/async", &json!({ "script": script, "args": [] })).await {
            let text = self.script("return document.body.innerText").await;
            panic!("`{expression}` did not become true: {why}\nthe page says:\n{}", text.as_str().unwrap_or_default());
        }
    }

    /// Waits until the newest message of the bot contains a text.
    pub(crate) async fn until_bot_says(&self, words: &str) {
        let words = json!(words);
        self.until(&format!(
            "[...document.querySelectorAll('.message:not(.mine)')].at(-1)?.innerText.includes({words})"
        ))
        .await;
    }

    /// Clicks on the element of a selector.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        self.act(&format!("element/{element}/click"), json!({})).await;
    }

    /// Types into the element of a selector; for a file input, a path.
    pub(crate) async fn types(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        self.act(&format!("element/{element}/value"), json!({ "text": text })).await;
    }

    async fn find(&self, selector: &str) -> String {
        let found = self.act("element", json!({ "using": "css selector", "value": selector })).await;
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    /// Asserts that the page had no errors and requested nothing but the playground.
    pub(crate) async fn check(&self, url: &str) {
        let log = self.act("se/log", json!({ "type": "browser" })).await;
        let errors: Vec<&Value> = log.as_array().unwrap().iter().filter(|entry| entry["level"] == "SEVERE").collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let asked = self.script("return performance.getEntriesByType('resource').map((entry) => entry.name)").await;
        let asked: Vec<&str> = asked.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(asked.iter().any(|name| name.ends_with("page.js")), "{asked:?}");
        for name in asked {
            assert!(name.starts_with(url) || name.starts_with("data:") || name.starts_with("blob:"), "{name}");
        }
    }

    async fn act(&self, path: &str, body: Value) -> Value {
        self.session_call(path, &body).await.unwrap_or_else(|why| panic!("{path} {body}: {why}"))
    }

    async fn session_call(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.call(&format!("session/{}/{path}", self.session), body).await
    }

    async fn call(&self, path: &str, body: &Value) -> Result<Value, String> {
        let url = format!("http://{}/{path}", self.address);
        let answer = self.client.post(url).body(body.to_string()).send().await.unwrap();
        let is_success = answer.status().is_success();
        let mut answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        if is_success { Ok(answer["value"].take()) } else { Err(answer["value"]["message"].to_string()) }
    }
}

impl Drop for Browser {
    /// Killing the driver alone would leave the browser running.
    fn drop(&mut self) {
        let Ok(mut driver) = TcpStream::connect(&self.address) else { return };
        let request = format!("DELETE /session/{} HTTP/1.1\r\nHost: {}\r\n\r\n", self.session, self.address);
        if driver.write_all(request.as_bytes()).is_ok() {
            // The response comes when the browser has ended; the connection stays open.
            let _ = driver.read(&mut [0; 512]);
        }
    }
}
