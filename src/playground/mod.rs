//! A chat page for the browser: people talk to the real bot through the local Bot API server, without Telegram.
//!
//! The page hears of the chat by server-sent events and acts by plain requests. It is served on loopback, below a
//! path that nobody can guess, to requests that name this very address.

mod feed;
mod guard;
mod routes;
mod view;

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use stenobot_domain::{ChatId, UserId};
use stenobot_simulator::people::Person;
use stenobot_simulator::server::BotApi;
use stenobot_simulator::voices::Voices;
use stenobot_telegram::Locale;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::http_server;

/// Largest upload whatever the settings say, in bytes.
const UPLOAD_LIMIT: u64 = 25 * 1024 * 1024;
/// All uploads of one playground together, in bytes: they stay in memory until it ends.
const UPLOADS_LIMIT: u64 = 512 * 1024 * 1024;
/// Pages that listen at once.
const LISTENERS: usize = 32;

/// What the playground offers.
#[derive(Debug)]
pub struct Offer {
    /// Port of 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Recordings to choose from, if there are any.
    pub voices: Option<Voices>,
    /// Largest file that people may send, in bytes; never more than 25 MiB.
    pub file_bytes: u64,
}

/// A running page server. Ends with [`Playground::stop`] or with the runtime.
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
    pub async fn start(api: BotApi, offer: Offer) -> std::io::Result<Self> {
        // Loopback only, always: whoever has the address acts as any person.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, offer.port)).await?;
        let address = listener.local_addr()?;
        let key = random_key()?;
        let stopping = CancellationToken::new();
        let shared = Arc::new(Shared {
            api,
            address,
            voices: offer.voices,
            file_limit: offer.file_bytes.min(UPLOAD_LIMIT),
            uploaded: AtomicU64::new(0),
            listeners: Arc::new(Semaphore::new(LISTENERS)),
            stopping: stopping.clone(),
        });
        let router = routes::router(&key, shared);
        let serving = tokio::spawn(http_server::serve(listener, router, stopping.clone()));
        Ok(Self { url: format!("http://{address}/{key}/"), stopping, serving })
    }

    /// Where the page is, its secret included.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends what the pages listen to and frees the port.
    pub async fn stop(mut self) {
        self.stopping.cancel();
        // A browser that keeps an idle connection would hold the graceful end up for ever.
        if tokio::time::timeout(std::time::Duration::from_secs(1), &mut self.serving).await.is_err() {
            self.serving.abort();
        }
    }
}

/// What the requests share.
struct Shared {
    api: BotApi,
    address: SocketAddr,
    voices: Option<Voices>,
    file_limit: u64,
    uploaded: AtomicU64,
    listeners: Arc<Semaphore>,
    stopping: CancellationToken,
}

impl Shared {
    /// Takes room for an upload; `false` when there is none left.
    fn reserve(&self, bytes: u64) -> bool {
        let more = |taken: u64| taken.checked_add(bytes).filter(|sum| *sum <= UPLOADS_LIMIT);
        self.uploaded.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

/// 128 random bits as hexadecimal digits.
fn random_key() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Names of the people, in order of their numbers.
const NAMES: [&str; 8] = ["Anna", "Boris", "Clara", "David", "Elena", "Farid", "Grace", "Hugo"];

/// Which of the people acts: 1 to 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "usize")]
struct Number(usize);

impl TryFrom<usize> for Number {
    type Error = &'static str;

    fn try_from(number: usize) -> Result<Self, Self::Error> {
        if (1..=NAMES.len()).contains(&number) { Ok(Self(number)) } else { Err("there is no such person") }
    }
}

impl Number {
    fn name(self) -> &'static str {
        NAMES[self.0 - 1]
    }

    fn user(self) -> UserId {
        UserId(700_000 + self.0 as i64)
    }

    fn chat(self) -> ChatId {
        ChatId(self.user().0)
    }

    fn person(self, api: &BotApi, language: Locale) -> Person {
        Person::new(api, self.user(), self.name(), language.code())
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
    fn there_are_eight_people() {
        assert!(Number::try_from(0).is_err());
        assert_eq!(Number::try_from(8).unwrap().name(), "Hugo");
        assert!(Number::try_from(9).is_err());
    }
}
