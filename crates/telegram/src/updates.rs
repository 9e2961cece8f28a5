//! The long poll. A batch is read update by update: one that cannot be read costs itself, never the others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde::de::IgnoredAny;

use super::call::Method;
use super::client::{Body, Client, read_up_to};
use super::error::TelegramError;
use super::outgoing::Scope;
use super::update::{Identity, Incoming, raw};

/// Longest time a long poll may take beyond its own timeout. No longer than it must be: no updates come meanwhile.
const POLL_SLACK: Duration = Duration::from_secs(10);
/// Updates asked for at once, the most Telegram gives.
const BATCH: usize = 100;
/// As much of a batch as is read; a hundred updates are a few hundred kilobytes. What does not fit comes with the next poll.
const MAX_BATCH: usize = 4 << 20;
/// The kinds of updates that the bot always uses. An edited message has the recording that it had before.
const KINDS: [&str; 5] = ["message", "channel_post", "callback_query", "my_chat_member", "business_connection"];
/// Those of the chats of connected accounts: a bot that serves no such account is sent none of their messages.
const BUSINESS_KINDS: [&str; 2] = ["business_message", "deleted_business_messages"];
/// Calls in chats that the bot is not in.
const GUEST_KINDS: [&str; 1] = ["guest_message"];

/// Kinds of updates that only some bots use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OptionalUpdates {
    /// Messages in the chats of users' own accounts.
    pub business: bool,
    /// Calls in chats that the bot is not in.
    pub guests: bool,
}

/// The kinds that are asked for now.
#[derive(Debug, Default)]
pub(super) struct UpdateKinds {
    business: AtomicBool,
    guests: AtomicBool,
}

impl UpdateKinds {
    pub(super) fn names(&self) -> Vec<&'static str> {
        let business = self.business.load(Ordering::Relaxed).then_some(BUSINESS_KINDS);
        let guests = self.guests.load(Ordering::Relaxed).then_some(GUEST_KINDS);
        KINDS.into_iter().chain(business.into_iter().flatten()).chain(guests.into_iter().flatten()).collect()
    }
}

/// Parameters of `getUpdates`; teloxide's offset has 32 bits.
#[derive(Serialize)]
struct GetUpdates {
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    limit: usize,
    timeout: u64,
    allowed_updates: Vec<&'static str>,
}

impl Client {
    /// Sets which of those updates the next poll, or the next setting of the webhook, asks for. By default none.
    pub fn set_optional_updates(&self, updates: OptionalUpdates) {
        let OptionalUpdates { business, guests } = updates;
        self.wanted_updates().business.store(business, Ordering::Relaxed);
        self.wanted_updates().guests.store(guests, Ordering::Relaxed);
    }

    /// The kinds of updates that are asked for, by Telegram's names.
    pub fn update_kinds(&self) -> Vec<&'static str> {
        self.wanted_updates().names()
    }

    /// Waits up to `timeout` (whole seconds) for updates and returns at most 100. Those below `offset` are thereby
    /// acknowledged: Telegram forgets them. `None` acknowledges nothing.
    ///
    /// # Errors
    /// Any [`TelegramError`]. No update is lost by an error: the same offset gives them again.
    pub async fn updates(&self, offset: Option<i64>, timeout: Duration) -> Result<Vec<Incoming>, TelegramError> {
        let scope = Scope::Method(Method::GetUpdates);
        self.outbox().check_pause(scope)?;
        let poll =
            GetUpdates { offset, limit: BATCH, timeout: timeout.as_secs(), allowed_updates: self.update_kinds() };
        let work = async {
            let response = self.post("GetUpdates", &poll).await?;
            let status = response.status().as_u16();
            let body = read_up_to(response, MAX_BATCH).await?;
            match batch(&body) {
                Some(array) => updates(array, self.identity()),
                None => {
                    let (Body::Whole(body) | Body::Beginning(body)) = body;
                    Err(self.answer::<IgnoredAny>(status, &body).err().unwrap_or(TelegramError::Server))
                }
            }
        };
        self.within(timeout + POLL_SLACK, Method::GetUpdates, scope, work).await
    }
}

/// The array of updates in a body, which may end early where the body is only the beginning of one, or where an update is
/// no JSON; `None` where the body is something else.
fn batch(body: &Body) -> Option<&[u8]> {
    let (text, is_whole) = match body {
        Body::Whole(text) => (text.trim_ascii(), true),
        Body::Beginning(text) => (text.trim_ascii(), false),
    };
    let result = match raw::members(text, ["ok", "result"]) {
        Some([Some(b"true"), Some(result)]) => result,
        Some(_) => return None,
        // A body that was cut off on its way does not end like a whole one.
        None if is_whole && !text.ends_with(b"]}") => return None,
        None => text.strip_prefix(br#"{"ok":true,"result":"#)?,
    };
    result.starts_with(b"[").then_some(result)
}

fn updates(array: &[u8], bot: Identity<'_>) -> Result<Vec<Incoming>, TelegramError> {
    let raw::Elements { whole, broken } = raw::elements(array, BATCH);
    let mut updates: Vec<Incoming> = whole.iter().filter_map(|update| Incoming::from_json(update, bot)).collect();
    let nameless = whole.len() - updates.len();
    if updates.is_empty() {
        // The first update cannot be read to its end. It is passed over, and the next poll gives those after it.
        updates.extend(broken.and_then(raw::update_id).map(Incoming::unreadable));
    }
    // Without a single identifier the offset cannot move: to be treated as a failing server, with a pause.
    if updates.is_empty() && (nameless > 0 || broken.is_some()) {
        return Err(TelegramError::Server);
    }
    if nameless > 0 {
        tracing::warn!(count = nameless, "updates without a number are passed over");
    }
    Ok(updates)
}
