//! The sender gets the text: by an edit of the message that showed the state, so that a delivery which is
//! repeated after a crash is the same edit and not a second answer. The rest of a long text follows in further
//! messages: each is sent as a placeholder, written down, and then edited, for the same reason.

use std::sync::Arc;
use std::time::Duration;

use stenobot_domain::subtitles;
use stenobot_domain::{AnswerForm, ChatId, MessageId, Outcome};
use stenobot_store::StoreError;
use stenobot_telegram::{
    Answer, Client, Disposition, Document, OutgoingMessage, StatusEditor, TelegramError, ThreadId,
};
use tower::retry::RetryLayer;
use tower::util::BoxCloneService;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::chats::Chats;
use super::recordings::Recordings;
use super::retention;
use super::worker::Worker;
use crate::layers::{ObserveLayer, Patience, Wait};
use crate::metrics::Work;
use crate::request::{DeliverFailure, Done, Event, Request, Transcribed, observe};
use crate::settings::Settings;

/// Stands for a moment where an answer, or a further part of it, will be.
const PLACEHOLDER: &str = "…";

/// How long a message that is on its way when everything is put back may still arrive: one whose arrival is not known is
/// sent again after the next start.
const IN_FLIGHT: Duration = Duration::from_secs(1);

/// Where an answer goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addressee {
    /// The chat.
    pub(super) chat: ChatId,
    /// The topic, where there are topics.
    pub(super) thread: Option<ThreadId>,
    /// The message that shows the state so far.
    pub(super) status: Option<MessageId>,
    /// The message that is answered, if it is in this chat.
    pub(super) reply_to: Option<MessageId>,
}

impl Addressee {
    /// In a supergroup that a group became, no message is known.
    fn in_supergroup(chat: ChatId) -> Self {
        Self { chat, thread: None, status: None, reply_to: None }
    }
}

/// One message on its way out.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    to: Addressee,
    how: How,
    part: Part,
}

/// As a new message or in place of an old one.
#[derive(Debug, Clone, Copy)]
enum How {
    Edit(MessageId),
    Reply,
}

/// A part of an answer.
#[derive(Debug, Clone)]
enum Part {
    Message(OutgoingMessage),
    // Shared, since a try must leave it for the next.
    File(Arc<Document>),
}

/// Gives the id of the message that now holds the part.
pub(super) type Sender = BoxCloneService<Outgoing, MessageId, TelegramError>;

/// Delivers texts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Deliverer {
    pub(crate) worker: Worker,
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) editor: StatusEditor,
    pub(crate) chats: Chats,
    pub(crate) recordings: Recordings,
}

impl Deliverer {
    /// Delivers a text and ends its request.
    pub(crate) async fn deliver(&self, mut request: Request<Transcribed>) -> Result<(), StoreError> {
        // No edit of the state may come after the answer.
        self.editor.close(request.id()).await;
        // Where this cannot be looked up now, Telegram says it.
        if let Ok(Some(to)) = self.worker.store.users.moved_to(request.chat()).await {
            request.chat_moved(to);
        }
        let transcript = &request.stage().transcript;
        let outcome = if transcript.segments.is_empty() { Outcome::NoSpeech } else { Outcome::Done };
        let messages = self.answer_of(&request);
        let delivered = if self.chats.is_write_forbidden(
            request.chat(),
            request.thread().map(ThreadId),
            request.received_at(),
        ) {
            Err(DeliverFailure::WriteForbidden)
        } else {
            tokio::select! {
                delivered = self.parts(&mut request, messages) => delivered?,
                () = async { self.worker.shutdown.hard.cancelled().await; tokio::time::sleep(IN_FLIGHT).await; } => {
                    Err(DeliverFailure::Stopping)
                }
            }
        };
        match delivered {
            Ok(()) => {
                // In one write with the end: whoever presses a button under the answer at once finds the recording kept.
                let now = self.worker.store.clock().now();
                let receipt = request
                    .advance(&self.worker.store, Done { audio_until: retention::kept_until(&self.settings, now) })
                    .await?;
                if receipt.stage.audio_until.is_none() {
                    self.recordings.discard(receipt.id).await;
                }
                let took = self.worker.store.clock().now().since(receipt.received_at);
                observe(&Event::Delivered { id: receipt.id, took, outcome });
            }
            Err(why) => {
                if !matches!(why, DeliverFailure::Stopping) {
                    self.recordings.discard(request.id()).await;
                }
                let _ = request.fail(&self.worker.store, &why).await?;
            }
        }
        Ok(())
    }

    /// The stack by which final answers leave.
    pub(super) fn stack(&self) -> Sender {
        self.stack_with(judge)
    }

    /// The same for what can be put off: a pause that Telegram demands is an error.
    pub(super) fn stack_without_pauses(&self) -> Sender {
        self.stack_with(|error| match error {
            TelegramError::RetryAfter(_) => Wait::Never,
            error => judge(error),
        })
    }

    fn stack_with(&self, judge: fn(&TelegramError) -> Wait) -> Sender {
        let client = self.client.clone();
        let send = service_fn(move |Outgoing { to, how, part }: Outgoing| {
            let client = client.clone();
            async move {
                match (how, part) {
                    (How::Edit(message), Part::Message(note)) => {
                        client.edit(to.chat, message, &note).await.map(|()| message)
                    }
                    (How::Reply, Part::Message(note)) => client.send(to.chat, to.thread, to.reply_to, &note).await,
                    (How::Edit(_) | How::Reply, Part::File(file)) => {
                        client.send_document(to.chat, to.thread, to.reply_to, &file).await
                    }
                }
            }
        });
        let patience = Patience::endless(Duration::from_secs(1), Duration::from_secs(60), judge);
        ServiceBuilder::new()
            .boxed_clone()
            // All of Telegram's pauses included: what the sender waits for.
            .layer(ObserveLayer::new(Work::Delivery))
            // An answer is never given up for the network's sake, and no wait that Telegram demands is cut short.
            .layer(RetryLayer::new(patience))
            .service(send)
    }

    /// The parts of a request's answer. The first is a note, which takes the place of the message that showed the state.
    fn answer_of(&self, request: &Request<Transcribed>) -> Vec<Part> {
        let transcript = &request.stage().transcript;
        let texts = self.settings.texts();
        let locale = self.settings.locale(request.locale());
        let spoken = transcript.text();
        let most = self.settings.config().limits.answer_messages;
        let file = |name: &str, media_type, text: String| {
            let document = Document { name: name.to_owned(), media_type, bytes: text.into_bytes() };
            Part::File(Arc::new(document))
        };
        let note = |text: String| Part::Message(text.into());
        let whole = |text: &str| file("text.txt", "text/plain", text.to_owned() + "\n");
        let heard = !spoken.0.trim().is_empty();
        let subtitles = match request.form() {
            AnswerForm::Message => None,
            AnswerForm::Txt => Some(whole(spoken.0.trim())),
            AnswerForm::Srt => Some(file("subtitles.srt", "application/x-subrip", subtitles::srt(transcript))),
            AnswerForm::Vtt => Some(file("subtitles.vtt", "text/vtt", subtitles::vtt(transcript))),
        };
        if let Some(file) = subtitles.filter(|_| heard) {
            return vec![note(texts.heading(locale, transcript)), file];
        }
        let keyboard = self.settings.answer_buttons(request.locale(), request.id(), heard);
        match texts.answer(locale, transcript, most) {
            Answer::Messages(messages) => {
                let mut keyboard = Some(keyboard);
                // The buttons stand under the message that the store knows.
                let with_buttons =
                    |text| Part::Message(OutgoingMessage { text, keyboard: keyboard.take().unwrap_or_default() });
                messages.into_iter().map(with_buttons).collect()
            }
            Answer::File { preview } => {
                vec![Part::Message(OutgoingMessage { text: preview, keyboard }), whole(spoken.0.trim())]
            }
        }
    }

    /// Sends the parts that an earlier attempt has not sent. The outer result is the store's.
    async fn parts(
        &self,
        request: &mut Request<Transcribed>,
        parts: Vec<Part>,
    ) -> Result<Result<(), DeliverFailure>, StoreError> {
        let sender = self.stack();
        let last = u32::try_from(parts.len()).unwrap_or(u32::MAX).saturating_sub(1);
        for (index, part) in (0..).zip(parts) {
            // The first is put there again, in case that it was changed; not in a chat that has moved, where it would be new.
            if index < request.parts_delivered() && (index != 0 || request.status_message().is_none()) {
                continue;
            }
            if self.worker.shutdown.hard.is_cancelled() {
                return Ok(Err(DeliverFailure::Stopping));
            }
            let sent = match self.put(request, sender.clone(), index, part.clone()).await? {
                // In the store before anything is sent there: a message would belong to no chat after a crash.
                Err(TelegramError::ChatMoved(to)) => {
                    self.chats.follow_move(request.chat(), to).await?;
                    request.chat_moved(to);
                    self.put(request, sender.clone(), index, part).await?
                }
                sent => sent,
            };
            match sent {
                // The end of the request follows, and says as much.
                Ok(()) if index == last => {}
                Ok(()) => request.set_parts_delivered(&self.worker.store, index + 1).await?,
                Err(TelegramError::ChatGone) => return Ok(Err(DeliverFailure::ChatGone)),
                Err(TelegramError::WriteForbidden(_)) => return Ok(Err(DeliverFailure::WriteForbidden)),
                Err(error) => return Ok(Err(DeliverFailure::Refused(error.to_string()))),
            }
        }
        Ok(Ok(()))
    }

    /// Sends one part. The outer result is the store's.
    async fn put(
        &self,
        request: &mut Request<Transcribed>,
        sender: Sender,
        index: u32,
        part: Part,
    ) -> Result<Result<(), TelegramError>, StoreError> {
        match part {
            Part::Message(note) => self.fill(request, sender, index, note).await,
            // No message becomes a file: a file is always a new one.
            Part::File(_) => {
                let file = Outgoing { to: addressee(request), how: How::Reply, part };
                Ok(request.hold(&self.worker.store, sender.oneshot(file)).await?.map(drop))
            }
        }
    }

    /// Puts a part into the message that is meant for it. Nobody may know whether Telegram took a call: an edit is then made
    /// once more, and is the same; a message would be there twice. So the message is in the store before the part is in the
    /// message: the one that showed the state, or a placeholder where there is none or somebody has deleted it.
    async fn fill(
        &self,
        request: &mut Request<Transcribed>,
        sender: Sender,
        index: u32,
        note: OutgoingMessage,
    ) -> Result<Result<(), TelegramError>, StoreError> {
        let to = addressee(request);
        let known = if index == 0 { request.status_message() } else { request.part_message() };
        if let Some(message) = known {
            let edit = Outgoing { to, how: How::Edit(message), part: Part::Message(note.clone()) };
            match request.hold(&self.worker.store, sender.clone().oneshot(edit)).await? {
                Err(TelegramError::MessageGone) => {}
                sent => return Ok(sent.map(drop)),
            }
        }
        let placeholder = Outgoing { to, how: How::Reply, part: Part::Message(PLACEHOLDER.to_owned().into()) };
        let message = match request.hold(&self.worker.store, sender.clone().oneshot(placeholder)).await? {
            Ok(message) => message,
            Err(error) => return Ok(Err(error)),
        };
        self.remember(request, index, message).await?;
        // Where this one is deleted as well, a message remains that may come twice.
        let to = Addressee { status: Some(message), ..to };
        match request.hold(&self.worker.store, answer(sender, to, note)).await? {
            Ok(holds) if holds == message => Ok(Ok(())),
            Ok(other) => self.remember(request, index, other).await.map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn remember(
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
    pub(super) async fn answer_wherever(
        &self,
        sender: Sender,
        to: Addressee,
        note: OutgoingMessage,
    ) -> Result<MessageId, TelegramError> {
        match answer(sender.clone(), to, note.clone()).await {
            Err(TelegramError::ChatMoved(chat)) if self.chats.follow_move(to.chat, chat).await.is_ok() => {
                answer(sender, Addressee::in_supergroup(chat), note).await
            }
            sent => sent,
        }
    }
}

fn judge(error: &TelegramError) -> Wait {
    match (error, error.disposition()) {
        (TelegramError::RetryAfter(after), _) => Wait::Exactly(*after),
        (_, Disposition::Retry { .. }) => Wait::Backoff,
        (_, Disposition::Final) => Wait::Never,
    }
}

fn addressee(request: &Request<Transcribed>) -> Addressee {
    Addressee {
        chat: request.chat(),
        thread: request.thread().map(ThreadId),
        status: request.status_message(),
        reply_to: request.reply_to(),
    }
}

/// Puts a note in place of the message that showed the state, else under the message that is answered.
async fn answer(sender: Sender, to: Addressee, note: OutgoingMessage) -> Result<MessageId, TelegramError> {
    if let Some(status) = to.status {
        let edit = Outgoing { to, how: How::Edit(status), part: Part::Message(note.clone()) };
        match sender.clone().oneshot(edit).await {
            // It is gone: the answer gets a message of its own.
            Err(TelegramError::MessageGone) => {}
            sent => return sent,
        }
    }
    sender.oneshot(Outgoing { to, how: How::Reply, part: Part::Message(note) }).await
}
