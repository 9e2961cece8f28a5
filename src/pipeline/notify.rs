//! Notices: one sentence for the sender of a request that ended without a text. The row stays open until the notice is sent,
//! so that neither a crash nor a broken network leaves a request without an answer.
//!
//! Each chat has one notice under way at most, and none within a pause that Telegram demands. Refusals that wait there
//! meanwhile are answered by one message: the newest, with the number of the others.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stenobot_domain::{AudioLength, CancelledBy, ChatId, FailReason, MessageId, Origin, RejectReason};
use stenobot_store::{MAX_BACKOFF, Notice, Settlement, StoreError};
use stenobot_telegram::{Client, Disposition, OutgoingMessage, Reaction, StatusEditor, StatusText};
use tokio::sync::{Notify, Semaphore};

use super::chats::Chats;
use super::deliver::{self, Deliverer, Sender};
use super::reactions::Surface;
use super::recordings::Recordings;
use super::worker::{Turn, Worker};
use crate::settings::Settings;

/// Notices under way at once, in as many chats.
const MAX_CONCURRENT: usize = 64;
/// Paused chats that are excluded from a claim; each further one costs a claim in vain.
const MAX_EXCLUDED: usize = 1000;

/// The chats in which a notice is under way. Clones share the set.
#[derive(Debug, Clone, Default)]
struct BusyChats(Arc<Mutex<HashSet<ChatId>>>);

/// Marks a chat as busy until it is dropped.
struct BusyChat(BusyChats, ChatId);

impl BusyChats {
    fn mark(&self, chat: ChatId) -> BusyChat {
        self.set().insert(chat);
        BusyChat(self.clone(), chat)
    }

    /// The chats in which no notice is to be sent now.
    fn excluded(&self, client: &Client) -> Vec<ChatId> {
        let mut chats = client.paused_chats(MAX_EXCLUDED);
        chats.extend(self.set().iter());
        chats
    }

    fn set(&self) -> MutexGuard<'_, HashSet<ChatId>> {
        // Every change under the lock is a single step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for BusyChat {
    fn drop(&mut self) {
        self.0.set().remove(&self.1);
    }
}

/// Informs senders of requests that ended without a text. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Notifier {
    pub(crate) worker: Worker,
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) editor: StatusEditor,
    pub(crate) chats: Chats,
    pub(crate) recordings: Recordings,
    pub(crate) deliverer: Deliverer,
}

impl Notifier {
    /// Sends due notices until the soft shutdown.
    pub(crate) async fn run(self) {
        let sender = self.deliverer.notice_stack();
        let permits = Arc::new(Semaphore::new(MAX_CONCURRENT));
        let chats = BusyChats::default();
        let ended = Arc::new(Notify::new());
        self.worker
            .run_woken("claim a notice", self.worker.store.changes(), &ended, async || {
                let permit = self.worker.shutdown.soft.run_until_cancelled(permits.clone().acquire_owned()).await;
                let Some(Ok(permit)) = permit else { return Ok(Turn::Idle) };
                if self.client.all_chats_paused() {
                    return Ok(Turn::Idle);
                }
                let excluded = chats.excluded(&self.client);
                let Some(notice) = self.worker.store.queue.claim_notice_excluding(&self.worker.id, &excluded).await?
                else {
                    return Ok(Turn::Idle);
                };
                let guards = (chats.mark(notice.chat), ended.clone());
                let (own, sender) = (self.clone(), sender.clone());
                let span = tracing::info_span!("request", id = notice.fence.id.0);
                self.worker.spawn(span, "finish a notice", async move {
                    let outcome = own.process_notice(sender, &notice).await;
                    let (chat, ended) = guards;
                    drop((permit, chat));
                    // The chat's next one can be claimed.
                    ended.notify_one();
                    outcome
                });
                Ok(Turn::Worked)
            })
            .await;
    }

    async fn process_notice(&self, sender: Sender, notice: &Notice) -> Result<(), StoreError> {
        self.editor.close(notice.fence.id).await;
        self.recordings.discard(notice.fence.id).await;
        let (chat, thread) = (notice.chat, notice.thread);
        let closed = || self.worker.store.queue.close_notices(&notice.fence, &notice.folded);
        let is_guest = matches!(notice.origin, Origin::Guest(_));
        if !is_guest && self.chats.is_write_forbidden(chat, thread, notice.received_at) {
            return closed().await;
        }
        let by_sender = notice.settlement == Settlement::Cancelled(CancelledBy::Sender);
        let reaction = match Surface::new(notice.display, notice.status_message, notice.reply_to) {
            Surface::Message => None,
            // The reply to the command that cancelled it says so.
            Surface::Reaction(recording) => by_sender.then_some((recording, None)),
            Surface::Quiet(Some(recording)) if !by_sender => Some((recording, Some(Reaction::NoText))),
            Surface::Quiet(_) | Surface::Hidden => return closed().await,
        };
        if let Some((recording, reaction)) = reaction {
            return self.end_by_reaction(notice, recording, reaction).await;
        }
        let content = self.sentence(notice);
        let to = deliver::Addressee { chat, thread, status: notice.status_message, reply_to: notice.reply_to };
        let work = async {
            match &notice.origin {
                Origin::Chat | Origin::Business(_) => {
                    Ok(self.deliverer.answer_following_moves(sender, to, content).await.map(drop)?)
                }
                Origin::Guest(call) => {
                    self.deliverer.notify_as_guest(notice.fence.id, call.clone(), (sender, to), content).await
                }
            }
        };
        let sent = self
            .worker
            .shutdown
            .hard
            .run_until_cancelled(self.worker.store.queue.hold_to_send(&notice.fence, work))
            .await;
        let postponed = match sent.transpose()? {
            None => Some(Duration::ZERO),
            Some(Err(deliver::PartError::Store(error))) => return Err(error),
            Some(Err(deliver::PartError::Telegram(error))) => match error.disposition() {
                Disposition::ServerRequested(pause) => Some(pause.min(MAX_BACKOFF)),
                // The stack retries all that is transient: this one can never be sent.
                Disposition::Retry { .. }
                | Disposition::OperatorNeeded { .. }
                | Disposition::ChatMoved(_)
                | Disposition::ChatUnreachable(_)
                | Disposition::MessageGone
                | Disposition::Final => {
                    tracing::info!(request = notice.fence.id.0, %error, "the sender cannot be told");
                    None
                }
            },
            Some(Ok(())) => None,
        };
        match postponed {
            Some(pause) => self.worker.store.queue.postpone_notice(&notice.fence, pause).await,
            // A notice that was sent is not sent again.
            None => {
                let clear = self.deliverer.reactions.clear(notice.display, chat, notice.reply_to);
                self.worker.shutdown.hard.run_until_cancelled(clear).await;
                closed().await
            }
        }
    }

    /// Closes a notice for which there is no message; without a reaction, the one that showed the state is removed.
    async fn end_by_reaction(
        &self,
        notice: &Notice,
        recording: MessageId,
        reaction: Option<Reaction>,
    ) -> Result<(), StoreError> {
        let reactions = &self.deliverer.reactions;
        let react = async {
            match reaction {
                Some(reaction) => reactions.end(notice.chat, recording, reaction).await,
                None => {
                    reactions.clear(notice.display, notice.chat, Some(recording)).await;
                    Ok(())
                }
            }
        };
        let queue = &self.worker.store.queue;
        let reacted = self.worker.shutdown.hard.run_until_cancelled(queue.hold_to_send(&notice.fence, react)).await;
        match reacted.transpose()? {
            None => return queue.postpone_notice(&notice.fence, Duration::ZERO).await,
            Some(Err(error)) => {
                tracing::debug!(request = notice.fence.id.0, %error, "the end of a request is not shown")
            }
            Some(Ok(())) => {}
        }
        queue.close_notices(&notice.fence, &notice.folded).await
    }

    /// A refusal or an apology ends with the request's number, by which the operator finds the
    /// request in the log; the confirmation of the sender's own cancellation needs none.
    fn sentence(&self, notice: &Notice) -> OutgoingMessage {
        let texts = self.settings.texts_of(notice.locale.as_deref(), &notice.origin);
        let (locale, reason) = (self.settings.locale(notice.locale.as_deref()), self.reason_text(notice));
        let text = match notice.settlement {
            Settlement::Cancelled(CancelledBy::Sender) => texts.render(locale, &reason),
            Settlement::Rejected(_)
            | Settlement::Failed(_)
            | Settlement::Cancelled(CancelledBy::Operator | CancelledBy::ChatGone) => {
                texts.numbered_for(locale, &reason, notice.fence.id, notice.folded.len())
            }
        };
        OutgoingMessage { time: texts.sent_at(), ..text.into() }
    }

    fn reason_text(&self, notice: &Notice) -> StatusText {
        let limits = &self.settings.config().limits;
        match notice.settlement {
            Settlement::Rejected(RejectReason::QueueFull) => StatusText::QueueFull,
            Settlement::Rejected(RejectReason::UserLimit) => StatusText::PersonFull { limit: limits.waiting_per_user },
            Settlement::Rejected(RejectReason::TooOften) => {
                StatusText::UserLimit { retry: Duration::from_secs(60) / limits.user_per_minute.get() }
            }
            Settlement::Rejected(RejectReason::DailyLimit) => {
                StatusText::DayFull { limit: limits.daily_audio.unwrap_or_default() }
            }
            Settlement::Rejected(RejectReason::Maintenance) => StatusText::Maintenance,
            Settlement::Rejected(RejectReason::TooLong) => {
                // The decoder stops soon after the limit: after a false claim the real length stays unknown.
                let length = notice.length.map(AudioLength::duration);
                let actual = length.filter(|length| *length > limits.voice);
                StatusText::TooLong { limit: limits.voice, actual }
            }
            Settlement::Rejected(RejectReason::TooBig) => StatusText::TooBig { limit: limits.file_bytes },
            Settlement::Rejected(RejectReason::Silent) => StatusText::NoAudio,
            Settlement::Rejected(RejectReason::Codec) => {
                notice.codec.clone().map_or(StatusText::Unreadable, |codec| StatusText::UnsupportedCodec { codec })
            }
            Settlement::Rejected(RejectReason::Unsupported) => StatusText::Unreadable,
            Settlement::Rejected(RejectReason::NotAllowed) => StatusText::NotAllowed,
            Settlement::Failed(FailReason::Download) => StatusText::DownloadFailed,
            Settlement::Failed(FailReason::Damaged) => StatusText::Damaged,
            Settlement::Failed(FailReason::Deadline) => StatusText::TimedOut,
            Settlement::Failed(FailReason::AudioGone) => StatusText::AudioGone,
            Settlement::Cancelled(CancelledBy::Sender) => StatusText::Cancelled,
            Settlement::Cancelled(CancelledBy::Operator) => StatusText::CancelledByOperator,
            Settlement::Failed(FailReason::Poison | FailReason::Engine | FailReason::Internal)
            | Settlement::Cancelled(CancelledBy::ChatGone) => StatusText::Failed,
        }
    }
}
