//! Telegram is polled, and each update goes where it belongs. The offset moves past an update only when what it asks
//! for is in the journal: with the next poll Telegram forgets it.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use metrics::{counter, gauge};

use super::admit::Admitting;
use super::replies::Reply;
use super::{Context, commands, presses};
use crate::journal::JournalError;
use crate::metrics as names;
use crate::model::{MessageId, UserId};
use crate::request::{Event, observe};
use crate::telegram::{ChatKind, Content, Incoming, Membership, Place, TelegramError, Text};

/// How long one poll waits at Telegram for news.
const POLL: Duration = Duration::from_secs(25);
/// Pauses between polls that fail.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Polls Telegram and takes what comes, until the soft shutdown.
pub async fn run(context: &Context) {
    let mut admit = Admitting::new(context);
    let mut offset = None;
    let mut pause = FIRST_PAUSE;
    while !context.shutdown.soft.is_cancelled() {
        if context.client.known().is_none() {
            // Who is named in a group can be told only by somebody who knows the bot's name.
            let _ = context.shutdown.soft.run_until_cancelled(context.client.me()).await;
        }
        admit.follow_settings(context);
        let polled = tokio::select! {
            () = context.shutdown.soft.cancelled() => return,
            polled = context.client.updates(offset, POLL) => polled,
        };
        let outcome = match polled {
            Ok(updates) => {
                let now = context.journal.clock().now();
                context.polled.send_replace(Some(now));
                gauge!(names::TELEGRAM_POLL).set(now.as_secs_f64());
                take(context, &mut admit, updates, &mut offset).await
            }
            Err(error) => {
                report(&error);
                Err(match error {
                    TelegramError::RetryAfter(after) => after.max(pause),
                    _ => pause,
                })
            }
        };
        let wait = match outcome {
            Ok(()) => {
                pause = FIRST_PAUSE;
                continue;
            }
            Err(wait) => wait,
        };
        pause = (pause * 2).min(LONGEST_PAUSE);
        tokio::select! {
            () = context.shutdown.soft.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Logs a failed poll: most pass by themselves, two want somebody's hand.
fn report(error: &TelegramError) {
    match error {
        TelegramError::Unauthorized | TelegramError::Conflict => tracing::error!(%error, "no updates"),
        _ => tracing::warn!(%error, "no updates, will ask again"),
    }
}

/// Takes a batch in order and moves the offset past each update that is dealt with. On a journal failure the
/// rest stays at Telegram; the error is the pause before the next poll.
async fn take(
    context: &Context,
    admit: &mut Admitting,
    updates: Vec<Incoming>,
    offset: &mut Option<i64>,
) -> Result<(), Duration> {
    for Incoming { update_id, content } in updates {
        counter!(names::UPDATES, "kind" => content.kind().as_str()).increment(1);
        let apology = whom_to_apologise(&content);
        // A panic over one update costs that update, not the bot.
        match AssertUnwindSafe(one(context, admit, content)).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                observe(&Event::JournalFailed { what: "take an update", error: &error });
                return Err(FIRST_PAUSE);
            }
            Err(_panic) => {
                tracing::error!(update = update_id, "handling an update panicked");
                if let Some((place, reply_to, locale)) = apology {
                    let note = context.say(locale.as_deref(), &Text::Failed).into();
                    context.reply(Reply::Say { place, reply_to: Some(reply_to), note });
                }
            }
        }
        *offset = Some(update_id + 1);
    }
    Ok(())
}

fn whom_to_apologise(content: &Content) -> Option<(Place, MessageId, Option<String>)> {
    match content {
        Content::Voice(voice) => Some((voice.place, voice.message, voice.from.language_code.clone())),
        Content::Command(command) => Some((command.place, command.message, command.from.language_code.clone())),
        Content::Other(other) => Some((other.place, other.message, other.from.language_code.clone())),
        Content::Press(_) | Content::Membership(_) | Content::Ignored(_) => None,
    }
}

async fn one(context: &Context, admit: &mut Admitting, content: Content) -> Result<(), JournalError> {
    match content {
        Content::Voice(voice) => admit.message(context, &voice).await,
        Content::Command(command) => commands::run(context, &command).await,
        Content::Press(press) => presses::run(context, admit, &press).await,
        Content::Membership(Membership { chat, kind: ChatKind::Private, present: false }) => {
            context.journal.unreachable(UserId(chat.0)).await
        }
        Content::Other(other) => {
            let text = if other.file { Text::Unreadable } else { Text::Unsupported };
            let note = context.say(other.from.language_code.as_deref(), &text).into();
            context.reply(Reply::Say { place: other.place, reply_to: Some(other.message), note });
            Ok(())
        }
        Content::Membership(_) | Content::Ignored(_) => Ok(()),
    }
}
