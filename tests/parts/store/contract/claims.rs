//! Idempotency keys, claims and leases, fenced writes, what each stage records, change notification.

use std::collections::HashSet;
use std::time::Duration;

use stenobot_domain::{AudioLength, CancelledBy, ChatId, FailReason, MessageId, RejectReason, RequestId, StageName};
use stenobot_store::{Admission, Fence, LEASE, RequestUpdate, Settlement, StoreError, WorkSource};

use super::BACKEND;
use crate::store::test_store::{Backend, ROOMY, START, TestStore, arrival, sender};

const PAST_LEASE: Duration = Duration::from_secs(LEASE.as_secs() + 1);

// === Known messages ===

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_admitted_a_thousand_times_is_one_request() {
    let test = TestStore::new(BACKEND).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = test.store.clone();
        tasks.spawn(async move {
            let mut new = 0;
            for _ in 0..125 {
                match store.queue.admit(&arrival(1), &ROOMY).await.unwrap() {
                    Admission::New(_) => new += 1,
                    Admission::Duplicate => {}
                    other => panic!("{other:?}"),
                }
            }
            new
        });
    }
    assert_eq!(tasks.join_all().await.iter().sum::<i32>(), 1);
    assert_eq!((test.count("usage").await, test.count("users").await), (1, 1));
}

#[tokio::test]
async fn the_idempotency_key_holds_within_its_chat() {
    let test = TestStore::new(BACKEND).await;
    test.admit(1).await;
    let elsewhere = stenobot_store::IncomingAudio { chat: ChatId(-100_500), ..arrival(1) };
    let elsewhere = stenobot_store::IncomingAudio { file_unique_id: "another".into(), ..elsewhere };
    assert!(matches!(test.store.queue.admit(&elsewhere, &ROOMY).await.unwrap(), Admission::New(_)));
}

#[tokio::test]
async fn a_renamed_sender_stays_one_user() {
    let test = TestStore::new(BACKEND).await;
    test.admit(1).await;
    let renamed = stenobot_store::Sender { first_name: Some("Аня".into()), ..sender(7_000_000_001) };
    let again = stenobot_store::IncomingAudio { from: renamed, ..arrival(2) };
    assert!(matches!(test.store.queue.admit(&again, &ROOMY).await.unwrap(), Admission::New(_)));
    assert_eq!(test.count("users").await, 1);
    let data = test.store.users.my_data(sender(7_000_000_001).id).await.unwrap().unwrap();
    assert_eq!(data.sender.first_name.as_deref(), Some("Аня"));
}

// === Claims and leases ===

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_workers_of_two_processes_claim_a_hundred_rows_once_each() {
    let test = TestStore::new(BACKEND).await;
    for message in 0..100 {
        test.admit(message).await;
    }
    let other = test.another().await;
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let store = if worker % 2 == 0 { test.store.clone() } else { other.clone() };
        tasks.spawn(async move {
            let mut mine = Vec::new();
            while let Some(row) = store.queue.claim(WorkSource::Downloads, &format!("w{worker}")).await.unwrap() {
                mine.push(row.fence.id);
            }
            mine
        });
    }
    let claimed: Vec<RequestId> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(claimed.len(), 100);
    assert_eq!(claimed.iter().collect::<HashSet<_>>().len(), 100);
}

#[tokio::test]
async fn a_claim_gives_everything_that_was_stored() {
    let test = TestStore::new(BACKEND).await;
    let id = test.admit(5).await;
    let row = test.claim(WorkSource::Downloads, "w").await.unwrap();
    assert_eq!(row.fence, Fence { id, stage: StageName::Received, owner: "w".into(), attempt: 1 });
    assert_eq!((row.chat, row.reply_to), (ChatId(7_000_000_001), Some(MessageId(5))));
    assert_eq!((row.file_id.as_str(), row.locale.as_deref()), ("file-5", Some("ru")));
    assert_eq!(row.length, Some(AudioLength::Claimed(Duration::from_secs(10))));
    assert_eq!((row.status_message, row.parts_delivered), (None, 0));
    assert_eq!((row.received_at.0, row.failures, row.interruptions), (START, 0, 0));
}

#[tokio::test]
async fn a_lease_expires_after_its_time_and_each_claim_counts_an_attempt() {
    let test = TestStore::new(BACKEND).await;
    test.admit(1).await;
    let first = test.claim(WorkSource::Downloads, "a").await.unwrap();
    test.pass(LEASE);
    assert_eq!(test.claim(WorkSource::Downloads, "b").await, None);
    test.store.queue.renew(&first.fence).await.unwrap();
    test.pass(LEASE);
    assert_eq!(test.claim(WorkSource::Downloads, "b").await, None, "renewed");
    test.pass(Duration::from_millis(1));
    let second = test.claim(WorkSource::Downloads, "b").await.unwrap();
    assert_eq!((second.fence.id, second.fence.attempt), (first.fence.id, 2));
}

#[tokio::test]
async fn a_late_write_extends_the_lease() {
    let test = TestStore::new(BACKEND).await;
    test.enqueue(1).await;
    let fence = test.start("a").await;
    test.pass(PAST_LEASE);
    let fence = test.advance(&fence, StageName::Transcribed).await;
    assert_eq!(test.claim(WorkSource::Transcriptions, "b").await, None);
    test.pass(PAST_LEASE);
    test.store.queue.set_status_message(&fence, arrival(1).chat, MessageId(7)).await.unwrap();
    assert_eq!(test.claim(WorkSource::Transcriptions, "b").await, None);
    test.pass(PAST_LEASE);
    test.store.queue.set_parts_delivered(&fence, 1).await.unwrap();
    assert_eq!(test.claim(WorkSource::Transcriptions, "b").await, None);
    test.pass(PAST_LEASE);
    assert!(test.claim(WorkSource::Transcriptions, "b").await.is_some());
}

#[tokio::test]
async fn a_release_counts_a_failure_only_if_told_to() {
    let test = TestStore::new(BACKEND).await;
    test.admit(1).await;
    for (attempt, (failed, failures)) in (1..).zip([(false, 0), (true, 0), (true, 1), (false, 2), (false, 2)]) {
        let row = test.claim(WorkSource::Downloads, "w").await.unwrap();
        assert_eq!((row.fence.attempt, row.failures, row.interruptions), (attempt, failures, 0));
        test.store.queue.release(&row.fence, Duration::ZERO, failed).await.unwrap();
    }
}

#[tokio::test]
async fn a_lost_claim_counts_as_an_interruption() {
    let test = TestStore::new(BACKEND).await;
    test.admit(1).await;
    for interruptions in 0..3 {
        let row = test.claim(WorkSource::Downloads, "w").await.unwrap();
        assert_eq!((row.failures, row.interruptions), (0, interruptions));
        test.pass(PAST_LEASE);
    }
    let row = test.claim(WorkSource::Downloads, "w").await.unwrap();
    let fence = test.advance(&row.fence, StageName::Downloaded).await;
    test.advance(&fence, StageName::Queued).await;
    let row = test.claim(WorkSource::Transcriptions, "w").await.unwrap();
    assert_eq!((row.failures, row.interruptions), (0, 0), "counted anew for the engine");
}

#[tokio::test]
async fn a_released_row_is_not_claimed_before_its_time() {
    let test = TestStore::new(BACKEND).await;
    test.admit(1).await;
    let row = test.claim(WorkSource::Downloads, "w").await.unwrap();
    test.store.queue.release(&row.fence, Duration::from_secs(5), true).await.unwrap();
    test.pass(Duration::from_millis(4_999));
    assert_eq!(test.claim(WorkSource::Downloads, "w").await, None);
    test.pass(Duration::from_millis(1));
    assert!(test.claim(WorkSource::Downloads, "w").await.is_some());
}

#[tokio::test]
async fn an_interrupted_download_is_claimed_again() {
    let test = TestStore::new(BACKEND).await;
    test.admit(1).await;
    let row = test.claim(WorkSource::Downloads, "a").await.unwrap();
    test.advance(&row.fence, StageName::Downloaded).await;
    assert_eq!(test.claim(WorkSource::Downloads, "b").await, None);
    test.pass(PAST_LEASE);
    let row = test.claim(WorkSource::Downloads, "b").await.unwrap();
    assert_eq!((row.fence.stage, row.fence.attempt), (StageName::Received, 2));
}

#[tokio::test]
async fn a_row_of_a_dead_worker_is_claimed_again_from_engine_and_delivery() {
    for died_in in [StageName::Transcribing, StageName::Transcribed] {
        let test = TestStore::new(BACKEND).await;
        let id = test.enqueue(1).await;
        let mut fence = test.start("a").await;
        if died_in == StageName::Transcribed {
            fence = test.advance(&fence, StageName::Transcribed).await;
        }
        assert_eq!(test.claim(WorkSource::Transcriptions, "b").await, None, "the lease holds");
        test.pass(PAST_LEASE);
        let row = test.claim(WorkSource::Transcriptions, "b").await.unwrap();
        assert_eq!((row.fence.id, row.fence.stage, row.fence.attempt), (id, StageName::Queued, 2));
        assert!(matches!(test.store.queue.renew(&fence).await, Err(StoreError::LeaseLost { .. })));
        let fence = test.advance(&row.fence, StageName::Transcribing).await;
        let fence = test.advance(&fence, StageName::Transcribed).await;
        test.advance(&fence, StageName::Done).await;
        assert_eq!(test.value::<String>(id, "stage").await, "done");
    }
}

#[tokio::test]
async fn expiring_other_leases_frees_the_rows_of_other_owners_only() {
    let test = TestStore::new(BACKEND).await;
    let mine = test.enqueue(1).await;
    test.start("alive").await;
    let theirs = test.enqueue(2).await;
    test.start("dead").await;
    let over = test.enqueue(3).await;
    let fence = test.start("dead").await;
    test.store.queue.settle(&fence, Settlement::Failed(FailReason::Poison)).await.unwrap();
    let notice = test.store.queue.claim_notice("dead").await.unwrap().unwrap();
    assert_eq!(notice.fence.id, over);

    assert_eq!(test.store.queue.expire_other_leases("alive").await.unwrap(), 2);

    assert_eq!(test.claim(WorkSource::Transcriptions, "alive").await.unwrap().fence.id, theirs);
    assert_eq!(test.claim(WorkSource::Transcriptions, "alive").await, None);
    assert_eq!(test.value::<String>(mine, "stage").await, "transcribing");
    assert_eq!(test.store.queue.claim_notice("alive").await.unwrap().unwrap().fence.id, over);
}

// === Fenced writes ===

#[tokio::test]
async fn an_expired_worker_writes_nothing() {
    let test = TestStore::new(BACKEND).await;
    for round in 0..100 {
        let id = test.enqueue(round).await;
        let zombie = test.start("zombie").await;
        test.pass(PAST_LEASE);
        let living = test.start("living").await;
        assert_eq!(living.id, id);
        let before = test.row(id).await;
        for refused in [
            test.store.queue.advance(&zombie, StageName::Transcribed, &RequestUpdate::default()).await,
            test.store.queue.settle(&zombie, Settlement::Failed(FailReason::Internal)).await,
            test.store.queue.release(&zombie, Duration::ZERO, true).await,
            test.store.queue.renew(&zombie).await,
            test.store.queue.set_status_message(&zombie, arrival(1).chat, MessageId(99)).await,
            test.store.queue.set_parts_delivered(&zombie, 9).await,
            test.store.queue.close_notice(&zombie).await,
            test.store.queue.postpone_notice(&zombie, Duration::ZERO).await,
        ] {
            assert!(matches!(refused, Err(StoreError::LeaseLost { .. })), "{refused:?}");
        }
        assert_eq!(test.row(id).await, before);
        test.store.queue.settle(&living, Settlement::Cancelled(CancelledBy::ChatGone)).await.unwrap();
    }
}

#[tokio::test]
async fn every_part_of_the_fencing_token_is_checked() {
    let test = TestStore::new(BACKEND).await;
    let id = test.enqueue(1).await;
    let fence = test.start("w").await;
    for wrong in [
        Fence { id: RequestId(id.0 + 1), ..fence.clone() },
        Fence { stage: StageName::Queued, ..fence.clone() },
        Fence { owner: "x".into(), ..fence.clone() },
        Fence { attempt: fence.attempt - 1, ..fence.clone() },
    ] {
        let error = test.store.queue.renew(&wrong).await.unwrap_err();
        assert_eq!(error.to_string(), format!("request {} is no longer held in stage {}", wrong.id, wrong.stage));
    }
    test.store.queue.renew(&fence).await.unwrap();
}

// === What each stage writes ===

#[tokio::test]
async fn each_stage_records_its_facts() {
    type Stored = (Option<f64>, Option<String>, Option<f64>, Option<i64>);
    async fn facts(test: &TestStore) -> Stored {
        let mut records = test.store.statistics.request_records(None).await.unwrap();
        let record = records.pop().unwrap();
        (record.audio_seconds, record.model, record.processing_seconds, record.characters)
    }
    let test = TestStore::new(BACKEND).await;
    let id = test.admit(1).await;
    assert_eq!(facts(&test).await, (None, None, None, None));
    assert_eq!(test.value::<String>(id, "created_at").await, "2023-11-14 22:13:20.000");
    assert_eq!(test.value::<f64>(id, "claimed_duration_seconds").await, 10.0);

    let row = test.claim(WorkSource::Downloads, "w").await.unwrap();
    test.pass(Duration::from_secs(1));
    let length = RequestUpdate { length: Some(Duration::from_millis(12_500)), ..RequestUpdate::default() };
    test.store.queue.advance(&row.fence, StageName::Downloaded, &length).await.unwrap();
    assert_eq!(facts(&test).await, (Some(12.5), None, None, None));
    assert_eq!(test.value::<i64>(id, "downloaded_at").await, START + 1000);
    assert_eq!(test.value::<String>(id, "updated_at").await, "2023-11-14 22:13:21.000");

    let fence = Fence { stage: StageName::Downloaded, ..row.fence };
    test.advance(&fence, StageName::Queued).await;
    assert_eq!(test.value::<Option<String>>(id, "owner").await, None, "no worker holds what waits");
    let fence = test.start("w").await;
    assert_eq!(fence.attempt, 1, "attempts are counted anew for the engine");
    let update = RequestUpdate {
        model: Some("base-q5_1".into()),
        processing: Some(Duration::from_millis(2_500)),
        transcription_length: Some(42),
        language: Some("ru".into()),
        keep_audio_for: None,
        length: None,
        is_stopped: false,
    };
    test.store.queue.advance(&fence, StageName::Transcribed, &update).await.unwrap();
    let whole = (Some(12.5), Some("base-q5_1".to_owned()), Some(2.5), Some(42));
    assert_eq!(facts(&test).await, whole);
    assert_eq!(test.value::<i64>(id, "answered").await, 0);

    let fence = Fence { stage: StageName::Transcribed, ..fence };
    test.advance(&fence, StageName::Done).await;
    assert_eq!(facts(&test).await, whole);
    assert_eq!(test.value::<i64>(id, "answered").await, 1);
    assert_eq!(test.value::<i64>(id, "finished_at").await, START + 1000);
    let total = test.store.users.my_data(sender(7_000_000_001).id).await.unwrap().unwrap().audio;
    assert_eq!(total, Duration::from_secs(13), "rounded to whole seconds");
}

// === Notification ===

#[tokio::test]
async fn every_write_notifies_subscribers() {
    let test = TestStore::new(BACKEND).await;
    let mut changes = test.store.changes();
    macro_rules! wakes {
        ($write:expr) => {{
            let result = $write.await.unwrap();
            assert!(changes.has_changed().unwrap(), stringify!($write));
            let _seen = changes.borrow_and_update();
            result
        }};
    }
    let _admission = wakes!(test.store.queue.admit(&arrival(1), &ROOMY));
    let row = wakes!(test.store.queue.claim(WorkSource::Downloads, "w")).unwrap();
    wakes!(test.store.queue.advance(&row.fence, StageName::Downloaded, &RequestUpdate::default()));
    let fence = Fence { stage: StageName::Downloaded, ..row.fence };
    wakes!(test.store.queue.release(&fence, Duration::ZERO, false));
    let row = wakes!(test.store.queue.claim(WorkSource::Downloads, "w")).unwrap();
    wakes!(test.store.queue.settle(&row.fence, Settlement::Failed(FailReason::Download)));
    wakes!(test.store.queue.refuse(&arrival(2), RejectReason::TooBig));
    assert_eq!(test.store.queue.claim(WorkSource::Downloads, "w").await.unwrap(), None);
    // A server's notification of a write before may come now.
    if BACKEND == Backend::Sqlite {
        assert!(!changes.has_changed().unwrap(), "nothing was there to claim");
    }
}
