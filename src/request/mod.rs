//! A request with its stage in its type. The next stage exists only because the store committed it: a transition without its
//! row, its metric or its log line cannot be written.

mod cancel;
mod claim;
mod event;
mod failures;
mod stages;

use std::time::Duration;

pub(crate) use cancel::delete_source;
pub use cancel::{cancel, cancel_all, cancel_all_in};
pub use claim::{Claim, MAX_INTERRUPTIONS};
pub use event::observe;
pub(crate) use event::{Event, observe_recovery, observe_retried, seconds};
pub use failures::{Attempt, DeliverFailure, Disposition, DownloadFailure, Failure, MAX_FAILURES, TranscribeFailure};
pub(crate) use stages::Follows;
pub use stages::{
    Claimable, CommittedRow, Done, Downloaded, Measured, Queued, Receipt, Received, Stage, Transcribed, Transcribing,
};

use stenobot_domain::{
    AnswerForm, AudioLength, AudioSource, ChatId, MessageId, Origin, RequestId, SpeechLanguage, StateDisplay, ThreadId,
    Timestamp, UserId,
};
use stenobot_store::{Fence, RequestRow, RequestUpdate, Settlement, Store, StoreError};
use stenobot_telegram::BotMessage;

/// A request that this worker holds, in stage `S`. Neither cloned nor built outside this module: it comes out of a claim or a
/// committed transition, and is used up by the next one. When it is dropped otherwise, its lease runs out and the request is
/// claimed again.
#[derive(Debug)]
#[must_use = "a request that is dropped waits until its lease runs out"]
pub struct Request<S: Stage> {
    row: RequestRow,
    stage: S,
}

/// What became of a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Setback {
    /// It will be claimed again.
    Retrying {
        /// After this pause.
        after: Duration,
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
    /// Id of the request.
    pub fn id(&self) -> RequestId {
        self.row.fence.id
    }

    /// The span in which all work on the request is logged.
    pub fn span(&self) -> tracing::Span {
        tracing::info_span!("request", id = self.id().0)
    }

    /// Chat of the answer.
    pub fn chat(&self) -> ChatId {
        self.row.chat
    }

    /// The topic of the chat, where there are topics.
    pub fn thread(&self) -> Option<ThreadId> {
        self.row.thread
    }

    /// The message that is answered: the one with the audio, unless it stayed behind in a group that became a supergroup.
    pub fn reply_to(&self) -> Option<MessageId> {
        self.row.reply_to
    }

    /// Where the recording comes from.
    pub fn origin(&self) -> &Origin {
        &self.row.origin
    }

    /// How the state is shown.
    pub(crate) fn display(&self) -> StateDisplay {
        self.row.display
    }

    /// User or chat that made the request.
    pub fn user(&self) -> UserId {
        self.row.user
    }

    /// Kind of the message with the audio.
    pub(crate) fn source(&self) -> AudioSource {
        self.row.source
    }

    /// Wanted form of the answer.
    pub fn form(&self) -> AnswerForm {
        self.row.form
    }

    /// The language of the speech; `None` leaves it to the settings.
    pub fn speech_language(&self) -> Option<&SpeechLanguage> {
        self.row.speech_language.as_ref()
    }

    /// The request whose audio is transcribed again.
    pub fn parent(&self) -> Option<RequestId> {
        self.row.parent
    }

    /// The request whose text this one gets as well.
    pub fn coalesced_into(&self) -> Option<RequestId> {
        self.row.coalesced_into
    }

    /// Language code of the sender's Telegram.
    pub fn locale(&self) -> Option<&str> {
        self.row.locale.as_deref()
    }

    /// Telegram's id for downloading the file.
    pub fn file_id(&self) -> &str {
        &self.row.file_id
    }

    /// The message in the request's chat that shows its state, once there is one.
    pub fn status_message(&self) -> Option<MessageId> {
        self.row.status_message
    }

    /// Whether an earlier attempt had the text. Its sender may have the answer: nothing else is shown over it.
    pub(crate) fn was_transcribed_before(&self) -> bool {
        self.row.transcribed_before
    }

    /// Time of the admission.
    pub fn received_at(&self) -> Timestamp {
        self.row.received_at
    }

    /// What is known in this stage only.
    pub fn stage(&self) -> &S {
        &self.stage
    }

    fn attempt(&self) -> Attempt {
        let RequestRow { failures, interruptions, transcribed_before, .. } = self.row;
        Attempt { failures, interruptions, transcribed_before }
    }

    fn fence(&self) -> &Fence {
        &self.row.fence
    }

    /// Commits the next stage. On an error the request stays as the store has it and is claimed again later.
    pub async fn advance<N: Follows<S>>(self, store: &Store, next: N) -> Result<N::Entered, StoreError> {
        let update = next.update();
        store.queue.advance(self.fence(), N::NAME, &update).await?;
        Ok(self.entered(next, &update))
    }

    /// As [`Request::advance`], unless the length that `next` brings takes the user over `per_day`, the audio of one day.
    pub async fn advance_within_day<N: Follows<S>>(
        self,
        store: &Store,
        next: N,
        per_day: Option<Duration>,
    ) -> Result<WithinDay<S, N::Entered>, StoreError> {
        let update = next.update();
        let is_within = store.queue.advance_within_day(self.fence(), N::NAME, &update, per_day).await?;
        Ok(if is_within { WithinDay::Entered(self.entered(next, &update)) } else { WithinDay::Over(Box::new(self)) })
    }

    /// The request in the stage that was just committed.
    fn entered<N: Follows<S>>(mut self, next: N, update: &RequestUpdate) -> N::Entered {
        observe(&Event::Advanced { id: self.id(), from: S::NAME, to: N::NAME });
        self.row.fence.stage = N::NAME;
        if let Some(length) = update.length {
            self.row.length = Some(AudioLength::Measured(length));
        }
        next.enter(CommittedRow(self.row))
    }

    /// Records a failure: the request is put back or ended, as the failure says.
    pub async fn fail(self, store: &Store, why: &S::Failure) -> Result<Setback, StoreError> {
        match why.disposition(self.attempt()) {
            Disposition::Retry { after, counts } => {
                store.queue.release(self.fence(), after, counts).await?;
                observe(&Event::Retrying { id: self.id(), stage: S::NAME, after, why });
                Ok(Setback::Retrying { after })
            }
            Disposition::End(settlement) => {
                store.queue.settle_with_codec(self.fence(), settlement, why.codec()).await?;
                observe(&Event::Ended { id: self.id(), stage: S::NAME, settlement, why });
                Ok(Setback::GaveUp(settlement))
            }
        }
    }

    /// Whether it was cancelled while another worker held it.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.row.cancel_requested.is_some()
    }

    /// Gives the request back without a failure, because this worker stops.
    pub async fn release(self, store: &Store) -> Result<(), StoreError> {
        store.queue.release(self.fence(), Duration::ZERO, false).await
    }

    /// Records the message in `chat` that shows the request's state.
    pub async fn set_status_message(
        &mut self,
        store: &Store,
        chat: ChatId,
        message: MessageId,
    ) -> Result<(), StoreError> {
        let message = BotMessage::InChat { chat, message };
        self.record_shown(store, &message).await?;
        self.knows_shown(message);
        Ok(())
    }

    /// Records the message that shows the request's state while other work on the request goes on; to be followed by
    /// [`Request::knows_shown`].
    pub(crate) async fn record_shown(&self, store: &Store, message: &BotMessage) -> Result<(), StoreError> {
        match message {
            BotMessage::InChat { chat, message } => store.queue.set_status_message(self.fence(), *chat, *message).await,
            BotMessage::AsGuest { message, .. } => store.queue.record_guest_message(self.id(), message).await.map(drop),
        }
    }

    /// Whether the lease of an earlier holder ran out, who may be alive, and whose text was not sent in part.
    pub(crate) fn is_taken_over(&self) -> bool {
        self.row.interruptions > 0 && self.row.parts_delivered == 0
    }

    /// The status message was deleted: the next one is a new one.
    pub(crate) fn forget_status_message(&mut self) {
        self.row.status_message = None;
    }

    /// The message that was recorded.
    pub(crate) fn knows_shown(&mut self, message: BotMessage) {
        match (message, &mut self.row.origin) {
            (BotMessage::InChat { chat, message }, _) => {
                self.chat_moved(chat);
                self.row.status_message = Some(message);
            }
            (BotMessage::AsGuest { message, .. }, Origin::Guest(call)) => call.message = Some(message),
            // Only a call is answered by such a message.
            (BotMessage::AsGuest { .. }, Origin::Chat | Origin::Business(_)) => {}
        }
    }

    /// The message that shows the request's state, once there is one.
    pub(crate) fn shown_in(&self) -> Option<BotMessage> {
        BotMessage::of_request(self.origin(), self.chat(), self.status_message())
    }

    /// The request is answered in `chat` from now on. If that is another chat than before, no message of the one before can
    /// be edited or replied to. The store knows it already: see `Users::move_chat`.
    pub(crate) fn chat_moved(&mut self, chat: ChatId) {
        let row = &mut self.row;
        if row.chat != chat {
            row.chat = chat;
            (row.thread, row.reply_to, row.status_message, row.part_message) = (None, None, None, None);
        }
    }

    /// Runs `work` and renews the lease beside it. When the lease is lost, `work` is dropped.
    pub async fn hold<T>(&self, store: &Store, work: impl Future<Output = T>) -> Result<T, StoreError> {
        store.queue.hold(self.fence(), work).await
    }

    /// As [`Request::hold`], for `work` that sends: it is dropped, too, before other machines send in place of this one.
    pub(crate) async fn hold_to_send<T>(&self, store: &Store, work: impl Future<Output = T>) -> Result<T, StoreError> {
        store.queue.hold_to_send(self.fence(), work).await
    }
}

impl Request<Transcribing> {
    /// Gives back a request that was coalesced into another one, whose text is not its own: it is transcribed separately.
    pub(crate) async fn separate(self, store: &Store) -> Result<(), StoreError> {
        store.queue.separate(self.fence()).await?;
        observe(&Event::Separated { id: self.id() });
        Ok(())
    }
}

impl Request<Received> {
    /// Length that the sender claims; a document has none.
    pub fn claimed_length(&self) -> Option<Duration> {
        self.row.length.map(AudioLength::duration)
    }
}

impl<S: Measured> Request<S> {
    /// Length of the decoded audio. A coalesced request, whose audio is never downloaded, has the claimed length, or zero.
    pub fn length(&self) -> Duration {
        self.row.length.map_or(Duration::ZERO, AudioLength::duration)
    }
}

impl Request<Transcribed> {
    /// The message that is about to hold the next part of a long answer, once it is there.
    pub fn part_message(&self) -> Option<MessageId> {
        self.row.part_message
    }

    /// Messages of a long answer that have been sent.
    pub fn parts_delivered(&self) -> u32 {
        self.row.parts_delivered
    }

    /// Records the message that is about to hold the next part of a long answer, so that a repeated delivery fills the same
    /// one.
    pub async fn set_part_message(&mut self, store: &Store, message: MessageId) -> Result<(), StoreError> {
        store.queue.set_part_message(self.fence(), self.chat(), message).await?;
        self.row.part_message = Some(message);
        Ok(())
    }

    /// Records a file of the answer that was sent as a message of its own, if it is to be deleted with its source.
    pub(crate) async fn record_sent_message(&self, store: &Store, message: MessageId) -> Result<(), StoreError> {
        match self.origin() {
            Origin::Chat | Origin::Guest(_) => Ok(()),
            Origin::Business(_) => store.queue.add_sent_message(self.fence(), message).await,
        }
    }

    /// Records how many messages of a long answer have been sent, so that none is sent twice.
    pub async fn set_parts_delivered(&mut self, store: &Store, parts: u32) -> Result<(), StoreError> {
        store.queue.set_parts_delivered(self.fence(), parts).await?;
        self.row.parts_delivered = parts;
        self.row.part_message = None;
        Ok(())
    }
}
