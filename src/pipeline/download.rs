//! A request's audio comes to this disk, and its real length becomes known. What the update said of length and
//! size was only a claim.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use stenobot_audio::AudioError;
use stenobot_domain::RetryPolicy;
use stenobot_engine::probe::ProbeError;
use stenobot_host::DiskSpace;
use stenobot_store::StoreError;
use stenobot_telegram::{Disposition, DownloadError, StatusText, Unreachable};
use tokio::sync::Semaphore;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::retry::RetryLayer;
use tower::util::BoxService;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use super::worker::{self, Turn};
use super::{Context, enqueue};
use crate::layers::{NextTry, ObserveLayer, Retry, TimeoutLayer};
use crate::metrics::Work;
use crate::request::{self, Claim, DownloadFailure, Downloaded, Received, Request, WithinDay};

/// Downloads at once. They wait for the network, not for the processor.
const CONCURRENT: usize = 4;

/// Tries of one file beyond the first, within the time limit of a download.
const RETRIES: RetryPolicy = RetryPolicy::bounded(2, Duration::from_secs(1), Duration::from_secs(10));

/// Space on the disk that is left to the store: with less of it no download begins. The store needs a few megabytes
/// for its log; a download that began before may still take its part of the rest.
const RESERVED: u64 = 32 << 20;

/// One file to fetch.
#[derive(Debug, Clone)]
struct Fetch {
    from: Source,
    to: PathBuf,
}

/// Where a request's audio comes from.
#[derive(Debug, Clone)]
enum Source {
    /// Telegram has it under this id.
    Telegram(String),
    /// It was heard before and is still here.
    Kept(PathBuf),
}

/// Why a file could not be fetched.
#[derive(Debug)]
enum FetchError {
    /// The recording to transcribe again is no longer kept.
    NotKept,
    /// The whole, retries included, took longer than allowed.
    TimedOut,
    Download(DownloadError),
}

type Fetcher = BoxService<Fetch, (), DownloadFailure>;

fn stack(context: &Context, places: Arc<Semaphore>) -> Fetcher {
    let config = context.config();
    let (client, limit) = (context.client.clone(), config.limits.file_bytes);
    let fetch = service_fn(move |Fetch { from, to }: Fetch| {
        let client = client.clone();
        async move {
            // A file of an attempt that was cut off would be in the way.
            let _ = tokio::fs::remove_file(&to).await;
            match from {
                Source::Telegram(file_id) => {
                    client.download(&file_id, &to, limit).await.map(drop).map_err(FetchError::Download)
                }
                // A name of its own for the same bytes: the first request's may go while this one is heard.
                Source::Kept(audio) => tokio::fs::hard_link(audio, to).await.map_err(|error| match error.kind() {
                    ErrorKind::NotFound => FetchError::NotKept,
                    _ => FetchError::Download(DownloadError::Write(error)),
                }),
            }
        }
    });
    ServiceBuilder::new()
        .boxed()
        // Waiting for a place is not part of the stage's time.
        .layer(ObserveLayer::new(Work::Download))
        .map_err(move |error| to_download_failure(error, limit))
        // Also the bound on the disk that unfinished files take.
        .layer(GlobalConcurrencyLimitLayer::with_semaphore(places))
        // Outside of the retries: a sender waits for the whole, not for a try.
        .layer(TimeoutLayer::new(config.timing.download, || FetchError::TimedOut))
        // A dropped connection is common and worth a second try right away.
        .layer(RetryLayer::new(Retry::new(RETRIES, classify)))
        .service(fetch)
}

fn classify(error: &FetchError) -> NextTry {
    match error {
        FetchError::NotKept | FetchError::TimedOut => NextTry::Never,
        // A full disk stays full for minutes: the permit goes to another request meanwhile.
        FetchError::Download(DownloadError::Write(_)) => NextTry::Never,
        FetchError::Download(error) => match error.disposition() {
            // Within the time limit, the file is waited for.
            Disposition::OperatorNeeded { after } => NextTry::ServerRequested(after),
            disposition => disposition.into(),
        },
    }
}

fn to_download_failure(error: FetchError, limit: u64) -> DownloadFailure {
    let error = match error {
        FetchError::NotKept => return DownloadFailure::AudioGone,
        FetchError::TimedOut => return DownloadFailure::Unreachable("it took too long".to_owned()),
        FetchError::Download(error) => error,
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
            Disposition::ChatMoved(_) | Disposition::MessageGone | Disposition::Final => {
                DownloadFailure::Refused(error.to_string())
            }
        },
    }
}

/// Downloads what is admitted, until the soft shutdown.
pub(crate) async fn run(context: &Context) {
    // The places outlive a stack that is built anew for other settings.
    let places = Arc::new(Semaphore::new(CONCURRENT));
    let mut fetcher = stack(context, places.clone());
    let mut live = context.live.clone();
    worker::run(context, "claim a download", async || {
        if live.has_changed().unwrap_or(false) {
            live.mark_unchanged();
            fetcher = stack(context, places.clone());
        }
        let Some(ready) = context.shutdown.soft.run_until_cancelled(fetcher.ready()).await else {
            return Ok(Turn::Idle);
        };
        if let Err(error) = ready {
            tracing::error!(%error, "downloads cannot be started");
            return Ok(Turn::Idle);
        }
        if !look_for_room(context).await {
            return Ok(Turn::Idle);
        }
        match Request::<Received>::claim(&context.store, &context.worker).await? {
            None => return Ok(Turn::Idle),
            Some(Claim::Exhausted(request, why)) => {
                context.discard_audio(request.id()).await;
                let _ = request.fail(&context.store, &why).await?;
            }
            Some(Claim::Ready(request)) => {
                let to = context.audio_file(request.id());
                let from = match request.parent() {
                    Some(parent) => Source::Kept(context.audio_file(parent)),
                    None => Source::Telegram(request.file_id().to_owned()),
                };
                let fetching = fetcher.call(Fetch { from, to });
                let span = request.span();
                let own = context.clone();
                context.spawn(span, "finish a download", async move { one(&own, request, fetching).await });
            }
        }
        Ok(Turn::Worked)
    })
    .await;
}

/// Whether the disk has room for another download. What cannot be told is no reason to stand still.
async fn look_for_room(context: &Context) -> bool {
    let folder = context.config().storage.data_dir.clone();
    let looked = tokio::task::spawn_blocking(move || DiskSpace::around(&folder)).await;
    let room = !matches!(looked, Ok(Ok(space)) if space.free_bytes < RESERVED);
    let changed = context.room.send_if_modified(|before| std::mem::replace(before, room) != room);
    match (changed, room) {
        (true, false) => tracing::error!("downloads wait: the disk that holds the data folder is almost full"),
        (true, true) => tracing::info!("downloads go on: the disk has room again"),
        (false, _) => {}
    }
    room
}

async fn one(
    context: &Context,
    mut request: Request<Received>,
    fetching: impl Future<Output = Result<(), DownloadFailure>>,
) -> Result<(), StoreError> {
    let listed = context.cancels.enlist(request.id());
    let downloading = context.state(request.id(), request.locale(), &StatusText::Downloading);
    let greeting = async {
        let greeted = enqueue::ensure_status(context, &request, &downloading).await;
        // Written down at once: whoever goes on after a crash shows the state in the same message.
        match greeted {
            Ok(Some((chat, message))) => {
                request.record_status_message(&context.store, chat, message).await.map_err(Stop::Store)?;
                Ok(Some((chat, message)))
            }
            Ok(None) => Ok(None),
            Err(why) => Err(Stop::Unreachable(why)),
        }
    };
    let work = async {
        // The sender is told while the file is on its way; neither waits for the other. Where no answer can be sent,
        // the file is not needed.
        let (greeted, fetched) = tokio::try_join!(greeting, async { Ok(fetching.await) })?;
        Ok((greeted, measure(context, &request, fetched).await))
    };
    let work = async {
        tokio::select! {
            done = work => Some(done),
            () = listed.wish().cancelled() => None,
        }
    };
    let stopped = context.shutdown.hard.run_until_cancelled(request.hold(&context.store, work)).await;
    let Some(held) = stopped else { return request.release(&context.store).await };
    let Some(done) = held? else { return give_up(context, request, &DownloadFailure::Cancelled).await };
    let (greeted, measured) = match done {
        Ok(done) => done,
        Err(Stop::Store(error)) => return Err(error),
        Err(Stop::Unreachable(why)) => return give_up(context, request, &why.into()).await,
    };
    if let Some((chat, message)) = greeted {
        request.knows_status_message(chat, message);
    }
    match measured {
        Ok(length) => {
            let (id, user) = (request.id(), request.user());
            let per_day = context.config().limits.daily_audio;
            match request.advance_within_day(&context.store, Downloaded { length }, per_day).await? {
                WithinDay::Entered(request) => {
                    listed.hand_over();
                    enqueue::one(context, request).await?;
                    // Cancelled when the file was here and the request not yet in the queue, where the store can end it.
                    if context.cancels.take_early(id) {
                        let outcome = request::cancel(&context.store, id, user).await?;
                        context.follow_up(id, outcome);
                    }
                    Ok(())
                }
                WithinDay::Over(request) => give_up(context, *request, &DownloadFailure::DayFull).await,
            }
        }
        Err(why) => give_up(context, request, &why).await,
    }
}

/// What ends a download before the file is here.
enum Stop {
    Store(StoreError),
    Unreachable(Unreachable),
}

async fn give_up(context: &Context, request: Request<Received>, why: &DownloadFailure) -> Result<(), StoreError> {
    context.discard_audio(request.id()).await;
    request.fail(&context.store, why).await.map(drop)
}

/// The real length of what came, told by a process of its own: decoders meet whatever people send.
async fn measure(
    context: &Context,
    request: &Request<Received>,
    fetched: Result<(), DownloadFailure>,
) -> Result<Duration, DownloadFailure> {
    fetched?;
    let limit = context.config().limits.voice;
    match context.probes.measure(&context.audio_file(request.id()), limit).await {
        Ok(length) => Ok(length),
        Err(ProbeError::Audio(error)) => Err(of_audio(error, limit)),
        Err(error) => Err(DownloadFailure::Damaged(error.to_string())),
    }
}

fn of_audio(error: AudioError, limit: Duration) -> DownloadFailure {
    match error {
        AudioError::TooLong { .. } => DownloadFailure::TooLong { limit },
        AudioError::NoAudio => DownloadFailure::Silent,
        AudioError::Codec { name } => DownloadFailure::Codec { name },
        AudioError::Unsupported { .. } => DownloadFailure::Unsupported(error.to_string()),
        AudioError::Damaged { .. } | AudioError::Empty => DownloadFailure::Damaged(error.to_string()),
        AudioError::Io { .. } => DownloadFailure::Local(error.to_string()),
    }
}
