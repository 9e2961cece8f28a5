//! A message to everybody: shown to the operator who wrote it, and sent when they confirm it, in a pace that Telegram and the
//! bot's own answers can bear.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stenobot_domain::{ChatId, MessageId, UserId};
use stenobot_store::StoreError;
use stenobot_telegram::{
    Action, Button, CallbackAnswer, ChatKind, CommandReply, Keyboard, Label, Location, OutgoingMessage, TelegramError,
};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::Context;
use super::replies::Reply;

/// Between two people: half of what Telegram takes stays for answers.
const PACE: Duration = Duration::from_millis(70);
/// One at a time.
static TURN: Semaphore = Semaphore::const_new(1);
/// Drafts kept; the oldest makes room.
const MAX_DRAFTS: usize = 16;

/// Messages to everybody that wait for a confirmation, in memory: a restart drops them, and a button of before finds
/// none. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Drafts(Arc<Mutex<VecDeque<Draft>>>);

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

/// Shows an operator what would go out, and to how many, over the buttons that send or drop it.
pub(super) async fn preview(
    context: &Context,
    operator: UserId,
    locale: Option<&str>,
    text: &str,
) -> Result<OutgoingMessage, StoreError> {
    if text.is_empty() {
        return Ok(context.talk(locale, &CommandReply::BroadcastHow));
    }
    let people = context.store.users.reachable().await?.len() as u64;
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
    let people = context.store.users.reachable().await?;
    let Some(text) = take(context, operator, draft) else { return Ok(gone(context, place, message)) };
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
    if take(context, operator, draft).is_none() {
        return gone(context, place, message);
    }
    context.reply(Reply::Edit {
        chat: place.chat,
        message,
        note: context.talk(locale, &CommandReply::BroadcastCancelled),
    });
    None
}

/// Who is no operator any more has no drafts.
fn take(context: &Context, operator: UserId, draft: Uuid) -> Option<String> {
    let text = context.drafts.take(draft, operator)?;
    context.config().people.operators.contains(&operator.0).then_some(text)
}

/// Takes the buttons off a draft of before a restart. The edit of one that was just sent or dropped has taken them already.
fn gone(context: &Context, place: Location, message: MessageId) -> Option<CallbackAnswer> {
    if place.kind == ChatKind::Private {
        context.reply(Reply::Buttons { chat: place.chat, message, keyboard: Keyboard::default() });
    }
    Some(CallbackAnswer::DraftGone)
}

/// Starts to write to everybody. A stop of the bot ends it; who has not got the message then does not get it later.
fn start(context: &Context, place: Location, locale: Option<&str>, people: Vec<UserId>, text: String) {
    let (own, note) = (context.clone(), OutgoingMessage::from(text));
    let locale = locale.map(str::to_owned);
    context.tasks.spawn(async move {
        let Some(Ok(_turn)) = own.shutdown.soft.run_until_cancelled(TURN.acquire()).await else { return };
        let (mut sent, mut missed) = (0, 0);
        for person in people {
            let arrived = own.shutdown.soft.run_until_cancelled(reach(&own, ChatId(person.0), &note)).await;
            match arrived {
                None => break,
                Some(Ok(_)) => sent += 1,
                Some(Err(error)) => {
                    missed += 1;
                    if error == TelegramError::ChatGone
                        && let Err(error) = own.store.users.unreachable(person).await
                    {
                        own.store_failed("remember who cannot be reached", &error);
                    }
                }
            }
        }
        tracing::info!(sent, missed, "a message to everybody has gone out");
        let note = own.talk(locale.as_deref(), &CommandReply::BroadcastDone { sent, missed });
        own.reply(Reply::Say { place, reply_to: None, note });
    });
}

async fn reach(context: &Context, chat: ChatId, note: &OutgoingMessage) -> Result<MessageId, TelegramError> {
    tokio::time::sleep(PACE).await;
    loop {
        match context.client.send(chat, None, None, note).await {
            Err(TelegramError::RetryAfter(pause)) => tokio::time::sleep(pause).await,
            outcome => return outcome,
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
