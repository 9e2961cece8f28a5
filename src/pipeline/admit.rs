//! An update becomes a durable request, or is refused. Telegram is told that an update was consumed only after
//! its row is committed: the offset moves with the next poll.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use metrics::{counter, gauge};
use tokio::sync::mpsc;
use tower::util::BoxService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

use super::Context;
use crate::config::Limits;
use crate::journal::{Admission, Arrival, Capacity, Journal, JournalError, Sender};
use crate::layers::{Depth, Keyed, KeyedQuotaLayer, ObserveLayer, OverQuota, Overloaded, ShedOnDepthLayer};
use crate::metrics as names;
use crate::model::{AudioSource, ChatId, MessageId, RejectReason, StageName, UserId};
use crate::request::{Event, observe};
use crate::telegram::{CommandName, Content, Incoming, TelegramError, Text, VoiceMessage, VoiceSource};

/// How long one poll waits at Telegram for news.
const POLL: Duration = Duration::from_secs(25);
/// Pauses between polls that fail.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Why an arrival did not become a request.
#[derive(Debug, thiserror::Error)]
enum AdmitFailure {
    #[error("refused: {0}")]
    Refused(RejectReason),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("{0}")]
    Other(BoxError),
}

impl From<BoxError> for AdmitFailure {
    fn from(error: BoxError) -> Self {
        let error = match error.downcast::<JournalError>() {
            Ok(journal) => return Self::Journal(*journal),
            Err(error) => error,
        };
        if error.is::<OverQuota>() {
            Self::Refused(RejectReason::UserLimit)
        } else if error.is::<Overloaded>() {
            Self::Refused(RejectReason::QueueFull)
        } else {
            Self::Other(error)
        }
    }
}

type Admit = BoxService<Arrival, Admission, AdmitFailure>;

fn stack(context: &Context) -> Admit {
    let (journal, queue) = (context.journal.clone(), context.config().limits.queue);
    let capacity = Capacity { queue, per_person: u32::MAX, per_day: None };
    let insert = service_fn(move |arrival: Arrival| {
        let journal = journal.clone();
        async move { Ok::<_, BoxError>(journal.admit(&arrival, &capacity).await?) }
    });
    ServiceBuilder::new()
        .boxed()
        // The time an admission takes is time in which Telegram is not asked for more.
        .layer(ObserveLayer::new(StageName::Received))
        // Layers speak of boxed errors; the stage speaks of its own.
        .map_err(AdmitFailure::from)
        // One person's flood is refused before it costs anybody else a place.
        .layer(KeyedQuotaLayer::new(context.config().limits.user_per_minute))
        // A full queue is known without a write lock. The insert below still reserves the place.
        .layer(ShedOnDepthLayer::new(QueueDepth(context.journal.clone()), queue))
        // SQLite has one writer; arrivals are admitted in the order in which they came.
        .concurrency_limit(1)
        .service(insert)
}

struct QueueDepth(Journal);

impl Depth for QueueDepth {
    fn depth(&self) -> BoxFuture<'_, Result<u32, BoxError>> {
        Box::pin(async { Ok(self.0.depth().await?) })
    }
}

impl Keyed for Arrival {
    type Key = UserId;

    fn key(&self) -> UserId {
        self.from.id
    }
}

/// Polls Telegram and admits what comes, until the soft shutdown.
pub async fn run(context: &Context, replies: &mpsc::Sender<Reply>) {
    let mut admit = stack(context);
    let mut live = context.live.clone();
    let mut offset = None;
    let mut pause = FIRST_PAUSE;
    while !context.shutdown.soft.is_cancelled() {
        if live.has_changed().unwrap_or(false) {
            live.mark_unchanged();
            admit = stack(context);
        }
        let polled = tokio::select! {
            () = context.shutdown.soft.cancelled() => return,
            polled = context.client.updates(offset, POLL) => polled,
        };
        let outcome = match polled {
            Ok(updates) => {
                let now = context.journal.clock().now();
                context.polled.send_replace(Some(now));
                gauge!(names::TELEGRAM_POLL).set(now.as_secs_f64());
                take(context, &mut admit, replies, updates, &mut offset).await
            }
            Err(error) => {
                report(&error);
                Err(match error {
                    TelegramError::RetryAfter(after) => after.max(pause),
                    _ => pause,
                })
            }
        };
        let wait = match outcome {
            Ok(()) => {
                pause = FIRST_PAUSE;
                continue;
            }
            Err(wait) => wait,
        };
        pause = (pause * 2).min(LONGEST_PAUSE);
        tokio::select! {
            () = context.shutdown.soft.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Logs a failed poll: most pass by themselves, two want somebody's hand.
fn report(error: &TelegramError) {
    match error {
        TelegramError::Unauthorized | TelegramError::Conflict => tracing::error!(%error, "no updates"),
        _ => tracing::warn!(%error, "no updates, will ask again"),
    }
}

/// Admits a batch in order and moves the offset past each update that is dealt with. On a journal failure the
/// rest stays at Telegram; the error is the pause before the next poll.
async fn take(
    context: &Context,
    admit: &mut Admit,
    replies: &mpsc::Sender<Reply>,
    updates: Vec<Incoming>,
    offset: &mut Option<i64>,
) -> Result<(), Duration> {
    for Incoming { update_id, content } in updates {
        counter!(names::UPDATES, "kind" => content.kind().as_str()).increment(1);
        let apology = whom_to_apologise(&content);
        // A panic over one update costs that update, not the bot.
        match AssertUnwindSafe(one(context, admit, replies, content)).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                observe(&Event::JournalFailed { what: "admit a request", error: &error });
                return Err(FIRST_PAUSE);
            }
            Err(_panic) => {
                tracing::error!(update = update_id, "handling an update panicked");
                if let Some((chat, message, locale)) = apology {
                    let text = context.say(locale.as_deref(), &Text::Failed);
                    queue_reply(replies, Reply { chat, reply_to: message, text });
                }
            }
        }
        *offset = Some(update_id + 1);
    }
    Ok(())
}

fn whom_to_apologise(content: &Content) -> Option<(ChatId, MessageId, Option<String>)> {
    match content {
        Content::Voice(voice) => Some((voice.chat, voice.message, voice.from.language_code.clone())),
        Content::Command(command) => Some((command.chat, command.message, command.from.language_code.clone())),
        Content::Other(other) => Some((other.chat, other.message, other.from.language_code.clone())),
        Content::Ignored(_) => None,
    }
}

async fn one(
    context: &Context,
    admit: &mut Admit,
    replies: &mpsc::Sender<Reply>,
    content: Content,
) -> Result<(), JournalError> {
    match content {
        Content::Voice(voice) => voice_message(context, admit, &voice).await,
        Content::Command(command) => {
            let locale = command.from.language_code.as_deref();
            let text = match command.name {
                CommandName::Start | CommandName::Help | CommandName::Unknown => {
                    let limits = &context.config().limits;
                    Text::Greeting { duration: limits.voice, size: limits.file_bytes }
                }
            };
            let text = context.say(locale, &text);
            queue_reply(replies, Reply { chat: command.chat, reply_to: command.message, text });
            Ok(())
        }
        Content::Other(other) => {
            let text = context.say(other.from.language_code.as_deref(), &Text::Unsupported);
            queue_reply(replies, Reply { chat: other.chat, reply_to: other.message, text });
            Ok(())
        }
        Content::Ignored(_) => Ok(()),
    }
}

async fn voice_message(context: &Context, admit: &mut Admit, voice: &VoiceMessage) -> Result<(), JournalError> {
    let arrival = arrival(voice);
    let admitted = match claims(voice, &context.config().limits) {
        Ok(()) => admit.ready().await?.call(arrival.clone()).await,
        Err(reason) => Err(AdmitFailure::Refused(reason)),
    };
    match admitted {
        Ok(Admission::New(id)) => observe(&Event::Admitted { id, claimed: arrival.claimed }),
        Ok(Admission::Joined { id, to }) => observe(&Event::Joined { id, to, claimed: arrival.claimed }),
        Ok(Admission::PersonFull(id)) => observe(&Event::Refused { id, reason: RejectReason::UserLimit }),
        Ok(Admission::DayFull(id)) => observe(&Event::Refused { id, reason: RejectReason::DailyLimit }),
        Ok(Admission::QueueFull(id)) => observe(&Event::Refused { id, reason: RejectReason::QueueFull }),
        Ok(Admission::Duplicate) => observe(&Event::Duplicate),
        Err(AdmitFailure::Refused(reason)) => match context.journal.refuse(&arrival, reason).await? {
            Some(id) => observe(&Event::Refused { id, reason }),
            None => observe(&Event::Duplicate),
        },
        Err(AdmitFailure::Journal(error)) => return Err(error),
        Err(AdmitFailure::Other(error)) => return Err(JournalError::Broken(error.to_string())),
    }
    Ok(())
}

impl From<AdmitFailure> for JournalError {
    fn from(failure: AdmitFailure) -> Self {
        match failure {
            AdmitFailure::Journal(error) => error,
            AdmitFailure::Refused(_) | AdmitFailure::Other(_) => Self::Broken(failure.to_string()),
        }
    }
}

/// What a message says of itself, held against the limits before anything is downloaded. The file is measured
/// again once it is here.
pub fn claims(voice: &VoiceMessage, limits: &Limits) -> Result<(), RejectReason> {
    if voice.claimed_duration > limits.voice {
        Err(RejectReason::TooLong)
    } else if voice.claimed_size.is_some_and(|bytes| bytes > limits.file_bytes) {
        Err(RejectReason::TooBig)
    } else {
        Ok(())
    }
}

fn arrival(voice: &VoiceMessage) -> Arrival {
    let from = Sender {
        id: voice.from.id,
        username: voice.from.username.clone(),
        first_name: Some(voice.from.first_name.clone()),
        last_name: voice.from.last_name.clone(),
    };
    Arrival {
        thread: voice.thread.map(|thread| thread.0),
        source: match voice.source {
            VoiceSource::Voice => AudioSource::Voice,
            VoiceSource::Audio => AudioSource::Audio,
        },
        claimed: Some(voice.claimed_duration),
        locale: voice.from.language_code.clone(),
        ..Arrival::voice(voice.chat, voice.message, from, voice.file_id.clone(), voice.file_unique_id.clone())
    }
}

// === Replies that belong to no request ===

/// An answer to a command or to a message of a kind that is not served.
#[derive(Debug)]
pub struct Reply {
    chat: ChatId,
    reply_to: MessageId,
    text: String,
}

/// Replies that may wait at once. They are courtesies: under a flood the oldest are served and the rest dropped.
pub const REPLIES: usize = 64;

fn queue_reply(replies: &mpsc::Sender<Reply>, reply: Reply) {
    if replies.try_send(reply).is_err() {
        tracing::debug!("a reply was dropped: too many wait");
    }
}

/// Sends replies one after the other, so that polling never waits for them.
pub async fn send_replies(context: &Context, mut replies: mpsc::Receiver<Reply>) {
    loop {
        let reply = tokio::select! {
            () = context.shutdown.soft.cancelled() => return,
            reply = replies.recv() => reply,
        };
        let Some(Reply { chat, reply_to, text }) = reply else { return };
        let sent = context.client.send(chat, None, Some(reply_to), &text).await;
        if let Err(TelegramError::RetryAfter(pause)) = sent {
            tokio::select! {
                () = context.shutdown.soft.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            if let Err(error) = context.client.send(chat, None, Some(reply_to), &text).await {
                tracing::debug!(%error, "a reply was not sent");
            }
        } else if let Err(error) = sent {
            tracing::debug!(%error, "a reply was not sent");
        }
    }
}
