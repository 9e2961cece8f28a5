//! The data that `/forget` erased is gone only when the store's write-ahead log is emptied too. While another program reads the store,
//! that has to wait: it is tried again until it succeeds, and then the users are informed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stenobot_domain::{ChatId, MessageId, RetryPolicy};
use stenobot_telegram::{BotMessage, CommandReply};
use tokio::time::Instant;

use super::replies::{Replies, Reply};
use super::worker::Worker;
use crate::settings::Settings;

/// Between tries. There is one caller, so jitter would serve nothing.
const RETRIES: RetryPolicy = RetryPolicy::endless(Duration::from_secs(5), Duration::from_secs(30)).without_jitter();

/// The operator is informed of a reader that prevents the erasure for longer.
const WARN_AFTER: Duration = Duration::from_secs(300);

/// Users who are informed of the completion; the data of any further ones is erased as well.
const MAX_INFORMED: usize = 100;

/// Erasures whose traces may still be in the write-ahead log. Clones share the list of messages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Erasures {
    /// The messages that say that an erasure is not complete yet; they name nothing else.
    incomplete: Arc<Mutex<Vec<Incomplete>>>,
    tries: LogCleaning,
}

#[derive(Debug)]
struct Incomplete {
    chat: ChatId,
    message: MessageId,
    locale: Option<String>,
}

/// Failed tries to empty the log; `None` when the last try succeeded.
#[derive(Debug, Clone, Default)]
struct LogCleaning(Option<Tries>);

#[derive(Debug, Clone)]
struct Tries {
    since: Instant,
    next: Instant,
    failures: u32,
    is_reported: bool,
}

impl Erasures {
    /// Has a message edited once the erasure is complete.
    pub(crate) fn follow(&self, chat: ChatId, message: MessageId, locale: Option<&str>) {
        let mut incomplete = self.incomplete.lock().unwrap_or_else(PoisonError::into_inner);
        if incomplete.len() < MAX_INFORMED {
            incomplete.push(Incomplete { chat, message, locale: locale.map(str::to_owned) });
        }
    }

    fn drain(&self) -> Vec<Incomplete> {
        std::mem::take(&mut *self.incomplete.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put_back(&self, messages: Vec<Incomplete>) {
        let mut incomplete = self.incomplete.lock().unwrap_or_else(PoisonError::into_inner);
        incomplete.extend(messages);
        incomplete.truncate(MAX_INFORMED);
    }

    /// Empties the log if erased data may be in it and another try is due.
    pub(super) async fn complete(&mut self, worker: &Worker, settings: &Settings, replies: &Replies) {
        let now = Instant::now();
        if self.tries.0.as_ref().is_some_and(|tries| now < tries.next) {
            return;
        }
        // Drained first: an erasure during a try waits for the next one.
        let messages = self.drain();
        let outcome = match worker.store.log_may_hold_erased() {
            true => worker.store.empty_log().await,
            false => Ok(true),
        };
        match outcome {
            Ok(true) => {
                if self.tries.0.take().is_some_and(|tries| tries.is_reported) {
                    tracing::info!("the store's log is emptied: what was erased is gone");
                }
                for Incomplete { chat, message, locale } in messages {
                    let content = settings.command_reply(locale.as_deref(), &CommandReply::Forgotten);
                    replies.send(Reply::Edit { message: BotMessage::InChat { chat, message }, content });
                }
            }
            Ok(false) => {
                self.put_back(messages);
                self.tries.failed(now);
            }
            Err(error) => {
                self.put_back(messages);
                self.tries.failed(now);
                worker.failures.report("empty the store's log", &error);
            }
        }
    }
}

impl LogCleaning {
    fn failed(&mut self, now: Instant) {
        let tries = self.0.get_or_insert(Tries { since: now, next: now, failures: 0, is_reported: false });
        tries.failures = tries.failures.saturating_add(1);
        tries.next = now + RETRIES.pause_after(tries.failures);
        if !tries.is_reported && now.duration_since(tries.since) >= WARN_AFTER {
            tries.is_reported = true;
            tracing::warn!(
                "the store's log still holds erased data: another program has been reading the store for minutes"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_pauses_between_tries_grow_to_half_a_minute() {
        let (mut cleaning, mut pauses) = (LogCleaning::default(), Vec::new());
        for _ in 0..5 {
            let now = Instant::now();
            cleaning.failed(now);
            pauses.push(cleaning.0.as_ref().unwrap().next.duration_since(now).as_secs());
            tokio::time::advance(Duration::from_secs(90)).await;
        }
        assert_eq!(pauses, [5, 10, 20, 30, 30]);
        assert!(cleaning.0.unwrap().is_reported, "after more than five minutes");
    }
}
