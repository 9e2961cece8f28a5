//! The engine hears a request. Its place in the engine is reserved before the request is claimed, and is free
//! again only when the native code has really stopped.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use stenobot_domain::{ChatId, LikelyLanguage, MessageId, Progress, SpeechLanguage, Transcript};
use stenobot_engine::{EngineError, EngineJob, EngineService};
use stenobot_store::StoreError;
use stenobot_telegram::{Percent, StatusText, ThreadId};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tower::util::BoxService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};

use super::cancels::Listed;
use super::chats::Unreachable;
use super::outbox::{Outbox, OutboxPlace};
use super::worker::{self, Turn};
use super::{Context, Flow, deliver, enqueue, estimate, likely};
use crate::layers::{DeadlineLayer, Deadlined, ObserveLayer, deadline_of};
use crate::metrics::Work;
use crate::request::{Claim, Event, Queued, Request, TranscribeFailure, Transcribed, Transcribing, WithinDay, observe};

/// One request's audio on its way to the engine.
struct Hear {
    audio: PathBuf,
    language: SpeechLanguage,
    likely: Vec<LikelyLanguage>,
    limit: Duration,
    length: Duration,
    real_time_factor: f64,
    progress: watch::Sender<Progress>,
    cancel: CancellationToken,
}

impl Deadlined for Hear {
    type Bound = EngineJob;

    fn bind(self, cap: Duration) -> EngineJob {
        EngineJob {
            audio: self.audio,
            language: self.language,
            likely: self.likely,
            limit: self.limit,
            deadline: deadline_of(self.length, self.real_time_factor, cap),
            progress: self.progress,
            cancel: self.cancel,
        }
    }
}

type Engine = BoxService<Hear, Transcript, TranscribeFailure>;

fn stack(context: &Context, engine: EngineService) -> Engine {
    let live = context.live.clone();
    let cap = move || live.borrow().config.timing.transcription;
    ServiceBuilder::new()
        .boxed()
        // Decoding and inference; the wait for the engine is in `queue_wait_seconds`.
        .layer(ObserveLayer::new(Work::Transcription))
        // Layers speak of boxed errors; the stage speaks of its own.
        .map_err(failure)
        // As many at once as there are engine processes. The pool holds its own places too, since a future that
        // is dropped here must not free one whose native code still runs.
        .concurrency_limit(context.config().engine.workers)
        // Handed down, not raced: only the engine can stop native code.
        .layer(DeadlineLayer::new(cap))
        .map_err(BoxError::from)
        .service(engine)
}

fn failure(error: BoxError) -> TranscribeFailure {
    match error.downcast::<EngineError>() {
        Ok(error) => match *error {
            EngineError::Deadline { after } => TranscribeFailure::Deadline { limit: after },
            EngineError::Cancelled | EngineError::ShutDown => TranscribeFailure::Stopping,
            EngineError::Unavailable { reason } => TranscribeFailure::Unavailable(reason),
            EngineError::Crashed(_) | EngineError::Inference(_) => TranscribeFailure::Crashed(error.to_string()),
            EngineError::Audio(error) => TranscribeFailure::Damaged(error.to_string()),
            EngineError::UnknownLanguage(_) => TranscribeFailure::Misconfigured(error.to_string()),
        },
        Err(error) => TranscribeFailure::Unavailable(error.to_string()),
    }
}

/// Transcribes what waits, until the soft shutdown.
pub(crate) async fn run(context: &Context, engine: EngineService) {
    let mut engine = stack(context, engine);
    let outbox = context.outbox.clone();
    let delivered = Arc::new(Notify::new());
    worker::run_woken(context, "claim a transcription", &delivered, async || {
        if *context.flow.borrow() == Flow::Paused {
            return Ok(Turn::Idle);
        }
        let room = async {
            let place = outbox.room().await;
            engine.ready().await.map(|_| place)
        };
        let place = match context.shutdown.soft.run_until_cancelled(room).await {
            Some(Ok(Some(place))) => place,
            // The pool has logged why it cannot work; requests wait meanwhile.
            Some(Err(_) | Ok(None)) | None => return Ok(Turn::Idle),
        };
        match Request::<Queued>::claim_excluding(&context.store, &context.worker, &outbox.busy()).await? {
            None => return Ok(Turn::Idle),
            Some(Claim::Exhausted(request, why)) => {
                context.discard_audio(request.id()).await;
                let _ = request.fail(&context.store, &why).await?;
            }
            Some(Claim::Ready(request)) if is_closed(context, &request) => {
                context.discard_audio(request.id()).await;
                let _ = request.fail(&context.store, &TranscribeFailure::WriteForbidden).await?;
            }
            Some(Claim::Ready(request)) => {
                let place = outbox.enter(request.chat(), request.user(), Some(place));
                start(
                    context,
                    &mut engine,
                    request,
                    Delivery { outbox: outbox.clone(), place, delivered: delivered.clone() },
                )
                .await?;
            }
        }
        Ok(Turn::Worked)
    })
    .await;
}

/// Whether the text could not be delivered: then the engine is left to others.
fn is_closed(context: &Context, request: &Request<Queued>) -> bool {
    context.is_closed(request.chat(), request.thread().map(ThreadId), request.received_at())
}

/// A request's place among the texts that wait for Telegram.
struct Delivery {
    outbox: Outbox,
    place: OutboxPlace,
    /// Told when the place is free.
    delivered: Arc<Notify>,
}

impl Delivery {
    /// That of a request that is given the same text.
    fn also(&self, request: &Request<Transcribed>) -> Self {
        let place = self.outbox.enter(request.chat(), request.user(), None);
        Self { outbox: self.outbox.clone(), place, delivered: self.delivered.clone() }
    }

    fn end(self) {
        drop(self.place);
        self.delivered.notify_one();
    }
}

async fn start(
    context: &Context,
    engine: &mut Engine,
    request: Request<Queued>,
    delivery: Delivery,
) -> Result<(), StoreError> {
    let waited = context.store.clock().now().since(request.received_at());
    let request = request.advance(&context.store, Transcribing::default()).await?;
    observe(&Event::Started { id: request.id(), waited });
    let listed = context.cancels.enlist(request.id());
    let factor = estimate::real_time_factor(context).await;
    let language = request.speech_language().cloned().unwrap_or_else(|| context.config().engine.language.clone());
    let likely = likely::likely_languages(context, request.user(), request.locale(), &language).await;
    let cancel = context.shutdown.hard.child_token();
    let (progress, progressed) = watch::channel(Progress { done: Duration::ZERO, total: request.length() });
    let hearing = engine.call(Hear {
        audio: context.audio_file(request.id()),
        language,
        likely,
        limit: context.config().limits.voice,
        length: request.length(),
        real_time_factor: factor,
        progress,
        cancel: cancel.clone(),
    });
    // The engine begins at once, and gives its place back at its end, whatever Telegram does to the first words meanwhile.
    let hearing = AbortOnDropHandle::new(tokio::spawn(hearing));
    let hearing = async { hearing.await.unwrap_or_else(|error| Err(TranscribeFailure::Crashed(error.to_string()))) };
    let span = request.span();
    let own = context.clone();
    context.spawn(span, "finish a transcription", async move {
        let expected = request.length().mul_f64(factor);
        let outcome = one(&own, request, hearing, progressed, Stop { listed, cancel }, expected, &delivery).await;
        delivery.end();
        outcome
    });
    Ok(())
}

async fn one(
    context: &Context,
    mut request: Request<Transcribing>,
    hearing: impl Future<Output = Result<Transcript, TranscribeFailure>>,
    progressed: watch::Receiver<Progress>,
    stop: Stop,
    expected: Duration,
    delivery: &Delivery,
) -> Result<(), StoreError> {
    let silent = request.was_transcribed_before();
    if !silent {
        match greet(context, &request).await {
            Ok(Some((chat, message))) => request.set_status_message(&context.store, chat, message).await?,
            Ok(None) => {}
            Err(why) => {
                stop.cancel.cancel();
                // The engine's slot is free only when the native code has stopped.
                request.hold(&context.store, hearing).await?.ok();
                context.discard_audio(request.id()).await;
                return request.fail(&context.store, &why.into()).await.map(drop);
            }
        }
    }
    let work = async {
        let hearing = stop.unless_withdrawn(hearing);
        tokio::select! {
            heard = hearing => heard,
            never = show_progress(context, &request, progressed, expected), if !silent => match never {},
        }
    };
    match request.hold(&context.store, work).await? {
        Ok(transcript) => {
            observe(&Event::Transcribed {
                id: request.id(),
                audio: transcript.audio,
                processing: transcript.processing,
                characters: transcript.text().0.chars().count(),
            });
            let model = context.model.to_string();
            let next = || Transcribed { transcript: transcript.clone(), model: model.clone() };
            let request = request.advance(&context.store, next()).await?;
            // Whoever asked for the same recording gets the same text, and none of them waits for another's chat. One of
            // them that is lost in a crash is heard by itself.
            while let Some(also) = Request::claim_coalesced(&context.store, request.id(), &context.worker).await? {
                let per_day = context.config().limits.daily_audio;
                match also.advance_within_day(&context.store, next(), per_day).await? {
                    WithinDay::Entered(also) => {
                        let place = delivery.also(&also);
                        let (own, span) = (context.clone(), also.span());
                        context.spawn(span, "finish a transcription", async move {
                            let outcome = deliver::one(&own, also).await;
                            place.end();
                            outcome
                        });
                    }
                    WithinDay::Over(also) => {
                        also.fail(&context.store, &TranscribeFailure::DayFull).await.map(drop)?;
                    }
                }
            }
            deliver::one(context, request).await
        }
        Err(why) => {
            let id = request.id();
            if let crate::request::Setback::GaveUp(_) = request.fail(&context.store, &why).await? {
                context.discard_audio(id).await;
            }
            Ok(())
        }
    }
}

/// Shows that work has begun: by an edit, or by a message of its own if the first one never got through.
async fn greet(context: &Context, request: &Request<Transcribing>) -> Result<Option<(ChatId, MessageId)>, Unreachable> {
    context.show(request.id(), request.chat(), request.status_message(), request.locale(), &StatusText::Starting);
    let note = context.state(request.id(), request.locale(), &StatusText::Starting);
    enqueue::ensure_status(context, request, &note).await
}

/// How work is stopped: by the sender's wish, and with the service.
struct Stop {
    listed: Listed,
    cancel: CancellationToken,
}

impl Stop {
    /// Waits for the engine, also after the sender's wish: its place is free only when the native code has stopped.
    async fn unless_withdrawn(
        &self,
        hearing: impl Future<Output = Result<Transcript, TranscribeFailure>>,
    ) -> Result<Transcript, TranscribeFailure> {
        let mut hearing = pin!(hearing);
        let heard = tokio::select! {
            heard = &mut hearing => heard,
            () = self.listed.wish().cancelled() => {
                self.cancel.cancel();
                hearing.await
            }
        };
        // Also a text that was just ready: it is wanted no more.
        if self.listed.wish().is_cancelled() { Err(TranscribeFailure::Cancelled) } else { heard }
    }
}

/// Shows progress every few seconds, the engine's own blended with the expected time, never going back, for as long as it is
/// polled.
async fn show_progress(
    context: &Context,
    request: &Request<Transcribing>,
    progressed: watch::Receiver<Progress>,
    expected: Duration,
) -> std::convert::Infallible {
    let started = Instant::now();
    let mut beat = tokio::time::interval(context.config().timing.progress_interval);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    beat.tick().await;
    let mut best = 0.0_f64;
    loop {
        beat.tick().await;
        let elapsed = started.elapsed();
        best = estimate::progress(best, progressed.borrow().fraction(), elapsed, expected);
        let remaining = estimate::remaining(best, elapsed, expected);
        let text = StatusText::Progress { percent: Percent::running(best), elapsed, remaining };
        context.show(request.id(), request.chat(), request.status_message(), request.locale(), &text);
    }
}
