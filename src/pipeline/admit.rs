//! A message with sound becomes a durable request, or is refused.

use futures::future::BoxFuture;
use metrics::counter;
use stenobot_domain::{
    AnswerForm, BusinessKey, BusinessMessage, ChatId, GuestCall, GuestQueryId, Origin, PersonName, RejectReason,
    StateDisplay, StatusStyle, UserId,
};
use stenobot_store::{Admission, Capacity, ChatSettings, IdempotencyKey, IncomingAudio, Sender, Store, StoreError};
use stenobot_telegram::{AskedBy, BusinessAudio, ChatKind, Client, Location, ThreadId, VoiceMessage};
use tower::util::BoxService;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use super::backlog::Backlog;
use super::bans::is_banned;
use super::file_names::{FileNames, file_stem};
use super::positions::PositionDisplay;
use super::service_mode::ServiceControl;
use crate::config::Limits;
use crate::layers::{Depth, Keyed, KeyedQuotaLayer, ObserveLayer, OverQuota, Overloaded, ShedOnDepthLayer};
use crate::metrics::{self as names, Work};
use crate::request::{Event, observe};
use crate::settings::Settings;

/// Why incoming audio did not become a request.
#[derive(Debug)]
enum AdmitFailure {
    Refused(RejectReason),
    /// Above the quota of a sender, who has been informed.
    Silenced,
    Store(StoreError),
}

impl From<OverQuota> for AdmitFailure {
    fn from(over: OverQuota) -> Self {
        if over.first { Self::Refused(RejectReason::TooOften) } else { Self::Silenced }
    }
}

impl From<Overloaded> for AdmitFailure {
    fn from(_: Overloaded) -> Self {
        Self::Refused(RejectReason::QueueFull)
    }
}

impl From<StoreError> for AdmitFailure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Incoming audio to be admitted.
struct AdmitRequest {
    incoming: IncomingAudio,
    /// Whether it passed the quota before, and the store failed then.
    is_retry: bool,
}

impl Keyed for AdmitRequest {
    type Key = UserId;

    fn key(&self) -> Option<UserId> {
        match self.incoming.key {
            // While the store cannot be written, the update is repeated. That does not count against its sender.
            IdempotencyKey::Message(_) | IdempotencyKey::Origin => (!self.is_retry).then_some(self.incoming.from.id),
            // The press was counted.
            IdempotencyKey::Button { .. } => None,
        }
    }
}

type Admit = BoxService<AdmitRequest, Admission, AdmitFailure>;
type Quota = KeyedQuotaLayer<UserId>;

fn stack(store: &Store, backlog: &Backlog, limits: &Limits, quota: &Quota) -> Admit {
    let Limits { queue, waiting_per_user: per_user, daily_audio: per_day, .. } = *limits;
    let capacity = Capacity { queue, per_user, per_day };
    let depth = QueueDepth(store.clone(), backlog.clone());
    let (store, backlog) = (store.clone(), backlog.clone());
    let insert = service_fn(move |AdmitRequest { incoming, .. }: AdmitRequest| {
        let (store, busy) = (store.clone(), backlog.busy());
        async move { store.queue.admit_excluding(&incoming, &capacity, &busy).await.map_err(AdmitFailure::from) }
    });
    ServiceBuilder::new()
        .boxed()
        // The time an admission takes is time in which Telegram is not polled.
        .layer(ObserveLayer::new(Work::Admission))
        // One user's flood is refused before it takes queue slots from others.
        .layer(quota.clone())
        // A full queue is known without a write lock. The insert below still reserves the slot.
        .layer(ShedOnDepthLayer::new(depth, queue))
        // SQLite has one writer; requests are admitted in the order in which they arrive.
        .concurrency_limit(1)
        .service(insert)
}

struct QueueDepth(Store, Backlog);

impl Depth for QueueDepth {
    type Error = StoreError;

    fn depth(&self) -> BoxFuture<'_, Result<u32, StoreError>> {
        Box::pin(async { self.0.queue.depth_excluding(&self.1.busy()).await })
    }
}

/// The user for whom a recording that they received on their own account is transcribed.
pub(crate) struct OwnAccount {
    pub(crate) user: Sender,
    /// Their private chat with the bot.
    pub(crate) chat: ChatId,
    /// Language code of their Telegram.
    pub(crate) locale: Option<String>,
}

/// Parameters of [`Admitter::new`].
pub(crate) struct AdmitterParts {
    pub(crate) store: Store,
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) backlog: Backlog,
    pub(crate) service: ServiceControl,
    pub(crate) positions: PositionDisplay,
    pub(crate) file_names: FileNames,
}

/// Admits messages and presses of buttons, one at a time.
pub(crate) struct Admitter {
    parts: AdmitterParts,
    stack: Admit,
    /// For everything that costs an outgoing call. Outlives the stack, so that a reload of settings does not reset it.
    quota: Quota,
    /// For informing users that the presses of buttons are over their quota.
    callback_quota: Quota,
    /// The audio that the store failed to record last.
    unrecorded: Option<(ChatId, IdempotencyKey)>,
}

impl Admitter {
    pub(crate) fn new(parts: AdmitterParts) -> Self {
        let limits = &parts.settings.config().limits;
        let quota = KeyedQuotaLayer::new(limits.user_per_minute);
        let callback_quota = KeyedQuotaLayer::new(limits.user_per_minute);
        let stack = stack(&parts.store, &parts.backlog, limits, &quota);
        Self { parts, stack, quota, callback_quota, unrecorded: None }
    }

    /// Counts an update of this user that will be answered. Operators are not limited.
    pub(crate) fn spend(&self, user: UserId) -> Result<(), OverQuota> {
        if self.parts.settings.config().people.operators.contains(&user.0) { Ok(()) } else { self.quota.spend(&user) }
    }

    /// Whether a user who presses too many buttons is informed: those calls are bounded as well.
    pub(crate) fn may_answer_callback(&self, user: UserId) -> bool {
        self.callback_quota.spend(&user).is_ok()
    }

    /// Builds the stack anew after the settings changed. Only another rate limit starts its counts anew.
    pub(crate) fn follow_settings(&mut self) {
        if self.parts.settings.have_changed() {
            let limits = &self.parts.settings.config().limits;
            self.quota = self.quota.with_quota(limits.user_per_minute);
            self.callback_quota = self.callback_quota.with_quota(limits.user_per_minute);
            self.stack = stack(&self.parts.store, &self.parts.backlog, limits, &self.quota);
        }
    }

    /// Admits a message with sound, if the bot serves it; returns whether it will be transcribed.
    pub(crate) async fn message(&mut self, voice: &VoiceMessage) -> Result<bool, StoreError> {
        let settings = self.parts.store.users.chat_settings(voice.location.chat).await?;
        if is_unrequested(voice, &settings) || !self.may_answer(voice.location.chat, voice.location.thread) {
            return Ok(false);
        }
        let display = display_of(voice, &settings);
        let incoming = IncomingAudio { speech_language: settings.speech_language.clone(), display, ..incoming(voice) };
        match self.check(voice).await? {
            None => {
                let now = self.parts.store.now();
                let stem = voice.file_name.as_deref().map(|name| file_stem(Some(name), voice.source, now));
                self.admit(incoming, stem).await
            }
            Some(reason) => self.refuse_counted(&incoming, reason).await.map(|()| false),
        }
    }

    /// Admits a recording that the user of a connected account received, in their name; returns whether it will be transcribed.
    pub(crate) async fn business_audio(
        &mut self,
        account: OwnAccount,
        audio: &BusinessAudio,
    ) -> Result<bool, StoreError> {
        if !self.may_answer(account.chat, None) {
            return Ok(false);
        }
        let speech_language = self.parts.store.users.chat_settings(account.chat).await?.speech_language;
        let incoming = IncomingAudio { speech_language, ..received(account, audio) };
        match check_claims(&audio.voice, &self.parts.settings.config().limits) {
            Ok(()) => {
                let name = audio.voice.file_name.as_deref();
                let stem = name.map(|name| file_stem(Some(name), audio.voice.source, audio.sent_at));
                self.admit(incoming, stem).await
            }
            Err(reason) => self.refuse_counted(&incoming, reason).await.map(|()| false),
        }
    }

    /// Admits a recording to which a user has called the bot as a guest; returns whether it will be transcribed.
    pub(crate) async fn guest_call(&mut self, query: &GuestQueryId, voice: &VoiceMessage) -> Result<bool, StoreError> {
        let chat = voice.location.chat;
        let speech_language = self.parts.store.users.chat_settings(chat).await?.speech_language;
        let origin = Origin::Guest(GuestCall { query: query.clone(), message: None });
        let key = IdempotencyKey::Origin;
        let incoming = IncomingAudio { key, reply_to: None, origin, speech_language, ..incoming(voice) };
        match self.check(voice).await? {
            None => self.admit(incoming, None).await,
            Some(reason) => self.refuse_counted(&incoming, reason).await.map(|()| false),
        }
    }

    /// Whether the chat is told more than texts, as far as that can be known.
    pub(crate) async fn is_told(&self, location: Location) -> bool {
        let settings = self.parts.store.users.chat_settings(location.chat).await.unwrap_or_default();
        is_told(location.kind, &settings)
    }

    /// Whether the bot would serve a message, as far as that can be known while the store fails.
    pub(crate) async fn would_admit(&self, voice: &VoiceMessage) -> bool {
        let chat = voice.location.chat;
        let closed = self.parts.client.refused_since(chat, voice.location.thread).is_some();
        if self.parts.service.is_draining() || closed || !matches!(self.check(voice).await, Ok(None)) {
            return false;
        }
        let store = &self.parts.store;
        let settings = store.users.chat_settings(chat).await.unwrap_or_default();
        !is_unrequested(voice, &settings)
            && is_told(voice.location.kind, &settings)
            && !is_banned(store, &self.parts.settings, voice.from.id, chat).await.unwrap_or(false)
    }

    /// Admits a kept recording once more, if its answer can be sent; returns whether it will be transcribed. `stem` is the
    /// name of a file with the answer, without extension.
    pub(crate) async fn kept_audio(
        &mut self,
        incoming: IncomingAudio,
        stem: Option<String>,
    ) -> Result<bool, StoreError> {
        if !self.may_answer(incoming.chat, incoming.thread) {
            return Ok(false);
        }
        self.admit(incoming, stem).await
    }

    /// Records a refusal, unless the sender's quota is used up.
    async fn refuse_counted(&mut self, incoming: &IncomingAudio, reason: RejectReason) -> Result<(), StoreError> {
        let key = (incoming.chat, incoming.key.clone());
        let is_counted =
            self.unrecorded.as_ref() == Some(&key) || matches!(incoming.key, IdempotencyKey::Button { .. });
        let over = if is_counted { Ok(()) } else { self.quota.spend(&incoming.from.id) };
        let refused = match over {
            Ok(()) => self.refuse(incoming, reason).await,
            Err(OverQuota { first: true, .. }) => self.refuse(incoming, RejectReason::TooOften).await,
            Err(OverQuota { first: false, .. }) => {
                observe(&Event::Silenced);
                Ok(())
            }
        };
        self.unrecorded = refused.is_err().then_some(key);
        refused
    }

    /// Admits audio; returns whether it will be transcribed.
    async fn admit(&mut self, incoming: IncomingAudio, stem: Option<String>) -> Result<bool, StoreError> {
        if self.parts.service.is_draining() {
            return self.refuse_counted(&incoming, RejectReason::Maintenance).await.map(|()| false);
        }
        let key = (incoming.chat, incoming.key.clone());
        let is_retry = self.unrecorded.as_ref() == Some(&key);
        let admitted = match self.stack.ready().await {
            Ok(stack) => stack.call(AdmitRequest { incoming: incoming.clone(), is_retry }).await,
            Err(failure) => Err(failure),
        };
        self.unrecorded = matches!(admitted, Err(AdmitFailure::Store(_))).then_some(key);
        let refused = |id, reason| {
            observe(&Event::Refused { id, reason });
            Ok(false)
        };
        if let (Ok(Admission::New(id) | Admission::Coalesced { id, .. }), Some(stem)) = (&admitted, stem) {
            self.parts.file_names.record(*id, stem);
        }
        match admitted {
            Ok(Admission::New(id)) => {
                observe(&Event::Admitted { id, claimed: incoming.claimed });
                Ok(true)
            }
            Ok(Admission::Coalesced { id, into }) => {
                observe(&Event::Coalesced { id, into, claimed: incoming.claimed });
                self.parts.positions.show_coalesced(id, into, &incoming);
                Ok(true)
            }
            Ok(Admission::Duplicate) => {
                observe(&Event::Duplicate);
                Ok(true)
            }
            Ok(Admission::QueueFull(id)) => refused(id, RejectReason::QueueFull),
            Ok(Admission::UserFull(id)) => refused(id, RejectReason::UserLimit),
            Ok(Admission::DayFull(id)) => refused(id, RejectReason::DailyLimit),
            Err(AdmitFailure::Refused(reason)) => self.refuse(&incoming, reason).await.map(|()| false),
            Err(AdmitFailure::Silenced) => {
                observe(&Event::Silenced);
                Ok(false)
            }
            Err(AdmitFailure::Store(error)) => Err(error),
        }
    }

    async fn refuse(&self, incoming: &IncomingAudio, reason: RejectReason) -> Result<(), StoreError> {
        match self.parts.store.queue.refuse(incoming, reason).await? {
            Some(id) => observe(&Event::Refused { id, reason }),
            None => observe(&Event::Duplicate),
        }
        Ok(())
    }

    /// Whether an answer can be sent there, as far as is known. Counts ignored recordings.
    fn may_answer(&self, chat: ChatId, thread: Option<ThreadId>) -> bool {
        let may = self.parts.client.may_attempt(chat, thread);
        if !may {
            counter!(names::IGNORED).increment(1);
            tracing::debug!("a recording is left alone: the bot may not write where it came from");
        }
        may
    }

    /// Checks a message's claims and its sender against the settings; gives the reason for a refusal.
    async fn check(&self, voice: &VoiceMessage) -> Result<Option<RejectReason>, StoreError> {
        Ok(if self.is_allowed(voice).await? {
            check_claims(voice, &self.parts.settings.config().limits).err()
        } else {
            Some(RejectReason::NotAllowed)
        })
    }

    /// Whether the bot serves this user, or every member of this group, by any id that the group has or had.
    async fn is_allowed(&self, voice: &VoiceMessage) -> Result<bool, StoreError> {
        let people = &self.parts.settings.config().people;
        let chat = voice.location.chat;
        if people.allowed.is_empty()
            || [voice.from.id.0, chat.0].iter().any(|id| people.allowed.contains(id))
            || people.operators.contains(&voice.from.id.0)
            || self.parts.store.users.invited_since(voice.from.id).await?.is_some()
        {
            return Ok(true);
        }
        match voice.location.kind {
            ChatKind::Private => Ok(false),
            ChatKind::Group | ChatKind::Channel => {
                let ids = self.parts.store.users.other_ids(chat).await?;
                Ok(ids.iter().any(|id| people.allowed.contains(&id.0)))
            }
        }
    }
}

/// Whether audio in a group or channel is to be ignored: no member requested its text, and `/auto` is off.
fn is_unrequested(voice: &VoiceMessage, settings: &ChatSettings) -> bool {
    voice.location.kind != ChatKind::Private && voice.asked_by == AskedBy::Itself && !settings.auto
}

/// Whether a chat is told more than texts.
fn is_told(kind: ChatKind, settings: &ChatSettings) -> bool {
    match kind {
        ChatKind::Private => true,
        ChatKind::Group => !settings.quiet,
        ChatKind::Channel => false,
    }
}

/// How the state of a request is shown.
fn display_of(voice: &VoiceMessage, settings: &ChatSettings) -> StateDisplay {
    match voice.location.kind {
        ChatKind::Channel if voice.has_free_caption => StateDisplay::Caption,
        kind => display(kind, settings),
    }
}

/// How the state of a request is shown in such a chat.
pub(crate) fn display(kind: ChatKind, settings: &ChatSettings) -> StateDisplay {
    match kind {
        ChatKind::Channel => StateDisplay::Comment,
        ChatKind::Private => StateDisplay::Message,
        ChatKind::Group if settings.quiet => StateDisplay::Quiet,
        ChatKind::Group => match settings.status.unwrap_or(StatusStyle::Reactions) {
            StatusStyle::Messages => StateDisplay::Message,
            StatusStyle::Reactions => StateDisplay::Reaction,
        },
    }
}

/// Checks a message's claims of length and size before anything is downloaded. The downloaded file is measured.
fn check_claims(voice: &VoiceMessage, limits: &Limits) -> Result<(), RejectReason> {
    if voice.claimed_duration.is_some_and(|claimed| claimed > limits.voice) {
        Err(RejectReason::TooLong)
    } else if voice.claimed_size.is_some_and(|bytes| bytes > limits.file_bytes) {
        Err(RejectReason::TooBig)
    } else {
        Ok(())
    }
}

fn incoming(voice: &VoiceMessage) -> IncomingAudio {
    IncomingAudio {
        chat: voice.location.chat,
        thread: voice.location.thread,
        key: IdempotencyKey::Message(voice.asked),
        reply_to: Some(voice.message),
        origin: Origin::Chat,
        display: StateDisplay::Message,
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

/// The request of the account's user. What is kept of the message names neither its chat nor, once it is answered, its author.
fn received(account: OwnAccount, audio: &BusinessAudio) -> IncomingAudio {
    let BusinessAudio { connection, sent_at, voice } = audio;
    let names = [Some(voice.from.first_name.as_str()), voice.from.last_name.as_deref()];
    let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
    IncomingAudio {
        chat: account.chat,
        key: IdempotencyKey::Origin,
        reply_to: None,
        origin: Origin::Business(BusinessMessage {
            key: BusinessKey::of(connection, voice.location.chat, voice.message),
            author: PersonName::new(&name),
            sent_at: *sent_at,
        }),
        from: account.user,
        locale: account.locale,
        ..incoming(voice)
    }
}

/// A user of Telegram, as the store keeps them.
pub(crate) fn sender(from: &stenobot_telegram::Sender) -> Sender {
    Sender {
        id: from.id,
        username: from.username.clone(),
        first_name: Some(from.first_name.clone()),
        last_name: from.last_name.clone(),
    }
}
