//! The message that shows a request's state until its answer replaces it.

use stenobot_domain::{ChatId, MessageId, RequestId};
use stenobot_telegram::{
    Client, Disposition, Extent, OutgoingMessage, StatusEditor, StatusText, TelegramError, ThreadId, Unreachable,
};

use super::chats::Chats;
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
}

impl StatusMessages {
    pub(crate) fn new(client: Client, editor: StatusEditor, settings: Settings, chats: Chats) -> Self {
        Self { client, editor, settings, chats }
    }

    /// A state with the button that cancels the request.
    pub(super) fn message(&self, id: RequestId, locale: Option<&str>, text: &StatusText) -> OutgoingMessage {
        OutgoingMessage {
            text: self.settings.status_text(locale, text),
            folded: None,
            keyboard: self.settings.cancel_button(locale, id),
        }
    }

    /// Schedules an edit of a request's status message, if it has one.
    pub(super) fn show(
        &self,
        id: RequestId,
        chat: ChatId,
        status: Option<MessageId>,
        locale: Option<&str>,
        text: &StatusText,
    ) {
        if let Some(message) = status {
            self.editor.show(id, chat, message, self.message(id, locale, text));
        }
    }

    /// As [`StatusMessages::show`], with the text so far and the button that ends the request with it.
    pub(super) fn show_text<S: Stage>(&self, request: &Request<S>, state: &StatusText, text: &str) {
        let Some(message) = request.status_message() else { return };
        let locale = request.locale();
        // Groups and channels have negative ids.
        let most = if request.chat().0 < 0 { LIVE_UNITS_IN_GROUP } else { usize::MAX };
        let content = OutgoingMessage {
            text: self.settings.texts().live(self.settings.locale(locale), state, text, most),
            // A server that knows no folded text would refuse every edit.
            folded: None,
            keyboard: self.settings.stop_button(locale, request.id()),
        };
        self.editor.show(request.id(), request.chat(), message, content);
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

    /// Sends a message to the chat and thread of `reply_to`.
    pub(super) async fn send(
        &self,
        chat: ChatId,
        thread: Option<ThreadId>,
        reply_to: Option<MessageId>,
        message: &OutgoingMessage,
    ) -> Result<MessageId, TelegramError> {
        self.client.send(chat, thread, reply_to, message).await
    }

    /// Sends a request's status message, unless it has one. Returns the message and its chat, which differs from the
    /// request's if that chat has become a supergroup. The state is optional, the answer is not: only a failure that rules
    /// out any answer is an error.
    pub(super) async fn ensure<S: Stage>(
        &self,
        request: &Request<S>,
        message: &OutgoingMessage,
    ) -> Result<Option<(ChatId, MessageId)>, Unreachable> {
        let (chat, thread) = (request.chat(), request.thread().map(ThreadId));
        if self.chats.is_write_forbidden(chat, thread, request.received_at()) {
            return Err(Unreachable::WriteForbidden(Extent::Chat));
        }
        if request.status_message().is_some() {
            return Ok(None);
        }
        let send = async {
            match self.client.send(chat, thread, request.reply_to(), message).await {
                // In the store before anything is sent there: the message would belong to no chat after a crash.
                Err(TelegramError::ChatMoved(to)) if self.chats.follow_move(chat, to).await.is_ok() => {
                    self.client.send(to, None, None, message).await.map(|message| (to, message))
                }
                sent => sent.map(|message| (chat, message)),
            }
        };
        let Some(sent) = self.chats.store.unless_silent(send).await else { return Ok(None) };
        match sent {
            Ok(sent) => Ok(Some(sent)),
            Err(error) => match error.disposition() {
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
            },
        }
    }
}
