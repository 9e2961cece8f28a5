//! Calls of the bot as a guest.

use stenobot_domain::{GuestCall, GuestQueryId, InlineMessageId, RequestId, UserId};

use super::Statements;
use crate::StoreError;
use crate::queue::guests::GuestRequest;

pub(in super::super) const REQUEST: &str = concat!(
    "SELECT ",
    telegram_id!(),
    ", guest_query, inline_message_id, answered <> 0 AS is_closed FROM usage WHERE id = $1 AND guest_query IS NOT NULL"
);

/// A message is of one request only, and a request has one only.
pub(in super::super) const RECORD: &str = "UPDATE usage SET inline_message_id = $2 WHERE id = $1 AND guest_query IS NOT NULL \
     AND inline_message_id IS NULL AND NOT EXISTS (SELECT 1 FROM usage AS other WHERE other.inline_message_id = $2)";

impl Statements<'_> {
    /// `None` of an unknown request, of one that is no call, and of an erased user's.
    pub(crate) async fn guest_request(self, id: RequestId) -> Result<Option<GuestRequest>, StoreError> {
        type Row = (Option<i64>, String, Option<String>, bool);
        let row: Option<Row> = sqlx::query_as(REQUEST).bind(id.0).fetch_optional(self.0).await?;
        let Some((Some(owner), query, message, is_closed)) = row else { return Ok(None) };
        let call = GuestCall { query: GuestQueryId(query), message: message.map(InlineMessageId) };
        Ok(Some(GuestRequest { owner: UserId(owner), call, is_closed }))
    }

    /// Whether it was recorded.
    pub(crate) async fn record_guest_message(
        self,
        id: RequestId,
        message: &InlineMessageId,
    ) -> Result<bool, StoreError> {
        Ok(self.execute(sqlx::query(RECORD).bind(id.0).bind(&message.0)).await? == 1)
    }
}
