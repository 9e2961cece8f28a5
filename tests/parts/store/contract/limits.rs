//! Daily limits hold after an erasure, and for recordings that claim no length or a false one.

use std::time::Duration;

use stenobot::request::{Claim, DownloadFailure, Downloaded, Received, Request, Setback, WithinDay};
use stenobot_domain::{ChatId, MessageId, RejectReason, StageName, UserId};
use stenobot_store::{Admission, Capacity, Fence, IncomingAudio, RequestUpdate, Settlement, WorkSource};

use super::BACKEND;
use crate::store::test_store::{ROOMY, TestStore, arrival_of};

const ME: UserId = UserId(7_000_000_001);
const MINUTE: Option<Duration> = Some(Duration::from_secs(60));
const LIMITED: Capacity = Capacity { per_user: 2, per_day: MINUTE, ..ROOMY };
const HELD: Duration = Duration::from_secs(600);

/// A recording of mine that claims so many seconds, none as a document.
fn mine(message: i32, claimed: Option<u64>) -> IncomingAudio {
    IncomingAudio { claimed: claimed.map(Duration::from_secs), ..arrival_of(ME.0, message) }
}

async fn admit(test: &TestStore, arrival: &IncomingAudio) -> Admission {
    test.store.queue.admit(arrival, &LIMITED).await.unwrap()
}

/// Brings the next download to its end with this real length; false where the day has no room for it.
async fn measure(test: &TestStore, seconds: u64) -> bool {
    let row = test.claim(WorkSource::Downloads, "w").await.unwrap();
    measured(test, &row.fence, seconds).await
}

async fn measured(test: &TestStore, fence: &Fence, seconds: u64) -> bool {
    let facts = RequestUpdate { length: Some(Duration::from_secs(seconds)), ..RequestUpdate::default() };
    let within = test.store.queue.advance_within_day(fence, StageName::Downloaded, &facts, MINUTE).await.unwrap();
    if within {
        test.advance(&Fence { stage: StageName::Downloaded, ..fence.clone() }, StageName::Queued).await;
    } else {
        let refused = Settlement::Rejected(RejectReason::DailyLimit);
        test.store.queue.settle(fence, refused).await.unwrap();
    }
    within
}

async fn answer(test: &TestStore) {
    test.pass(Duration::from_millis(1));
    let fence = test.start("w").await;
    let fence = test.advance(&fence, StageName::Transcribed).await;
    test.advance(&fence, StageName::Done).await;
}

// === Being forgotten ===

#[tokio::test]
async fn an_erased_user_has_used_the_same_audio_and_positions_as_before() {
    let test = TestStore::new(BACKEND).await;
    assert!(matches!(admit(&test, &mine(1, Some(30))).await, Admission::New(_)));
    assert!(measure(&test, 30).await);
    answer(&test).await;
    assert!(matches!(admit(&test, &mine(2, Some(10))).await, Admission::New(_)));
    let _forgotten = test.store.users.forget(ME).await.unwrap();

    assert!(matches!(admit(&test, &mine(3, Some(21))).await, Admission::DayFull(_)), "61 s");
    assert!(matches!(admit(&test, &mine(4, Some(5))).await, Admission::New(_)), "45 s, and the second place");
    assert!(matches!(admit(&test, &mine(5, Some(5))).await, Admission::UserFull(_)), "a place is held for the second");
    let other = IncomingAudio { claimed: Some(Duration::from_secs(60)), ..arrival_of(2, 1) };
    assert!(matches!(admit(&test, &other).await, Admission::New(_)), "other users are not meant");

    // Again and again, it adds up.
    for _ in 0..3 {
        let _forgotten = test.store.users.forget(ME).await.unwrap();
    }
    assert!(matches!(admit(&test, &mine(6, Some(1))).await, Admission::UserFull(_)), "two places are held");
    test.pass(HELD);
    assert!(matches!(admit(&test, &mine(7, Some(16))).await, Admission::DayFull(_)), "61 s");
    assert!(matches!(admit(&test, &mine(8, Some(15))).await, Admission::New(_)), "60 s, and no place is held");
    assert_eq!(test.count("spent").await, 1);
}

// === Real lengths ===

#[tokio::test]
async fn a_document_claims_no_length_and_counts_when_it_is_measured() {
    let test = TestStore::new(BACKEND).await;
    assert!(matches!(admit(&test, &mine(1, None)).await, Admission::New(_)));
    assert!(measure(&test, 40).await);
    let Admission::New(over) = admit(&test, &mine(2, None)).await else { panic!("its length is not known yet") };
    assert!(!measure(&test, 21).await, "61 s");
    assert_eq!(test.value::<String>(over, "reason").await, "daily_limit");
    assert!(matches!(admit(&test, &mine(3, None)).await, Admission::New(_)), "what is refused costs nothing");
    assert!(measure(&test, 20).await, "60 s");
    assert!(matches!(admit(&test, &mine(4, None)).await, Admission::DayFull(_)), "nothing is left");
}

#[tokio::test]
async fn two_concurrent_measurements_do_not_exceed_the_daily_limit() {
    let test = TestStore::new(BACKEND).await;
    for message in [1, 2] {
        assert!(matches!(admit(&test, &mine(message, None)).await, Admission::New(_)));
    }
    let one = test.claim(WorkSource::Downloads, "w").await.unwrap().fence;
    let other = test.claim(WorkSource::Downloads, "w").await.unwrap().fence;
    let (one, other) = tokio::join!(measured(&test, &one, 40), measured(&test, &other, 40));
    assert!(one != other, "{one} {other}");
}

#[tokio::test]
async fn a_false_claim_counts_by_its_measured_length_and_a_rounded_one_does_not() {
    let test = TestStore::new(BACKEND).await;
    assert!(matches!(admit(&test, &mine(1, Some(30))).await, Admission::New(_)));
    assert!(measure(&test, 31).await, "lengths are claimed in whole seconds");
    assert!(matches!(admit(&test, &mine(2, Some(1))).await, Admission::New(_)));
    assert!(!measure(&test, 55).await, "86 s");
    assert!(matches!(admit(&test, &mine(3, Some(29))).await, Admission::New(_)), "60 s");
    assert!(measure(&test, 30).await, "61 s by rounding");
}

#[tokio::test]
async fn a_request_that_was_queued_before_is_not_refused_at_its_second_download() {
    let test = TestStore::new(BACKEND).await;
    assert!(matches!(admit(&test, &mine(1, None)).await, Admission::New(_)));
    assert!(measure(&test, 60).await);
    let id = test.store.queue.waiting().await.unwrap()[0].id;
    assert_eq!(test.count("usage").await, 1, "{id} is the only one");
    test.execute("UPDATE usage SET stage = 'received', voice_duration_seconds = 61").await;
    assert!(measure(&test, 61).await);
}

#[tokio::test]
async fn a_request_over_the_daily_limit_is_refused_with_the_reason_of_the_admission() {
    let test = TestStore::new(BACKEND).await;
    let admitted = admit(&test, &mine(1, None)).await;
    let Some(Claim::Ready(request)) = Request::<Received>::claim(&test.store, "w").await.unwrap() else { panic!() };
    let length = Duration::from_secs(61);
    let outcome = request.advance_within_day(&test.store, Downloaded { length }, MINUTE).await.unwrap();
    let WithinDay::Over(request) = outcome else { panic!("61 s") };
    let refused = Settlement::Rejected(RejectReason::DailyLimit);
    assert_eq!(request.fail(&test.store, &DownloadFailure::DayFull).await.unwrap(), Setback::GaveUp(refused));
    let notice = test.store.queue.claim_notice("w").await.unwrap().unwrap();
    assert_eq!((Admission::New(notice.fence.id), notice.settlement), (admitted, refused));
}

#[tokio::test]
async fn the_same_document_many_times_counts_each_time() {
    let test = TestStore::new(BACKEND).await;
    let roomy = Capacity { per_user: 10, ..LIMITED };
    let same = |message| IncomingAudio { file_unique_id: "the same".into(), ..mine(message, None) };
    for message in 1..=4 {
        let admitted = test.store.queue.admit(&same(message), &roomy).await.unwrap();
        assert!(matches!(admitted, Admission::New(_) | Admission::Coalesced { .. }), "{admitted:?}");
    }
    assert!(measure(&test, 25).await);
    let fence = test.start("w").await;
    test.advance(&fence, StageName::Transcribed).await;
    let mut given = Vec::new();
    while let Some(also) = test.store.queue.claim_coalesced(fence.id, "w").await.unwrap() {
        let facts = RequestUpdate { length: Some(Duration::from_secs(25)), ..RequestUpdate::default() };
        let advance = test.store.queue.advance_within_day(&also.fence, StageName::Transcribed, &facts, MINUTE);
        given.push(advance.await.unwrap());
    }
    assert_eq!(given, [true, false, false], "50 s, then 75 s");
}

#[tokio::test]
async fn an_erased_user_s_limits_hold_in_every_chat() {
    let test = TestStore::new(BACKEND).await;
    let in_group = IncomingAudio {
        chat: ChatId(-100),
        key: stenobot_store::IdempotencyKey::Message(MessageId(9)),
        ..mine(1, Some(50))
    };
    assert!(matches!(admit(&test, &in_group).await, Admission::New(_)));
    let _forgotten = test.store.users.forget(ME).await.unwrap();
    assert!(matches!(admit(&test, &mine(2, Some(11))).await, Admission::DayFull(_)));
}
