//! Every metric: name, help, labels. Labels are enums of ours, never a user or a chat, and every label set is
//! registered at zero when the service starts, so that a rate over it is right from the first event on.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use stenobot_domain::{FailReason, Outcome, RejectReason, Role, StageName};
use stenobot_telegram::{CallOutcome, Method, UpdateKind};

/// Kind of a metric, as Prometheus types it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in these buckets.
    Histogram(&'static [f64]),
}

/// One metric as it is documented and exported.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Full name, unit included.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Labels, for the documentation.
    pub labels: &'static str,
    /// Help text.
    pub help: &'static str,
}

const WAITS: &[f64] = &[0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0];
const STAGES: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0];
const FACTORS: &[f64] = &[0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0];
const LENGTHS: &[f64] = &[1.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 90.0, 120.0, 300.0, 600.0];
const CALLS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const PAUSES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

macro_rules! metrics {
    ($($constant:ident = $name:literal, $kind:expr, $labels:literal, $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: &str = concat!("stenobot_", $name);)*

        /// The bot's metrics. `process_*` comes from the metrics-process crate.
        pub const METRICS: &[Metric] =
            &[$(Metric { name: $constant, kind: $kind, labels: $labels, help: $help },)*];
    };
}

metrics! {
    REQUESTS = "requests", Kind::Gauge, "state", "Requests under way by stage.";
    QUEUE_LIMIT = "queue_limit", Kind::Gauge, "", "Requests that may wait at once.";
    WORKERS = "workers", Kind::Gauge, "", "Engine processes that should run.";
    WORKERS_BUSY = "workers_busy", Kind::Gauge, "", "Engine processes with a job.";
    QUEUE_OLDEST = "queue_oldest_timestamp_seconds", Kind::Gauge, "", "When the oldest waiting request was admitted; 0 without any.";
    QUEUE_AUDIO = "queue_audio_seconds", Kind::Gauge, "", "Length of the audio that waits.";
    UPDATES = "updates_total", Kind::Counter, "kind", "Updates received from Telegram.";
    TRANSITIONS = "stage_transitions_total", Kind::Counter, "from, to", "Transitions committed to the store.";
    REJECTED = "requests_rejected_total", Kind::Counter, "reason", "Requests refused.";
    IGNORED = "requests_ignored_total", Kind::Counter, "", "Recordings ignored because the bot may not write to their group or topic.";
    FINISHED = "requests_finished_total", Kind::Counter, "outcome", "Accepted requests that ended.";
    STAGE_FAILURES = "stage_failures_total", Kind::Counter, "stage, reason", "Requests given up.";
    STAGE_RETRIES = "stage_retries_total", Kind::Counter, "stage", "Requests put back for another attempt.";
    RESCUED = "requests_rescued_total", Kind::Counter, "", "Requests claimed again after a failure or a crash.";
    AUDIO_PROCESSED = "audio_processed_seconds_total", Kind::Counter, "", "Audio transcribed.";
    QUEUE_WAIT = "queue_wait_seconds", Kind::Histogram(WAITS), "", "From admission to the start of transcription.";
    REQUEST_DURATION = "request_duration_seconds", Kind::Histogram(WAITS), "", "From admission to the delivered text.";
    STAGE_DURATION = "stage_duration_seconds", Kind::Histogram(STAGES), "stage", "Time of the work: admission, or that of a stage (received is the download).";
    REAL_TIME_FACTOR = "real_time_factor_ratio", Kind::Histogram(FACTORS), "", "Processing time over audio length.";
    AUDIO_DURATION = "audio_duration_seconds", Kind::Histogram(LENGTHS), "", "Length of accepted audio.";
    TELEGRAM_REQUESTS = "telegram_requests_total", Kind::Counter, "method, outcome", "Calls to the Bot API.";
    TELEGRAM_DURATION = "telegram_request_duration_seconds", Kind::Histogram(CALLS), "method", "Time calls to the Bot API took.";
    TELEGRAM_RETRY_AFTER = "telegram_retry_after_seconds", Kind::Histogram(PAUSES), "", "Pauses that Telegram demanded.";
    TELEGRAM_LONG_PAUSES = "telegram_long_pauses_total", Kind::Counter, "", "Pauses of an hour or more that Telegram demanded; an hour of each is kept.";
    TELEGRAM_POLL = "telegram_poll_last_success_timestamp_seconds", Kind::Gauge, "", "When updates were last received and, if there were any, all recorded in the store; with a webhook also when Telegram last said that its deliveries succeed.";
    WEBHOOK_REQUESTS = "webhook_requests_total", Kind::Counter, "outcome", "Requests to the webhook.";
    WEBHOOK_PENDING = "webhook_pending_updates", Kind::Gauge, "", "Updates that wait at Telegram for their delivery to the webhook; 0 without one.";
    LEADER = "leader", Kind::Gauge, "", "Whether this machine leads: it alone polls, and shows positions. 1 or 0.";
    MACHINES = "machines", Kind::Gauge, "role", "Machines with a recent heartbeat, as this one sees them.";
    MACHINES_SILENT = "machines_silent", Kind::Gauge, "role", "Machines without a heartbeat for 15 seconds; forgotten after 15 minutes.";
    LEASES_TAKEN = "leases_taken_over_total", Kind::Counter, "", "Requests whose lease this leader ended, since the machine that held them was silent.";
    READY = "ready", Kind::Gauge, "", "Whether the bot can do its work now, as /readyz says: 1 or 0; checked every 15 seconds.";
    JOURNAL_ERRORS = "journal_errors_total", Kind::Counter, "kind", "Failed reads and writes of the store: busy, full, read_only, io, damaged, unreachable, connections, timeout or other.";
    JOURNAL_WAL = "journal_wal_bytes", Kind::Gauge, "", "Size of the store's write-ahead log.";
    BACKUP = "backup_last_success_timestamp_seconds", Kind::Gauge, "", "When `stenobot backup` last succeeded; 0 before the first time.";
    DATA_FREE = "data_free_bytes", Kind::Gauge, "", "Free space on the data folder's file system.";
    DATA_SIZE = "data_size_bytes", Kind::Gauge, "", "Size of the data folder's file system.";
    MEMORY_LIMIT = "memory_limit_bytes", Kind::Gauge, "", "Memory that bot and engines may use together: the cgroup's limit, else the machine's memory.";
    ENGINE_MEMORY = "engine_resident_memory_bytes", Kind::Gauge, "", "Memory that the engine processes hold.";
    ENGINE_CPU = "engine_cpu_seconds_total", Kind::Counter, "", "Processor time of the engine processes.";
    ENGINE_RESTARTS = "engine_restarts_total", Kind::Counter, "", "Engine processes that ended unexpectedly.";
    MODEL_LOAD = "model_load_seconds", Kind::Gauge, "", "Time the engine took to load the model.";
    MODEL_INFO = "model_info", Kind::Gauge, "model, weights, backend", "The model in use, its weights' form, and what runs it.";
    BUILD_INFO = "build_info", Kind::Gauge, "version", "The version that runs.";
}

/// The table of `docs/metrics.md`.
pub fn table() -> String {
    let mut table = String::from("| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n");
    for Metric { name, kind, labels, help } in METRICS {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        table.push_str(&format!("| `{name}` | {kind} | {labels} | {help} |\n"));
    }
    table
}

/// A recorder with our buckets. Its handle renders `/metrics`.
///
/// # Errors
/// The buckets of a histogram are empty.
pub fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for metric in METRICS {
        if let Kind::Histogram(buckets) = metric.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)?;
        }
    }
    Ok(builder.build_recorder())
}

/// Installs the recorder for this process and registers every metric.
///
/// # Errors
/// The process has a recorder already.
pub(crate) fn install() -> anyhow::Result<PrometheusHandle> {
    let recorder = recorder()?;
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| anyhow::anyhow!("metrics are installed already"))?;
    register();
    Ok(handle)
}

/// Describes every metric and registers every label set at zero, with the current recorder.
pub fn register() {
    metrics_process::Collector::default().describe();
    for Metric { name, kind, help, .. } in METRICS {
        match kind {
            Kind::Counter => describe_counter!(*name, *help),
            Kind::Gauge => describe_gauge!(*name, *help),
            Kind::Histogram(_) => describe_histogram!(*name, *help),
        }
    }
    for plain in [IGNORED, RESCUED, AUDIO_PROCESSED, TELEGRAM_LONG_PAUSES, LEASES_TAKEN, ENGINE_RESTARTS, ENGINE_CPU] {
        counter!(plain).absolute(0);
    }
    for plain in [
        QUEUE_LIMIT,
        WORKERS,
        WORKERS_BUSY,
        QUEUE_OLDEST,
        QUEUE_AUDIO,
        TELEGRAM_POLL,
        WEBHOOK_PENDING,
        LEADER,
        READY,
        MODEL_LOAD,
        JOURNAL_WAL,
        BACKUP,
        DATA_FREE,
        DATA_SIZE,
        MEMORY_LIMIT,
        ENGINE_MEMORY,
    ] {
        gauge!(plain).set(0.0);
    }
    for plain in [QUEUE_WAIT, REQUEST_DURATION, REAL_TIME_FACTOR, AUDIO_DURATION, TELEGRAM_RETRY_AFTER] {
        let _registered = histogram!(plain);
    }
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    for stage in StageName::ALL.iter().filter(|stage| !stage.is_terminal()) {
        gauge!(REQUESTS, "state" => stage.as_str()).set(0.0);
        counter!(STAGE_RETRIES, "stage" => stage.as_str()).absolute(0);
        for reason in FailReason::ALL {
            counter!(STAGE_FAILURES, "stage" => stage.as_str(), "reason" => reason.as_str()).absolute(0);
        }
    }
    for work in Work::ALL {
        let _registered = histogram!(STAGE_DURATION, "stage" => work.as_str());
    }
    for (from, to) in StageName::STEPS {
        counter!(TRANSITIONS, "from" => from.as_str(), "to" => to.as_str()).absolute(0);
    }
    for reason in RejectReason::ALL {
        counter!(REJECTED, "reason" => reason.as_str()).absolute(0);
    }
    for outcome in Outcome::ALL {
        counter!(FINISHED, "outcome" => outcome.as_str()).absolute(0);
    }
    for role in Role::ALL {
        gauge!(MACHINES, "role" => role.as_str()).set(0.0);
        gauge!(MACHINES_SILENT, "role" => role.as_str()).set(0.0);
    }
    for kind in ["busy", "full", "read_only", "io", "damaged", "unreachable", "connections", "timeout", "other"] {
        counter!(JOURNAL_ERRORS, "kind" => kind).absolute(0);
    }
    for method in Method::ALL {
        for outcome in CallOutcome::ALL {
            counter!(TELEGRAM_REQUESTS, "method" => method.as_str(), "outcome" => outcome.as_str()).absolute(0);
        }
    }
    for outcome in WebhookOutcome::ALL {
        counter!(WEBHOOK_REQUESTS, "outcome" => outcome.as_str()).absolute(0);
    }
    for kind in UpdateKind::ALL {
        counter!(UPDATES, "kind" => kind.as_str()).absolute(0);
    }
}

/// A transition was committed.
pub(crate) fn transition(from: StageName, to: StageName) {
    counter!(TRANSITIONS, "from" => from.as_str(), "to" => to.as_str()).increment(1);
}

/// Work that is timed, as the label `stage` of `stage_duration_seconds` names it: by the stage in which the request is
/// meanwhile, where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A message is recorded, or refused. There is no request yet.
    Admission,
    /// The file is fetched.
    Download,
    /// The engine decodes and transcribes.
    Transcription,
    /// The answer is sent.
    Delivery,
}

impl Work {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Admission, Self::Download, Self::Transcription, Self::Delivery];

    /// Value of the label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admission => "admission",
            Self::Download => StageName::Received.as_str(),
            Self::Transcription => StageName::Transcribing.as_str(),
            Self::Delivery => StageName::Transcribed.as_str(),
        }
    }
}

/// What became of a request to the webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WebhookOutcome {
    /// The update is ingested: 200.
    Ingested,
    /// Another path or method: 404.
    NotFound,
    /// Without the secret: 401.
    Unauthorized,
    /// The body is too large: 413.
    TooLarge,
    /// The body did not come in time: 408.
    TooSlow,
    /// The body is no update: 400.
    Unreadable,
    /// The store failed, the bot is stopping, or too many requests came at once: 503.
    Unavailable,
}

impl WebhookOutcome {
    const ALL: [Self; 7] = [
        Self::Ingested,
        Self::NotFound,
        Self::Unauthorized,
        Self::TooLarge,
        Self::TooSlow,
        Self::Unreadable,
        Self::Unavailable,
    ];

    /// Value of the label.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ingested => "ingested",
            Self::NotFound => "not_found",
            Self::Unauthorized => "unauthorized",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Unreadable => "unreadable",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Some work took this long, whatever came of it.
pub(crate) fn work_took(work: Work, took: Duration) {
    histogram!(STAGE_DURATION, "stage" => work.as_str()).record(took);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registered_metrics_render_at_zero_with_their_buckets() {
        let recorder = recorder().unwrap();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            register();
            histogram!(QUEUE_WAIT).record(3.0);
        });
        let page = handle.render();
        assert!(page.contains("stenobot_requests_rejected_total{reason=\"queue_full\"} 0"), "{page}");
        assert!(page.contains("stenobot_requests{state=\"queued\"} 0"));
        assert!(page.contains("stenobot_telegram_requests_total{method=\"editMessageText\",outcome=\"ok\"} 0"));
        assert!(page.contains("stenobot_queue_wait_seconds_bucket{le=\"5\"} 1"));
        assert!(page.contains("stenobot_queue_wait_seconds_bucket{le=\"2\"} 0"));
        assert!(page.contains("# HELP stenobot_queue_oldest_timestamp_seconds When the oldest"));
    }

    #[test]
    fn no_metric_is_declared_twice() {
        let mut names: Vec<_> = METRICS.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS.len());
    }
}
