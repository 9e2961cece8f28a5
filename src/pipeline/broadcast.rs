//! A message to everybody, in a pace that Telegram and the bot's own answers can bear.

use std::time::Duration;

use tokio::sync::Semaphore;

use super::Context;
use super::replies::Reply;
use crate::journal::JournalError;
use crate::model::{ChatId, MessageId};
use crate::telegram::{Note, Place, Talk, TelegramError};

/// Between two people: half of what Telegram takes stays for answers.
const PACE: Duration = Duration::from_millis(70);
/// One at a time.
static TURN: Semaphore = Semaphore::const_new(1);

/// Starts to write to everybody whom the bot can reach. A stop of the bot ends it; whoever has not got the message then
/// does not get it later.
pub(super) async fn start(
    context: &Context,
    place: Place,
    locale: Option<&str>,
    text: &str,
) -> Result<Note, JournalError> {
    if text.is_empty() {
        return Ok(context.talk(locale, &Talk::BroadcastHow));
    }
    let people = context.journal.reachable_people().await?;
    let started = context.talk(locale, &Talk::BroadcastStarted { people: people.len() as u64 });
    let (own, note) = (context.clone(), Note::from(text.to_owned()));
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
                        && let Err(error) = own.journal.unreachable(person).await
                    {
                        own.journal_failed("remember who cannot be reached", &error);
                    }
                }
            }
        }
        tracing::info!(sent, missed, "a message to everybody has gone out");
        let note = own.talk(locale.as_deref(), &Talk::BroadcastDone { sent, missed });
        own.reply(Reply::Say { place, reply_to: None, note });
    });
    Ok(started)
}

async fn reach(context: &Context, chat: ChatId, note: &Note) -> Result<MessageId, TelegramError> {
    tokio::time::sleep(PACE).await;
    loop {
        match context.client.send(chat, None, None, note).await {
            Err(TelegramError::RetryAfter(pause)) => tokio::time::sleep(pause).await,
            outcome => return outcome,
        }
    }
}
