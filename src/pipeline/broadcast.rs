//! Broadcasts: a message to all users, previewed by the operator who wrote it and sent after confirmation. The outbox sends
//! everything else first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stenobot_domain::{ChatId, MessageId, UserId};
use stenobot_store::StoreError;
use stenobot_telegram::{
    Action, BotMessage, Button, CallbackAnswer, ChatKind, Client, CommandReply, Disposition, Keyboard, Label, Location,
    OutgoingMessage, Priority, TelegramError, Unreachable,
};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::replies::{Replies, Reply};
use super::worker::Worker;
use crate::settings::Settings;

/// Drafts kept; beyond, the oldest is dropped.
const MAX_DRAFTS: usize = 16;

/// Drafts that wait for a confirmation, in memory only: after a restart, old buttons find none. Clones share them.
#[derive(Clone, Default)]
struct Drafts(Arc<Mutex<VecDeque<Draft>>>);

struct Draft {
    /// Unique across restarts.
    id: Uuid,
    /// The author, who alone may send it.
    author: UserId,
    text: String,
}

impl Drafts {
    fn list(&self) -> MutexGuard<'_, VecDeque<Draft>> {
        // Every change is a single step: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, author: UserId, text: &str) -> Uuid {
        let id = Uuid::now_v7();
        let mut drafts = self.list();
        drafts.truncate(MAX_DRAFTS - 1);
        drafts.push_front(Draft { id, author, text: text.to_owned() });
        id
    }

    /// Removes a draft and gives its text, to its author only.
    fn remove(&self, id: Uuid, author: UserId) -> Option<String> {
        let mut drafts = self.list();
        let at = drafts.iter().position(|draft| draft.id == id && draft.author == author)?;
        drafts.remove(at).map(|draft| draft.text)
    }
}

/// Messages to every user. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Broadcasts {
    worker: Worker,
    settings: Settings,
    client: Client,
    replies: Replies,
    drafts: Drafts,
    /// Held by the broadcast that is under way: there is one at a time.
    running: Arc<Semaphore>,
}

impl Broadcasts {
    pub(crate) fn new(worker: Worker, settings: Settings, client: Client, replies: Replies) -> Self {
        Self { worker, settings, client, replies, drafts: Drafts::default(), running: Arc::new(Semaphore::new(1)) }
    }

    /// Preview of a broadcast and its number of recipients, above the buttons that send or drop it.
    pub(crate) async fn preview(
        &self,
        operator: UserId,
        locale: Option<&str>,
        text: &str,
    ) -> Result<OutgoingMessage, StoreError> {
        if text.is_empty() {
            return Ok(self.settings.command_reply(locale, &CommandReply::BroadcastHow));
        }
        let people = self.worker.store.users.reachable().await?.len() as u64;
        let draft = self.drafts.keep(operator, text);
        let button = |label, action| Button::acting(self.settings.label(locale, label), action);
        let buttons =
            vec![button(Label::Send, Action::SendDraft(draft)), button(Label::Cancel, Action::DropDraft(draft))];
        let content =
            self.settings.command_reply(locale, &CommandReply::BroadcastPreview { people, text: text.to_owned() });
        Ok(OutgoingMessage { keyboard: Keyboard(vec![buttons]), ..content })
    }

    /// Sends a draft that its author has confirmed. The first press alone finds it.
    pub(crate) async fn send(
        &self,
        location: Location,
        message: MessageId,
        operator: UserId,
        locale: Option<&str>,
        draft: Uuid,
    ) -> Result<Option<CallbackAnswer>, StoreError> {
        let people = self.worker.store.users.reachable().await?;
        let Some(text) = self.remove_draft(operator, draft) else { return Ok(self.remove_buttons(location, message)) };
        let content =
            self.settings.command_reply(locale, &CommandReply::BroadcastStarted { people: people.len() as u64 });
        self.replies.send(Reply::Edit { message: BotMessage::InChat { chat: location.chat, message }, content });
        self.start(location, locale, people, text);
        Ok(None)
    }

    /// Drops a draft.
    pub(crate) fn cancel(
        &self,
        location: Location,
        message: MessageId,
        operator: UserId,
        locale: Option<&str>,
        draft: Uuid,
    ) -> Option<CallbackAnswer> {
        if self.remove_draft(operator, draft).is_none() {
            return self.remove_buttons(location, message);
        }
        self.replies.send(Reply::Edit {
            message: BotMessage::InChat { chat: location.chat, message },
            content: self.settings.command_reply(locale, &CommandReply::BroadcastCancelled),
        });
        None
    }

    /// Removes a draft and gives its text, unless its author is no longer an operator.
    fn remove_draft(&self, operator: UserId, draft: Uuid) -> Option<String> {
        let text = self.drafts.remove(draft, operator)?;
        self.settings.config().people.operators.contains(&operator.0).then_some(text)
    }

    /// Removes the buttons of a draft from before a restart. A draft that was just sent or dropped has lost them already.
    fn remove_buttons(&self, location: Location, message: MessageId) -> Option<CallbackAnswer> {
        if location.kind == ChatKind::Private {
            self.replies.send(Reply::Buttons { chat: location.chat, message, keyboard: Keyboard::default() });
        }
        Some(CallbackAnswer::DraftGone)
    }

    /// Starts to send to all users. A shutdown ends the broadcast for good.
    fn start(&self, location: Location, locale: Option<&str>, people: Vec<UserId>, text: String) {
        let (own, content) = (self.clone(), OutgoingMessage::from(text));
        let locale = locale.map(str::to_owned);
        self.worker.tasks.spawn(async move {
            let Some(Ok(_permit)) = own.worker.shutdown.soft.run_until_cancelled(own.running.acquire()).await else {
                return;
            };
            let client = own.client.with_priority(Priority::Broadcast);
            let (mut sent, mut missed) = (0, 0);
            for person in people {
                let arrived =
                    own.worker.shutdown.soft.run_until_cancelled(send_to(&client, ChatId(person.0), &content)).await;
                match arrived {
                    None => break,
                    Some(Ok(_)) => sent += 1,
                    Some(Err(error)) => {
                        missed += 1;
                        if error.disposition() == Disposition::ChatUnreachable(Unreachable::ChatGone)
                            && let Err(error) = own.worker.store.users.unreachable(person).await
                        {
                            own.worker.failures.report("remember who cannot be reached", &error);
                        }
                    }
                }
            }
            tracing::info!(sent, missed, "a message to everybody has gone out");
            let content = own.settings.command_reply(locale.as_deref(), &CommandReply::BroadcastDone { sent, missed });
            own.replies.send(Reply::Send { location, reply_to: None, content });
        });
    }
}

async fn send_to(client: &Client, chat: ChatId, content: &OutgoingMessage) -> Result<MessageId, TelegramError> {
    loop {
        match client.send(chat, None, None, content).await {
            Err(TelegramError::RetryAfter(pause)) => tokio::time::sleep(pause).await,
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_given_once_and_to_its_author_only() {
        let drafts = Drafts::default();
        let draft = drafts.keep(UserId(1), "завтра");
        assert_eq!(drafts.remove(draft, UserId(2)), None);
        assert_eq!(drafts.remove(Uuid::now_v7(), UserId(1)), None);
        assert_eq!(drafts.remove(draft, UserId(1)).as_deref(), Some("завтра"));
        assert_eq!(drafts.remove(draft, UserId(1)), None);
    }

    #[test]
    fn the_oldest_draft_is_dropped_when_there_are_too_many() {
        let drafts = Drafts::default();
        let ids: Vec<_> = (0..=MAX_DRAFTS).map(|number| drafts.keep(UserId(1), &number.to_string())).collect();
        assert_eq!(drafts.remove(ids[0], UserId(1)), None);
        assert!(ids[1..].iter().all(|id| drafts.remove(*id, UserId(1)).is_some()));
    }
}
