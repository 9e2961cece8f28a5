//! Answers that belong to no request: to commands, to pressed buttons, to messages of a kind that is not served.
//! They are best effort: polling never waits for them, and under a flood those that find no room are dropped. Chats (and
//! those who press buttons) are served in turns, so that what waits for one of them holds up no other.

use std::sync::Arc;
use std::time::Duration;

use stenobot_domain::{ChatId, MessageId, UserId};
use stenobot_telegram::{
    CallbackAnswer, Client, Disposition, Keyboard, Location, OutgoingMessage, Press, TelegramError,
};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::chats::Chats;
use super::lanes::{Lanes, Pushed};
use super::worker::Worker;
use crate::commands::{Commands, GroupSetting, set_in_group};
use crate::ingest::admins_only;
use crate::settings::Settings;

/// On their way at once. None of them waits for a pause.
const CONCURRENT: usize = 16;

/// Whose turn a reply takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// Messages and edits in a chat.
    Chat(ChatId),
    /// Answers to the buttons that a user presses.
    Presses(UserId),
}

/// The replies that wait.
pub(crate) type Replies = Lanes<Lane, Waiting>;

/// A reply that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    reply: Reply,
    since: Instant,
    /// Before the next try after a failure without a pause of Telegram's own.
    pause: Duration,
}

/// A best-effort call.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A message under another.
    Send {
        /// Where.
        place: Location,
        /// Under which message, if any.
        reply_to: Option<MessageId>,
        /// What.
        note: OutgoingMessage,
    },
    /// What a message of ours shows from now on.
    Edit {
        /// Where.
        chat: ChatId,
        /// Which.
        message: MessageId,
        /// What.
        note: OutgoingMessage,
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
    CallbackAnswer {
        /// Who pressed.
        user: UserId,
        /// The press.
        callback: String,
        /// The words.
        words: Option<String>,
    },
    /// Something that only a group's administrators may do.
    IfAdministrator {
        /// The group.
        place: Location,
        /// Who asks.
        user: UserId,
        /// The message that asks, or under which a button was pressed.
        message: MessageId,
        /// What they want.
        wish: GroupSetting,
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

impl Lanes<Lane, Waiting> {
    /// Sends a reply as soon as possible, or drops it when too many wait.
    pub(crate) fn send(&self, reply: Reply) -> Pushed {
        self.push_reply(reply, Self::push)
    }

    /// Sends the last reply for a while: when too many wait in its lane, it replaces the newest.
    pub(crate) fn send_last(&self, reply: Reply) -> Pushed {
        self.push_reply(reply, Self::push_over)
    }

    fn push_reply(&self, reply: Reply, push: fn(&Self, Lane, Waiting) -> Pushed) -> Pushed {
        let lane = reply.lane();
        let pushed = push(self, lane, Waiting { reply, since: Instant::now(), pause: FIRST_PAUSE });
        if pushed != Pushed::Taken {
            tracing::debug!("a reply was dropped: too many wait");
        }
        pushed
    }
}

/// Longest time that a reply is tried for: later, nobody expects it any more.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between the first two tries; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

impl Waiting {
    /// Whether there is another try after this failure: after which rest.
    fn after(mut self, error: &TelegramError) -> Result<(Self, Duration), Self> {
        let rest = match error.disposition() {
            Disposition::Retry { after } if matches!(error, TelegramError::RetryAfter(_)) => after,
            Disposition::Retry { after } if self.reply.is_repeatable() || !error.may_have_worked() => {
                let pause = self.pause;
                self.pause = pause * 2;
                after.max(pause)
            }
            Disposition::Retry { .. } | Disposition::Final => return Err(self),
        };
        if self.since.elapsed() + rest < PATIENCE { Ok((self, rest)) } else { Err(self) }
    }
}

impl Reply {
    fn lane(&self) -> Lane {
        match self {
            Self::Send { place, .. } | Self::IfAdministrator { place, .. } => Lane::Chat(place.chat),
            Self::Edit { chat, .. } | Self::Buttons { chat, .. } => Lane::Chat(*chat),
            Self::CallbackAnswer { user, .. } => Lane::Presses(*user),
            Self::PressIfAdministrator { press, .. } => Lane::Presses(press.from.id),
        }
    }

    /// For the log.
    fn kind(&self) -> &'static str {
        match self {
            Self::Send { .. } => "message",
            Self::Edit { .. } => "edit",
            Self::Buttons { .. } => "buttons",
            Self::CallbackAnswer { .. } => "toast",
            Self::IfAdministrator { .. } | Self::PressIfAdministrator { .. } => "administrator",
        }
    }

    /// Whether it is the same done twice. A message would be there twice, which is worse than a reply that is lost.
    fn is_repeatable(&self) -> bool {
        match self {
            Self::Edit { .. }
            | Self::Buttons { .. }
            | Self::CallbackAnswer { .. }
            | Self::PressIfAdministrator { .. } => true,
            Self::Send { .. } | Self::IfAdministrator { .. } => false,
        }
    }
}

/// Sends replies. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ReplySender {
    pub(crate) worker: Worker,
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) chats: Chats,
    pub(crate) replies: Replies,
    pub(crate) commands: Commands,
    /// Presses by users who turned out to be admins of the group.
    pub(crate) admin_presses: mpsc::Sender<Press>,
}

impl ReplySender {
    /// Sends replies until the soft shutdown.
    pub(crate) async fn run(self) {
        let places = Arc::new(Semaphore::new(CONCURRENT));
        loop {
            let next = async {
                let place = places.clone().acquire_owned().await.ok()?;
                Some((self.replies.next().await, place))
            };
            let Some(Some(((lane, waiting), place))) = self.worker.shutdown.soft.run_until_cancelled(next).await else {
                return;
            };
            let own = self.clone();
            self.worker.tasks.spawn(async move {
                let tried = own.worker.shutdown.soft.run_until_cancelled(own.deliver(&waiting.reply)).await;
                match tried {
                    Some(Err(error)) => match waiting.after(&error) {
                        Ok((waiting, rest)) => own.replies.give_back(lane, waiting, rest),
                        Err(waiting) => {
                            tracing::debug!(%error, reply = waiting.reply.kind(), "a reply was not sent");
                            own.replies.ended(lane);
                        }
                    },
                    Some(Ok(())) | None => own.replies.ended(lane),
                }
                drop(place);
            });
        }
    }

    /// Makes one try.
    async fn deliver(&self, reply: &Reply) -> Result<(), TelegramError> {
        match self.once(reply).await {
            Err(TelegramError::ChatMoved(to)) => self.follow(reply, to).await,
            tried => tried,
        }
    }

    /// A message goes to the supergroup that its chat has become; what concerns a message of the old chat is over.
    async fn follow(&self, reply: &Reply, to: ChatId) -> Result<(), TelegramError> {
        match reply {
            Reply::Send { place, note, .. } => {
                // Only the store's word is missing if this fails: the next call to the old chat brings it again.
                if let Err(error) = self.chats.record_move(place.chat, to).await {
                    self.worker.failures.report("record that a group became a supergroup", &error);
                }
                self.client.send(to, None, None, note).await.map(drop)
            }
            Reply::Edit { .. }
            | Reply::Buttons { .. }
            | Reply::CallbackAnswer { .. }
            | Reply::IfAdministrator { .. }
            | Reply::PressIfAdministrator { .. } => Err(TelegramError::ChatMoved(to)),
        }
    }

    async fn once(&self, reply: &Reply) -> Result<(), TelegramError> {
        let client = &self.client;
        match reply {
            Reply::Send { place, reply_to, note } => {
                client.send(place.chat, place.thread, *reply_to, note).await.map(drop)
            }
            Reply::Edit { chat, message, note } => client.edit(*chat, *message, note).await,
            Reply::Buttons { chat, message, keyboard } => client.edit_keyboard(*chat, *message, keyboard).await,
            Reply::CallbackAnswer { callback, words, .. } => client.answer_callback(callback, words.as_deref()).await,
            Reply::IfAdministrator { place, user, message, wish, locale } => {
                let allowed = client.is_administrator(place.chat, *user).await?;
                let note = set_in_group(&self.commands, *place, wish, allowed, locale.as_deref()).await;
                client.send(place.chat, place.thread, Some(*message), &note).await.map(drop)
            }
            Reply::PressIfAdministrator { group, press } => {
                let allowed = match client.is_administrator(*group, press.from.id).await {
                    // Telegram does not know the user there, or does not tell.
                    Err(error) if error.disposition() == Disposition::Final => false,
                    allowed => allowed?,
                };
                if allowed && self.admin_presses.try_send((**press).clone()).is_ok() {
                    return Ok(());
                }
                let toast = if allowed { CallbackAnswer::Failed } else { admins_only(press) };
                let words = self.settings.callback_answer(press.from.language_code.as_deref(), toast);
                client.answer_callback(&press.callback, Some(&words)).await
            }
        }
    }
}
