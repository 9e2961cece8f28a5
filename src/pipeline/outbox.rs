//! What is on its way to whom: a bound on the texts that wait for Telegram, for each chat and each person, so that those
//! who cannot be answered for now do not keep the engine from the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stenobot_domain::{ChatId, UserId};
use stenobot_store::ClaimExclusions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Texts that may wait for Telegram at once. Beyond that the engine waits: texts live in memory only.
const MAX_WAITING: usize = 50;
/// The same for one chat and for one person.
const MAX_OF_ONE: usize = 5;
/// From so many on, one for each chat and person is enough.
const MANY: usize = MAX_WAITING / 2;

/// Requests between their claim for the engine and the end of their delivery. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    places: Arc<Semaphore>,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    chats: HashMap<ChatId, usize>,
    people: HashMap<UserId, usize>,
}

/// One request's place; free when it is dropped.
#[derive(Debug)]
pub(crate) struct OutboxPlace {
    outbox: Outbox,
    chat: ChatId,
    user: UserId,
    _place: Option<OwnedSemaphorePermit>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(MAX_WAITING)), counts: Arc::default() }
    }
}

impl Outbox {
    /// Waits for a place, whoever it will be for.
    pub(super) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().acquire_owned().await.ok()
    }

    /// Those for whom nothing more is to be claimed now.
    pub(super) fn busy(&self) -> ClaimExclusions {
        let counts = self.counts();
        let most = if counts.total < MANY { MAX_OF_ONE } else { 1 };
        ClaimExclusions { chats: full(&counts.chats, most), users: full(&counts.people, most) }
    }

    /// Counts a request that was claimed. One that is given another's text takes no place of its own in all.
    pub(super) fn enter(&self, chat: ChatId, user: UserId, place: Option<OwnedSemaphorePermit>) -> OutboxPlace {
        let mut counts = self.counts();
        counts.total += 1;
        *counts.chats.entry(chat).or_default() += 1;
        *counts.people.entry(user).or_default() += 1;
        OutboxPlace { outbox: self.clone(), chat, user, _place: place }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Nothing that can panic runs under the lock.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OutboxPlace {
    fn drop(&mut self) {
        let mut counts = self.outbox.counts();
        counts.total = counts.total.saturating_sub(1);
        decrement(&mut counts.chats, self.chat);
        decrement(&mut counts.people, self.user);
    }
}

fn full<K: Copy>(counts: &HashMap<K, usize>, most: usize) -> Vec<K> {
    counts.iter().filter(|(_, count)| **count >= most).map(|(key, _)| *key).collect()
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
    async fn a_chat_or_person_with_five_texts_is_passed_over_until_one_is_delivered() {
        let outbox = Outbox::default();
        let group = ChatId(-1);
        let mut places = Vec::new();
        for user in 0..4 {
            places.push(outbox.enter(group, UserId(user), outbox.room().await));
        }
        assert_eq!(outbox.busy(), ClaimExclusions::default());
        places.push(outbox.enter(group, UserId(4), None));
        assert_eq!(outbox.busy(), ClaimExclusions { chats: vec![group], users: vec![] });
        for chat in 0..4 {
            places.push(outbox.enter(ChatId(chat), UserId(4), None));
        }
        assert_eq!(outbox.busy(), ClaimExclusions { chats: vec![group], users: vec![UserId(4)] });
        places.clear();
        assert_eq!(outbox.busy(), ClaimExclusions::default());
        assert_eq!(outbox.places.available_permits(), MAX_WAITING);
        assert!(outbox.counts().chats.is_empty() && outbox.counts().people.is_empty());
    }

    #[test]
    fn when_many_wait_one_of_each_is_enough() {
        let outbox = Outbox::default();
        let places: Vec<_> = (0..MANY as i64).map(|one| outbox.enter(ChatId(one), UserId(one), None)).collect();
        assert_eq!(outbox.busy().chats.len(), MANY);
        drop(places);
        assert_eq!(outbox.busy(), ClaimExclusions::default());
    }
}
