//! Fenced writes of claimed requests, and cancelling.

use stenobot_domain::{CancelledBy, ChatId, MessageId, RequestId, StageName, Timestamp, UserId};

use super::{Query, Statements, rows};
use crate::queue::cancellation::CancelTarget;
use crate::{Fence, RequestUpdate, Settlement, StoreError};

/// No worker owns a request in the queue or at its end; attempts and their outcomes are counted anew for the engine. Every
/// write extends the lease, also when the one before ran out while the store could not be written.
pub(super) const ADVANCE: &str = concat!(
    "UPDATE usage SET stage = ?1, \
     downloaded_at = CASE ?1 WHEN 'downloaded' THEN ?2 ELSE downloaded_at END, \
     queued_at = CASE ?1 WHEN 'queued' THEN ?2 ELSE queued_at END, \
     started_at = CASE ?1 WHEN 'transcribing' THEN ?2 ELSE started_at END, \
     finished_at = CASE ?1 WHEN 'done' THEN ?2 ELSE finished_at END, \
     answered = CASE ?1 WHEN 'done' THEN 1 ELSE answered END, \
     owner = CASE WHEN ?1 = 'queued' OR ?1 = 'done' THEN NULL ELSE owner END, \
     lease_until = CASE WHEN ?1 = 'queued' OR ?1 = 'done' THEN NULL ELSE ?13 END, \
     attempt = CASE ?1 WHEN 'queued' THEN 0 ELSE attempt END, \
     failures = CASE ?1 WHEN 'queued' THEN 0 ELSE failures END, \
     interruptions = CASE ?1 WHEN 'queued' THEN 0 ELSE interruptions END, \
     voice_duration_seconds = coalesce(?3, voice_duration_seconds), \
     model_size = coalesce(?4, model_size), \
     processing_time_seconds = coalesce(?5, processing_time_seconds), \
     transcription_length = coalesce(?6, transcription_length), \
     language = coalesce(?7, language), \
     audio_until = coalesce(?8, audio_until), \
     updated_at = ",
    text_time!("?2"),
    fence!("?9", "?10", "?11", "?12")
);

pub(super) const ADD_TO_TOTALS: &str = "UPDATE users SET total_usage_seconds = total_usage_seconds + \
     (SELECT CAST(round(coalesce(voice_duration_seconds, 0)) AS INTEGER) FROM usage WHERE id = ?1) \
     WHERE id = (SELECT user_id FROM usage WHERE id = ?1)";

pub(super) const SETTLE: &str = concat!(
    "UPDATE usage SET stage = ?1, finished_at = ?2, reason = ?3, failed_stage = ?4, codec = ?6, \
     answered = CASE WHEN ?5 THEN 0 ELSE 1 END, owner = NULL, lease_until = NULL, attempt = 0, not_before = 0, \
     updated_at = ",
    text_time!("?2"),
    fence!("?7", "?8", "?9", "?10")
);

/// A coalesced row has no audio: it goes back to where it is downloaded. What was started comes first again, unless the
/// engine failed on it, or the bot has ended twice meanwhile.
pub(super) const RELEASE: &str = concat!(
    "UPDATE usage SET stage = CASE WHEN joined_to IS NULL THEN ?1 ELSE 'received' END, not_before = ?2, \
     priority = CASE WHEN ?1 <> 'queued' OR joined_to IS NOT NULL THEN priority \
     WHEN ?3 = 0 AND interruptions < 2 THEN 0 ELSE 2 END, \
     failures = failures + ?3, owner = NULL, lease_until = NULL",
    fence!("?4", "?5", "?6", "?7")
);

/// A message that was sent to a chat which has moved since means nothing in the new one.
const SET_STATUS_MESSAGE: &str = concat!(
    "UPDATE usage SET status_message_id = CASE ",
    chat_now!("usage.chat_id"),
    " WHEN ?3 THEN ?1 ELSE status_message_id END, lease_until = ?2",
    fence!("?4", "?5", "?6", "?7")
);

const SET_PART_MESSAGE: &str = concat!(
    "UPDATE usage SET part_message_id = CASE ",
    chat_now!("usage.chat_id"),
    " WHEN ?3 THEN ?1 ELSE part_message_id END, lease_until = ?2",
    fence!("?4", "?5", "?6", "?7")
);

const SET_PARTS_DELIVERED: &str = concat!(
    "UPDATE usage SET parts_delivered = ?1, part_message_id = NULL, lease_until = ?2",
    fence!("?3", "?4", "?5", "?6")
);

/// Only as long as it has no message: a claim has read the row by then, and sends the answer by itself.
const SET_COALESCED_STATUS_MESSAGE: &str = concat!(
    "UPDATE usage SET status_message_id = ?2 WHERE id = ?1 AND owner IS NULL \
     AND joined_to IS NOT NULL AND status_message_id IS NULL AND stage = 'received' AND ",
    chat_now!("usage.chat_id"),
    " = ?3"
);

// === Cancelling ===

pub(super) const CANCEL_TARGET: &str =
    concat!("SELECT stage, owner, lease_until, chat_id, ", telegram_id!(), " FROM usage WHERE id = ?1");

pub(super) const OPEN_REQUESTS_OF: &str = concat!(
    "SELECT id FROM usage INDEXED BY ix_usage_open_user WHERE answered = 0 AND stage IN ",
    open_stages!(),
    " AND user_id = (SELECT id FROM users WHERE telegram_id = ?1) ORDER BY id"
);

/// Of all users.
pub(super) const OPEN_REQUESTS_IN: &str = concat!(
    "SELECT id FROM usage WHERE answered = 0 AND stage IN ",
    open_stages!(),
    " AND ",
    chat_now!("usage.chat_id"),
    " = ",
    chat_now!("?1"),
    " ORDER BY id"
);

pub(super) const CANCEL: &str = concat!(
    "UPDATE usage SET stage = 'cancelled', finished_at = ?2, reason = ?3, owner = NULL, lease_until = NULL, attempt = 0, \
     not_before = 0, updated_at = ",
    text_time!("?2"),
    " WHERE id = ?1"
);

/// Binding of a fencing token, as the last four parameters.
pub(super) trait Fenced<'q> {
    fn fenced(self, fence: &'q Fence) -> Self;
}

impl<'q> Fenced<'q> for Query<'q> {
    fn fenced(self, fence: &'q Fence) -> Self {
        self.bind(fence.id.0).bind(fence.stage.as_str()).bind(&fence.owner).bind(fence.attempt)
    }
}

impl Statements<'_> {
    /// As all fenced writes, gives the number of changed rows: one if the fence holds.
    pub(crate) async fn advance(
        self,
        fence: &Fence,
        to: StageName,
        update: &RequestUpdate,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<u64, StoreError> {
        let advance = sqlx::query(ADVANCE)
            .bind(to.as_str())
            .bind(now.0)
            .bind(update.length.map(|length| length.as_secs_f64()))
            .bind(&update.model)
            .bind(update.processing.map(|took| took.as_secs_f64()))
            .bind(update.transcription_length)
            .bind(&update.language)
            .bind(update.audio_until.map(|until| until.0))
            .fenced(fence)
            .bind(lease_until.0);
        self.execute(advance).await
    }

    pub(crate) async fn add_to_total_usage(self, id: RequestId) -> Result<(), StoreError> {
        self.execute(sqlx::query(ADD_TO_TOTALS).bind(id.0)).await.map(drop)
    }

    pub(crate) async fn settle(
        self,
        fence: &Fence,
        settlement: Settlement,
        codec: Option<&str>,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let failed_stage = match settlement {
            Settlement::Failed(_) => Some(fence.stage.as_str()),
            Settlement::Rejected(_) | Settlement::Cancelled(_) => None,
        };
        let settle = sqlx::query(SETTLE)
            .bind(settlement.stage().as_str())
            .bind(now.0)
            .bind(settlement.reason())
            .bind(failed_stage)
            .bind(settlement.needs_answer())
            .bind(codec)
            .fenced(fence);
        self.execute(settle).await
    }

    pub(crate) async fn release(self, fence: &Fence, not_before: Timestamp, failed: bool) -> Result<u64, StoreError> {
        let stage = fence.stage.released();
        let release = sqlx::query(RELEASE).bind(stage.as_str()).bind(not_before.0).bind(i64::from(failed));
        self.execute(release.fenced(fence)).await
    }

    pub(crate) async fn set_status_message(
        self,
        fence: &Fence,
        chat: ChatId,
        message: MessageId,
        until: Timestamp,
    ) -> Result<u64, StoreError> {
        let set = sqlx::query(SET_STATUS_MESSAGE).bind(message.0).bind(until.0).bind(chat.0);
        self.execute(set.fenced(fence)).await
    }

    pub(crate) async fn set_part_message(
        self,
        fence: &Fence,
        chat: ChatId,
        message: MessageId,
        until: Timestamp,
    ) -> Result<u64, StoreError> {
        let set = sqlx::query(SET_PART_MESSAGE).bind(message.0).bind(until.0).bind(chat.0);
        self.execute(set.fenced(fence)).await
    }

    pub(crate) async fn set_parts_delivered(
        self,
        fence: &Fence,
        parts: u32,
        until: Timestamp,
    ) -> Result<u64, StoreError> {
        self.execute(sqlx::query(SET_PARTS_DELIVERED).bind(parts).bind(until.0).fenced(fence)).await
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
}
