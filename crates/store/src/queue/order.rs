//! Fair order. Users are served in turns, and each user's requests in order of arrival: a user who sends one message waits
//! for what runs and for one request of each other user, however many those have sent.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use stenobot_domain::{AudioLength, ChatId, MessageId, RequestId, StageName, Timestamp, UserId};

use super::Queue;
use crate::StoreError;

/// What decides the position of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    /// The request.
    pub(crate) id: RequestId,
    /// User or chat that made it.
    pub(crate) user: UserId,
    /// Time of the admission.
    pub(crate) received_at: Timestamp,
    /// What came of earlier transcriptions.
    pub(crate) past: PastAttempts,
    /// Start of the user's latest transcription.
    pub(crate) last_start: Option<Timestamp>,
    /// The open request that it gets its text from; `None` when it is transcribed itself.
    pub(crate) coalesced_into: Option<RequestId>,
}

/// Earlier transcriptions of a waiting request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PastAttempts {
    /// None.
    Fresh,
    /// Interrupted by the end of the process or for want of an engine: the request comes first.
    Interrupted,
    /// The engine failed on it, or the process has ended more than twice meanwhile. The next attempt comes behind all requests
    /// that arrived before this time, so that a recording that crashes the engine delays each of them by one attempt.
    Failed {
        /// Earliest time of the next attempt.
        rests_until: Timestamp,
    },
}

/// The order in which requests are claimed, if nothing arrives meanwhile and all are ready. A user's turn comes by the time
/// at which they were last served, or at which their request arrived if that is later; a user who was served goes behind
/// all others. A coalesced request comes right behind its original, or first when that one runs already.
///
/// The order agrees with the claims as long as no two of them fall into the same millisecond.
pub(crate) fn fair_order(turns: &[Turn]) -> Vec<RequestId> {
    let waits: HashMap<RequestId, &Turn> = turns.iter().map(|turn| (turn.id, turn)).collect();
    let mut coalesced: HashMap<Option<RequestId>, Vec<RequestId>> = HashMap::new();
    let (mut resumed, mut by_user): (Vec<RequestId>, HashMap<UserId, Vec<&Turn>>) = Default::default();
    for turn in turns {
        match turn.coalesced_into {
            Some(into) => coalesced.entry(waits.contains_key(&into).then_some(into)).or_default().push(turn.id),
            None => match turn.past {
                PastAttempts::Interrupted => resumed.push(turn.id),
                PastAttempts::Fresh | PastAttempts::Failed { .. } => by_user.entry(turn.user).or_default().push(turn),
            },
        }
    }
    resumed.sort_unstable();
    coalesced.values_mut().for_each(|ids| ids.sort_unstable());

    // In the first round users are ordered by arrival or last service; each start leads to a later round.
    let mut heap = BinaryHeap::new();
    for (user, own) in &mut by_user {
        own.sort_unstable_by_key(|turn| Reverse(turn.id));
        if let Some((key, id, at)) = own.iter().enumerate().map(|(at, turn)| (key(turn), turn.id, at)).min() {
            heap.push(Reverse((0_u64, key, id, *user)));
            let first = own.remove(at);
            own.push(first);
        }
    }
    let mut order = coalesced.remove(&None).unwrap_or_default();
    let mut take = |id: RequestId| {
        order.push(id);
        order.extend(coalesced.remove(&Some(id)).into_iter().flatten());
    };
    resumed.into_iter().for_each(&mut take);
    let mut started = 0;
    while let Some(Reverse((_, _, id, user))) = heap.pop() {
        take(id);
        started += 1;
        if let Some(own) = by_user.get_mut(&user) {
            own.pop();
            if let Some(next) = own.last() {
                heap.push(Reverse((started, Timestamp(0), next.id, user)));
            }
        }
    }
    order
}

/// A user who was just served comes behind those whose requests arrived in the same millisecond.
fn key(turn: &Turn) -> Timestamp {
    let by_user = turn.last_start.map_or(turn.received_at, |start| turn.received_at.max(Timestamp(start.0 + 1)));
    match turn.past {
        PastAttempts::Failed { rests_until } => by_user.max(rests_until),
        PastAttempts::Fresh | PastAttempts::Interrupted => by_user,
    }
}

/// A request on its way to the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// The request.
    pub id: RequestId,
    /// User or chat that made it.
    pub user: UserId,
    /// Chat of the answer.
    pub chat: ChatId,
    /// The message that shows the state.
    pub status_message: Option<MessageId>,
    /// Language code of the sender's Telegram.
    pub locale: Option<String>,
    /// `Queued` or an earlier one.
    pub stage: StageName,
    /// Length of the audio; a document that is not measured yet has none.
    pub length: Option<AudioLength>,
    /// Time of the admission.
    pub received_at: Timestamp,
    /// The open request that it gets its text from, without processing time of its own.
    pub coalesced_into: Option<RequestId>,
}

impl Queue {
    /// The requests that wait, in the order in which they are claimed if all are ready: first to be served first.
    pub async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        let rows = self.0.connections.read().await?.sql().waiting(self.0.clock.now()).await?;
        let turns: Vec<Turn> = rows.iter().map(|row| row.turn).collect();
        let mut rows: HashMap<RequestId, Waiting> = rows.into_iter().map(|row| (row.turn.id, row.waiting)).collect();
        Ok(fair_order(&turns).into_iter().filter_map(|id| rows.remove(&id)).collect())
    }
}

/// A waiting request with what decides its turn.
pub(crate) struct WaitingRow {
    pub(crate) waiting: Waiting,
    pub(crate) turn: Turn,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(id: i64, user: i64, received_at: i64) -> Turn {
        Turn {
            id: RequestId(id),
            user: UserId(user),
            received_at: Timestamp(received_at),
            past: PastAttempts::Fresh,
            last_start: None,
            coalesced_into: None,
        }
    }

    fn order(turns: &[Turn]) -> Vec<i64> {
        fair_order(turns).into_iter().map(|id| id.0).collect()
    }

    #[test]
    fn users_take_turns_and_each_is_served_in_order_of_arrival() {
        assert_eq!(
            order(&[turn(1, 1, 10), turn(2, 1, 11), turn(3, 1, 12), turn(4, 2, 13), turn(5, 2, 14)]),
            [1, 4, 2, 5, 3]
        );
    }

    #[test]
    fn a_user_who_was_served_comes_behind_those_who_waited_since() {
        let served = Turn { last_start: Some(Timestamp(20)), ..turn(1, 1, 5) };
        assert_eq!(order(&[served, turn(2, 2, 20), turn(3, 3, 21)]), [2, 1, 3]);
    }

    #[test]
    fn an_interrupted_request_comes_first() {
        assert_eq!(order(&[turn(1, 1, 10), Turn { past: PastAttempts::Interrupted, ..turn(2, 2, 11) }]), [2, 1]);
    }

    #[test]
    fn a_failed_request_comes_behind_all_that_arrived_before_its_next_attempt() {
        let failed = Turn {
            past: PastAttempts::Failed { rests_until: Timestamp(30) },
            last_start: Some(Timestamp(20)),
            ..turn(1, 1, 10)
        };
        assert_eq!(order(&[failed, turn(2, 2, 29), turn(3, 3, 31)]), [2, 1, 3]);
        let sibling = Turn { last_start: Some(Timestamp(20)), ..turn(4, 1, 12) };
        assert_eq!(order(&[failed, sibling, turn(2, 2, 29)]), [4, 2, 1], "also behind its own sender's");
    }

    #[test]
    fn a_coalesced_request_follows_its_original_or_comes_first() {
        let coalesced = |id, into| Turn { coalesced_into: Some(RequestId(into)), ..turn(id, id, 10 + id) };
        assert_eq!(order(&[turn(1, 1, 10), turn(2, 2, 11), coalesced(3, 1), coalesced(4, 99)]), [4, 1, 3, 2]);
    }

    #[test]
    fn no_request_is_lost_when_the_clock_is_set_back() {
        assert_eq!(order(&[turn(1, 1, 30), turn(2, 1, 10), turn(3, 2, 20)]), [2, 3, 1]);
    }
}
