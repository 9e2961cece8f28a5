//! Rows of the store: known messages, claims and leases, fenced writes, what each stage writes, notices.

use std::collections::HashSet;
use std::time::Duration;

use stenobot_domain::{CancelledBy, ChatId, FailReason, MessageId, RejectReason, RequestId, StageName};
use stenobot_store::{Admission, Facts, Fence, LEASE, Settlement, StoreError, WorkSource};

use crate::desk::{Desk, ROOMY, START, arrival, sender};

const PAST_LEASE: Duration = Duration::from_secs(LEASE.as_secs() + 1);

// === Known messages ===

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_message_a_thousand_times_is_one_request() {
    let desk = Desk::new().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = desk.store.clone();
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
    assert_eq!((desk.count("usage").await, desk.count("users").await), (1, 1));
}

#[tokio::test]
async fn a_number_counts_within_its_chat_only() {
    let desk = Desk::new().await;
    desk.admit(1).await;
    let elsewhere = stenobot_store::IncomingAudio { chat: ChatId(-100_500), ..arrival(1) };
    let elsewhere = stenobot_store::IncomingAudio { file_unique_id: "another".into(), ..elsewhere };
    assert!(matches!(desk.store.queue.admit(&elsewhere, &ROOMY).await.unwrap(), Admission::New(_)));
}

#[tokio::test]
async fn a_sender_who_changed_their_name_stays_one_person() {
    let desk = Desk::new().await;
    desk.admit(1).await;
    let renamed = stenobot_store::Sender { first_name: Some("Аня".into()), ..sender(7_000_000_001) };
    let again = stenobot_store::IncomingAudio { from: renamed, ..arrival(2) };
    assert!(matches!(desk.store.queue.admit(&again, &ROOMY).await.unwrap(), Admission::New(_)));
    let names: Vec<String> =
        sqlx::query_scalar("SELECT first_name FROM users").fetch_all(&mut desk.sql().await).await.unwrap();
    assert_eq!(names, ["Аня"]);
}

// === Claims and leases ===

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_workers_of_two_processes_claim_a_hundred_rows_once_each() {
    let desk = Desk::new().await;
    for message in 0..100 {
        desk.admit(message).await;
    }
    let other = desk.another().await;
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let store = if worker % 2 == 0 { desk.store.clone() } else { other.clone() };
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
async fn a_claim_tells_all_that_was_stored() {
    let desk = Desk::new().await;
    let id = desk.admit(5).await;
    let row = desk.claim(WorkSource::Downloads, "w").await.unwrap();
    assert_eq!(row.fence, Fence { id, stage: StageName::Received, owner: "w".into(), attempt: 1 });
    assert_eq!((row.chat, row.reply_to), (ChatId(7_000_000_001), Some(MessageId(5))));
    assert_eq!((row.file_id.as_str(), row.locale.as_deref()), ("file-5", Some("ru")));
    assert_eq!((row.claimed, row.length), (Some(Duration::from_secs(10)), None));
    assert_eq!((row.status_message, row.parts_delivered), (None, 0));
    assert_eq!((row.received_at.0, row.failures, row.interruptions), (START, 0, 0));
}

#[tokio::test]
async fn a_lease_holds_its_time_and_each_claim_counts() {
    let desk = Desk::new().await;
    desk.admit(1).await;
    let first = desk.claim(WorkSource::Downloads, "a").await.unwrap();
    desk.pass(LEASE);
    assert_eq!(desk.claim(WorkSource::Downloads, "b").await, None);
    desk.store.queue.renew(&first.fence).await.unwrap();
    desk.pass(LEASE);
    assert_eq!(desk.claim(WorkSource::Downloads, "b").await, None, "renewed");
    desk.pass(Duration::from_millis(1));
    let second = desk.claim(WorkSource::Downloads, "b").await.unwrap();
    assert_eq!((second.fence.id, second.fence.attempt), (first.fence.id, 2));
}

#[tokio::test]
async fn whoever_writes_after_all_holds_the_request_for_another_lease() {
    let desk = Desk::new().await;
    desk.enqueue(1).await;
    let fence = desk.start("a").await;
    desk.pass(PAST_LEASE);
    let fence = desk.advance(&fence, StageName::Transcribed).await;
    assert_eq!(desk.claim(WorkSource::Transcriptions, "b").await, None);
    desk.pass(PAST_LEASE);
    desk.store.queue.set_status_message(&fence, arrival(1).chat, MessageId(7)).await.unwrap();
    assert_eq!(desk.claim(WorkSource::Transcriptions, "b").await, None);
    desk.pass(PAST_LEASE);
    desk.store.queue.set_parts_delivered(&fence, 1).await.unwrap();
    assert_eq!(desk.claim(WorkSource::Transcriptions, "b").await, None);
    desk.pass(PAST_LEASE);
    assert!(desk.claim(WorkSource::Transcriptions, "b").await.is_some());
}

#[tokio::test]
async fn a_claim_that_is_given_back_is_a_failure_or_not_as_asked() {
    let desk = Desk::new().await;
    desk.admit(1).await;
    for (attempt, (failed, failures)) in (1..).zip([(false, 0), (true, 0), (true, 1), (false, 2), (false, 2)]) {
        let row = desk.claim(WorkSource::Downloads, "w").await.unwrap();
        assert_eq!((row.fence.attempt, row.failures, row.interruptions), (attempt, failures, 0));
        desk.store.queue.release(&row.fence, desk.now(), failed).await.unwrap();
    }
}

#[tokio::test]
async fn a_claim_whose_worker_is_gone_is_an_interruption_and_no_failure() {
    let desk = Desk::new().await;
    desk.admit(1).await;
    for interruptions in 0..3 {
        let row = desk.claim(WorkSource::Downloads, "w").await.unwrap();
        assert_eq!((row.failures, row.interruptions), (0, interruptions));
        desk.pass(PAST_LEASE);
    }
    let row = desk.claim(WorkSource::Downloads, "w").await.unwrap();
    let fence = desk.advance(&row.fence, StageName::Downloaded).await;
    desk.advance(&fence, StageName::Queued).await;
    let row = desk.claim(WorkSource::Transcriptions, "w").await.unwrap();
    assert_eq!((row.failures, row.interruptions), (0, 0), "counted anew for the engine");
}

#[tokio::test]
async fn a_row_given_back_rests_until_its_time() {
    let desk = Desk::new().await;
    desk.admit(1).await;
    let row = desk.claim(WorkSource::Downloads, "w").await.unwrap();
    desk.store.queue.release(&row.fence, desk.now().after(Duration::from_secs(5)), true).await.unwrap();
    desk.pass(Duration::from_millis(4_999));
    assert_eq!(desk.claim(WorkSource::Downloads, "w").await, None);
    desk.pass(Duration::from_millis(1));
    assert!(desk.claim(WorkSource::Downloads, "w").await.is_some());
}

#[tokio::test]
async fn a_download_that_died_after_its_file_is_fetched_again() {
    let desk = Desk::new().await;
    desk.admit(1).await;
    let row = desk.claim(WorkSource::Downloads, "a").await.unwrap();
    desk.advance(&row.fence, StageName::Downloaded).await;
    assert_eq!(desk.claim(WorkSource::Downloads, "b").await, None);
    desk.pass(PAST_LEASE);
    let row = desk.claim(WorkSource::Downloads, "b").await.unwrap();
    assert_eq!((row.fence.stage, row.fence.attempt), (StageName::Received, 2));
}

#[tokio::test]
async fn a_worker_that_dies_in_the_engine_or_in_delivery_leaves_its_row_to_the_next() {
    for died_in in [StageName::Transcribing, StageName::Transcribed] {
        let desk = Desk::new().await;
        let id = desk.enqueue(1).await;
        let mut fence = desk.start("a").await;
        if died_in == StageName::Transcribed {
            fence = desk.advance(&fence, StageName::Transcribed).await;
        }
        assert_eq!(desk.claim(WorkSource::Transcriptions, "b").await, None, "the lease holds");
        desk.pass(PAST_LEASE);
        let row = desk.claim(WorkSource::Transcriptions, "b").await.unwrap();
        assert_eq!((row.fence.id, row.fence.stage, row.fence.attempt), (id, StageName::Queued, 2));
        assert!(matches!(desk.store.queue.renew(&fence).await, Err(StoreError::LeaseLost { .. })));
        let fence = desk.advance(&row.fence, StageName::Transcribing).await;
        let fence = desk.advance(&fence, StageName::Transcribed).await;
        desk.advance(&fence, StageName::Done).await;
        assert_eq!(desk.value::<String>(id, "stage").await, "done");
    }
}

#[tokio::test]
async fn a_new_process_frees_what_the_dead_held_and_nothing_else() {
    let desk = Desk::new().await;
    let mine = desk.enqueue(1).await;
    desk.start("alive").await;
    let theirs = desk.enqueue(2).await;
    desk.start("dead").await;
    let over = desk.enqueue(3).await;
    let fence = desk.start("dead").await;
    desk.store.queue.settle(&fence, Settlement::Failed(FailReason::Poison)).await.unwrap();
    let told = desk.store.queue.claim_notice("dead").await.unwrap().unwrap();
    assert_eq!(told.fence.id, over);

    assert_eq!(desk.store.queue.expire_other_leases("alive").await.unwrap(), 2);

    assert_eq!(desk.claim(WorkSource::Transcriptions, "alive").await.unwrap().fence.id, theirs);
    assert_eq!(desk.claim(WorkSource::Transcriptions, "alive").await, None);
    assert_eq!(desk.value::<String>(mine, "stage").await, "transcribing");
    assert_eq!(desk.store.queue.claim_notice("alive").await.unwrap().unwrap().fence.id, over);
}

// === Fenced writes ===

#[tokio::test]
async fn a_zombie_writes_nothing() {
    let desk = Desk::new().await;
    for round in 0..100 {
        let id = desk.enqueue(round).await;
        let zombie = desk.start("zombie").await;
        desk.pass(PAST_LEASE);
        let living = desk.start("living").await;
        assert_eq!(living.id, id);
        let before = desk.row(id).await;
        for refused in [
            desk.store.queue.advance(&zombie, StageName::Transcribed, &Facts::default()).await,
            desk.store.queue.settle(&zombie, Settlement::Failed(FailReason::Internal)).await,
            desk.store.queue.release(&zombie, desk.now(), true).await,
            desk.store.queue.renew(&zombie).await,
            desk.store.queue.set_status_message(&zombie, arrival(1).chat, MessageId(99)).await,
            desk.store.queue.set_parts_delivered(&zombie, 9).await,
            desk.store.queue.notice_answered(&zombie).await,
            desk.store.queue.postpone_notice(&zombie, desk.now()).await,
        ] {
            assert!(matches!(refused, Err(StoreError::LeaseLost { .. })), "{refused:?}");
        }
        assert_eq!(desk.row(id).await, before);
        desk.store.queue.settle(&living, Settlement::Cancelled(CancelledBy::ChatGone)).await.unwrap();
    }
}

#[tokio::test]
async fn each_part_of_a_fence_holds() {
    let desk = Desk::new().await;
    let id = desk.enqueue(1).await;
    let fence = desk.start("w").await;
    for wrong in [
        Fence { id: RequestId(id.0 + 1), ..fence.clone() },
        Fence { stage: StageName::Queued, ..fence.clone() },
        Fence { owner: "x".into(), ..fence.clone() },
        Fence { attempt: fence.attempt - 1, ..fence.clone() },
    ] {
        let error = desk.store.queue.renew(&wrong).await.unwrap_err();
        assert_eq!(error.to_string(), format!("request {} is no longer held in stage {}", wrong.id, wrong.stage));
    }
    desk.store.queue.renew(&fence).await.unwrap();
}

// === What each stage writes ===

#[tokio::test]
async fn a_row_fills_stage_by_stage() {
    type Stored = (Option<f64>, Option<String>, Option<f64>, Option<i64>);
    async fn facts(desk: &Desk, id: RequestId) -> Stored {
        sqlx::query_as(
            "SELECT voice_duration_seconds, model_size, processing_time_seconds, transcription_length \
             FROM usage WHERE id = ?1",
        )
        .bind(id.0)
        .fetch_one(&mut desk.sql().await)
        .await
        .unwrap()
    }
    let desk = Desk::new().await;
    let id = desk.admit(1).await;
    assert_eq!(facts(&desk, id).await, (None, None, None, None));
    assert_eq!(desk.value::<String>(id, "created_at").await, "2023-11-14 22:13:20.000");
    assert_eq!(desk.value::<f64>(id, "claimed_duration_seconds").await, 10.0);

    let row = desk.claim(WorkSource::Downloads, "w").await.unwrap();
    desk.pass(Duration::from_secs(1));
    let length = Facts { length: Some(Duration::from_millis(12_500)), ..Facts::default() };
    desk.store.queue.advance(&row.fence, StageName::Downloaded, &length).await.unwrap();
    assert_eq!(facts(&desk, id).await, (Some(12.5), None, None, None));
    assert_eq!(desk.value::<i64>(id, "downloaded_at").await, START + 1000);
    assert_eq!(desk.value::<String>(id, "updated_at").await, "2023-11-14 22:13:21.000");

    let fence = Fence { stage: StageName::Downloaded, ..row.fence };
    desk.advance(&fence, StageName::Queued).await;
    assert_eq!(desk.value::<Option<String>>(id, "owner").await, None, "nobody holds what waits");
    let fence = desk.start("w").await;
    assert_eq!(fence.attempt, 1, "attempts are counted anew for the engine");
    let heard = Facts {
        model: Some("base-q5_1".into()),
        processing: Some(Duration::from_millis(2_500)),
        transcription_length: Some(42),
        language: Some("ru".into()),
        audio_until: None,
        length: None,
    };
    desk.store.queue.advance(&fence, StageName::Transcribed, &heard).await.unwrap();
    let whole = (Some(12.5), Some("base-q5_1".to_owned()), Some(2.5), Some(42));
    assert_eq!(facts(&desk, id).await, whole);
    assert_eq!(desk.value::<i64>(id, "answered").await, 0);

    let fence = Fence { stage: StageName::Transcribed, ..fence };
    desk.advance(&fence, StageName::Done).await;
    assert_eq!(facts(&desk, id).await, whole);
    assert_eq!(desk.value::<i64>(id, "answered").await, 1);
    assert_eq!(desk.value::<i64>(id, "finished_at").await, START + 1000);
    let total: i64 =
        sqlx::query_scalar("SELECT total_usage_seconds FROM users").fetch_one(&mut desk.sql().await).await.unwrap();
    assert_eq!(total, 13, "rounded to whole seconds");
}

// === Notices ===

#[tokio::test]
async fn a_refusal_is_told_once() {
    let desk = Desk::new().await;
    let id = desk.store.queue.refuse(&arrival(1), RejectReason::TooLong).await.unwrap().unwrap();
    assert_eq!(desk.store.queue.refuse(&arrival(1), RejectReason::TooLong).await.unwrap(), None, "known");
    assert_eq!(desk.claim(WorkSource::Downloads, "w").await, None);

    let notice = desk.store.queue.claim_notice("w").await.unwrap().unwrap();
    assert_eq!((notice.fence.id, notice.settlement), (id, Settlement::Rejected(RejectReason::TooLong)));
    assert_eq!((notice.chat, notice.reply_to), (ChatId(7_000_000_001), Some(MessageId(1))));
    assert_eq!((notice.locale.as_deref(), notice.length), (Some("ru"), Duration::from_secs(10)));
    assert_eq!(desk.store.queue.claim_notice("v").await.unwrap(), None, "somebody is at it");

    desk.store.queue.postpone_notice(&notice.fence, desk.now().after(Duration::from_secs(30))).await.unwrap();
    assert_eq!(desk.store.queue.claim_notice("v").await.unwrap(), None, "put off");
    desk.pass(Duration::from_secs(30));
    let again = desk.store.queue.claim_notice("v").await.unwrap().unwrap();
    assert!(matches!(desk.store.queue.notice_answered(&notice.fence).await, Err(StoreError::LeaseLost { .. })));
    desk.store.queue.notice_answered(&again.fence).await.unwrap();
    desk.pass(PAST_LEASE);
    assert_eq!(desk.store.queue.claim_notice("v").await.unwrap(), None, "told");
}

#[tokio::test]
async fn a_notice_whose_teller_died_is_told_by_the_next() {
    let desk = Desk::new().await;
    desk.store.queue.refuse(&arrival(1), RejectReason::TooBig).await.unwrap().unwrap();
    let first = desk.store.queue.claim_notice("a").await.unwrap().unwrap();
    desk.pass(PAST_LEASE);
    let second = desk.store.queue.claim_notice("b").await.unwrap().unwrap();
    assert_eq!((second.fence.id, second.fence.attempt), (first.fence.id, 2));
}

#[tokio::test]
async fn every_end_says_how_and_who_must_be_told() {
    let desk = Desk::new().await;
    let reasons = RejectReason::ALL.iter().map(|&reason| Settlement::Rejected(reason));
    let reasons = reasons.chain(FailReason::ALL.iter().map(|&reason| Settlement::Failed(reason)));
    let reasons = reasons.chain(CancelledBy::ALL.iter().map(|&by| Settlement::Cancelled(by)));
    for (message, settlement) in (0..).zip(reasons) {
        let id = desk.enqueue(message).await;
        let mut fence = desk.start("w").await;
        fence = desk.advance(&fence, StageName::Transcribed).await;
        desk.store.queue.set_status_message(&fence, arrival(1).chat, MessageId(500)).await.unwrap();
        let codec = (settlement == Settlement::Rejected(RejectReason::Codec)).then_some("AMR");
        desk.store.queue.settle_naming(&fence, settlement, codec).await.unwrap();
        let failed_stage = matches!(settlement, Settlement::Failed(_)).then(|| "transcribed".to_owned());
        assert_eq!(desk.value::<Option<String>>(id, "failed_stage").await, failed_stage);
        match desk.store.queue.claim_notice("w").await.unwrap() {
            Some(notice) => {
                assert!(settlement.needs_answer());
                assert_eq!((notice.fence.id, notice.settlement), (id, settlement));
                assert_eq!(notice.codec.as_deref(), codec);
                assert_eq!(notice.status_message, Some(MessageId(500)));
                desk.store.queue.notice_answered(&notice.fence).await.unwrap();
            }
            None => assert_eq!(settlement, Settlement::Cancelled(CancelledBy::ChatGone)),
        }
    }
}

// === Questions ===

#[tokio::test]
async fn the_recent_factor_is_this_model_s_and_the_last_twenty_requests() {
    let desk = Desk::new().await;
    assert_eq!(desk.store.statistics.recent_real_time_factor("base").await.unwrap(), None);
    for message in 0..25 {
        desk.enqueue(message).await;
        let fence = desk.start("w").await;
        let took = if message < 5 { 40 } else { 5 };
        let facts = Facts {
            length: Some(Duration::from_secs(10)),
            model: Some("base".into()),
            processing: Some(Duration::from_secs(took)),
            ..Facts::default()
        };
        desk.store.queue.advance(&fence, StageName::Transcribed, &facts).await.unwrap();
        desk.advance(&Fence { stage: StageName::Transcribed, ..fence }, StageName::Done).await;
        desk.pass(Duration::from_secs(1));
    }
    assert_eq!(desk.store.statistics.recent_real_time_factor("base").await.unwrap(), Some(0.5));
    assert_eq!(desk.store.statistics.recent_real_time_factor("tiny").await.unwrap(), None);
}

#[tokio::test]
async fn whoever_subscribed_is_woken_by_every_write() {
    let desk = Desk::new().await;
    let mut changes = desk.store.changes();
    macro_rules! wakes {
        ($write:expr) => {{
            let result = $write.await.unwrap();
            assert!(changes.has_changed().unwrap(), stringify!($write));
            let _seen = changes.borrow_and_update();
            result
        }};
    }
    let _admission = wakes!(desk.store.queue.admit(&arrival(1), &ROOMY));
    let row = wakes!(desk.store.queue.claim(WorkSource::Downloads, "w")).unwrap();
    wakes!(desk.store.queue.advance(&row.fence, StageName::Downloaded, &Facts::default()));
    let fence = Fence { stage: StageName::Downloaded, ..row.fence };
    wakes!(desk.store.queue.release(&fence, desk.now(), false));
    let row = wakes!(desk.store.queue.claim(WorkSource::Downloads, "w")).unwrap();
    wakes!(desk.store.queue.settle(&row.fence, Settlement::Failed(FailReason::Download)));
    wakes!(desk.store.queue.refuse(&arrival(2), RejectReason::TooBig));
    assert_eq!(desk.store.queue.claim(WorkSource::Downloads, "w").await.unwrap(), None);
    assert!(!changes.has_changed().unwrap(), "nothing was there to claim");
}
