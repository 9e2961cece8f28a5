//! A bounded queue with a lane for each key. Lanes are served in turns; one that is full or pauses delays no other.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Entries that wait in one lane.
const MAX_IN_LANE: usize = 20;
/// Entries that wait in all lanes.
const MAX_WAITING: usize = 128;
/// Entries of one lane under way at once.
const MAX_IN_FLIGHT_IN_LANE: usize = 2;
/// Pauses end without a change of the queue.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Result of adding an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It waits in its lane.
    Taken,
    /// Dropped: its lane is full.
    LaneFull,
    /// Dropped: all lanes together are full.
    Full,
}

/// The queue, which clones share.
#[derive(Debug)]
pub struct Lanes<K, T>(Arc<Shared<K, T>>);

#[derive(Debug)]
struct Shared<K, T> {
    state: Mutex<State<K, T>>,
    changed: Notify,
}

#[derive(Debug)]
struct State<K, T> {
    lanes: HashMap<K, Lane<T>>,
    /// Keys in the order in which they are served.
    turns: VecDeque<K>,
    waiting: usize,
}

#[derive(Debug)]
struct Lane<T> {
    waiting: VecDeque<T>,
    in_flight: usize,
    paused_until: Instant,
}

impl<K, T> Clone for Lanes<K, T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Copy + Eq + Hash, T> Default for Lanes<K, T> {
    fn default() -> Self {
        let state = State { lanes: HashMap::new(), turns: VecDeque::new(), waiting: 0 };
        Self(Arc::new(Shared { state: Mutex::new(state), changed: Notify::new() }))
    }
}

impl<K: Copy + Eq + Hash, T> Lanes<K, T> {
    /// Adds an entry at the end of its lane. Where all lanes together are full, the newest entry of the longest one makes
    /// room for a lane that is shorter.
    pub fn push(&self, key: K, entry: T) -> Pushed {
        let mut state = self.state();
        let own = state.lanes.get(&key).map_or(0, |lane| lane.waiting.len());
        if own >= MAX_IN_LANE {
            return Pushed::LaneFull;
        }
        if state.waiting >= MAX_WAITING && !state.drop_from_longer_than(own + 1) {
            return Pushed::Full;
        }
        state.lane(key).waiting.push_back(entry);
        state.waiting += 1;
        drop(state);
        self.0.changed.notify_one();
        Pushed::Taken
    }

    /// Like [`Lanes::push`], but where the lane is full, its newest entry is dropped for this one.
    pub fn push_over(&self, key: K, entry: T) -> Pushed {
        {
            let mut state = self.state();
            let full = state.lanes.get_mut(&key).filter(|lane| lane.waiting.len() >= MAX_IN_LANE);
            let dropped = full.and_then(|lane| lane.waiting.pop_back());
            state.waiting -= usize::from(dropped.is_some());
        }
        self.push(key, entry)
    }

    /// Takes the first entry of the lane whose turn it is; waits for one. Call [`Lanes::ended`] or [`Lanes::give_back`]
    /// once for each.
    pub async fn next(&self) -> (K, T) {
        loop {
            let (taken, waits) = {
                let mut state = self.state();
                (state.take(Instant::now()), state.waiting > 0)
            };
            if let Some(taken) = taken {
                return taken;
            }
            tokio::select! {
                () = self.0.changed.notified() => {}
                () = tokio::time::sleep(POLL_INTERVAL), if waits => {}
            }
        }
    }

    /// Ends an entry that was taken.
    pub fn ended(&self, key: K) {
        self.state().release(key);
        self.0.changed.notify_one();
    }

    /// Puts an entry that was taken at the head of its lane, which then pauses.
    pub fn give_back(&self, key: K, entry: T, pause: Duration) {
        let mut state = self.state();
        let lane = state.lane(key);
        lane.waiting.push_front(entry);
        lane.paused_until = lane.paused_until.max(Instant::now() + pause);
        state.waiting += 1;
        state.release(key);
        drop(state);
        self.0.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State<K, T>> {
        // Nothing that can panic runs under the lock.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash, T> State<K, T> {
    fn lane(&mut self, key: K) -> &mut Lane<T> {
        self.lanes.entry(key).or_insert_with(|| {
            self.turns.push_back(key);
            Lane { waiting: VecDeque::new(), in_flight: 0, paused_until: Instant::now() }
        })
    }

    fn take(&mut self, now: Instant) -> Option<(K, T)> {
        let is_ready = |lane: &Lane<T>| {
            !lane.waiting.is_empty() && lane.in_flight < MAX_IN_FLIGHT_IN_LANE && lane.paused_until <= now
        };
        let at = self.turns.iter().position(|key| self.lanes.get(key).is_some_and(is_ready))?;
        let key = self.turns.remove(at)?;
        self.turns.push_back(key);
        let lane = self.lanes.get_mut(&key)?;
        let entry = lane.waiting.pop_front()?;
        lane.in_flight += 1;
        self.waiting -= 1;
        Some((key, entry))
    }

    fn release(&mut self, key: K) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        lane.in_flight = lane.in_flight.saturating_sub(1);
        if lane.in_flight == 0 && lane.waiting.is_empty() {
            self.lanes.remove(&key);
            self.turns.retain(|other| *other != key);
        }
    }

    /// Whether a lane longer than `length` has lost its newest entry.
    fn drop_from_longer_than(&mut self, length: usize) -> bool {
        let longest = self.lanes.values_mut().max_by_key(|lane| lane.waiting.len());
        let Some(longest) = longest.filter(|lane| lane.waiting.len() > length) else { return false };
        self.waiting -= usize::from(longest.waiting.pop_back().is_some());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(entries: impl IntoIterator<Item = (u8, u8)>) -> Lanes<u8, u8> {
        let lanes = Lanes::default();
        for (key, entry) in entries {
            assert_eq!(lanes.push(key, entry), Pushed::Taken);
        }
        lanes
    }

    #[tokio::test(start_paused = true)]
    async fn lanes_take_turns_with_two_entries_in_flight_each() {
        let lanes = filled([(1, 10), (1, 11), (1, 12), (2, 20), (3, 30)]);
        let mut order = Vec::new();
        for _ in 0..4 {
            order.push(lanes.next().await);
        }
        assert_eq!(order, [(1, 10), (2, 20), (3, 30), (1, 11)]);
        let third = tokio::time::timeout(Duration::from_secs(60), lanes.next());
        assert!(third.await.is_err(), "two of the first are under way");
        lanes.ended(1);
        assert_eq!(lanes.next().await, (1, 12));
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_lane_keeps_its_order_and_delays_no_other() {
        let lanes = filled([(1, 10), (1, 11)]);
        let (key, entry) = lanes.next().await;
        let began = Instant::now();
        lanes.give_back(key, entry, Duration::from_secs(40));
        assert_eq!(lanes.push(2, 20), Pushed::Taken);
        assert_eq!(lanes.next().await, (2, 20));
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(lanes.next().await, (1, 10));
        assert!(began.elapsed() >= Duration::from_secs(40), "{:?}", began.elapsed());
        assert_eq!(lanes.next().await, (1, 11));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_drops_from_the_longest_lane() {
        let full = |key| (0..MAX_IN_LANE as u8).map(move |entry| (key, entry));
        let lanes = filled((0..6).flat_map(full).chain((0..8).map(|entry| (6, entry))));
        assert_eq!(lanes.push(0, 99), Pushed::LaneFull);
        for key in 100..140 {
            assert_eq!(lanes.push(key, 1), Pushed::Taken, "{key}");
        }
        let mut left = 0;
        for _ in 0..MAX_WAITING {
            let (key, entry) = lanes.next().await;
            lanes.ended(key);
            left += usize::from(key >= 100);
            assert!(entry < 20);
        }
        assert_eq!(left, 40, "who came later lost nothing");
        assert!(lanes.state().lanes.is_empty() && lanes.state().turns.is_empty() && lanes.state().waiting == 0);
    }

    #[tokio::test(start_paused = true)]
    async fn push_over_replaces_the_newest_entry_of_a_full_lane() {
        let lanes = filled((0..MAX_IN_LANE as u8).map(|entry| (1, entry)));
        assert_eq!(lanes.push_over(1, 99), Pushed::Taken);
        let mut left = Vec::new();
        for _ in 0..MAX_IN_LANE {
            left.push(lanes.next().await.1);
            lanes.ended(1);
        }
        assert_eq!(left[..], (0..19).chain([99]).collect::<Vec<_>>());
        assert_eq!(lanes.push_over(1, 1), Pushed::Taken, "nothing has to make room");
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_of_short_lanes_refuses_new_entries() {
        let lanes = filled((0..MAX_WAITING as u8).map(|key| (key, 1)));
        assert_eq!(lanes.push(200, 1), Pushed::Full);
    }
}
