//! Withdrawing requests.

use stenobot_domain::{CancelledBy, ChatId, RequestId, StageName, UserId};

use super::actor::{Actor, Right};
use super::crash::{self, Side};
use super::{Queue, StoreError, ids, sql};

/// Outcome of a wish to end a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum CancelOutcome {
    /// It waited and has ended; its notice is due. What was joined to it is heard by itself.
    Now {
        /// The stage that it was in.
        from: StageName,
    },
    /// Somebody works on it: they must be stopped, and they end it.
    Running,
    /// It had ended before.
    Over,
    /// It is another user's.
    NotYours,
    /// It was made in the name of a chat: only the group's admins may cancel it.
    AdminsOnly,
    /// There is no such request.
    Unknown,
}

impl Queue {
    /// Ends a request that this actor may cancel and that nobody works on. One whose lease ran out is not worked on.
    pub async fn cancel(&self, id: RequestId, by: impl Into<Actor>) -> Result<CancelOutcome, StoreError> {
        self.withdraw(id, Some(by.into())).await
    }

    /// Ends a request that nobody works on, in the name of whoever runs this bot.
    pub async fn cancel_waiting_by_operator(&self, id: RequestId) -> Result<CancelOutcome, StoreError> {
        self.withdraw(id, None).await
    }

    /// Ends all of this person's requests that nobody works on, and tells which are worked on.
    pub async fn cancel_all(&self, by: UserId) -> Result<Vec<(RequestId, CancelOutcome)>, StoreError> {
        let mut outcomes = Vec::new();
        for id in ids(sqlx::query_scalar(sql::UNDER_WAY_OF).bind(by.0).fetch_all(&self.0.reader).await?) {
            outcomes.push((id, self.cancel(id, by).await?));
        }
        Ok(outcomes)
    }

    /// Ends all requests of a group that are not worked on, in the name of the operator, and tells which are worked on.
    pub async fn cancel_all_in(&self, group: ChatId) -> Result<Vec<(RequestId, CancelOutcome)>, StoreError> {
        let mut outcomes = Vec::new();
        for id in ids(sqlx::query_scalar(sql::UNDER_WAY_IN).bind(group.0).fetch_all(&self.0.reader).await?) {
            outcomes.push((id, self.cancel_waiting_by_operator(id).await?));
        }
        Ok(outcomes)
    }

    async fn withdraw(&self, id: RequestId, by: Option<Actor>) -> Result<CancelOutcome, StoreError> {
        let now = self.0.clock.now();
        let mut tx = self.0.writer.begin_with("BEGIN IMMEDIATE").await?;
        let row: Option<Standing> = sqlx::query_as(sql::STANDING).bind(id.0).fetch_optional(&mut *tx).await?;
        let Some((stage, owner, lease_until, chat, person)) = row else { return Ok(CancelOutcome::Unknown) };
        match by.map(|actor| actor.right(UserId(person), ChatId(chat))) {
            Some(Right::Denied) => return Ok(CancelOutcome::NotYours),
            Some(Right::AdminsOnly) => return Ok(CancelOutcome::AdminsOnly),
            Some(Right::Granted) | None => {}
        }
        let from = StageName::parse(&stage).ok_or_else(|| StoreError::Broken(format!("unknown stage {stage}")))?;
        if from.is_terminal() {
            return Ok(CancelOutcome::Over);
        }
        if owner.is_some() && lease_until.is_some_and(|until| until >= now.0) {
            return Ok(CancelOutcome::Running);
        }
        let reason = if by.is_some() { CancelledBy::Sender } else { CancelledBy::Operator };
        sqlx::query(sql::CANCEL).bind(id.0).bind(now.0).bind(reason.as_str()).execute(&mut *tx).await?;
        crash::point(Side::Before, "cancel");
        tx.commit().await?;
        crash::point(Side::After, "cancel");
        self.0.changed();
        Ok(CancelOutcome::Now { from })
    }
}

/// Stage, owner, end of the lease, chat, Telegram's id of the person.
type Standing = (String, Option<String>, Option<i64>, i64, i64);
