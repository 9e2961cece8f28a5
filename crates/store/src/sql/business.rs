//! Connections to users' own accounts.

use sqlx::Row;
use stenobot_domain::{ChatId, Timestamp, UserId};

use super::{DbRow, Statements};
use crate::{BusinessConnection, StoreError};

const CONNECTION: &str =
    "SELECT connection_id, telegram_id, chat_id, locale, is_enabled FROM business_connections WHERE connection_id = $1";

/// Telegram does not tell the language each time.
const RECORD: &str = "INSERT INTO business_connections (connection_id, telegram_id, chat_id, locale, is_enabled, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (connection_id) DO UPDATE SET telegram_id = excluded.telegram_id, \
     chat_id = excluded.chat_id, locale = coalesce(excluded.locale, business_connections.locale), \
     is_enabled = excluded.is_enabled, updated_at = excluded.updated_at";

const IS_REFUSED: &str = "SELECT EXISTS (SELECT 1 FROM business_connections WHERE connection_id = $1 AND is_refused)";

const REFUSE: &str = "UPDATE business_connections SET is_refused = TRUE WHERE connection_id = $1 AND NOT is_refused";

const IS_CONNECTED: &str = "SELECT EXISTS (SELECT 1 FROM business_connections WHERE telegram_id = $1 AND is_enabled)";

const DELETE_OF: &str = "DELETE FROM business_connections WHERE telegram_id = $1";

impl Statements<'_> {
    pub(crate) async fn business_connection(self, id: &str) -> Result<Option<BusinessConnection>, StoreError> {
        Ok(sqlx::query_as(CONNECTION).bind(id).fetch_optional(self.0).await?)
    }

    pub(crate) async fn record_business_connection(
        self,
        connection: &BusinessConnection,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let record = sqlx::query(RECORD)
            .bind(&connection.id)
            .bind(connection.user.0)
            .bind(connection.chat.0)
            .bind(&connection.locale)
            .bind(connection.is_enabled)
            .bind(now.0);
        self.execute(record).await.map(drop)
    }

    pub(crate) async fn has_refused_business_connection(self, id: &str) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(IS_REFUSED).bind(id).fetch_one(self.0).await?)
    }

    pub(crate) async fn refuse_business_connection(self, id: &str) -> Result<bool, StoreError> {
        Ok(self.execute(sqlx::query(REFUSE).bind(id)).await? > 0)
    }

    pub(crate) async fn has_business_connection(self, user: UserId) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(IS_CONNECTED).bind(user.0).fetch_one(self.0).await?)
    }

    pub(crate) async fn delete_business_connections_of(self, user: UserId) -> Result<(), StoreError> {
        self.execute(sqlx::query(DELETE_OF).bind(user.0)).await.map(drop)
    }
}

impl sqlx::FromRow<'_, DbRow> for BusinessConnection {
    fn from_row(row: &DbRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("connection_id")?,
            user: UserId(row.try_get("telegram_id")?),
            chat: ChatId(row.try_get("chat_id")?),
            locale: row.try_get("locale")?,
            is_enabled: row.try_get("is_enabled")?,
        })
    }
}
