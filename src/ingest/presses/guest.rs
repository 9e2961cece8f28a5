//! Presses under messages that the bot has posted as a guest. Only the caller may press, and only what is for the request whose
//! message it is. A press names the message: where the process died before it was recorded, this is how it is found.

use stenobot_domain::{ChatId, InlineMessageId};
use stenobot_store::{Actor, GuestPress, StoreError};
use stenobot_telegram::{Action, BotMessage, CallbackAnswer, Press, StatusText};

use super::Presses;
use crate::pipeline::replies::Reply;

/// The buttons under a state.
enum StateButton {
    Cancel,
    Stop,
    Refresh,
}

impl Presses {
    /// Carries out such a press; returns what the user is answered, if anything.
    pub(super) async fn guest_press(
        &self,
        press: &Press,
        action: &Action,
        message: &InlineMessageId,
    ) -> Result<Option<CallbackAnswer>, StoreError> {
        let (id, button) = match action {
            Action::Cancel(id) => (*id, StateButton::Cancel),
            Action::Stop(id) => (*id, StateButton::Stop),
            Action::Refresh(id) => (*id, StateButton::Refresh),
            Action::Rerun { .. }
            | Action::Languages { .. }
            | Action::Back(_)
            | Action::SetLanguage(_)
            | Action::ChatLanguages(_)
            | Action::Forget
            | Action::SendDraft(_)
            | Action::DropDraft(_) => return Ok(Some(CallbackAnswer::Over)),
        };
        let user = press.from.id;
        let locale = press.from.language_code.as_deref();
        let (call, is_found) = match self.worker.store.queue.guest_press(id, user, message).await? {
            GuestPress::Open { call, is_found } => (call, is_found),
            GuestPress::Closed { is_found } => {
                if is_found {
                    let message = BotMessage::AsGuest { caller: ChatId(user.0), message: message.clone() };
                    let content = self.settings.status_text(locale, &StatusText::GuestOver).into();
                    self.replies.send(Reply::Edit { message, content });
                }
                return Ok(Some(CallbackAnswer::Over));
            }
            GuestPress::NotYours => return Ok(Some(CallbackAnswer::NotYours)),
            GuestPress::Elsewhere => return Ok(Some(CallbackAnswer::Over)),
        };
        match button {
            StateButton::Cancel => self.cancel(id, Actor::Sender(user)).await,
            StateButton::Stop => self.stop(id, Actor::Sender(user)).await,
            StateButton::Refresh => {
                self.positions.show_call(id, (user, locale), call, is_found).await?;
                Ok(None)
            }
        }
    }
}
