//! Admission, and queries of the queue.

use std::ops::Range;

use stenobot_domain::{ChatId, MessageId, Origin, PersonName, RequestId, StageName, ThreadId, Timestamp, UserId};

use super::{Statements, claims, count, rows};
use crate::queue::actor::RequestLocation;
use crate::queue::admission::NewRequest;
use crate::queue::comments::CommentPlace;
use crate::queue::order::Place;
use crate::{ClaimExclusions, IdempotencyKey, IncomingAudio, RequestStatus, Running, StoreError, Waiting};

pub(in super::super) const COUNT_WAITING: &str = concat!("SELECT count(*)", from_waiting!());

/// Unlike the count of all, this one reads the rows.
pub(in super::super) const COUNT_NOT_EXCLUDED: &str =
    concat!("SELECT count(*)", from_waiting!(), " AND ", is_not_excluded!("$1", "$2"));

pub(in super::super) const COUNT_WAITING_IN: &str = concat!(
    "SELECT count(*) FROM usage WHERE answered = 0 AND stage IN ",
    waiting_stages!(),
    " AND ",
    chat_now!("usage.chat_id"),
    " = $1"
);

/// Also the texts that Telegram does not take for now: a user gets no more of them made by having them wait.
pub(in super::super) const COUNT_WAITING_OF: &str = concat!(
    "SELECT count(*) FROM usage",
    indexed_by!("ix_usage_open_user"),
    " WHERE answered = 0 AND (stage IN ",
    waiting_stages!(),
    " OR stage = 'transcribed') AND user_id = $1"
);

/// A request that waits for the same file in the same language and form.
pub(in super::super) const SAME_AUDIO: &str = concat!(
    "SELECT id FROM usage",
    indexed_by!("ix_usage_open_audio"),
    " WHERE answered = 0 AND stage IN ",
    waiting_stages!(),
    " AND joined_to IS NULL AND file_unique_id = $1 AND speech_language IS NOT DISTINCT FROM $2 \
     AND speech_languages IS NOT DISTINCT FROM $4 AND form = $3 ORDER BY id LIMIT 1"
);

/// Gives nothing when the idempotency key is known. A message of a group that became a supergroup cannot be replied to
/// there. The turn is one more than that of the request that was started last, and than the sender's newest that waits: see
/// `queue/order.rs`.
pub(in super::super) const INSERT_REQUEST: &str = concat!(
    "INSERT INTO usage (user_id, chat_id, message_id, callback_id, reply_to_message_id, thread_id, source, parent_id, \
     form, speech_language, joined_to, voice_file_id, file_unique_id, claimed_duration_seconds, locale, \
     stage, reason, answered, received_at, business_key, author_name, sent_at, display, direct_topic_id, speech_languages, guest_query, finished_at, priority, \
     turn, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, CASE WHEN EXISTS (SELECT 1 FROM moved_chats WHERE from_chat_id = $2) THEN NULL ELSE $5 END, \
     $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 0, $18, $19, $20, $21, $22, $23, $24, $25, \
     CASE $16 WHEN 'rejected' THEN $18 END, \
     coalesce((SELECT original.priority FROM usage AS original WHERE original.id = $11), 1), \
     coalesce((SELECT original.turn FROM usage AS original WHERE original.id = $11), \
     1 + ",
    greatest!(),
    "((SELECT turn FROM current_turn), coalesce((SELECT max(own.turn) FROM usage AS own",
    indexed_by!("ix_usage_open_user"),
    " WHERE own.answered = 0 AND own.user_id = $1 AND own.joined_to IS NULL AND own.stage IN ",
    waiting_stages!(),
    "), 0))), ",
    time!("$18"),
    ", ",
    time!("$18"),
    ") ON CONFLICT DO NOTHING RETURNING id"
);

/// A message that may hold an answer already shows no state.
macro_rules! waiting_columns {
    () => {
        concat!(
            "SELECT id, ",
            chat_id!(),
            ", CASE WHEN transcription_length IS NULL THEN status_message_id END AS status_message_id, \
             locale, stage, voice_duration_seconds, claimed_duration_seconds, received_at, ",
            origin_columns!(),
            ", CASE WHEN ",
            waits_for_another!(),
            " THEN joined_to END AS joined_to, ",
            telegram_id!()
        )
    };
}

/// In fair order.
pub(in super::super) const WAITING: &str = concat!(waiting_columns!(), from_waiting!(), fair_order!());

/// The head of that list. The limits are numbers, not parameters: PostgreSQL would plan for a tenth of all rows.
pub(in super::super) const HEAD: &str = concat!(waiting_columns!(), from_waiting!(), fair_order!(), " LIMIT 100");

/// A page behind a place, along the index.
pub(in super::super) const PAGE: &str = concat!(
    waiting_columns!(),
    from_waiting!(),
    " AND (priority, turn, coalesce(joined_to, id), id) > ($1, $2, $3, $4)",
    fair_order!(),
    " LIMIT 500"
);

const PLACE_OF: &str = "SELECT id, priority, turn, coalesce(joined_to, id) FROM usage WHERE id = $1";

/// Whether `$2` holds the request, or no worker does while it waits.
pub(in super::super) const SHOWS_STATE: &str = concat!(
    "SELECT EXISTS (SELECT 1 FROM usage WHERE id = $1 AND answered = 0 AND (owner = $2 OR (owner IS NULL AND stage IN ",
    waiting_stages!(),
    ")))"
);

/// Places of one user's requests, in fair order.
pub(in super::super) const PLACES_OF: &str = concat!(
    "SELECT id, priority, turn, coalesce(joined_to, id) FROM usage",
    indexed_by!("ix_usage_open_user"),
    " WHERE answered = 0 AND stage IN ",
    waiting_stages!(),
    " AND user_id = (SELECT id FROM users WHERE telegram_id = $1)",
    fair_order!()
);

pub(in super::super) const COUNT_BEFORE_PRIORITY: &str =
    concat!("SELECT count(*)", from_waiting!(), " AND priority < $1");

/// Of the turns from `$2` on, `$3` excluded.
pub(in super::super) const COUNT_TURNS: &str =
    concat!("SELECT count(*)", from_waiting!(), " AND priority = $1 AND turn >= $2 AND turn < $3");

/// Before the request `$4`, which is transcribed with the request `$3`.
pub(in super::super) const COUNT_WITHIN_TURN: &str = concat!(
    "SELECT (SELECT count(*)",
    from_waiting!(),
    " AND priority = $1 AND turn = $2 AND coalesce(joined_to, id) < $3) + (SELECT count(*)",
    from_waiting!(),
    " AND priority = $1 AND turn = $2 AND coalesce(joined_to, id) = $3 AND id < $4)"
);

pub(in super::super) const RUNNING: &str = "SELECT voice_duration_seconds, claimed_duration_seconds, \
     coalesce(started_at, 0) AS started_at FROM usage WHERE answered = 0 AND stage = 'transcribing' AND joined_to IS NULL";

pub(in super::super) const STATUSES_OF: &str = concat!(
    "SELECT id, ",
    chat_id!(),
    ", stage, received_at, voice_duration_seconds, claimed_duration_seconds \
     FROM usage",
    indexed_by!("ix_usage_open_user"),
    " WHERE answered = 0 AND stage IN ",
    open_stages!(),
    " AND user_id = (SELECT id FROM users WHERE telegram_id = $1) ORDER BY id"
);

/// Owner of a request, and the message under which its buttons are: in the chat in which it was made, or in the supergroup
/// that this one became.
pub(in super::super) const LOCATION: &str = concat!(
    "SELECT ",
    telegram_id!(),
    ", ",
    chat_id!(),
    ", usage.chat_id AS first_chat_id, status_message_id FROM usage WHERE id = $1"
);

const SET_COMMENT_PLACE: &str = "UPDATE usage SET comment_chat_id = $3, comment_message_id = $4 \
     WHERE chat_id = $1 AND message_id = $2 AND answered = 0";

const COMMENT_PLACE: &str = concat!(
    "SELECT ",
    chat_now!("usage.comment_chat_id"),
    " AS group_id, comment_message_id FROM usage WHERE id = $1 AND comment_message_id IS NOT NULL"
);

impl Statements<'_> {
    pub(crate) async fn set_comment_place(
        self,
        channel: ChatId,
        post: MessageId,
        place: CommentPlace,
    ) -> Result<(), StoreError> {
        let set = sqlx::query(SET_COMMENT_PLACE).bind(channel.0).bind(post.0);
        self.execute(set.bind(place.group.0).bind(place.message.0)).await.map(drop)
    }

    pub(crate) async fn comment_place(self, of: RequestId) -> Result<Option<CommentPlace>, StoreError> {
        let place: Option<(i64, i32)> = sqlx::query_as(COMMENT_PLACE).bind(of.0).fetch_optional(self.0).await?;
        Ok(place.map(|(group, message)| CommentPlace { group: ChatId(group), message: MessageId(message) }))
    }

    pub(crate) async fn count_waiting(self, excluded: &ClaimExclusions) -> Result<u32, StoreError> {
        if *excluded == ClaimExclusions::default() {
            return Ok(count(sqlx::query_scalar(COUNT_WAITING).fetch_one(self.0).await?));
        }
        let waiting =
            sqlx::query_scalar(COUNT_NOT_EXCLUDED).bind(claims::chats(excluded)).bind(claims::users(excluded));
        Ok(count(waiting.fetch_one(self.0).await?))
    }

    pub(crate) async fn count_waiting_in(self, chat: ChatId) -> Result<u32, StoreError> {
        Ok(count(sqlx::query_scalar(COUNT_WAITING_IN).bind(chat.0).fetch_one(self.0).await?))
    }

    pub(crate) async fn count_waiting_of(self, user_key: i64) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(COUNT_WAITING_OF).bind(user_key).fetch_one(self.0).await?)
    }

    pub(crate) async fn same_audio(self, arrival: &IncomingAudio) -> Result<Option<RequestId>, StoreError> {
        let (language, languages) = rows::language_columns(arrival.speech_language.as_ref());
        let same: Option<i64> = sqlx::query_scalar(SAME_AUDIO)
            .bind(&arrival.file_unique_id)
            .bind(language)
            .bind(arrival.form.as_str())
            .bind(languages)
            .fetch_optional(self.0)
            .await?;
        Ok(same.map(RequestId))
    }

    /// Nothing is inserted, and nothing comes back, when the arrival is known.
    pub(crate) async fn insert_request(
        self,
        arrival: &IncomingAudio,
        row: &NewRequest,
        now: Timestamp,
    ) -> Result<Option<RequestId>, StoreError> {
        let (message, callback) = match &arrival.key {
            IdempotencyKey::Message(message) => (Some(message.0), None),
            IdempotencyKey::Button { callback_id } => (None, Some(callback_id)),
            IdempotencyKey::Origin => (None, None),
        };
        let (business, guest) = match &arrival.origin {
            Origin::Chat => (None, None),
            Origin::Business(message) => (Some(message), None),
            Origin::Guest(call) => (None, Some(call)),
        };
        let stage = if row.refused.is_some() { StageName::Rejected } else { StageName::Received };
        let (language, languages) = rows::language_columns(arrival.speech_language.as_ref());
        let id: Option<i64> = sqlx::query_scalar(INSERT_REQUEST)
            .bind(row.user)
            .bind(arrival.chat.0)
            .bind(message)
            .bind(callback)
            .bind(arrival.reply_to.map(|message| message.0))
            .bind(arrival.thread.and_then(ThreadId::topic))
            .bind(arrival.source.as_str())
            .bind(arrival.parent.map(|parent| parent.0))
            .bind(arrival.form.as_str())
            .bind(language)
            .bind(row.coalesced_into.map(|into| into.0))
            .bind(&arrival.file_id)
            .bind(&arrival.file_unique_id)
            .bind(arrival.claimed.map(|claimed| claimed.as_secs_f64()))
            .bind(&arrival.locale)
            .bind(stage.as_str())
            .bind(row.refused.map(stenobot_domain::RejectReason::as_str))
            .bind(now.0)
            .bind(business.map(|message| message.key.as_bytes()))
            .bind(business.and_then(|message| message.author.as_ref()).map(PersonName::as_str))
            .bind(business.map(|message| message.sent_at.0))
            .bind(arrival.display.as_str())
            .bind(arrival.thread.and_then(ThreadId::direct))
            .bind(languages)
            .bind(guest.map(|call| call.query.0.as_str()))
            .fetch_optional(self.0)
            .await?;
        Ok(id.map(RequestId))
    }

    pub(crate) async fn waiting(self) -> Result<Vec<Waiting>, StoreError> {
        Ok(sqlx::query_as(WAITING).fetch_all(self.0).await?)
    }

    pub(crate) async fn head(self) -> Result<Vec<Waiting>, StoreError> {
        Ok(sqlx::query_as(HEAD).fetch_all(self.0).await?)
    }

    pub(crate) async fn page_after(self, place: &Place) -> Result<Vec<Waiting>, StoreError> {
        let page = sqlx::query_as(PAGE).bind(place.priority).bind(place.turn).bind(place.original.0).bind(place.id.0);
        Ok(page.fetch_all(self.0).await?)
    }

    pub(crate) async fn place_of(self, id: RequestId) -> Result<Option<Place>, StoreError> {
        let row: Option<(i64, i64, i64, i64)> = sqlx::query_as(PLACE_OF).bind(id.0).fetch_optional(self.0).await?;
        Ok(row.map(place))
    }

    pub(crate) async fn shows_state(self, id: RequestId, owner: &str) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(SHOWS_STATE).bind(id.0).bind(owner).fetch_one(self.0).await?)
    }

    pub(crate) async fn places_of(self, user: UserId) -> Result<Vec<Place>, StoreError> {
        let places: Vec<(i64, i64, i64, i64)> = sqlx::query_as(PLACES_OF).bind(user.0).fetch_all(self.0).await?;
        Ok(places.into_iter().map(place).collect())
    }

    pub(crate) async fn count_before_priority(self, priority: i64) -> Result<u32, StoreError> {
        Ok(count(sqlx::query_scalar(COUNT_BEFORE_PRIORITY).bind(priority).fetch_one(self.0).await?))
    }

    pub(crate) async fn count_turns(self, priority: i64, turns: Range<i64>) -> Result<u32, StoreError> {
        let before = sqlx::query_scalar(COUNT_TURNS).bind(priority).bind(turns.start).bind(turns.end);
        Ok(count(before.fetch_one(self.0).await?))
    }

    /// Those of the same priority and turn that come before this place.
    pub(crate) async fn count_within_turn(self, place: &Place) -> Result<u32, StoreError> {
        let before = sqlx::query_scalar(COUNT_WITHIN_TURN).bind(place.priority).bind(place.turn);
        Ok(count(before.bind(place.original.0).bind(place.id.0).fetch_one(self.0).await?))
    }

    pub(crate) async fn running(self) -> Result<Vec<Running>, StoreError> {
        Ok(sqlx::query_as(RUNNING).fetch_all(self.0).await?)
    }

    pub(crate) async fn statuses_of(self, user: UserId) -> Result<Vec<RequestStatus>, StoreError> {
        Ok(sqlx::query_as(STATUSES_OF).bind(user.0).fetch_all(self.0).await?)
    }

    /// `None` of an unknown request and of an erased user's.
    pub(crate) async fn request_location(self, id: RequestId) -> Result<Option<RequestLocation>, StoreError> {
        type Row = (Option<i64>, Option<i64>, Option<i64>, Option<i32>);
        let row: Option<Row> = sqlx::query_as(LOCATION).bind(id.0).fetch_optional(self.0).await?;
        let Some((Some(owner), Some(chat), first_chat, status_message)) = row else { return Ok(None) };
        Ok(Some(RequestLocation {
            owner: UserId(owner),
            chat: ChatId(chat),
            first_chat: first_chat.map(ChatId),
            status_message: status_message.map(MessageId),
        }))
    }
}

/// From the columns of [`PLACE_OF`] and [`PLACES_OF`].
fn place((id, priority, turn, original): (i64, i64, i64, i64)) -> Place {
    Place { id: RequestId(id), priority, turn, original: RequestId(original) }
}
