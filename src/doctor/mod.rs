//! What keeps this bot from working on this machine, or will before long: each look gives one line.
//!
//! The looks change nothing and disturb no running bot. [`Refusal`] and the errors of the other modules hold the
//! sentences; `stenobot run` refuses to start with the same ones.

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

pub(crate) use machine::{listen, processor};
pub(crate) use model::too_large;
pub(crate) use refusal::Refusal;

use crate::config::{BotToken, Config};
use crate::lifecycle::DataDirState;

/// Longest time of a look.
const LIMIT: Duration = Duration::from_secs(10);
/// Longest time of a look that reads a whole file, such as a model of 3 GB on a slow disk.
const LONG_LIMIT: Duration = Duration::from_secs(120);

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// The bot starts, but somebody should look.
    Warning,
    /// The bot cannot work like this.
    Failed,
}

/// What one look gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// How bad it is.
    pub verdict: Verdict,
    /// A fact, or a sentence that says what to do.
    pub text: String,
}

impl Finding {
    fn ok(text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, text: text.into() }
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    /// What was looked at.
    pub check: &'static str,
    /// How bad it is.
    pub verdict: Verdict,
    /// A fact, or a sentence that says what to do.
    pub text: String,
}

/// All lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    /// In a fixed order.
    pub checks: Vec<Line>,
}

impl Report {
    /// That of a configuration which cannot be read; nothing else can be looked at then.
    pub(crate) fn without_configuration(error: &impl std::fmt::Display) -> Self {
        Self { checks: vec![line("configuration", Finding::failed(error))] }
    }

    /// How many lines there are of that kind.
    pub(crate) fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|line| line.verdict == verdict).count()
    }
}

/// The token, which everything with Telegram needs.
///
/// # Errors
/// [`Refusal::NoToken`].
pub(crate) fn token(config: &Config) -> Result<&BotToken, Refusal> {
    config.telegram.token.as_ref().ok_or(Refusal::NoToken)
}

/// A warning where larger files are allowed than the Bot API server gives.
pub(crate) fn file_limit(config: &Config) -> Option<String> {
    let limit = config.limits.file_bytes;
    config.unreachable_file_size().map(|bytes| {
        format!(
            "max_file_size_bytes = {bytes}, but the Bot API server gives no files over {limit} bytes, and the bot says so; \
             lower it, or start a Bot API server with --local and set telegram_local_dir"
        )
    })
}

/// Looks at everything at the same time, each look for a bounded time.
pub(crate) async fn examine(config: &Config) -> Report {
    let state = storage::state(config);
    let running = matches!(state, Ok(DataDirState::InUse));
    let bot = config.telegram.token.as_ref().map(BotToken::bot);
    let single =
        |check, limit, look: BoxFuture<'static, Finding>| bounded(vec![check], limit, look.map(|one| vec![one]));
    let looks: Vec<BoxFuture<'static, Vec<Line>>> = vec![
        bounded(
            vec!["token", "api", "updates", "clock"],
            LIMIT,
            telegram::look(config.telegram.clone(), config.proxies.clone()),
        ),
        single("proxy", LIMIT, std::future::ready(telegram::proxy(config)).boxed()),
        single("data folder", LIMIT, storage::data_folder(config.storage.clone(), state).boxed()),
        single("journal", LONG_LIMIT, storage::store(config.storage.clone(), bot, running).boxed()),
        single(".env", LIMIT, std::future::ready(storage::dotenv()).boxed()),
        single("disk", LIMIT, storage::disk(config.storage.clone()).boxed()),
        bounded(vec!["model", "memory"], LONG_LIMIT, model::look(config.clone(), running)),
        single("detector", LIMIT, model::detector(config.clone()).boxed()),
        single("processor", LIMIT, async { machine::processor().into() }.boxed()),
        single("cores", LIMIT, std::future::ready(machine::cores(&config.engine)).boxed()),
        single("confinement", LIMIT, async { machine::confinement() }.boxed()),
        single("open files", LIMIT, async { machine::open_files() }.boxed()),
        single("metrics", LIMIT, machine::metrics(config.telemetry.addr, running).boxed()),
    ];
    let configuration = match file_limit(config) {
        Some(warning) => Finding::warning(warning),
        None => Finding::ok("read, every value is allowed"),
    };
    let configuration = line("configuration", configuration);
    let rest = join_all(looks).await.into_iter().flatten();
    Report { checks: std::iter::once(configuration).chain(rest).collect() }
}

fn line(check: &'static str, Finding { verdict, text }: Finding) -> Line {
    Line { check, verdict, text }
}

/// The findings with their names, or for each that nothing was found in time.
fn bounded(
    checks: Vec<&'static str>,
    limit: Duration,
    look: impl Future<Output = Vec<Finding>> + Send + 'static,
) -> BoxFuture<'static, Vec<Line>> {
    async move {
        let late = || {
            let text = format!("no answer within {} s; try again when the machine is less busy", limit.as_secs());
            vec![Finding::failed(text); checks.len()]
        };
        let findings = tokio::time::timeout(limit, look).await.unwrap_or_else(|_| late());
        checks.iter().copied().zip(findings).map(|(check, finding)| line(check, finding)).collect()
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_is_a_failure_and_holds_nobody_up() {
        let lines = bounded(vec!["one", "other"], LIMIT, std::future::pending()).await;
        let said: Vec<_> = lines.iter().map(|line| (line.check, line.verdict)).collect();
        assert_eq!(said, [("one", Verdict::Failed), ("other", Verdict::Failed)]);
    }
}
