//! A Bot API server: HTTP on loopback, one token, chats and updates in memory.
//!
//! A call passes `http` (connections, long polls, faults), `params` (its parameters) and `methods` (what it does), which
//! changes `state` with `chat`, `group`, `guests`, `keyboard`, `menu` and `press`; `show` gives the JSON forms, `refusal` the errors,
//! `flood` the rate limits. `inbound` is the other side: what users do becomes updates, which are polled or which `webhook`
//! delivers.

mod business;
mod channel;
mod chat;
mod entities;
mod fault;
mod flood;
mod group;
mod guests;
mod http;
mod inbound;
pub mod keyboard;
mod menu;
mod methods;
mod params;
mod press;
mod reaction;
mod refusal;
mod show;
mod state;
mod webhook;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use business::Account;
pub use chat::{Author, Channel, Chat, ChatKind, Content, Edit, Member, MemberStatus, Message, Origin, Post};
pub use entities::Decoration;
pub use fault::{Call, Effect, FaultAction, FaultInjector, RandomFaults, ScriptedFault};
pub use flood::{FloodLimits, Rate};
pub use guests::{GuestCall, GuestMessage};
pub use inbound::{Attachment, Media, UserInfo};
pub use keyboard::Button;
pub use menu::MenuEntry;
pub use press::{CallbackAnswer, Press};
pub use refusal::Refusal;
pub use state::{CallOutcome, CallRecord, Method, State, UpdateRecord};
pub use webhook::{Webhook, WebhookDelivery};

use stenobot_domain::Clock;

/// Configuration of the server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The only token it accepts.
    pub token: String,
    /// The bot's user name without `@`.
    pub username: String,
    /// How fast the bot may send.
    pub flood: FloodLimits,
    /// Largest file that `getFile` serves, in bytes; Telegram's limit is 20 MB.
    pub file_limit: u64,
    /// In groups the bot sees only messages addressed to it, unless it is an administrator: the default of a new bot.
    pub privacy_mode: bool,
    /// Users can connect the bot to their own accounts, as its owner has set.
    pub business_mode: bool,
    /// Users can call the bot in chats that it is not in, as its owner has set.
    pub guest_mode: bool,
    /// The folder into which `getFile` writes files, as a self-hosted server with `--local` does: it then answers with
    /// absolute paths, and serves no file over HTTP. The limit of such a server is 2000 MB, so raise `file_limit` too.
    pub local_files: Option<PathBuf>,
    /// Source of the dates of messages.
    pub clock: Clock,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token: random_token(),
            username: "stenobot_simulated_bot".into(),
            flood: FloodLimits::default(),
            file_limit: 20 * 1024 * 1024,
            privacy_mode: true,
            business_mode: true,
            guest_mode: true,
            local_files: None,
            clock: Clock::System,
        }
    }
}

/// A well-formed random token.
fn random_token() -> String {
    // The second half of a version 7 UUID is random; the first is the time.
    let half = || uuid::Uuid::now_v7().simple().to_string().split_off(16);
    format!("7000000001:AAS{}{}", half(), half())
}

/// A running Bot API server; a cheap handle. It runs until [`BotApi::stop`] or the end of the runtime.
#[derive(Clone)]
pub struct BotApi {
    shared: Arc<Shared>,
    url: reqwest::Url,
    stopping: CancellationToken,
    serving: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// Shared by all connections. Locks are never held across an await.
struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
    fault: RwLock<Option<Arc<dyn FaultInjector>>>,
    settings: Settings,
    started: Instant,
}

impl Shared {
    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state and wakes all tasks that wait for a change.
    fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let outcome = act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_replace(());
        outcome
    }

    /// Time since the server's start, the scale of all times in [`State`].
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn date(&self) -> i64 {
        self.settings.clock.now().0 / 1000
    }

    fn fault(&self) -> Option<Arc<dyn FaultInjector>> {
        self.fault.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl BotApi {
    /// Starts a server on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(settings: Settings) -> std::io::Result<Self> {
        // Loopback only: the server does not authenticate users.
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = reqwest::Url::parse(&format!("http://{}", listener.local_addr()?)).map_err(std::io::Error::other)?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(&settings)),
            changed: watch::Sender::new(()),
            fault: RwLock::new(None),
            settings,
            started: Instant::now(),
        });
        let stopping = CancellationToken::new();
        let serving = tokio::spawn(http::serve(listener, shared.clone(), stopping.clone()));
        tokio::spawn(webhook::deliver(shared.clone(), stopping.clone()));
        Ok(Self { shared, url, stopping, serving: Arc::new(Mutex::new(Some(serving))) })
    }

    /// The value for `telegram_api_url`.
    pub fn url(&self) -> &reqwest::Url {
        &self.url
    }

    /// The only accepted token.
    pub fn token(&self) -> &str {
        &self.shared.settings.token
    }

    /// Time since the server's start, the scale of all times in [`State`].
    pub fn now(&self) -> Duration {
        self.shared.now()
    }

    /// Ends open long polls, closes the connections and frees the port.
    pub async fn stop(&self) {
        self.stopping.cancel();
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(serving) = serving {
            // The only error is a panic in the server, which its callers have seen as a broken connection.
            let _ = serving.await;
        }
    }

    /// Reads the state. `look` runs under the server's lock: keep it short.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        self.shared.read(look)
    }

    /// Waits until `look` returns a value, without a timeout. It is called after every change of the state.
    pub async fn wait_for<T>(&self, mut look: impl FnMut(&State) -> Option<T>) -> T {
        let mut changes = self.shared.changed.subscribe();
        loop {
            changes.borrow_and_update();
            if let Some(found) = self.shared.read(&mut look) {
                return found;
            }
            if changes.changed().await.is_err() {
                unreachable!("the sender lives in `self.shared`");
            }
        }
    }

    /// Notified of every change of the state.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.shared.changed.subscribe()
    }

    /// Sets a webhook as another program would, without a secret.
    pub fn set_webhook(&self, url: &str) {
        self.shared.change(|state| state.webhook = Some(Webhook::at(url)));
    }

    /// Applies `fault` to every further call; `None` ends it.
    pub fn set_fault(&self, fault: Option<Arc<dyn FaultInjector>>) {
        *self.shared.fault.write().unwrap_or_else(PoisonError::into_inner) = fault;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_well_formed_and_differ() {
        let (one, other) = (random_token(), random_token());
        assert_ne!(one, other);
        let (id, secret) = one.split_once(':').unwrap();
        assert!(id.bytes().all(|b| b.is_ascii_digit()));
        assert_eq!(secret.len(), 35);
    }
}
