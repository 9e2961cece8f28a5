//! Whose turn it is. People are served in turns, and each person's requests in the order in which they came: whoever
//! sends one message waits for what runs and for one of everybody else's, however many those have sent.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use stenobot_domain::{ChatId, MessageId, RequestId, StageName, Timestamp, UserId};

use super::{Queue, StoreError, rows, seconds, sql};

/// What decides when a request's turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The request.
    pub id: RequestId,
    /// Whose it is.
    pub person: UserId,
    /// When it came.
    pub received_at: Timestamp,
    /// What the engine has done with it before.
    pub(crate) past: Past,
    /// When the engine last took something of this person.
    pub(crate) last_start: Option<Timestamp>,
    /// The request under way that it gets its text from; `None` when it is heard by itself.
    pub joined_to: Option<RequestId>,
}

/// What the engine has done with a request that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// Nothing.
    Fresh,
    /// It was stopped in the middle, with the process or for want of an engine: the request comes first.
    Interrupted,
    /// It failed at it, or the process has ended over it more than twice. The next attempt comes behind all who came before this time, so that a recording
    /// that kills the engine takes nobody more time than one attempt does.
    Failed {
        /// When the next attempt may begin.
        rests_until: Timestamp,
    },
}

/// The order in which requests are claimed, if nothing comes in between and all are ready. A person's turn comes by
/// when they were last served, or by when their request came if that is later; whoever has been served goes behind
/// all others. What is joined to another comes right behind it, or first when that one runs already.
///
/// The order agrees with the claims as long as no two of them fall into the same millisecond.
pub(crate) fn fair_order(turns: &[Turn]) -> Vec<RequestId> {
    let waits: HashMap<RequestId, &Turn> = turns.iter().map(|turn| (turn.id, turn)).collect();
    let mut joined: HashMap<Option<RequestId>, Vec<RequestId>> = HashMap::new();
    let (mut resumed, mut people): (Vec<RequestId>, HashMap<UserId, Vec<&Turn>>) = Default::default();
    for turn in turns {
        match turn.joined_to {
            Some(to) => joined.entry(waits.contains_key(&to).then_some(to)).or_default().push(turn.id),
            None => match turn.past {
                Past::Interrupted => resumed.push(turn.id),
                Past::Fresh | Past::Failed { .. } => people.entry(turn.person).or_default().push(turn),
            },
        }
    }
    resumed.sort_unstable();
    joined.values_mut().for_each(|ids| ids.sort_unstable());

    // In the first round everybody stands where they came or were served; each start leads to a later round.
    let mut heap = BinaryHeap::new();
    for (person, own) in &mut people {
        own.sort_unstable_by_key(|turn| Reverse(turn.id));
        if let Some((key, id, at)) = own.iter().enumerate().map(|(at, turn)| (key(turn), turn.id, at)).min() {
            heap.push(Reverse((0_u64, key, id, *person)));
            let first = own.remove(at);
            own.push(first);
        }
    }
    let mut order = joined.remove(&None).unwrap_or_default();
    let mut take = |id: RequestId| {
        order.push(id);
        order.extend(joined.remove(&Some(id)).into_iter().flatten());
    };
    resumed.into_iter().for_each(&mut take);
    let mut started = 0;
    while let Some(Reverse((_, _, id, person))) = heap.pop() {
        take(id);
        started += 1;
        if let Some(own) = people.get_mut(&person) {
            own.pop();
            if let Some(next) = own.last() {
                heap.push(Reverse((started, Timestamp(0), next.id, person)));
            }
        }
    }
    order
}

/// One who was just served comes behind those whose requests came in the same millisecond.
fn key(turn: &Turn) -> Timestamp {
    let by_person = turn.last_start.map_or(turn.received_at, |start| turn.received_at.max(Timestamp(start.0 + 1)));
    match turn.past {
        Past::Failed { rests_until } => by_person.max(rests_until),
        Past::Fresh | Past::Interrupted => by_person,
    }
}

/// A request on its way to the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// The request.
    pub id: RequestId,
    /// Whose it is.
    pub person: UserId,
    /// Where its state is shown.
    pub chat: ChatId,
    /// The message that shows it.
    pub status_message: Option<MessageId>,
    /// Language of the sender's Telegram.
    pub locale: Option<String>,
    /// `Queued`, or still on the way there.
    pub stage: StageName,
    /// Known or claimed length; zero when neither is there.
    pub length: Duration,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// The request under way that it gets its text from, without any time of the engine.
    pub joined_to: Option<RequestId>,
}

impl Queue {
    /// The requests that wait, in the order of [`fair_order`]: first to be served first.
    pub async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        let rows: Vec<WaitingRow> =
            sqlx::query_as(sql::WAITING).bind(self.0.clock.now().0).fetch_all(&self.0.reader).await?;
        let turns: Vec<Turn> = rows.iter().map(|row| row.turn).collect();
        let mut rows: HashMap<RequestId, Waiting> = rows.into_iter().map(|row| (row.turn.id, row.waiting)).collect();
        Ok(fair_order(&turns).into_iter().filter_map(|id| rows.remove(&id)).collect())
    }
}

struct WaitingRow {
    waiting: Waiting,
    turn: Turn,
}

impl sqlx::FromRow<'_, SqliteRow> for WaitingRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let waiting = Waiting {
            id: RequestId(row.try_get("id")?),
            person: UserId(row.try_get("telegram_id")?),
            chat: ChatId(row.try_get("chat_id")?),
            status_message: rows::message(row, "status_message_id")?,
            locale: row.try_get("locale")?,
            stage: rows::stage(row)?,
            length: seconds(row.try_get("length_seconds")?),
            received_at: Timestamp(row.try_get("received_at")?),
            joined_to: rows::request(row, "joined_to")?,
        };
        let past = match (row.try_get("started")?, row.try_get("interrupted")?) {
            (false, _) => Past::Fresh,
            (true, true) => Past::Interrupted,
            (true, false) => Past::Failed { rests_until: Timestamp(row.try_get("not_before")?) },
        };
        let turn = Turn {
            id: waiting.id,
            person: waiting.person,
            received_at: waiting.received_at,
            past,
            last_start: row.try_get::<Option<i64>, _>("last_start")?.map(Timestamp),
            joined_to: waiting.joined_to,
        };
        Ok(Self { waiting, turn })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(id: i64, person: i64, received_at: i64) -> Turn {
        Turn {
            id: RequestId(id),
            person: UserId(person),
            received_at: Timestamp(received_at),
            past: Past::Fresh,
            last_start: None,
            joined_to: None,
        }
    }

    fn order(turns: &[Turn]) -> Vec<i64> {
        fair_order(turns).into_iter().map(|id| id.0).collect()
    }

    #[test]
    fn people_take_turns_and_each_is_served_in_order() {
        assert_eq!(
            order(&[turn(1, 1, 10), turn(2, 1, 11), turn(3, 1, 12), turn(4, 2, 13), turn(5, 2, 14)]),
            [1, 4, 2, 5, 3]
        );
    }

    #[test]
    fn who_was_served_lately_comes_behind_who_waited_since() {
        let served = Turn { last_start: Some(Timestamp(20)), ..turn(1, 1, 5) };
        assert_eq!(order(&[served, turn(2, 2, 20), turn(3, 3, 21)]), [2, 1, 3]);
    }

    #[test]
    fn what_the_engine_was_stopped_in_comes_first() {
        assert_eq!(order(&[turn(1, 1, 10), Turn { past: Past::Interrupted, ..turn(2, 2, 11) }]), [2, 1]);
    }

    #[test]
    fn what_the_engine_failed_at_comes_behind_whoever_came_before_the_next_attempt() {
        let failed = Turn {
            past: Past::Failed { rests_until: Timestamp(30) },
            last_start: Some(Timestamp(20)),
            ..turn(1, 1, 10)
        };
        assert_eq!(order(&[failed, turn(2, 2, 29), turn(3, 3, 31)]), [2, 1, 3]);
        let sibling = Turn { last_start: Some(Timestamp(20)), ..turn(4, 1, 12) };
        assert_eq!(order(&[failed, sibling, turn(2, 2, 29)]), [4, 2, 1], "also behind its own sender's");
    }

    #[test]
    fn what_is_joined_follows_or_leads() {
        let joined = |id, to| Turn { joined_to: Some(RequestId(to)), ..turn(id, id, 10 + id) };
        assert_eq!(order(&[turn(1, 1, 10), turn(2, 2, 11), joined(3, 1), joined(4, 99)]), [4, 1, 3, 2]);
    }

    #[test]
    fn a_clock_that_was_set_back_loses_nobody() {
        assert_eq!(order(&[turn(1, 1, 30), turn(2, 1, 10), turn(3, 2, 20)]), [2, 3, 1]);
    }
}
