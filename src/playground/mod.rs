//! A chat page for the browser, whose users talk to the bot through the local Bot API server, without Telegram.
//!
//! The page receives the chat as server-sent events and acts by requests. It is served on loopback, below a secret path, to
//! requests with this address as their host.

mod account;
mod feed;
mod group;
mod guard;
mod routes;
mod view;

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use stenobot_domain::UserId;
use stenobot_simulator::group::Group;
use stenobot_simulator::server::BotApi;
use stenobot_simulator::voices::Voices;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use account::OWNER;

use crate::http_server;

/// Maximum upload in bytes, whatever the settings allow.
const MAX_UPLOAD: u64 = 25 * 1024 * 1024;
/// Maximum of all uploads together in bytes: they stay in memory until the end.
const MAX_TOTAL_UPLOADS: u64 = 512 * 1024 * 1024;
/// Maximum number of pages at a time.
const MAX_EVENT_STREAMS: usize = 32;

/// Settings of a playground.
#[derive(Debug)]
pub struct PlaygroundSettings {
    /// Port of 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Sample recordings, if there are any.
    pub voices: Option<Voices>,
    /// Maximum upload in bytes; at most 25 MiB.
    pub file_bytes: u64,
}

/// A running page server. It runs until [`Playground::stop`] or the end of the runtime.
#[derive(Debug)]
pub struct Playground {
    url: String,
    stopping: CancellationToken,
    serving: JoinHandle<()>,
}

impl Playground {
    /// Serves the page for the chats of `api`.
    ///
    /// # Errors
    /// When the port is taken or the system gives no random numbers.
    pub async fn start(api: BotApi, settings: PlaygroundSettings) -> std::io::Result<Self> {
        // Loopback only: the address gives the rights of every user.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port)).await?;
        let address = listener.local_addr()?;
        let key = random_key()?;
        let stopping = CancellationToken::new();
        let shared = Arc::new(Shared {
            api,
            address,
            voices: settings.voices,
            file_limit: settings.file_bytes.min(MAX_UPLOAD),
            connection: OnceLock::new(),
            group: OnceLock::new(),
            uploaded: AtomicU64::new(0),
            event_streams: Arc::new(Semaphore::new(MAX_EVENT_STREAMS)),
            stopping: stopping.clone(),
        });
        let router = routes::router(&key, shared);
        let serving = tokio::spawn(http_server::serve(listener, router, stopping.clone()));
        Ok(Self { url: format!("http://{address}/{key}/"), stopping, serving })
    }

    /// Address of the page, including the secret.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends all event streams and frees the port.
    pub async fn stop(mut self) {
        self.stopping.cancel();
        // An idle keep-alive connection would delay the graceful shutdown for ever.
        if tokio::time::timeout(std::time::Duration::from_secs(1), &mut self.serving).await.is_err() {
            self.serving.abort();
        }
    }
}

/// Shared by all requests.
struct Shared {
    api: BotApi,
    address: SocketAddr,
    voices: Option<Voices>,
    file_limit: u64,
    /// Of the bot to the first user's own account, once a person writes there.
    connection: OnceLock<String>,
    group: OnceLock<Group>,
    uploaded: AtomicU64,
    event_streams: Arc<Semaphore>,
    stopping: CancellationToken,
}

impl Shared {
    /// Reserves memory for an upload; `false` when the limit is reached.
    fn reserve(&self, bytes: u64) -> bool {
        let more = |taken: u64| taken.checked_add(bytes).filter(|sum| *sum <= MAX_TOTAL_UPLOADS);
        self.uploaded.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

/// 128 random bits as hexadecimal digits.
fn random_key() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Names of the users, in the order of their numbers. The last but one writes to the first user's own account, the last in a
/// group, and the others to the bot.
const NAMES: [&str; 10] = ["Anna", "Boris", "Clara", "David", "Elena", "Farid", "Grace", "Hugo", "Bea", "Kim"];

/// Number of a user: 1 to 10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "usize")]
struct UserNumber(usize);

impl TryFrom<usize> for UserNumber {
    type Error = &'static str;

    fn try_from(number: usize) -> Result<Self, Self::Error> {
        if (1..=NAMES.len()).contains(&number) { Ok(Self(number)) } else { Err("there is no such person") }
    }
}

impl UserNumber {
    fn name(self) -> &'static str {
        NAMES[self.0 - 1]
    }

    fn id(self) -> UserId {
        UserId(700_000 + self.0 as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_and_differ() {
        let (one, other) = (random_key().unwrap(), random_key().unwrap());
        assert_eq!(one.len(), 32);
        assert_ne!(one, other);
    }

    #[test]
    fn there_are_ten_users() {
        assert!(UserNumber::try_from(0).is_err());
        assert_eq!(UserNumber::try_from(9).unwrap(), UserNumber::PARTNER);
        assert_eq!(UserNumber::try_from(10).unwrap(), UserNumber::GROUP_OWNER);
        assert!(UserNumber::try_from(11).is_err());
    }
}
