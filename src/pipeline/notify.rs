//! The sender of a request that ended without a text is told why, in one sentence. The row says that this is
//! still to be done until it is, so that nobody is left without an answer by a crash or a dead network.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::Context;
use super::deliver::{self, Sender};
use super::worker::{self, Turn};
use crate::journal::{JournalError, Notice, Settlement};
use crate::model::{CancelledBy, FailReason, RejectReason};
use crate::request;
use crate::telegram::{Text, ThreadId};

/// Notices on their way at once: the pauses of some chats must not hold up the others.
const CONCURRENT: usize = 64;

/// Sends what is due, until the soft shutdown.
pub async fn run(context: &Context) {
    let sender = deliver::stack(context);
    let places = Arc::new(Semaphore::new(CONCURRENT));
    worker::run(context, "claim a notice", async || {
        let place = context.shutdown.soft.run_until_cancelled(places.clone().acquire_owned()).await;
        let Some(Ok(place)) = place else { return Ok(Turn::Idle) };
        let Some(notice) = context.journal.claim_notice(&context.worker).await? else { return Ok(Turn::Idle) };
        let (own, sender) = (context.clone(), sender.clone());
        let span = tracing::info_span!("request", id = notice.fence.id.0);
        context.spawn(span, "finish a notice", async move {
            let outcome = one(&own, sender, &notice).await;
            drop(place);
            outcome
        });
        Ok(Turn::Worked)
    })
    .await;
}

async fn one(context: &Context, sender: Sender, notice: &Notice) -> Result<(), JournalError> {
    context.desk.close(notice.fence.id).await;
    context.discard_audio(notice.fence.id).await;
    let (chat, thread) = (notice.chat, notice.thread.map(ThreadId));
    if context.is_closed(chat, thread, notice.received_at) {
        let answered = || context.journal.notice_answered(&notice.fence);
        return request::insist(&context.journal, "record a notice", answered).await;
    }
    let note = words(context, notice).into();
    let to = deliver::Addressee { chat, thread, status: notice.status_message, reply_to: notice.reply_to };
    let work = deliver::answer_wherever(context, sender, to, note);
    match context.shutdown.hard.run_until_cancelled(request::hold(&context.journal, &notice.fence, work)).await {
        None => {
            let now = context.journal.clock().now();
            request::insist(&context.journal, "put a notice off", || context.journal.notice_later(&notice.fence, now))
                .await
        }
        Some(sent) => {
            if let Err(error) = sent? {
                // Final: nobody is there, or Telegram will never take it.
                tracing::info!(request = notice.fence.id.0, %error, "the sender cannot be told");
            }
            // Whoever has been told is not told again.
            let answered = || context.journal.notice_answered(&notice.fence);
            request::insist(&context.journal, "record a notice", answered).await
        }
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
            context.say_numbered(locale, &text, notice.fence.id)
        }
    }
}

fn reason(context: &Context, notice: &Notice) -> Text {
    let limits = &context.config().limits;
    match notice.settlement {
        Settlement::Rejected(RejectReason::QueueFull) => Text::QueueFull,
        Settlement::Rejected(RejectReason::UserLimit) => Text::PersonFull { limit: limits.waiting_per_user },
        Settlement::Rejected(RejectReason::TooOften) => {
            Text::UserLimit { retry: Duration::from_secs(60) / limits.user_per_minute.get() }
        }
        Settlement::Rejected(RejectReason::DailyLimit) => {
            Text::DayFull { limit: limits.daily_audio.unwrap_or_default() }
        }
        Settlement::Rejected(RejectReason::Maintenance) => Text::Maintenance,
        Settlement::Rejected(RejectReason::TooLong) => {
            // The decoder stops soon after the limit: after a false claim the real length stays unknown.
            let actual = Some(notice.length).filter(|length| *length > limits.voice);
            Text::TooLong { limit: limits.voice, actual }
        }
        Settlement::Rejected(RejectReason::TooBig) => Text::TooBig { limit: limits.file_bytes },
        Settlement::Rejected(RejectReason::Silent) => Text::NoAudio,
        Settlement::Rejected(RejectReason::Codec) => {
            notice.codec.clone().map_or(Text::Unreadable, |codec| Text::UnsupportedCodec { codec })
        }
        Settlement::Rejected(RejectReason::Unsupported) => Text::Unreadable,
        Settlement::Rejected(RejectReason::NotAllowed) => Text::NotAllowed,
        Settlement::Failed(FailReason::Download) => Text::DownloadFailed,
        Settlement::Failed(FailReason::Damaged) => Text::Damaged,
        Settlement::Failed(FailReason::Deadline) => Text::TimedOut,
        Settlement::Failed(FailReason::AudioGone) => Text::AudioGone,
        Settlement::Cancelled(CancelledBy::Sender) => Text::Cancelled,
        Settlement::Cancelled(CancelledBy::Operator) => Text::CancelledByOperator,
        Settlement::Failed(FailReason::Poison | FailReason::Engine | FailReason::Internal)
        | Settlement::Cancelled(CancelledBy::ChatGone) => Text::Failed,
    }
}
