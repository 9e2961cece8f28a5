//! Answers that belong to no request: to commands, to pressed buttons, to messages of a kind that is not served.
//! They are courtesies: polling never waits for them, and under a flood those that find no room are dropped.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};

use super::Context;
use crate::model::{ChatId, MessageId, UserId};
use crate::telegram::{Disposition, Keyboard, Note, Place, Press, TelegramError, Toast};

/// Replies that may wait at once.
pub const WAITING: usize = 64;
/// On their way at once: the pauses of some chats must not hold up the others.
const CONCURRENT: usize = 16;

/// One courtesy.
#[derive(Debug)]
pub enum Reply {
    /// A message under another.
    Say {
        /// Where.
        place: Place,
        /// Under which message, if any.
        reply_to: Option<MessageId>,
        /// What.
        note: Note,
    },
    /// What a message of ours shows from now on.
    Edit {
        /// Where.
        chat: ChatId,
        /// Which.
        message: MessageId,
        /// What.
        note: Note,
    },
    /// The buttons under a message of ours from now on.
    Buttons {
        /// Where.
        chat: ChatId,
        /// Which.
        message: MessageId,
        /// The buttons.
        keyboard: Keyboard,
    },
    /// A pressed button is dealt with, with a few words perhaps.
    Toast {
        /// The press.
        callback: String,
        /// The words.
        words: Option<String>,
    },
    /// Something that only a group's administrators may do.
    IfAdministrator {
        /// The group.
        place: Place,
        /// Who asks.
        user: UserId,
        /// The message that asks, or under which a button was pressed.
        message: MessageId,
        /// What they want.
        wish: super::commands::GroupWish,
        /// In which language they read.
        locale: Option<String>,
    },
    /// A press that only a group's admins may make: carried out if the user is one, else answered.
    PressIfAdministrator {
        /// The group.
        group: ChatId,
        /// The press.
        press: Box<Press>,
    },
}

impl Context {
    /// Has something said as soon as may be. False when too much waits to be said: it is dropped.
    pub(super) fn reply(&self, reply: Reply) -> bool {
        let taken = self.replies.try_send(reply).is_ok();
        if !taken {
            tracing::debug!("a reply was dropped: too many wait");
        }
        taken
    }
}

/// Sends replies until the soft shutdown.
pub async fn send(context: &Context, mut waiting: mpsc::Receiver<Reply>) {
    let places = Arc::new(Semaphore::new(CONCURRENT));
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await.ok()?;
            Some((waiting.recv().await?, place))
        };
        let Some(Some((reply, place))) = context.shutdown.soft.run_until_cancelled(next).await else { return };
        let own = context.clone();
        context.tasks.spawn(async move {
            let work = deliver(&own, &reply);
            if let Some(Err(error)) = own.shutdown.soft.run_until_cancelled(work).await {
                tracing::debug!(%error, "a reply was not sent");
            }
            drop(place);
        });
    }
}

/// Longest time that a courtesy is tried for: later, nobody expects it any more.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between the first two tries; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

impl Reply {
    /// Whether it is the same done twice. A message would be there twice, which is worse than a courtesy that is lost.
    fn is_repeatable(&self) -> bool {
        match self {
            Self::Edit { .. } | Self::Buttons { .. } | Self::Toast { .. } | Self::PressIfAdministrator { .. } => true,
            Self::Say { .. } | Self::IfAdministrator { .. } => false,
        }
    }
}

/// Waits out the pauses that Telegram demands, and tries again what can do no harm.
async fn deliver(context: &Context, reply: &Reply) -> Result<(), TelegramError> {
    let tries = async {
        let mut pause = FIRST_PAUSE;
        loop {
            let Err(error) = once(context, reply).await else { return Ok(()) };
            if let TelegramError::ChatMoved(to) = error {
                return follow(context, reply, to).await;
            }
            match error.disposition() {
                Disposition::Retry { after } if matches!(error, TelegramError::RetryAfter(_)) => {
                    tokio::time::sleep(after).await;
                }
                Disposition::Retry { after } if reply.is_repeatable() || !error.may_have_worked() => {
                    tokio::time::sleep(after.max(pause)).await;
                    pause *= 2;
                }
                Disposition::Retry { .. } | Disposition::Final => return Err(error),
            }
        }
    };
    tokio::time::timeout(PATIENCE, tries).await.unwrap_or(Err(TelegramError::Timeout))
}

/// A message goes to the supergroup that its chat has become; what concerns a message of the old chat is over.
async fn follow(context: &Context, reply: &Reply, to: ChatId) -> Result<(), TelegramError> {
    match reply {
        Reply::Say { place, note, .. } => {
            // Only the journal's word is missing if this fails: the next call to the old chat brings it again.
            if let Err(error) = context.record_move(place.chat, to).await {
                context.journal_failed("record that a group became a supergroup", &error);
            }
            context.client.send(to, None, None, note).await.map(drop)
        }
        Reply::Edit { .. }
        | Reply::Buttons { .. }
        | Reply::Toast { .. }
        | Reply::IfAdministrator { .. }
        | Reply::PressIfAdministrator { .. } => Err(TelegramError::ChatMoved(to)),
    }
}

async fn once(context: &Context, reply: &Reply) -> Result<(), TelegramError> {
    let client = &context.client;
    match reply {
        Reply::Say { place, reply_to, note } => client.send(place.chat, place.thread, *reply_to, note).await.map(drop),
        Reply::Edit { chat, message, note } => client.edit(*chat, *message, note).await,
        Reply::Buttons { chat, message, keyboard } => client.edit_keyboard(*chat, *message, keyboard).await,
        Reply::Toast { callback, words } => client.answer_press(callback, words.as_deref()).await,
        Reply::IfAdministrator { place, user, message, wish, locale } => {
            let allowed = client.is_administrator(place.chat, *user).await?;
            let note = super::commands::of_a_group(context, *place, wish, allowed, locale.as_deref()).await;
            client.send(place.chat, place.thread, Some(*message), &note).await.map(drop)
        }
        Reply::PressIfAdministrator { group, press } => {
            let allowed = match client.is_administrator(*group, press.from.id).await {
                // Telegram does not know the user there, or does not tell.
                Err(error) if error.disposition() == Disposition::Final => false,
                allowed => allowed?,
            };
            if allowed && context.admin_presses.try_send((**press).clone()).is_ok() {
                return Ok(());
            }
            let toast = if allowed { Toast::Failed } else { Toast::AdminsOnly };
            let words = context.toast(press.from.language_code.as_deref(), toast);
            client.answer_press(&press.callback, Some(&words)).await
        }
    }
}
