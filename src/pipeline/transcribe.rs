//! The engine transcribes a request. Its slot in the engine is reserved before the request is claimed, and is free again only
//! when the native code has stopped.

mod fetch_and_start;
mod live;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use stenobot_domain::{LikelyLanguage, LiveText, Progress, RequestId, Transcript, UserId};
use stenobot_engine::{EngineError, EngineJob, TranscribeJob};
use stenobot_store::{StoreError, Topic, WorkSource};
use stenobot_telegram::{BotMessage, StatusText, Unreachable};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tower::util::BoxCloneService;
use tower::{Service, ServiceBuilder, ServiceExt};

use super::backlog::{Backlog, BacklogEntry};
use super::cancels::{CancelGuard, CancelRegistry};
use super::chats::Chats;
use super::deliver::Deliverer;
use super::estimate::Estimates;
use super::fetch::Fetchers;
use super::likely;
use super::recordings::Recordings;
use super::service_mode::ServiceControl;
use super::status::StatusMessages;
use super::worker::{Turn, Worker};
use crate::layers::{DeadlineLayer, Deadlined, ObserveLayer, deadline_of};
use crate::metrics::Work;
use crate::request::{
    Claim, Event, Queued, Request, Setback, Stage, TranscribeFailure, Transcribed, Transcribing, WithinDay, observe,
};
use crate::settings::Settings;
use live::{Attended, EngineWork, Stop};

/// The engine behind tower's interface: the pool of engine processes, or a script in a test.
pub(crate) type EngineService = BoxCloneService<EngineJob, Transcript, EngineError>;

/// One request's audio, before the deadline layer turns it into a job of the engine.
struct TranscribeRequest {
    job: TranscribeJob,
    length: Duration,
    real_time_factor: f64,
    progress: watch::Sender<Progress>,
    text: watch::Sender<LiveText>,
    cancel: CancellationToken,
}

impl Deadlined for TranscribeRequest {
    type Bound = EngineJob;

    fn bind(self, cap: Duration) -> EngineJob {
        EngineJob {
            job: self.job,
            deadline: deadline_of(self.length, self.real_time_factor, cap),
            progress: self.progress,
            text: self.text,
            cancel: self.cancel,
        }
    }
}

/// A clone that is ready holds a slot until it is called or dropped; a fresh clone holds none.
type Engine = BoxCloneService<TranscribeRequest, Transcript, TranscribeFailure>;

fn failure(error: EngineError) -> TranscribeFailure {
    match error {
        EngineError::Deadline { after } => TranscribeFailure::Deadline { limit: after },
        EngineError::Cancelled | EngineError::ShutDown => TranscribeFailure::Stopping,
        EngineError::Unavailable { reason } => TranscribeFailure::Unavailable(reason),
        EngineError::Crashed(_) | EngineError::Inference(_) => TranscribeFailure::Crashed(error.to_string()),
        EngineError::Audio(error) => TranscribeFailure::Damaged(error.to_string()),
        EngineError::UnknownLanguage(_) => TranscribeFailure::Misconfigured(error.to_string()),
    }
}

/// Transcribes queued requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Transcriber {
    pub(crate) worker: Worker,
    pub(crate) settings: Settings,
    pub(crate) service: ServiceControl,
    pub(crate) status: StatusMessages,
    pub(crate) chats: Chats,
    pub(crate) recordings: Recordings,
    pub(crate) fetchers: Fetchers,
    pub(crate) cancels: CancelRegistry,
    pub(crate) estimates: Estimates,
    /// Name of the engine's model, as the store keeps it.
    pub(crate) model: Arc<str>,
    pub(crate) backlog: Backlog,
    pub(crate) deliverer: Deliverer,
}

/// A transcript, and what was known of its languages beforehand.
struct Recognised {
    transcript: Transcript,
    /// Whose languages were likely: the sender of the request for which the work began.
    user: UserId,
    prior: Vec<LikelyLanguage>,
}

/// A request's entry in the backlog of texts that wait for Telegram.
struct Delivery {
    backlog: Backlog,
    entry: BacklogEntry,
    /// Notified when the entry is dropped.
    delivered: Arc<Notify>,
}

impl Delivery {
    /// The delivery of a coalesced request, which is given the text of another.
    fn of_coalesced<S: Stage>(&self, request: &Request<S>) -> Self {
        let entry = self.backlog.enter(request.chat(), request.user(), None);
        Self { backlog: self.backlog.clone(), entry, delivered: self.delivered.clone() }
    }

    fn end(self) {
        drop(self.entry);
        self.delivered.notify_one();
    }
}

impl Transcriber {
    /// Claims and transcribes until the soft shutdown.
    pub(crate) async fn run(self, engine: EngineService) {
        let engine = self.stack(engine);
        let delivered = Arc::new(Notify::new());
        // One more than there are slots: the engine works while a recording is fetched.
        let fetches = Arc::new(Semaphore::new(self.settings.config().engine.workers + 1));
        let worker = self.worker.clone();
        let changes = worker.store.changes_of(Topic::Work(WorkSource::Transcriptions));
        worker
            .run_woken("claim a transcription", changes, &delivered, async || {
                self.turn(&engine, &fetches, &delivered).await
            })
            .await;
    }

    fn stack(&self, engine: EngineService) -> Engine {
        let settings = self.settings.clone();
        let cap = move || settings.config().timing.transcription;
        ServiceBuilder::new()
            .boxed_clone()
            // Decoding and inference; the wait for the engine is in `queue_wait_seconds`.
            .layer(ObserveLayer::new(Work::Transcription))
            .map_err(failure)
            // As many at once as there are engine processes. The pool holds its own permits too, since a future that is
            // dropped here must not free one whose native code still runs.
            .concurrency_limit(self.settings.config().engine.workers)
            // Passed on, not raced: only the engine can stop native code.
            .layer(DeadlineLayer::new(cap))
            .service(engine)
    }

    async fn turn(
        &self,
        engine: &Engine,
        fetches: &Arc<Semaphore>,
        delivered: &Arc<Notify>,
    ) -> Result<Turn, StoreError> {
        if self.service.is_paused() {
            return Ok(Turn::Idle);
        }
        let mut engine = engine.clone();
        let capacity = async {
            let permit = self.backlog.reserve().await?;
            // Whether a request's audio is here is known only when it is claimed.
            let fetch = fetches.clone().acquire_owned().await.ok()?;
            engine.ready().await.ok()?;
            Some((permit, fetch))
        };
        let (permit, fetch) = match self.worker.shutdown.soft.run_until_cancelled(capacity).await {
            Some(Some(permits)) => permits,
            // The pool has logged why it cannot work; requests wait meanwhile.
            Some(None) | None => return Ok(Turn::Idle),
        };
        let (store, busy) = (&self.worker.store, self.backlog.busy());
        match Request::<Queued>::claim_excluding(store, &self.worker.id, &busy).await? {
            None => return Ok(Turn::Idle),
            Some(Claim::Exhausted(request, why)) => self.give_up(request, &why).await?,
            Some(Claim::Ready(request)) if self.is_write_forbidden(&request) => {
                let (span, clear) = (request.span(), self.status.clear(&request));
                self.worker.spawn(span, "remove a reaction", async {
                    clear.await;
                    Ok(())
                });
                self.give_up(request, &TranscribeFailure::WriteForbidden).await?;
            }
            Some(Claim::Ready(request)) => {
                let entry = self.backlog.enter(request.chat(), request.user(), Some(permit));
                let delivery = Delivery { backlog: self.backlog.clone(), entry, delivered: delivered.clone() };
                let guard = self.cancels.register(&request);
                if self.recordings.has(request.id()).await {
                    self.start(engine, request, guard, delivery).await?;
                } else {
                    // Without the slot.
                    let engine = engine.clone();
                    let (own, span) = (self.clone(), request.span());
                    self.worker.spawn(span, "fetch a recording", async move {
                        own.fetch_and_start(engine, request, guard, delivery, fetch).await
                    });
                }
            }
        }
        Ok(Turn::Worked)
    }

    async fn fail<S: Stage<Failure = TranscribeFailure>>(
        &self,
        request: Request<S>,
        why: &TranscribeFailure,
    ) -> Result<(), StoreError> {
        let id = request.id();
        if let Setback::GaveUp(_) = request.fail(&self.worker.store, why).await? {
            self.recordings.discard(id).await;
        }
        Ok(())
    }

    /// Whether the text could not be delivered: then the engine is left to other requests.
    fn is_write_forbidden(&self, request: &Request<Queued>) -> bool {
        self.chats.is_write_forbidden(request.chat(), request.thread(), request.received_at())
    }

    async fn give_up(&self, request: Request<Queued>, why: &TranscribeFailure) -> Result<(), StoreError> {
        self.recordings.discard(request.id()).await;
        request.fail(&self.worker.store, why).await.map(drop)
    }

    /// Starts the transcription in the slot that `engine` holds.
    async fn start(
        &self,
        mut engine: Engine,
        request: Request<Queued>,
        guard: CancelGuard,
        delivery: Delivery,
    ) -> Result<(), StoreError> {
        let store = &self.worker.store;
        let waited = store.now().since(request.received_at());
        let request = request.advance(store, Transcribing::default()).await?;
        observe(&Event::Started { id: request.id(), waited });
        let factor = self.estimates.real_time_factor().await;
        let config = self.settings.config();
        let language = request.speech_language().cloned().unwrap_or_else(|| config.engine.language.clone());
        let (user, prior) = (request.user(), self.prior_of(&request).await);
        let cancel = self.worker.shutdown.hard.child_token();
        let (progress, progressed) = watch::channel(Progress { done: Duration::ZERO, total: request.length() });
        let job = TranscribeJob::new(&self.recordings.file(request.id()), language, config.limits.voice)
            .with_likely(prior.clone());
        let (length, cancel_engine) = (request.length(), cancel.clone());
        let (text, told) = watch::channel(LiveText::default());
        let job = TranscribeRequest { job, length, real_time_factor: factor, progress, text, cancel: cancel_engine };
        let started = Instant::now();
        let transcription = engine.call(job);
        // The engine begins at once, and its slot is free at its end, however long the first status message takes.
        let transcription = AbortOnDropHandle::new(tokio::spawn(transcription));
        let transcription = async move {
            let done = transcription.await.unwrap_or_else(|error| Err(TranscribeFailure::Crashed(error.to_string())));
            done.map(|transcript| Recognised { transcript, user, prior })
        };
        let expected = request.length().mul_f64(factor);
        let work = EngineWork { transcription: transcription.boxed(), progressed, told, started, expected };
        let (own, span) = (self.clone(), request.span());
        self.worker.spawn(span, "finish a transcription", async move {
            let stop = Stop { guard, engine: cancel };
            let outcome = own.process(request, work, stop, &delivery).await;
            delivery.end();
            outcome
        });
        Ok(())
    }

    async fn process(
        &self,
        mut request: Request<Transcribing>,
        mut work: EngineWork,
        stop: Stop,
        delivery: &Delivery,
    ) -> Result<(), StoreError> {
        let store = &self.worker.store;
        // An earlier attempt had the text: its sender may have the answer, over which no state is shown.
        let silent = request.was_transcribed_before();
        if !silent {
            // The machine that held it before may only have stood still, and then shows a state in the message of the answer.
            if self.settings.config().storage.is_shared() && request.is_taken_over() {
                self.status.renew(&mut request).await;
            }
            match self.show_start(&request).await {
                Ok(Some(message)) => {
                    request.record_shown(store, &message).await?;
                    request.knows_shown(message);
                }
                Ok(None) => {}
                Err(why) => {
                    stop.engine.cancel();
                    // The engine's slot is free only when the native code has stopped.
                    request.hold(store, work.transcription).await?.ok();
                    self.recordings.discard(request.id()).await;
                    return request.fail(store, &why.into()).await.map(drop);
                }
            }
        }
        let attended = self.attend(&request, &mut work, &stop, silent);
        match request.hold(store, attended).await? {
            Attended::Ended(Ok(recognised)) => self.finish(request, recognised, delivery).await,
            Attended::Ended(Err(why)) => self.fail(request, &why).await,
            Attended::Stopped(text) => self.keep(request, text, work, stop, delivery).await,
        }
    }

    /// Records the transcription and delivers it to the sender, and to the senders of coalesced requests. Where the languages
    /// depend on what the sender is likely to speak, a request of another sender is transcribed separately.
    async fn finish(
        &self,
        request: Request<Transcribing>,
        recognised: Recognised,
        delivery: &Delivery,
    ) -> Result<(), StoreError> {
        let store = &self.worker.store;
        let transcript = &recognised.transcript;
        observe(&Event::Transcribed {
            id: request.id(),
            audio: transcript.audio,
            processing: transcript.processing,
            characters: transcript.text().0.chars().count(),
        });
        let id = request.id();
        if !self.is_text_of(&recognised, &request).await {
            // It went on in place of a request that was stopped. What is coalesced into it is claimed first: once separated,
            // it waits again, and so would they.
            self.share(id, &recognised, delivery).await?;
            return request.separate(store).await;
        }
        let (next, per_day) = (self.transcribed(transcript), self.settings.config().limits.daily_audio);
        let own = match request.coalesced_into() {
            None => WithinDay::Entered(request.advance(store, next).await?),
            // It goes on in place of a request that was stopped; its length is known only now.
            Some(_) => request.advance_within_day(store, next, per_day).await?,
        };
        self.share(id, &recognised, delivery).await?;
        match own {
            WithinDay::Entered(request) => self.deliverer.deliver(request).await,
            WithinDay::Over(request) => request.fail(store, &TranscribeFailure::DayFull).await.map(drop),
        }
    }

    /// Gives the text to the requests that are coalesced into `into`, or separates them. No delivery waits for another's chat. A
    /// coalesced request that is lost in a crash is transcribed separately.
    async fn share(&self, into: RequestId, recognised: &Recognised, delivery: &Delivery) -> Result<(), StoreError> {
        let store = &self.worker.store;
        let per_day = self.settings.config().limits.daily_audio;
        while let Some(coalesced) = Request::claim_coalesced(store, into, &self.worker.id).await? {
            if !self.is_text_of(recognised, &coalesced).await {
                coalesced.separate(store).await?;
                continue;
            }
            let next = self.transcribed(&recognised.transcript);
            match coalesced.advance_within_day(store, next, per_day).await? {
                WithinDay::Entered(coalesced) => {
                    let delivery = delivery.of_coalesced(&coalesced);
                    let (deliverer, span) = (self.deliverer.clone(), coalesced.span());
                    self.worker.spawn(span, "finish a transcription", async move {
                        let outcome = deliverer.deliver(coalesced).await;
                        delivery.end();
                        outcome
                    });
                }
                WithinDay::Over(coalesced) => {
                    coalesced.fail(store, &TranscribeFailure::DayFull).await.map(drop)?;
                }
            }
        }
        Ok(())
    }

    fn transcribed(&self, transcript: &Transcript) -> Transcribed {
        Transcribed { transcript: transcript.clone(), model: self.model.to_string(), stopped_at: None }
    }

    /// Whether the text is the one that the request's sender would get from work of their own.
    async fn is_text_of(&self, recognised: &Recognised, request: &Request<Transcribing>) -> bool {
        let Recognised { transcript, user, prior } = recognised;
        transcript.is_sender_independent || request.user() == *user || self.prior_of(request).await == *prior
    }

    /// What is known beforehand of the languages of a request.
    async fn prior_of<S: Stage>(&self, request: &Request<S>) -> Vec<LikelyLanguage> {
        let language =
            request.speech_language().cloned().unwrap_or_else(|| self.settings.config().engine.language.clone());
        likely::likely_languages(&self.worker, &self.settings, request.user(), request.locale(), &language).await
    }

    /// Shows that work has begun: by an edit, or by a new message if there is none yet.
    async fn show_start(&self, request: &Request<Transcribing>) -> Result<Option<BotMessage>, Unreachable> {
        let text = &StatusText::Starting;
        let (id, origin) = (request.id(), request.origin());
        self.status.show((id, origin), request.chat(), request.status_message(), request.locale(), text);
        self.status.ensure_again(request, &self.status.message(id, origin, request.locale(), text)).await
    }
}
