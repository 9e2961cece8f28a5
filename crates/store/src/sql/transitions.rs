//! Fenced writes of claimed requests, and cancelling.

use stenobot_domain::{CancelledBy, ChatId, MessageId, RequestId, Timestamp, UserId};

use super::{Query, Statements, rows};
use crate::queue::cancellation::CancelTarget;
use crate::queue::fenced::FencedWrite;
use crate::{Fence, LEASE, Settlement, StoreError};

/// No worker owns a request in the queue or at its end; attempts and their outcomes are counted anew for the engine. Every
/// write extends the lease, also when the one before ran out while the store could not be written.
pub(in super::super) const ADVANCE: &str = concat!(
    "UPDATE usage SET stage = $1, \
     downloaded_at = CASE $1 WHEN 'downloaded' THEN $2 ELSE downloaded_at END, \
     queued_at = CASE $1 WHEN 'queued' THEN $2 ELSE queued_at END, \
     started_at = CASE $1 WHEN 'transcribing' THEN $2 ELSE started_at END, \
     finished_at = CASE $1 WHEN 'done' THEN $2 ELSE finished_at END, \
     answered = CASE $1 WHEN 'done' THEN 1 ELSE answered END, \
     owner = CASE WHEN $1 = 'queued' OR $1 = 'done' THEN NULL ELSE owner END, \
     lease_until = CASE WHEN $1 = 'queued' OR $1 = 'done' THEN NULL ELSE $13 END, \
     attempt = CASE $1 WHEN 'queued' THEN 0 ELSE attempt END, \
     failures = CASE $1 WHEN 'queued' THEN 0 ELSE failures END, \
     interruptions = CASE $1 WHEN 'queued' THEN 0 ELSE interruptions END, \
     voice_duration_seconds = coalesce($3, voice_duration_seconds), \
     model_size = coalesce($4, model_size), \
     processing_time_seconds = coalesce($5, processing_time_seconds), \
     transcription_length = coalesce($6, transcription_length), \
     language = coalesce($7, language), \
     audio_until = coalesce($8, audio_until), \
     reason = CASE WHEN $14 = 1 THEN 'stopped' ELSE reason END, \
     stop_requested = CASE $1 WHEN 'transcribing' THEN 0 ELSE stop_requested END, \
     updated_at = ",
    time!("$2"),
    fence!("$9", "$10", "$11", "$12")
);

pub(in super::super) const ADD_TO_TOTALS: &str = "UPDATE users SET total_usage_seconds = total_usage_seconds + \
     (SELECT CAST(round(CAST(coalesce(voice_duration_seconds, 0) AS NUMERIC)) AS BIGINT) FROM usage WHERE id = $1) \
     WHERE id = (SELECT user_id FROM usage WHERE id = $1)";

pub(in super::super) const SETTLE: &str = concat!(
    "UPDATE usage SET stage = $1, finished_at = $2, reason = $3, failed_stage = $4, codec = $6, \
     answered = CASE WHEN $5 THEN 0 ELSE 1 END, owner = NULL, lease_until = NULL, attempt = 0, not_before = 0, \
     updated_at = ",
    time!("$2"),
    fence!("$7", "$8", "$9", "$10")
);

/// A coalesced row has no audio: it goes back to where it is downloaded. What was started comes first again, unless the
/// engine failed on it, or the bot has ended twice meanwhile.
pub(in super::super) const RELEASE: &str = concat!(
    "UPDATE usage SET stage = CASE WHEN joined_to IS NULL THEN $1 ELSE 'received' END, not_before = $2, \
     priority = CASE WHEN $1 <> 'queued' OR joined_to IS NOT NULL THEN priority \
     WHEN $3 = 0 AND interruptions < 2 THEN 0 ELSE 2 END, \
     failures = failures + $3, owner = NULL, lease_until = NULL",
    fence!("$4", "$5", "$6", "$7")
);

/// It keeps its turn, which is that of its original.
pub(in super::super) const SEPARATE: &str = concat!(
    "UPDATE usage SET stage = 'received', joined_to = NULL, priority = 1, not_before = 0, started_at = NULL, owner = NULL, \
     lease_until = NULL",
    fence!("$1", "$2", "$3", "$4")
);

/// A message that was sent to a chat which has moved since means nothing in the new one.
const SET_STATUS_MESSAGE: &str = concat!(
    "UPDATE usage SET status_message_id = CASE ",
    chat_now!("usage.chat_id"),
    " WHEN $3 THEN $1 ELSE status_message_id END, lease_until = $2",
    fence!("$4", "$5", "$6", "$7")
);

const SET_PART_MESSAGE: &str = concat!(
    "UPDATE usage SET part_message_id = CASE ",
    chat_now!("usage.chat_id"),
    " WHEN $3 THEN $1 ELSE part_message_id END, sent_messages = CASE WHEN business_key IS NOT NULL \
     THEN coalesce(sent_messages, '') || ' ' || CAST($1 AS TEXT) END, lease_until = $2",
    fence!("$4", "$5", "$6", "$7")
);

/// Beside those that were recorded as [`SET_PART_MESSAGE`] does.
const ADD_SENT_MESSAGE: &str = concat!(
    "UPDATE usage SET sent_messages = coalesce(sent_messages, '') || ' ' || CAST($1 AS TEXT), lease_until = $2",
    fence!("$3", "$4", "$5", "$6")
);

const SET_PARTS_DELIVERED: &str = concat!(
    "UPDATE usage SET parts_delivered = $1, part_message_id = NULL, lease_until = $2",
    fence!("$3", "$4", "$5", "$6")
);

/// Only as long as it has no message: a claim has read the row by then, and sends the answer by itself.
const SET_COALESCED_STATUS_MESSAGE: &str = concat!(
    "UPDATE usage SET status_message_id = $2 WHERE id = $1 AND owner IS NULL \
     AND joined_to IS NOT NULL AND status_message_id IS NULL AND stage = 'received' AND ",
    chat_now!("usage.chat_id"),
    " = $3"
);

pub(in super::super) const RENEW: &str = concat!("UPDATE usage SET lease_until = $1", fence!("$2", "$3", "$4", "$5"));

const CLOSE: &str =
    concat!("UPDATE usage SET answered = 1, owner = NULL, lease_until = NULL", fence!("$1", "$2", "$3", "$4"));

const POSTPONE: &str =
    concat!("UPDATE usage SET not_before = $1, owner = NULL, lease_until = NULL", fence!("$2", "$3", "$4", "$5"));

// === Cancelling ===

pub(in super::super) const CANCEL_TARGET: &str =
    concat!("SELECT stage, owner, lease_until, chat_id, ", telegram_id!(), " FROM usage WHERE id = $1");

pub(in super::super) const OPEN_REQUESTS_OF: &str = concat!(
    "SELECT id FROM usage",
    indexed_by!("ix_usage_open_user"),
    " WHERE answered = 0 AND stage IN ",
    open_stages!(),
    " AND user_id = (SELECT id FROM users WHERE telegram_id = $1) ORDER BY id"
);

/// Of all users.
pub(in super::super) const OPEN_REQUESTS_IN: &str = concat!(
    "SELECT id FROM usage WHERE answered = 0 AND stage IN ",
    open_stages!(),
    " AND ",
    chat_now!("usage.chat_id"),
    " = ",
    chat_now!("$1"),
    " ORDER BY id"
);

pub(in super::super) const CANCEL: &str = concat!(
    "UPDATE usage SET stage = 'cancelled', finished_at = $2, reason = $3, owner = NULL, lease_until = NULL, attempt = 0, \
     not_before = 0, updated_at = ",
    time!("$2"),
    " WHERE id = $1"
);

/// The holder is notified, and finds it with its next renewal.
const REQUEST_CANCELLATION: &str = "UPDATE usage SET cancel_requested = $2 WHERE id = $1";

const HAS_CANCELLATION: &str = "SELECT cancel_requested IS NOT NULL FROM usage WHERE id = $1";

/// Of an attempt that is under way: the text of an earlier one is lost.
const REQUEST_STOP: &str =
    "UPDATE usage SET stop_requested = 1 WHERE id = $1 AND answered = 0 AND stage = 'transcribing'";

const HAS_STOP: &str = "SELECT stop_requested = 1 FROM usage WHERE id = $1";

/// Of all requests that an owner holds.
const STOPS_OF: &str = concat!(
    "SELECT id FROM usage WHERE answered = 0 AND stage IN ",
    open_stages!(),
    " AND owner = $1 AND stop_requested = 1"
);

/// Of all requests that an owner holds.
pub(in super::super) const CANCELLATIONS_OF: &str = concat!(
    "SELECT id FROM usage WHERE answered = 0 AND stage IN ",
    open_stages!(),
    " AND owner = $1 AND cancel_requested IS NOT NULL"
);

/// Binding of a fencing token, as the last four parameters.
trait Fenced<'q> {
    fn fenced(self, fence: &'q Fence) -> Self;
}

impl<'q> Fenced<'q> for Query<'q> {
    fn fenced(self, fence: &'q Fence) -> Self {
        self.bind(fence.id.0).bind(fence.stage.as_str()).bind(&fence.owner).bind(fence.attempt)
    }
}

impl Statements<'_> {
    pub(crate) async fn write_fenced(
        self,
        fence: &Fence,
        write: &FencedWrite<'_>,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let lease_until = now.after(LEASE).0;
        let write = match *write {
            FencedWrite::Advance { to, update, per_day: _ } => {
                let advance = sqlx::query(ADVANCE)
                    .bind(to.as_str())
                    .bind(now.0)
                    .bind(update.length.map(|length| length.as_secs_f64()))
                    .bind(&update.model)
                    .bind(update.processing.map(|took| took.as_secs_f64()))
                    .bind(update.transcription_length)
                    .bind(&update.language)
                    .bind(update.keep_audio_for.map(|kept| now.after(kept).0))
                    .fenced(fence);
                advance.bind(lease_until).bind(i64::from(update.is_stopped))
            }
            FencedWrite::Separate => sqlx::query(SEPARATE).fenced(fence),
            FencedWrite::Settle { settlement, codec } => {
                let failed_stage = match settlement {
                    Settlement::Failed(_) => Some(fence.stage.as_str()),
                    Settlement::Rejected(_) | Settlement::Cancelled(_) => None,
                };
                sqlx::query(SETTLE)
                    .bind(settlement.stage().as_str())
                    .bind(now.0)
                    .bind(settlement.reason())
                    .bind(failed_stage)
                    .bind(settlement.needs_answer())
                    .bind(codec)
                    .fenced(fence)
            }
            FencedWrite::Release { pause, failed } => {
                let stage = fence.stage.released();
                let release = sqlx::query(RELEASE).bind(stage.as_str()).bind(now.after(pause).0);
                release.bind(i64::from(failed)).fenced(fence)
            }
            FencedWrite::Renew => sqlx::query(RENEW).bind(lease_until).fenced(fence),
            FencedWrite::StatusMessage { chat, message } => {
                sqlx::query(SET_STATUS_MESSAGE).bind(message.0).bind(lease_until).bind(chat.0).fenced(fence)
            }
            FencedWrite::PartMessage { chat, message } => {
                sqlx::query(SET_PART_MESSAGE).bind(message.0).bind(lease_until).bind(chat.0).fenced(fence)
            }
            FencedWrite::SentMessage { message } => {
                sqlx::query(ADD_SENT_MESSAGE).bind(message.0).bind(lease_until).fenced(fence)
            }
            FencedWrite::PartsDelivered(parts) => {
                sqlx::query(SET_PARTS_DELIVERED).bind(i64::from(parts)).bind(lease_until).fenced(fence)
            }
            FencedWrite::CloseNotice { folded: _ } => sqlx::query(CLOSE).fenced(fence),
            FencedWrite::PostponeNotice { pause } => sqlx::query(POSTPONE).bind(now.after(pause).0).fenced(fence),
        };
        self.execute(write).await
    }

    pub(crate) async fn add_to_total_usage(self, id: RequestId) -> Result<(), StoreError> {
        self.execute(sqlx::query(ADD_TO_TOTALS).bind(id.0)).await.map(drop)
    }

    pub(crate) async fn set_coalesced_status_message(
        self,
        id: RequestId,
        chat: ChatId,
        message: MessageId,
    ) -> Result<bool, StoreError> {
        let set = sqlx::query(SET_COALESCED_STATUS_MESSAGE).bind(id.0).bind(message.0).bind(chat.0);
        Ok(self.execute(set).await? == 1)
    }

    pub(crate) async fn cancel_target(self, id: RequestId) -> Result<Option<CancelTarget>, StoreError> {
        type Row = (String, Option<String>, Option<i64>, i64, i64);
        let row: Option<Row> = sqlx::query_as(CANCEL_TARGET).bind(id.0).fetch_optional(self.0).await?;
        let Some((stage, owner, lease_until, chat, user)) = row else { return Ok(None) };
        Ok(Some(CancelTarget {
            stage: rows::stage_of(&stage)?,
            has_owner: owner.is_some(),
            lease_until: lease_until.map(Timestamp),
            chat: ChatId(chat),
            user: UserId(user),
        }))
    }

    pub(crate) async fn open_requests_of(self, user: UserId) -> Result<Vec<RequestId>, StoreError> {
        Ok(super::ids(sqlx::query_scalar(OPEN_REQUESTS_OF).bind(user.0).fetch_all(self.0).await?))
    }

    pub(crate) async fn open_requests_in(self, chat: ChatId) -> Result<Vec<RequestId>, StoreError> {
        Ok(super::ids(sqlx::query_scalar(OPEN_REQUESTS_IN).bind(chat.0).fetch_all(self.0).await?))
    }

    pub(crate) async fn cancel(self, id: RequestId, by: CancelledBy, now: Timestamp) -> Result<(), StoreError> {
        self.execute(sqlx::query(CANCEL).bind(id.0).bind(now.0).bind(by.as_str())).await.map(drop)
    }

    pub(crate) async fn request_cancellation(self, id: RequestId, by: CancelledBy) -> Result<(), StoreError> {
        self.execute(sqlx::query(REQUEST_CANCELLATION).bind(id.0).bind(by.as_str())).await.map(drop)
    }

    pub(crate) async fn has_cancellation(self, id: RequestId) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(HAS_CANCELLATION).bind(id.0).fetch_one(self.0).await?)
    }

    /// Whether the request is being transcribed.
    pub(crate) async fn request_stop(self, id: RequestId) -> Result<bool, StoreError> {
        Ok(self.execute(sqlx::query(REQUEST_STOP).bind(id.0)).await? == 1)
    }

    pub(crate) async fn has_stop(self, id: RequestId) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(HAS_STOP).bind(id.0).fetch_one(self.0).await?)
    }

    pub(crate) async fn stops_of(self, owner: &str) -> Result<Vec<RequestId>, StoreError> {
        Ok(super::ids(sqlx::query_scalar(STOPS_OF).bind(owner).fetch_all(self.0).await?))
    }

    pub(crate) async fn cancellations_of(self, owner: &str) -> Result<Vec<RequestId>, StoreError> {
        Ok(super::ids(sqlx::query_scalar(CANCELLATIONS_OF).bind(owner).fetch_all(self.0).await?))
    }
}
