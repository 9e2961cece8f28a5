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
use stenobot_telegram::{StatusText, TelegramError, ThreadId};
use tokio::sync::{Notify, Semaphore};

use super::Context;
use super::deliver::{self, Sender};
use super::worker::{self, Turn};

/// Notices on their way at once, in as many chats.
const CONCURRENT: usize = 64;
/// Chats within a pause that are passed over; more of them than that cost a vain claim each.
const MAX_PAUSED: usize = 1000;

/// The chats in which a notice is under way.
#[derive(Debug, Clone, Default)]
struct Chats(Arc<Mutex<HashSet<ChatId>>>);

/// A chat that has its notice; free when it is dropped.
struct TakenChat(Chats, ChatId);

impl Chats {
    fn take(&self, chat: ChatId) -> TakenChat {
        self.set().insert(chat);
        TakenChat(self.clone(), chat)
    }

    /// The chats in which no notice is to be sent now.
    fn passed_over(&self, context: &Context) -> Vec<ChatId> {
        let mut chats = context.client.paused_chats(MAX_PAUSED);
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

/// Sends what is due, until the soft shutdown.
pub(crate) async fn run(context: &Context) {
    let sender = deliver::stack_without_pauses(context);
    let places = Arc::new(Semaphore::new(CONCURRENT));
    let chats = Chats::default();
    let ended = Arc::new(Notify::new());
    worker::run_woken(context, "claim a notice", &ended, async || {
        let place = context.shutdown.soft.run_until_cancelled(places.clone().acquire_owned()).await;
        let Some(Ok(place)) = place else { return Ok(Turn::Idle) };
        if context.client.all_chats_paused() {
            return Ok(Turn::Idle);
        }
        let passed_over = chats.passed_over(context);
        let Some(notice) = context.store.queue.claim_notice_excluding(&context.worker, &passed_over).await? else {
            return Ok(Turn::Idle);
        };
        let taken = (chats.take(notice.chat), ended.clone());
        let (own, sender) = (context.clone(), sender.clone());
        let span = tracing::info_span!("request", id = notice.fence.id.0);
        context.spawn(span, "finish a notice", async move {
            let outcome = one(&own, sender, &notice).await;
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

async fn one(context: &Context, sender: Sender, notice: &Notice) -> Result<(), StoreError> {
    context.desk.close(notice.fence.id).await;
    context.discard_audio(notice.fence.id).await;
    let (chat, thread) = (notice.chat, notice.thread.map(ThreadId));
    let answered = || context.store.queue.close_notices(&notice.fence, &notice.folded);
    if context.is_closed(chat, thread, notice.received_at) {
        return answered().await;
    }
    let note = words(context, notice).into();
    let to = deliver::Addressee { chat, thread, status: notice.status_message, reply_to: notice.reply_to };
    let work = deliver::answer_wherever(context, sender, to, note);
    let sent = context.shutdown.hard.run_until_cancelled(context.store.queue.hold(&notice.fence, work)).await;
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
            let at = context.store.clock().now().after(pause);
            context.store.queue.postpone_notice(&notice.fence, at).await
        }
        // Whoever has been told is not told again.
        None => answered().await,
    }
}

/// The sentence for the sender. A refusal or an apology ends with the request's number, by which the operator finds the
/// request in the log; the confirmation of the sender's own cancellation needs none.
fn words(context: &Context, notice: &Notice) -> String {
    let (locale, text) = (notice.locale.as_deref(), reason(context, notice));
    match notice.settlement {
        Settlement::Cancelled(CancelledBy::Sender) => context.say(locale, &text),
        Settlement::Rejected(_)
        | Settlement::Failed(_)
        | Settlement::Cancelled(CancelledBy::Operator | CancelledBy::ChatGone) => {
            context.say_numbered(locale, &text, notice.folded.len(), notice.fence.id)
        }
    }
}

fn reason(context: &Context, notice: &Notice) -> StatusText {
    let limits = &context.config().limits;
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
            let actual =
                notice.length.map(stenobot_domain::AudioLength::duration).filter(|length| *length > limits.voice);
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
