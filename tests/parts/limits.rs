//! Limits that cannot be got round: by being forgotten, by recordings that claim no length or a false one. And what is
//! forgotten is gone from the write-ahead log as well, as soon as nothing reads the store.

use std::time::Duration;

use sqlx::Connection;
use stenobot::request::{Claim, DownloadFailure, Downloaded, Received, Request, Setback, WithinDay};
use stenobot_domain::{ChatId, Clock, MessageId, RejectReason, StageName, UserId};
use stenobot_store::backup::backup;
use stenobot_store::{Admission, Capacity, Facts, Fence, IncomingAudio, Settlement, Store, WorkSource};

use crate::desk::{Desk, ROOMY, arrival_of, sender};

const ME: UserId = UserId(7_000_000_001);
const MINUTE: Option<Duration> = Some(Duration::from_secs(60));
const LIMITED: Capacity = Capacity { per_person: 2, per_day: MINUTE, ..ROOMY };
const HELD: Duration = Duration::from_secs(600);

/// A recording of mine that claims so many seconds, none as a document.
fn mine(message: i32, claimed: Option<u64>) -> IncomingAudio {
    IncomingAudio { claimed: claimed.map(Duration::from_secs), ..arrival_of(ME.0, message) }
}

async fn admit(desk: &Desk, arrival: &IncomingAudio) -> Admission {
    desk.store.queue.admit(arrival, &LIMITED).await.unwrap()
}

/// Brings the next download to its end with this real length; false where the day has no room for it.
async fn measure(desk: &Desk, seconds: u64) -> bool {
    let row = desk.claim(WorkSource::Downloads, "w").await.unwrap();
    measured(desk, &row.fence, seconds).await
}

async fn measured(desk: &Desk, fence: &Fence, seconds: u64) -> bool {
    let facts = Facts { length: Some(Duration::from_secs(seconds)), ..Facts::default() };
    let within = desk.store.queue.advance_within_day(fence, StageName::Downloaded, &facts, MINUTE).await.unwrap();
    if within {
        desk.advance(&Fence { stage: StageName::Downloaded, ..fence.clone() }, StageName::Queued).await;
    } else {
        let refused = Settlement::Rejected(RejectReason::DailyLimit);
        desk.store.queue.settle(fence, refused).await.unwrap();
    }
    within
}

async fn answer(desk: &Desk) {
    desk.pass(Duration::from_millis(1));
    let fence = desk.start("w").await;
    let fence = desk.advance(&fence, StageName::Transcribed).await;
    desk.advance(&fence, StageName::Done).await;
}

// === Being forgotten ===

#[tokio::test]
async fn who_is_forgotten_has_used_the_same_audio_and_places_as_before() {
    let desk = Desk::new().await;
    assert!(matches!(admit(&desk, &mine(1, Some(30))).await, Admission::New(_)));
    assert!(measure(&desk, 30).await);
    answer(&desk).await;
    assert!(matches!(admit(&desk, &mine(2, Some(10))).await, Admission::New(_)));
    let _forgotten = desk.store.users.forget(ME).await.unwrap();

    assert!(matches!(admit(&desk, &mine(3, Some(21))).await, Admission::DayFull(_)), "61 s");
    assert!(matches!(admit(&desk, &mine(4, Some(5))).await, Admission::New(_)), "45 s, and the second place");
    assert!(
        matches!(admit(&desk, &mine(5, Some(5))).await, Admission::PersonFull(_)),
        "a place is held for the second"
    );
    let other = IncomingAudio { claimed: Some(Duration::from_secs(60)), ..arrival_of(2, 1) };
    assert!(matches!(admit(&desk, &other).await, Admission::New(_)), "other users are not meant");

    // Again and again, it adds up.
    for _ in 0..3 {
        let _forgotten = desk.store.users.forget(ME).await.unwrap();
    }
    assert!(matches!(admit(&desk, &mine(6, Some(1))).await, Admission::PersonFull(_)), "two places are held");
    desk.pass(HELD);
    assert!(matches!(admit(&desk, &mine(7, Some(16))).await, Admission::DayFull(_)), "61 s");
    assert!(matches!(admit(&desk, &mine(8, Some(15))).await, Admission::New(_)), "60 s, and no place is held");
    assert_eq!(desk.count("spent").await, 1);
}

#[tokio::test]
async fn what_remains_of_limits_has_no_name_and_goes_with_its_day() {
    let desk = Desk::new().await;
    let mut keys = Vec::new();
    for day in 0..2 {
        assert!(matches!(admit(&desk, &mine(day, Some(50))).await, Admission::New(_)), "a new day");
        let _forgotten = desk.store.users.forget(ME).await.unwrap();
        let mut sql = desk.sql().await;
        let (id, hash, key): (i64, Vec<u8>, Vec<u8>) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM users WHERE telegram_id = 7000000001), person_hash, key \
             FROM spent JOIN spent_keys USING (day)",
        )
        .fetch_one(&mut sql)
        .await
        .unwrap();
        sql.close().await.unwrap();
        assert_eq!((id, hash.len(), key.len()), (0, 32, 32));
        assert!(!hash.windows(8).any(|part| part == ME.0.to_le_bytes() || part == ME.0.to_be_bytes()));
        let copy = desk.path.with_file_name("copy.db");
        backup(&desk.path, &copy, true).await.unwrap();
        for secret in [&key, &hash] {
            assert!(!holds(&std::fs::read(&copy).unwrap(), secret), "a copy outlives the day");
        }
        std::fs::remove_file(copy).unwrap();
        keys.push((hash, key));

        let midnight = desk.now().midnight().after(Duration::from_secs(24 * 60 * 60));
        desk.pass(midnight.since(desk.now()) - Duration::from_millis(1));
        desk.store.queue.drop_other_days().await.unwrap();
        assert_eq!(desk.count("spent").await, 1, "still the same day");
        assert!(matches!(admit(&desk, &mine(10 + day, Some(50))).await, Admission::DayFull(_)));
        desk.pass(Duration::from_millis(1));
        desk.store.queue.drop_other_days().await.unwrap();
        assert_eq!((desk.count("spent").await, desk.count("spent_keys").await), (0, 0));
        assert!(desk.store.log_may_hold_erased());
        assert!(desk.store.empty_log().await.unwrap());
        for (hash, key) in &keys {
            assert!(!on_disk(&desk, hash) && !on_disk(&desk, key), "a byte is left");
        }
    }
    assert_ne!(keys[0].0, keys[1].0);
    assert_ne!(keys[0].1, keys[1].1);
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Whether any file of the store holds these bytes.
fn on_disk(desk: &Desk, part: &[u8]) -> bool {
    let files = std::fs::read_dir(desk.path.parent().unwrap()).unwrap();
    files.into_iter().any(|file| holds(&std::fs::read(file.unwrap().path()).unwrap(), part))
}

// === The log ===

#[tokio::test]
async fn a_reader_keeps_the_erased_in_the_log_and_it_is_emptied_after_it_has_ended() {
    const NAME: &str = "Ксенофонтия";
    let desk = Desk::new().await;
    assert!(desk.store.log_may_hold_erased(), "the process before may have been killed in the middle");
    let from = stenobot_store::Sender { first_name: Some(NAME.into()), ..sender(ME.0) };
    desk.take(&IncomingAudio { from, ..mine(1, Some(10)) }).await;
    let mut reader = desk.sql().await;
    let mut snapshot = reader.begin().await.unwrap();
    let _rows: i64 = sqlx::query_scalar("SELECT count(*) FROM usage").fetch_one(&mut *snapshot).await.unwrap();

    let forgotten = desk.store.users.forget(ME).await.unwrap();
    assert!(!forgotten.log_emptied && desk.store.log_may_hold_erased());
    assert!(!desk.store.empty_log().await.unwrap(), "again in vain");
    assert!(on_disk(&desk, NAME.as_bytes()));
    // Others are served meanwhile.
    desk.take(&arrival_of(2, 1)).await;
    // Nor does a restart lose sight of it: the process before was killed.
    let store = Store::open(&desk.path, Clock::System).await.unwrap();
    assert!(store.log_may_hold_erased() && on_disk(&desk, NAME.as_bytes()));
    assert!(!store.empty_log().await.unwrap());

    snapshot.rollback().await.unwrap();
    reader.close().await.unwrap();
    assert!(store.empty_log().await.unwrap());
    assert!(!store.log_may_hold_erased());
    assert!(!on_disk(&desk, NAME.as_bytes()));
}

// === Real lengths ===

#[tokio::test]
async fn a_document_claims_no_length_and_counts_when_it_is_measured() {
    let desk = Desk::new().await;
    assert!(matches!(admit(&desk, &mine(1, None)).await, Admission::New(_)));
    assert!(measure(&desk, 40).await);
    let Admission::New(over) = admit(&desk, &mine(2, None)).await else { panic!("its length is not known yet") };
    assert!(!measure(&desk, 21).await, "61 s");
    assert_eq!(desk.value::<String>(over, "reason").await, "daily_limit");
    assert!(matches!(admit(&desk, &mine(3, None)).await, Admission::New(_)), "what is refused costs nothing");
    assert!(measure(&desk, 20).await, "60 s");
    assert!(matches!(admit(&desk, &mine(4, None)).await, Admission::DayFull(_)), "nothing is left");
}

#[tokio::test]
async fn two_that_are_measured_at_once_do_not_both_take_what_is_left() {
    let desk = Desk::new().await;
    for message in [1, 2] {
        assert!(matches!(admit(&desk, &mine(message, None)).await, Admission::New(_)));
    }
    let one = desk.claim(WorkSource::Downloads, "w").await.unwrap().fence;
    let other = desk.claim(WorkSource::Downloads, "w").await.unwrap().fence;
    let (one, other) = tokio::join!(measured(&desk, &one, 40), measured(&desk, &other, 40));
    assert!(one != other, "{one} {other}");
}

#[tokio::test]
async fn a_claim_that_is_too_small_is_found_out_and_one_that_is_rounded_is_not() {
    let desk = Desk::new().await;
    assert!(matches!(admit(&desk, &mine(1, Some(30))).await, Admission::New(_)));
    assert!(measure(&desk, 31).await, "lengths are claimed in whole seconds");
    assert!(matches!(admit(&desk, &mine(2, Some(1))).await, Admission::New(_)));
    assert!(!measure(&desk, 55).await, "86 s");
    assert!(matches!(admit(&desk, &mine(3, Some(29))).await, Admission::New(_)), "60 s");
    assert!(measure(&desk, 30).await, "61 s by rounding");
}

#[tokio::test]
async fn what_was_in_the_queue_before_is_not_refused_when_it_is_fetched_again() {
    let desk = Desk::new().await;
    assert!(matches!(admit(&desk, &mine(1, None)).await, Admission::New(_)));
    assert!(measure(&desk, 60).await);
    let id = desk.store.queue.waiting().await.unwrap()[0].id;
    let again = "UPDATE usage SET stage = 'received', voice_duration_seconds = 61 WHERE id = ?1";
    sqlx::query(again).bind(id.0).execute(&mut desk.sql().await).await.unwrap();
    assert!(measure(&desk, 61).await);
}

#[tokio::test]
async fn a_request_over_the_day_is_refused_in_the_words_of_the_admission() {
    let desk = Desk::new().await;
    let admitted = admit(&desk, &mine(1, None)).await;
    let Some(Claim::Ready(request)) = Request::<Received>::claim(&desk.store, "w").await.unwrap() else { panic!() };
    let length = Duration::from_secs(61);
    let outcome = request.advance_within_day(&desk.store, Downloaded { length }, MINUTE).await.unwrap();
    let WithinDay::Over(request) = outcome else { panic!("61 s") };
    let refused = Settlement::Rejected(RejectReason::DailyLimit);
    assert_eq!(request.fail(&desk.store, &DownloadFailure::DayFull).await.unwrap(), Setback::GaveUp(refused));
    let notice = desk.store.queue.claim_notice("w").await.unwrap().unwrap();
    assert_eq!((Admission::New(notice.fence.id), notice.settlement), (admitted, refused));
}

#[tokio::test]
async fn the_same_document_many_times_counts_each_time() {
    let desk = Desk::new().await;
    let roomy = Capacity { per_person: 10, ..LIMITED };
    let same = |message| IncomingAudio { file_unique_id: "the same".into(), ..mine(message, None) };
    for message in 1..=4 {
        let admitted = desk.store.queue.admit(&same(message), &roomy).await.unwrap();
        assert!(matches!(admitted, Admission::New(_) | Admission::Joined { .. }), "{admitted:?}");
    }
    assert!(measure(&desk, 25).await);
    let fence = desk.start("w").await;
    desk.advance(&fence, StageName::Transcribed).await;
    let mut given = Vec::new();
    while let Some(also) = desk.store.queue.claim_coalesced(fence.id, "w").await.unwrap() {
        let facts = Facts { length: Some(Duration::from_secs(25)), ..Facts::default() };
        let advance = desk.store.queue.advance_within_day(&also.fence, StageName::Transcribed, &facts, MINUTE);
        given.push(advance.await.unwrap());
    }
    assert_eq!(given, [true, false, false], "50 s, then 75 s");
}

#[tokio::test]
async fn a_group_s_member_is_forgotten_wherever_they_wrote() {
    let desk = Desk::new().await;
    let in_group = IncomingAudio {
        chat: ChatId(-100),
        key: stenobot_store::IdempotencyKey::Message(MessageId(9)),
        ..mine(1, Some(50))
    };
    assert!(matches!(admit(&desk, &in_group).await, Admission::New(_)));
    let _forgotten = desk.store.users.forget(ME).await.unwrap();
    assert!(matches!(admit(&desk, &mine(2, Some(11))).await, Admission::DayFull(_)));
}
