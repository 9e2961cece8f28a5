//! Turns: whoever sends much waits for themselves, and whoever asks for the same audio takes nobody's time.

use std::collections::HashSet;
use std::time::Duration;

use stenobot::request::{Claim, Queued, Request, Transcribing};
use stenobot_domain::{AnswerForm, FailReason, MessageId, RejectReason, RequestId, StageName};
use stenobot_store::{
    Admission, Capacity, Fence, IncomingAudio, LEASE, RequestUpdate, Settlement, StoreError, WorkSource,
};

use crate::store::test_store::{ROOMY, TestStore, arrival, arrival_of, queue_of, sender};

const MILLI: Duration = Duration::from_millis(1);

async fn order(test: &TestStore) -> Vec<RequestId> {
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
    let test = TestStore::new().await;
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
    test.store.queue.release(&fence, test.now().after(MILLI), true).await.unwrap();
    fence.id
}

#[tokio::test]
async fn the_shown_order_is_the_order_of_claims() {
    for seed in 0..12 {
        let test = TestStore::new().await;
        let mut dice = Dice(seed);
        let mut message = 0;
        for _ in 0..40 {
            match dice.below(5) {
                0 if !order(&test).await.is_empty() => {
                    serve(&test).await;
                }
                1 if !order(&test).await.is_empty() => {
                    crash(&test).await;
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
        let mut expected = order(&test).await;
        assert!(!expected.is_empty(), "seed {seed}");
        expected.reverse();
        while let Some(next) = expected.pop() {
            assert_eq!(serve(&test).await, next, "seed {seed}");
            let rest: Vec<_> = expected.iter().rev().copied().collect();
            assert_eq!(order(&test).await, rest, "seed {seed}: a start changes nothing for the others");
        }
        assert_eq!(test.claim(WorkSource::Transcriptions, "w").await, None);
    }
}

#[tokio::test]
async fn an_interrupted_request_keeps_its_turn() {
    let test = TestStore::new().await;
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
    let test = TestStore::new().await;
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
    assert_eq!([serve(&test).await, serve(&test).await], late, "a second attempt in a row meets nobody");
    assert_eq!(test.start("w").await.id, poison);
}

#[tokio::test]
async fn an_interrupted_second_attempt_is_not_postponed_again() {
    let test = TestStore::new().await;
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
    let test = TestStore::new().await;
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
    let test = TestStore::new().await;
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
        "somebody else"
    );
    test.download().await;
    test.start("w").await;
    assert!(matches!(test.store.queue.admit(&arrival(3), &two).await.unwrap(), Admission::New(_)));
}

#[tokio::test]
async fn a_day_s_audio_counts_by_its_real_length_until_midnight() {
    let test = TestStore::new().await;
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
    let _withdrawn = test.store.queue.cancel(waiting[1].id, by).await.unwrap();
    assert!(matches!(admit(5).await, Admission::New(_)), "what was withdrawn in time costs nothing");
    assert!(matches!(admit(6).await, Admission::DayFull(_)));
    let midnight = test.now().midnight().after(Duration::from_secs(24 * 60 * 60));
    test.pass(midnight.since(test.now()) - MILLI);
    assert!(matches!(admit(7).await, Admission::DayFull(_)), "a millisecond before midnight");
    test.pass(MILLI);
    assert!(matches!(admit(8).await, Admission::New(_)), "a new day");
}

#[tokio::test]
async fn each_button_press_is_one_request() {
    let test = TestStore::new().await;
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

// === The same audio ===

/// Two requests for the audio of `arrival(1)`: one that is queued, and one joined to it.
async fn joined(test: &TestStore) -> (RequestId, RequestId) {
    let to = test.enqueue(1).await;
    let id = same(test, 2).await;
    (to, id)
}

/// Admits another person's request for the audio of `arrival(1)`, which waits.
async fn same(test: &TestStore, person: i64) -> RequestId {
    let same = IncomingAudio { file_unique_id: "unique-1".into(), ..arrival_of(person, 50) };
    match test.store.queue.admit(&same, &ROOMY).await.unwrap() {
        Admission::Coalesced { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_the_same_waiting_audio_in_the_same_language_and_form_is_coalesced() {
    let test = TestStore::new().await;
    let (to, id) = joined(&test).await;
    assert_eq!(test.value::<i64>(id, "joined_to").await, to.0);
    let again = IncomingAudio { file_unique_id: "unique-1".into(), ..arrival_of(3, 51) };
    let third = test.store.queue.admit(&again, &ROOMY).await.unwrap();
    assert!(
        matches!(third, Admission::Coalesced { into: first, .. } if first == to),
        "never to one that is joined itself"
    );
    for (message, other) in [
        (60, IncomingAudio { form: AnswerForm::Srt, ..again.clone() }),
        (61, IncomingAudio { speech_language: Some("de".parse().unwrap()), ..again.clone() }),
    ] {
        let other = IncomingAudio { key: stenobot_store::IdempotencyKey::Message(MessageId(message)), ..other };
        assert!(matches!(test.store.queue.admit(&other, &ROOMY).await.unwrap(), Admission::New(_)));
    }
    test.start("w").await;
    let late = IncomingAudio { file_unique_id: "unique-1".into(), ..arrival_of(4, 52) };
    assert!(matches!(test.store.queue.admit(&late, &ROOMY).await.unwrap(), Admission::New(_)), "it runs already");
    assert!(matches!(test.store.queue.admit(&arrival_of(4, 53), &queue_of(1)).await.unwrap(), Admission::QueueFull(_)));
}

#[tokio::test]
async fn a_coalesced_request_waits_for_the_text_of_its_original() {
    let test = TestStore::new().await;
    let (to, id) = joined(&test).await;
    let waiting = test.store.queue.waiting().await.unwrap();
    assert_eq!(waiting.iter().map(|waiting| waiting.id).collect::<Vec<_>>(), [to, id]);
    assert_eq!((waiting[1].coalesced_into, waiting[1].user.0), (Some(to), 2));
    assert_eq!(test.claim(WorkSource::Downloads, "w").await, None, "it needs no audio");

    let fence = test.start("w").await;
    assert_eq!(order(&test).await, [id], "only what runs is ahead of it");
    assert_eq!(test.claim(WorkSource::Transcriptions, "w").await, None);
    test.advance(&fence, StageName::Transcribed).await;
    let request = Request::<Transcribing>::claim_coalesced(&test.store, to, "w").await.unwrap().unwrap();
    assert_eq!((request.id(), request.coalesced_into(), request.chat().0), (id, Some(to), 2));
    assert!(Request::<Transcribing>::claim_coalesced(&test.store, to, "w").await.unwrap().is_none(), "it is held");

    // The other's time is not counted twice.
    let heard = |seconds| RequestUpdate {
        length: Some(Duration::from_secs(10)),
        model: Some("base".into()),
        processing: Some(Duration::from_secs(seconds)),
        ..RequestUpdate::default()
    };
    let held = Fence { id, stage: StageName::Transcribing, owner: "w".into(), attempt: 1 };
    test.store.queue.advance(&held, StageName::Transcribed, &heard(9)).await.unwrap();
    test.advance(&Fence { stage: StageName::Transcribed, ..held }, StageName::Done).await;
    assert_eq!(test.store.statistics.recent_real_time_factor("base").await.unwrap(), None);
    drop(request);
}

#[tokio::test]
async fn a_coalesced_request_without_text_is_downloaded_itself() {
    for died in [false, true] {
        let test = TestStore::new().await;
        let (to, id) = joined(&test).await;
        let fence = test.start("w").await;
        let fence = test.advance(&fence, StageName::Transcribed).await;
        let row = test.store.queue.claim_coalesced(to, "w").await.unwrap().unwrap();
        test.advance(&fence, StageName::Done).await;
        if died {
            assert_eq!(test.claim(WorkSource::Downloads, "v").await, None, "it is held");
            test.pass(LEASE + MILLI);
        } else {
            test.store.queue.release(&row.fence, test.now(), false).await.unwrap();
        }
        assert_eq!(test.claim(WorkSource::Transcriptions, "v").await, None, "it has no audio");
        let own = test.claim(WorkSource::Downloads, "v").await.unwrap();
        assert_eq!((own.fence.id, own.fence.stage, own.coalesced_into), (id, StageName::Received, None));
        let late = test.store.queue.advance(&row.fence, StageName::Transcribed, &RequestUpdate::default()).await;
        assert!(matches!(late, Err(StoreError::LeaseLost { .. })));
        assert!(test.store.queue.claim_coalesced(to, "w").await.unwrap().is_none());
        let fence = test.advance(&own.fence, StageName::Downloaded).await;
        test.advance(&fence, StageName::Queued).await;
        let Some(Claim::Ready(request)) = Request::<Queued>::claim(&test.store, "v").await.unwrap() else {
            panic!("it is an ordinary request now")
        };
        assert_eq!(request.id(), id);
    }
}

#[tokio::test]
async fn a_request_coalesced_into_a_failed_or_cancelled_one_is_downloaded_itself() {
    let test = TestStore::new().await;
    let (_, id) = joined(&test).await;
    let fence = test.start("w").await;
    assert_eq!(test.claim(WorkSource::Downloads, "w").await, None);
    test.store.queue.settle(&fence, Settlement::Failed(FailReason::Deadline)).await.unwrap();
    assert_eq!(test.download().await, id);
    assert_eq!(test.start("w").await.id, id);

    let test = TestStore::new().await;
    let (to, id) = joined(&test).await;
    let _ended = test.store.queue.cancel(to, sender(7_000_000_001).id).await.unwrap();
    assert_eq!(test.store.queue.waiting().await.unwrap()[0].coalesced_into, None);
    assert_eq!(test.download().await, id);
}
