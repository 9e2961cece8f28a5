//! Broadcasts: a message to all users, previewed by the operator who wrote it and sent after confirmation. The outbox sends
//! everything else first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stenobot_domain::{ChatId, MessageId, UserId};
use stenobot_store::StoreError;
use stenobot_telegram::{
    Action, Button, CallbackAnswer, ChatKind, Client, CommandReply, Disposition, Keyboard, Label, Location,
    OutgoingMessage, Priority, TelegramError, Unreachable,
};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::Context;
use super::replies::Reply;

/// One broadcast at a time.
static RUNNING: Semaphore = Semaphore::const_new(1);
/// Drafts kept; beyond, the oldest is dropped.
const MAX_DRAFTS: usize = 16;

/// Drafts that wait for a confirmation, in memory only: after a restart, old buttons find none. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Drafts(Arc<Mutex<VecDeque<Draft>>>);

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
    fn take(&self, id: Uuid, author: UserId) -> Option<String> {
        let mut drafts = self.list();
        let at = drafts.iter().position(|draft| draft.id == id && draft.author == author)?;
        drafts.remove(at).map(|draft| draft.text)
    }
}

/// Preview of a broadcast and its number of recipients, above the buttons that send or drop it.
pub(super) async fn preview(
    context: &Context,
    operator: UserId,
    locale: Option<&str>,
    text: &str,
) -> Result<OutgoingMessage, StoreError> {
    if text.is_empty() {
        return Ok(context.talk(locale, &CommandReply::BroadcastHow));
    }
    let people = context.store.reachable_people().await?.len() as u64;
    let draft = context.drafts.keep(operator, text);
    let button = |label, action| Button { label: context.label(locale, label), action };
    let buttons = vec![button(Label::Send, Action::SendDraft(draft)), button(Label::Cancel, Action::DropDraft(draft))];
    let note = context.talk(locale, &CommandReply::BroadcastPreview { people, text: text.to_owned() });
    Ok(OutgoingMessage { keyboard: Keyboard(vec![buttons]), ..note })
}

/// Sends a draft that its author has confirmed. The first press alone finds it.
pub(super) async fn send(
    context: &Context,
    place: Location,
    message: MessageId,
    operator: UserId,
    locale: Option<&str>,
    draft: Uuid,
) -> Result<Option<CallbackAnswer>, StoreError> {
    let people = context.store.reachable_people().await?;
    let Some(text) = take_draft(context, operator, draft) else { return Ok(remove_buttons(context, place, message)) };
    let note = context.talk(locale, &CommandReply::BroadcastStarted { people: people.len() as u64 });
    context.reply(Reply::Edit { chat: place.chat, message, note });
    start(context, place, locale, people, text);
    Ok(None)
}

/// Drops a draft.
pub(super) fn cancel(
    context: &Context,
    place: Location,
    message: MessageId,
    operator: UserId,
    locale: Option<&str>,
    draft: Uuid,
) -> Option<CallbackAnswer> {
    if take_draft(context, operator, draft).is_none() {
        return remove_buttons(context, place, message);
    }
    context.reply(Reply::Edit {
        chat: place.chat,
        message,
        note: context.talk(locale, &CommandReply::BroadcastCancelled),
    });
    None
}

/// Takes a draft, unless its author is no longer an operator.
fn take_draft(context: &Context, operator: UserId, draft: Uuid) -> Option<String> {
    let text = context.drafts.take(draft, operator)?;
    context.config().people.operators.contains(&operator.0).then_some(text)
}

/// Removes the buttons of a draft from before a restart. A draft that was just sent or dropped has lost them already.
fn remove_buttons(context: &Context, place: Location, message: MessageId) -> Option<CallbackAnswer> {
    if place.kind == ChatKind::Private {
        context.reply(Reply::Buttons { chat: place.chat, message, keyboard: Keyboard::default() });
    }
    Some(CallbackAnswer::DraftGone)
}

/// Starts to send to all users. A shutdown ends the broadcast for good.
fn start(context: &Context, place: Location, locale: Option<&str>, people: Vec<UserId>, text: String) {
    let (own, content) = (context.clone(), OutgoingMessage::from(text));
    let locale = locale.map(str::to_owned);
    context.tasks.spawn(async move {
        let Some(Ok(_permit)) = own.shutdown.soft.run_until_cancelled(RUNNING.acquire()).await else { return };
        let client = own.client.with_priority(Priority::Broadcast);
        let (mut sent, mut missed) = (0, 0);
        for person in people {
            let arrived = own.shutdown.soft.run_until_cancelled(send_to(&client, ChatId(person.0), &content)).await;
            match arrived {
                None => break,
                Some(Ok(_)) => sent += 1,
                Some(Err(error)) => {
                    missed += 1;
                    if error.disposition() == Disposition::ChatUnreachable(Unreachable::ChatGone)
                        && let Err(error) = own.store.unreachable(person).await
                    {
                        own.store_failed("remember who cannot be reached", &error);
                    }
                }
            }
        }
        tracing::info!(sent, missed, "a message to everybody has gone out");
        let note = own.talk(locale.as_deref(), &CommandReply::BroadcastDone { sent, missed });
        own.reply(Reply::Send { place, reply_to: None, note });
    });
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
    fn a_draft_can_be_taken_once_and_by_its_author_only() {
        let drafts = Drafts::default();
        let draft = drafts.keep(UserId(1), "завтра");
        assert_eq!(drafts.take(draft, UserId(2)), None);
        assert_eq!(drafts.take(Uuid::now_v7(), UserId(1)), None);
        assert_eq!(drafts.take(draft, UserId(1)).as_deref(), Some("завтра"));
        assert_eq!(drafts.take(draft, UserId(1)), None);
    }

    #[test]
    fn the_oldest_draft_is_dropped_when_there_are_too_many() {
        let drafts = Drafts::default();
        let ids: Vec<_> = (0..=MAX_DRAFTS).map(|number| drafts.keep(UserId(1), &number.to_string())).collect();
        assert_eq!(drafts.take(ids[0], UserId(1)), None);
        assert!(ids[1..].iter().all(|id| drafts.take(*id, UserId(1)).is_some()));
    }
}
