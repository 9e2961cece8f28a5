//! Recordings that were deleted where they were sent.

use stenobot_domain::{BusinessKey, ChatId, MessageId, RequestId, Timestamp};

use super::Statements;
use crate::{DeletedSource, StoreError};

pub(in super::super) const HAS_SOURCE: &str = "SELECT EXISTS (SELECT 1 FROM usage WHERE business_key = $1)";

/// Also of second transcriptions.
pub(in super::super) const MARK: &str =
    "UPDATE usage SET source_deleted = 1, audio_until = NULL WHERE business_key = $1 RETURNING id";

/// A request that ended otherwise than by its answer is closed without a notice.
pub(in super::super) const DUE: &str = concat!(
    "SELECT id, ",
    chat_id!(),
    ", status_message_id, part_message_id, sent_messages FROM usage WHERE source_deleted = 1 AND (answered = 1 OR (stage IN ",
    notice_stages!(),
    " AND (owner IS NULL OR lease_until < $1))) ORDER BY id LIMIT 100"
);

pub(in super::super) const FINISH: &str = concat!(
    "UPDATE usage SET source_deleted = 0, answered = 1, owner = NULL, lease_until = NULL, audio_until = NULL, \
     status_message_id = NULL, part_message_id = NULL, sent_messages = NULL, author_name = NULL \
     WHERE id = $1 AND source_deleted = 1 AND stage IN ",
    closed_stages!()
);

pub(in super::super) const HAS_NAMES: &str =
    "SELECT EXISTS (SELECT 1 FROM usage WHERE author_name IS NOT NULL AND answered = 1)";

pub(in super::super) const ERASE_NAMES: &str =
    "UPDATE usage SET author_name = NULL WHERE author_name IS NOT NULL AND answered = 1";

impl Statements<'_> {
    pub(crate) async fn has_source(self, source: BusinessKey) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(HAS_SOURCE).bind(source.as_bytes()).fetch_one(self.0).await?)
    }

    pub(crate) async fn mark_source_deleted(self, source: BusinessKey) -> Result<Vec<RequestId>, StoreError> {
        let mut marked: Vec<i64> = sqlx::query_scalar(MARK).bind(source.as_bytes()).fetch_all(self.0).await?;
        marked.sort_unstable();
        Ok(super::ids(marked))
    }

    pub(crate) async fn deleted_sources(self, now: Timestamp) -> Result<Vec<DeletedSource>, StoreError> {
        type Row = (i64, Option<i64>, Option<i32>, Option<i32>, Option<String>);
        let due: Vec<Row> = sqlx::query_as(DUE).bind(now.0).fetch_all(self.0).await?;
        let due = due.into_iter().map(|(id, chat, status_message, part_message, sent)| {
            let sent = sent.unwrap_or_default();
            let sent = sent.split_whitespace().filter_map(|message| message.parse().ok());
            let mut messages: Vec<i32> = status_message.into_iter().chain(part_message).chain(sent).collect();
            messages.sort_unstable();
            messages.dedup();
            DeletedSource {
                id: RequestId(id),
                chat: ChatId(chat.unwrap_or_default()),
                messages: messages.into_iter().map(MessageId).collect(),
            }
        });
        Ok(due.collect())
    }

    pub(crate) async fn finish_deletion(self, id: RequestId) -> Result<(), StoreError> {
        self.execute(sqlx::query(FINISH).bind(id.0)).await.map(drop)
    }

    pub(crate) async fn has_author_names(self) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(HAS_NAMES).fetch_one(self.0).await?)
    }

    pub(crate) async fn erase_author_names(self) -> Result<u64, StoreError> {
        self.execute(sqlx::query(ERASE_NAMES)).await
    }
}
