//! Admission: a message, or the press of a button, becomes a durable request or a durable refusal.

use std::time::Duration;

use stenobot_domain::{
    AnswerForm, AudioSource, ChatId, MessageId, Origin, RejectReason, RequestId, SpeechLanguage, StateDisplay,
    ThreadId, Timestamp, UserId,
};

use super::{ClaimExclusions, Queue, daily_usage};
use crate::StoreError;
use crate::backend::Transaction;
use crate::crash::{self, Side};

/// Author of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Telegram's id.
    pub id: UserId,
    /// Without the at sign.
    pub username: Option<String>,
    /// As in Telegram.
    pub first_name: Option<String>,
    /// As in Telegram.
    pub last_name: Option<String>,
}

/// Makes a repeated update harmless: one request for each key and chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdempotencyKey {
    /// A message: the audio itself, or a command that replies to it.
    Message(MessageId),
    /// A button.
    Button {
        /// Telegram's id of this press.
        callback_id: String,
    },
    /// The message that the origin names, which is in no chat of the bot.
    Origin,
}

/// A request for a transcript as it came in. What it says of the audio is only a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingAudio {
    /// Where the answer goes.
    pub chat: ChatId,
    /// The topic of the chat, where there are topics.
    pub thread: Option<ThreadId>,
    /// By which it is recognised when the update comes again.
    pub key: IdempotencyKey,
    /// The message with the audio, which is replied to; `None` where it is not in this chat.
    pub reply_to: Option<MessageId>,
    /// Where the recording comes from.
    pub origin: Origin,
    /// How the state is to be shown.
    pub display: StateDisplay,
    /// User or chat that makes the request.
    pub from: Sender,
    /// Kind of the message with the audio.
    pub source: AudioSource,
    /// Telegram's id for downloading the file.
    pub file_id: String,
    /// Telegram's id of the file's content, the same in every chat.
    pub file_unique_id: String,
    /// Claimed length; a document has none.
    pub claimed: Option<Duration>,
    /// Language code of the sender's Telegram, as sent.
    pub locale: Option<String>,
    /// The language of the speech; `None` leaves it to the settings.
    pub speech_language: Option<SpeechLanguage>,
    /// Wanted form of the answer.
    pub form: AnswerForm,
    /// The request whose audio is transcribed again.
    pub parent: Option<RequestId>,
}

impl IncomingAudio {
    /// A voice message that is to be answered by a message, without length and languages.
    pub fn voice(chat: ChatId, message: MessageId, from: Sender, file_id: String, file_unique_id: String) -> Self {
        Self {
            chat,
            thread: None,
            key: IdempotencyKey::Message(message),
            reply_to: Some(message),
            origin: Origin::Chat,
            display: StateDisplay::Message,
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

/// Limits of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Waiting requests of all users.
    pub queue: u32,
    /// Waiting requests of one user.
    pub per_user: u32,
    /// Audio of one user from midnight to midnight, UTC; `None` for any amount.
    pub per_day: Option<Duration>,
}

/// Outcome of [`Queue::admit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// Accepted: a position in the queue is reserved.
    New(RequestId),
    /// Accepted: the same audio waits already, and its text answers both. It holds a position like any other.
    Coalesced {
        /// The new request.
        id: RequestId,
        /// The one that is transcribed.
        into: RequestId,
    },
    /// The idempotency key is known; nothing was written.
    Duplicate,
    /// Recorded as refused: the queue is full.
    QueueFull(RequestId),
    /// Recorded as refused: as many requests of this user wait as may.
    UserFull(RequestId),
    /// Recorded as refused: this user has sent as much audio today as is allowed.
    DayFull(RequestId),
}

impl Queue {
    /// Makes an arrival durable, unless it is known already. Whether accepted or refused by a limit, the row is committed
    /// when this returns. Limits of the user are checked before those of all.
    pub async fn admit(&self, arrival: &IncomingAudio, capacity: &Capacity) -> Result<Admission, StoreError> {
        self.admit_excluding(arrival, capacity, &ClaimExclusions::default()).await
    }

    /// As [`Queue::admit`] while claims pass over some chats and users. What waits for those does not count for the others;
    /// in such a chat as much may wait as of one user.
    pub async fn admit_excluding(
        &self,
        arrival: &IncomingAudio,
        capacity: &Capacity,
        excluded: &ClaimExclusions,
    ) -> Result<Admission, StoreError> {
        self.0.noting(self.admit_once(arrival, capacity, excluded)).await
    }

    async fn admit_once(
        &self,
        arrival: &IncomingAudio,
        capacity: &Capacity,
        excluded: &ClaimExclusions,
    ) -> Result<Admission, StoreError> {
        let (mut tx, now) = self.0.begin_in_order().await?;
        let user = tx.sql().upsert_user(&arrival.from, now).await?;
        let decision = decide(&mut tx, arrival, user, (capacity, excluded), now).await?;
        let row = match decision {
            Decision::Accept { coalesced_into } => NewRequest { user, refused: None, coalesced_into },
            Decision::Refuse(limit) => NewRequest { user, refused: Some(limit.reason()), coalesced_into: None },
        };
        let Some(id) = tx.sql().insert_request(arrival, &row, now).await? else {
            tx.rollback().await?;
            return Ok(Admission::Duplicate);
        };
        crash::point(Side::Before, "admission");
        tx.commit().await?;
        crash::point(Side::After, "admission");
        self.0.changed();
        Ok(match decision {
            Decision::Accept { coalesced_into: None } => Admission::New(id),
            Decision::Accept { coalesced_into: Some(into) } => Admission::Coalesced { id, into },
            Decision::Refuse(Limit::Day) => Admission::DayFull(id),
            Decision::Refuse(Limit::User) => Admission::UserFull(id),
            Decision::Refuse(Limit::Queue) => Admission::QueueFull(id),
        })
    }

    /// Records an arrival that is refused before its limits are checked. `None` when it is known.
    pub async fn refuse(&self, arrival: &IncomingAudio, reason: RejectReason) -> Result<Option<RequestId>, StoreError> {
        self.0.noting(self.refuse_once(arrival, reason)).await
    }

    async fn refuse_once(
        &self,
        arrival: &IncomingAudio,
        reason: RejectReason,
    ) -> Result<Option<RequestId>, StoreError> {
        let (mut tx, now) = self.0.begin().await?;
        let user = tx.sql().upsert_user(&arrival.from, now).await?;
        let row = NewRequest { user, refused: Some(reason), coalesced_into: None };
        let Some(id) = tx.sql().insert_request(arrival, &row, now).await? else {
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

/// What a new row holds beside its arrival.
pub(crate) struct NewRequest {
    /// Key of the user's row.
    pub(crate) user: i64,
    pub(crate) refused: Option<RejectReason>,
    pub(crate) coalesced_into: Option<RequestId>,
}

/// Whether an arrival is accepted.
#[derive(Debug, Clone, Copy)]
enum Decision {
    /// `coalesced_into` waits for the same audio.
    Accept {
        coalesced_into: Option<RequestId>,
    },
    Refuse(Limit),
}

/// The limit that an arrival exceeds.
#[derive(Debug, Clone, Copy)]
enum Limit {
    Day,
    User,
    Queue,
}

impl Limit {
    const fn reason(self) -> RejectReason {
        match self {
            Self::Day => RejectReason::DailyLimit,
            Self::User => RejectReason::UserLimit,
            Self::Queue => RejectReason::QueueFull,
        }
    }
}

async fn decide(
    tx: &mut Transaction,
    arrival: &IncomingAudio,
    user: i64,
    (capacity, excluded): (&Capacity, &ClaimExclusions),
    now: Timestamp,
) -> Result<Decision, StoreError> {
    let erased = daily_usage::carried_over(tx, arrival.from.id, now, now).await?;
    if let Some(limit) = capacity.per_day {
        let used = erased.audio + daily_usage::audio_of_day(tx, user, now).await?;
        if used >= limit || used + arrival.claimed.unwrap_or_default() > limit {
            return Ok(Decision::Refuse(Limit::Day));
        }
    }
    if tx.sql().count_waiting_of(user).await? + erased.positions >= i64::from(capacity.per_user) {
        return Ok(Decision::Refuse(Limit::User));
    }
    let (waiting, limit) = if excluded.chats.contains(&arrival.chat) {
        (tx.sql().count_waiting_in(arrival.chat).await?, capacity.per_user)
    } else {
        (tx.sql().count_waiting(excluded).await?, capacity.queue)
    };
    if waiting >= limit {
        return Ok(Decision::Refuse(Limit::Queue));
    }
    Ok(Decision::Accept { coalesced_into: tx.sql().same_audio(arrival).await? })
}
