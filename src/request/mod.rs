//! One request with its stage in its type. The next stage exists only because the store committed it: a
//! transition that forgets its row, its metric or its log line cannot be written.

mod event;
mod failures;
mod stages;

use std::future::Future;
use std::time::Duration;

pub(crate) use event::Event;
pub use event::observe;
pub use failures::{Attempt, DeliverFailure, Disposition, DownloadFailure, Failure, TranscribeFailure};
pub(crate) use stages::Follows;
pub use stages::{Claimable, Done, Downloaded, Queued, Receipt, Received, Stage, Transcribed, Transcribing};

use stenobot_domain::{
    AnswerForm, AudioSource, CancelledBy, ChatId, MessageId, RequestId, SpeechLanguage, StageName, Timestamp, UserId,
};
use stenobot_store::{
    Actor, CancelOutcome, ClaimExclusions, Facts, Fence, LEASE, RequestRow, Settlement, Store, StoreError,
};

/// Failures of the engine over a request, while the bot ran, after which the request is given up.
pub const MAX_FAILURES: i64 = 3;

/// The same of a request whose text an earlier attempt had: it is no poison, and its answer may have arrived, so that an
/// apology would be a second one.
pub(crate) const MAX_FAILURES_ONCE_HEARD: i64 = 10;

/// Ends of the bot over a request after which the request is given up at the next one. They are no fault of the request, as
/// far as can be known; but one that takes the whole machine down has to end as well.
pub const MAX_INTERRUPTIONS: i64 = 10;

/// A request that this worker holds, in stage `S`. Neither cloned nor built outside this module: it comes out of
/// a claim or a committed transition, and is used up by the next one. When it is dropped otherwise, its lease
/// runs out and the request is claimed again.
#[derive(Debug)]
#[must_use = "a request that is dropped waits until its lease runs out"]
pub struct Request<S: Stage> {
    held: Held,
    stage: S,
}

/// What is known of a request in every stage.
#[derive(Debug)]
pub struct Held {
    row: RequestRow,
}

/// What a claim found.
#[derive(Debug)]
#[must_use]
pub enum Claim<S: Stage> {
    /// To be worked on.
    Ready(Request<S>),
    /// Tried too often: to be given up for this reason.
    Exhausted(Request<S>, S::Failure),
}

/// What became of a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Setback {
    /// It will be claimed again.
    Retrying {
        /// Not before this time.
        at: Timestamp,
    },
    /// It has ended.
    GaveUp(Settlement),
}

/// Outcome of [`Request::advance_within_day`].
#[derive(Debug)]
#[must_use]
pub enum WithinDay<S: Stage, E> {
    /// The next stage is committed.
    Entered(E),
    /// It would be more audio than the user may send on one day; the request is in the same stage as before.
    Over(Box<Request<S>>),
}

impl<S: Stage> Request<S> {
    /// Key of the request.
    pub fn id(&self) -> RequestId {
        self.held.row.fence.id
    }

    /// The span in which all work on the request is logged.
    pub fn span(&self) -> tracing::Span {
        tracing::info_span!("request", id = self.id().0)
    }

    /// Where the answer goes.
    pub fn chat(&self) -> ChatId {
        self.held.row.chat
    }

    /// The topic of the chat, where there are topics.
    pub fn thread(&self) -> Option<i32> {
        self.held.row.thread
    }

    /// The message that is answered: the one with the sound, unless it stayed behind in a group that became a supergroup.
    pub fn reply_to(&self) -> Option<MessageId> {
        self.held.row.reply_to
    }

    /// Who sent the sound, or asked for it.
    pub fn user(&self) -> UserId {
        self.held.row.user
    }

    /// How the sound was sent.
    pub fn source(&self) -> AudioSource {
        self.held.row.source
    }

    /// In which form the text is wanted.
    pub fn form(&self) -> AnswerForm {
        self.held.row.form
    }

    /// The language that is spoken in it; `None` leaves it to the settings.
    pub fn speech_language(&self) -> Option<&SpeechLanguage> {
        self.held.row.speech_language.as_ref()
    }

    /// The request whose audio is heard again: its file is the one to hear.
    pub fn parent(&self) -> Option<RequestId> {
        self.held.row.parent
    }

    /// The request whose text this one is given as well.
    pub fn joined_to(&self) -> Option<RequestId> {
        self.held.row.joined_to
    }

    /// Language of the sender's Telegram.
    pub fn locale(&self) -> Option<&str> {
        self.held.row.locale.as_deref()
    }

    /// By which the file is asked for.
    pub fn file_id(&self) -> &str {
        &self.held.row.file_id
    }

    /// The message that shows the request's state, once there is one.
    pub fn status_message(&self) -> Option<MessageId> {
        self.held.row.status_message
    }

    /// The message that is about to hold the next part of a long answer, once it is there.
    pub fn part_message(&self) -> Option<MessageId> {
        self.held.row.part_message
    }

    /// Messages of a long answer that have been sent.
    pub fn parts_delivered(&self) -> u32 {
        self.held.row.parts_delivered
    }

    /// Whether an earlier attempt had the text. Its sender may have the answer: nothing else is shown over it.
    pub(crate) fn heard_before(&self) -> bool {
        self.held.row.heard
    }

    /// When the request was accepted.
    pub fn received_at(&self) -> Timestamp {
        self.held.row.received_at
    }

    /// Length of the audio: decoded if that is known, else what the sender claims, else zero.
    pub fn length(&self) -> Duration {
        self.held.row.length.or(self.held.row.claimed).unwrap_or_default()
    }

    /// What is known in this stage only.
    pub fn stage(&self) -> &S {
        &self.stage
    }

    fn attempt(&self) -> Attempt {
        let RequestRow { failures, interruptions, heard, .. } = self.held.row;
        Attempt { failures, interruptions, heard }
    }

    fn fence(&self) -> &Fence {
        &self.held.row.fence
    }

    /// Commits the next stage. On an error the request stays as the store has it and is claimed again later.
    pub async fn advance<N: Follows<S>>(self, store: &Store, next: N) -> Result<N::Entered, StoreError> {
        let facts = next.facts();
        retry_transient(store, "record a transition", || store.queue.advance(self.fence(), N::NAME, &facts)).await?;
        Ok(self.entered(next, &facts))
    }

    /// The same, unless the length that `next` brings takes the user over `per_day`, the audio of one day.
    pub async fn advance_within_day<N: Follows<S>>(
        self,
        store: &Store,
        next: N,
        per_day: Option<Duration>,
    ) -> Result<WithinDay<S, N::Entered>, StoreError> {
        let facts = next.facts();
        let advance = || store.queue.advance_within_day(self.fence(), N::NAME, &facts, per_day);
        let is_within = retry_transient(store, "record a transition", advance).await?;
        Ok(if is_within { WithinDay::Entered(self.entered(next, &facts)) } else { WithinDay::Over(Box::new(self)) })
    }

    /// The request in the stage that was just committed.
    fn entered<N: Follows<S>>(mut self, next: N, facts: &Facts) -> N::Entered {
        observe(&Event::Advanced { id: self.id(), from: S::NAME, to: N::NAME });
        self.held.row.fence.stage = N::NAME;
        if let Some(length) = facts.length {
            self.held.row.length = Some(length);
        }
        next.enter(self.held)
    }

    /// Records a failure: the request is put back or ended, as the failure says.
    pub async fn fail(self, store: &Store, why: &S::Failure) -> Result<Setback, StoreError> {
        match why.disposition(self.attempt()) {
            Disposition::Retry { after, counts } => {
                let at = store.clock().now().after(after);
                retry_transient(store, "put a request back", || store.queue.release(self.fence(), at, counts)).await?;
                observe(&Event::Retrying { id: self.id(), stage: S::NAME, after, why });
                Ok(Setback::Retrying { at })
            }
            Disposition::End(settlement) => {
                retry_transient(store, "end a request", || {
                    store.queue.settle_naming(self.fence(), settlement, why.codec())
                })
                .await?;
                observe(&Event::Ended { id: self.id(), stage: S::NAME, settlement, why });
                Ok(Setback::GaveUp(settlement))
            }
        }
    }

    /// Gives the request back untouched, because this worker stops.
    pub async fn release(self, store: &Store) -> Result<(), StoreError> {
        let now = store.clock().now();
        retry_transient(store, "put a request back", || store.queue.release(self.fence(), now, false)).await
    }

    /// Remembers the message in `chat` that shows the request's state.
    pub async fn set_status_message(
        &mut self,
        store: &Store,
        chat: ChatId,
        message: MessageId,
    ) -> Result<(), StoreError> {
        self.record_status_message(store, chat, message).await?;
        self.knows_status_message(chat, message);
        Ok(())
    }

    /// Writes down the message in `chat` that shows the request's state while other work on the request goes on. The
    /// request itself learns of it by [`Request::knows_status_message`].
    pub(crate) async fn record_status_message(
        &self,
        store: &Store,
        chat: ChatId,
        message: MessageId,
    ) -> Result<(), StoreError> {
        retry_transient(store, "remember a message", || store.queue.set_status_message(self.fence(), chat, message))
            .await
    }

    /// The message that was recorded, in `chat`.
    pub(crate) fn knows_status_message(&mut self, chat: ChatId, message: MessageId) {
        self.chat_moved(chat);
        self.held.row.status_message = Some(message);
    }

    /// The request is answered in `chat` from now on. If that is another one than before, no message of the one before
    /// can be edited or replied to. The store knows it already: see [`Store::move_chat`].
    pub(crate) fn chat_moved(&mut self, chat: ChatId) {
        let row = &mut self.held.row;
        if row.chat != chat {
            row.chat = chat;
            (row.thread, row.reply_to, row.status_message, row.part_message) = (None, None, None, None);
        }
    }

    /// Runs `work` while the lease is kept alive. When the lease is lost, `work` is dropped.
    pub async fn hold<T>(&self, store: &Store, work: impl Future<Output = T>) -> Result<T, StoreError> {
        hold(store, self.fence(), work).await
    }
}

/// Between two tries of a write that is insisted on.
const AGAIN: Duration = Duration::from_millis(500);

/// Makes a write for a request that is held. Trouble that passes is waited out, for as long as the store is patient: to
/// give up would throw work away, or have what has been sent already sent once more. It is logged once.
pub(crate) async fn retry_transient<T, F: Future<Output = Result<T, StoreError>>>(
    store: &Store,
    what: &'static str,
    mut write: impl FnMut() -> F,
) -> Result<T, StoreError> {
    let mut insisting = None;
    loop {
        match write().await {
            Err(error) if error.is_transient() => {
                store.note_error(&error);
                observe(&Event::StoreFailed { what, error: &error, again: insisting.is_some() });
                insisting.get_or_insert_with(|| store.retrying_write());
                if store.retry_until().run_until_cancelled(tokio::time::sleep(AGAIN)).await.is_none() {
                    return Err(error);
                }
            }
            outcome => return outcome,
        }
    }
}

/// Runs `work` and renews the lease beside it, so that a slow renewal does not hold the work up. When the lease is
/// lost, `work` is dropped.
pub async fn hold<T>(store: &Store, fence: &Fence, work: impl Future<Output = T>) -> Result<T, StoreError> {
    tokio::select! {
        output = work => Ok(output),
        lost = renew(store, fence) => Err(lost),
    }
}

/// Renews the lease until somebody else has taken it, or the store is beyond use.
async fn renew(store: &Store, fence: &Fence) -> StoreError {
    let period = LEASE / 4;
    let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        match retry_transient(store, "renew a lease", || store.queue.renew(fence)).await {
            Ok(()) => {}
            // The work itself ends when nobody is patient any more.
            Err(error) if error.is_transient() => {}
            Err(error) => return error,
        }
    }
}

impl<S: Claimable> Request<S> {
    /// Takes the oldest free request of this stage; `None` when there is none.
    pub async fn claim(store: &Store, worker: &str) -> Result<Option<Claim<S>>, StoreError> {
        Self::claim_excluding(store, worker, &ClaimExclusions::default()).await
    }

    /// The same, passing over those who are busy; see [`Store::claim_excluding`].
    pub async fn claim_excluding(
        store: &Store,
        worker: &str,
        busy: &ClaimExclusions,
    ) -> Result<Option<Claim<S>>, StoreError> {
        let Some(row) = store.queue.claim_excluding(S::SOURCE, worker, busy).await? else { return Ok(None) };
        let request = Self { held: Held { row }, stage: S::claimed() };
        let attempt = request.attempt();
        observe(&Event::Claimed { id: request.id(), stage: S::NAME, attempt: attempt.number() });
        Ok(Some(if attempt.interruptions > MAX_INTERRUPTIONS {
            Claim::Exhausted(request, S::interrupted(attempt.interruptions))
        } else if attempt.failures >= attempt.allowed(S::FAILURES) {
            Claim::Exhausted(request, S::exhausted(attempt.failures))
        } else {
            Claim::Ready(request)
        }))
    }
}

impl Request<Transcribing> {
    /// Takes one request that is joined to `to`, which has just been heard: it is to be given the same transcript.
    /// `None` when no more are. Take them before `to` ends: afterwards they get a download of their own.
    pub async fn claim_coalesced(store: &Store, to: RequestId, worker: &str) -> Result<Option<Self>, StoreError> {
        let claim = || store.queue.claim_coalesced(to, worker);
        let Some(row) = retry_transient(store, "claim a joined request", claim).await? else { return Ok(None) };
        let request = Self { held: Held { row }, stage: Transcribing::default() };
        let (id, attempt) = (request.id(), request.attempt().number());
        observe(&Event::Claimed { id, stage: StageName::Received, attempt });
        observe(&Event::Advanced { id, from: StageName::Received, to: StageName::Transcribing });
        Ok(Some(request))
    }
}

/// Ends a request that this actor may cancel, unless somebody works on it: then they must be stopped with
/// `DownloadFailure::Cancelled` or `TranscribeFailure::Cancelled`.
pub async fn cancel(store: &Store, id: RequestId, by: impl Into<Actor>) -> Result<CancelOutcome, StoreError> {
    let outcome = store.queue.cancel(id, by).await?;
    observe_cancel(id, outcome, CancelledBy::Sender);
    Ok(outcome)
}

/// Does so with all of this person's requests.
pub async fn cancel_all(store: &Store, by: UserId) -> Result<Vec<(RequestId, CancelOutcome)>, StoreError> {
    let outcomes = store.queue.cancel_all(by).await?;
    for (id, outcome) in &outcomes {
        observe_cancel(*id, *outcome, CancelledBy::Sender);
    }
    Ok(outcomes)
}

/// Does so with all requests of a group, in the name of the operator.
pub async fn cancel_all_in(store: &Store, group: ChatId) -> Result<Vec<(RequestId, CancelOutcome)>, StoreError> {
    let outcomes = store.queue.cancel_all_in(group).await?;
    for (id, outcome) in &outcomes {
        observe_cancel(*id, *outcome, CancelledBy::Operator);
    }
    Ok(outcomes)
}

/// Ends a request that nobody works on, in the name of whoever runs this bot.
pub async fn cancel_by_operator(store: &Store, id: RequestId) -> Result<CancelOutcome, StoreError> {
    let outcome = store.queue.cancel_waiting_by_operator(id).await?;
    observe_cancel(id, outcome, CancelledBy::Operator);
    Ok(outcome)
}

fn observe_cancel(id: RequestId, outcome: CancelOutcome, by: CancelledBy) {
    match outcome {
        CancelOutcome::Now { from } => observe(&Event::Cancelled { id, stage: from, by }),
        CancelOutcome::Running
        | CancelOutcome::Over
        | CancelOutcome::NotYours
        | CancelOutcome::AdminsOnly
        | CancelOutcome::Unknown => {}
    }
}

impl Request<Transcribed> {
    /// Remembers the message that is about to hold the next part of a long answer, so that a repeated delivery fills
    /// the same one.
    pub async fn set_part_message(&mut self, store: &Store, message: MessageId) -> Result<(), StoreError> {
        let chat = self.chat();
        retry_transient(store, "remember a message", || store.queue.set_part_message(self.fence(), chat, message))
            .await?;
        self.held.row.part_message = Some(message);
        Ok(())
    }

    /// Remembers how many messages of a long answer have been sent, so that none is sent twice.
    pub async fn set_parts_delivered(&mut self, store: &Store, parts: u32) -> Result<(), StoreError> {
        retry_transient(store, "remember what was sent", || store.queue.set_parts_delivered(self.fence(), parts))
            .await?;
        self.held.row.parts_delivered = parts;
        self.held.row.part_message = None;
        Ok(())
    }
}
