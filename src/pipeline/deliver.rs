//! The sender gets the text: by an edit of the message that showed the state, so that a delivery which is
//! repeated after a crash is the same edit and not a second answer. The rest of a long text follows as further
//! messages, counted in the journal one by one.

use std::time::Duration;

use tower::retry::RetryLayer;
use tower::util::BoxCloneService;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::Context;
use crate::journal::JournalError;
use crate::layers::{ObserveLayer, Patience, Wait};
use crate::model::{ChatId, MessageId, Outcome, StageName};
use crate::request::{DeliverFailure, Done, Event, Request, Transcribed, observe};
use crate::telegram::{Disposition, TelegramError};

/// One message on its way out.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    chat: ChatId,
    how: How,
    text: String,
}

/// As a new message or in place of an old one.
#[derive(Debug, Clone, Copy)]
enum How {
    Edit(MessageId),
    Reply(MessageId),
}

/// Gives the id of the message that now holds the text.
pub(super) type Sender = BoxCloneService<Outgoing, MessageId, TelegramError>;

/// The stack by which final answers leave.
pub(super) fn stack(context: &Context) -> Sender {
    let (client, desk) = (context.client.clone(), context.desk.clone());
    let send = service_fn(move |Outgoing { chat, how, text }: Outgoing| {
        let (client, desk) = (client.clone(), desk.clone());
        async move {
            // A pause that Telegram demanded of a progress edit holds for the answer too, and the other way round.
            tokio::time::sleep(desk.held(chat)).await;
            let sent = match how {
                How::Edit(message) => client.edit(chat, message, &text).await.map(|()| message),
                How::Reply(to) => client.send(chat, None, Some(to), &text).await,
            };
            if let Err(TelegramError::RetryAfter(pause)) = &sent {
                desk.hold(chat, *pause);
            }
            sent
        }
    });
    let patience = Patience::endless(Duration::from_secs(1), Duration::from_secs(60), judge);
    ServiceBuilder::new()
        .boxed_clone()
        // All of Telegram's pauses included: what the sender waits for.
        .layer(ObserveLayer::new(StageName::Transcribed))
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
pub(super) async fn one(context: &Context, mut request: Request<Transcribed>) -> Result<(), JournalError> {
    // No edit of the state may come after the answer.
    context.desk.close(request.id()).await;
    let transcript = &request.stage().transcript;
    let outcome = if transcript.segments.is_empty() { Outcome::NoSpeech } else { Outcome::Done };
    let texts = context.live.borrow().texts.clone();
    let messages = texts.answer(context.locale(request.locale()), &transcript.text());
    let delivered = context.shutdown.hard.run_until_cancelled(parts(context, &mut request, messages)).await;
    match delivered.unwrap_or(Ok(Err(DeliverFailure::Stopping)))? {
        Ok(()) => {
            let receipt = request.advance(&context.journal, Done::default()).await?;
            context.discard_audio(receipt.id).await;
            let took = context.journal.clock().now().since(receipt.received_at);
            observe(&Event::Delivered { id: receipt.id, took, outcome });
        }
        Err(why) => {
            if !matches!(why, DeliverFailure::Stopping) {
                context.discard_audio(request.id()).await;
            }
            let _ = request.fail(&context.journal, &why).await?;
        }
    }
    Ok(())
}

/// Sends the messages that an earlier attempt has not sent. The outer result is the journal's.
async fn parts(
    context: &Context,
    request: &mut Request<Transcribed>,
    messages: Vec<String>,
) -> Result<Result<(), DeliverFailure>, JournalError> {
    let sender = stack(context);
    for (index, text) in (0..).zip(messages) {
        if index != 0 && index < request.parts_delivered() {
            continue;
        }
        let status = request.status_message().filter(|_| index == 0);
        let sending = answer(sender.clone(), request.chat(), status, request.reply_to(), text);
        match request.hold(&context.journal, sending).await? {
            Ok(message) => {
                if index == 0 && request.status_message() != Some(message) {
                    request.set_status_message(&context.journal, message).await?;
                }
                request.set_parts_delivered(&context.journal, index + 1).await?;
            }
            Err(TelegramError::ChatGone) => return Ok(Err(DeliverFailure::ChatGone)),
            Err(error) => return Ok(Err(DeliverFailure::Refused(error.to_string()))),
        }
    }
    Ok(Ok(()))
}

/// Puts an answer in place of the message that showed the state, else under the message that is answered.
pub(super) async fn answer(
    sender: Sender,
    chat: ChatId,
    status: Option<MessageId>,
    message: MessageId,
    text: String,
) -> Result<MessageId, TelegramError> {
    if let Some(status) = status {
        let edit = Outgoing { chat, how: How::Edit(status), text: text.clone() };
        match sender.clone().oneshot(edit).await {
            // It is gone: the answer gets a message of its own.
            Err(TelegramError::MessageGone) => {}
            sent => return sent,
        }
    }
    sender.oneshot(Outgoing { chat, how: How::Reply(message), text }).await
}
