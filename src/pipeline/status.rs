//! The message that shows a request's state until its answer replaces it, or the reaction on the recording.

use stenobot_domain::{ChatId, GuestCall, MessageId, Origin, RequestId};
use stenobot_store::IncomingAudio;
use stenobot_telegram::{
    BotMessage, Client, Disposition, Extent, OutgoingMessage, Priority, StatusEditor, StatusText, TelegramError,
    Unreachable,
};

use super::chats::Chats;
use super::reactions::{Reactions, Surface};
use crate::request::{Request, Stage};
use crate::settings::Settings;

/// Of a text so far, in UTF-16 units: as little as of a folded text.
const LIVE_UNITS_IN_GROUP: usize = 200;

/// Sends and edits status messages.
#[derive(Clone)]
pub(crate) struct StatusMessages {
    client: Client,
    editor: StatusEditor,
    settings: Settings,
    chats: Chats,
    reactions: Reactions,
}

impl StatusMessages {
    pub(crate) fn new(
        client: Client,
        editor: StatusEditor,
        settings: Settings,
        chats: Chats,
        reactions: Reactions,
    ) -> Self {
        Self { client, editor, settings, chats, reactions }
    }

    /// A state with the button that cancels the request.
    pub(super) fn message(
        &self,
        id: RequestId,
        origin: &Origin,
        locale: Option<&str>,
        text: &StatusText,
    ) -> OutgoingMessage {
        OutgoingMessage {
            text: self.settings.request_text(locale, origin, text),
            folded: None,
            time: None,
            underlined: Vec::new(),
            keyboard: self.settings.cancel_buttons(locale, origin, id),
        }
    }

    /// Schedules an edit of a request's status message, if it has one.
    pub(super) fn show(
        &self,
        (id, origin): (RequestId, &Origin),
        chat: ChatId,
        status: Option<MessageId>,
        locale: Option<&str>,
        text: &StatusText,
    ) {
        if let Some(message) = BotMessage::of_request(origin, chat, status) {
            self.editor.show(id, message, self.message(id, origin, locale, text));
        }
    }

    /// As [`StatusMessages::show`], with the text so far and the button that ends the request with it.
    pub(super) fn show_text<S: Stage>(&self, request: &Request<S>, state: &StatusText, text: &str) {
        let Some(message) = request.shown_in() else { return };
        let locale = request.locale();
        let most = if others_read(request) { LIVE_UNITS_IN_GROUP } else { usize::MAX };
        let content = OutgoingMessage {
            text: self.settings.texts_of(locale, request.origin()).live(
                self.settings.locale(locale),
                state,
                text,
                most,
            ),
            // A server that does not know an entity would refuse every edit.
            folded: None,
            time: None,
            underlined: Vec::new(),
            keyboard: self.settings.stop_buttons(locale, request.origin(), request.id()),
        };
        self.editor.show(request.id(), message, content);
    }

    /// Deletes a request's status message, so that the next state is shown in a new one. An edit that another machine has under
    /// way finds no message then.
    pub(super) async fn renew<S: Stage>(&self, request: &mut Request<S>) {
        let Some(message) = request.status_message() else { return };
        match self.client.delete(request.chat(), message).await {
            Ok(()) | Err(TelegramError::MessageGone) => request.forget_status_message(),
            Err(error) => tracing::debug!(request = request.id().0, %error, "the state is not deleted"),
        }
    }

    /// Shows the first state of a coalesced request; gives the message, where it is one.
    pub(super) async fn show_first(
        &self,
        arrival: &IncomingAudio,
        message: &OutgoingMessage,
    ) -> Result<Option<BotMessage>, TelegramError> {
        let (chat, thread) = (arrival.chat, arrival.thread);
        if let Origin::Guest(call) = &arrival.origin {
            return self.answer_call(chat, call, message).await.map(Some);
        }
        match Surface::new(arrival.display, None, arrival.reply_to) {
            Surface::Message => {}
            Surface::Reaction(recording) => match self.reactions.begin(chat, recording).await {
                Err(TelegramError::Refused(_)) => {}
                set => return set.map(|()| None),
            },
            Surface::Quiet(_) | Surface::Hidden => return Ok(None),
        }
        let sent = self.client.send(chat, thread, arrival.reply_to, message).await;
        sent.map(|message| Some(BotMessage::InChat { chat, message }))
    }

    /// Answers a call by a state. Calls expire, so this does not wait behind other states.
    async fn answer_call(
        &self,
        caller: ChatId,
        call: &GuestCall,
        state: &OutgoingMessage,
    ) -> Result<BotMessage, TelegramError> {
        let client = self.client.with_priority(Priority::Answer);
        let message = client.answer_guest(caller, &call.query, state).await?;
        Ok(BotMessage::AsGuest { caller, message })
    }

    /// Shows a request's state as long as none is: by a reaction, or by its status message, which is returned; its chat is another
    /// one than the request's if this one has become a supergroup. The state is optional, the answer is not: only a failure that
    /// rules out any answer is an error.
    pub(super) async fn ensure<S: Stage>(
        &self,
        request: &Request<S>,
        message: &OutgoingMessage,
    ) -> Result<Option<BotMessage>, Unreachable> {
        self.check_writable(request)?;
        match Surface::of(request) {
            Surface::Message => self.ensure_message(request, message).await,
            Surface::Reaction(recording) => {
                let Some(set) = self.chats.store.unless_silent(self.reactions.begin(request.chat(), recording)).await
                else {
                    return Ok(None);
                };
                match set.map_err(|error| (error.disposition(), error)) {
                    // The call that sends a message brings the move again.
                    Err((Disposition::Final | Disposition::ChatMoved(_), _)) => {
                        self.ensure_message(request, message).await
                    }
                    Ok(()) => Ok(None),
                    Err((_, error)) => not_shown(request, &error),
                }
            }
            Surface::Quiet(_) | Surface::Hidden => Ok(None),
        }
    }

    /// As [`StatusMessages::ensure`] for a request that was shown before, if by a reaction: that one stays as it is.
    pub(super) async fn ensure_again<S: Stage>(
        &self,
        request: &Request<S>,
        message: &OutgoingMessage,
    ) -> Result<Option<BotMessage>, Unreachable> {
        self.check_writable(request)?;
        match Surface::of(request) {
            Surface::Message => self.ensure_message(request, message).await,
            Surface::Reaction(_) | Surface::Quiet(_) | Surface::Hidden => Ok(None),
        }
    }

    /// Removes the reaction of a request that ends without an answer, which may take a while.
    pub(super) fn clear<S: Stage>(&self, request: &Request<S>) -> impl Future<Output = ()> + use<S> {
        let (reactions, display) = (self.reactions.clone(), request.display());
        let (chat, recording) = (request.chat(), request.reply_to());
        async move { reactions.clear(display, chat, recording).await }
    }

    fn check_writable<S: Stage>(&self, request: &Request<S>) -> Result<(), Unreachable> {
        // Nothing is known of a chat that the bot is not in.
        if let Origin::Guest(_) = request.origin() {
            return Ok(());
        }
        let (chat, thread) = (request.chat(), request.thread());
        match self.chats.is_write_forbidden(chat, thread, request.received_at()) {
            true => Err(Unreachable::WriteForbidden(Extent::Chat)),
            false => Ok(()),
        }
    }

    async fn ensure_message<S: Stage>(
        &self,
        request: &Request<S>,
        message: &OutgoingMessage,
    ) -> Result<Option<BotMessage>, Unreachable> {
        if request.shown_in().is_some() {
            return Ok(None);
        }
        let (chat, thread) = (request.chat(), request.thread());
        if let Origin::Guest(call) = request.origin() {
            let answered = self.chats.store.unless_silent(self.answer_call(chat, call, message)).await;
            return Ok(answered.and_then(|answered| {
                answered
                    .inspect_err(|error| tracing::info!(request = request.id().0, %error, "a call is not answered yet"))
                    .ok()
            }));
        }
        let send = async {
            match self.client.send(chat, thread, request.reply_to(), message).await {
                // In the store before anything is sent there: the message would belong to no chat after a crash.
                Err(TelegramError::ChatMoved(to)) if self.chats.follow_move(chat, to).await.is_ok() => {
                    let sent = self.client.send(to, None, None, message).await;
                    sent.map(|message| BotMessage::InChat { chat: to, message })
                }
                sent => sent.map(|message| BotMessage::InChat { chat, message }),
            }
        };
        match self.chats.store.unless_silent(send).await {
            None => Ok(None),
            Some(Ok(sent)) => Ok(Some(sent)),
            Some(Err(error)) => not_shown(request, &error),
        }
    }
}

/// Whether the answer is read by others than the requester, as far as is known.
pub(super) fn others_read<S: Stage>(request: &Request<S>) -> bool {
    match request.origin() {
        // Groups and channels have negative ids.
        Origin::Chat | Origin::Business(_) => request.chat().0 < 0,
        Origin::Guest(_) => true,
    }
}

/// Only a failure that rules out any answer is an error.
fn not_shown<S: Stage, T>(request: &Request<S>, error: &TelegramError) -> Result<Option<T>, Unreachable> {
    match error.disposition() {
        Disposition::ChatUnreachable(why) => Err(why),
        Disposition::ServerRequested(_)
        | Disposition::Retry { .. }
        | Disposition::OperatorNeeded { .. }
        | Disposition::ChatMoved(_)
        | Disposition::MessageGone
        | Disposition::Final => {
            tracing::debug!(request = request.id().0, %error, "the state is not shown");
            Ok(None)
        }
    }
}
