//! Telegram is polled, and each update goes where it belongs. The offset moves past an update only when what it asks
//! for is in the store: with the next poll Telegram forgets it.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use metrics::{counter, gauge};
use stenobot_domain::{MessageId, RetryPolicy, UserId};
use stenobot_store::StoreError;
use stenobot_telegram::{
    Access, ChatKind, Content, Disposition, Ignored, Incoming, Location, Membership, Press, Sender, StatusText,
    TelegramError,
};
use tokio::sync::mpsc;

use super::admit::Admitting;
use super::delay::Delays;
use super::replies::Reply;
use super::{Context, commands, presses};
use crate::layers::OverQuota;
use crate::metrics as names;

/// How long a poll waits at Telegram for news.
const POLL_TIMEOUT: Duration = Duration::from_secs(25);
/// Pauses between polls that fail.
const RETRIES: RetryPolicy = RetryPolicy::endless(Duration::from_millis(500), Duration::from_secs(30));
/// The longest where the store is what fails: that costs nobody else anything, and people wait.
const LONGEST_PAUSE_OF_JOURNAL: Duration = Duration::from_secs(2);

/// Longest time of a poll, or of taking one update: beyond it the loop counts as stuck.
const ROUND_TIMEOUT: Duration = Duration::from_secs(120);

/// Polls Telegram and takes what comes, until the soft shutdown; `admin_presses` are presses that had to wait until the
/// user was known to be an admin of the group.
pub(crate) async fn run(context: &Context, mut admin_presses: mpsc::Receiver<Press>) {
    let mut inbox = Inbox { admit: Admitting::new(context), delays: Delays::default(), offset: None, counted: None };
    let mut failures = 0_u32;
    // The first poll, and the first one after a failure, does not wait for news: a bot that can poll is known to be ready
    // at once, not when the first quiet long poll ends.
    let mut poll_timeout = Duration::ZERO;
    context.warn_of_old_numbers().await;
    while !context.shutdown.soft.is_cancelled() {
        context.heartbeats.poll.due_within(ROUND_TIMEOUT);
        if context.client.known().is_none() {
            // Who is named in a group can be told only by somebody who knows the bot's name.
            let _ = context.shutdown.soft.run_until_cancelled(context.client.me()).await;
        }
        inbox.admit.follow_settings(context);
        let poll = context.client.updates(inbox.offset, poll_timeout);
        tokio::pin!(poll);
        let polled = loop {
            tokio::select! {
                () = context.shutdown.soft.cancelled() => return,
                Some(press) = admin_presses.recv() => inbox.press(context, &press).await,
                polled = &mut poll => break polled,
            }
        };
        let pause = RETRIES.pause_after(failures.saturating_add(1));
        let outcome = match polled {
            Ok(updates) => {
                poll_timeout = POLL_TIMEOUT;
                let now = context.store.clock().now();
                context.polled.send_replace(Some(now));
                let taken = inbox.take(context, &updates).await;
                if taken.is_ok() {
                    gauge!(names::TELEGRAM_POLL).set(now.as_secs_f64());
                }
                taken.map_err(|Unwritten| pause.min(LONGEST_PAUSE_OF_JOURNAL))
            }
            Err(error) => {
                poll_timeout = Duration::ZERO;
                report(&error);
                Err(match error.disposition() {
                    Disposition::ServerRequested(requested) => requested.max(pause),
                    _ => pause,
                })
            }
        };
        let wait = match outcome {
            Ok(()) => {
                failures = 0;
                continue;
            }
            Err(wait) => wait,
        };
        failures = failures.saturating_add(1);
        context.heartbeats.poll.due_within(wait.saturating_add(ROUND_TIMEOUT));
        tokio::select! {
            () = context.shutdown.soft.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Logs a failed poll, as an error only if it needs the operator.
fn report(error: &TelegramError) {
    match error.disposition() {
        Disposition::OperatorNeeded { .. } => tracing::error!(%error, "no updates"),
        _ => tracing::warn!(%error, "no updates, will ask again"),
    }
}

/// The store could not be written: the rest of a batch stays at Telegram.
struct Unwritten;

/// What comes in, and up to where it is dealt with.
struct Inbox {
    admit: Admitting,
    delays: Delays,
    /// The first update that is not dealt with.
    offset: Option<i64>,
    /// The last update that was counted against its sender's quota. While the store fails, an update comes again.
    counted: Option<i64>,
}

impl Inbox {
    /// Takes a batch in order and moves the offset past each update that is dealt with.
    async fn take(&mut self, context: &Context, updates: &[Incoming]) -> Result<(), Unwritten> {
        for (index, Incoming { update_id, content }) in updates.iter().enumerate() {
            context.heartbeats.poll.due_within(ROUND_TIMEOUT);
            counter!(names::UPDATES, "kind" => content.kind().as_str()).increment(1);
            // A panic over one update costs that update, not the bot.
            match AssertUnwindSafe(self.one(context, *update_id, content)).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    context.store_failed("take an update", &error);
                    self.delays.tell_all(context, &self.admit, &updates[index..]).await;
                    return Err(Unwritten);
                }
                Err(_panic) => {
                    tracing::warn!(update = update_id, "an update is given up after a panic");
                    if let Some((place, reply_to, locale)) = whom_to_apologise(content) {
                        let note = context.say(locale, &StatusText::Failed).into();
                        context.reply(Reply::Send { place, reply_to: Some(reply_to), note });
                    }
                }
            }
            self.offset = Some(update_id + 1);
        }
        Ok(())
    }

    /// Carries out the press of an admin; a panic over it costs that press, not the bot.
    async fn press(&mut self, context: &Context, press: &Press) {
        let pressed = AssertUnwindSafe(presses::run_as_admin(context, &mut self.admit, press)).catch_unwind().await;
        if pressed.is_err() {
            tracing::error!("carrying out a press panicked");
        }
    }

    async fn one(&mut self, context: &Context, update_id: i64, content: &Content) -> Result<(), StoreError> {
        if context.leave_alone(content).await? {
            return Ok(());
        }
        match content {
            Content::Voice(voice) => {
                let heard = self.admit.message(context, voice).await?;
                if heard && !*context.room.borrow() {
                    self.delays.tell(context, update_id, voice);
                }
                Ok(())
            }
            Content::Command(command) => {
                if self.may_answer(context, update_id, &command.from, command.place, command.message) {
                    commands::run(context, command).await?;
                }
                Ok(())
            }
            Content::Press(press) => match self.spend(context, update_id, press.from.id) {
                Ok(()) => presses::run(context, &mut self.admit, press).await,
                Err(OverQuota { retry, .. }) => {
                    if self.admit.may_toast(press.from.id) {
                        presses::refuse(context, press, retry);
                    }
                    Ok(())
                }
            },
            Content::Membership(membership) => Self::membership(context, membership).await,
            Content::Moved { from, to } => context.record_move(*from, *to).await,
            Content::Other(other) => {
                if self.may_answer(context, update_id, &other.from, other.place, other.message) {
                    let text = if other.file { StatusText::Unreadable } else { StatusText::Unsupported };
                    let note = context.say(other.from.language_code.as_deref(), &text).into();
                    context.reply(Reply::Send { place: other.place, reply_to: Some(other.message), note });
                }
                Ok(())
            }
            Content::Ignored(Ignored::Unreadable) => {
                tracing::warn!(update = update_id, "an update that cannot be read is passed over");
                Ok(())
            }
            Content::Ignored(_) => Ok(()),
        }
    }

    /// Counts an update against the quota of its sender, once.
    fn spend(&mut self, context: &Context, update_id: i64, user: UserId) -> Result<(), OverQuota> {
        // Not by order: after a quiet week Telegram goes on from any number.
        if self.counted == Some(update_id) {
            return Ok(());
        }
        self.counted = Some(update_id);
        self.admit.spend(context, user)
    }

    /// Whether the quota of a sender has room for one more answer. A sender who has used it up is told so once.
    fn may_answer(
        &mut self,
        context: &Context,
        update_id: i64,
        from: &Sender,
        place: Location,
        message: MessageId,
    ) -> bool {
        match self.spend(context, update_id, from.id) {
            Ok(()) => true,
            Err(OverQuota { retry, first }) => {
                if first {
                    let note = context.say(from.language_code.as_deref(), &StatusText::UserLimit { retry }).into();
                    context.last_reply(Reply::Send { place, reply_to: Some(message), note });
                }
                false
            }
        }
    }

    async fn membership(context: &Context, membership: &Membership) -> Result<(), StoreError> {
        let Membership { chat, kind, access } = membership;
        match (kind, access) {
            (ChatKind::Private, Access::Silenced | Access::Gone) => context.store.unreachable(UserId(chat.0)).await,
            // A group that the bot is out of sends nothing, and may be one that becomes a supergroup just now.
            (ChatKind::Private, Access::Writes) | (ChatKind::Group, Access::Gone) => Ok(()),
            (ChatKind::Group, Access::Writes | Access::Silenced) => {
                context.client.set_writable(*chat, *access == Access::Writes);
                Ok(())
            }
        }
    }
}

fn whom_to_apologise(content: &Content) -> Option<(Location, MessageId, Option<&str>)> {
    match content {
        Content::Voice(voice) => Some((voice.place, voice.message, voice.from.language_code.as_deref())),
        Content::Command(command) => Some((command.place, command.message, command.from.language_code.as_deref())),
        Content::Other(other) => Some((other.place, other.message, other.from.language_code.as_deref())),
        Content::Press(_) | Content::Membership(_) | Content::Moved { .. } | Content::Ignored(_) => None,
    }
}
