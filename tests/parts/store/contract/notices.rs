//! Notices: claims, folding, excluded chats.

use std::time::Duration;

use stenobot_domain::{
    AudioLength, CancelledBy, ChatId, FailReason, MessageId, RejectReason, RequestId, StageName, ThreadId, UserId,
};
use stenobot_store::{Admission, Capacity, ClaimExclusions, IncomingAudio, LEASE, Settlement, StoreError, WorkSource};

use super::BACKEND;
use crate::store::test_store::{ROOMY, TestStore, arrival, arrival_of};

const GROUP: ChatId = ChatId(-100_500);
const PAST_LEASE: Duration = Duration::from_secs(LEASE.as_secs() + 1);

/// A recording of this user in the group.
fn in_group(person: i64, message: i32) -> IncomingAudio {
    IncomingAudio { chat: GROUP, ..arrival_of(person, message) }
}

async fn refuse(test: &TestStore, arrival: &IncomingAudio, reason: RejectReason) -> RequestId {
    test.store.queue.refuse(arrival, reason).await.unwrap().unwrap()
}

async fn is_answered(test: &TestStore, id: RequestId) -> bool {
    test.value::<bool>(id, "answered").await
}

#[tokio::test]
async fn a_refusal_gets_one_notice() {
    let test = TestStore::new(BACKEND).await;
    let id = test.store.queue.refuse(&arrival(1), RejectReason::TooLong).await.unwrap().unwrap();
    assert_eq!(test.store.queue.refuse(&arrival(1), RejectReason::TooLong).await.unwrap(), None, "known");
    assert_eq!(test.claim(WorkSource::Downloads, "w").await, None);

    let notice = test.store.queue.claim_notice("w").await.unwrap().unwrap();
    assert_eq!((notice.fence.id, notice.settlement), (id, Settlement::Rejected(RejectReason::TooLong)));
    assert_eq!((notice.chat, notice.reply_to), (ChatId(7_000_000_001), Some(MessageId(1))));
    assert_eq!(
        (notice.locale.as_deref(), notice.length),
        (Some("ru"), Some(AudioLength::Claimed(Duration::from_secs(10))))
    );
    assert_eq!(test.store.queue.claim_notice("v").await.unwrap(), None, "it is held");

    test.store.queue.postpone_notice(&notice.fence, Duration::from_secs(30)).await.unwrap();
    assert_eq!(test.store.queue.claim_notice("v").await.unwrap(), None, "put off");
    test.pass(Duration::from_secs(30));
    let again = test.store.queue.claim_notice("v").await.unwrap().unwrap();
    assert!(matches!(test.store.queue.close_notice(&notice.fence).await, Err(StoreError::LeaseLost { .. })));
    test.store.queue.close_notice(&again.fence).await.unwrap();
    test.pass(PAST_LEASE);
    assert_eq!(test.store.queue.claim_notice("v").await.unwrap(), None, "closed");
}

#[tokio::test]
async fn a_notice_of_a_dead_worker_is_claimed_again() {
    let test = TestStore::new(BACKEND).await;
    test.store.queue.refuse(&arrival(1), RejectReason::TooBig).await.unwrap().unwrap();
    let first = test.store.queue.claim_notice("a").await.unwrap().unwrap();
    test.pass(PAST_LEASE);
    let second = test.store.queue.claim_notice("b").await.unwrap().unwrap();
    assert_eq!((second.fence.id, second.fence.attempt), (first.fence.id, 2));
}

#[tokio::test]
async fn every_settlement_is_recorded_and_gets_its_notice() {
    let test = TestStore::new(BACKEND).await;
    let reasons = RejectReason::ALL.iter().map(|&reason| Settlement::Rejected(reason));
    let reasons = reasons.chain(FailReason::ALL.iter().map(|&reason| Settlement::Failed(reason)));
    let reasons = reasons.chain(CancelledBy::ALL.iter().map(|&by| Settlement::Cancelled(by)));
    for (message, settlement) in (0..).zip(reasons) {
        let id = test.admit(message).await;
        let mut fence = test.claim(WorkSource::Downloads, "w").await.unwrap().fence;
        if !matches!(settlement, Settlement::Rejected(_)) {
            fence = test.advance(&fence, StageName::Downloaded).await;
            test.advance(&fence, StageName::Queued).await;
            fence = test.start("w").await;
            fence = test.advance(&fence, StageName::Transcribed).await;
        }
        test.store.queue.set_status_message(&fence, arrival(1).chat, MessageId(500)).await.unwrap();
        let codec = (settlement == Settlement::Rejected(RejectReason::Codec)).then_some("AMR");
        test.store.queue.settle_with_codec(&fence, settlement, codec).await.unwrap();
        let failed_stage = matches!(settlement, Settlement::Failed(_)).then(|| "transcribed".to_owned());
        assert_eq!(test.value::<Option<String>>(id, "failed_stage").await, failed_stage);
        match test.store.queue.claim_notice("w").await.unwrap() {
            Some(notice) => {
                assert!(settlement.needs_answer());
                assert_eq!((notice.fence.id, notice.settlement), (id, settlement));
                assert_eq!(notice.codec.as_deref(), codec);
                assert_eq!(notice.status_message, Some(MessageId(500)));
                test.store.queue.close_notice(&notice.fence).await.unwrap();
            }
            None => assert_eq!(settlement, Settlement::Cancelled(CancelledBy::ChatGone)),
        }
    }
}

#[tokio::test]
async fn the_newest_refusal_of_a_chat_answers_the_older_ones() {
    let test = TestStore::new(BACKEND).await;
    let mut group = Vec::new();
    for (person, message) in [(1, 1), (2, 2), (1, 3)] {
        group.push(refuse(&test, &in_group(person, message), RejectReason::TooLong).await);
    }
    let topic =
        refuse(&test, &IncomingAudio { thread: Some(ThreadId::Topic(5)), ..in_group(3, 4) }, RejectReason::TooBig)
            .await;
    let other = refuse(&test, &arrival_of(9, 1), RejectReason::TooLong).await;
    let newest = refuse(&test, &in_group(1, 5), RejectReason::QueueFull).await;

    let notice = test.store.queue.claim_notice("w").await.unwrap().unwrap();
    assert_eq!((notice.fence.id, notice.settlement), (newest, Settlement::Rejected(RejectReason::QueueFull)));
    assert_eq!((notice.reply_to, &notice.folded), (Some(MessageId(5)), &group));
    for id in &group {
        assert!(!is_answered(&test, *id).await, "not before the message is there");
    }
    let late = refuse(&test, &in_group(1, 6), RejectReason::TooLong).await;
    test.store.queue.close_notices(&notice.fence, &notice.folded).await.unwrap();
    for id in group.iter().chain([&newest]) {
        assert!(is_answered(&test, *id).await);
    }
    for alone in [topic, other, late] {
        let notice = test.store.queue.claim_notice("w").await.unwrap().unwrap();
        assert_eq!((notice.fence.id, notice.folded.len()), (alone, 0));
        test.store.queue.close_notice(&notice.fence).await.unwrap();
    }
    assert_eq!(test.store.queue.claim_notice("w").await.unwrap(), None);
}

#[tokio::test]
async fn folded_refusals_are_claimed_again_after_a_crash_or_a_pause() {
    let test = TestStore::new(BACKEND).await;
    let first = refuse(&test, &in_group(1, 1), RejectReason::TooLong).await;
    let second = refuse(&test, &in_group(1, 2), RejectReason::TooLong).await;
    let claimed = test.store.queue.claim_notice("w").await.unwrap().unwrap();
    assert_eq!((claimed.fence.id, claimed.folded), (second, vec![first]));
    test.store.queue.postpone_notice(&claimed.fence, Duration::ZERO).await.unwrap();
    let third = refuse(&test, &in_group(2, 3), RejectReason::TooBig).await;
    let claimed = test.store.queue.claim_notice("dead").await.unwrap().unwrap();
    assert_eq!((claimed.fence.id, claimed.folded), (third, vec![first, second]));
    test.pass(Duration::from_secs(61));
    let claimed = test.store.queue.claim_notice("w").await.unwrap().unwrap();
    assert_eq!((claimed.fence.id, claimed.folded.len()), (third, 2));
}

#[tokio::test]
async fn failures_and_refusals_with_a_status_message_are_not_folded() {
    let test = TestStore::new(BACKEND).await;
    let mut ids = Vec::new();
    for (message, settlement) in [
        (1, Settlement::Failed(FailReason::Damaged)),
        (2, Settlement::Failed(FailReason::Damaged)),
        (3, Settlement::Rejected(RejectReason::TooLong)),
    ] {
        ids.push(test.take(&in_group(1, message)).await);
        let row = test.claim(WorkSource::Downloads, "w").await.unwrap();
        test.store.queue.set_status_message(&row.fence, GROUP, MessageId(100 + message)).await.unwrap();
        test.store.queue.settle(&row.fence, settlement).await.unwrap();
    }
    let plain = refuse(&test, &in_group(1, 4), RejectReason::TooLong).await;
    for id in ids.into_iter().chain([plain]) {
        let notice = test.store.queue.claim_notice("w").await.unwrap().unwrap();
        assert_eq!((notice.fence.id, notice.folded.len()), (id, 0));
        test.store.queue.close_notice(&notice.fence).await.unwrap();
    }
}

#[tokio::test]
async fn notices_of_excluded_chats_are_passed_over() {
    let test = TestStore::new(BACKEND).await;
    let held = refuse(&test, &in_group(1, 1), RejectReason::TooLong).await;
    let other = refuse(&test, &arrival_of(9, 1), RejectReason::TooLong).await;
    let notice = test.store.queue.claim_notice_excluding("w", &[GROUP]).await.unwrap().unwrap();
    assert_eq!(notice.fence.id, other);
    assert_eq!(test.store.queue.claim_notice_excluding("w", &[GROUP]).await.unwrap(), None);
    assert_eq!(test.store.queue.claim_notice("w").await.unwrap().unwrap().fence.id, held);
}

#[tokio::test]
async fn transcriptions_of_excluded_chats_and_users_are_passed_over() {
    let test = TestStore::new(BACKEND).await;
    let group = test.enqueue_of(&in_group(1, 1)).await;
    let person = test.enqueue_of(&arrival_of(2, 2)).await;
    let other = test.enqueue_of(&arrival_of(3, 3)).await;
    let busy = ClaimExclusions { chats: vec![GROUP], users: vec![UserId(2)] };
    let claim = async |busy: &ClaimExclusions| {
        let row = test.store.queue.claim_excluding(WorkSource::Transcriptions, "w", busy).await.unwrap();
        row.map(|row| row.fence.id)
    };
    assert_eq!(claim(&busy).await, Some(other));
    assert_eq!(claim(&busy).await, None);
    assert_eq!(claim(&ClaimExclusions { users: vec![], ..busy }).await, Some(person));
    assert_eq!(claim(&ClaimExclusions::default()).await, Some(group));
}

#[tokio::test]
async fn requests_of_excluded_chats_do_not_count_for_the_others() {
    let test = TestStore::new(BACKEND).await;
    let capacity = Capacity { queue: 3, per_user: 2, ..ROOMY };
    let busy = ClaimExclusions { chats: vec![GROUP], users: vec![] };
    for (person, message) in [(1, 1), (2, 2), (3, 3)] {
        assert!(matches!(
            test.store.queue.admit(&in_group(person, message), &capacity).await.unwrap(),
            Admission::New(_)
        ));
    }
    let other = |message| arrival_of(9, message);
    let full = test.store.queue.admit(&other(1), &capacity).await.unwrap();
    assert!(matches!(full, Admission::QueueFull(_)), "{full:?}");
    let admit =
        async |arrival: &IncomingAudio| test.store.queue.admit_excluding(arrival, &capacity, &busy).await.unwrap();
    assert!(matches!(admit(&other(2)).await, Admission::New(_)));
    assert_eq!(test.store.queue.depth_excluding(&busy).await.unwrap(), 1);
    let more = admit(&in_group(4, 4)).await;
    assert!(matches!(more, Admission::QueueFull(_)), "as much as of one person: {more:?}");
}

#[tokio::test]
async fn undelivered_texts_count_against_their_sender() {
    let test = TestStore::new(BACKEND).await;
    let one = Capacity { per_user: 1, ..ROOMY };
    test.enqueue_of(&arrival_of(1, 1)).await;
    let fence = test.start("w").await;
    let fence = test.advance(&fence, StageName::Transcribed).await;
    let full = test.store.queue.admit(&arrival_of(1, 2), &one).await.unwrap();
    assert!(matches!(full, Admission::UserFull(_)), "{full:?}");
    test.advance(&fence, StageName::Done).await;
    assert!(matches!(test.store.queue.admit(&arrival_of(1, 3), &one).await.unwrap(), Admission::New(_)));
}
