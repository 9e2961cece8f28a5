//! Delivery to a chat that the bot is not in: by an edit of the message that answered the call, or by the answer to the call, where
//! none was given yet. Telegram takes one answer to a call, and none after a while, so the text may have no place there: then it goes
//! to the caller's private chat, as what is too long for one message always does.

use std::time::Duration;

use stenobot_domain::{ChatId, GuestCall, InlineMessageId, RequestId};
use stenobot_store::ChatSettings;
use stenobot_telegram::{BotMessage, Client, Continuation, OutgoingMessage, Priority, TelegramError};
use tower::retry::RetryLayer;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::{Addressee, DeliverError, Deliverer, PartError, RETRIES, Sender, notice_retry};
use crate::layers::{NextTry, ObserveLayer, Retry};
use crate::metrics::Work;
use crate::pipeline::answer::Part;
use crate::request::{DeliverFailure, Request, Transcribed};

/// How long after a refused answer the message of another one may become known: a state may be on its way beside the delivery.
const OTHER_ANSWER_TIME: Duration = Duration::from_secs(1);

/// Puts a content into the message of a call; gives the message.
type GuestSender = BoxCloneSyncService<(GuestCall, OutgoingMessage), InlineMessageId, TelegramError>;

impl Deliverer {
    pub(super) async fn deliver_as_guest(
        &self,
        request: &mut Request<Transcribed>,
        call: GuestCall,
        chat: &ChatSettings,
    ) -> Result<(), DeliverError> {
        // An earlier attempt has put the first part there, or has found that it cannot be there.
        let is_begun = request.parts_delivered() > 0;
        let is_elsewhere = request.status_message().is_some();
        let parts = self.answer_parts(request, chat, Continuation::PrivateChat);
        if is_elsewhere || !is_begun && !self.put_first(request, call.clone(), &parts).await? {
            return self.deliver_in_private(request, self.answer_parts(request, chat, Continuation::SameChat)).await;
        }
        if parts.len() < 2 {
            return Ok(());
        }
        if !is_begun {
            request.set_parts_delivered(&self.worker.store, 1).await?;
        }
        match self.deliver_in_private(request, parts).await {
            Err(DeliverError::Failed(DeliverFailure::ChatGone | DeliverFailure::WriteForbidden)) => {
                let parts = self.answer_parts(request, chat, Continuation::Missing);
                self.put_first(request, call, &parts).await.map(drop)
            }
            delivered => delivered,
        }
    }

    /// Sends the parts that an earlier attempt has not sent to the caller's private chat.
    async fn deliver_in_private(
        &self,
        request: &mut Request<Transcribed>,
        parts: Vec<Part>,
    ) -> Result<(), DeliverError> {
        if self.is_write_forbidden(request) {
            return Err(DeliverError::Failed(DeliverFailure::WriteForbidden));
        }
        self.deliver_parts(request, parts).await
    }

    /// Puts the first part where the bot was called; false where that is not possible.
    async fn put_first(
        &self,
        request: &mut Request<Transcribed>,
        mut call: GuestCall,
        parts: &[Part],
    ) -> Result<bool, DeliverError> {
        // The form of such an answer is a message.
        let Some(Part::Message(content)) = parts.first().cloned() else { return Ok(false) };
        let client = self.client.with_priority(Priority::Answer);
        let sender = guest_stack(&client, request.chat(), |error| error.disposition().into());
        let put = self.put_as_guest(sender, request.id(), &mut call, content);
        match request.hold_to_send(&self.worker.store, put).await? {
            Ok(message) => {
                request.knows_shown(BotMessage::AsGuest { caller: request.chat(), message });
                Ok(true)
            }
            Err(PartError::Telegram(error)) => {
                tracing::info!(%error, "a text goes to the private chat of the user who called the bot");
                Ok(false)
            }
            Err(error @ PartError::Store(_)) => Err(error.into()),
        }
    }

    /// Puts a notice where the bot was called; into the private chat where that is not possible.
    pub(in crate::pipeline) async fn notify_as_guest(
        &self,
        id: RequestId,
        mut call: GuestCall,
        (sender, to): (Sender, Addressee),
        content: OutgoingMessage,
    ) -> Result<(), PartError> {
        let client = self.client.with_priority(Priority::Notice);
        let guest = guest_stack(&client, to.chat, notice_retry);
        match self.put_as_guest(guest, id, &mut call, content.clone()).await {
            Err(PartError::Telegram(error)) if !matches!(error, TelegramError::RetryAfter(_)) => {
                Ok(self.answer_following_moves(sender, to, content).await.map(drop)?)
            }
            put => put.map(drop),
        }
    }

    async fn put_as_guest(
        &self,
        sender: GuestSender,
        id: RequestId,
        call: &mut GuestCall,
        content: OutgoingMessage,
    ) -> Result<InlineMessageId, PartError> {
        let queue = &self.worker.store.queue;
        if call.message.is_none() {
            call.message = queue.guest_message(id).await?;
        }
        let is_known = call.message.is_some();
        let put = match sender.clone().oneshot((call.clone(), content.clone())).await {
            Err(error @ TelegramError::Refused(_)) if !is_known => {
                tokio::time::sleep(OTHER_ANSWER_TIME).await;
                call.message = queue.guest_message(id).await?;
                match call.message {
                    Some(_) => sender.oneshot((call.clone(), content)).await,
                    None => Err(error),
                }
            }
            put => put,
        }?;
        if !is_known {
            queue.record_guest_message(id, &put).await?;
        }
        Ok(put)
    }
}

fn guest_stack(client: &Client, caller: ChatId, classify: fn(&TelegramError) -> NextTry) -> GuestSender {
    let client = client.clone();
    let put = service_fn(move |(call, content): (GuestCall, OutgoingMessage)| {
        let client = client.clone();
        async move {
            match put(&client, caller, &call, &content).await {
                // As for any other answer.
                Err(error) if content.is_decorated() && error.is_about_decoration() => {
                    put(&client, caller, &call, &content.undecorated()).await
                }
                put => put,
            }
        }
    });
    let stack = ServiceBuilder::new()
        .layer(ObserveLayer::new(Work::Delivery))
        .layer(RetryLayer::new(Retry::new(RETRIES, classify)))
        .service(put);
    BoxCloneSyncService::new(stack)
}

async fn put(
    client: &Client,
    caller: ChatId,
    call: &GuestCall,
    content: &OutgoingMessage,
) -> Result<InlineMessageId, TelegramError> {
    match &call.message {
        Some(message) => {
            let place = BotMessage::AsGuest { caller, message: message.clone() };
            client.edit_message(&place, content).await.map(|()| message.clone())
        }
        None => client.answer_guest(caller, &call.query, content).await,
    }
}
