//! Delivery of the text of a channel's post: as its caption, or as a comment in the linked group. Nothing else is written in a
//! channel, since all its subscribers would read it.

use stenobot_domain::{MessageId, StateDisplay};
use stenobot_store::CommentPlace;
use stenobot_telegram::{CAPTION_UNITS, Disposition, Keyboard, Priority, TelegramError};
use tower::retry::RetryLayer;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::{Addressee, DeliverError, Deliverer, Outgoing, PLACEHOLDER, PartError, RETRIES, Sender, Target, answer};
use crate::layers::Retry;
use crate::pipeline::answer::Part;
use crate::request::{DeliverFailure, Request, Transcribed};

/// Whether a post has its text as the caption.
enum Caption {
    Set,
    /// The text is too long, the post has another caption, or the bot may not edit it.
    Unsuitable,
}

impl Deliverer {
    pub(super) async fn deliver_in_channel(
        &self,
        request: &mut Request<Transcribed>,
        parts: Vec<Part>,
    ) -> Result<(), DeliverError> {
        if let Caption::Set = self.set_caption(request).await? {
            return Ok(());
        }
        match self.worker.store.queue.comment_place(request.id()).await? {
            Some(place) => self.comment(request, place, parts).await,
            None => Err(DeliverError::Failed(DeliverFailure::NoPlace)),
        }
    }

    async fn set_caption(&self, request: &Request<Transcribed>) -> Result<Caption, DeliverError> {
        let (text, channel) = (request.stage().transcript.text(), request.chat());
        let text = text.0.trim();
        let fits = request.display() == StateDisplay::Caption && text.encode_utf16().count() <= CAPTION_UNITS;
        let Some(post) = request.reply_to().filter(|_| fits) else { return Ok(Caption::Unsuitable) };
        let client = self.client.with_priority(Priority::Answer);
        let edit = service_fn(move |(post, text): (MessageId, String)| {
            let client = client.clone();
            async move { client.edit_caption(channel, post, &text).await }
        });
        let stack = ServiceBuilder::new()
            // As for any other answer.
            .layer(RetryLayer::new(Retry::new(RETRIES, |error: &TelegramError| error.disposition().into())))
            .service(edit);
        let edited = stack.oneshot((post, text.to_owned()));
        let Err(error) = request.hold_to_send(&self.worker.store, edited).await? else { return Ok(Caption::Set) };
        match error.disposition() {
            Disposition::ChatUnreachable(why) => Err(DeliverError::Failed(why.into())),
            // The post was deleted, or the bot has lost the right to edit it.
            Disposition::MessageGone | Disposition::Final => {
                tracing::info!(%error, "a post does not get its text as the caption");
                if matches!(self.client.may_edit_posts(channel).await, Ok(false)) {
                    self.client.set_writable(channel, false);
                }
                Ok(Caption::Unsuitable)
            }
            Disposition::ServerRequested(_)
            | Disposition::Retry { .. }
            | Disposition::OperatorNeeded { .. }
            | Disposition::ChatMoved(_) => Err(DeliverError::Failed(DeliverFailure::Refused(error.to_string()))),
        }
    }

    /// Writes the parts under the copy of the post. As elsewhere, a message is recorded before it holds its part.
    async fn comment(
        &self,
        request: &mut Request<Transcribed>,
        CommentPlace { group, message }: CommentPlace,
        parts: Vec<Part>,
    ) -> Result<(), DeliverError> {
        let sender = self.answer_stack(request.display());
        let to = Addressee { chat: group, thread: None, status: None, reply_to: Some(message) };
        let last = u32::try_from(parts.len()).unwrap_or(u32::MAX).saturating_sub(1);
        for (index, part) in (0..).zip(parts).skip(request.parts_delivered() as usize) {
            match part {
                Part::File(_) => {
                    let file = Outgoing { to, target: Target::New, part };
                    let sent = request.hold_to_send(&self.worker.store, sender.clone().oneshot(file)).await?;
                    sent.map_err(PartError::Telegram)?;
                }
                Part::Message(mut content) => {
                    // The store knows no message in this group by which a press could be checked.
                    content.keyboard = Keyboard::default();
                    self.fill_comment(request, sender.clone(), to, Part::Message(content)).await?;
                }
            }
            if index != last {
                request.set_parts_delivered(&self.worker.store, index + 1).await?;
            }
        }
        Ok(())
    }

    async fn fill_comment(
        &self,
        request: &mut Request<Transcribed>,
        sender: Sender,
        to: Addressee,
        part: Part,
    ) -> Result<(), PartError> {
        let holder = match request.part_message() {
            Some(message) => message,
            None => {
                let placeholder =
                    Outgoing { to, target: Target::New, part: Part::Message(PLACEHOLDER.to_owned().into()) };
                let sent = sender.clone().oneshot(placeholder);
                let message = request.hold_to_send(&self.worker.store, sent).await??;
                request.set_part_message(&self.worker.store, message).await?;
                message
            }
        };
        let to = Addressee { status: Some(holder), ..to };
        request.hold_to_send(&self.worker.store, answer(sender, to, part)).await??;
        Ok(())
    }
}
