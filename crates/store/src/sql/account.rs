//! The account of the store.

use stenobot_domain::{Timestamp, UserId};

use super::{DbConnection, Statements};
use crate::StoreError;

const CLAIM: &str = "INSERT INTO bot (only_row, telegram_id, since) VALUES (1, $1, $2) ON CONFLICT DO NOTHING";

const SET: &str = "INSERT INTO bot (only_row, telegram_id, since) VALUES (1, $1, $2) \
     ON CONFLICT (only_row) DO UPDATE SET telegram_id = excluded.telegram_id, since = excluded.since";

/// Ends every request that has not ended or has a notice due, without a notice.
pub(in super::super) const DROP_OPEN: &str = "UPDATE usage SET stage = 'cancelled', reason = 'operator', answered = 1, \
     owner = NULL, lease_until = NULL, attempt = 0 WHERE answered = 0";

impl Statements<'_> {
    /// Sets the account unless there is one.
    pub(crate) async fn claim_account(self, bot: UserId, now: Timestamp) -> Result<(), StoreError> {
        self.execute(sqlx::query(CLAIM).bind(bot.0).bind(now.0)).await.map(drop)
    }

    pub(crate) async fn set_account(self, bot: UserId, now: Timestamp) -> Result<(), StoreError> {
        self.execute(sqlx::query(SET).bind(bot.0).bind(now.0)).await.map(drop)
    }

    pub(crate) async fn account(self) -> Result<Option<UserId>, StoreError> {
        account(self.0).await
    }

    pub(crate) async fn drop_open_requests(self) -> Result<u64, StoreError> {
        self.execute(sqlx::query(DROP_OPEN)).await
    }
}

/// `None` before an account has worked on the store.
pub(in super::super) async fn account(connection: &mut DbConnection) -> Result<Option<UserId>, StoreError> {
    let id: Option<i64> = sqlx::query_scalar("SELECT telegram_id FROM bot").fetch_optional(connection).await?;
    Ok(id.map(UserId))
}
