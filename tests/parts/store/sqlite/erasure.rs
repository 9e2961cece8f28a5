//! Erased data is gone from every file: database, write-ahead log, copies.

use std::time::Duration;

use sqlx::Connection;
use stenobot_domain::{ChatId, Clock, MessageId, RejectReason, StageName, UserId};
use stenobot_store::{
    Admission, Capacity, ChatSettings, IncomingAudio, RequestUpdate, Sender, Store, StoreError, WorkSource,
};

use crate::store::test_store::{Backend, ROOMY, TestStore, arrival, arrival_of, sender};

const ME: UserId = UserId(7_000_000_001);
const LIMITED: Capacity = Capacity { per_user: 2, per_day: Some(Duration::from_secs(60)), ..ROOMY };

/// A recording of mine that claims so many seconds.
fn mine(message: i32, claimed: u64) -> IncomingAudio {
    IncomingAudio { claimed: Some(Duration::from_secs(claimed)), ..arrival_of(ME.0, message) }
}

async fn admit(test: &TestStore, arrival: &IncomingAudio) -> Admission {
    test.store.queue.admit(arrival, &LIMITED).await.unwrap()
}

/// Texts that occur in the data of one user only.
fn marked(message: i32) -> IncomingAudio {
    let from = Sender {
        id: ME,
        username: Some("xylophonist".into()),
        first_name: Some("Ксенофонтия".into()),
        last_name: Some("Zwetajewskaja".into()),
    };
    IncomingAudio {
        from,
        file_id: format!("AwACAgIAAxkBmine{message}"),
        file_unique_id: format!("AgADmine{message}"),
        locale: Some("eo-mine".into()),
        ..arrival(message)
    }
}

const MARKS: &[&str] =
    &["xylophonist", "Ксенофонтия", "Zwetajewskaja", "xkBmine", "AgADmine", "eo-mine", "pressed-mine"];

/// The marks that are found in any file of the store.
fn found(test: &TestStore) -> Vec<&'static str> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(test.path.parent().unwrap()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let has = |mark: &&&str| bytes.windows(mark.len()).any(|window| window == mark.as_bytes());
        found.extend(MARKS.iter().filter(has).copied());
    }
    found
}

#[tokio::test]
async fn no_byte_of_an_erased_user_is_left_but_the_totals_stay() {
    let test = TestStore::new(Backend::Sqlite).await;
    // Enough, among others, to fill many pages of the database.
    for message in 0..200 {
        let id = test.enqueue_of(&marked(message)).await;
        test.enqueue_of(&arrival_of(2, message)).await;
        for _ in 0..2 {
            test.pass(Duration::from_millis(1));
            let fence = test.start("w").await;
            let fence = test.advance(&fence, StageName::Transcribed).await;
            test.store.queue.set_status_message(&fence, marked(0).chat, MessageId(900)).await.unwrap();
            let kept = (fence.id == id && message == 0).then(|| Duration::from_secs(600));
            let facts = RequestUpdate { keep_audio_for: kept, ..RequestUpdate::default() };
            test.store.queue.advance(&fence, StageName::Done, &facts).await.unwrap();
        }
    }
    let kept: i64 = sqlx::query_scalar("SELECT id FROM usage WHERE audio_until IS NOT NULL")
        .fetch_one(&mut test.sql().await)
        .await
        .unwrap();
    test.store.queue.refuse(&marked(300), RejectReason::TooBig).await.unwrap();
    let press = stenobot_store::IdempotencyKey::Button { callback_id: "pressed-mine".into() };
    let pressed = test.enqueue_of(&IncomingAudio { key: press, ..marked(301) }).await;
    let running = test.start("w").await;
    assert_eq!(running.id, pressed);
    let waits = test.take(&marked(302)).await;
    let theirs = test.take(&arrival_of(2, 303)).await;
    test.store.users.set_speech_language(ChatId(ME.0), Some("eo".parse().unwrap())).await.unwrap();
    test.store.users.ban(ME).await.unwrap();
    assert!(MARKS.iter().all(|mark| found(&test).contains(mark)), "{:?}", found(&test));
    let rows = test.count("usage").await;
    let before = test.row(theirs).await;

    let forgotten = test.store.users.forget(ME).await.unwrap();
    assert_eq!(forgotten.stopped, [pressed]);
    assert_eq!(forgotten.audio.iter().map(|id| id.0).collect::<Vec<_>>(), [kept, pressed.0, waits.0]);
    assert!(forgotten.log_emptied);
    assert_eq!(found(&test), Vec::<&str>::new());

    assert!(matches!(test.store.queue.renew(&running).await, Err(StoreError::LeaseLost { .. })), "no more is written");
    assert_eq!(test.store.queue.claim_notice("w").await.unwrap(), None, "no notice is due");
    assert_eq!(test.store.users.my_data(ME).await.unwrap(), None);
    assert_eq!(test.store.users.chat_settings(ChatId(ME.0)).await.unwrap(), ChatSettings::default());
    assert!(test.store.users.is_banned(ME).await.unwrap(), "else forgetting would lift it");
    assert_eq!(test.row(theirs).await, before);
    assert_eq!(test.claim(WorkSource::Downloads, "w").await.unwrap().fence.id, theirs);
    let of_nobody = "SELECT count(*), total_usage_seconds, count(chat_id), count(message_id), count(reply_to_message_id), \
                     count(status_message_id), count(legacy_key) FROM usage JOIN users ON users.id = user_id \
                     WHERE telegram_id = 0";
    let numbers: (i64, i64, i64, i64, i64, i64, i64) =
        sqlx::query_as(of_nobody).fetch_one(&mut test.sql().await).await.unwrap();
    assert_eq!(numbers, (203, 0, 0, 0, 0, 0, 0));
    assert_eq!(test.count("usage").await, rows);
    assert_eq!(test.store.users.reachable().await.unwrap(), [UserId(2)]);
    test.store.clone().close().await;
    assert_eq!(found(&test), Vec::<&str>::new());
}

#[tokio::test]
async fn carried_over_limits_are_anonymous_and_deleted_after_their_day() {
    let test = TestStore::new(Backend::Sqlite).await;
    let mut keys = Vec::new();
    for day in 0..2 {
        assert!(matches!(admit(&test, &mine(day, 50)).await, Admission::New(_)), "a new day");
        let _forgotten = test.store.users.forget(ME).await.unwrap();
        let mut sql = test.sql().await;
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
        let copy = test.path.with_file_name("copy.db");
        test.store.backup(&copy, true).await.unwrap();
        for secret in [&key, &hash] {
            assert!(!holds(&std::fs::read(&copy).unwrap(), secret), "a copy outlives the day");
        }
        std::fs::remove_file(copy).unwrap();
        keys.push((hash, key));

        let midnight = test.now().midnight().after(Duration::from_secs(24 * 60 * 60));
        test.pass(midnight.since(test.now()) - Duration::from_millis(1));
        test.store.queue.drop_other_days().await.unwrap();
        assert_eq!(test.count("spent").await, 1, "still the same day");
        assert!(matches!(admit(&test, &mine(10 + day, 50)).await, Admission::DayFull(_)));
        test.pass(Duration::from_millis(1));
        test.store.queue.drop_other_days().await.unwrap();
        assert_eq!((test.count("spent").await, test.count("spent_keys").await), (0, 0));
        assert!(test.store.log_may_hold_erased());
        assert!(test.store.empty_log().await.unwrap());
        for (hash, key) in &keys {
            assert!(!on_disk(&test, hash) && !on_disk(&test, key), "a byte is left");
        }
    }
    assert_ne!(keys[0].0, keys[1].0);
    assert_ne!(keys[0].1, keys[1].1);
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Whether any file of the store holds these bytes.
fn on_disk(test: &TestStore, part: &[u8]) -> bool {
    let files = std::fs::read_dir(test.path.parent().unwrap()).unwrap();
    files.into_iter().any(|file| holds(&std::fs::read(file.unwrap().path()).unwrap(), part))
}

#[tokio::test]
async fn the_write_ahead_log_is_emptied_after_the_last_reader() {
    const NAME: &str = "Ксенофонтия";
    let test = TestStore::new(Backend::Sqlite).await;
    assert!(test.store.log_may_hold_erased(), "the process before may have been killed in the middle");
    let from = stenobot_store::Sender { first_name: Some(NAME.into()), ..sender(ME.0) };
    test.take(&IncomingAudio { from, ..mine(1, 10) }).await;
    let mut reader = test.sql().await;
    let mut snapshot = reader.begin().await.unwrap();
    let _rows: i64 = sqlx::query_scalar("SELECT count(*) FROM usage").fetch_one(&mut *snapshot).await.unwrap();

    let forgotten = test.store.users.forget(ME).await.unwrap();
    assert!(!forgotten.log_emptied && test.store.log_may_hold_erased());
    assert!(!test.store.empty_log().await.unwrap(), "again in vain");
    assert!(on_disk(&test, NAME.as_bytes()));
    // Others are served meanwhile.
    test.take(&arrival_of(2, 1)).await;
    // Nor does a restart lose sight of it: the process before was killed.
    let store = Store::open(&test.url(), Clock::System).await.unwrap();
    assert!(store.log_may_hold_erased() && on_disk(&test, NAME.as_bytes()));
    assert!(!store.empty_log().await.unwrap());

    snapshot.rollback().await.unwrap();
    reader.close().await.unwrap();
    assert!(store.empty_log().await.unwrap());
    assert!(!store.log_may_hold_erased());
    assert!(!on_disk(&test, NAME.as_bytes()));
}
