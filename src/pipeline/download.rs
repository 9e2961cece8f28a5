//! Downloads a request's audio and measures its length. Length and size in the update are claims only.

use std::sync::Arc;
use std::time::Duration;

use stenobot_audio::AudioError;
use stenobot_engine::probe::{ProbeError, Probes};
use stenobot_host::DiskSpace;
use stenobot_store::{Fleet, StoreError, Topic, WorkSource};
use stenobot_telegram::{BotMessage, StatusText, Unreachable};
use tokio::sync::watch;
use tower::{Service, ServiceExt};

use super::cancels::CancelRegistry;
use super::fetch::{Fetch, Fetcher, Fetchers};
use super::positions::{PositionDisplay, QueuedRequest};
use super::recordings::Recordings;
use super::status::StatusMessages;
use super::worker::{Turn, Worker};
use crate::request::{self, Claim, DownloadFailure, Downloaded, Queued, Received, Request, WithinDay};
use crate::settings::Settings;

/// Free bytes that are left to the store: with less no download begins. The store needs a few megabytes for its write-ahead
/// log; a download that began before may still take its part of the rest.
const MIN_FREE_BYTES: u64 = 32 << 20;

/// Downloads the audio of admitted requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Downloader {
    pub(crate) worker: Worker,
    pub(crate) settings: Settings,
    pub(crate) fetchers: Fetchers,
    pub(crate) status: StatusMessages,
    pub(crate) positions: PositionDisplay,
    pub(crate) recordings: Recordings,
    pub(crate) cancels: CancelRegistry,
    /// Measure recordings in processes of their own.
    pub(crate) probes: Probes,
    /// Whether the disk has space for more recordings.
    pub(crate) disk_has_space: watch::Sender<bool>,
}

/// Whether recordings are downloaded, by this machine or another. Cheap to clone.
#[derive(Clone)]
pub(crate) struct DownloadSpace {
    /// The machines there are; none where this one is alone.
    pub(crate) fleet: watch::Receiver<Arc<Fleet>>,
    /// Of this machine's disk.
    pub(crate) own: watch::Sender<bool>,
}

impl DownloadSpace {
    /// Whether a machine has space.
    pub(crate) fn is_left(&self) -> bool {
        self.fleet.borrow().has_disk_space().unwrap_or_else(|| *self.own.borrow())
    }
}

/// Why a download ends before the file is here.
enum Stop {
    Store(StoreError),
    Unreachable(Unreachable),
}

impl Downloader {
    /// Claims and downloads until the soft shutdown.
    pub(crate) async fn run(mut self) {
        let mut fetcher = self.fetchers.stack();
        let worker = self.worker.clone();
        worker
            .run("claim a download", worker.store.changes_of(Topic::Work(WorkSource::Downloads)), async || {
                if self.settings.have_changed() {
                    fetcher = self.fetchers.stack();
                }
                let Some(ready) = self.worker.shutdown.soft.run_until_cancelled(fetcher.ready()).await else {
                    return Ok(Turn::Idle);
                };
                if let Err(error) = ready {
                    tracing::error!(%error, "downloads cannot be started");
                    return Ok(Turn::Idle);
                }
                if !self.check_disk_space().await {
                    return Ok(Turn::Idle);
                }
                self.claim(&mut fetcher).await
            })
            .await;
    }

    async fn claim(&self, fetcher: &mut Fetcher) -> Result<Turn, StoreError> {
        match Request::<Received>::claim(&self.worker.store, &self.worker.id).await? {
            None => return Ok(Turn::Idle),
            Some(Claim::Exhausted(request, why)) => self.give_up(request, &why).await?,
            Some(Claim::Ready(request)) => {
                let fetching = fetcher.call(Fetch::of(&request));
                let span = request.span();
                let own = self.clone();
                self.worker.spawn(span, "finish a download", async move { own.process(request, fetching).await });
            }
        }
        Ok(Turn::Worked)
    }

    /// Whether the disk has space for another download. If that cannot be determined, downloads go on.
    async fn check_disk_space(&self) -> bool {
        let folder = self.settings.config().storage.data_dir.clone();
        let space = tokio::task::spawn_blocking(move || DiskSpace::around(&folder)).await;
        let has_space = !matches!(space, Ok(Ok(space)) if space.free_bytes < MIN_FREE_BYTES);
        let changed = self.disk_has_space.send_if_modified(|before| std::mem::replace(before, has_space) != has_space);
        match (changed, has_space) {
            (true, false) => tracing::error!("downloads wait: the disk that holds the data folder is almost full"),
            (true, true) => tracing::info!("downloads go on: the disk has room again"),
            (false, _) => {}
        }
        has_space
    }

    async fn process(
        &self,
        mut request: Request<Received>,
        fetching: impl Future<Output = Result<(), DownloadFailure>>,
    ) -> Result<(), StoreError> {
        let store = &self.worker.store;
        let cancel = self.cancels.register(&request);
        let work = async {
            // The sender is informed while the file is on its way; neither waits for the other. Where no answer can be sent,
            // the file is not needed.
            let (shown, fetched) = tokio::try_join!(self.show(&request), async { Ok(fetching.await) })?;
            Ok((shown, self.measure(&request, fetched).await))
        };
        let work = async {
            tokio::select! {
                done = work => Some(done),
                () = cancel.token().cancelled() => None,
            }
        };
        let held = self.worker.shutdown.hard.run_until_cancelled(request.hold(store, work)).await;
        let Some(held) = held else { return request.release(store).await };
        let Some(done) = held? else { return self.give_up(request, &DownloadFailure::Cancelled).await };
        let (shown, measured) = match done {
            Ok(done) => done,
            Err(Stop::Store(error)) => return Err(error),
            Err(Stop::Unreachable(why)) => return self.give_up(request, &why.into()).await,
        };
        if let Some(message) = shown {
            request.knows_shown(message);
        }
        let length = match measured {
            Ok(length) => length,
            Err(why) => return self.give_up(request, &why).await,
        };
        let (id, user) = (request.id(), request.user());
        let per_day = self.settings.config().limits.daily_audio;
        match request.advance_within_day(store, Downloaded { length }, per_day).await? {
            WithinDay::Entered(request) => {
                cancel.hand_over();
                let waiting = QueuedRequest::of(&request);
                let queued = request.advance(store, Queued::default()).await?;
                tracing::debug!(request = queued.id().0, "queued");
                self.positions.show_distant(waiting);
                // Cancelled after the download and before the request was queued, where the store can end it.
                if self.cancels.remove_pending(id) {
                    let outcome = request::cancel(store, id, user).await?;
                    self.cancels.follow_up(id, outcome);
                }
                Ok(())
            }
            WithinDay::Over(request) => self.give_up(*request, &DownloadFailure::DayFull).await,
        }
    }

    /// Sends the status message and records it at once: after a crash the next attempt edits it.
    async fn show(&self, request: &Request<Received>) -> Result<Option<BotMessage>, Stop> {
        let downloading =
            self.status.message(request.id(), request.origin(), request.locale(), &StatusText::Downloading);
        match self.status.ensure(request, &downloading).await {
            Ok(Some(message)) => {
                let recorded = request.record_shown(&self.worker.store, &message).await;
                recorded.map(|()| Some(message)).map_err(Stop::Store)
            }
            Ok(None) => Ok(None),
            Err(why) => Err(Stop::Unreachable(why)),
        }
    }

    async fn give_up(&self, request: Request<Received>, why: &DownloadFailure) -> Result<(), StoreError> {
        self.recordings.discard(request.id()).await;
        request.fail(&self.worker.store, why).await.map(drop)
    }

    /// Measures the length of a downloaded file in a separate process, since files may be hostile to decoders.
    async fn measure(
        &self,
        request: &Request<Received>,
        fetched: Result<(), DownloadFailure>,
    ) -> Result<Duration, DownloadFailure> {
        fetched?;
        let limit = self.settings.config().limits.voice;
        match self.probes.measure(&self.recordings.file(request.id()), limit).await {
            Ok(length) => Ok(length),
            Err(ProbeError::Audio(error)) => Err(of_audio(error, limit)),
            Err(error) => Err(DownloadFailure::Damaged(error.to_string())),
        }
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
