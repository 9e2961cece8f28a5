//! The sender of a request that ended without a text is told why, in one sentence. The row says that this is
//! still to be done until it is, so that nobody is left without an answer by a crash or a dead network.
//!
//! Each chat has one notice under way, and one that Telegram wants left alone has none. Refusals that wait there meanwhile
//! are answered by one message: the newest, with the number of the others.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stenobot_domain::{CancelledBy, ChatId, FailReason, RejectReason};
use stenobot_store::{MAX_BACKOFF, Notice, Settlement, StoreError};
use stenobot_telegram::{Client, StatusEditor, StatusText, TelegramError, ThreadId};
use tokio::sync::{Notify, Semaphore};

use super::chats::Chats;
use super::deliver::{self, Deliverer, Sender};
use super::recordings::Recordings;
use super::worker::{Turn, Worker};
use crate::request;
use crate::settings::Settings;

/// Notices on their way at once, in as many chats.
const CONCURRENT: usize = 64;
/// Chats within a pause that are passed over; more of them than that cost a vain claim each.
const MAX_PAUSED: usize = 1000;

/// The chats in which a notice is under way.
#[derive(Debug, Clone, Default)]
struct BusyChats(Arc<Mutex<HashSet<ChatId>>>);

/// A chat that has its notice; free when it is dropped.
struct TakenChat(BusyChats, ChatId);

impl BusyChats {
    fn take(&self, chat: ChatId) -> TakenChat {
        self.set().insert(chat);
        TakenChat(self.clone(), chat)
    }

    /// The chats in which no notice is to be sent now.
    fn passed_over(&self, client: &Client) -> Vec<ChatId> {
        let mut chats = client.paused_chats(MAX_PAUSED);
        chats.extend(self.set().iter());
        chats
    }

    fn set(&self) -> MutexGuard<'_, HashSet<ChatId>> {
        // Every change under the lock is a single step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TakenChat {
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
    /// Sends what is due, until the soft shutdown.
    pub(crate) async fn run(self) {
        let sender = self.deliverer.stack_without_pauses();
        let places = Arc::new(Semaphore::new(CONCURRENT));
        let chats = BusyChats::default();
        let ended = Arc::new(Notify::new());
        self.worker
            .run_woken("claim a notice", &ended, async || {
                let place = self.worker.shutdown.soft.run_until_cancelled(places.clone().acquire_owned()).await;
                let Some(Ok(place)) = place else { return Ok(Turn::Idle) };
                if self.client.all_chats_paused() {
                    return Ok(Turn::Idle);
                }
                let passed_over = chats.passed_over(&self.client);
                let Some(notice) =
                    self.worker.store.queue.claim_notice_excluding(&self.worker.id, &passed_over).await?
                else {
                    return Ok(Turn::Idle);
                };
                let taken = (chats.take(notice.chat), ended.clone());
                let (own, sender) = (self.clone(), sender.clone());
                let span = tracing::info_span!("request", id = notice.fence.id.0);
                self.worker.spawn(span, "finish a notice", async move {
                    let outcome = own.process(sender, &notice).await;
                    let (chat, ended) = taken;
                    drop((place, chat));
                    // The chat's next one can be claimed.
                    ended.notify_one();
                    outcome
                });
                Ok(Turn::Worked)
            })
            .await;
    }

    async fn process(&self, sender: Sender, notice: &Notice) -> Result<(), StoreError> {
        self.editor.close(notice.fence.id).await;
        self.recordings.discard(notice.fence.id).await;
        let (chat, thread) = (notice.chat, notice.thread.map(ThreadId));
        let answered = || self.worker.store.queue.close_notices(&notice.fence, &notice.folded);
        if self.chats.is_write_forbidden(chat, thread, notice.received_at) {
            return request::retry_transient(&self.worker.store, "record a notice", answered).await;
        }
        let note = self.words(notice).into();
        let to = deliver::Addressee { chat, thread, status: notice.status_message, reply_to: notice.reply_to };
        let work = self.deliverer.answer_wherever(sender, to, note);
        let sent =
            self.worker.shutdown.hard.run_until_cancelled(request::hold(&self.worker.store, &notice.fence, work)).await;
        let later = match sent.transpose()? {
            None => Some(Duration::ZERO),
            Some(Err(TelegramError::RetryAfter(pause))) => Some(pause.min(MAX_BACKOFF)),
            Some(Err(error)) => {
                // Final: nobody is there, or Telegram will never take it.
                tracing::info!(request = notice.fence.id.0, %error, "the sender cannot be told");
                None
            }
            Some(Ok(_)) => None,
        };
        match later {
            Some(pause) => {
                let at = self.worker.store.clock().now().after(pause);
                request::retry_transient(&self.worker.store, "put a notice off", || {
                    self.worker.store.queue.postpone_notice(&notice.fence, at)
                })
                .await
            }
            // Whoever has been told is not told again.
            None => request::retry_transient(&self.worker.store, "record a notice", answered).await,
        }
    }

    /// The sentence for the sender. A refusal or an apology ends with the request's number, by which the operator finds the
    /// request in the log; the confirmation of the sender's own cancellation needs none.
    fn words(&self, notice: &Notice) -> String {
        let (locale, text) = (notice.locale.as_deref(), self.reason(notice));
        match notice.settlement {
            Settlement::Cancelled(CancelledBy::Sender) => self.settings.status_text(locale, &text),
            Settlement::Rejected(_)
            | Settlement::Failed(_)
            | Settlement::Cancelled(CancelledBy::Operator | CancelledBy::ChatGone) => {
                self.settings.numbered_text(locale, &text, notice.folded.len(), notice.fence.id)
            }
        }
    }

    fn reason(&self, notice: &Notice) -> StatusText {
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
                let actual = Some(notice.length).filter(|length| *length > limits.voice);
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
