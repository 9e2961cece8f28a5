//! What `/forget` erased is gone only when the store's write-ahead log is emptied too. While another program reads the
//! store, that has to wait: it is tried again until it succeeds, and the users are told then.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stenobot_domain::{ChatId, MessageId};
use stenobot_telegram::CommandReply;
use tokio::time::Instant;

use super::Context;
use super::replies::Reply;

/// Between the first two tries; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The operator is told of a reader that is in the way for longer.
const WARN_AFTER: Duration = Duration::from_secs(300);

/// Users who are told; the data of any further ones is erased as well.
const MAX_TOLD: usize = 100;

/// The messages that say that an erasure is not complete yet; they name nothing else.
#[derive(Debug, Clone, Default)]
pub(crate) struct Erasures(Arc<Mutex<Vec<Told>>>);

#[derive(Debug)]
struct Told {
    chat: ChatId,
    message: MessageId,
    locale: Option<String>,
}

impl Erasures {
    /// Has a message say that the erasure is complete, once it is.
    pub(super) fn follow(&self, chat: ChatId, message: MessageId, locale: Option<&str>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MAX_TOLD {
            waiting.push(Told { chat, message, locale: locale.map(str::to_owned) });
        }
    }

    fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put_back(&self, waiting: Vec<Told>) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.extend(waiting);
        now.truncate(MAX_TOLD);
    }
}

/// The tries to empty the log.
#[derive(Debug, Default)]
pub(super) struct LogCleaning(Option<Tries>);

/// Tries that failed.
#[derive(Debug)]
struct Tries {
    since: Instant,
    next: Instant,
    pause: Duration,
    is_told: bool,
}

impl LogCleaning {
    /// Empties the log if erased data may be in it and it is time for another try.
    pub(super) async fn look(&mut self, context: &Context) {
        let now = Instant::now();
        if self.0.as_ref().is_some_and(|tries| now < tries.next) {
            return;
        }
        // Taken first: what is erased during a try waits for the next one.
        let waiting = context.erasures.take();
        let outcome = match context.store.log_may_hold_erased() {
            true => context.store.empty_log().await,
            false => Ok(true),
        };
        match outcome {
            Ok(true) => {
                if self.0.take().is_some_and(|tries| tries.is_told) {
                    tracing::info!("the store's log is emptied: what was erased is gone");
                }
                for Told { chat, message, locale } in waiting {
                    let note = context.talk(locale.as_deref(), &CommandReply::Forgotten);
                    context.reply(Reply::Edit { chat, message, note });
                }
            }
            Ok(false) => {
                context.erasures.put_back(waiting);
                self.failed(now);
            }
            Err(error) => {
                context.erasures.put_back(waiting);
                self.failed(now);
                context.store_failed("empty the store's log", &error);
            }
        }
    }

    fn failed(&mut self, now: Instant) {
        let tries = self.0.get_or_insert(Tries { since: now, next: now, pause: FIRST_PAUSE, is_told: false });
        tries.next = now + tries.pause;
        tries.pause = (tries.pause * 2).min(LONGEST_PAUSE);
        if !tries.is_told && now.duration_since(tries.since) >= WARN_AFTER {
            tries.is_told = true;
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
        assert!(cleaning.0.unwrap().is_told, "after more than five minutes");
    }
}
