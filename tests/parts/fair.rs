//! Turns: whoever sends much waits for themselves, and whoever asks for the same audio takes nobody's time.

use std::collections::HashSet;
use std::time::Duration;

use stenobot::request::{Claim, Queued, Request, Transcribing};
use stenobot_domain::{AnswerForm, FailReason, MessageId, RejectReason, RequestId, StageName};
use stenobot_store::{Admission, Capacity, Facts, Fence, IncomingAudio, LEASE, Settlement, StoreError, WorkSource};

use crate::desk::{Desk, ROOMY, arrival, arrival_of, queue_of, sender};

const MILLI: Duration = Duration::from_millis(1);

async fn order(desk: &Desk) -> Vec<RequestId> {
    desk.store.queue.waiting().await.unwrap().into_iter().map(|waiting| waiting.id).collect()
}

/// Starts whose turn it is and finishes it; no two starts fall into the same millisecond.
async fn serve(desk: &Desk) -> RequestId {
    desk.pass(MILLI);
    let fence = desk.start("w").await;
    let fence = desk.advance(&fence, StageName::Transcribed).await;
    desk.advance(&fence, StageName::Done).await.id
}

// === Turns in the engine ===

#[tokio::test]
async fn a_flood_of_fifty_delays_somebody_else_by_what_runs_and_one_more_at_most() {
    let desk = Desk::new().await;
    for message in 0..50 {
        desk.enqueue_of(&arrival_of(1, message)).await;
        desk.pass(MILLI);
    }
    serve(&desk).await;
    let running = desk.start("w").await;
    desk.pass(MILLI);
    let one = desk.enqueue_of(&arrival_of(2, 1000)).await;
    let place = order(&desk).await.iter().position(|id| *id == one).unwrap();
    assert!(place <= 1, "behind {place}");
    let fence = desk.advance(&running, StageName::Transcribed).await;
    desk.advance(&fence, StageName::Done).await;
    let served = [serve(&desk).await, serve(&desk).await];
    assert!(served.contains(&one));
    assert_eq!(order(&desk).await.len(), 47, "and the flood goes on");
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
async fn crash(desk: &Desk) -> RequestId {
    desk.pass(MILLI);
    let fence = desk.start("w").await;
    desk.pass(MILLI);
    desk.store.queue.release(&fence, desk.now().after(MILLI), true).await.unwrap();
    fence.id
}

#[tokio::test]
async fn what_is_shown_is_the_order_in_which_it_is_claimed() {
    for seed in 0..12 {
        let desk = Desk::new().await;
        let mut dice = Dice(seed);
        let mut message = 0;
        for _ in 0..40 {
            match dice.below(5) {
                0 if !order(&desk).await.is_empty() => {
                    serve(&desk).await;
                }
                1 if !order(&desk).await.is_empty() => {
                    crash(&desk).await;
                }
                _ => {
                    let person = i64::try_from(1 + dice.below(4)).unwrap();
                    desk.enqueue_of(&arrival_of(person, message)).await;
                    message += 1;
                }
            }
            // Now and then several come in the same millisecond.
            desk.pass(MILLI * u32::try_from(dice.below(3)).unwrap());
        }
        let mut expected = order(&desk).await;
        assert!(!expected.is_empty(), "seed {seed}");
        expected.reverse();
        while let Some(next) = expected.pop() {
            assert_eq!(serve(&desk).await, next, "seed {seed}");
            let rest: Vec<_> = expected.iter().rev().copied().collect();
            assert_eq!(order(&desk).await, rest, "seed {seed}: a start changes nothing for the others");
        }
        assert_eq!(desk.claim(WorkSource::Transcriptions, "w").await, None);
    }
}

#[tokio::test]
async fn a_crash_reorders_nothing() {
    let desk = Desk::new().await;
    let flood = [desk.enqueue_of(&arrival_of(1, 1)).await, desk.enqueue_of(&arrival_of(1, 2)).await];
    desk.pass(MILLI);
    let other = desk.enqueue_of(&arrival_of(2, 3)).await;
    desk.start("dead").await;
    desk.pass(LEASE + MILLI);
    assert_eq!(desk.start("w").await.id, flood[0], "it was being served");
    assert_eq!(desk.start("w").await.id, other);
    assert_eq!(desk.start("w").await.id, flood[1]);
}

#[tokio::test]
async fn whoever_waits_meets_one_attempt_of_a_recording_that_kills_the_engine() {
    let desk = Desk::new().await;
    let poison = desk.enqueue_of(&arrival_of(1, 1)).await;
    let own = desk.enqueue_of(&arrival_of(1, 2)).await;
    desk.pass(MILLI);
    let first = desk.enqueue_of(&arrival_of(2, 3)).await;
    assert_eq!(crash(&desk).await, poison);
    let (second, third) = (desk.enqueue_of(&arrival_of(3, 4)).await, desk.enqueue_of(&arrival_of(4, 5)).await);
    // All three were there when it was put back, and so was its sender's other one.
    let mut before = [serve(&desk).await, serve(&desk).await, serve(&desk).await, serve(&desk).await];
    before.sort_unstable();
    assert_eq!(before, [own, first, second, third]);

    desk.pass(MILLI);
    let late = [desk.enqueue_of(&arrival_of(5, 6)).await, desk.enqueue_of(&arrival_of(6, 7)).await];
    assert_eq!(order(&desk).await, [poison, late[0], late[1]]);
    assert_eq!(crash(&desk).await, poison);
    assert_eq!([serve(&desk).await, serve(&desk).await], late, "a second attempt in a row meets nobody");
    assert_eq!(desk.start("w").await.id, poison);
}

#[tokio::test]
async fn a_second_attempt_that_the_process_did_not_outlive_is_not_put_off_again() {
    let desk = Desk::new().await;
    let poison = desk.enqueue_of(&arrival_of(1, 1)).await;
    crash(&desk).await;
    desk.pass(MILLI);
    desk.start("dead").await;
    let other = desk.enqueue_of(&arrival_of(2, 2)).await;
    desk.store.queue.expire_other_leases("w").await.unwrap();
    assert_eq!(order(&desk).await, [other], "what was under way is shown as such");
    assert_eq!(desk.start("w").await.id, poison);
    assert_eq!(desk.start("w").await.id, other);
}

// === Turns in the download ===

#[tokio::test]
async fn a_flood_leaves_the_next_free_place_to_somebody_else() {
    let desk = Desk::new().await;
    for message in 0..10 {
        desk.take(&arrival_of(1, message)).await;
    }
    let flood = desk.claim(WorkSource::Downloads, "w").await.unwrap();
    let _second = desk.claim(WorkSource::Downloads, "w").await.unwrap();
    let other = desk.take(&arrival_of(2, 100)).await;
    let third = desk.take(&arrival_of(2, 101)).await;
    assert_eq!(desk.claim(WorkSource::Downloads, "w").await.unwrap().fence.id, other);
    assert_eq!(
        desk.claim(WorkSource::Downloads, "w").await.unwrap().fence.id,
        third,
        "one of theirs, two of the flood's"
    );
    desk.advance(&flood.fence, StageName::Downloaded).await;
    assert_eq!(desk.claim(WorkSource::Downloads, "w").await.unwrap().user.0, 1, "two each: who came first");
}

// === What one person may ===

#[tokio::test]
async fn one_person_s_places_are_bounded_and_free_again_when_one_starts() {
    let desk = Desk::new().await;
    let two = Capacity { per_person: 2, ..ROOMY };
    for message in 0..2 {
        assert!(matches!(desk.store.queue.admit(&arrival(message), &two).await.unwrap(), Admission::New(_)));
    }
    let Admission::PersonFull(id) = desk.store.queue.admit(&arrival(2), &two).await.unwrap() else {
        panic!("two wait")
    };
    assert_eq!(desk.store.queue.admit(&arrival(2), &two).await.unwrap(), Admission::Duplicate);
    let notice = desk.store.queue.claim_notice("w").await.unwrap().unwrap();
    assert_eq!((notice.fence.id, notice.settlement), (id, Settlement::Rejected(RejectReason::UserLimit)));
    assert_eq!(notice.user.0, 7_000_000_001);
    assert!(
        matches!(desk.store.queue.admit(&arrival_of(2, 0), &two).await.unwrap(), Admission::New(_)),
        "somebody else"
    );
    desk.download().await;
    desk.start("w").await;
    assert!(matches!(desk.store.queue.admit(&arrival(3), &two).await.unwrap(), Admission::New(_)));
}

#[tokio::test]
async fn a_day_s_audio_counts_by_its_real_length_until_midnight() {
    let desk = Desk::new().await;
    let minute = Capacity { per_day: Some(Duration::from_secs(60)), ..ROOMY };
    let admit = async |message| desk.store.queue.admit(&arrival(message), &minute).await.unwrap();
    assert!(matches!(admit(1).await, Admission::New(_)));
    let row = desk.claim(WorkSource::Downloads, "w").await.unwrap();
    let real = Facts { length: Some(Duration::from_secs(45)), ..Facts::default() };
    desk.store.queue.advance(&row.fence, StageName::Downloaded, &real).await.unwrap();
    desk.advance(&Fence { stage: StageName::Downloaded, ..row.fence }, StageName::Queued).await;
    assert!(matches!(admit(2).await, Admission::New(_)), "55 s");
    let Admission::DayFull(full) = admit(3).await else { panic!("65 s are too many") };
    assert_eq!(desk.value::<String>(full, "reason").await, "daily_limit");
    assert!(matches!(admit(4).await, Admission::DayFull(_)), "what was refused does not count, what was accepted does");
    let by = sender(7_000_000_001).id;
    let waiting = desk.store.queue.waiting().await.unwrap();
    let _withdrawn = desk.store.queue.cancel(waiting[1].id, by).await.unwrap();
    assert!(matches!(admit(5).await, Admission::New(_)), "what was withdrawn in time costs nothing");
    assert!(matches!(admit(6).await, Admission::DayFull(_)));
    let midnight = desk.now().midnight().after(Duration::from_secs(24 * 60 * 60));
    desk.pass(midnight.since(desk.now()) - MILLI);
    assert!(matches!(admit(7).await, Admission::DayFull(_)), "a millisecond before midnight");
    desk.pass(MILLI);
    assert!(matches!(admit(8).await, Admission::New(_)), "a new day");
}

#[tokio::test]
async fn a_button_asks_once_and_any_number_of_them_have_no_message() {
    let desk = Desk::new().await;
    let press = |name: &str, unique: &str| IncomingAudio {
        key: stenobot_store::IdempotencyKey::Button { callback_id: name.into() },
        file_unique_id: unique.into(),
        ..arrival(1)
    };
    let ordinary = desk.take(&arrival(1)).await;
    let pressed = desk.take(&press("a", "x")).await;
    let again = desk.store.queue.admit(&press("a", "x"), &ROOMY).await.unwrap();
    assert_eq!(again, Admission::Duplicate);
    let other = desk.take(&press("b", "y")).await;
    assert_eq!([ordinary, pressed, other].into_iter().collect::<HashSet<_>>().len(), 3);
    let _first = desk.claim(WorkSource::Downloads, "w").await.unwrap();
    assert_eq!(desk.claim(WorkSource::Downloads, "w").await.unwrap().reply_to, Some(MessageId(1)));
}

// === The same audio ===

/// Two requests for the audio of `arrival(1)`: one that is queued, and one joined to it.
async fn joined(desk: &Desk) -> (RequestId, RequestId) {
    let to = desk.enqueue(1).await;
    let id = same(desk, 2).await;
    (to, id)
}

/// Admits another person's request for the audio of `arrival(1)`, which waits.
async fn same(desk: &Desk, person: i64) -> RequestId {
    let same = IncomingAudio { file_unique_id: "unique-1".into(), ..arrival_of(person, 50) };
    match desk.store.queue.admit(&same, &ROOMY).await.unwrap() {
        Admission::Joined { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_the_same_audio_in_the_same_language_and_form_is_joined_and_only_while_it_waits() {
    let desk = Desk::new().await;
    let (to, id) = joined(&desk).await;
    assert_eq!(desk.value::<i64>(id, "joined_to").await, to.0);
    let again = IncomingAudio { file_unique_id: "unique-1".into(), ..arrival_of(3, 51) };
    let third = desk.store.queue.admit(&again, &ROOMY).await.unwrap();
    assert!(matches!(third, Admission::Joined { to: first, .. } if first == to), "never to one that is joined itself");
    for (message, other) in [
        (60, IncomingAudio { form: AnswerForm::Srt, ..again.clone() }),
        (61, IncomingAudio { speech_language: Some("de".parse().unwrap()), ..again.clone() }),
    ] {
        let other = IncomingAudio { key: stenobot_store::IdempotencyKey::Message(MessageId(message)), ..other };
        assert!(matches!(desk.store.queue.admit(&other, &ROOMY).await.unwrap(), Admission::New(_)));
    }
    desk.start("w").await;
    let late = IncomingAudio { file_unique_id: "unique-1".into(), ..arrival_of(4, 52) };
    assert!(matches!(desk.store.queue.admit(&late, &ROOMY).await.unwrap(), Admission::New(_)), "it runs already");
    assert!(matches!(desk.store.queue.admit(&arrival_of(4, 53), &queue_of(1)).await.unwrap(), Admission::QueueFull(_)));
}

#[tokio::test]
async fn a_joined_request_waits_and_is_given_the_text_of_the_other() {
    let desk = Desk::new().await;
    let (to, id) = joined(&desk).await;
    let waiting = desk.store.queue.waiting().await.unwrap();
    assert_eq!(waiting.iter().map(|waiting| waiting.id).collect::<Vec<_>>(), [to, id]);
    assert_eq!((waiting[1].joined_to, waiting[1].person.0), (Some(to), 2));
    assert_eq!(desk.claim(WorkSource::Downloads, "w").await, None, "it needs no audio");

    let fence = desk.start("w").await;
    assert_eq!(order(&desk).await, [id], "only what runs is ahead of it");
    assert_eq!(desk.claim(WorkSource::Transcriptions, "w").await, None);
    desk.advance(&fence, StageName::Transcribed).await;
    let request = Request::<Transcribing>::claim_coalesced(&desk.store, to, "w").await.unwrap().unwrap();
    assert_eq!((request.id(), request.joined_to(), request.chat().0), (id, Some(to), 2));
    assert!(Request::<Transcribing>::claim_coalesced(&desk.store, to, "w").await.unwrap().is_none(), "it is held");

    // The other's time is not counted twice.
    let heard = |seconds| Facts {
        length: Some(Duration::from_secs(10)),
        model: Some("base".into()),
        processing: Some(Duration::from_secs(seconds)),
        ..Facts::default()
    };
    let held = Fence { id, stage: StageName::Transcribing, owner: "w".into(), attempt: 1 };
    desk.store.queue.advance(&held, StageName::Transcribed, &heard(9)).await.unwrap();
    desk.advance(&Fence { stage: StageName::Transcribed, ..held }, StageName::Done).await;
    assert_eq!(desk.store.statistics.recent_real_time_factor("base").await.unwrap(), None);
    drop(request);
}

#[tokio::test]
async fn a_joined_request_whose_text_never_came_gets_audio_of_its_own() {
    for died in [false, true] {
        let desk = Desk::new().await;
        let (to, id) = joined(&desk).await;
        let fence = desk.start("w").await;
        let fence = desk.advance(&fence, StageName::Transcribed).await;
        let row = desk.store.queue.claim_coalesced(to, "w").await.unwrap().unwrap();
        desk.advance(&fence, StageName::Done).await;
        if died {
            assert_eq!(desk.claim(WorkSource::Downloads, "v").await, None, "it is held");
            desk.pass(LEASE + MILLI);
        } else {
            desk.store.queue.release(&row.fence, desk.now(), false).await.unwrap();
        }
        assert_eq!(desk.claim(WorkSource::Transcriptions, "v").await, None, "it has no audio");
        let own = desk.claim(WorkSource::Downloads, "v").await.unwrap();
        assert_eq!((own.fence.id, own.fence.stage, own.joined_to), (id, StageName::Received, None));
        let late = desk.store.queue.advance(&row.fence, StageName::Transcribed, &Facts::default()).await;
        assert!(matches!(late, Err(StoreError::LeaseLost { .. })));
        assert!(desk.store.queue.claim_coalesced(to, "w").await.unwrap().is_none());
        let fence = desk.advance(&own.fence, StageName::Downloaded).await;
        desk.advance(&fence, StageName::Queued).await;
        let Some(Claim::Ready(request)) = Request::<Queued>::claim(&desk.store, "v").await.unwrap() else {
            panic!("it is an ordinary request now")
        };
        assert_eq!(request.id(), id);
    }
}

#[tokio::test]
async fn what_was_joined_to_a_failure_or_a_withdrawal_is_heard_by_itself() {
    let desk = Desk::new().await;
    let (_, id) = joined(&desk).await;
    let fence = desk.start("w").await;
    assert_eq!(desk.claim(WorkSource::Downloads, "w").await, None);
    desk.store.queue.settle(&fence, Settlement::Failed(FailReason::Deadline)).await.unwrap();
    assert_eq!(desk.download().await, id);
    assert_eq!(desk.start("w").await.id, id);

    let desk = Desk::new().await;
    let (to, id) = joined(&desk).await;
    let _ended = desk.store.queue.cancel(to, sender(7_000_000_001).id).await.unwrap();
    assert_eq!(desk.store.queue.waiting().await.unwrap()[0].joined_to, None);
    assert_eq!(desk.download().await, id);
}
