//! Numbers of the last updates for which something was done that must be done once, though they come again while the store fails.

use std::collections::VecDeque;

/// More than one poll or all connections of a webhook bring at once.
const MAX_RECENT: usize = 256;

/// The last updates of one kind of work. Not the greatest number alone: a webhook brings updates of several chats out of order, and
/// after a quiet week Telegram goes on from any number.
#[derive(Debug, Default)]
pub(super) struct RecentUpdates(VecDeque<i64>);

impl RecentUpdates {
    pub(super) fn contains(&self, update_id: i64) -> bool {
        self.0.contains(&update_id)
    }

    /// Adds an update; returns whether it was new.
    pub(super) fn insert(&mut self, update_id: i64) -> bool {
        if self.contains(update_id) {
            return false;
        }
        if self.0.len() == MAX_RECENT {
            self.0.pop_front();
        }
        self.0.push_back(update_id);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_new_once_in_any_order() {
        let mut recent = RecentUpdates::default();
        assert!(recent.insert(5) && recent.insert(4));
        assert!(!recent.insert(5) && recent.contains(4));
        assert!((100..100 + MAX_RECENT as i64).all(|update| recent.insert(update)));
        assert_eq!((recent.contains(5), recent.0.len()), (false, MAX_RECENT));
    }
}
