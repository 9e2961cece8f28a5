//! A message to everybody: shown to the operator who wrote it, and sent when they confirm it, in a pace that Telegram and the
//! bot's own answers can bear.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stenobot_domain::{ChatId, MessageId, UserId};
use stenobot_store::StoreError;
use stenobot_telegram::{
    Action, Button, CallbackAnswer, ChatKind, Client, CommandReply, Keyboard, Label, Location, OutgoingMessage,
    TelegramError,
};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::replies::{Replies, Reply};
use super::worker::Worker;
use crate::settings::Settings;

/// Between two people: half of what Telegram takes stays for answers.
const PACE: Duration = Duration::from_millis(70);
/// Drafts kept; the oldest makes room.
const MAX_DRAFTS: usize = 16;

/// Messages to everybody that wait for a confirmation, in memory: a restart drops them, and a button of before finds
/// none. Clones share them.
#[derive(Clone, Default)]
struct Drafts(Arc<Mutex<VecDeque<Draft>>>);

/// One message to everybody.
struct Draft {
    /// Never the same again, also after a restart.
    id: Uuid,
    /// Who wrote it, and alone may send it.
    by: UserId,
    text: String,
}

impl Drafts {
    fn list(&self) -> MutexGuard<'_, VecDeque<Draft>> {
        // Every change is a single step: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, by: UserId, text: &str) -> Uuid {
        let id = Uuid::now_v7();
        let mut drafts = self.list();
        drafts.truncate(MAX_DRAFTS - 1);
        drafts.push_front(Draft { id, by, text: text.to_owned() });
        id
    }

    /// The text of a draft, given once and to its author only.
    fn take(&self, id: Uuid, by: UserId) -> Option<String> {
        let mut drafts = self.list();
        let at = drafts.iter().position(|draft| draft.id == id && draft.by == by)?;
        drafts.remove(at).map(|draft| draft.text)
    }
}

/// Messages to every user. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Broadcasts {
    pub(crate) worker: Worker,
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) replies: Replies,
    drafts: Drafts,
    /// One message to every user is sent at a time.
    turn: Arc<Semaphore>,
}

impl Broadcasts {
    pub(crate) fn new(worker: Worker, settings: Settings, client: Client, replies: Replies) -> Self {
        Self { worker, settings, client, replies, drafts: Drafts::default(), turn: Arc::new(Semaphore::new(1)) }
    }

    /// Shows an operator what would go out, and to how many, over the buttons that send or drop it.
    pub(crate) async fn preview(
        &self,
        operator: UserId,
        locale: Option<&str>,
        text: &str,
    ) -> Result<OutgoingMessage, StoreError> {
        if text.is_empty() {
            return Ok(self.settings.command_reply(locale, &CommandReply::BroadcastHow));
        }
        let people = self.worker.store.users.reachable_people().await?.len() as u64;
        let draft = self.drafts.keep(operator, text);
        let button = |label, action| Button { label: self.settings.label(locale, label), action };
        let buttons =
            vec![button(Label::Send, Action::SendDraft(draft)), button(Label::Cancel, Action::DropDraft(draft))];
        let note =
            self.settings.command_reply(locale, &CommandReply::BroadcastPreview { people, text: text.to_owned() });
        Ok(OutgoingMessage { keyboard: Keyboard(vec![buttons]), ..note })
    }

    /// Sends a draft that its author has confirmed. The first press alone finds it.
    pub(crate) async fn send(
        &self,
        place: Location,
        message: MessageId,
        operator: UserId,
        locale: Option<&str>,
        draft: Uuid,
    ) -> Result<Option<CallbackAnswer>, StoreError> {
        let people = self.worker.store.users.reachable_people().await?;
        let Some(text) = self.take(operator, draft) else { return Ok(self.gone(place, message)) };
        let note = self.settings.command_reply(locale, &CommandReply::BroadcastStarted { people: people.len() as u64 });
        self.replies.send(Reply::Edit { chat: place.chat, message, note });
        self.start(place, locale, people, text);
        Ok(None)
    }

    /// Drops a draft.
    pub(crate) fn cancel(
        &self,
        place: Location,
        message: MessageId,
        operator: UserId,
        locale: Option<&str>,
        draft: Uuid,
    ) -> Option<CallbackAnswer> {
        if self.take(operator, draft).is_none() {
            return self.gone(place, message);
        }
        self.replies.send(Reply::Edit {
            chat: place.chat,
            message,
            note: self.settings.command_reply(locale, &CommandReply::BroadcastCancelled),
        });
        None
    }

    /// Who is no operator any more has no drafts.
    fn take(&self, operator: UserId, draft: Uuid) -> Option<String> {
        let text = self.drafts.take(draft, operator)?;
        self.settings.config().people.operators.contains(&operator.0).then_some(text)
    }

    /// Takes the buttons off a draft of before a restart. The edit of one that was just sent or dropped has taken them already.
    fn gone(&self, place: Location, message: MessageId) -> Option<CallbackAnswer> {
        if place.kind == ChatKind::Private {
            self.replies.send(Reply::Buttons { chat: place.chat, message, keyboard: Keyboard::default() });
        }
        Some(CallbackAnswer::DraftGone)
    }

    /// Starts to write to everybody. A stop of the bot ends it; who has not got the message then does not get it later.
    fn start(&self, place: Location, locale: Option<&str>, people: Vec<UserId>, text: String) {
        let (own, note) = (self.clone(), OutgoingMessage::from(text));
        let locale = locale.map(str::to_owned);
        self.worker.tasks.spawn(async move {
            let Some(Ok(_turn)) = own.worker.shutdown.soft.run_until_cancelled(own.turn.acquire()).await else {
                return;
            };
            let (mut sent, mut missed) = (0, 0);
            for person in people {
                let arrived = own.worker.shutdown.soft.run_until_cancelled(own.reach(ChatId(person.0), &note)).await;
                match arrived {
                    None => break,
                    Some(Ok(_)) => sent += 1,
                    Some(Err(error)) => {
                        missed += 1;
                        if error == TelegramError::ChatGone
                            && let Err(error) = own.worker.store.users.unreachable(person).await
                        {
                            own.worker.failures.report("remember who cannot be reached", &error);
                        }
                    }
                }
            }
            tracing::info!(sent, missed, "a message to everybody has gone out");
            let note = own.settings.command_reply(locale.as_deref(), &CommandReply::BroadcastDone { sent, missed });
            own.replies.send(Reply::Send { place, reply_to: None, note });
        });
    }

    async fn reach(&self, chat: ChatId, note: &OutgoingMessage) -> Result<MessageId, TelegramError> {
        tokio::time::sleep(PACE).await;
        loop {
            match self.client.send(chat, None, None, note).await {
                Err(TelegramError::RetryAfter(pause)) => tokio::time::sleep(pause).await,
                outcome => return outcome,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_given_once_and_to_its_author() {
        let drafts = Drafts::default();
        let draft = drafts.keep(UserId(1), "завтра");
        assert_eq!(drafts.take(draft, UserId(2)), None);
        assert_eq!(drafts.take(Uuid::now_v7(), UserId(1)), None);
        assert_eq!(drafts.take(draft, UserId(1)).as_deref(), Some("завтра"));
        assert_eq!(drafts.take(draft, UserId(1)), None);
    }

    #[test]
    fn the_oldest_drafts_make_room() {
        let drafts = Drafts::default();
        let ids: Vec<_> = (0..=MAX_DRAFTS).map(|number| drafts.keep(UserId(1), &number.to_string())).collect();
        assert_eq!(drafts.take(ids[0], UserId(1)), None);
        assert!(ids[1..].iter().all(|id| drafts.take(*id, UserId(1)).is_some()));
    }
}
