//! Checks whether the bot can work on this machine: each check gives one line or more.
//!
//! The checks change nothing and do not disturb a running bot. [`Refusal`] and the errors of the other modules hold the
//! sentences, with which `stenobot run` refuses to start too.

mod hint;
mod machine;
pub(crate) mod memory;
mod model;
mod refusal;
mod storage;
mod telegram;

use std::time::Duration;

use futures::future::join_all;
use futures::{FutureExt, future::BoxFuture};
use serde::Serialize;

pub(crate) use machine::{Listener, processor};
pub(crate) use model::{Footprint, too_large};
pub(crate) use refusal::Refusal;

use crate::config::{BotToken, Config};
use crate::lifecycle::DataDirState;

/// Of a check.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Of a check that reads a whole file, such as a model of 3 GB on a slow disk.
const FILE_TIMEOUT: Duration = Duration::from_secs(120);

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Ok,
    /// It was not looked at, for the reason in the text.
    Skipped,
    /// The bot starts, but the operator should act.
    Warning,
    /// The bot cannot work.
    Failed,
}

/// Result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    /// A fact, or a sentence that tells the operator what to do.
    pub(crate) text: String,
}

impl Finding {
    fn ok(text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, text: text.into() }
    }

    fn skipped(text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skipped, text: text.into() }
    }

    fn warning(text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warning, text: text.into() }
    }

    fn failed(error: impl std::fmt::Display) -> Self {
        Self { verdict: Verdict::Failed, text: error.to_string() }
    }
}

impl<E: std::fmt::Display> From<Result<Finding, E>> for Finding {
    fn from(result: Result<Finding, E>) -> Self {
        result.unwrap_or_else(Self::failed)
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Name of the check.
    pub(crate) check: &'static str,
    pub(crate) verdict: Verdict,
    /// A fact, or a sentence that tells the operator what to do.
    pub(crate) text: String,
}

impl Line {
    /// Name of the check for programs.
    fn id(&self) -> String {
        match self.check {
            "journal" => "store".to_owned(),
            ".env" => "dotenv".to_owned(),
            check => check.replace(' ', "_"),
        }
    }
}

impl Serialize for Line {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Json<'a> {
            id: String,
            check: &'static str,
            verdict: Verdict,
            /// Finding and hint as one sentence.
            text: &'a str,
            finding: &'a str,
            hint: Option<&'a str>,
        }
        let (finding, hint) = match self.verdict {
            Verdict::Warning | Verdict::Failed => hint::split(&self.text),
            Verdict::Ok | Verdict::Skipped => (self.text.as_str(), None),
        };
        Json { id: self.id(), check: self.check, verdict: self.verdict, text: &self.text, finding, hint }
            .serialize(serializer)
    }
}

/// A size in megabytes, from 1000 on in gigabytes.
pub(crate) fn size(bytes: u64) -> String {
    match bytes.div_ceil(1_000_000) {
        megabytes @ ..1000 => format!("{megabytes} MB"),
        megabytes => {
            let tenths = (megabytes + 50) / 100;
            format!("{}.{} GB", tenths / 10, tenths % 10)
        }
    }
}

/// All lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// The lines, in a fixed order.
    pub(crate) checks: Vec<Line>,
}

impl Report {
    /// The report of a configuration that cannot be read, without which nothing else can be checked.
    pub(crate) fn without_configuration(error: &impl std::fmt::Display) -> Self {
        Self { checks: vec![line("configuration", Finding::failed(error))] }
    }

    pub(crate) fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|line| line.verdict == verdict).count()
    }
}

/// The token.
///
/// # Errors
/// [`Refusal::NoToken`].
pub(crate) fn token(config: &Config) -> Result<&BotToken, Refusal> {
    config.telegram.token.as_ref().ok_or(Refusal::NoToken)
}

/// A warning if `max_file_size_bytes` exceeds what the Bot API server gives.
pub(crate) fn file_limit(config: &Config) -> Option<String> {
    let limit = config.limits.file_bytes;
    config.unreachable_file_size().map(|bytes| {
        format!(
            "max_file_size_bytes = {bytes}, but the Bot API server gives no files over {limit} bytes, and the bot says so; \
             lower it, or start a Bot API server with --local and set telegram_local_dir"
        )
    })
}

/// Runs all checks concurrently, each with a timeout.
pub(crate) async fn examine(config: &Config) -> Report {
    let state = storage::state(config);
    let running = matches!(state, Ok(DataDirState::InUse));
    let bot = config.telegram.token.as_ref().map(BotToken::bot);
    let single = |name, timeout, check: BoxFuture<'static, Finding>| {
        bounded(vec![name], timeout, check.map(|found| vec![found]))
    };
    let mut telegram_checks = vec!["token", "api", "updates", "clock"];
    telegram_checks.extend(telegram::Mode::used(&config.people).map(telegram::Mode::name));
    let checks: Vec<BoxFuture<'static, Vec<Line>>> = vec![
        bounded(
            telegram_checks,
            TIMEOUT,
            telegram::check(
                config.telegram.clone(),
                config.people.clone(),
                config.proxies.clone(),
                config.storage.webhook_record(),
                config.role,
                running,
            ),
        ),
        single("proxy", TIMEOUT, std::future::ready(telegram::proxy(config)).boxed()),
        single("data folder", TIMEOUT, storage::data_folder(config.storage.clone(), state).boxed()),
        single("journal", FILE_TIMEOUT, storage::store(config.storage.clone(), bot, running).boxed()),
        single(".env", TIMEOUT, std::future::ready(storage::token_files(config.telegram.token.as_ref())).boxed()),
        single("disk", TIMEOUT, storage::disk(config.storage.clone()).boxed()),
    ];
    // What an engine needs.
    let engine: Vec<BoxFuture<'static, Vec<Line>>> = match config.role.has_worker() {
        true => vec![
            bounded(vec!["engine", "model", "memory"], FILE_TIMEOUT, model::check(config.clone(), running)),
            single("detector", TIMEOUT, model::detector(config.clone()).boxed()),
            single("processor", TIMEOUT, async { machine::processor().into() }.boxed()),
            single("cores", TIMEOUT, std::future::ready(machine::cores(&config.engine)).boxed()),
            single("confinement", TIMEOUT, async { machine::confinement() }.boxed()),
        ],
        false => Vec::new(),
    };
    let machine: Vec<BoxFuture<'static, Vec<Line>>> = vec![
        single("open files", TIMEOUT, async { machine::open_files() }.boxed()),
        single("metrics", TIMEOUT, Listener::Metrics.check(config.telemetry.addr, running).boxed()),
    ];
    let configuration = match file_limit(config) {
        Some(warning) => Finding::warning(warning),
        None => Finding::ok("read, every value is allowed"),
    };
    let configuration = line("configuration", configuration);
    let rest = join_all(checks.into_iter().chain(engine).chain(machine)).await.into_iter().flatten();
    Report { checks: std::iter::once(configuration).chain(rest).collect() }
}

fn line(check: &'static str, Finding { verdict, text }: Finding) -> Line {
    Line { check, verdict, text }
}

/// The findings with the names of their checks; after the timeout each is a failure.
fn bounded(
    names: Vec<&'static str>,
    limit: Duration,
    check: impl Future<Output = Vec<Finding>> + Send + 'static,
) -> BoxFuture<'static, Vec<Line>> {
    async move {
        let late = || {
            let text = format!("no answer within {} s; try again when the machine is less busy", limit.as_secs());
            vec![Finding::failed(text); names.len()]
        };
        let findings = tokio::time::timeout(limit, check).await.unwrap_or_else(|_| late());
        names.iter().copied().zip(findings).map(|(name, finding)| line(name, finding)).collect()
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_from_a_thousand_megabytes_on_are_gigabytes() {
        let shown = [885_098, 999_000_000, 999_000_001, 1_000_000_001, 49_153_000_000].map(size);
        assert_eq!(shown, ["1 MB", "999 MB", "1.0 GB", "1.0 GB", "49.2 GB"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_fails_after_its_timeout() {
        let lines = bounded(vec!["one", "other"], TIMEOUT, std::future::pending()).await;
        let verdicts: Vec<_> = lines.iter().map(|line| (line.check, line.verdict)).collect();
        assert_eq!(verdicts, [("one", Verdict::Failed), ("other", Verdict::Failed)]);
    }
}
