//! Admission: a message, or the press of a button, becomes a durable request or a durable refusal.

use std::time::Duration;

use stenobot_domain::{
    AnswerForm, AudioSource, ChatId, MessageId, RejectReason, RequestId, SpeechLanguage, StageName, Timestamp, UserId,
};

use super::crash::{self, Side};
use super::{ClaimExclusions, Queue, StoreError, day, sql};

/// Who sent a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Telegram's id.
    pub id: UserId,
    /// Without the at sign.
    pub username: Option<String>,
    /// As Telegram gives it.
    pub first_name: Option<String>,
    /// As Telegram gives it.
    pub last_name: Option<String>,
}

/// By what a request is asked for; each asks once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdempotencyKey {
    /// By a message: the sound itself, or a command under it.
    Message(MessageId),
    /// By a button.
    Button {
        /// Telegram's name of this press of it.
        callback_id: String,
    },
}

/// A request for the text of some sound, as it came in. All it says of itself is only a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingAudio {
    /// Where the answer goes.
    pub chat: ChatId,
    /// The topic of the chat, where there are topics.
    pub thread: Option<i32>,
    /// By what it is asked for: the key by which it is known again.
    pub key: IdempotencyKey,
    /// The message with the sound, which is answered; `None` where it is not in this chat.
    pub reply_to: Option<MessageId>,
    /// Who asks.
    pub from: Sender,
    /// How the sound was sent.
    pub source: AudioSource,
    /// By which the file is asked for.
    pub file_id: String,
    /// By which the same file is known again.
    pub file_unique_id: String,
    /// Length that the sender claims; nobody claims that of a document.
    pub claimed: Option<Duration>,
    /// Language of the sender's Telegram, as sent.
    pub locale: Option<String>,
    /// The language that is spoken in it; `None` leaves it to the settings.
    pub speech_language: Option<SpeechLanguage>,
    /// In which form the text is wanted.
    pub form: AnswerForm,
    /// The request whose audio is heard again.
    pub parent: Option<RequestId>,
}

impl IncomingAudio {
    /// An ordinary voice message: it asks for itself, and its text is wanted as a message.
    pub fn voice(chat: ChatId, message: MessageId, from: Sender, file_id: String, file_unique_id: String) -> Self {
        Self {
            chat,
            thread: None,
            key: IdempotencyKey::Message(message),
            reply_to: Some(message),
            from,
            source: AudioSource::Voice,
            file_id,
            file_unique_id,
            claimed: None,
            locale: None,
            speech_language: None,
            form: AnswerForm::Message,
            parent: None,
        }
    }
}

/// How much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Requests of all people.
    pub queue: u32,
    /// Requests of one person.
    pub per_person: u32,
    /// Audio of one person from midnight to midnight, UTC; `None` for any amount.
    pub per_day: Option<Duration>,
}

/// Outcome of [`Store::admit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// Accepted: a place in the queue is reserved.
    New(RequestId),
    /// Accepted: the same audio waits already, and its text is given to both. It holds a place like any other.
    Joined {
        /// The new request.
        id: RequestId,
        /// The one whose audio is heard.
        to: RequestId,
    },
    /// The message or the press is known; nothing was written.
    Duplicate,
    /// Recorded as refused, since the queue is full.
    QueueFull(RequestId),
    /// Recorded as refused, since as many of this person's wait as may.
    PersonFull(RequestId),
    /// Recorded as refused, since this person has sent as much audio today as they may.
    DayFull(RequestId),
}

impl Queue {
    /// Makes an arrival durable, unless it is known already or there is no room for it. Whether accepted or refused
    /// for room, the row is committed when this returns. What this person may is looked at before what all may.
    pub async fn admit(&self, arrival: &IncomingAudio, capacity: &Capacity) -> Result<Admission, StoreError> {
        self.admit_excluding(arrival, capacity, &ClaimExclusions::default()).await
    }

    /// The same while claims pass over some chats and people. What waits for those takes no place from the others; in such
    /// a chat as much may wait as of one person.
    pub async fn admit_excluding(
        &self,
        arrival: &IncomingAudio,
        capacity: &Capacity,
        busy: &ClaimExclusions,
    ) -> Result<Admission, StoreError> {
        let now = self.0.clock.now();
        let mut tx = self.0.writer.begin_with("BEGIN IMMEDIATE").await?;
        let user = upsert_user(&mut tx, &arrival.from, now).await?;
        let room = room(&mut tx, arrival, user, (capacity, busy), now).await?;
        let row = match room {
            Room::Place { same } => Row { user, refused: None, joined_to: same, now },
            Room::Full(full) => Row { user, refused: Some(full.reason()), joined_to: None, now },
        };
        let Some(id) = insert(&mut tx, arrival, &row).await? else {
            tx.rollback().await?;
            return Ok(Admission::Duplicate);
        };
        crash::point(Side::Before, "admission");
        tx.commit().await?;
        crash::point(Side::After, "admission");
        self.0.changed();
        Ok(match room {
            Room::Place { same: None } => Admission::New(id),
            Room::Place { same: Some(to) } => Admission::Joined { id, to },
            Room::Full(Full::Day) => Admission::DayFull(id),
            Room::Full(Full::Person) => Admission::PersonFull(id),
            Room::Full(Full::Queue) => Admission::QueueFull(id),
        })
    }

    /// Records an arrival that is refused before it takes a place in the queue. `None` when it is known.
    pub async fn refuse(&self, arrival: &IncomingAudio, reason: RejectReason) -> Result<Option<RequestId>, StoreError> {
        let now = self.0.clock.now();
        let mut tx = self.0.writer.begin_with("BEGIN IMMEDIATE").await?;
        let user = upsert_user(&mut tx, &arrival.from, now).await?;
        let row = Row { user, refused: Some(reason), joined_to: None, now };
        let Some(id) = insert(&mut tx, arrival, &row).await? else {
            tx.rollback().await?;
            return Ok(None);
        };
        crash::point(Side::Before, "refusal");
        tx.commit().await?;
        crash::point(Side::After, "refusal");
        self.0.changed();
        Ok(Some(id))
    }
}

/// Whether an arrival finds a place.
#[derive(Debug, Clone, Copy)]
enum Room {
    /// It does; `same` waits for the same audio already.
    Place {
        same: Option<RequestId>,
    },
    Full(Full),
}

#[derive(Debug, Clone, Copy)]
enum Full {
    Day,
    Person,
    Queue,
}

impl Full {
    const fn reason(self) -> RejectReason {
        match self {
            Self::Day => RejectReason::DailyLimit,
            Self::Person => RejectReason::UserLimit,
            Self::Queue => RejectReason::QueueFull,
        }
    }
}

async fn room(
    tx: &mut sqlx::SqliteConnection,
    arrival: &IncomingAudio,
    user: i64,
    (capacity, busy): (&Capacity, &ClaimExclusions),
    now: Timestamp,
) -> Result<Room, sqlx::Error> {
    let erased = day::spent(&mut *tx, arrival.from.id, now, now).await?;
    if let Some(limit) = capacity.per_day {
        let used = erased.audio + day::audio_of_day(&mut *tx, user, now).await?;
        if used >= limit || used + arrival.claimed.unwrap_or_default() > limit {
            return Ok(Room::Full(Full::Day));
        }
    }
    let own: i64 = sqlx::query_scalar(sql::COUNT_WAITING_OF).bind(user).fetch_one(&mut *tx).await?;
    if own + erased.places >= i64::from(capacity.per_person) {
        return Ok(Room::Full(Full::Person));
    }
    let (waiting, most): (i64, u32) = if busy.chats.contains(&arrival.chat) {
        let own = sqlx::query_scalar(sql::COUNT_WAITING_IN).bind(arrival.chat.0);
        (own.fetch_one(&mut *tx).await?, capacity.per_person)
    } else {
        let others = sqlx::query_scalar(sql::COUNT_WAITING_BESIDE).bind(busy.chat_list()).bind(busy.people_list());
        (others.fetch_one(&mut *tx).await?, capacity.queue)
    };
    if waiting >= i64::from(most) {
        return Ok(Room::Full(Full::Queue));
    }
    let same: Option<i64> = sqlx::query_scalar(sql::SAME_AUDIO)
        .bind(&arrival.file_unique_id)
        .bind(arrival.speech_language.as_ref().map(ToString::to_string))
        .bind(arrival.form.as_str())
        .fetch_optional(tx)
        .await?;
    Ok(Room::Place { same: same.map(RequestId) })
}

/// What a new row holds beside its arrival.
struct Row {
    user: i64,
    refused: Option<RejectReason>,
    joined_to: Option<RequestId>,
    now: Timestamp,
}

/// Nothing is inserted, and nothing comes back, when the arrival is known.
async fn insert(
    tx: &mut sqlx::SqliteConnection,
    arrival: &IncomingAudio,
    row: &Row,
) -> Result<Option<RequestId>, sqlx::Error> {
    let (message, callback) = match &arrival.key {
        IdempotencyKey::Message(message) => (Some(message.0), None),
        IdempotencyKey::Button { callback_id } => (None, Some(callback_id)),
    };
    let stage = if row.refused.is_some() { StageName::Rejected } else { StageName::Received };
    let id: Option<i64> = sqlx::query_scalar(sql::INSERT_REQUEST)
        .bind(row.user)
        .bind(arrival.chat.0)
        .bind(message)
        .bind(callback)
        .bind(arrival.reply_to.map(|message| message.0))
        .bind(arrival.thread)
        .bind(arrival.source.as_str())
        .bind(arrival.parent.map(|parent| parent.0))
        .bind(arrival.form.as_str())
        .bind(arrival.speech_language.as_ref().map(ToString::to_string))
        .bind(row.joined_to.map(|to| to.0))
        .bind(&arrival.file_id)
        .bind(&arrival.file_unique_id)
        .bind(arrival.claimed.map(|claimed| claimed.as_secs_f64()))
        .bind(&arrival.locale)
        .bind(stage.as_str())
        .bind(row.refused.map(RejectReason::as_str))
        .bind(row.now.0)
        .fetch_optional(tx)
        .await?;
    Ok(id.map(RequestId))
}

/// Remembers somebody who wrote, by the names they have now; gives their row's key.
pub(super) async fn upsert_user(
    tx: &mut sqlx::SqliteConnection,
    sender: &Sender,
    now: Timestamp,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(sql::UPSERT_USER)
        .bind(sender.id.0)
        .bind(&sender.username)
        .bind(&sender.first_name)
        .bind(&sender.last_name)
        .bind(now.0)
        .fetch_one(tx)
        .await
}
