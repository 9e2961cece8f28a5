//! Which notices are claimed, and what one of them answers; whom claims pass over.

use std::time::Duration;

use stenobot_domain::{ChatId, FailReason, MessageId, RejectReason, RequestId, StageName, UserId};
use stenobot_store::{Admission, Capacity, ClaimExclusions, IncomingAudio, Settlement, WorkSource};

use crate::desk::{Desk, ROOMY, arrival_of};

const GROUP: ChatId = ChatId(-100_500);

/// A recording that this person sends to the group.
fn in_group(person: i64, message: i32) -> IncomingAudio {
    IncomingAudio { chat: GROUP, ..arrival_of(person, message) }
}

async fn refuse(desk: &Desk, arrival: &IncomingAudio, reason: RejectReason) -> RequestId {
    desk.store.queue.refuse(arrival, reason).await.unwrap().unwrap()
}

async fn is_answered(desk: &Desk, id: RequestId) -> bool {
    desk.value::<bool>(id, "answered").await
}

#[tokio::test]
async fn the_newest_refusal_of_a_chat_answers_the_others() {
    let desk = Desk::new().await;
    let mut group = Vec::new();
    for (person, message) in [(1, 1), (2, 2), (1, 3)] {
        group.push(refuse(&desk, &in_group(person, message), RejectReason::TooLong).await);
    }
    let topic = refuse(&desk, &IncomingAudio { thread: Some(5), ..in_group(3, 4) }, RejectReason::TooBig).await;
    let other = refuse(&desk, &arrival_of(9, 1), RejectReason::TooLong).await;
    let newest = refuse(&desk, &in_group(1, 5), RejectReason::QueueFull).await;

    let notice = desk.store.queue.claim_notice("w").await.unwrap().unwrap();
    assert_eq!((notice.fence.id, notice.settlement), (newest, Settlement::Rejected(RejectReason::QueueFull)));
    assert_eq!((notice.reply_to, &notice.folded), (Some(MessageId(5)), &group));
    for id in &group {
        assert!(!is_answered(&desk, *id).await, "not before the message is there");
    }
    let late = refuse(&desk, &in_group(1, 6), RejectReason::TooLong).await;
    desk.store.queue.close_notices(&notice.fence, &notice.folded).await.unwrap();
    for id in group.iter().chain([&newest]) {
        assert!(is_answered(&desk, *id).await);
    }
    for alone in [topic, other, late] {
        let notice = desk.store.queue.claim_notice("w").await.unwrap().unwrap();
        assert_eq!((notice.fence.id, notice.folded.len()), (alone, 0));
        desk.store.queue.notice_answered(&notice.fence).await.unwrap();
    }
    assert_eq!(desk.store.queue.claim_notice("w").await.unwrap(), None);
}

#[tokio::test]
async fn a_teller_that_dies_or_has_to_wait_leaves_all_of_them_to_the_next() {
    let desk = Desk::new().await;
    let first = refuse(&desk, &in_group(1, 1), RejectReason::TooLong).await;
    let second = refuse(&desk, &in_group(1, 2), RejectReason::TooLong).await;
    let claimed = desk.store.queue.claim_notice("w").await.unwrap().unwrap();
    assert_eq!((claimed.fence.id, claimed.folded), (second, vec![first]));
    desk.store.queue.postpone_notice(&claimed.fence, desk.now()).await.unwrap();
    let third = refuse(&desk, &in_group(2, 3), RejectReason::TooBig).await;
    let claimed = desk.store.queue.claim_notice("dead").await.unwrap().unwrap();
    assert_eq!((claimed.fence.id, claimed.folded), (third, vec![first, second]));
    desk.pass(Duration::from_secs(61));
    let claimed = desk.store.queue.claim_notice("w").await.unwrap().unwrap();
    assert_eq!((claimed.fence.id, claimed.folded.len()), (third, 2));
}

#[tokio::test]
async fn apologies_and_refusals_that_show_something_are_told_one_by_one() {
    let desk = Desk::new().await;
    let mut ids = Vec::new();
    for (message, settlement) in [
        (1, Settlement::Failed(FailReason::Damaged)),
        (2, Settlement::Failed(FailReason::Damaged)),
        (3, Settlement::Rejected(RejectReason::TooLong)),
    ] {
        ids.push(desk.take(&in_group(1, message)).await);
        let row = desk.claim(WorkSource::Downloads, "w").await.unwrap();
        desk.store.queue.set_status_message(&row.fence, GROUP, MessageId(100 + message)).await.unwrap();
        desk.store.queue.settle(&row.fence, settlement).await.unwrap();
    }
    let plain = refuse(&desk, &in_group(1, 4), RejectReason::TooLong).await;
    for id in ids.into_iter().chain([plain]) {
        let notice = desk.store.queue.claim_notice("w").await.unwrap().unwrap();
        assert_eq!((notice.fence.id, notice.folded.len()), (id, 0));
        desk.store.queue.notice_answered(&notice.fence).await.unwrap();
    }
}

#[tokio::test]
async fn notices_of_chats_that_have_to_wait_hold_up_no_other() {
    let desk = Desk::new().await;
    let held = refuse(&desk, &in_group(1, 1), RejectReason::TooLong).await;
    let other = refuse(&desk, &arrival_of(9, 1), RejectReason::TooLong).await;
    let notice = desk.store.queue.claim_notice_excluding("w", &[GROUP]).await.unwrap().unwrap();
    assert_eq!(notice.fence.id, other);
    assert_eq!(desk.store.queue.claim_notice_excluding("w", &[GROUP]).await.unwrap(), None);
    assert_eq!(desk.store.queue.claim_notice("w").await.unwrap().unwrap().fence.id, held);
}

#[tokio::test]
async fn the_engine_passes_over_chats_and_people_whose_texts_wait() {
    let desk = Desk::new().await;
    let group = desk.enqueue_of(&in_group(1, 1)).await;
    let person = desk.enqueue_of(&arrival_of(2, 2)).await;
    let other = desk.enqueue_of(&arrival_of(3, 3)).await;
    let busy = ClaimExclusions { chats: vec![GROUP], people: vec![UserId(2)] };
    let claim = async |busy: &ClaimExclusions| {
        let row = desk.store.queue.claim_excluding(WorkSource::Transcriptions, "w", busy).await.unwrap();
        row.map(|row| row.fence.id)
    };
    assert_eq!(claim(&busy).await, Some(other));
    assert_eq!(claim(&busy).await, None);
    assert_eq!(claim(&ClaimExclusions { people: vec![], ..busy }).await, Some(person));
    assert_eq!(claim(&ClaimExclusions::default()).await, Some(group));
}

#[tokio::test]
async fn what_waits_for_a_chat_s_pause_takes_no_place_from_the_others() {
    let desk = Desk::new().await;
    let capacity = Capacity { queue: 3, per_person: 2, ..ROOMY };
    let busy = ClaimExclusions { chats: vec![GROUP], people: vec![] };
    for (person, message) in [(1, 1), (2, 2), (3, 3)] {
        assert!(matches!(
            desk.store.queue.admit(&in_group(person, message), &capacity).await.unwrap(),
            Admission::New(_)
        ));
    }
    let other = |message| arrival_of(9, message);
    let full = desk.store.queue.admit(&other(1), &capacity).await.unwrap();
    assert!(matches!(full, Admission::QueueFull(_)), "{full:?}");
    let admit =
        async |arrival: &IncomingAudio| desk.store.queue.admit_excluding(arrival, &capacity, &busy).await.unwrap();
    assert!(matches!(admit(&other(2)).await, Admission::New(_)));
    assert_eq!(desk.store.queue.depth_excluding(&busy).await.unwrap(), 1);
    let more = admit(&in_group(4, 4)).await;
    assert!(matches!(more, Admission::QueueFull(_)), "as much as of one person: {more:?}");
}

#[tokio::test]
async fn texts_that_wait_for_telegram_count_against_their_sender() {
    let desk = Desk::new().await;
    let one = Capacity { per_person: 1, ..ROOMY };
    desk.enqueue_of(&arrival_of(1, 1)).await;
    let fence = desk.start("w").await;
    let fence = desk.advance(&fence, StageName::Transcribed).await;
    let full = desk.store.queue.admit(&arrival_of(1, 2), &one).await.unwrap();
    assert!(matches!(full, Admission::PersonFull(_)), "{full:?}");
    desk.advance(&fence, StageName::Done).await;
    assert!(matches!(desk.store.queue.admit(&arrival_of(1, 3), &one).await.unwrap(), Admission::New(_)));
}
