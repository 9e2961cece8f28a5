//! What operators and Telegram have paused.

use stenobot_domain::{ChatId, Timestamp};

use super::Statements;
use crate::StoreError;
use crate::service::ServiceMode;

const MODE: &str = "SELECT mode FROM service";

const SET_MODE: &str = "INSERT INTO service (only_row, mode, since) VALUES (1, $1, $2) \
     ON CONFLICT (only_row) DO UPDATE SET mode = excluded.mode, since = excluded.since";

/// A pause is never made shorter.
const RECORD_PAUSE: &str = "INSERT INTO telegram_pauses (chat_id, paused_until) VALUES ($1, $2) \
     ON CONFLICT (chat_id) DO UPDATE SET paused_until = excluded.paused_until \
     WHERE telegram_pauses.paused_until < excluded.paused_until";

const PAUSES: &str = "SELECT chat_id, paused_until FROM telegram_pauses WHERE paused_until > $1";

const DROP_PAUSES: &str = "DELETE FROM telegram_pauses WHERE paused_until <= $1";

impl Statements<'_> {
    pub(crate) async fn service_mode(self) -> Result<ServiceMode, StoreError> {
        let mode: Option<String> = sqlx::query_scalar(MODE).fetch_optional(self.0).await?;
        Ok(mode.and_then(|mode| ServiceMode::parse(&mode)).unwrap_or_default())
    }

    pub(crate) async fn set_service_mode(self, mode: ServiceMode, now: Timestamp) -> Result<(), StoreError> {
        self.execute(sqlx::query(SET_MODE).bind(mode.as_str()).bind(now.0)).await.map(drop)
    }

    pub(crate) async fn record_pause(self, chat: ChatId, until: Timestamp) -> Result<(), StoreError> {
        self.execute(sqlx::query(RECORD_PAUSE).bind(chat.0).bind(until.0)).await.map(drop)
    }

    pub(crate) async fn pauses_after(self, now: Timestamp) -> Result<Vec<(ChatId, Timestamp)>, StoreError> {
        let pauses: Vec<(i64, i64)> = sqlx::query_as(PAUSES).bind(now.0).fetch_all(self.0).await?;
        Ok(pauses.into_iter().map(|(chat, until)| (ChatId(chat), Timestamp(until))).collect())
    }

    pub(crate) async fn drop_pauses_until(self, now: Timestamp) -> Result<(), StoreError> {
        self.execute(sqlx::query(DROP_PAUSES).bind(now.0)).await.map(drop)
    }
}
