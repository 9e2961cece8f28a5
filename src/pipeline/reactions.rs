//! How the state and the end of a request are shown: in a message, by a reaction on the recording, or not at all. The display was
//! decided at the admission, so that a restart goes on in the same way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stenobot_domain::{ChatId, MessageId, RetryPolicy, StateDisplay};
use stenobot_telegram::{Client, Disposition, Priority, Reaction, TelegramError};
use tokio::time::Instant;

use crate::request::{Request, Stage};

/// After a refusal the reaction is not tried again in that chat for so long.
const REFUSAL_MEMORY: Duration = Duration::from_secs(600);
/// Refusals kept.
const MAX_REFUSALS: usize = 1000;
/// Of the last reaction of a request.
const RETRIES: RetryPolicy = RetryPolicy::bounded(3, Duration::from_secs(1), Duration::from_secs(20));
/// A longer pause of Telegram is not waited for.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Where a request shows its state now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surface {
    /// In a message.
    Message,
    /// By a reaction on this recording.
    Reaction(MessageId),
    /// Nowhere; an end without a text is a reaction on this recording.
    Quiet(Option<MessageId>),
    /// Nowhere.
    Hidden,
}

impl Surface {
    /// Where there is a message, it is used further; where there is no recording in the chat, nothing can carry a reaction.
    pub(super) const fn new(display: StateDisplay, status: Option<MessageId>, recording: Option<MessageId>) -> Self {
        match (display, status, recording) {
            (StateDisplay::Message, ..) | (StateDisplay::Reaction, Some(_), _) | (StateDisplay::Reaction, _, None) => {
                Self::Message
            }
            (StateDisplay::Reaction, None, Some(recording)) => Self::Reaction(recording),
            (StateDisplay::Quiet, _, recording) => Self::Quiet(recording),
            (StateDisplay::Caption | StateDisplay::Comment, ..) => Self::Hidden,
        }
    }

    pub(super) fn of<S: Stage>(request: &Request<S>) -> Self {
        Self::new(request.display(), request.status_message(), request.reply_to())
    }
}

/// Sets reactions. Clones share what they know of refusals.
#[derive(Clone)]
pub(crate) struct Reactions {
    client: Client,
    refusals: Arc<Mutex<HashMap<(ChatId, Reaction), Instant>>>,
}

impl Reactions {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, refusals: Arc::default() }
    }

    /// Shows that a recording waits. [`TelegramError::Refused`] where the chat does not allow it.
    pub(super) async fn begin(&self, chat: ChatId, recording: MessageId) -> Result<(), TelegramError> {
        self.set(&self.client.with_priority(Priority::Status), chat, recording, Reaction::Pending).await
    }

    /// Shows how a request ended, and retries for a while.
    pub(super) async fn end(
        &self,
        chat: ChatId,
        recording: MessageId,
        reaction: Reaction,
    ) -> Result<(), TelegramError> {
        let client = self.client.with_priority(Priority::Notice);
        retry(|| self.set(&client, chat, recording, reaction)).await
    }

    /// Removes the reaction of a request that may have one.
    pub(super) async fn clear(&self, display: StateDisplay, chat: ChatId, recording: Option<MessageId>) {
        let Some(recording) = recording.filter(|_| display == StateDisplay::Reaction) else { return };
        if self.is_refused(chat, Reaction::Pending) {
            return;
        }
        let client = self.client.with_priority(Priority::Notice);
        if let Err(error) = retry(|| client.react(chat, recording, None)).await {
            tracing::debug!(%error, "a reaction stays");
        }
    }

    async fn set(
        &self,
        client: &Client,
        chat: ChatId,
        recording: MessageId,
        reaction: Reaction,
    ) -> Result<(), TelegramError> {
        if self.is_refused(chat, reaction) {
            return Err(TelegramError::Refused("the reaction was refused a moment ago".to_owned()));
        }
        let set = client.react(chat, recording, Some(reaction)).await;
        if let Err(TelegramError::Refused(why)) = &set {
            tracing::info!(%why, "a chat does not allow a reaction: a message takes its place");
            let mut refusals = self.refusals();
            refusals.retain(|_, at| at.elapsed() < REFUSAL_MEMORY);
            if refusals.len() < MAX_REFUSALS {
                refusals.insert((chat, reaction), Instant::now());
            }
        }
        set
    }

    fn is_refused(&self, chat: ChatId, reaction: Reaction) -> bool {
        self.refusals().get(&(chat, reaction)).is_some_and(|at| at.elapsed() < REFUSAL_MEMORY)
    }

    fn refusals(&self) -> MutexGuard<'_, HashMap<(ChatId, Reaction), Instant>> {
        // Every change under the lock leaves it whole.
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Repeats a call while that can help. To repeat a reaction is harmless.
async fn retry<F: Future<Output = Result<(), TelegramError>>>(call: impl Fn() -> F) -> Result<(), TelegramError> {
    let mut backoff = RETRIES.backoff();
    loop {
        let Err(error) = call().await else { return Ok(()) };
        let pause = match error.disposition() {
            Disposition::ServerRequested(pause)
            | Disposition::Retry { after: pause }
            | Disposition::OperatorNeeded { after: pause } => pause,
            Disposition::ChatMoved(_)
            | Disposition::ChatUnreachable(_)
            | Disposition::MessageGone
            | Disposition::Final => return Err(error),
        };
        match backoff.next_pause() {
            Some(own) if pause <= MAX_PAUSE => tokio::time::sleep(pause.max(own)).await,
            Some(_) | None => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_shows_its_state_where_it_can() {
        let (status, recording) = (Some(MessageId(2)), Some(MessageId(1)));
        for (display, status, recording, wanted) in [
            (StateDisplay::Message, None, recording, Surface::Message),
            (StateDisplay::Reaction, None, recording, Surface::Reaction(MessageId(1))),
            // The reaction was refused, and a message has taken its place.
            (StateDisplay::Reaction, status, recording, Surface::Message),
            // The group became a supergroup, and the recording stayed behind.
            (StateDisplay::Reaction, None, None, Surface::Message),
            (StateDisplay::Quiet, status, recording, Surface::Quiet(recording)),
            (StateDisplay::Quiet, None, None, Surface::Quiet(None)),
            (StateDisplay::Caption, None, recording, Surface::Hidden),
        ] {
            assert_eq!(Surface::new(display, status, recording), wanted, "{display:?} {status:?} {recording:?}");
        }
    }
}
