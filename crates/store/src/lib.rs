//! The store: every request is a durable row from its admission to its end. The only module that knows SQL.
//!
//! A request's row is *claimed* before anybody works on it: the claim sets an owner and a lease and counts an
//! attempt, which is a fencing token and says nothing of blame. Every later write is *fenced* by stage, owner and attempt, and must change exactly one row; a worker
//! whose lease ran out and whose row somebody else took therefore writes nothing.

mod actor;
mod admit;
mod adopt;
pub mod backup;
mod bot;
mod cancel;
mod clock;
mod crash;
mod database;
mod day;
mod error;
mod fair;
mod foreign;
mod forget;
mod inspect;
mod legacy;
mod log;
mod moves;
mod notices;
mod open;
mod people;
mod retention;
mod rows;
mod sql;
pub mod statistics;

use std::time::Duration;

use tokio::sync::watch;

pub use actor::{Actor, ButtonPermission};
pub use admit::{Admission, Capacity, IdempotencyKey, IncomingAudio, Sender};
pub use bot::Adopted;
pub use cancel::CancelOutcome;
pub use error::StoreError;
pub use fair::{Past, Turn, Waiting};
pub use forget::Forgotten;
pub use legacy::{ImportError, Imported};
pub use open::write_ahead_log;
pub use people::{ChatSettings, MyData, Standing};
pub use retention::{AudioLookup, DueAudio, KeptAudio};
pub(crate) use rows::Snapshot;
pub use rows::{Facts, Fence, Notice, RequestRow, Running, Settlement, WorkSource};

use stenobot_domain::{ChatId, Clock, MessageId, RequestId, StageName, Timestamp, UserId};

use self::crash::Side;
use self::database::Database;

/// How long a claim holds without being renewed.
pub const LEASE: Duration = Duration::from_secs(60);

/// The longest pause before another attempt, [`Queue::release`].
pub const MAX_BACKOFF: Duration = Duration::from_secs(300);

/// Whom claims of transcriptions pass over: Telegram has not taken the texts that wait for them yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimExclusions {
    /// Chats.
    pub chats: Vec<ChatId>,
    /// Whoever sent the recordings.
    pub people: Vec<UserId>,
}

impl ClaimExclusions {
    fn chat_list(&self) -> String {
        list(self.chats.iter().map(|chat| chat.0))
    }

    fn people_list(&self) -> String {
        list(self.people.iter().map(|user| user.0))
    }
}

/// Everything durable, by subject. Cheap to clone; clones share the connections.
#[derive(Debug, Clone)]
pub struct Store {
    /// Requests on their way from admission to their answer.
    pub queue: Queue,
    /// Users and chats: who they are, what they have set, bans.
    pub users: Users,
    /// Recordings that are kept on the disk.
    pub audio: Audio,
    /// Counts and times for gauges and reports.
    pub statistics: Statistics,
    database: Database,
}

/// Requests on their way from admission to their answer.
#[derive(Debug, Clone)]
pub struct Queue(Database);

/// Users and chats: who they are, what they have set, bans.
#[derive(Debug, Clone)]
pub struct Users(Database);

/// Recordings that are kept on the disk.
#[derive(Debug, Clone)]
pub struct Audio(Database);

/// Counts and times for gauges and reports.
#[derive(Debug, Clone)]
pub struct Statistics(Database);

impl Store {
    fn over(database: Database) -> Self {
        Self {
            queue: Queue(database.clone()),
            users: Users(database.clone()),
            audio: Audio(database.clone()),
            statistics: Statistics(database.clone()),
            database,
        }
    }

    /// A receiver that is notified after each write. Subscribe before you query, and no change is missed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.database.changes.subscribe()
    }

    /// The clock by which leases are measured.
    pub fn clock(&self) -> &Clock {
        &self.database.clock
    }

    /// Closes all connections, after writing the log back into the database file.
    pub async fn close(self) {
        self.database.reader.close().await;
        self.database.writer.close().await;
    }
}

impl Queue {
    // === Claims ===

    /// Takes the row of this kind of work whose turn it is, counting an attempt; `None` when there is none. The engine
    /// serves people in turns, see [`fair_order`]; downloads go to whoever has the fewest under way.
    pub async fn claim(&self, source: WorkSource, owner: &str) -> Result<Option<RequestRow>, StoreError> {
        self.claim_excluding(source, owner, &ClaimExclusions::default()).await
    }

    /// The same; a transcription is not claimed for those who are busy.
    pub async fn claim_excluding(
        &self,
        source: WorkSource,
        owner: &str,
        busy: &ClaimExclusions,
    ) -> Result<Option<RequestRow>, StoreError> {
        let now = self.0.clock.now();
        let until = now.after(LEASE).0;
        let (claim, write) = match source {
            WorkSource::Downloads => {
                (sqlx::query_as(sql::CLAIM_DOWNLOAD).bind(owner).bind(until).bind(now.0), "claim of a download")
            }
            WorkSource::Transcriptions => {
                let claim = sqlx::query_as(sql::CLAIM_TRANSCRIPTION).bind(owner).bind(until).bind(now.0);
                (claim.bind(busy.chat_list()).bind(busy.people_list()), "claim of a transcription")
            }
        };
        let row = claim.fetch_optional(&self.0.writer).await?;
        if row.is_some() {
            crash::point(Side::After, write);
            self.0.changed();
        }
        Ok(row)
    }

    /// Takes one request that is joined to `to`, straight into `Transcribing`, since `to` has just been heard; `None`
    /// when no more are. If its text never comes, it is claimed for a download of its own once `to` has ended.
    pub async fn claim_coalesced(&self, to: RequestId, owner: &str) -> Result<Option<RequestRow>, StoreError> {
        let now = self.0.clock.now();
        let row = sqlx::query_as(sql::CLAIM_JOINED)
            .bind(owner)
            .bind(now.after(LEASE).0)
            .bind(now.0)
            .bind(to.0)
            .fetch_optional(&self.0.writer)
            .await?;
        if row.is_some() {
            crash::point(Side::After, "claim of a joined one");
            self.0.changed();
        }
        Ok(row)
    }

    /// Prolongs the lease of a claimed row.
    pub async fn renew(&self, fence: &Fence) -> Result<(), StoreError> {
        let until = self.0.clock.now().after(LEASE).0;
        self.fenced("renewal", fence, sqlx::query(sql::RENEW).bind(until)).await
    }

    /// Frees every row that another owner holds. Only for a process that knows itself alone on this store.
    pub async fn expire_other_leases(&self, owner: &str) -> Result<u64, StoreError> {
        let freed = sqlx::query(sql::FREE_OTHERS).bind(owner).execute(&self.0.writer).await?.rows_affected();
        self.0.changed();
        Ok(freed)
    }

    // === Fenced writes ===

    /// Moves a claimed row to its next stage, with the facts learned on the way, and renews the lease where that one is
    /// held too.
    pub async fn advance(&self, fence: &Fence, to: StageName, facts: &Facts) -> Result<(), StoreError> {
        self.advance_within_day(fence, to, facts, None).await.map(|_within| ())
    }

    /// The same, unless the length among the facts takes the user over `per_day`, the audio of one day: then nothing is
    /// written, and this gives false. Looks and writes in one transaction, so that of two requests under way one at
    /// most takes what is left.
    pub async fn advance_within_day(
        &self,
        fence: &Fence,
        to: StageName,
        facts: &Facts,
        per_day: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let now = self.0.clock.now();
        crash::point(Side::Before, to.as_str());
        let mut tx = self.0.writer.begin_with("BEGIN IMMEDIATE").await?;
        let moved = sqlx::query(sql::ADVANCE)
            .bind(to.as_str())
            .bind(now.0)
            .bind(facts.length.map(|length| length.as_secs_f64()))
            .bind(&facts.model)
            .bind(facts.processing.map(|took| took.as_secs_f64()))
            .bind(facts.transcription_length)
            .bind(&facts.language)
            .bind(facts.audio_until.map(|until| until.0))
            .bind(fence.id.0)
            .bind(fence.stage.as_str())
            .bind(&fence.owner)
            .bind(fence.attempt)
            .bind(now.after(LEASE).0)
            .execute(&mut *tx)
            .await?;
        exactly_one(fence, moved.rows_affected())?;
        if let Some(limit) = per_day
            && day::is_over(&mut tx, fence.id, limit, now).await?
        {
            tx.rollback().await?;
            return Ok(false);
        }
        if to == StageName::Done {
            sqlx::query(sql::ADD_TO_TOTALS).bind(fence.id.0).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        crash::point(Side::After, to.as_str());
        self.0.changed();
        Ok(true)
    }

    /// Ends a claimed row other than by delivery. Unless `settlement` says that its sender needs no answer, a
    /// [`Notice`] can be claimed afterwards.
    pub async fn settle(&self, fence: &Fence, settlement: Settlement) -> Result<(), StoreError> {
        self.settle_naming(fence, settlement, None).await
    }

    /// The same, with the name of the codec that the user is told.
    pub async fn settle_naming(
        &self,
        fence: &Fence,
        settlement: Settlement,
        codec: Option<&str>,
    ) -> Result<(), StoreError> {
        let (stage, reason, failed_stage) = match settlement {
            Settlement::Rejected(reason) => (StageName::Rejected, reason.as_str(), None),
            Settlement::Failed(reason) => (StageName::Failed, reason.as_str(), Some(fence.stage.as_str())),
            Settlement::Cancelled(by) => (StageName::Cancelled, by.as_str(), None),
        };
        self.fenced(
            "settlement",
            fence,
            sqlx::query(sql::SETTLE)
                .bind(stage.as_str())
                .bind(self.0.clock.now().0)
                .bind(reason)
                .bind(failed_stage)
                .bind(settlement.needs_answer())
                .bind(codec),
        )
        .await
    }

    /// Gives a claimed row back, to be claimed again from `not_before` on, [`MAX_BACKOFF`] from now at most. With
    /// `failed` false the request is not to blame, and no failure is counted.
    pub async fn release(&self, fence: &Fence, not_before: Timestamp, failed: bool) -> Result<(), StoreError> {
        self.fenced(
            "release",
            fence,
            sqlx::query(sql::RELEASE)
                .bind(rows::released(fence.stage).as_str())
                .bind(not_before.0)
                .bind(i64::from(failed)),
        )
        .await
    }

    /// Remembers the message in `chat` that shows the request's state, so that a later attempt edits the same one; not
    /// if the chat has moved meanwhile. Renews the lease.
    pub async fn set_status_message(&self, fence: &Fence, chat: ChatId, message: MessageId) -> Result<(), StoreError> {
        let until = self.0.clock.now().after(LEASE).0;
        let set = sqlx::query(sql::SET_STATUS_MESSAGE).bind(message.0).bind(until).bind(chat.0);
        self.fenced("status message", fence, set).await
    }

    /// Remembers the message in `chat` that is about to hold the next part of a long answer; not if the chat has moved
    /// meanwhile. Renews the lease.
    pub async fn set_part_message(&self, fence: &Fence, chat: ChatId, message: MessageId) -> Result<(), StoreError> {
        let until = self.0.clock.now().after(LEASE).0;
        let set = sqlx::query(sql::SET_PART_MESSAGE).bind(message.0).bind(until).bind(chat.0);
        self.fenced("part message", fence, set).await
    }

    /// Remembers how many messages of a long answer have been sent. Renews the lease.
    pub async fn set_parts_delivered(&self, fence: &Fence, parts: u32) -> Result<(), StoreError> {
        let until = self.0.clock.now().after(LEASE).0;
        self.fenced("part", fence, sqlx::query(sql::SET_PARTS_DELIVERED).bind(parts).bind(until)).await
    }

    /// Runs a statement whose last four parameters are the fence.
    async fn fenced(&self, write: &str, fence: &Fence, query: SqliteQuery<'_>) -> Result<(), StoreError> {
        crash::point(Side::Before, write);
        let done = query
            .bind(fence.id.0)
            .bind(fence.stage.as_str())
            .bind(&fence.owner)
            .bind(fence.attempt)
            .execute(&self.0.writer)
            .await?;
        exactly_one(fence, done.rows_affected())?;
        crash::point(Side::After, write);
        self.0.changed();
        Ok(())
    }

    /// Remembers the message in `chat` that shows where a joined request stands. False when the request is held now, or
    /// the chat has moved.
    pub async fn set_coalesced_status_message(
        &self,
        id: RequestId,
        chat: ChatId,
        message: MessageId,
    ) -> Result<bool, StoreError> {
        let greet = sqlx::query(sql::GREET_JOINED).bind(id.0).bind(message.0).bind(chat.0);
        let done = greet.execute(&self.0.writer).await?;
        self.0.changed();
        Ok(done.rows_affected() == 1)
    }

    // === Questions ===

    /// The requests that the engine works on.
    pub async fn running(&self) -> Result<Vec<Running>, StoreError> {
        Ok(sqlx::query_as(sql::RUNNING).fetch_all(&self.0.reader).await?)
    }

    /// Requests that hold a place in the queue.
    pub async fn depth(&self) -> Result<u32, StoreError> {
        Ok(sqlx::query_scalar(sql::COUNT_WAITING).fetch_one(&self.0.reader).await?)
    }

    /// The same without those of chats and people that claims pass over.
    pub async fn depth_excluding(&self, busy: &ClaimExclusions) -> Result<u32, StoreError> {
        let count = sqlx::query_scalar(sql::COUNT_WAITING_BESIDE).bind(busy.chat_list()).bind(busy.people_list());
        Ok(count.fetch_one(&self.0.reader).await?)
    }
}

impl Statistics {
    /// Counts for the gauges.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let counts: Vec<(String, i64)> = sqlx::query_as(sql::COUNTS).fetch_all(&self.0.reader).await?;
        let (oldest, audio): (Option<i64>, f64) = sqlx::query_as(sql::BACKLOG).fetch_one(&self.0.reader).await?;
        let mut snapshot = Snapshot { oldest: oldest.map(Timestamp), audio: seconds(audio), ..Snapshot::default() };
        for (stage, count) in counts {
            if let Some(stage) = StageName::parse(&stage) {
                snapshot.counts.push((stage, count));
            }
        }
        Ok(snapshot)
    }

    /// Processing time over audio time of the last finished requests with this model; `None` without any.
    pub async fn recent_real_time_factor(&self, model: &str) -> Result<Option<f64>, StoreError> {
        Ok(sqlx::query_scalar(sql::RECENT_RTF).bind(model).fetch_one(&self.0.reader).await?)
    }
}

impl Audio {
    /// Ids of the requests whose audio files must be kept: those under way, and those that may be heard again.
    pub async fn under_way(&self) -> Result<Vec<RequestId>, StoreError> {
        Ok(ids(sqlx::query_scalar(sql::UNDER_WAY).fetch_all(&self.0.reader).await?))
    }
}

type SqliteQuery<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn exactly_one(fence: &Fence, rows: u64) -> Result<(), StoreError> {
    if rows == 1 { Ok(()) } else { Err(StoreError::LeaseLost { id: fence.id, stage: fence.stage }) }
}

/// Numbers as a parameter for `json_each`.
fn list(numbers: impl Iterator<Item = i64>) -> String {
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    format!("[{}]", numbers.join(","))
}

fn ids(stored: Vec<i64>) -> Vec<RequestId> {
    stored.into_iter().map(RequestId).collect()
}

/// A stored number of seconds; rubbish becomes zero.
fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
}
