//! A transcription while it is under way: progress and text so far are shown, and its sender can end it with that text.

use std::convert::Infallible;
use std::time::Duration;

use futures::future::BoxFuture;
use stenobot_domain::{LiveText, Progress};
use stenobot_store::StoreError;
use stenobot_telegram::{Percent, StatusText, body};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Delivery, Recognised, Transcriber};
use crate::pipeline::cancels::CancelGuard;
use crate::pipeline::estimate;
use crate::request::{Event, Request, TranscribeFailure, Transcribed, Transcribing, observe};

/// The first edits with progress show no text: of a short recording it is complete before long.
const EDITS_WITHOUT_TEXT: u32 = 1;

/// The engine's work on a recording.
pub(super) struct EngineWork {
    pub(super) transcription: BoxFuture<'static, Result<Recognised, TranscribeFailure>>,
    pub(super) progressed: watch::Receiver<Progress>,
    /// The text so far.
    pub(super) told: watch::Receiver<LiveText>,
    pub(super) started: Instant,
    /// How long it will take.
    pub(super) expected: Duration,
}

/// How the work on a request is stopped: when the request is cancelled, and at the hard shutdown.
pub(super) struct Stop {
    pub(super) guard: CancelGuard,
    pub(super) engine: CancellationToken,
}

/// What an estimate of the work needs.
#[derive(Clone, Copy)]
struct Pace {
    started: Instant,
    expected: Duration,
}

/// How the wait for the engine ended.
pub(super) enum Attended {
    /// By the engine.
    Ended(Result<Recognised, TranscribeFailure>),
    /// By the sender, with this text, which is not empty; the engine works on.
    Stopped(LiveText),
}

impl Transcriber {
    /// Waits for the engine and shows how far it has come.
    pub(super) async fn attend(
        &self,
        request: &Request<Transcribing>,
        work: &mut EngineWork,
        stop: &Stop,
        is_silent: bool,
    ) -> Attended {
        let pace = Pace { started: work.started, expected: work.expected };
        let EngineWork { transcription, progressed, told, .. } = work;
        let (progressed, told) = (&*progressed, &*told);
        tokio::select! {
            outcome = stop.await_or_cancel(transcription) => Attended::Ended(outcome),
            text = stop.await_stop(told) => Attended::Stopped(text),
            never = self.show_progress(request, progressed, told, pace), if !is_silent => match never {},
        }
    }

    /// Shows progress in every progress interval, for as long as it is polled: the engine's own, blended with the expected
    /// time, never going back; and the text so far, when there is some.
    async fn show_progress(
        &self,
        request: &Request<Transcribing>,
        progressed: &watch::Receiver<Progress>,
        told: &watch::Receiver<LiveText>,
        Pace { started, expected }: Pace,
    ) -> Infallible {
        let mut interval = tokio::time::interval(self.settings.config().timing.progress_interval);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        interval.tick().await;
        // What cannot be read is shown as by default.
        let has_times = self.worker.store.users.chat_settings(request.chat()).await.unwrap_or_default().times;
        let (mut best, mut edits) = (0.0_f64, 0_u32);
        loop {
            interval.tick().await;
            let elapsed = started.elapsed();
            best = estimate::progress(best, progressed.borrow().fraction(), elapsed, expected);
            let remaining = estimate::remaining(best, elapsed, expected);
            let state = StatusText::Progress { percent: Percent::running(best), elapsed, remaining };
            let text = match edits < EDITS_WITHOUT_TEXT {
                true => String::new(),
                false => {
                    let length = progressed.borrow().total;
                    body(&told.borrow().transcript(length, elapsed), has_times)
                }
            };
            if text.is_empty() {
                let shown = (request.id(), request.origin());
                self.status.show(shown, request.chat(), request.status_message(), request.locale(), &state);
            } else {
                self.status.show_text(request, &state, &text);
            }
            edits = edits.saturating_add(1);
        }
    }

    /// Ends a request with the text that is there. The engine stops, unless others wait for the whole text: it then works on for
    /// one of them, which the others are coalesced into.
    pub(super) async fn keep(
        &self,
        request: Request<Transcribing>,
        text: LiveText,
        work: EngineWork,
        stop: Stop,
        delivery: &Delivery,
    ) -> Result<(), StoreError> {
        let store = &self.worker.store;
        let (stopped_at, processing, length) = (text.end(), work.started.elapsed(), work.progressed.borrow().total);
        let mut transcribed = stopped_at;
        if let Some(next) = Request::take_over(store, request.id(), &self.worker.id).await? {
            self.go_on_for(next, work, stop.engine.clone(), delivery);
            transcribed = Duration::ZERO;
        } else {
            stop.engine.cancel();
            // The engine's slot is free only when the native code has stopped.
            if let Ok(whole) = request.hold(store, work.transcription).await? {
                return self.finish(request, whole, delivery).await;
            }
        }
        let transcript = text.transcript(length, processing);
        let characters = transcript.text().0.chars().count();
        observe(&Event::Stopped { id: request.id(), audio: transcribed, processing, characters });
        let next = Transcribed { transcript, model: self.model.to_string(), stopped_at: Some(stopped_at) };
        let request = request.advance(store, next).await?;
        self.deliverer.deliver(request).await
    }

    /// Goes on with the work for another request. The languages stay those that are likely for the sender of the request that was
    /// stopped: whether the whole text is this sender's too is known only when it is there. Text that is shown or kept before is
    /// from the same work.
    fn go_on_for(
        &self,
        request: Request<Transcribing>,
        work: EngineWork,
        engine: CancellationToken,
        delivery: &Delivery,
    ) {
        let delivery = delivery.of_coalesced(&request);
        let stop = Stop { guard: self.cancels.register(&request), engine };
        let (own, span) = (self.clone(), request.span());
        // Boxed, since its type would contain itself.
        let work: BoxFuture<'static, Result<(), StoreError>> = Box::pin(async move {
            let outcome = own.process(request, work, stop, &delivery).await;
            delivery.end();
            outcome
        });
        self.worker.spawn(span, "finish a transcription", work);
    }
}

impl Stop {
    /// Waits for the engine, also after a cancellation: its slot is free only when the native code has stopped.
    async fn await_or_cancel(
        &self,
        transcription: &mut BoxFuture<'static, Result<Recognised, TranscribeFailure>>,
    ) -> Result<Recognised, TranscribeFailure> {
        let outcome = tokio::select! {
            outcome = &mut *transcription => outcome,
            () = self.guard.token().cancelled() => {
                self.engine.cancel();
                transcription.await
            }
        };
        // A text that became ready meanwhile is not delivered either.
        if self.guard.token().is_cancelled() { Err(TranscribeFailure::Cancelled) } else { outcome }
    }

    /// Waits until the request is to end with the text that is there. Without a text it goes on.
    async fn await_stop(&self, told: &watch::Receiver<LiveText>) -> LiveText {
        self.guard.stop().cancelled().await;
        let text = told.borrow().clone();
        if text.is_empty() { std::future::pending().await } else { text }
    }
}
