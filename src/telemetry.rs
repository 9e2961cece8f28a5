//! The log on standard error, and `/metrics`, `/healthz`, `/readyz` over HTTP.

mod line;
mod one_line;

use std::any::Any;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::routing::get;
use futures::future::BoxFuture;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::reload;

pub(crate) use one_line::{OneLine, escape_controls};

use crate::config::{LogFormat, Telemetry};
use crate::http_server;

/// Handle to the filter of the log.
pub(crate) struct LogFilter(Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>);

impl LogFilter {
    /// Logs what passes this filter from now on.
    pub(crate) fn set(&self, filter: &str) -> anyhow::Result<()> {
        Ok((self.0)(EnvFilter::builder().parse(filter)?)?)
    }
}

/// Whether a terminal may be sent colours: see no-color.org; a terminal of the kind `dumb` has none.
pub(crate) fn has_colours() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && !is_dumb_terminal()
}

/// Whether the terminal can only add lines.
pub(crate) fn is_dumb_terminal() -> bool {
    std::env::var_os("TERM").is_some_and(|kind| kind == "dumb")
}

/// Starts the log. `writer` is standard error with its redaction. Each event is one line, also if it quotes control
/// characters.
pub(crate) fn start_log<W>(telemetry: &Telemetry, writer: W) -> anyhow::Result<LogFilter>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(&telemetry.level)?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(OneLine::of(writer));
    let (filter, started) = match telemetry.format {
        LogFormat::Pretty => {
            let log = log.with_ansi(std::io::stderr().is_terminal() && has_colours()).event_format(line::Line);
            let log = log.with_filter_reloading();
            let handle = log.reload_handle();
            (LogFilter(Box::new(move |filter| handle.reload(filter))), log.try_init())
        }
        LogFormat::Json => {
            let log = log.json().flatten_event(true).with_filter_reloading();
            let handle = log.reload_handle();
            (LogFilter(Box::new(move |filter| handle.reload(filter))), log.try_init())
        }
    };
    started.map_err(|error| anyhow::anyhow!(error))?;
    Ok(filter)
}

/// Logs panics of this process from now on. Requires the log.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, error = constant_message(panic.payload()), "a panic");
    }));
}

/// Prints panics of this process without formatted messages, until the log is started.
pub(crate) fn print_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        eprintln!("stenobot: a panic at {place}: {}", constant_message(panic.payload()));
        let trace = std::backtrace::Backtrace::capture();
        if trace.status() == std::backtrace::BacktraceStatus::Captured {
            eprintln!("{trace}");
        }
    }));
}

/// A panic's message if it is a constant of the source. A formatted message may quote data: slicing a string within a
/// character quotes the string.
fn constant_message(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("its message is left out, since it may quote data")
}

/// Whether the service can do its work now; `Err` names the part that cannot.
pub(crate) type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Caches the result of `ready` for `age`. Concurrent callers wait for one call of it.
pub(crate) fn cached(ready: Readiness, age: Duration) -> Readiness {
    type Kept = Option<(Instant, Result<(), String>)>;
    let last: Arc<Mutex<Kept>> = Arc::default();
    Arc::new(move || {
        let (ready, last) = (ready.clone(), last.clone());
        Box::pin(async move {
            let mut last = last.lock().await;
            match &*last {
                Some((at, outcome)) if at.elapsed() < age => outcome.clone(),
                Some(_) | None => {
                    let outcome = ready().await;
                    *last = Some((Instant::now(), outcome.clone()));
                    outcome
                }
            }
        })
    })
}

#[derive(Clone)]
struct Pages {
    metrics: PrometheusHandle,
    ready: Readiness,
}

/// Serves the pages until `stop`.
pub(crate) async fn serve(listener: TcpListener, metrics: PrometheusHandle, ready: Readiness, stop: CancellationToken) {
    let upkeep = metrics.clone();
    let keep = async {
        // The exporter moves observations into buckets only in its upkeep.
        let mut beat = tokio::time::interval(Duration::from_secs(5));
        loop {
            beat.tick().await;
            upkeep.run_upkeep();
        }
    };
    let router = Router::new()
        .route("/metrics", get(render))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readiness))
        .with_state(Pages { metrics, ready });
    tokio::select! {
        () = http_server::serve(listener, router, stop) => {}
        () = keep => {}
    }
}

async fn render(State(pages): State<Pages>) -> impl axum::response::IntoResponse {
    metrics_process::Collector::default().collect();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], pages.metrics.render())
}

async fn readiness(State(pages): State<Pages>) -> (StatusCode, String) {
    match (pages.ready)().await {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::panic::catch_unwind;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn concurrent_callers_share_one_check_whose_result_is_cached() {
        let checks = Arc::new(AtomicUsize::new(0));
        let count = checks.clone();
        let check: Readiness = Arc::new(move || {
            let number = count.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if number == 0 { Ok(()) } else { Err(format!("check {number}")) }
            })
        });
        let ready = cached(check, Duration::from_secs(2));
        let answers = futures::future::join_all((0..60).map(|_| ready())).await;
        assert!(answers.iter().all(Result::is_ok));
        tokio::time::advance(Duration::from_millis(1_999)).await;
        assert_eq!((ready().await, checks.load(Ordering::SeqCst)), (Ok(()), 1));
        tokio::time::advance(Duration::from_millis(1)).await;
        // The check of a caller that gave up is repeated by the next.
        assert!(tokio::time::timeout(Duration::from_millis(1), ready()).await.is_err());
        assert_eq!(ready().await, Err("check 2".to_owned()));
    }

    #[test]
    fn formatted_messages_of_panics_are_left_out() {
        let message = |panics: fn()| constant_message(&*catch_unwind(panics).unwrap_err());
        assert_eq!(message(|| panic!("a constant")), "a constant");
        assert_eq!(message(|| drop(black_box(None::<String>).unwrap())), "called `Option::unwrap()` on a `None` value");
        let sliced = message(|| drop(black_box("пароль")[..black_box(1)].to_owned()));
        assert!(sliced.starts_with("its message is left out"), "{sliced}");
        let formatted = message(|| panic!("{}", black_box("пароль")));
        assert!(formatted.starts_with("its message is left out"), "{formatted}");
    }
}
