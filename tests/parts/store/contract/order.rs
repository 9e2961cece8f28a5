//! Fair order of downloads and transcriptions, and limits of one user.

use std::collections::HashSet;
use std::time::Duration;

use stenobot_domain::{MessageId, RejectReason, RequestId, StageName, UserId};
use stenobot_store::{
    Admission, Capacity, ClaimExclusions, Fence, HEAD_SIZE, IncomingAudio, LEASE, PAGE_SIZE, RequestUpdate, Settlement,
    Waiting, WorkSource,
};

use super::BACKEND;
use crate::store::test_store::{ROOMY, TestStore, arrival, arrival_of, sender};

const MILLI: Duration = Duration::from_millis(1);

pub(super) async fn order(test: &TestStore) -> Vec<RequestId> {
    test.store.queue.waiting().await.unwrap().into_iter().map(|waiting| waiting.id).collect()
}

/// Starts whose turn it is and finishes it; no two starts fall into the same millisecond.
async fn serve(test: &TestStore) -> RequestId {
    test.pass(MILLI);
    let fence = test.start("w").await;
    let fence = test.advance(&fence, StageName::Transcribed).await;
    test.advance(&fence, StageName::Done).await.id
}

// === Turns in the engine ===

#[tokio::test]
async fn a_flood_of_fifty_delays_another_user_by_at_most_two_requests() {
    let test = TestStore::new(BACKEND).await;
    for message in 0..50 {
        test.enqueue_of(&arrival_of(1, message)).await;
        test.pass(MILLI);
    }
    serve(&test).await;
    let running = test.start("w").await;
    test.pass(MILLI);
    let one = test.enqueue_of(&arrival_of(2, 1000)).await;
    let place = order(&test).await.iter().position(|id| *id == one).unwrap();
    assert!(place <= 1, "behind {place}");
    let fence = test.advance(&running, StageName::Transcribed).await;
    test.advance(&fence, StageName::Done).await;
    let served = [serve(&test).await, serve(&test).await];
    assert!(served.contains(&one));
    assert_eq!(order(&test).await.len(), 47, "and the flood goes on");
}

/// A small generator, so that a failure can be repeated from its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Starts whose turn it is, and puts it back as after a crash of the engine.
async fn crash(test: &TestStore) -> RequestId {
    test.pass(MILLI);
    let fence = test.start("w").await;
    test.pass(MILLI);
    test.store.queue.release(&fence, MILLI, true).await.unwrap();
    fence.id
}

/// The order that is shown, after a check that every user is shown the same.
async fn shown(test: &TestStore) -> Vec<RequestId> {
    let order = order(test).await;
    for user in 1..=4 {
        for own in test.store.queue.statuses_of(UserId(user)).await.unwrap() {
            let position = order.iter().position(|id| *id == own.id).map(|index| u32::try_from(index + 1).unwrap());
            assert_eq!(own.position, position, "{}", own.id);
        }
    }
    order
}

#[tokio::test]
async fn the_shown_order_is_the_order_of_claims() {
    for seed in 0..12 {
        let test = TestStore::new(BACKEND).await;
        let mut dice = Dice(seed);
        let mut message = 0;
        for _ in 0..40 {
            let waiting = shown(&test).await;
            match dice.below(7) {
                0 if !waiting.is_empty() => {
                    serve(&test).await;
                }
                1 if !waiting.is_empty() => {
                    crash(&test).await;
                }
                2 if !waiting.is_empty() => {
                    let fence = test.start("w").await;
                    test.store.queue.release(&fence, Duration::ZERO, false).await.unwrap();
                }
                3 if !waiting.is_empty() => {
                    let id = waiting[usize::try_from(dice.below(u64::try_from(waiting.len()).unwrap())).unwrap()];
                    let by =
                        test.store.queue.waiting().await.unwrap().into_iter().find(|one| one.id == id).unwrap().user;
                    let _cancelled = test.store.queue.cancel(id, by).await.unwrap();
                }
                _ => {
                    let person = i64::try_from(1 + dice.below(4)).unwrap();
                    test.enqueue_of(&arrival_of(person, message)).await;
                    message += 1;
                }
            }
            // Now and then several come in the same millisecond.
            test.pass(MILLI * u32::try_from(dice.below(3)).unwrap());
        }
        let mut expected = shown(&test).await;
        assert!(!expected.is_empty(), "seed {seed}");
        expected.reverse();
        while let Some(next) = expected.pop() {
            assert_eq!(serve(&test).await, next, "seed {seed}");
            let rest: Vec<_> = expected.iter().rev().copied().collect();
            assert_eq!(shown(&test).await, rest, "seed {seed}: a start changes nothing for the others");
        }
        assert_eq!(test.claim(WorkSource::Transcriptions, "w").await, None);
    }
}

#[tokio::test]
async fn a_user_who_was_served_comes_behind_those_who_wait() {
    let test = TestStore::new(BACKEND).await;
    test.enqueue_of(&arrival_of(1, 1)).await;
    let first = test.enqueue_of(&arrival_of(2, 2)).await;
    let second = test.enqueue_of(&arrival_of(3, 3)).await;
    serve(&test).await;
    let again = test.enqueue_of(&arrival_of(1, 4)).await;
    let own = test.enqueue_of(&arrival_of(2, 5)).await;
    assert_eq!(shown(&test).await, [first, second, again, own]);
    assert_eq!([serve(&test).await, serve(&test).await], [first, second]);
    let new = test.enqueue_of(&arrival_of(4, 6)).await;
    assert_eq!(shown(&test).await, [again, own, new]);
}

#[tokio::test]
async fn a_request_that_was_not_served_costs_its_user_no_turn() {
    let test = TestStore::new(BACKEND).await;
    let mistakes = [test.enqueue_of(&arrival_of(1, 1)).await, test.enqueue_of(&arrival_of(1, 2)).await];
    let meant = test.enqueue_of(&arrival_of(1, 3)).await;
    let others = [test.enqueue_of(&arrival_of(2, 4)).await, test.enqueue_of(&arrival_of(2, 5)).await];
    assert_eq!(shown(&test).await, [mistakes[0], others[0], mistakes[1], others[1], meant]);
    let _cancelled = test.store.queue.cancel(mistakes[1], UserId(1)).await.unwrap();
    assert_eq!(shown(&test).await, [mistakes[0], others[0], meant, others[1]]);
    let _cancelled = test.store.queue.cancel(mistakes[0], UserId(1)).await.unwrap();
    assert_eq!(shown(&test).await, [meant, others[0], others[1]]);
}

#[tokio::test]
async fn a_user_who_was_passed_over_does_not_take_all_missed_turns_in_a_row() {
    let test = TestStore::new(BACKEND).await;
    let (mut missed, mut others) = (Vec::new(), Vec::new());
    for message in 0..4 {
        missed.push(test.enqueue_of(&arrival_of(1, message)).await);
        others.push(test.enqueue_of(&arrival_of(2, 10 + message)).await);
    }
    let busy = ClaimExclusions { chats: vec![], users: vec![UserId(1)] };
    for other in &others[..2] {
        let row = test.store.queue.claim_excluding(WorkSource::Transcriptions, "w", &busy).await.unwrap().unwrap();
        assert_eq!(row.fence.id, *other);
        test.advance(&row.fence, StageName::Transcribing).await;
    }
    assert_eq!(serve(&test).await, missed[0]);
    assert_eq!(shown(&test).await, [missed[1], others[2], missed[2], others[3], missed[3]]);
}

#[tokio::test]
async fn a_failed_request_comes_behind_all_that_arrive_before_its_next_attempt() {
    let test = TestStore::new(BACKEND).await;
    let poison = test.enqueue_of(&arrival_of(1, 1)).await;
    let fence = test.start("w").await;
    test.store.queue.release(&fence, MILLI * 10, true).await.unwrap();
    // Some are served meanwhile, so that those who arrive last have the latest turns.
    for message in 2..5 {
        test.enqueue_of(&arrival_of(2, message)).await;
        serve(&test).await;
    }
    let last = test.enqueue_of(&arrival_of(3, 5)).await;
    let own = test.enqueue_of(&arrival_of(1, 6)).await;
    assert_eq!(shown(&test).await, [last, own, poison]);
    test.pass(MILLI * 10);
    assert_eq!(serve(&test).await, last);
    let late = test.enqueue_of(&arrival_of(4, 7)).await;
    assert_eq!([serve(&test).await, serve(&test).await, serve(&test).await], [own, poison, late]);
}

#[tokio::test]
async fn an_interrupted_request_keeps_its_turn() {
    let test = TestStore::new(BACKEND).await;
    let flood = [test.enqueue_of(&arrival_of(1, 1)).await, test.enqueue_of(&arrival_of(1, 2)).await];
    test.pass(MILLI);
    let other = test.enqueue_of(&arrival_of(2, 3)).await;
    test.start("dead").await;
    test.pass(LEASE + MILLI);
    assert_eq!(test.start("w").await.id, flood[0], "it was being served");
    assert_eq!(test.start("w").await.id, other);
    assert_eq!(test.start("w").await.id, flood[1]);
}

#[tokio::test]
async fn each_waiting_request_is_delayed_by_one_attempt_of_a_crashing_one() {
    let test = TestStore::new(BACKEND).await;
    let poison = test.enqueue_of(&arrival_of(1, 1)).await;
    let own = test.enqueue_of(&arrival_of(1, 2)).await;
    test.pass(MILLI);
    let first = test.enqueue_of(&arrival_of(2, 3)).await;
    assert_eq!(crash(&test).await, poison);
    let (second, third) = (test.enqueue_of(&arrival_of(3, 4)).await, test.enqueue_of(&arrival_of(4, 5)).await);
    // All three were there when it was put back, and so was its sender's other one.
    let mut before = [serve(&test).await, serve(&test).await, serve(&test).await, serve(&test).await];
    before.sort_unstable();
    assert_eq!(before, [own, first, second, third]);

    test.pass(MILLI);
    let late = [test.enqueue_of(&arrival_of(5, 6)).await, test.enqueue_of(&arrival_of(6, 7)).await];
    assert_eq!(order(&test).await, [poison, late[0], late[1]]);
    assert_eq!(crash(&test).await, poison);
    assert_eq!([serve(&test).await, serve(&test).await], late, "a second attempt in a row delays no other");
    assert_eq!(test.start("w").await.id, poison);
}

#[tokio::test]
async fn an_interrupted_second_attempt_is_not_postponed_again() {
    let test = TestStore::new(BACKEND).await;
    let poison = test.enqueue_of(&arrival_of(1, 1)).await;
    crash(&test).await;
    test.pass(MILLI);
    test.start("dead").await;
    let other = test.enqueue_of(&arrival_of(2, 2)).await;
    test.store.queue.expire_other_leases("w").await.unwrap();
    assert_eq!(order(&test).await, [other], "what was under way is shown as such");
    assert_eq!(test.start("w").await.id, poison);
    assert_eq!(test.start("w").await.id, other);
}

// === Turns in the download ===

#[tokio::test]
async fn the_user_with_the_fewest_downloads_is_next() {
    let test = TestStore::new(BACKEND).await;
    for message in 0..10 {
        test.take(&arrival_of(1, message)).await;
    }
    let flood = test.claim(WorkSource::Downloads, "w").await.unwrap();
    let _second = test.claim(WorkSource::Downloads, "w").await.unwrap();
    let other = test.take(&arrival_of(2, 100)).await;
    let third = test.take(&arrival_of(2, 101)).await;
    assert_eq!(test.claim(WorkSource::Downloads, "w").await.unwrap().fence.id, other);
    assert_eq!(
        test.claim(WorkSource::Downloads, "w").await.unwrap().fence.id,
        third,
        "one of theirs, two of the flood's"
    );
    test.advance(&flood.fence, StageName::Downloaded).await;
    assert_eq!(test.claim(WorkSource::Downloads, "w").await.unwrap().user.0, 1, "two each: who came first");
}

// === What one person may ===

#[tokio::test]
async fn a_user_s_waiting_requests_are_bounded_until_one_starts() {
    let test = TestStore::new(BACKEND).await;
    let two = Capacity { per_user: 2, ..ROOMY };
    for message in 0..2 {
        assert!(matches!(test.store.queue.admit(&arrival(message), &two).await.unwrap(), Admission::New(_)));
    }
    let Admission::UserFull(id) = test.store.queue.admit(&arrival(2), &two).await.unwrap() else { panic!("two wait") };
    assert_eq!(test.store.queue.admit(&arrival(2), &two).await.unwrap(), Admission::Duplicate);
    let notice = test.store.queue.claim_notice("w").await.unwrap().unwrap();
    assert_eq!((notice.fence.id, notice.settlement), (id, Settlement::Rejected(RejectReason::UserLimit)));
    assert_eq!(notice.user.0, 7_000_000_001);
    assert!(
        matches!(test.store.queue.admit(&arrival_of(2, 0), &two).await.unwrap(), Admission::New(_)),
        "another user"
    );
    test.download().await;
    test.start("w").await;
    assert!(matches!(test.store.queue.admit(&arrival(3), &two).await.unwrap(), Admission::New(_)));
}

#[tokio::test]
async fn a_day_s_audio_counts_by_its_real_length_until_midnight() {
    let test = TestStore::new(BACKEND).await;
    let minute = Capacity { per_day: Some(Duration::from_secs(60)), ..ROOMY };
    let admit = async |message| test.store.queue.admit(&arrival(message), &minute).await.unwrap();
    assert!(matches!(admit(1).await, Admission::New(_)));
    let row = test.claim(WorkSource::Downloads, "w").await.unwrap();
    let real = RequestUpdate { length: Some(Duration::from_secs(45)), ..RequestUpdate::default() };
    test.store.queue.advance(&row.fence, StageName::Downloaded, &real).await.unwrap();
    test.advance(&Fence { stage: StageName::Downloaded, ..row.fence }, StageName::Queued).await;
    assert!(matches!(admit(2).await, Admission::New(_)), "55 s");
    let Admission::DayFull(full) = admit(3).await else { panic!("65 s are too many") };
    assert_eq!(test.value::<String>(full, "reason").await, "daily_limit");
    assert!(matches!(admit(4).await, Admission::DayFull(_)), "what was refused does not count, what was accepted does");
    let by = sender(7_000_000_001).id;
    let waiting = test.store.queue.waiting().await.unwrap();
    let _cancelled = test.store.queue.cancel(waiting[1].id, by).await.unwrap();
    assert!(matches!(admit(5).await, Admission::New(_)), "what was cancelled in time costs nothing");
    assert!(matches!(admit(6).await, Admission::DayFull(_)));
    let midnight = test.now().midnight().after(Duration::from_secs(24 * 60 * 60));
    test.pass(midnight.since(test.now()) - MILLI);
    assert!(matches!(admit(7).await, Admission::DayFull(_)), "a millisecond before midnight");
    test.pass(MILLI);
    assert!(matches!(admit(8).await, Admission::New(_)), "a new day");
}

#[tokio::test]
async fn each_button_press_is_one_request() {
    let test = TestStore::new(BACKEND).await;
    let press = |name: &str, unique: &str| IncomingAudio {
        key: stenobot_store::IdempotencyKey::Button { callback_id: name.into() },
        file_unique_id: unique.into(),
        ..arrival(1)
    };
    let ordinary = test.take(&arrival(1)).await;
    let pressed = test.take(&press("a", "x")).await;
    let again = test.store.queue.admit(&press("a", "x"), &ROOMY).await.unwrap();
    assert_eq!(again, Admission::Duplicate);
    let other = test.take(&press("b", "y")).await;
    assert_eq!([ordinary, pressed, other].into_iter().collect::<HashSet<_>>().len(), 3);
    let _first = test.claim(WorkSource::Downloads, "w").await.unwrap();
    assert_eq!(test.claim(WorkSource::Downloads, "w").await.unwrap().reply_to, Some(MessageId(1)));
}

#[tokio::test]
async fn the_head_and_the_pages_behind_it_are_the_whole_list() {
    let test = TestStore::new(BACKEND).await;
    for message in 0..(i32::try_from(HEAD_SIZE + PAGE_SIZE).unwrap() + 7) {
        test.take(&arrival_of(i64::from(message % 50) + 1, message)).await;
    }
    let ids = |waiting: Vec<Waiting>| waiting.into_iter().map(|waiting| waiting.id).collect::<Vec<_>>();
    let all = ids(test.store.queue.waiting().await.unwrap());
    let mut read = ids(test.store.queue.head().await.unwrap());
    assert_eq!(read.len(), HEAD_SIZE);
    for expected in [PAGE_SIZE, 7, 0] {
        let page = ids(test.store.queue.page_after(*read.last().unwrap()).await.unwrap());
        assert_eq!(page.len(), expected);
        read.extend(page);
    }
    assert_eq!(read, all);
    assert_eq!(test.store.queue.page_after(RequestId(999_999)).await.unwrap(), []);
}
