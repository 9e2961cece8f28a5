//! Invitations, and the users who came by one.

use sqlx::Row;
use stenobot_domain::{Timestamp, UserId};

use super::{Statements, count};
use crate::StoreError;
use crate::users::Ban;

const RANDOM: &str = concat!("SELECT ", random_key!());

const ADD: &str = "INSERT INTO invitations (secret_hash, expires_at) VALUES ($1, $2)";

const DROP_EXPIRED: &str = "DELETE FROM invitations WHERE expires_at <= $1";

/// Of two who open a link at once, the second finds no row.
const TAKE: &str = "DELETE FROM invitations WHERE secret_hash = $1";

const ADD_INVITED: &str = "INSERT INTO invited_users (telegram_id, since) VALUES ($1, $2) ON CONFLICT DO NOTHING";

const INVITED_SINCE: &str = "SELECT since FROM invited_users WHERE telegram_id = $1";

const NEWEST: &str = "SELECT invited_users.telegram_id, since, username, first_name, last_name FROM invited_users \
     LEFT JOIN users ON users.telegram_id = invited_users.telegram_id \
     ORDER BY since DESC, invited_users.telegram_id LIMIT $1";

const COUNT: &str = "SELECT count(*) FROM invited_users";

const REMOVE: &str = "DELETE FROM invited_users WHERE telegram_id = $1";

impl Statements<'_> {
    /// 32 random bytes.
    pub(crate) async fn invitation_key(self) -> Result<Vec<u8>, StoreError> {
        Ok(sqlx::query_scalar(RANDOM).fetch_one(self.0).await?)
    }

    pub(crate) async fn add_invitation(self, hash: &[u8], expires_at: Timestamp) -> Result<(), StoreError> {
        self.execute(sqlx::query(ADD).bind(hash).bind(expires_at.0)).await.map(drop)
    }

    pub(crate) async fn drop_expired_invitations(self, now: Timestamp) -> Result<(), StoreError> {
        self.execute(sqlx::query(DROP_EXPIRED).bind(now.0)).await.map(drop)
    }

    /// False where there is none.
    pub(crate) async fn take_invitation(self, hash: &[u8]) -> Result<bool, StoreError> {
        Ok(self.execute(sqlx::query(TAKE).bind(hash)).await? > 0)
    }

    pub(crate) async fn add_invited(self, user: UserId, now: Timestamp) -> Result<(), StoreError> {
        self.execute(sqlx::query(ADD_INVITED).bind(user.0).bind(now.0)).await.map(drop)
    }

    pub(crate) async fn invited_since(self, user: UserId) -> Result<Option<Timestamp>, StoreError> {
        let since: Option<i64> = sqlx::query_scalar(INVITED_SINCE).bind(user.0).fetch_optional(self.0).await?;
        Ok(since.map(Timestamp))
    }

    pub(crate) async fn newest_invited(self, limit: u32) -> Result<Vec<Ban>, StoreError> {
        let rows = sqlx::query(NEWEST).bind(i64::from(limit)).fetch_all(self.0).await?;
        let mut invited = Vec::new();
        for row in rows {
            invited.push(Ban {
                id: row.try_get("telegram_id")?,
                since: Timestamp(row.try_get("since")?),
                username: row.try_get("username")?,
                first_name: row.try_get("first_name")?,
                last_name: row.try_get("last_name")?,
            });
        }
        Ok(invited)
    }

    pub(crate) async fn count_invited(self) -> Result<u32, StoreError> {
        Ok(count(sqlx::query_scalar(COUNT).fetch_one(self.0).await?))
    }

    /// False when the user was not among them.
    pub(crate) async fn remove_invited(self, user: UserId) -> Result<bool, StoreError> {
        Ok(self.execute(sqlx::query(REMOVE).bind(user.0)).await? > 0)
    }
}
