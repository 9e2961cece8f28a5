//! Replies that belong to no request: to commands, to pressed buttons, to messages of an unsupported kind. They are best
//! effort: polling never waits for them, and those that find no room are dropped. Chats, and users who press buttons, have
//! lanes that are served in turns, so that none delays another.

use std::sync::Arc;
use std::time::Duration;

use stenobot_domain::{Backoff, ChatId, GuestQueryId, MessageId, RetryPolicy, UserId};
use stenobot_telegram::{
    BotMessage, CallbackAnswer, Client, Disposition, Keyboard, Lanes, Location, OutgoingMessage, Press, Pushed,
    Reaction, TelegramError,
};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::chats::Chats;
use super::worker::Worker;
use crate::commands::{Commands, GroupSetting, set_in_group};
use crate::ingest::admins_only;
use crate::settings::Settings;

/// Replies under way at once. None of them waits for a pause.
const MAX_CONCURRENT: usize = 16;

/// Replies of one lane keep their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Lane {
    /// Messages and edits in a chat.
    Chat(ChatId),
    /// Answers to the buttons that a user pressed.
    Presses(UserId),
}

/// The queue of replies. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replies(Lanes<Lane, QueuedReply>);

/// A reply in the queue.
#[derive(Debug)]
struct QueuedReply {
    reply: Reply,
    since: Instant,
    backoff: Backoff,
}

/// A best-effort outgoing call; dropped when the queue is full.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A new message.
    Send { location: Location, reply_to: Option<MessageId>, content: OutgoingMessage },
    /// New text and buttons of a message of the bot.
    Edit { message: BotMessage, content: OutgoingMessage },
    /// The answer to a call that is no request.
    AnswerGuest { caller: ChatId, query: GuestQueryId, content: OutgoingMessage },
    /// New buttons under a message of the bot.
    Buttons { chat: ChatId, message: MessageId, keyboard: Keyboard },
    /// A reaction on a message.
    React { chat: ChatId, message: MessageId, reaction: Reaction },
    /// Acknowledges a pressed button, with a short text above the chat.
    CallbackAnswer { user: UserId, callback: String, words: Option<String> },
    /// A command that only administrators of the group may give.
    IfAdministrator {
        location: Location,
        user: UserId,
        /// The message with the command, or with the button that was pressed.
        message: MessageId,
        setting: GroupSetting,
        /// Language code of the user.
        locale: Option<String>,
    },
    /// A press that only administrators of the group may make: processed if the user is one, else answered.
    PressIfAdministrator { group: ChatId, press: Box<Press> },
}

impl Replies {
    /// Queues a reply, or drops it when too many wait.
    pub(crate) fn send(&self, reply: Reply) -> Pushed {
        self.push(reply, Lanes::push)
    }

    /// Queues the last reply for a while: replaces the newest reply of a full lane.
    pub(crate) fn send_last(&self, reply: Reply) -> Pushed {
        self.push(reply, Lanes::push_over)
    }

    fn push(&self, reply: Reply, push: fn(&Lanes<Lane, QueuedReply>, Lane, QueuedReply) -> Pushed) -> Pushed {
        let lane = reply.lane();
        let pushed = push(&self.0, lane, QueuedReply { reply, since: Instant::now(), backoff: RETRIES.backoff() });
        if pushed != Pushed::Taken {
            tracing::debug!("a reply was dropped: too many wait");
        }
        pushed
    }
}

/// Age at which a reply is dropped: it is no longer expected.
const MAX_AGE: Duration = Duration::from_secs(60);

/// Between tries.
const RETRIES: RetryPolicy = RetryPolicy::endless(Duration::from_secs(1), MAX_AGE);

impl QueuedReply {
    /// The pause before the next try after this failure, or no further try.
    fn retry_after(&mut self, error: &TelegramError) -> Option<Duration> {
        let pause = match error.disposition() {
            Disposition::ServerRequested(pause) => Some(pause),
            Disposition::Retry { after } | Disposition::OperatorNeeded { after }
                if self.reply.is_repeatable() || !error.may_have_worked() =>
            {
                self.backoff.next_pause().map(|pause| pause.max(after))
            }
            Disposition::Retry { .. }
            | Disposition::OperatorNeeded { .. }
            | Disposition::ChatMoved(_)
            | Disposition::ChatUnreachable(_)
            | Disposition::MessageGone
            | Disposition::Final => None,
        };
        pause.filter(|pause| self.since.elapsed() + *pause < MAX_AGE)
    }
}

impl Reply {
    fn lane(&self) -> Lane {
        match self {
            Self::Send { location, .. } | Self::IfAdministrator { location, .. } => Lane::Chat(location.chat),
            Self::Edit { message, .. } => Lane::Chat(message.turn()),
            Self::Buttons { chat, .. } | Self::React { chat, .. } | Self::AnswerGuest { caller: chat, .. } => {
                Lane::Chat(*chat)
            }
            Self::CallbackAnswer { user, .. } => Lane::Presses(*user),
            Self::PressIfAdministrator { press, .. } => Lane::Presses(press.from.id),
        }
    }

    /// For the log.
    fn kind(&self) -> &'static str {
        match self {
            Self::Send { .. } => "message",
            Self::Edit { .. } => "edit",
            Self::AnswerGuest { .. } => "answer to a call",
            Self::Buttons { .. } => "buttons",
            Self::React { .. } => "reaction",
            Self::CallbackAnswer { .. } => "toast",
            Self::IfAdministrator { .. } | Self::PressIfAdministrator { .. } => "administrator",
        }
    }

    /// Whether a repetition is harmless. A message would appear twice, which is worse than a lost reply.
    fn is_repeatable(&self) -> bool {
        match self {
            Self::Edit { .. }
            | Self::Buttons { .. }
            | Self::React { .. }
            | Self::CallbackAnswer { .. }
            | Self::PressIfAdministrator { .. } => true,
            Self::Send { .. } | Self::AnswerGuest { .. } | Self::IfAdministrator { .. } => false,
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
        let permits = Arc::new(Semaphore::new(MAX_CONCURRENT));
        loop {
            let next = async {
                let permit = permits.clone().acquire_owned().await.ok()?;
                Some((self.replies.0.next().await, permit))
            };
            let Some(Some(((lane, mut queued), permit))) = self.worker.shutdown.soft.run_until_cancelled(next).await
            else {
                return;
            };
            let own = self.clone();
            self.worker.tasks.spawn(async move {
                let tried = own.worker.shutdown.soft.run_until_cancelled(own.send_following_moves(&queued.reply)).await;
                match tried {
                    Some(Err(error)) => match queued.retry_after(&error) {
                        Some(pause) => own.replies.0.give_back(lane, queued, pause),
                        None => {
                            tracing::debug!(%error, reply = queued.reply.kind(), "a reply was not sent");
                            own.replies.0.ended(lane);
                        }
                    },
                    Some(Ok(())) | None => own.replies.0.ended(lane),
                }
                drop(permit);
            });
        }
    }

    /// Makes one try, in the supergroup that the chat has become if Telegram says so.
    async fn send_following_moves(&self, reply: &Reply) -> Result<(), TelegramError> {
        match self.send_once(reply).await {
            Err(TelegramError::ChatMoved(to)) => self.send_to_supergroup(reply, to).await,
            tried => tried,
        }
    }

    /// A new message goes to the supergroup; messages of the old chat cannot be edited there.
    async fn send_to_supergroup(&self, reply: &Reply, to: ChatId) -> Result<(), TelegramError> {
        match reply {
            Reply::Send { location, content, .. } => {
                // If this fails, the next call to the old chat brings the move again.
                if let Err(error) = self.chats.record_move(location.chat, to).await {
                    self.worker.failures.report("record that a group became a supergroup", &error);
                }
                self.client.send(to, None, None, content).await.map(drop)
            }
            Reply::Edit { .. }
            | Reply::AnswerGuest { .. }
            | Reply::Buttons { .. }
            | Reply::React { .. }
            | Reply::CallbackAnswer { .. }
            | Reply::IfAdministrator { .. }
            | Reply::PressIfAdministrator { .. } => Err(TelegramError::ChatMoved(to)),
        }
    }

    async fn send_once(&self, reply: &Reply) -> Result<(), TelegramError> {
        let client = &self.client;
        match reply {
            Reply::Send { location, reply_to, content } => {
                client.send(location.chat, location.thread, *reply_to, content).await.map(drop)
            }
            Reply::Edit { message, content } => client.edit_message(message, content).await,
            Reply::AnswerGuest { caller, query, content } => {
                client.answer_guest(*caller, query, content).await.map(drop)
            }
            Reply::Buttons { chat, message, keyboard } => client.edit_keyboard(*chat, *message, keyboard).await,
            Reply::React { chat, message, reaction } => client.react(*chat, *message, Some(*reaction)).await,
            Reply::CallbackAnswer { callback, words, .. } => client.answer_callback(callback, words.as_deref()).await,
            Reply::IfAdministrator { location, user, message, setting, locale } => {
                let allowed = client.is_administrator(location.chat, *user).await?;
                let content =
                    set_in_group(&self.commands, *location, setting.clone(), allowed, locale.as_deref()).await;
                client.send(location.chat, location.thread, Some(*message), &content).await.map(drop)
            }
            Reply::PressIfAdministrator { group, press } => {
                let allowed = match client.is_administrator(*group, press.from.id).await {
                    Ok(allowed) => allowed,
                    Err(error) => match error.disposition() {
                        Disposition::ServerRequested(_)
                        | Disposition::Retry { .. }
                        | Disposition::OperatorNeeded { .. } => {
                            return Err(error);
                        }
                        // The user is unknown there, or Telegram does not answer.
                        Disposition::ChatMoved(_)
                        | Disposition::ChatUnreachable(_)
                        | Disposition::MessageGone
                        | Disposition::Final => false,
                    },
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
