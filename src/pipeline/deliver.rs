//! The sender gets the text: by an edit of the message that showed the state, so that a delivery which is
//! repeated after a crash is the same edit and not a second answer. The rest of a long text follows in further
//! messages: each is sent as a placeholder, written down, and then edited, for the same reason.

use std::sync::Arc;
use std::time::Duration;

use stenobot_domain::subtitles;
use stenobot_domain::{AnswerForm, ChatId, MessageId, Outcome};
use stenobot_store::StoreError;
use stenobot_telegram::{Answer, Disposition, Document, OutgoingMessage, TelegramError, ThreadId};
use tower::retry::RetryLayer;
use tower::util::BoxCloneService;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::{Context, retention};
use crate::layers::{ObserveLayer, Patience, Wait};
use crate::metrics::Work;
use crate::request::{DeliverFailure, Done, Event, Request, Transcribed, observe};

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

/// The stack by which final answers leave.
pub(super) fn stack(context: &Context) -> Sender {
    stack_with(context, judge)
}

/// The same for what can be put off: a pause that Telegram demands is an error.
pub(super) fn stack_without_pauses(context: &Context) -> Sender {
    stack_with(context, |error| match error {
        TelegramError::RetryAfter(_) => Wait::Never,
        error => judge(error),
    })
}

fn stack_with(context: &Context, judge: fn(&TelegramError) -> Wait) -> Sender {
    let client = context.client.clone();
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

fn judge(error: &TelegramError) -> Wait {
    match (error, error.disposition()) {
        (TelegramError::RetryAfter(after), _) => Wait::Exactly(*after),
        (_, Disposition::Retry { .. }) => Wait::Backoff,
        (_, Disposition::Final) => Wait::Never,
    }
}

/// Delivers a text and ends its request.
pub(super) async fn one(context: &Context, mut request: Request<Transcribed>) -> Result<(), StoreError> {
    // No edit of the state may come after the answer.
    context.desk.close(request.id()).await;
    // Where this cannot be looked up now, Telegram says it.
    if let Ok(Some(to)) = context.store.users.moved_to(request.chat()).await {
        request.chat_moved(to);
    }
    let transcript = &request.stage().transcript;
    let outcome = if transcript.segments.is_empty() { Outcome::NoSpeech } else { Outcome::Done };
    let messages = answer_of(context, &request);
    let delivered = if context.is_closed(request.chat(), request.thread().map(ThreadId), request.received_at()) {
        Err(DeliverFailure::WriteForbidden)
    } else {
        tokio::select! {
            delivered = parts(context, &mut request, messages) => delivered?,
            () = async { context.shutdown.hard.cancelled().await; tokio::time::sleep(IN_FLIGHT).await; } => {
                Err(DeliverFailure::Stopping)
            }
        }
    };
    match delivered {
        Ok(()) => {
            // In one write with the end: whoever presses a button under the answer at once finds the recording kept.
            let receipt = request.advance(&context.store, Done { audio_until: retention::until(context) }).await?;
            if receipt.stage().audio_until.is_none() {
                context.discard_audio(receipt.id()).await;
            }
            let took = context.store.clock().now().since(receipt.received_at());
            observe(&Event::Delivered { id: receipt.id(), took, outcome });
        }
        Err(why) => {
            if !matches!(why, DeliverFailure::Stopping) {
                context.discard_audio(request.id()).await;
            }
            let _ = request.fail(&context.store, &why).await?;
        }
    }
    Ok(())
}

/// The parts of a request's answer. The first is a note, which takes the place of the message that showed the state.
fn answer_of(context: &Context, request: &Request<Transcribed>) -> Vec<Part> {
    let transcript = &request.stage().transcript;
    let texts = context.live.borrow().texts.clone();
    let locale = context.locale(request.locale());
    let spoken = transcript.text();
    let most = context.config().limits.answer_messages;
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
    let keyboard = context.answer_buttons(request.locale(), request.id(), heard);
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
    context: &Context,
    request: &mut Request<Transcribed>,
    parts: Vec<Part>,
) -> Result<Result<(), DeliverFailure>, StoreError> {
    let sender = stack(context);
    let last = u32::try_from(parts.len()).unwrap_or(u32::MAX).saturating_sub(1);
    for (index, part) in (0..).zip(parts) {
        // The first is put there again, in case that it was changed; not in a chat that has moved, where it would be new.
        if index < request.parts_delivered() && (index != 0 || request.status_message().is_none()) {
            continue;
        }
        if context.shutdown.hard.is_cancelled() {
            return Ok(Err(DeliverFailure::Stopping));
        }
        let sent = match put(context, request, sender.clone(), index, part.clone()).await? {
            // In the store before anything is sent there: a message would belong to no chat after a crash.
            Err(TelegramError::ChatMoved(to)) => {
                context.follow_move(request.chat(), to).await?;
                request.chat_moved(to);
                put(context, request, sender.clone(), index, part).await?
            }
            sent => sent,
        };
        match sent {
            // The end of the request follows, and says as much.
            Ok(()) if index == last => {}
            Ok(()) => request.set_parts_delivered(&context.store, index + 1).await?,
            Err(TelegramError::ChatGone) => return Ok(Err(DeliverFailure::ChatGone)),
            Err(TelegramError::WriteForbidden(_)) => return Ok(Err(DeliverFailure::WriteForbidden)),
            Err(error) => return Ok(Err(DeliverFailure::Refused(error.to_string()))),
        }
    }
    Ok(Ok(()))
}

/// Sends one part. The outer result is the store's.
async fn put(
    context: &Context,
    request: &mut Request<Transcribed>,
    sender: Sender,
    index: u32,
    part: Part,
) -> Result<Result<(), TelegramError>, StoreError> {
    match part {
        Part::Message(note) => fill(context, request, sender, index, note).await,
        // No message becomes a file: a file is always a new one.
        Part::File(_) => {
            let file = Outgoing { to: addressee(request), how: How::Reply, part };
            Ok(request.hold(&context.store, sender.oneshot(file)).await?.map(drop))
        }
    }
}

/// Puts a part into the message that is meant for it. Nobody may know whether Telegram took a call: an edit is then made
/// once more, and is the same; a message would be there twice. So the message is in the store before the part is in the
/// message: the one that showed the state, or a placeholder where there is none or somebody has deleted it.
async fn fill(
    context: &Context,
    request: &mut Request<Transcribed>,
    sender: Sender,
    index: u32,
    note: OutgoingMessage,
) -> Result<Result<(), TelegramError>, StoreError> {
    let to = addressee(request);
    let known = if index == 0 { request.status_message() } else { request.part_message() };
    if let Some(message) = known {
        let edit = Outgoing { to, how: How::Edit(message), part: Part::Message(note.clone()) };
        match request.hold(&context.store, sender.clone().oneshot(edit)).await? {
            Err(TelegramError::MessageGone) => {}
            sent => return Ok(sent.map(drop)),
        }
    }
    let placeholder = Outgoing { to, how: How::Reply, part: Part::Message(PLACEHOLDER.to_owned().into()) };
    let message = match request.hold(&context.store, sender.clone().oneshot(placeholder)).await? {
        Ok(message) => message,
        Err(error) => return Ok(Err(error)),
    };
    remember(context, request, index, message).await?;
    // Where this one is deleted as well, a message remains that may come twice.
    let to = Addressee { status: Some(message), ..to };
    match request.hold(&context.store, answer(sender, to, note)).await? {
        Ok(holds) if holds == message => Ok(Ok(())),
        Ok(other) => remember(context, request, index, other).await.map(Ok),
        Err(error) => Ok(Err(error)),
    }
}

async fn remember(
    context: &Context,
    request: &mut Request<Transcribed>,
    index: u32,
    message: MessageId,
) -> Result<(), StoreError> {
    if index == 0 {
        let chat = request.chat();
        request.set_status_message(&context.store, chat, message).await
    } else {
        request.set_part_message(&context.store, message).await
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

/// As [`answer`], in the supergroup that the chat has become if Telegram says so.
pub(super) async fn answer_wherever(
    context: &Context,
    sender: Sender,
    to: Addressee,
    note: OutgoingMessage,
) -> Result<MessageId, TelegramError> {
    match answer(sender.clone(), to, note.clone()).await {
        Err(TelegramError::ChatMoved(chat)) if context.follow_move(to.chat, chat).await.is_ok() => {
            answer(sender, Addressee::in_supergroup(chat), note).await
        }
        sent => sent,
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
