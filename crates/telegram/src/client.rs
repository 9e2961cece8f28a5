//! Calls to the Bot API.
//!
//! teloxide gives the methods' names and parameters; sending and reading is done here. teloxide's own `Bot`
//! sleeps 10 s inside any call that gets a 5xx, hides the status code, and turns an answer with one field it
//! does not know into an error, though the message was sent. Answers are read into the few fields we use.

use std::fmt;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::multipart::Form;
use reqwest::{Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stenobot_domain::{ChatId, UserId};
use stenobot_network::Proxies;
use teloxide::payloads;
use teloxide::requests::Payload;
use tokio::time::Instant;

use super::administrators::AdministratorCache;
use super::call::{Call, CallOutcome, Method, Observer};
use super::error::{Parameters, Refusal, TelegramError};
use super::outgoing::{LearnedPause, Limits, MAX_PAUSE, Outbox, Priority, Scope, Share};
use super::redact::Redactor;
use super::update::Identity;
use super::updates::UpdateKinds;
use super::write_permissions::WritePermissions;

/// Longest time to a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest time one call may take.
pub(super) const CALL: Duration = Duration::from_secs(20);
/// How long a connection may be idle and still be used. Some routers forget a connection without telling; a call on one
/// of those ends after [`CALL`] with an unknown effect.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);
/// Largest answer that is read, but for updates; a sent message or a refusal is far smaller.
const MAX_ANSWER: usize = 1 << 20;

/// Client of one Bot API server with one token. Cheap to clone; its `Debug` shows the server's host only.
#[derive(Clone)]
pub struct Client(Arc<Inner>, Priority, Notification);

struct Inner {
    http: reqwest::Client,
    api_url: Url,
    token: SecretString,
    redactor: Redactor,
    observe: Observer,
    outbox: Outbox,
    write_permissions: WritePermissions,
    administrators: AdministratorCache,
    update_kinds: UpdateKinds,
    me: OnceLock<Me>,
    /// Names of the bot's commands.
    commands: Vec<&'static str>,
    local_files: Option<PathBuf>,
}

/// Whether a new message makes the chat's members' programs notify them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notification {
    On,
    Off,
}

/// The bot's own account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Me {
    /// Its user id.
    #[serde(deserialize_with = "user_id")]
    pub id: UserId,
    /// Its name without `@`.
    pub username: String,
    /// Whether users can connect it to their own accounts, as its owner has set.
    #[serde(default)]
    pub can_connect_to_business: bool,
    /// Whether users can call it in chats that it is not in, as its owner has set.
    #[serde(default)]
    pub supports_guest_queries: bool,
}

fn user_id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<UserId, D::Error> {
    i64::deserialize(deserializer).map(UserId)
}

impl Client {
    /// As [`Client::through`], without a proxy.
    ///
    /// # Errors
    /// Those of [`Client::through`].
    pub fn new(api_url: Url, token: &str, observe: Observer) -> Result<Self, TelegramError> {
        Self::through(&Proxies::default(), api_url, token, observe)
    }

    /// A client for the server at `api_url` (Telegram's own or a local one, without `/bot`), which calls and downloads
    /// through the proxy for that server if there is one. Makes no call yet.
    ///
    /// # Errors
    /// [`TelegramError::Network`] when TLS cannot be set up or the URL cannot be the base of others.
    pub fn through(proxies: &Proxies, api_url: Url, token: &str, observe: Observer) -> Result<Self, TelegramError> {
        if api_url.cannot_be_a_base() {
            return Err(TelegramError::Network("its address cannot be used".to_owned()));
        }
        let builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE_CONNECTION)
            .tcp_nodelay(true)
            // The path holds the token: it must not follow a redirect to another host.
            .redirect(reqwest::redirect::Policy::none());
        let http = proxies.apply(builder).build().map_err(|error| TelegramError::from_transport(&error))?;
        let (redactor, token) = (Redactor::new(token), SecretString::from(token.to_owned()));
        let inner = Inner {
            http,
            api_url,
            token,
            redactor,
            observe,
            outbox: Outbox::new(Limits::default()),
            write_permissions: WritePermissions::default(),
            administrators: AdministratorCache::default(),
            update_kinds: UpdateKinds::default(),
            me: OnceLock::new(),
            commands: Vec::new(),
            local_files: None,
        };
        Ok(Self(Arc::new(inner), Priority::Notice, Notification::On))
    }

    /// Lets the client read files that a local Bot API server names by a path on this machine, if they are below `folder`.
    #[must_use]
    pub fn with_local_files(mut self, folder: PathBuf) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.local_files = Some(folder);
        }
        self
    }

    /// Lets the client send this many messages and edits a second, over all chats.
    #[must_use]
    pub fn with_rate(mut self, messages_per_second: NonZeroU32) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.outbox = Outbox::new(Limits::of_rate(messages_per_second));
        }
        self
    }

    /// Lets the client recognise these commands, lower case and without `/`. Others count as unknown.
    #[must_use]
    pub fn with_commands(mut self, names: Vec<&'static str>) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.commands = names;
        }
        self
    }

    /// What updates are read with.
    pub(crate) fn identity(&self) -> Identity<'_> {
        Identity { me: self.known(), commands: &self.0.commands }
    }

    /// A client for messages and edits of this priority; by default they are [`Priority::Notice`]. Shares everything else.
    #[must_use]
    pub fn with_priority(&self, priority: Priority) -> Self {
        Self(self.0.clone(), priority, self.2)
    }

    /// A client whose new messages come without notifications. Shares everything else.
    #[must_use]
    pub fn without_notifications(&self) -> Self {
        Self(self.0.clone(), self.1, Notification::Off)
    }

    pub(super) fn notification(&self) -> Notification {
        self.2
    }

    /// Chats within a pause of their own, at most `most`.
    pub fn paused_chats(&self, most: usize) -> Vec<ChatId> {
        self.0.outbox.pauses().paused_chats(most)
    }

    /// Whether a pause of all chats is inferred.
    pub fn all_chats_paused(&self) -> bool {
        self.0.outbox.pauses().all_paused()
    }

    /// Waits for pauses of messages and edits that Telegram demanded of this process, in one chat or in all, and gives those
    /// that are new since the last call. Cancellation-safe; for one caller.
    pub async fn learned_pauses(&self) -> Vec<LearnedPause> {
        self.0.outbox.pauses().next_learned().await
    }

    /// Holds a pause that another machine learned, in one chat or (`None`) in all. Never shortens a pause; calls that wait for
    /// such a chat end at once with what is left.
    pub fn impose_pause(&self, chat: Option<ChatId>, left: Duration) {
        self.0.outbox.impose_pause(chat, left);
    }

    /// Sets this machine's part of what Telegram takes from the bot. By default it is alone.
    pub fn set_share(&self, share: Share) {
        self.0.outbox.set_share(share);
    }

    /// Messages and edits that were to be sent since this was asked last, or wait since before.
    pub fn take_demand(&self) -> u32 {
        self.0.outbox.take_demand()
    }

    pub(super) fn administrators(&self) -> &AdministratorCache {
        &self.0.administrators
    }

    pub(super) fn wanted_updates(&self) -> &UpdateKinds {
        &self.0.update_kinds
    }

    pub(super) fn local_files(&self) -> Option<&Path> {
        self.0.local_files.as_deref()
    }

    /// The bot's own account; fails if the token is not accepted. From then on, mentions in updates are matched against
    /// this name.
    ///
    /// # Errors
    /// Any [`TelegramError`].
    pub async fn me(&self) -> Result<Me, TelegramError> {
        let me: Me = self.call(Method::GetMe, &payloads::GetMe::new(), CALL).await?;
        Ok(self.0.me.get_or_init(|| me).clone())
    }

    /// The bot's account, once [`Client::me`] has succeeded.
    pub fn known(&self) -> Option<&Me> {
        self.0.me.get()
    }

    /// One call that is about no chat: at most `limit` long, reported to the observer. Within a pause that Telegram
    /// wants, it is not made.
    pub(super) async fn call<P, R>(&self, method: Method, payload: &P, limit: Duration) -> Result<R, TelegramError>
    where
        P: Payload + Serialize,
        R: DeserializeOwned,
    {
        self.call_named(P::NAME, method, payload, limit).await
    }

    /// As [`Client::call`], with parameters that are no type of teloxide.
    pub(super) async fn call_method<P, R>(
        &self,
        method: Method,
        payload: &P,
        limit: Duration,
    ) -> Result<R, TelegramError>
    where
        P: Serialize,
        R: DeserializeOwned,
    {
        self.call_named(method.as_str(), method, payload, limit).await
    }

    async fn call_named<P, R>(
        &self,
        name: &str,
        method: Method,
        payload: &P,
        limit: Duration,
    ) -> Result<R, TelegramError>
    where
        P: Serialize,
        R: DeserializeOwned,
    {
        self.0.outbox.check_pause(Scope::Method(method))?;
        self.within(limit, method, Scope::Method(method), self.exchange(name, payload)).await
    }

    pub(super) fn redactor(&self) -> &Redactor {
        &self.0.redactor
    }

    /// As [`Client::call`], for messages and edits in one chat. They take turns.
    pub(super) async fn write<P, R>(&self, chat: ChatId, method: Method, payload: &P) -> Result<R, TelegramError>
    where
        P: Payload + Serialize,
        R: DeserializeOwned,
    {
        let _slot = self.0.outbox.acquire(chat, self.1).await?;
        self.within(CALL, method, Scope::Chat(chat), self.exchange(P::NAME, payload)).await
    }

    /// As [`Client::write`]; `None` if `allowed`, which is waited for when the call has its slot, is false.
    pub(super) async fn write_if<P, R>(
        &self,
        chat: ChatId,
        method: Method,
        payload: &P,
        allowed: impl Future<Output = bool>,
    ) -> Result<Option<R>, TelegramError>
    where
        P: Payload + Serialize,
        R: DeserializeOwned,
    {
        let _slot = self.0.outbox.acquire(chat, self.1).await?;
        if !allowed.await {
            return Ok(None);
        }
        self.within(CALL, method, Scope::Chat(chat), self.exchange(P::NAME, payload)).await.map(Some)
    }

    pub(super) async fn within<R>(
        &self,
        limit: Duration,
        method: Method,
        scope: Scope,
        work: impl Future<Output = Result<R, TelegramError>>,
    ) -> Result<R, TelegramError> {
        let started = Instant::now();
        let result = tokio::time::timeout(limit, work).await.unwrap_or(Err(TelegramError::Timeout));
        self.0.outbox.record(scope, &result);
        self.report(method, started, result.as_ref().err());
        result
    }

    pub(super) fn outbox(&self) -> &Outbox {
        &self.0.outbox
    }

    pub(super) fn write_permissions(&self) -> &WritePermissions {
        &self.0.write_permissions
    }

    /// Tells the observer of a finished call.
    pub(super) fn report(&self, method: Method, started: Instant, error: Option<&TelegramError>) {
        let retry_after = match error {
            Some(TelegramError::RetryAfter(wait)) => Some(*wait),
            Some(_) | None => None,
        };
        (self.0.observe)(&Call { method, outcome: CallOutcome::of(error), took: started.elapsed(), retry_after });
    }

    async fn exchange<P: Serialize, R: DeserializeOwned>(&self, name: &str, payload: &P) -> Result<R, TelegramError> {
        let response = self.post(name, payload).await?;
        let status = response.status().as_u16();
        let body = read(response).await?;
        self.answer(status, &body)
    }

    /// As [`Client::write`], with parameters that come with a file.
    pub(super) async fn upload<R: DeserializeOwned>(
        &self,
        chat: ChatId,
        method: Method,
        name: &str,
        form: Form,
    ) -> Result<R, TelegramError> {
        let _slot = self.0.outbox.acquire(chat, self.1).await?;
        let work = async {
            let response = self.0.http.post(self.url(&[], &[name])).multipart(form).send().await;
            let response = response.map_err(|error| TelegramError::from_transport(&error))?;
            let status = response.status().as_u16();
            let body = read(response).await?;
            self.answer(status, &body)
        };
        self.within(CALL, method, Scope::Chat(chat), work).await
    }

    /// The answer to one call; the caller reads the body.
    pub(super) async fn post<P: Serialize>(&self, name: &str, payload: &P) -> Result<Response, TelegramError> {
        let request = self.0.http.post(self.url(&[], &[name])).json(payload);
        request.send().await.map_err(|error| TelegramError::from_transport(&error))
    }

    /// What a whole answer means. A body that is not the Bot API's JSON (a proxy's error page) is a failing server.
    pub(super) fn answer<R: DeserializeOwned>(&self, status: u16, body: &[u8]) -> Result<R, TelegramError> {
        #[derive(Deserialize)]
        struct Answer<R> {
            ok: bool,
            result: Option<R>,
            // Not flattened from `Refusal`: serde would build every field that neither knows.
            #[serde(default)]
            error_code: u16,
            #[serde(default)]
            description: String,
            #[serde(default)]
            parameters: Parameters,
        }
        match serde_json::from_slice::<Answer<R>>(body) {
            Ok(Answer { ok: true, result: Some(result), .. }) => Ok(result),
            Ok(Answer { ok: false, error_code, description, parameters, .. }) => {
                Err(self.refused(Refusal { error_code, description, parameters }, status))
            }
            Ok(Answer { ok: true, result: None, .. }) | Err(_) if status == 429 => {
                Err(self.refused(Refusal::default(), status))
            }
            // The proxy demands other credentials: the call was not forwarded.
            Ok(Answer { ok: true, result: None, .. }) | Err(_) if status == 407 => Err(TelegramError::NoConnection),
            Ok(Answer { ok: true, result: None, .. }) | Err(_) => Err(TelegramError::Server),
        }
    }

    /// What a refusal means. No server silences the bot for longer than [`MAX_PAUSE`].
    pub(super) fn refused(&self, refusal: Refusal, status: u16) -> TelegramError {
        match refusal.into_error(status, &self.0.redactor) {
            TelegramError::RetryAfter(asked) if asked > MAX_PAUSE => {
                tracing::error!(
                    asked = asked.as_secs(),
                    kept = MAX_PAUSE.as_secs(),
                    "Telegram demands a pause too long to be meant: an hour of it is kept"
                );
                TelegramError::RetryAfter(MAX_PAUSE)
            }
            error => error,
        }
    }

    /// The answer to a request for a file's bytes; the caller reads the body.
    pub(super) async fn get(&self, file_path: &str) -> Result<Response, TelegramError> {
        let segments: Vec<&str> = file_path.split('/').collect();
        let request = self.0.http.get(self.url(&["file"], &segments));
        request.send().await.map_err(|error| TelegramError::from_transport(&error))
    }

    fn url(&self, before: &[&str], after: &[&str]) -> Url {
        let mut url = self.0.api_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(before);
            segments.push(&format!("bot{}", self.0.token.expose_secret())).extend(after);
        }
        url
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("host", &self.0.api_url.host_str()).finish_non_exhaustive()
    }
}

/// The whole body, bounded.
pub(super) async fn read(response: Response) -> Result<Vec<u8>, TelegramError> {
    match read_up_to(response, MAX_ANSWER).await? {
        Body::Whole(body) => Ok(body),
        Body::Beginning(_) => Err(TelegramError::Server),
    }
}

/// What was read of a body.
pub(super) enum Body {
    /// All of it.
    Whole(Vec<u8>),
    /// As much as was to be read, and there is more.
    Beginning(Vec<u8>),
}

/// A body, at most `most` bytes of it.
pub(super) async fn read_up_to(mut response: Response, most: usize) -> Result<Body, TelegramError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| TelegramError::from_transport(&error))? {
        let room = most - body.len();
        if chunk.len() > room {
            body.extend_from_slice(&chunk[..room]);
            return Ok(Body::Beginning(body));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Body::Whole(body))
}
