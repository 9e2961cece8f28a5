//! What the operator sees: the log on standard error, and `/metrics`, `/healthz`, `/readyz` over HTTP.

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
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::reload;

use crate::config::{LogFormat, Telemetry};

/// Changes what is logged.
pub struct LogFilter(Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>);

impl LogFilter {
    /// Logs what passes this filter from now on.
    pub fn set(&self, filter: &str) -> anyhow::Result<()> {
        Ok((self.0)(EnvFilter::builder().parse(filter)?)?)
    }
}

/// Starts the log. `writer` is standard error behind whatever must not pass it.
pub fn start_log<W>(telemetry: &Telemetry, writer: W) -> anyhow::Result<LogFilter>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(&telemetry.level)?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let (filter, started) = match telemetry.format {
        LogFormat::Pretty => {
            let log = log.with_ansi(std::io::stderr().is_terminal()).with_filter_reloading();
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

/// Answers whether the service can do its work now: `Err` names what cannot.
pub type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

#[derive(Clone)]
struct Pages {
    metrics: PrometheusHandle,
    ready: Readiness,
}

/// Serves the pages until `stop`.
pub async fn serve(listener: TcpListener, metrics: PrometheusHandle, ready: Readiness, stop: CancellationToken) {
    let upkeep = metrics.clone();
    let keep = async {
        // The exporter folds observations into buckets only when it is asked to.
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
    let server = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    tokio::select! {
        outcome = async { server.await } => if let Err(error) = outcome {
            tracing::error!(%error, "the metrics server ended");
        },
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
