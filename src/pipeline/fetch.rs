//! Fetches the audio of a request into the data folder of this machine. The download stage does it for every request; the
//! transcription does it for one whose file is not here, since another machine has downloaded it.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use stenobot_domain::{RequestId, RetryPolicy};
use stenobot_telegram::{Client, Disposition, DownloadError};
use tokio::sync::Semaphore;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::retry::RetryLayer;
use tower::util::BoxService;
use tower::{ServiceBuilder, service_fn};

use super::recordings::Recordings;
use crate::layers::{NextTry, ObserveLayer, Retry, TimeoutLayer};
use crate::metrics::Work;
use crate::request::{DownloadFailure, Request, Stage};
use crate::settings::Settings;

/// Concurrent downloads. They wait for the network, not for the processor.
const MAX_CONCURRENT: usize = 4;

/// Retries of one file, within the time limit of a download.
const RETRIES: RetryPolicy = RetryPolicy::bounded(2, Duration::from_secs(1), Duration::from_secs(10));

/// One file to fetch.
#[derive(Debug, Clone)]
pub(super) struct Fetch {
    request: RequestId,
    /// The recording of an earlier request, if it is to be transcribed again. Where it is not kept on this machine, the file is
    /// downloaded.
    kept: Option<RequestId>,
    /// Telegram's id of the file.
    file_id: String,
}

impl Fetch {
    pub(super) fn of<S: Stage>(request: &Request<S>) -> Self {
        Self { request: request.id(), kept: request.parent(), file_id: request.file_id().to_owned() }
    }
}

/// Why a file could not be fetched.
#[derive(Debug)]
enum FetchError {
    /// The whole, retries included, took longer than allowed.
    TimedOut,
    /// This machine's disk.
    Disk(std::io::Error),
    Download(DownloadError),
    /// As `Download`, of a recording to transcribe again.
    DownloadAgain(DownloadError),
}

/// Gives the audio of a request at [`Recordings::file`].
pub(super) type Fetcher = BoxService<Fetch, (), DownloadFailure>;

/// Makes the stacks that fetch. Clones share the limit of concurrent downloads.
#[derive(Clone)]
pub(crate) struct Fetchers {
    settings: Settings,
    client: Client,
    recordings: Recordings,
    permits: Arc<Semaphore>,
}

impl Fetchers {
    pub(crate) fn new(settings: Settings, client: Client, recordings: Recordings) -> Self {
        Self { settings, client, recordings, permits: Arc::new(Semaphore::new(MAX_CONCURRENT)) }
    }

    /// The stack under the current settings.
    pub(super) fn stack(&self) -> Fetcher {
        let config = self.settings.config();
        let (client, recordings, limit) = (self.client.clone(), self.recordings.clone(), config.limits.file_bytes);
        let fetch = service_fn(move |fetch: Fetch| {
            let (client, recordings) = (client.clone(), recordings.clone());
            async move { fetch_file(&client, &recordings, &fetch, limit).await }
        });
        ServiceBuilder::new()
            .boxed()
            // Waiting for a permit is not part of the stage's time.
            .layer(ObserveLayer::new(Work::Download))
            .map_err(move |error| to_download_failure(error, limit))
            // Also bounds the disk space of unfinished files.
            .layer(GlobalConcurrencyLimitLayer::with_semaphore(self.permits.clone()))
            // Outside of the retries: a sender waits for the whole, not for a try.
            .layer(TimeoutLayer::new(config.timing.download, || FetchError::TimedOut))
            // A dropped connection is common and worth a second try right away.
            .layer(RetryLayer::new(Retry::new(RETRIES, classify)))
            .service(fetch)
    }
}

async fn fetch_file(
    client: &Client,
    recordings: &Recordings,
    Fetch { request, kept, file_id }: &Fetch,
    limit: u64,
) -> Result<(), FetchError> {
    let (file, partial) = (recordings.file(*request), recordings.partial_file(*request));
    // Files of an attempt that was cut off would be in the way.
    let _ = tokio::fs::remove_file(&file).await;
    let _ = tokio::fs::remove_file(&partial).await;
    let failure = match kept {
        // A second link to the file: the first request's may be removed while this one is transcribed.
        Some(kept) => match tokio::fs::hard_link(recordings.file(*kept), &file).await {
            Err(error) if error.kind() == ErrorKind::NotFound => FetchError::DownloadAgain,
            linked => return linked.map_err(FetchError::Disk),
        },
        None => FetchError::Download,
    };
    client.download(file_id, &partial, limit).await.map_err(failure)?;
    // What has the name of a recording is whole, also after a crash. The call is quick, and at an await the file could be left
    // behind.
    std::fs::rename(&partial, &file).map_err(FetchError::Disk)
}

fn classify(error: &FetchError) -> NextTry {
    match error {
        // A full disk stays full for minutes: the permit goes to another request meanwhile.
        FetchError::TimedOut
        | FetchError::Disk(_)
        | FetchError::Download(DownloadError::Write(_))
        | FetchError::DownloadAgain(DownloadError::Write(_)) => NextTry::Never,
        FetchError::Download(error) | FetchError::DownloadAgain(error) => match error.disposition() {
            // Within the time limit, the file is waited for.
            Disposition::OperatorNeeded { after } => NextTry::ServerRequested(after),
            disposition => disposition.into(),
        },
    }
}

fn to_download_failure(error: FetchError, limit: u64) -> DownloadFailure {
    let (error, is_again) = match error {
        FetchError::TimedOut => return DownloadFailure::Unreachable("it took too long".to_owned()),
        FetchError::Disk(error) => return DownloadFailure::Local(error.kind().to_string()),
        FetchError::Download(error) => (error, false),
        FetchError::DownloadAgain(error) => (error, true),
    };
    match &error {
        DownloadError::TooBig { .. } => DownloadFailure::TooBig { limit },
        DownloadError::Write(why) => DownloadFailure::Local(why.kind().to_string()),
        DownloadError::Gone
        | DownloadError::ServerLocal
        | DownloadError::NotRegular
        | DownloadError::Unavailable
        | DownloadError::Expired
        | DownloadError::Incomplete
        | DownloadError::Telegram(_) => match error.disposition() {
            Disposition::ChatUnreachable(why) => why.into(),
            Disposition::ServerRequested(_) | Disposition::Retry { .. } | Disposition::OperatorNeeded { .. } => {
                DownloadFailure::Unreachable(error.to_string())
            }
            Disposition::ChatMoved(_) | Disposition::MessageGone | Disposition::Final if is_again => {
                DownloadFailure::AudioGone
            }
            Disposition::ChatMoved(_) | Disposition::MessageGone | Disposition::Final => {
                DownloadFailure::Refused(error.to_string())
            }
        },
    }
}
