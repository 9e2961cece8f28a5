//! A message becomes a durable request, or is refused.

use futures::future::BoxFuture;
use metrics::counter;
use stenobot_domain::{AnswerForm, ChatId, RejectReason, UserId};
use stenobot_store::{Admission, Capacity, ChatSettings, IdempotencyKey, IncomingAudio, Sender, Store, StoreError};
use stenobot_telegram::{AskedBy, ChatKind, ThreadId, VoiceMessage};
use tokio::sync::watch;
use tower::util::BoxService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};

use super::outbox::Outbox;
use super::{Context, Flow, Live, enqueue};
use crate::config::Limits;
use crate::layers::{Depth, Keyed, KeyedQuotaLayer, ObserveLayer, OverQuota, Overloaded, ShedOnDepthLayer};
use crate::metrics::{self as names, Work};
use crate::request::{Event, observe};

/// Why an arrival did not become a request.
#[derive(Debug, thiserror::Error)]
enum AdmitFailure {
    #[error("refused: {0}")]
    Refused(RejectReason),
    #[error("over the quota of one sender, who knows it")]
    Silenced,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Other(BoxError),
}

impl From<BoxError> for AdmitFailure {
    fn from(error: BoxError) -> Self {
        let error = match error.downcast::<StoreError>() {
            Ok(store) => return Self::Store(*store),
            Err(error) => error,
        };
        if let Some(over) = error.downcast_ref::<OverQuota>() {
            if over.first { Self::Refused(RejectReason::TooOften) } else { Self::Silenced }
        } else if error.is::<Overloaded>() {
            Self::Refused(RejectReason::QueueFull)
        } else {
            Self::Other(error)
        }
    }
}

/// An arrival at the door.
struct Knock {
    arrival: IncomingAudio,
    /// Whether it was let through to the store before, which failed.
    again: bool,
}

type Admit = BoxService<Knock, Admission, AdmitFailure>;
type Quota = KeyedQuotaLayer<UserId>;

fn stack(context: &Context, quota: &Quota) -> Admit {
    let (store, outbox, config) = (context.store.clone(), context.outbox.clone(), context.config());
    let Limits { queue, waiting_per_user: per_user, daily_audio: per_day, .. } = config.limits;
    let capacity = Capacity { queue, per_user, per_day };
    let insert = service_fn(move |Knock { arrival, .. }: Knock| {
        let (store, busy) = (store.clone(), outbox.busy());
        async move { Ok::<_, BoxError>(store.queue.admit_excluding(&arrival, &capacity, &busy).await?) }
    });
    ServiceBuilder::new()
        .boxed()
        // The time an admission takes is time in which Telegram is not asked for more.
        .layer(ObserveLayer::new(Work::Admission))
        // Layers speak of boxed errors; the stage speaks of its own.
        .map_err(AdmitFailure::from)
        // One person's flood is refused before it costs anybody else a place.
        .layer(quota.clone())
        // A full queue is known without a write lock. The insert below still reserves the place.
        .layer(ShedOnDepthLayer::new(QueueDepth(context.store.clone(), context.outbox.clone()), queue))
        // SQLite has one writer; arrivals are admitted in the order in which they came.
        .concurrency_limit(1)
        .service(insert)
}

struct QueueDepth(Store, Outbox);

impl Depth for QueueDepth {
    fn depth(&self) -> BoxFuture<'_, Result<u32, BoxError>> {
        Box::pin(async { Ok(self.0.queue.depth_excluding(&self.1.busy()).await?) })
    }
}

impl Keyed for Knock {
    type Key = UserId;

    fn key(&self) -> Option<UserId> {
        match self.arrival.key {
            // While the store cannot be written, an arrival is tried again and again. That is not its sender's doing.
            IdempotencyKey::Message(_) => (!self.again).then_some(self.arrival.from.id),
            // The press has been counted.
            IdempotencyKey::Button { .. } => None,
        }
    }
}

/// Takes messages and presses in.
pub(super) struct Admitting {
    stack: Admit,
    /// For everything that costs an outgoing call. Outlives the stack, so that a reload of settings does not give a new
    /// minute to whoever has used theirs.
    quota: Quota,
    /// For telling those who press buttons that their quota is used up.
    toasts: Quota,
    live: watch::Receiver<Live>,
    /// What the store failed over last.
    unwritten: Option<(ChatId, IdempotencyKey)>,
}

impl Admitting {
    pub(super) fn new(context: &Context) -> Self {
        let quota = KeyedQuotaLayer::new(context.config().limits.user_per_minute);
        let toasts = KeyedQuotaLayer::new(context.config().limits.user_per_minute);
        Self { stack: stack(context, &quota), quota, toasts, live: context.live.clone(), unwritten: None }
    }

    /// Counts an update of this user that will be answered. Those who run the bot may do as they like.
    pub(super) fn spend(&self, context: &Context, user: UserId) -> Result<(), OverQuota> {
        if context.config().people.operators.contains(&user.0) { Ok(()) } else { self.quota.spend(&user) }
    }

    /// Whether a user who presses too many buttons is told so: those calls are bounded as well.
    pub(super) fn may_toast(&self, user: UserId) -> bool {
        self.toasts.spend(&user).is_ok()
    }

    /// Builds the stack anew after the settings changed. Only another rate limit begins afresh.
    pub(super) fn follow_settings(&mut self, context: &Context) {
        if self.live.has_changed().unwrap_or(false) {
            self.live.mark_unchanged();
            self.quota = self.quota.with_quota(context.config().limits.user_per_minute);
            self.toasts = self.toasts.with_quota(context.config().limits.user_per_minute);
            self.stack = stack(context, &self.quota);
        }
    }

    /// Takes a message with sound, if the bot is to serve it; tells whether it will be heard.
    pub(super) async fn message(&mut self, context: &Context, voice: &VoiceMessage) -> Result<bool, StoreError> {
        let settings = context.store.users.chat_settings(voice.place.chat).await?;
        if unasked(voice, &settings) || !may_answer(context, voice.place.chat, voice.place.thread) {
            return Ok(false);
        }
        let arrival = IncomingAudio { speech_language: settings.speech_language, ..arrival(voice) };
        match acceptable(context, voice).await? {
            Ok(()) => self.admit(context, arrival).await,
            Err(reason) => self.refuse(context, &arrival, reason).await.map(|()| false),
        }
    }

    /// Whether the bot would serve a message, by what can be known of it while the store fails.
    pub(super) async fn would_take(&self, context: &Context, voice: &VoiceMessage) -> bool {
        let draining = *context.flow.borrow() == Flow::Draining;
        let chat = voice.place.chat;
        let closed = context.client.refused_since(chat, voice.place.thread).is_some();
        if draining || closed || !matches!(acceptable(context, voice).await, Ok(Ok(()))) {
            return false;
        }
        let settings = context.store.users.chat_settings(chat).await.unwrap_or_default();
        !unasked(voice, &settings) && !context.is_banned(voice.from.id, chat).await.unwrap_or(false)
    }

    /// Makes an arrival a request if there is room for it and it can be answered; tells whether it became one.
    pub(super) async fn take(&mut self, context: &Context, arrival: IncomingAudio) -> Result<bool, StoreError> {
        if !may_answer(context, arrival.chat, arrival.thread.map(ThreadId)) {
            return Ok(false);
        }
        self.admit(context, arrival).await
    }

    /// Refuses an arrival for what it says of itself, or for its sender's quota.
    async fn refuse(
        &mut self,
        context: &Context,
        arrival: &IncomingAudio,
        reason: RejectReason,
    ) -> Result<(), StoreError> {
        let key = (arrival.chat, arrival.key.clone());
        let counted = self.unwritten.as_ref() == Some(&key) || matches!(arrival.key, IdempotencyKey::Button { .. });
        let over = if counted { Ok(()) } else { self.quota.spend(&arrival.from.id) };
        let refused = match over {
            Ok(()) => refuse(context, arrival, reason).await,
            Err(OverQuota { first: true, .. }) => refuse(context, arrival, RejectReason::TooOften).await,
            Err(OverQuota { first: false, .. }) => {
                observe(&Event::Silenced);
                Ok(())
            }
        };
        self.unwritten = refused.is_err().then_some(key);
        refused
    }

    async fn admit(&mut self, context: &Context, arrival: IncomingAudio) -> Result<bool, StoreError> {
        if *context.flow.borrow() == Flow::Draining {
            return self.refuse(context, &arrival, RejectReason::Maintenance).await.map(|()| false);
        }
        let key = (arrival.chat, arrival.key.clone());
        let knock = Knock { arrival: arrival.clone(), again: self.unwritten.as_ref() == Some(&key) };
        let admitted = self.stack.ready().await?.call(knock).await;
        self.unwritten = matches!(admitted, Err(AdmitFailure::Store(_))).then_some(key);
        let refused = |id, reason| {
            observe(&Event::Refused { id, reason });
            Ok(false)
        };
        match admitted {
            Ok(Admission::New(id)) => {
                observe(&Event::Admitted { id, claimed: arrival.claimed });
                Ok(true)
            }
            Ok(Admission::Coalesced { id, into }) => {
                observe(&Event::Coalesced { id, into, claimed: arrival.claimed });
                enqueue::set_coalesced_status_message(context, id, into, &arrival);
                Ok(true)
            }
            Ok(Admission::Duplicate) => {
                observe(&Event::Duplicate);
                Ok(true)
            }
            Ok(Admission::QueueFull(id)) => refused(id, RejectReason::QueueFull),
            Ok(Admission::UserFull(id)) => refused(id, RejectReason::UserLimit),
            Ok(Admission::DayFull(id)) => refused(id, RejectReason::DailyLimit),
            Err(AdmitFailure::Refused(reason)) => refuse(context, &arrival, reason).await.map(|()| false),
            Err(AdmitFailure::Silenced) => {
                observe(&Event::Silenced);
                Ok(false)
            }
            Err(AdmitFailure::Store(error)) => Err(error),
            Err(AdmitFailure::Other(error)) => Err(StoreError::Broken(error.to_string())),
        }
    }
}

async fn refuse(context: &Context, arrival: &IncomingAudio, reason: RejectReason) -> Result<(), StoreError> {
    match context.store.queue.refuse(arrival, reason).await? {
        Some(id) => observe(&Event::Refused { id, reason }),
        None => observe(&Event::Duplicate),
    }
    Ok(())
}

impl From<AdmitFailure> for StoreError {
    fn from(failure: AdmitFailure) -> Self {
        match failure {
            AdmitFailure::Store(error) => error,
            AdmitFailure::Refused(_) | AdmitFailure::Silenced | AdmitFailure::Other(_) => {
                Self::Broken(failure.to_string())
            }
        }
    }
}

/// Whether nobody asked for the text of what was sent to a group.
fn unasked(voice: &VoiceMessage, settings: &ChatSettings) -> bool {
    voice.place.kind == ChatKind::Group && voice.asked_by == AskedBy::Itself && !settings.auto
}

/// Whether an answer can be sent there, as far as is known. Counts what is left alone.
fn may_answer(context: &Context, chat: ChatId, thread: Option<ThreadId>) -> bool {
    let may = context.client.may_try(chat, thread);
    if !may {
        counter!(names::IGNORED).increment(1);
        tracing::debug!("a recording is left alone: the bot may not write where it came from");
    }
    may
}

/// What a message says of itself and of its sender, held against the settings.
async fn acceptable(context: &Context, voice: &VoiceMessage) -> Result<Result<(), RejectReason>, StoreError> {
    Ok(if is_allowed(context, voice).await? {
        claims(voice, &context.config().limits)
    } else {
        Err(RejectReason::NotAllowed)
    })
}

/// Whether the bot serves this person, or everybody in this group, by any number that the group has or had.
async fn is_allowed(context: &Context, voice: &VoiceMessage) -> Result<bool, StoreError> {
    let people = &context.config().people;
    let chat = voice.place.chat;
    if people.allowed.is_empty()
        || [voice.from.id.0, chat.0].iter().any(|id| people.allowed.contains(id))
        || people.operators.contains(&voice.from.id.0)
    {
        return Ok(true);
    }
    match voice.place.kind {
        ChatKind::Private => Ok(false),
        ChatKind::Group => {
            Ok(context.store.users.other_ids(chat).await?.iter().any(|id| people.allowed.contains(&id.0)))
        }
    }
}

/// What a message says of itself, held against the limits before anything is downloaded. The file is measured
/// again once it is here.
pub(crate) fn claims(voice: &VoiceMessage, limits: &Limits) -> Result<(), RejectReason> {
    if voice.claimed_duration.is_some_and(|claimed| claimed > limits.voice) {
        Err(RejectReason::TooLong)
    } else if voice.claimed_size.is_some_and(|bytes| bytes > limits.file_bytes) {
        Err(RejectReason::TooBig)
    } else {
        Ok(())
    }
}

fn arrival(voice: &VoiceMessage) -> IncomingAudio {
    IncomingAudio {
        chat: voice.place.chat,
        thread: voice.place.thread.map(|thread| thread.0),
        key: IdempotencyKey::Message(voice.asked),
        reply_to: Some(voice.message),
        from: sender(&voice.from),
        source: voice.source,
        file_id: voice.file_id.clone(),
        file_unique_id: voice.file_unique_id.clone(),
        claimed: voice.claimed_duration,
        locale: voice.from.language_code.clone(),
        speech_language: None,
        form: AnswerForm::Message,
        parent: None,
    }
}

/// Somebody, as the store remembers them.
pub(super) fn sender(from: &stenobot_telegram::Sender) -> Sender {
    Sender {
        id: from.id,
        username: from.username.clone(),
        first_name: Some(from.first_name.clone()),
        last_name: from.last_name.clone(),
    }
}
