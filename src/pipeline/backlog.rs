//! Texts between their transcription and the end of their delivery: a bound in all, for each chat and for each user, so that
//! chats that cannot be answered for now do not keep the engine from the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stenobot_domain::{ChatId, UserId};
use stenobot_store::ClaimExclusions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Texts that may wait for their delivery. Beyond that the engine waits: texts are in memory only.
const MAX_WAITING: usize = 50;
/// Texts of one chat, and of one user.
const MAX_PER_CHAT_OR_USER: usize = 5;
/// From this number on, one text for each chat and user is enough.
const CROWDED: usize = MAX_WAITING / 2;

/// Requests between their claim for the engine and the end of their delivery. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Backlog {
    permits: Arc<Semaphore>,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    chats: HashMap<ChatId, usize>,
    users: HashMap<UserId, usize>,
}

/// Counts one request until it is dropped.
#[derive(Debug)]
pub(crate) struct BacklogEntry {
    backlog: Backlog,
    chat: ChatId,
    user: UserId,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Default for Backlog {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(MAX_WAITING)), counts: Arc::default() }
    }
}

impl Backlog {
    /// Waits for a permit, before a request is claimed.
    pub(super) async fn reserve(&self) -> Option<OwnedSemaphorePermit> {
        self.permits.clone().acquire_owned().await.ok()
    }

    /// Chats and users with as many texts as allowed: nothing is claimed for them now.
    pub(super) fn busy(&self) -> ClaimExclusions {
        let counts = self.counts();
        let max = if counts.total < CROWDED { MAX_PER_CHAT_OR_USER } else { 1 };
        ClaimExclusions { chats: full(&counts.chats, max), users: full(&counts.users, max) }
    }

    /// Counts a request that was claimed. One that is coalesced into another needs no permit.
    pub(super) fn enter(&self, chat: ChatId, user: UserId, permit: Option<OwnedSemaphorePermit>) -> BacklogEntry {
        let mut counts = self.counts();
        counts.total += 1;
        *counts.chats.entry(chat).or_default() += 1;
        *counts.users.entry(user).or_default() += 1;
        BacklogEntry { backlog: self.clone(), chat, user, _permit: permit }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Nothing that can panic runs under the lock.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for BacklogEntry {
    fn drop(&mut self) {
        let mut counts = self.backlog.counts();
        counts.total = counts.total.saturating_sub(1);
        decrement(&mut counts.chats, self.chat);
        decrement(&mut counts.users, self.user);
    }
}

fn full<K: Copy>(counts: &HashMap<K, usize>, max: usize) -> Vec<K> {
    counts.iter().filter(|(_, count)| **count >= max).map(|(key, _)| *key).collect()
}

fn decrement<K: Copy + Eq + std::hash::Hash>(counts: &mut HashMap<K, usize>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_chat_or_user_with_five_texts_is_excluded_until_one_is_delivered() {
        let backlog = Backlog::default();
        let group = ChatId(-1);
        let mut held = Vec::new();
        for user in 0..4 {
            held.push(backlog.enter(group, UserId(user), backlog.reserve().await));
        }
        assert_eq!(backlog.busy(), ClaimExclusions::default());
        held.push(backlog.enter(group, UserId(4), None));
        assert_eq!(backlog.busy(), ClaimExclusions { chats: vec![group], users: vec![] });
        for chat in 0..4 {
            held.push(backlog.enter(ChatId(chat), UserId(4), None));
        }
        assert_eq!(backlog.busy(), ClaimExclusions { chats: vec![group], users: vec![UserId(4)] });
        held.clear();
        assert_eq!(backlog.busy(), ClaimExclusions::default());
        assert_eq!(backlog.permits.available_permits(), MAX_WAITING);
        assert!(backlog.counts().chats.is_empty() && backlog.counts().users.is_empty());
    }

    #[test]
    fn when_crowded_one_text_excludes_its_chat_and_user() {
        let backlog = Backlog::default();
        let permits: Vec<_> = (0..CROWDED as i64).map(|one| backlog.enter(ChatId(one), UserId(one), None)).collect();
        assert_eq!(backlog.busy().chats.len(), CROWDED);
        drop(permits);
        assert_eq!(backlog.busy(), ClaimExclusions::default());
    }
}
