//! Delivery of the text: an edit of the message that showed the state, also to a file, so that a delivery which is repeated after a crash
//! repeats the edit instead of sending a second answer. The rest of a long text follows in further messages: each is sent as a placeholder,
//! recorded, and then edited.

mod channel;
mod guest;

use std::time::Duration;

use stenobot_domain::{ChatId, MessageId, Origin, Outcome, RetryPolicy, StateDisplay};
use stenobot_store::{ChatSettings, StoreError};
use stenobot_telegram::{
    Client, Continuation, Disposition, OutgoingMessage, Priority, Reaction, StatusEditor, TelegramError, ThreadId,
};
use tower::retry::RetryLayer;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::answer::Part;
use super::chats::Chats;
use super::file_names::FileNames;
use super::reactions::{Reactions, Surface};
use super::recordings::Recordings;
use super::retention;
use super::worker::Worker;
use crate::layers::{NextTry, ObserveLayer, Retry};
use crate::metrics::Work;
use crate::request::{DeliverFailure, Done, Event, Request, Transcribed, observe};
use crate::settings::Settings;

/// Text of a message before it is edited to an answer, or to a further part of it.
const PLACEHOLDER: &str = "…";

/// Between retries. An answer is never given up because of the network.
const RETRIES: RetryPolicy = RetryPolicy::endless(Duration::from_secs(1), Duration::from_secs(60));

/// After the hard shutdown, calls under way may still end: a message whose arrival is not known is sent again after the next
/// start.
const IN_FLIGHT_GRACE: Duration = Duration::from_secs(1);

/// A notice can be postponed: a pause that Telegram demands is not waited for.
fn notice_retry(error: &TelegramError) -> NextTry {
    match error.disposition() {
        Disposition::ServerRequested(_) => NextTry::Never,
        disposition => disposition.into(),
    }
}

/// Destination of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addressee {
    pub(super) chat: ChatId,
    pub(super) thread: Option<ThreadId>,
    /// The message that shows the state so far.
    pub(super) status: Option<MessageId>,
    /// The message to reply to, if it is in this chat.
    pub(super) reply_to: Option<MessageId>,
}

impl Addressee {
    /// In a supergroup that a group became, no message is known.
    fn in_supergroup(chat: ChatId) -> Self {
        Self { chat, thread: None, status: None, reply_to: None }
    }
}

/// A call of the stack.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    to: Addressee,
    target: Target,
    part: Part,
}

/// A new message, or an existing one to edit.
#[derive(Debug, Clone, Copy)]
enum Target {
    Edit(MessageId),
    New,
}

/// Gives the id of the message that now holds the part.
pub(super) type Sender = BoxCloneSyncService<Outgoing, MessageId, TelegramError>;

/// Delivers texts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Deliverer {
    pub(crate) worker: Worker,
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) editor: StatusEditor,
    pub(crate) chats: Chats,
    pub(crate) recordings: Recordings,
    pub(crate) file_names: FileNames,
    pub(crate) reactions: Reactions,
}

impl Deliverer {
    /// Delivers a text and ends its request.
    pub(crate) async fn deliver(&self, mut request: Request<Transcribed>) -> Result<(), StoreError> {
        // No edit of the state may come after the answer.
        self.editor.close(request.id()).await;
        // If the store cannot be read now, Telegram's refusal names the supergroup.
        if let Ok(Some(to)) = self.worker.store.users.moved_to(request.chat()).await {
            request.chat_moved(to);
        }
        let transcript = &request.stage().transcript;
        let is_stopped = request.stage().stopped_at.is_some();
        let outcome = match (transcript.segments.is_empty(), is_stopped) {
            (true, _) => Outcome::NoSpeech,
            (false, true) => Outcome::Stopped,
            (false, false) => Outcome::Done,
        };
        let chat = self.worker.store.users.chat_settings(request.chat()).await?;
        let is_guest = matches!(request.origin(), Origin::Guest(_));
        let delivered = if !is_guest && self.is_write_forbidden(&request) {
            Err(DeliverError::Failed(DeliverFailure::WriteForbidden))
        } else {
            tokio::select! {
                delivered = self.deliver_answer(&mut request, outcome, &chat) => delivered,
                () = async { self.worker.shutdown.hard.cancelled().await; tokio::time::sleep(IN_FLIGHT_GRACE).await; } => {
                    Err(DeliverError::Failed(DeliverFailure::Stopping))
                }
            }
        };
        match delivered {
            Ok(()) => {
                // In one write with the end: a button pressed under the answer at once finds the recording kept.
                let done = Done { keep_audio_for: retention::keep_audio_for(&self.settings), is_stopped };
                let receipt = request.advance(&self.worker.store, done).await?;
                self.file_names.forget(receipt.id());
                if receipt.stage().keep_audio_for.is_none() {
                    self.recordings.discard(receipt.id()).await;
                }
                let took = self.worker.store.now().since(receipt.received_at());
                observe(&Event::Delivered { id: receipt.id(), took, outcome });
                Ok(())
            }
            Err(DeliverError::Store(error)) => Err(error),
            Err(DeliverError::Failed(why)) => {
                if !matches!(why, DeliverFailure::Stopping) {
                    self.recordings.discard(request.id()).await;
                    let clear = self.reactions.clear(request.display(), request.chat(), request.reply_to());
                    request.hold_to_send(&self.worker.store, clear).await?;
                }
                request.fail(&self.worker.store, &why).await.map(drop)
            }
        }
    }

    /// Whether a message in the request's chat would be refused.
    fn is_write_forbidden(&self, request: &Request<Transcribed>) -> bool {
        self.chats.is_write_forbidden(request.chat(), request.thread(), request.received_at())
    }

    /// The stack that sends the answer to a request.
    fn answer_stack(&self, display: StateDisplay) -> Sender {
        let client = match display {
            StateDisplay::Quiet => self.client.without_notifications(),
            StateDisplay::Message | StateDisplay::Reaction | StateDisplay::Caption | StateDisplay::Comment => {
                self.client.clone()
            }
        };
        self.stack(&client.with_priority(Priority::Answer), |error| error.disposition().into())
    }

    /// The stack that sends notices.
    pub(super) fn notice_stack(&self) -> Sender {
        self.stack(&self.client.with_priority(Priority::Notice), notice_retry)
    }

    fn stack(&self, client: &Client, classify: fn(&TelegramError) -> NextTry) -> Sender {
        let client = client.clone();
        let send = service_fn(move |Outgoing { to, target, part }: Outgoing| {
            let client = client.clone();
            async move {
                match (target, part) {
                    (target, Part::Message(content)) => match put(&client, to, target, &content).await {
                        // The text matters more than how it is shown.
                        Err(error) if content.is_decorated() && error.is_about_decoration() => {
                            tracing::info!(%error, "the server takes no entity of the text or no button that copies: the text goes without");
                            put(&client, to, target, &content.undecorated()).await
                        }
                        put => put,
                    },
                    (Target::Edit(message), Part::File(file)) => {
                        client.edit_to_document(to.chat, message, &file).await.map(|()| message)
                    }
                    (Target::New, Part::File(file)) => {
                        client.send_document(to.chat, to.thread, to.reply_to, &file).await
                    }
                }
            }
        });
        let stack = ServiceBuilder::new()
            // Includes all pauses that Telegram demands: the time the sender waits.
            .layer(ObserveLayer::new(Work::Delivery))
            // No pause that Telegram demands is shortened.
            .layer(RetryLayer::new(Retry::new(RETRIES, classify)))
            .service(send);
        BoxCloneSyncService::new(stack)
    }

    /// Shows the answer, and removes the reaction that showed the state.
    async fn deliver_answer(
        &self,
        request: &mut Request<Transcribed>,
        outcome: Outcome,
        chat: &ChatSettings,
    ) -> Result<(), DeliverError> {
        if let Origin::Guest(call) = request.origin() {
            return self.deliver_as_guest(request, call.clone(), chat).await;
        }
        let parts = self.answer_parts(request, chat, Continuation::SameChat);
        if outcome == Outcome::NoSpeech && self.react_to_silence(request).await? {
            return Ok(());
        }
        if Surface::of(request) == Surface::Hidden {
            return self.deliver_in_channel(request, parts).await;
        }
        self.deliver_parts(request, parts).await?;
        let clear = self.reactions.clear(request.display(), request.chat(), request.reply_to());
        Ok(request.hold_to_send(&self.worker.store, clear).await?)
    }

    /// Shows by a reaction that there is no speech. False where it has to be said in a message.
    async fn react_to_silence(&self, request: &Request<Transcribed>) -> Result<bool, DeliverError> {
        let (recording, is_needed) = match Surface::of(request) {
            Surface::Reaction(recording) | Surface::Quiet(Some(recording)) => {
                (recording, request.display() == StateDisplay::Reaction)
            }
            Surface::Quiet(None) | Surface::Hidden => return Ok(true),
            Surface::Message => return Ok(false),
        };
        let react = self.reactions.end(request.chat(), recording, Reaction::NoSpeech);
        match request.hold_to_send(&self.worker.store, react).await? {
            Ok(()) | Err(TelegramError::MessageGone) => Ok(true),
            Err(error) => match error.disposition() {
                Disposition::ChatUnreachable(why) => Err(DeliverError::Failed(why.into())),
                Disposition::ServerRequested(_)
                | Disposition::Retry { .. }
                | Disposition::OperatorNeeded { .. }
                | Disposition::ChatMoved(_)
                | Disposition::MessageGone
                | Disposition::Final => Ok(!is_needed),
            },
        }
    }

    /// Sends the parts that an earlier attempt has not sent.
    async fn deliver_parts(&self, request: &mut Request<Transcribed>, parts: Vec<Part>) -> Result<(), DeliverError> {
        let sender = self.answer_stack(request.display());
        let last = u32::try_from(parts.len()).unwrap_or(u32::MAX).saturating_sub(1);
        for (index, part) in (0..).zip(parts) {
            // The first is edited again, in case that it was changed; not in a chat that has moved, where it would be new.
            if index < request.parts_delivered() && (index != 0 || request.status_message().is_none()) {
                continue;
            }
            if self.worker.shutdown.hard.is_cancelled() {
                return Err(DeliverError::Failed(DeliverFailure::Stopping));
            }
            match self.deliver_part(request, sender.clone(), index, part.clone()).await {
                // In the store before anything is sent there: a message would belong to no chat after a crash.
                Err(PartError::Telegram(TelegramError::ChatMoved(to))) => {
                    self.chats.follow_move(request.chat(), to).await?;
                    request.chat_moved(to);
                    self.deliver_part(request, sender.clone(), index, part).await?;
                }
                sent => sent?,
            }
            // The end of the request implies the last one.
            if index != last {
                request.set_parts_delivered(&self.worker.store, index + 1).await?;
            }
        }
        Ok(())
    }

    async fn deliver_part(
        &self,
        request: &mut Request<Transcribed>,
        sender: Sender,
        index: u32,
        part: Part,
    ) -> Result<(), PartError> {
        match part {
            Part::File(_) if index == 0 => self.deliver_file_in_place(request, sender, part).await,
            // What is behind a message is a message of its own.
            Part::File(_) => self.send_file(request, sender, part).await,
            Part::Message(_) => self.fill_message(request, sender, index, part).await,
        }
    }

    /// Puts a file in place of the status message; where the server does not do that, sends it instead.
    async fn deliver_file_in_place(
        &self,
        request: &mut Request<Transcribed>,
        sender: Sender,
        file: Part,
    ) -> Result<(), PartError> {
        match self.fill_message(request, sender.clone(), 0, file.clone()).await {
            Err(PartError::Telegram(TelegramError::Refused(why))) => {
                tracing::info!(%why, "no file takes the place of a status message: it is sent as a message of its own");
            }
            filled => return filled,
        }
        // Before the file, so that the file is the last that is sent: a crash before the end repeats it alone.
        if let Some(status) = request.status_message() {
            let client = self.client.with_priority(Priority::Answer);
            let delete = client.delete(request.chat(), status);
            match request.hold_to_send(&self.worker.store, delete).await? {
                Ok(()) | Err(TelegramError::MessageGone) => {}
                Err(error) => {
                    tracing::debug!(%error, "a status message stays above its file");
                    let heading = Part::Message(self.heading(request));
                    self.fill_message(request, sender.clone(), 0, heading).await?;
                }
            }
        }
        self.send_file(request, sender, file).await
    }

    async fn send_file(&self, request: &Request<Transcribed>, sender: Sender, part: Part) -> Result<(), PartError> {
        let file = Outgoing { to: addressee(request), target: Target::New, part };
        let message = request.hold_to_send(&self.worker.store, sender.oneshot(file)).await??;
        request.record_sent_message(&self.worker.store, message).await?;
        Ok(())
    }

    /// Puts a part into the message that is meant for it. Whether Telegram carried out a call may be unknown: an edit is then
    /// repeated without harm, but a new message would appear twice. So the message is in the store before the part is in the
    /// message: the one that showed the state, or a placeholder where there is none or it was deleted.
    async fn fill_message(
        &self,
        request: &mut Request<Transcribed>,
        sender: Sender,
        index: u32,
        part: Part,
    ) -> Result<(), PartError> {
        let to = addressee(request);
        let known = if index == 0 { request.status_message() } else { request.part_message() };
        if let Some(message) = known {
            let edit = Outgoing { to, target: Target::Edit(message), part: part.clone() };
            match request.hold_to_send(&self.worker.store, sender.clone().oneshot(edit)).await? {
                Err(TelegramError::MessageGone) => {}
                sent => return Ok(sent.map(drop)?),
            }
        }
        let placeholder = Outgoing { to, target: Target::New, part: Part::Message(PLACEHOLDER.to_owned().into()) };
        let message = request.hold_to_send(&self.worker.store, sender.clone().oneshot(placeholder)).await??;
        self.record_message(request, index, message).await?;
        // Where this one is deleted as well, a message remains that may come twice.
        let to = Addressee { status: Some(message), ..to };
        let holder = request.hold_to_send(&self.worker.store, answer(sender, to, part)).await??;
        if holder != message {
            self.record_message(request, index, holder).await?;
        }
        Ok(())
    }

    async fn record_message(
        &self,
        request: &mut Request<Transcribed>,
        index: u32,
        message: MessageId,
    ) -> Result<(), StoreError> {
        if index == 0 {
            let chat = request.chat();
            request.set_status_message(&self.worker.store, chat, message).await
        } else {
            request.set_part_message(&self.worker.store, message).await
        }
    }

    /// As [`answer`], in the supergroup that the chat has become if Telegram says so.
    pub(super) async fn answer_following_moves(
        &self,
        sender: Sender,
        to: Addressee,
        content: OutgoingMessage,
    ) -> Result<MessageId, TelegramError> {
        let part = Part::Message(content);
        match answer(sender.clone(), to, part.clone()).await {
            Err(TelegramError::ChatMoved(chat)) if self.chats.follow_move(to.chat, chat).await.is_ok() => {
                answer(sender, Addressee::in_supergroup(chat), part).await
            }
            sent => sent,
        }
    }
}

/// Why the parts of an answer were not all sent.
enum DeliverError {
    Store(StoreError),
    Failed(DeliverFailure),
}

impl From<StoreError> for DeliverError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Why one part was not sent.
pub(super) enum PartError {
    Store(StoreError),
    Telegram(TelegramError),
}

impl From<StoreError> for PartError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<TelegramError> for PartError {
    fn from(error: TelegramError) -> Self {
        Self::Telegram(error)
    }
}

impl From<PartError> for DeliverError {
    fn from(error: PartError) -> Self {
        match error {
            PartError::Store(error) => Self::Store(error),
            PartError::Telegram(error) => Self::Failed(match error.disposition() {
                Disposition::ChatUnreachable(why) => why.into(),
                Disposition::ServerRequested(_)
                | Disposition::Retry { .. }
                | Disposition::OperatorNeeded { .. }
                | Disposition::ChatMoved(_)
                | Disposition::MessageGone
                | Disposition::Final => DeliverFailure::Refused(error.to_string()),
            }),
        }
    }
}

fn addressee(request: &Request<Transcribed>) -> Addressee {
    Addressee {
        chat: request.chat(),
        thread: request.thread(),
        status: request.status_message(),
        reply_to: request.reply_to(),
    }
}

/// Puts a text into a message.
async fn put(
    client: &Client,
    to: Addressee,
    target: Target,
    content: &OutgoingMessage,
) -> Result<MessageId, TelegramError> {
    match target {
        Target::Edit(message) => client.edit(to.chat, message, content).await.map(|()| message),
        Target::New => client.send(to.chat, to.thread, to.reply_to, content).await,
    }
}

/// Edits the message that showed the state; a new message where there is none.
async fn answer(sender: Sender, to: Addressee, part: Part) -> Result<MessageId, TelegramError> {
    if let Some(status) = to.status {
        let edit = Outgoing { to, target: Target::Edit(status), part: part.clone() };
        match sender.clone().oneshot(edit).await {
            Err(TelegramError::MessageGone) => {}
            sent => return sent,
        }
    }
    sender.oneshot(Outgoing { to, target: Target::New, part }).await
}
